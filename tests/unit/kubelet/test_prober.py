"""Probes: when they look, what follows, and in which words they tell it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sampan.api.types import core_v1
from sampan.client.clock import FakeClock
from sampan.kubelet.probes.handlers import Outcome, look
from sampan.kubelet.probes.prober import Prober
from sampan.runtime.contract import ExecResult, ExecTimeout, RuntimeFault
from tests.unit.kubelet.pods import NOW, container, make_pod, state_of


class Said:
    """Events, as they were told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def normal(self, pod: core_v1.Pod, reason: str, message: str, *, container: str = "") -> None:
        self.lines.append(f"{reason}: {message}")

    warning = normal


class Answers:
    """A runtime of which only exec is asked: what each look finds, in order; the last stays."""

    def __init__(self, *codes: int | Exception) -> None:
        self.codes = list(codes)
        self.looks = 0

    async def exec_sync(self, container_id: str, argv: list[str], timeout: float = 0) -> ExecResult:
        self.looks += 1
        code = self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]
        if isinstance(code, Exception):
            raise code
        return ExecResult(stdout=b"out", stderr=b"err", exit_code=code)


class Bench:
    def __init__(self, *codes: int | Exception, **probes: dict[str, Any]) -> None:
        self.clock = FakeClock(NOW)
        self.runtime, self.said, self.woken = Answers(*codes), Said(), 0
        self.prober = Prober(self.runtime, self.said, self.clock)  # type: ignore[arg-type]
        self.prober.watch(self._wake)
        asked = {f"{kind}Probe": {"exec": {"command": ["x"]}, "periodSeconds": 10, **p} for kind, p in probes.items()}
        self.pod = make_pod({"containers": [{"name": "a", "image": "i", **asked}]})
        self.prober.observe(self.pod, state_of(container("a")))

    def _wake(self, uid: str) -> None:
        self.woken += 1

    async def after(self, seconds: float) -> None:
        await self.clock.advance(seconds)


async def test_readiness_is_false_until_it_succeeds() -> None:
    bench = Bench(1, 1, 1, 1, 0, readiness={"periodSeconds": 1})
    assert not bench.prober.ready("a0")
    await bench.after(1)
    assert not bench.prober.ready("a0")
    await bench.after(1)
    assert bench.prober.ready("a0")
    assert bench.said.lines == ["Unhealthy: Readiness probe failed: outerr"]
    assert bench.woken == 1


async def test_what_is_ready_at_once_need_not_wait_for_a_tick() -> None:
    bench = Bench(0, readiness={})
    await bench.after(0)
    assert bench.prober.ready("a0")
    await bench.after(9.9)
    assert bench.runtime.looks == 1
    await bench.after(0.1)
    assert bench.runtime.looks == 2


async def test_a_failure_within_the_first_second_is_not_told() -> None:
    bench = Bench(1, 1, 0, readiness={"failureThreshold": 1})
    await bench.after(0.9)
    assert bench.prober.ready("a0")
    assert bench.runtime.looks == 3
    assert bench.said.lines == []


async def test_readiness_needs_its_thresholds() -> None:
    bench = Bench(0, 0, 1, 1, 1, 0, readiness={"periodSeconds": 1, "successThreshold": 2, "failureThreshold": 3})
    ready: list[bool] = []
    for _ in range(6):
        await bench.after(0 if not ready else 1)
        ready.append(bench.prober.ready("a0"))
    assert ready == [False, True, True, True, False, False]


async def test_liveness_fails_after_its_threshold_and_then_rests() -> None:
    """The container has as many whole periods as failures are allowed."""
    bench = Bench(1, liveness={"failureThreshold": 2})
    await bench.after(19.9)
    assert bench.runtime.looks == 1
    assert not bench.prober.liveness_failed("a0")
    await bench.after(0.1)
    assert bench.prober.liveness_failed("a0")
    looks = bench.runtime.looks
    await bench.after(100)
    assert bench.runtime.looks == looks  # its container is being stopped: nothing more to learn


