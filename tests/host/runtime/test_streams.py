"""Into running containers: exec, attach, port-forward, terminals."""

from __future__ import annotations

import asyncio
import time

import pytest

from sampan.runtime import contract as cri
from tests.host.runtime.world import World

pytestmark = pytest.mark.root


async def read_until(reader: cri.ByteReader, text: bytes, timeout: float = 10) -> bytes:
    seen = b""
    async with asyncio.timeout(timeout):
        while text not in seen:
            data = await reader.read(4096)
            if not data:
                raise AssertionError(f"ended without {text!r}: {seen!r}")
            seen += data
    return seen


async def read_all(reader: cri.ByteReader) -> bytes:
    seen = b""
    async with asyncio.timeout(10):
        while data := await reader.read(4096):
            seen += data
    return seen


@pytest.mark.parametrize("world", ["crun", "runc"], indirect=True)
async def test_exec_sync(world: World) -> None:
    container = await world.container(await world.sandbox(), "sleep", "100", env={"A": "b"})
    result = await world.runtime.exec_sync(container, ["sh", "-c", "echo $A; echo err >&2; exit 5"])
    assert result == cri.ExecResult(stdout=b"b\n", stderr=b"err\n", exit_code=5)
    assert (await world.runtime.exec_sync(container, ["sh", "-c", "kill -9 $$"])).exit_code == 137
    for command in ("no-such-command", "/etc/passwd"):
        with pytest.raises(cri.StartError):
            await world.runtime.exec_sync(container, [command])


@pytest.mark.parametrize("world", ["crun", "runc"], indirect=True)
@pytest.mark.parametrize("tty", [False, True])
async def test_an_exec_is_what_the_container_is(world: World, tty: bool) -> None:
    show = "pwd; id; env | sort; grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status; echo over"
    security = cri.SecurityContext(
        run_as_user=1000, run_as_group=7, supplemental_groups=[8], no_new_privs=True,
        capabilities=cri.Capabilities(drop=["ALL"], add=["KILL"]), seccomp=cri.Seccomp(type="RuntimeDefault"),
    )  # fmt: skip
    container = await world.container(
        await world.sandbox(), "sh", "-c", show + "; sleep 100", security=security, working_dir="/data", env={"X": "y"}
    )
    stream = await world.runtime.exec(container, ["sh", "-c", show], tty=tty)
    seen = (await read_until(stream.stdout, b"over")).decode().replace("\r", "").replace("TERM=xterm\n", "").strip()
    await stream.close()
    assert "uid=1000(app) gid=7 groups=7,8" in seen
    assert "Seccomp:\t2" in seen
    for _ in range(50):
        own = world.log(await world.runtime.container_status(container))
        if "over" in own:
            break
        await asyncio.sleep(0.02)
    assert seen.replace("SHLVL=1\n", "") == own.replace("SHLVL=1\n", "")


async def test_exec_sync_is_killed_at_its_timeout(world: World) -> None:
    container = await world.container(await world.sandbox(), "sleep", "100")
    began = time.monotonic()
    with pytest.raises(cri.ExecTimeout, match='command timed out: "sleep 55" timed out after 0'):
        await world.runtime.exec_sync(container, ["sleep", "55"], timeout=0.3)
    assert time.monotonic() - began < 3
    assert "sleep 55" not in await world.sh(container, "ps")


async def test_exec_sync_does_not_wait_for_what_it_left_behind(world: World) -> None:
    container = await world.container(await world.sandbox(), "sleep", "100")
    began = time.monotonic()
    result = await world.runtime.exec_sync(container, ["sh", "-c", "echo now; sleep 50 &"])
    assert (result.stdout, result.exit_code) == (b"now\n", 0)
    assert time.monotonic() - began < 5


async def test_exec_streams_input_and_output(world: World) -> None:
    container = await world.container(await world.sandbox(), "sleep", "100")
    stream = await world.runtime.exec(container, ["sh", "-c", "cat; echo done >&2; exit 4"], stdin=True)
    assert stream.stdin is not None
    assert stream.stderr is not None
    payload = bytes(range(256)) * 4000
    writing = asyncio.create_task(stream.stdin.write(payload))
    seen = b""
    while len(seen) < len(payload):
        seen += await stream.stdout.read(65536)
    assert seen == payload
    await writing
    await stream.stdin.close()
    assert await read_all(stream.stderr) == b"done\n"
    assert await stream.wait() == 4
    await stream.close()


