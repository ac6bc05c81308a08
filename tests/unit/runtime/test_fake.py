"""The fake keeps the contract: what the kubelet's tests stand on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sampan.runtime import contract as cri
from sampan.runtime.fake import Behaviour, FakeRuntime
from sampan.runtime.logline import parse_entry


def sandbox_config(**fields: object) -> cri.SandboxConfig:
    return cri.SandboxConfig(**{"name": "p", "namespace": "default", "uid": "u1", **fields})  # type: ignore[arg-type]


async def running(fake: FakeRuntime, **fields: object) -> tuple[str, str]:
    sandbox = await fake.run_sandbox(sandbox_config(**fields))
    container = await fake.create_container(sandbox, cri.ContainerConfig(name="c", image="app", log_path="c/0.log"))
    await fake.start_container(container)
    return sandbox, container


@pytest.fixture
def fake() -> FakeRuntime:
    fake = FakeRuntime()
    fake.add_image("app")
    return fake


async def test_a_container_runs_until_it_is_stopped(fake: FakeRuntime) -> None:
    _, container = await running(fake)
    assert (await fake.container_status(container)).state is cri.ContainerState.RUNNING
    await fake.stop_container(container, 30)
    status = await fake.container_status(container)
    assert (status.state, status.exit_code, status.reason) == (cri.ContainerState.EXITED, 143, "Error")


async def test_who_ignores_the_signal_is_killed_after_the_grace() -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    fake = FakeRuntime(sleep=sleep, any_image=True)
    fake.behave("c", Behaviour(ignores_term=True))
    _, container = await running(fake)
    await fake.stop_container(container, 7)
    assert waited == [7]
    assert (await fake.container_status(container)).exit_code == 137


async def test_behaviours_are_taken_attempt_by_attempt(fake: FakeRuntime) -> None:
    fake.behave("app", Behaviour(run_for=0, exit_code=3), Behaviour())
    sandbox, first = await running(fake)
    await asyncio.sleep(0)
    second = await fake.create_container(sandbox, cri.ContainerConfig(name="c", attempt=1, image="app"))
    await fake.start_container(second)
    third = await fake.create_container(sandbox, cri.ContainerConfig(name="c", attempt=2, image="app"))
    await fake.start_container(third)
    statuses = [await fake.container_status(c) for c in (first, second, third)]
    assert [s.exit_code for s in statuses] == [3, 0, 0]
    assert [s.state.value for s in statuses] == ["exited", "running", "running"]


async def test_events_tell_a_life_in_order(fake: FakeRuntime) -> None:
    events = fake.events()
    sandbox, container = await running(fake)
    fake.exit(container, oom=True)
    await fake.remove_sandbox(sandbox)
    await fake.close()
    kinds = [event.kind.value async for event in events]
    assert kinds == ["sandbox-ready", "created", "started", "stopped", "oom", "sandbox-died", "deleted",
                     "sandbox-deleted"]  # fmt: skip


async def test_a_failing_start_leaves_an_exited_container(fake: FakeRuntime) -> None:
    fake.behave("c", Behaviour(start_error='exec: "/no/such": no such file'))
    sandbox = await fake.run_sandbox(sandbox_config())
    container = await fake.create_container(sandbox, cri.ContainerConfig(name="c", image="app"))
    with pytest.raises(cri.StartError):
        await fake.start_container(container)
    status = await fake.container_status(container)
    assert (status.exit_code, status.reason) == (128, "StartError")


async def test_logs_are_written_in_cri_format(fake: FakeRuntime, tmp_path: Path) -> None:
    fake.behave("c", Behaviour(logs=["hello", "stderr:oh"]))
    _, container = await running(fake, log_directory=str(tmp_path))
    path = Path((await fake.container_status(container)).log_path)
    entries = [parse_entry(line) for line in path.read_bytes().splitlines()]
    assert [(e.stream, e.text) for e in entries if e] == [("stdout", b"hello"), ("stderr", b"oh")]


async def test_what_is_not_there_is_not_found_and_removing_it_is_no_error(fake: FakeRuntime) -> None:
    for call in (fake.container_status("x"), fake.sandbox_status("x"), fake.exec_sync("x", ["true"])):
        with pytest.raises(cri.NotFound):
            await call
    await fake.stop_container("x", 1)
    await fake.remove_container("x")
    await fake.stop_sandbox("x")
    await fake.remove_sandbox("x")


async def test_exec_answers_by_script_and_heeds_its_timeout(fake: FakeRuntime) -> None:
    fake.behave(
        "c",
        Behaviour(exec=lambda argv: cri.ExecResult(stdout=argv[0].encode(), stderr=b"", exit_code=2), exec_delay=0.001),
    )
    _, container = await running(fake)
    assert await fake.exec_sync(container, ["hi"], timeout=1) == cri.ExecResult(stdout=b"hi", stderr=b"", exit_code=2)
    with pytest.raises(cri.ExecTimeout):
        await fake.exec_sync(container, ["hi"], timeout=0.0001)
    stream = await fake.exec(container, ["yo"])
    assert (await stream.stdout.read(), await stream.stdout.read(9), await stream.wait()) == (b"yo", b"", 2)


async def test_a_dead_sandbox_takes_its_containers_along(fake: FakeRuntime) -> None:
    sandbox, container = await running(fake)
    fake.kill_sandbox(sandbox)
    assert (await fake.sandbox_status(sandbox)).state is cri.SandboxState.NOT_READY
    assert (await fake.container_status(container)).exit_code == 137
    with pytest.raises(cri.CreateError):
        await fake.create_container(sandbox, cri.ContainerConfig(name="d", image="app"))


async def test_pulls_give_what_was_scripted(fake: FakeRuntime) -> None:
    fake.add_remote_image("there:1")
    fake.add_remote_image("locked:1", cri.ImagePullError("401 Unauthorized"))
    image = await fake.pull_image("there:1")
    assert await fake.image_status(image.id) == image
    for ref in ("locked:1", "nowhere:1"):
        with pytest.raises(cri.ImagePullError):
            await fake.pull_image(ref)


async def test_fail_next_fails_once(fake: FakeRuntime) -> None:
    fake.fail_next("run_sandbox", cri.RuntimeFault("disk full"))
    with pytest.raises(cri.RuntimeFault, match="disk full"):
        await fake.run_sandbox(sandbox_config())
    await fake.run_sandbox(sandbox_config())
