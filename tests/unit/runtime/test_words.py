"""Texts the runtime makes and reads: the Pod's files, conmon's command line, error messages."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import msgspec
import pytest

from sampan.runtime import conmon, podfiles
from sampan.runtime.execs import _write_process
from sampan.runtime.host import OciRuntime
from sampan.runtime.images.shown import shown_digest, shown_name
from sampan.runtime.records import ContainerConfig, DnsConfig, Image, SandboxConfig
from sampan.runtime.state import ContainerRecord
from sampan.runtime.streams import FdReader, FdWriter, QueueReader
from sampan.runtime.words import create_failure, exec_failure, readable


def pod(**fields: Any) -> SandboxConfig:
    return SandboxConfig(name="p", namespace="n", uid="u", **fields)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (pod(etc_hosts="mine\n", netns_path="/n"), "mine\n"),
        (pod(etc_hosts="mine\n"), "mine\n"),
        (pod(), "the host's"),
    ],
)
def test_hosts(config: SandboxConfig, expected: str) -> None:
    assert podfiles.hosts_text(config, "h", "the host's") == expected


def test_hosts_by_default_have_localhost_and_the_pod_s_name() -> None:
    lines = podfiles.hosts_text(pod(netns_path="/n"), "web-0", "the host's").splitlines()
    assert "127.0.0.1\tlocalhost" in lines
    assert "127.0.0.1\tweb-0" in lines


@pytest.mark.parametrize(
    ("dns", "expected"),
    [
        (None, "the host's"),
        (DnsConfig(servers=["1.1.1.1", "2.2.2.2"]), "nameserver 1.1.1.1\nnameserver 2.2.2.2\n"),
        (
            DnsConfig(servers=["1.1.1.1"], searches=["a", "b.c"], options=["ndots:5", "edns0"]),
            "search a b.c\nnameserver 1.1.1.1\noptions ndots:5 edns0\n",
        ),
        (DnsConfig(), "\n"),
    ],
)
def test_resolv_conf(dns: DnsConfig | None, expected: str) -> None:
    assert podfiles.resolv_text(dns, "the host's") == expected


def command(oci: OciRuntime, **config: Any) -> list[str]:
    record = ContainerRecord(
        id="c" * 64, sandbox_id="s", config=ContainerConfig(name="app", **config), created_at=1,
        log_path="/logs/a.log" if config.get("log_path") else "",
    )  # fmt: skip
    return conmon.command("/bin/conmon", oci, "/state/oci", "/state/exits", "/state/c", record)


CRUN = OciRuntime(name="crun", path="/bin/crun", create=["/bin/crun"])
VIEW = OciRuntime(name="crun", path="/bin/crun", create=["/bin/unshare", "--mount", "sh", "/v"], systemd=True)


def test_conmon_s_command_line() -> None:
    plain = command(CRUN)
    assert plain[plain.index("-r") + 1] == "/bin/crun"
    assert plain[plain.index("-l") + 1] == "k8s-file:/dev/null"
    assert [a for a in plain if a.startswith("--runtime-arg")] == ["--runtime-arg=--root", "--runtime-arg=/state/oci"]
    assert not {"-t", "-i", "--leave-stdin-open", "-s"} & set(plain)
    rich = command(VIEW, tty=True, stdin=True, log_path="a.log")
    assert rich[rich.index("-r") + 1] == "/bin/unshare"
    assert rich[rich.index("-l") + 1] == "k8s-file:/logs/a.log"
    assert "--runtime-arg=/v" in rich
    assert {"-t", "-i", "--leave-stdin-open", "-s"} <= set(rich)
    assert "--leave-stdin-open" not in command(CRUN, stdin=True, stdin_once=True)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("executable file `/x` not found: No such file", "executable file `/x` not found: No such file"),
        ('time="2026-01-02T03:04:05Z" level=error msg="exec: \\"/x\\": no such file"', 'exec: "/x": no such file'),
        ("error: one\nerror: two\n", "one\ntwo"),
        ("", ""),
    ],
)
def test_reasons_are_without_log_levels(message: str, reason: str) -> None:
    assert readable(message) == reason


UNABLE = "OCI runtime create failed: {}: unable to start container process: exec: {}"


@pytest.mark.parametrize(
    ("runtime", "reason", "said"),
    [
        (
            "runc",
            'runc create failed: unable to start container process: exec: "/x": stat /x: no such file or directory',
            UNABLE.format("runc create failed", '"/x": stat /x: no such file or directory'),
        ),
        (
            "crun",
            "executable file `/x` not found in $PATH: No such file or directory",
            UNABLE.format("crun create failed", '"/x": stat /x: no such file or directory'),
        ),
        (
            "crun",
            "executable file `x` not found in $PATH: No such file or directory",
            UNABLE.format("crun create failed", '"x": executable file not found in $PATH'),
        ),
        (
            "crun",
            "open executable: Permission denied",
            UNABLE.format("crun create failed", '"given": permission denied'),
        ),
        ("crun", "chdir `/w`: No", "OCI runtime create failed: crun create failed: chdir `/w`: No"),
    ],
)
def test_both_runtimes_say_why_in_the_same_words(runtime: str, reason: str, said: str) -> None:
    assert create_failure(runtime, reason, "given") == said


def test_the_same_for_exec() -> None:
    said = exec_failure("executable file `x` not found in $PATH: No such file or directory", "x")
    unable = 'unable to start container process: exec: "x": executable file not found in $PATH'
    assert said == f"OCI runtime exec failed: exec failed: {unable}"


@pytest.mark.parametrize("tty", [False, True])
def test_an_exec_s_process_is_the_container_s_with_another_command(tmp_path: Any, tty: bool) -> None:
    own = {"args": ["main"], "env": ["A=b", "TERM=dumb"], "user": {"uid": 7}, "cwd": "/w", "terminal": not tty}
    (tmp_path / "config.json").write_bytes(msgspec.json.encode({"process": own, "root": {}}))
    _write_process(str(tmp_path / "config.json"), str(tmp_path / "out"), ["ls", "-l"], tty=tty)
    made = msgspec.json.decode((tmp_path / "out").read_bytes())
    env = ["A=b", "TERM=xterm"] if tty else ["A=b", "TERM=dumb"]
    assert made == own | {"args": ["ls", "-l"], "terminal": tty, "env": env}


async def test_a_pipe_s_reader_and_writer() -> None:
    read, write = os.pipe()
    reader, writer = FdReader(read), FdWriter(write)
    payload = os.urandom(1_000_000)  # more than a pipe holds: the writer has to wait for the reader
    sending = asyncio.create_task(writer.write(payload))
    got = b""
    while len(got) < len(payload):
        got += await reader.read(70_000)
    await sending
    assert got == payload
    await writer.close()
    assert await reader.read(10) == b""
    await writer.write(b"nobody is there")
    reader.close()
    assert await reader.read(10) == b""


async def test_writing_to_nobody_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    writer = FdWriter(write)
    await writer.write(b"lost")
    writer.close_now()


async def test_a_full_queue_asks_its_feeder_to_wait() -> None:
    queue = QueueReader()
    queue.feed(b"x" * QueueReader.LIMIT)
    waiting = asyncio.create_task(queue.drained())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert len(await queue.read(10)) == 10
    await waiting
    queue.feed_eof()
    assert len(await queue.read()) == QueueReader.LIMIT - 10
    assert await queue.read() == b""


def test_an_image_is_shown_by_its_whole_name() -> None:
    image = Image(
        id="sha256:1",
        repo_tags=["docker.io/library/busybox:1.36", "sampan.local/busybox:1.36"],
        repo_digests=["sampan.local/busybox@sha256:2", "docker.io/library/busybox@sha256:2"],
    )
    assert shown_name("busybox:1.36", image) == "docker.io/library/busybox:1.36"
    assert shown_name("sha256:1", image) == "sha256:1"
    assert shown_digest("busybox:1.36", image) == "docker.io/library/busybox@sha256:2"
    assert shown_digest("other:1", image) == "sampan.local/busybox@sha256:2"
    assert shown_digest("busybox", Image(id="sha256:1")) == "sha256:1"