@pytest.mark.parametrize("world", ["crun", "runc"], indirect=True)
async def test_exec_with_a_terminal(world: World) -> None:
    container = await world.container(await world.sandbox(), "sleep", "100")
    stream = await world.runtime.exec(container, ["sh"], tty=True, stdin=True)
    assert stream.stdin is not None
    assert stream.stderr is None
    await stream.resize(77, 33)
    # runc, which relays, passes the size on some time after the command has begun.
    await stream.stdin.write(b"until stty size | grep '33 77'; do sleep 0.05; done; echo $TERM; exit 9\n")
    assert b"\n33 77" in await read_until(stream.stdout, b"xterm")
    await read_all(stream.stdout)
    assert await stream.wait() == 9
    await stream.close()


async def test_closing_an_exec_ends_its_process(world: World) -> None:
    container = await world.container(await world.sandbox(), "sleep", "100")
    for tty in (False, True):
        stream = await world.runtime.exec(container, ["sleep", "77"], tty=tty)
        for _ in range(50):
            if "sleep 77" in await world.sh(container, "ps"):
                break
        await stream.close()
        assert "sleep 77" not in await world.sh(container, "ps")


async def test_attach_reads_and_writes_the_container_itself(world: World) -> None:
    command = ("sh", "-c", "cat; echo end >&2; exit 2")
    container = await world.container(await world.sandbox(), *command, stdin=True, stdin_once=True)
    stream = await world.runtime.attach(container, stdin=True)
    assert stream.stdin is not None
    assert stream.stderr is not None
    await stream.stdin.write(b"hello\n")
    assert await read_until(stream.stdout, b"hello\n") == b"hello\n"
    await stream.stdin.close()
    assert await read_all(stream.stderr) == b"end\n"
    assert await stream.wait() == 2
    await stream.close()
    assert world.log(await world.runtime.container_status(container)) == "hello\nend"


async def test_attach_to_a_terminal(world: World) -> None:
    container = await world.container(await world.sandbox(), "sh", tty=True, stdin=True)
    stream = await world.runtime.attach(container, stdin=True)
    assert stream.stdin is not None
    await stream.resize(101, 41)
    await stream.stdin.write(b"stty size\n")
    assert b"41 101" in await read_until(stream.stdout, b"41 101")
    await stream.stdin.write(b"exit 3\n")
    assert await stream.wait() == 3
    await stream.close()


async def test_attach_without_input_and_to_nothing(world: World) -> None:
    container = await world.container(await world.sandbox(), "sh", "-c", "while true; do echo tick; sleep 0.05; done")
    with pytest.raises(cri.InvalidArgument):
        await world.runtime.attach(container, stdin=True)
    first, second = await world.runtime.attach(container), await world.runtime.attach(container)
    for stream in (first, second):
        await read_until(stream.stdout, b"tick\n")
        await stream.close()
    await world.runtime.stop_container(container, 0)
    with pytest.raises(cri.NotRunning):
        await world.runtime.attach(container)
    with pytest.raises(cri.NotRunning):
        await world.runtime.exec_sync(container, ["true"])


async def test_port_forward(world: World) -> None:
    sandbox = await world.sandbox()
    await world.container(sandbox, "sh", "-c", "while true; do echo you hit me | nc -l -p 8080; done")
    await world.container(sandbox, "nc", "-ll", "-p", "9090", "-e", "cat")

    async def connect(port: int) -> cri.StreamPair:
        for _ in range(40):
            try:
                return await world.runtime.port_forward(sandbox, port)
            except OSError:
                await asyncio.sleep(0.05)
        raise AssertionError(f"nothing came to listen on {port}")

    pair = await connect(8080)
    assert await read_all(pair.reader) == b"you hit me\n"
    echo = await connect(9090)
    await echo.writer.write(b"there and back")
    await echo.writer.close()
    assert await read_all(echo.reader) == b"there and back"
    with pytest.raises(ConnectionRefusedError):
        await world.runtime.port_forward(sandbox, 81)