async def test_a_new_container_is_looked_at_anew() -> None:
    bench = Bench(1, 0, liveness={"failureThreshold": 1})
    await bench.after(10)
    assert bench.prober.liveness_failed("a0")
    bench.prober.observe(bench.pod, state_of(container("a", "exited"), container("a", attempt=1)))
    await bench.after(10)
    assert not bench.prober.liveness_failed("a1")
    assert not bench.prober.liveness_failed("a0")


async def test_one_success_in_between_begins_the_count_anew() -> None:
    bench = Bench(1, 1, 0, 1, 1, 0, liveness={"failureThreshold": 3})
    await bench.after(70)
    assert bench.runtime.looks == 7
    assert not bench.prober.liveness_failed("a0")


async def test_nothing_else_is_asked_before_the_startup_probe_succeeds() -> None:
    bench = Bench(1, 1, 1, 1, 0, 0, startup={"failureThreshold": 5, "periodSeconds": 1}, readiness={})
    await bench.after(1.5)
    assert not bench.prober.started("a0")
    assert bench.said.lines == ["Unhealthy: Startup probe failed: outerr"]
    await bench.after(1)
    assert bench.prober.started("a0")
    await bench.after(0.1)
    assert bench.prober.ready("a0")  # at once, not a period later


async def test_a_startup_probe_that_never_succeeds() -> None:
    bench = Bench(1, startup={"failureThreshold": 3, "periodSeconds": 1})
    await bench.after(2.9)
    assert not bench.prober.startup_failed("a0")
    await bench.after(0.1)
    assert bench.prober.startup_failed("a0")


async def test_a_startup_probe_finds_at_once_what_is_up() -> None:
    bench = Bench(1, 0, startup={"periodSeconds": 10, "failureThreshold": 1})
    await bench.after(0.3)
    assert bench.prober.started("a0")
    assert bench.said.lines == []


@pytest.mark.parametrize("kind", ["readiness", "startup", "liveness"])
async def test_the_initial_delay_counts_from_the_containers_start(kind: str) -> None:
    bench = Bench(0, **{kind: {"initialDelaySeconds": 7, "periodSeconds": 2}})
    await bench.after(6.9)
    assert bench.runtime.looks == 0
    await bench.after(0.2)
    assert bench.runtime.looks == 1


async def test_a_look_that_was_not_possible_changes_nothing() -> None:
    bench = Bench(0, RuntimeFault("away"), readiness={"periodSeconds": 1, "failureThreshold": 1})
    await bench.after(5)
    assert bench.prober.ready("a0")
    assert "errored and resulted in unknown state" in bench.said.lines[0]


async def test_a_pod_that_goes_is_asked_for_readiness_only() -> None:
    bench = Bench(0, liveness={"periodSeconds": 1}, readiness={"periodSeconds": 1})
    await bench.after(1)
    bench.prober.only_readiness(bench.pod.metadata.uid or "")
    before = bench.runtime.looks
    await bench.after(3)
    assert bench.runtime.looks == before + 3
    bench.prober.forget(bench.pod.metadata.uid or "")
    await bench.after(3)
    assert bench.runtime.looks == before + 3


async def test_what_an_earlier_kubelet_knew_is_kept() -> None:
    clock = FakeClock(NOW + 100)
    prober = Prober(Answers(1), Said(), clock)  # type: ignore[arg-type]
    told = {
        "name": "a", "image": "i", "imageID": "", "ready": True, "started": True, "restartCount": 0,
        "containerID": "sampan://a0", "state": {"running": {}}, "lastState": {},
    }  # fmt: skip
    probe = {"exec": {"command": ["x"]}, "periodSeconds": 10, "failureThreshold": 3}
    pod = make_pod(
        {"containers": [{"name": "a", "image": "i", "readinessProbe": probe, "startupProbe": probe}]},
        status={"containerStatuses": [told]},
    )
    prober.observe(pod, state_of(container("a")))
    assert prober.started("a0")
    assert prober.ready("a0")


