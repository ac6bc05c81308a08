"""Replaying recorded command lines: a cluster of its own, normalising, comparing. Also runs on its own:

python -m tests.integration.cli.golden_replay [--kubectl] [ROW …]      prints the rows that differ
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sampan.cluster import config as configs
from sampan.cluster import kubeconfigs
from sampan.cluster.paths import ClusterPaths
from sampan.cluster.pki import Pki

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT.parent / "shared" / "golden" / "kubectl.json"
SAMPAN = [sys.executable, "-m", "sampan"]

_RULES: tuple[tuple[str, str], ...] = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", "<time>"),
    (r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000", "<when>"),
    (r'resourceVersion"?: "\d+"', 'resourceVersion: "<rv>"'),
    (r"kube-api-access-\w{5}", "kube-api-access-<x>"),
    (r"\b(\d+[smhdy]){1,2}\b", "<age>"),
    (r"\b10\.(?!244\.)\d+\.\d+\.\d+\b", "<ip>"),
    (r"(?<=:)3[0-2]\d{3}\b", "<nodeport>"),
    (r"-[0-9a-z]{8,10}-[a-z0-9]{5}\b", "-<hash>-<x>"),
    (r"\b(d|web)-[0-9a-z]{7,10}\b", r"\1-<hash>"),
    (r"\bj-[a-z0-9]{5}\b", "j-<x>"),
    (r"https://127\.0\.0\.1:\d+", "https://<server>"),
    (r"v1\.36\.2\+sampan|v1\.3\d\.\d\S*", "<version>"),
)


class Row(NamedTuple):
    number: int
    args: list[str]
    stdin: str | None
    code: int
    stdout: str
    stderr: str
    setup: bool

    @property
    def name(self) -> str:
        return f"{self.number:03d} {' '.join(self.args)}"


def newest_kubectl() -> str:
    """The newest there is; empty without one."""
    found = shutil.which("kubectl")
    folder = Path(os.path.realpath(found)).parent if found else Path()
    versions = sorted(folder.glob("kubectl.1.*"), key=lambda path: int(path.name.rpartition(".")[2]))
    return str(versions[-1]) if versions else found or ""


def rows() -> tuple[dict[str, str], list[Row]]:
    """The files and the command lines."""
    data: list[dict[str, Any]] = json.loads(GOLDEN.read_text())
    files: dict[str, str] = {}
    listed = []
    for number, row in enumerate(data):
        if "files" in row:
            files |= row["files"]
            continue
        listed.append(
            Row(
                number,
                row["args"],
                row.get("stdin"),
                row.get("code", 0),
                row.get("stdout", ""),
                row.get("stderr", ""),
                bool(row.get("setup")),
            )
        )
    return files, listed


def normal(text: str) -> list[str]:
    for pattern, replacement in _RULES:
        text = re.sub(pattern, replacement, text)
    lines = []
    for line in text.splitlines():
        # Column widths follow from contents, which vary: outside of indentation a run of blanks is two of them.
        indent = len(line) - len(line.lstrip(" "))
        squeezed = " " * indent + re.sub(r"(?<=\S) {2,}|-{3,}", "  ", line[indent:])
        lines.append(squeezed.rstrip())
    while lines and not lines[-1]:
        lines.pop()
    return lines


@contextmanager
def cluster() -> Iterator[Path]:
    """API server and controllers without a scheduler, as where it was recorded. Gives a kubeconfig (namespace demo)."""
    with tempfile.TemporaryDirectory() as home:
        name = f"golden-{uuid.uuid4().hex[:8]}"
        paths = ClusterPaths(name, Path(home) / name)
        paths.root.mkdir(parents=True)
        config = configs.new_config(paths, nodes=0, port=None)
        configs.save(paths, config)
        pki = Pki(paths.pki)
        pki.ensure(config, {})
        kubeconfigs.write_own(paths, config, pki)
        env = os.environ | {"SAMPAN_HOME": home}
        parts = ["--components", "apiserver,controllers", "--datastore", "memory:"]
        with subprocess.Popen(
            [*SAMPAN, "server", "--name", paths.name, *parts],
            env=env,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as server:
            try:
                kubeconfig = Path(home) / "config"
                own = paths.kubeconfig.read_text()
                kubeconfig.write_text(re.sub(r"(?m)^(\s+)(user: .*)$", r"\1\2\n\1namespace: demo", own, count=1))
                _wait_until_ready(kubeconfig, server)
                yield kubeconfig
            finally:
                server.terminate()


def _wait_until_ready(kubeconfig: Path, server: subprocess.Popen[bytes]) -> None:
    ask = [*SAMPAN, "get", "serviceaccount", "default", "-n", "default", "--kubeconfig", str(kubeconfig)]
    end = time.monotonic() + 90  # a machine that is busy with other things takes its time
    while time.monotonic() < end and server.poll() is None:
        if not subprocess.run(ask, cwd=ROOT, capture_output=True).returncode:
            return
        time.sleep(0.1)
    raise RuntimeError(f"the server did not become ready (exit code {server.poll()})")


def replay(
    command: list[str], kubeconfig: Path, report: Callable[[Row, subprocess.CompletedProcess[str]], None]
) -> None:
    files, listed = rows()
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_text(content)
        env = os.environ | {
            "KUBECONFIG": str(kubeconfig),
            "KUBECACHEDIR": f"{folder}/.cache",
            "PYTHONPATH": str(ROOT / "src"),
            "TZ": "UTC",
        }
        (Path(folder) / "files").mkdir()
        for row in listed:
            done = subprocess.run(
                [*command, "--kubeconfig", str(kubeconfig), *row.args],  # as they were recorded
                input=stdin_of(row, command, kubeconfig, env),
                env=env,
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=60,
            )
            report(row, done)


_ANOTHER_AUTHORITY = (
    r"(?m)^ *- configMap:\n *items:\n *- key: service-ca\.crt\n *path: service-ca\.crt\n",
    (
        r',\s*\{\s*"configMap": \{\s*"items": \[\s*\{\s*"key": "service-ca\.crt",\s*"path": "service-ca\.crt"'
        r"\s*\}\s*\],\s*\}\s*\}"
    ),
    r"(?<=    DownwardAPI:             true\n)    Optional:                false\n",
)
"""It was recorded where Pods mount one more authority's certificate, which is none of Kubernetes'."""


def recorded(text: str) -> str:
    for pattern in _ANOTHER_AUTHORITY:
        text = re.sub(pattern, "", text)
    return text


def stdin_of(row: Row, command: list[str], kubeconfig: Path, env: dict[str, str]) -> str:
    """Recorded events speak of a Pod's uid and of times, which are placeholders."""
    text = row.stdin or ""
    if "<uid>" in text:
        asked = [*command, "get", "pod", "kubia-manual", "-o", "jsonpath={.metadata.uid}"]
        uid = subprocess.run(asked, env=env, capture_output=True, text=True, check=True).stdout
        text = text.replace("<uid>", uid)
    return text.replace("<time>", "2026-01-01T00:00:00Z")


