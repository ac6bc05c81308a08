"""A list of ten thousand Pods comes in pieces, is shown as it comes, and never stands in memory as a whole."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

PODS, PAGE = 10_000, 500
PADDING = "x" * 2000  # a Pod is a few kilobytes: ten thousand are some twenty megabytes here
MEGABYTES = 60
DISCOVERY = {
    "kind": "APIGroupDiscoveryList",
    "apiVersion": "apidiscovery.k8s.io/v2",
    "items": [
        {
            "metadata": {"name": ""},
            "versions": [
                {
                    "version": "v1",
                    "resources": [
                        {
                            "resource": "pods",
                            "responseKind": {"group": "", "version": "", "kind": "Pod"},
                            "scope": "Namespaced",
                            "singularResource": "pod",
                            "shortNames": ["po"],
                            "verbs": ["get", "list", "watch"],
                        }
                    ],
                }
            ],
        }
    ],
}


class Server(BaseHTTPRequestHandler):
    """Of an API server what `get pods` asks for; `asked` are the lists."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[dict[str, list[str]]]] = []

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if not parts.path.endswith("/pods"):
            self._answer(DISCOVERY if parts.path == "/api" else DISCOVERY | {"items": []}, "v2")
            return
        query = parse_qs(parts.query)
        self.asked.append(query)
        begin = int(query.get("continue", ["0"])[0])
        end = begin + int(query.get("limit", [str(PODS)])[0])
        metadata = {"resourceVersion": "1"} | ({"continue": str(end)} if end < PODS else {})
        names = [f"pod-{number:05}" for number in range(begin, min(end, PODS))]
        if "as=Table" in self.headers["accept"]:
            self._answer(table(names, metadata))
        else:
            items = [{"metadata": {"name": name, "annotations": {"a": PADDING}}} for name in names]
            self._answer({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items})

    def _answer(self, data: dict[str, Any], version: str = "") -> None:
        body = json.dumps(data).encode()
        self.send_response(200)
        kind = ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList" if version else ""
        self.send_header("Content-Type", f"application/json{kind}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def table(names: list[str], metadata: dict[str, str]) -> dict[str, Any]:
    padding = {"annotations": {"a": PADDING}}
    rows = [{"cells": [name, "1/1"], "object": {"metadata": {"name": name} | padding}} for name in names]
    columns = [{"name": "Name", "format": "name"}, {"name": "Ready"}]
    return {"kind": "Table", "columnDefinitions": columns, "rows": rows, "metadata": metadata}


@pytest.fixture
def url() -> Iterator[str]:
    Server.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


# The peak of this program alone: getrusage would count what its parent had when it made it.
MEASURED = (
    "import sys; from sampan.cli.main import run; code = run(sys.argv[1:]); "
    "said = next(line for line in open('/proc/self/status') if line.startswith('VmHWM')); "
    "sys.stderr.write(str(int(said.split()[1]) >> 10)); sys.exit(code)"
)


def sampan(url: str, *words: str) -> tuple[str, int]:
    """(stdout, the most memory it had, in megabytes)."""
    line = [sys.executable, "-c", MEASURED, *words, "--server", url, "--kubeconfig", "/dev/null"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return done.stdout, int(done.stderr)


@pytest.mark.parametrize("words", [("get", "pods"), ("get", "pods", "--show-labels", "-o", "wide")])
def test_a_table_of_ten_thousand(url: str, words: tuple[str, ...]) -> None:
    shown, megabytes = sampan(url, *words)
    assert len(shown.splitlines()) == PODS + 1
    assert [query["limit"] for query in Server.asked] == [[str(PAGE)]] * (PODS // PAGE)
    assert megabytes < MEGABYTES


def test_names_of_ten_thousand(url: str) -> None:
    shown, megabytes = sampan(url, "get", "pods", "-o", "name")
    assert shown.splitlines()[-1] == f"pod/pod-{PODS - 1:05}"
    assert len(Server.asked) == PODS // PAGE
    assert megabytes < MEGABYTES


def test_all_at_once_when_it_is_asked_for(url: str) -> None:
    sampan(url, "get", "pods", "--chunk-size=0", "-o", "name")
    assert len(Server.asked) == 1


def test_the_measure_sees_memory() -> None:
    """So that the limit above means something."""
    held = "held = ['x' * 2000 + str(i) for i in range(60_000)]; "
    done = subprocess.run(
        [sys.executable, "-c", held + MEASURED, "options"], capture_output=True, text=True, check=True
    )
    assert int(done.stderr) > MEGABYTES