async def test_a_kubelet_that_starts_does_not_look_at_all_pods_at_once() -> None:
    clock, runtime = FakeClock(NOW + 100), Answers(0)
    prober = Prober(runtime, Said(), clock, chance=lambda: 0.5)  # type: ignore[arg-type]
    probe = {"exec": {"command": ["x"]}, "periodSeconds": 10}
    prober.observe(
        make_pod({"containers": [{"name": "a", "image": "i", "livenessProbe": probe}]}), state_of(container("a"))
    )
    await clock.advance(4.9)
    assert runtime.looks == 0
    await clock.advance(0.2)
    assert runtime.looks == 1


async def test_a_startup_probe_that_has_succeeded_is_over() -> None:
    bench = Bench(0, 1, startup={"failureThreshold": 1, "periodSeconds": 1})
    await bench.after(0)
    assert bench.prober.started("a0")
    await bench.after(10)
    assert bench.runtime.looks == 1
    assert not bench.prober.startup_failed("a0")


# --- one look ---

ELSEWHERE = "Probe terminated redirects, Response body: "


async def once(probe: dict[str, Any], *codes: int | Exception, host: str = "127.0.0.1") -> tuple[Outcome, str]:
    pod = make_pod({"containers": [{"name": "a", "image": "i", "livenessProbe": {"timeoutSeconds": 1, **probe}}]})
    one = pod.spec.containers[0]
    assert one.livenessProbe is not None
    found = await look(one.livenessProbe, one, "a0", host, Answers(*(codes or (0,))))  # type: ignore[arg-type]
    return found.outcome, found.output


async def test_exec() -> None:
    command = {"exec": {"command": ["ls", "/x"]}}
    assert await once(command, 0) == (Outcome.SUCCESS, "outerr")
    assert await once(command, 3) == (Outcome.FAILURE, "outerr")
    late = 'command timed out: "ls /x" timed out after 1s'
    assert await once(command, ExecTimeout("late")) == (Outcome.FAILURE, late)


@pytest.mark.parametrize(
    ("answer", "outcome", "output"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nfine", Outcome.SUCCESS, "fine"),
        (b"HTTP/1.1 399 Odd\r\n\r\n", Outcome.SUCCESS, ""),
        (b"HTTP/1.1 404 No\r\n\r\n", Outcome.FAILURE, "HTTP probe failed with statuscode: 404"),
        (b"HTTP/1.1 500 No\r\n\r\n", Outcome.FAILURE, "HTTP probe failed with statuscode: 500"),
        (b"HTTP/1.1 302 Go\r\nLocation: http://other/\r\n\r\n", Outcome.WARNING, ELSEWHERE),
    ],
)  # fmt: skip
async def test_http(answer: bytes, outcome: Outcome, output: str) -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    headers = [{"name": "X-Who", "value": "me"}]
    try:
        found = await once({"httpGet": {"port": port, "path": "/healthz", "httpHeaders": headers}})
    finally:
        server.close()
    assert found == (outcome, output)
    assert asked[0].startswith(b"GET /healthz HTTP/1.1\r\n")
    assert b"\r\nX-Who: me\r\n" in asked[0]
    assert b"\r\nUser-Agent: kube-probe/" in asked[0]


async def test_nobody_listens(unused_tcp_port: int) -> None:
    port = unused_tcp_port
    refused = f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    assert await once({"tcpSocket": {"port": port}}) == (Outcome.FAILURE, refused)
    assert await once({"httpGet": {"port": port, "path": "/"}}) == (
        Outcome.FAILURE,
        f'Get "http://127.0.0.1:{port}/": {refused}',
    )


async def test_a_port_by_its_name() -> None:
    assert await once({"tcpSocket": {"port": "none"}}) == (Outcome.UNKNOWN, "couldn't find port: none")
