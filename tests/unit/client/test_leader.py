import asyncio

import pytest

from sampan.api.types import coordination_v1
from sampan.client.clock import FakeClock, settle
from sampan.client.fake import FakeRequest, FakeServer
from sampan.client.leader import LeaderElector, LeadershipLost
from sampan.client.transport import TransportError


class Candidate:
    def __init__(self, server: FakeServer, name: str, clock: FakeClock) -> None:
        self.elector = LeaderElector(server.client(name), "scheduler", name, clock=clock)
        self.leading = False
        self.stopped = asyncio.Event()
        self.task = asyncio.create_task(self.elector.run(self.lead))

    async def lead(self) -> None:
        self.leading = True
        try:
            await self.stopped.wait()
        finally:
            self.leading = False

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def lease(server: FakeServer) -> coordination_v1.LeaseSpec:
    found = server.get(coordination_v1.Lease, "scheduler", namespace="kube-system")
    assert found is not None
    return found.spec


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server(clock: FakeClock) -> FakeServer:
    return FakeServer(clock=clock)


async def test_one_leads_and_renews(server: FakeServer, clock: FakeClock) -> None:
    a, b = Candidate(server, "a", clock), Candidate(server, "b", clock)
    await clock.advance(60)
    assert (a.leading, b.leading) == (True, False)
    assert b.elector.leader == "a"
    spec = lease(server)
    assert (spec.holderIdentity, spec.leaseDurationSeconds, spec.leaseTransitions) == ("a", 15, 0)
    assert spec.renewTime != spec.acquireTime
    await a.end()
    await b.end()


async def test_who_stops_gives_the_lease_up_and_the_next_leads_soon(server: FakeServer, clock: FakeClock) -> None:
    a, b = Candidate(server, "a", clock), Candidate(server, "b", clock)
    await clock.advance(5)
    await a.end()
    assert lease(server).holderIdentity == ""
    await clock.advance(5)
    assert b.leading
    assert lease(server).leaseTransitions == 1
    await b.end()


async def test_a_renewal_that_was_cut_short_does_not_keep_the_lease(server: FakeServer, clock: FakeClock) -> None:
    a = Candidate(server, "a", clock)
    await clock.advance(1)
    leases = server.client().resource(coordination_v1.Lease)
    renewed = await leases.get("scheduler", namespace="kube-system")
    renewed.spec.renewTime = "2026-01-01T00:00:01.500000Z"
    await leases.update(renewed)  # as if by `a`, which was cancelled before the answer came
    await a.end()
    assert lease(server).holderIdentity == ""


async def test_who_dies_is_succeeded_after_the_lease_ran_out(server: FakeServer, clock: FakeClock) -> None:
    a = Candidate(server, "a", clock)
    await clock.advance(1)
    a.elector._release_on_stop = False
    await a.end()
    b = Candidate(server, "b", clock)
    await clock.advance(14)
    assert not b.leading
    await clock.advance(6)
    assert b.leading
    await b.end()


async def test_a_leader_that_cannot_renew_stops_before_another_may_begin(server: FakeServer, clock: FakeClock) -> None:
    a, b = Candidate(server, "a", clock), Candidate(server, "b", clock)
    await clock.advance(3)
    first, second = (a, b) if a.leading else (b, a)

    def cut_off(request: FakeRequest) -> Exception | None:
        return (
            TransportError("cut off") if str(request.headers["user-agent"]).startswith(first.elector.identity) else None
        )

    server.react(cut_off)
    for _ in range(40):
        await clock.advance(1)
        assert not (first.leading and second.leading)
    assert (first.leading, second.leading) == (False, True)
    with pytest.raises(LeadershipLost):
        await first.task
    await second.end()


async def test_a_server_that_hangs_counts_as_absent(server: FakeServer, clock: FakeClock) -> None:
    a = Candidate(server, "a", clock)
    await clock.advance(3)
    assert a.leading

    async def hang(*args: object, **kwargs: object) -> None:
        await asyncio.Event().wait()

    server.request = hang  # type: ignore[method-assign, assignment]
    await clock.advance(12)
    assert not a.leading
    a.elector._release_on_stop = False
    await a.end()


async def test_a_lease_taken_by_force_ends_leading(server: FakeServer, clock: FakeClock) -> None:
    a = Candidate(server, "a", clock)
    await clock.advance(3)
    leases = server.client().resource(coordination_v1.Lease)
    taken = await leases.get("scheduler", namespace="kube-system")
    taken.spec.holderIdentity = "somebody"
    await leases.update(taken)
    await clock.advance(3)
    assert not a.leading
    with pytest.raises(LeadershipLost):
        await a.task
    assert lease(server).holderIdentity == "somebody"


async def test_clocks_of_machines_may_differ(server: FakeServer, clock: FakeClock) -> None:
    a = Candidate(server, "a", clock)
    await clock.advance(3)
    other = FakeClock(now=clock.now() + 3600)  # an hour ahead: by its clock the lease ran out long ago
    b = Candidate(server, "b", other)
    for _ in range(30):
        await clock.advance(1)
        await other.advance(1)
    assert (a.leading, b.leading) == (True, False)
    await a.end()
    await b.end()


async def test_what_the_leader_raises_comes_out_and_the_lease_is_free(server: FakeServer, clock: FakeClock) -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    elector = LeaderElector(server.client(), "scheduler", "a", clock=clock)
    with pytest.raises(ZeroDivisionError):
        await elector.run(broken)
    await settle()
    assert lease(server).holderIdentity == ""


def test_times_must_leave_room_for_tries(server: FakeServer) -> None:
    with pytest.raises(ValueError, match="longer"):
        LeaderElector(server.client(), "x", "a", lease_duration=10, renew_deadline=10)
