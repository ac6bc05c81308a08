"""The offline images: they are built from busybox alone, and do what they promise, in a chroot."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sampan.runtime.errors import NotFound
from sampan.runtime.images.examples import BUSYBOX, build_example_images
from sampan.runtime.images.store import LocalImageStore
from tests.ports import free_port

START_SECONDS = 30.0

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not BUSYBOX.exists(), reason="busybox-static is not installed"),
]


@contextmanager
def running(root: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The image's server, in a chroot with a /proc and a PID namespace of its own, on a free port."""
    port = free_port()
    script = f"mount -t proc proc {root}/proc && mount --bind /dev {root}/dev && exec chroot {root} /app/serve"
    process = subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.02)
        yield port, process
    finally:
        process.kill()
        process.wait()


def ask(port: int, method: str = "GET", path: str = "/", body: bytes | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path, body, {"X-Note": "hello"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


async def test_kubia_answers_and_ends(store: LocalImageStore) -> None:
    images = {name: image for image in await build_example_images(store) for name in image.repo_tags}
    assert sorted(images) == [
        "docker.io/luksa/kubia:latest",
        "sampan.local/busybox:1.36",
        "sampan.local/echo:1.0",
        "sampan.local/kubia:latest",
    ]
    kubia = images["docker.io/luksa/kubia:latest"]
    assert kubia.config.exposed_ports == ["8080/tcp"]
    root = Path((await store.prepare_rootfs(kubia.id, "kubia")).lower[0])
    with running(root) as (port, process):
        here = f"You've hit {socket.gethostname()}\n"
        assert ask(port) == ask(port, path="/any/path") == ask(port, "POST", body=b"x" * 10_000) == (200, here)
        assert ask(port, "HEAD") == (200, "")
        children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True)
        started = time.monotonic()
        os.kill(int(children.stdout.split()[0]), signal.SIGTERM)
        assert process.wait(5) == 0
        assert time.monotonic() - started < 2
        assert process.stdout is not None
        log = process.stdout.read().decode()
    assert log.startswith("Kubia server starting...\n")
    assert "Received request from 127.0.0.1\n" in log

    root = Path((await store.prepare_rootfs("sampan.local/echo:1.0", "echo")).lower[0])
    with running(root) as (port, _):
        status, text = ask(port, "PUT", "/a?b=c", b"body")
        lines = text.splitlines()
        assert status == 200
        assert lines[:4] == [
            f"host: {socket.gethostname()}", "server: 127.0.0.1", "client: 127.0.0.1", "request: PUT /a?b=c HTTP/1.1",
        ]  # fmt: skip
        assert "X-Note: hello" in lines


async def test_building_again_changes_nothing(store: LocalImageStore) -> None:
    first = [image.id for image in await build_example_images(store)]
    assert [image.id for image in await build_example_images(store)] == first
    assert len(await store.list_images()) == 3


async def test_a_busybox_that_cannot_be_used(store: LocalImageStore, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="install busybox-static"):
        await build_example_images(store, tmp_path / "none")
    (tmp_path / "dynamic").write_bytes(b"\x7fELF" + bytes(100) + b"/lib64/ld-linux-x86-64.so.2\0")
    with pytest.raises(NotFound, match="needs shared libraries"):
        await build_example_images(store, tmp_path / "dynamic")


async def test_this_nodes_own_images_are_pulled_from_nowhere(store: LocalImageStore) -> None:
    """`sampan.local/` is no registry: with `imagePullPolicy: Always` what is here is what there is."""
    await build_example_images(store)
    image = await store.pull("sampan.local/kubia")
    assert "sampan.local/kubia:latest" in image.repo_tags
    with pytest.raises(Exception, match=r'failed to resolve reference "sampan.local/x:1": sampan.local/x:1: not found'):
        await store.pull("sampan.local/x:1")