def differs(row: Row, done: subprocess.CompletedProcess[str]) -> str:
    """What is not as recorded; empty when all is."""
    if row.setup:
        return ""
    told = []
    if done.returncode != row.code:
        told.append(f"exit code {done.returncode}, recorded {row.code}")
    for what, ours, theirs in (("stdout", done.stdout, row.stdout), ("stderr", done.stderr, row.stderr)):
        left, right = _in_order(normal(recorded(theirs))), _in_order(normal(ours))
        if left != right:
            import difflib

            told.append(
                f"{what}:\n" + "\n".join(difflib.unified_diff(left, right, "recorded", "now", lineterm="", n=1))
            )
    return "\n".join(told)


def _in_order(lines: list[str]) -> list[str]:
    """Neighbours whose names are a hash come in its order, which is another's."""
    found: list[str] = []
    for line in lines:
        at = len(found)
        while (
            at and "-<hash>" in line.split(" ")[0] and "-<hash>" in found[at - 1].split(" ")[0] and line < found[at - 1]
        ):
            at -= 1
        found.insert(at, line)
    return found


def _hashed(line: str) -> bool:
    return "-<hash>" in line.split(" ")[0]


def main() -> None:
    arguments = sys.argv[1:]
    command = [newest_kubectl()] if "--kubectl" in arguments else SAMPAN
    wanted = {int(word) for word in arguments if word.isdigit()}
    good = bad = 0

    def report(row: Row, done: subprocess.CompletedProcess[str]) -> None:
        nonlocal good, bad
        if row.setup:
            if done.returncode:
                print(f"### {row.name}: setup failed: {done.stderr}")
            return
        told = differs(row, done)
        good, bad = good + (not told), bad + bool(told)
        if told and (not wanted or row.number in wanted):
            print(f"### {row.name}\n{told}")

    with cluster() as kubeconfig:
        replay(command, kubeconfig, report)
    print(f"{good} as recorded, {bad} not")


if __name__ == "__main__":
    main()
