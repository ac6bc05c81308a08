import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from sampan.api import errors
from sampan.api.types import core_v1, meta_v1
from sampan.client.api import Client
from sampan.client.clock import FakeClock, settle
from sampan.client.fake import FakeServer
from sampan.client.informer import Informer
from sampan.client.shared import SharedInformerFactory
from sampan.client.transport import ConnectionRefused, TransportError
from sampan.client.watch import EventCache


def pod(name: str, phase: str = "", **labels: str) -> core_v1.Pod:
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(
            name=name, namespace="default", labels=labels or None, managedFields=[meta_v1.ManagedFieldsEntry()]
        ),
        status=core_v1.PodStatus(phase=phase or None),
    )


class Log:
    """What a handler heard, as words."""

    def __init__(self, informer: Informer[Any]) -> None:
        self.words: list[str] = []
        self.remove = informer.add_handler(
            on_add=lambda obj: self.words.append(f"+{obj.metadata.name}"),
            on_update=lambda old, new: self.words.append(f"~{new.metadata.name}"),
            on_delete=lambda obj: self.words.append(f"-{obj.metadata.name}"),
        )

    def take(self) -> list[str]:
        taken, self.words = self.words, []
        return taken


@asynccontextmanager
async def following(server: FakeServer, **options: Any) -> AsyncIterator[tuple[Informer[core_v1.Pod], Log]]:
    clock = server.clock
    informer = Informer(server.client().resource(core_v1.Pod), clock=clock, **options)
    log = Log(informer)
    informer.start()
    await asyncio.wait_for(informer.wait_for_sync(), 5)
    try:
        yield informer, log
    finally:
        await informer.stop()


def fake(server: FakeServer) -> FakeClock:
    assert isinstance(server.clock, FakeClock)
    return server.clock


def gets(server: FakeServer, *, watch: bool) -> int:
    return sum(1 for r in server.requests if r.method == "GET" and (r.query.get("watch") == "true") == watch)


async def test_it_lists_then_follows() -> None:
    server = FakeServer()
    server.add(pod("a"), pod("b"))
    async with following(server) as (informer, log):
        assert log.take() == ["+a", "+b"]
        server.add(pod("c"), pod("a", "Running"))
        pods = server.client().resource(core_v1.Pod)
        await pods.delete("b", namespace="default")
        await settle()
        assert log.take() == ["+c", "~a", "-b"]
        found = informer.store.get("a", namespace="default")
        assert found is not None
        assert found.status.phase == "Running"
        assert found.metadata.managedFields is None
        assert informer.revision == str(server.world.revision)


async def test_it_lists_in_pages() -> None:
    server = FakeServer()
    server.add(*(pod(f"p{i:04}") for i in range(25)))
    async with following(server, page_size=10) as (informer, _):
        assert len(informer.store) == 25
        assert gets(server, watch=False) == 3


async def test_pages_that_expire_are_read_in_one() -> None:
    server = FakeServer()
    server.add(*(pod(f"p{i}") for i in range(5)))
    seen = 0

    def second_page_is_gone(request: Any) -> Exception | None:
        nonlocal seen
        seen += bool(request.query.get("continue"))
        return errors.Expired("the continue parameter is too old") if request.query.get("continue") else None

    server.react(second_page_is_gone)
    async with following(server, page_size=2) as (informer, _):
        assert len(informer.store) == 5
        assert seen == 1


async def test_a_broken_watch_resumes_where_it_was() -> None:
    server = FakeServer()
    server.add(pod("a"))
    async with following(server) as (_, log):
        log.take()
        server.break_watches(TransportError("the line broke"))
        await settle()
        server.add(pod("b"))  # while nobody watches
        await fake(server).advance(2)
        assert log.take() == ["+b"]
        assert gets(server, watch=False) == 1


async def test_a_forgotten_revision_costs_a_new_list_and_only_the_difference_is_told() -> None:
    server = FakeServer()
    server.add(pod("a"), pod("b"), pod("c"))
    async with following(server) as (informer, log):
        log.take()
        server.break_watches()
        await settle()
        await server.client().resource(core_v1.Pod).delete("a", namespace="default")
        server.add(pod("b", "Running"), pod("d"))
        server.compact()
        await fake(server).advance(60)
        assert sorted(log.take()) == ["+d", "-a", "~b"]
        assert gets(server, watch=False) == 2
        assert sorted(informer.store.keys()) == ["default/b", "default/c", "default/d"]


async def test_an_error_event_of_a_running_watch_counts_as_well() -> None:
    server = FakeServer()
    server.add(pod("a"))
    async with following(server) as (informer, log):
        log.take()
        server.break_watches(errors.Expired("too old"))
        await fake(server).advance(5)
        server.add(pod("b"))
        await settle()
        assert log.take() == ["+b"]
        assert gets(server, watch=False) == 2
        assert informer.has_synced


async def test_bookmarks_move_the_revision() -> None:
    server = FakeServer()
    server.add(pod("a"))
    async with following(server, label_selector="k=v") as (informer, log):
        server.add(pod("b"))  # not ours
        server.bookmark()
        await settle()
        assert informer.revision == str(server.world.revision)
        assert log.take() == []


async def test_an_absent_server_is_asked_less_and_less_often() -> None:
    server = FakeServer()
    server.fail("GET", "/pods$", ConnectionRefused("nothing listens"), times=1000)
    informer = Informer(server.client().resource(core_v1.Pod), clock=server.clock)
    informer.start()
    await fake(server).advance(10)
    early = len(server.requests)
    await fake(server).advance(600)
    late = len(server.requests) - early
    assert 2 <= early <= 8
    assert 8 <= late <= 22  # every 30 to 60 s
    assert not informer.has_synced
    assert isinstance(informer.last_error, ConnectionRefused)
    await informer.stop()


async def test_watches_that_end_at_once_make_no_busy_loop() -> None:
    server = FakeServer()
    async with following(server):
        for _ in range(20):
            server.break_watches()
            await settle()
        assert gets(server, watch=True) <= 2


async def test_a_server_may_say_when_to_come_back() -> None:
    server = FakeServer()
    server.fail("GET", "/pods$", errors.TooManyRequests("slow down", retry_after_seconds=40))
    informer = Informer(server.client().resource(core_v1.Pod), clock=server.clock)
    informer.start()
    await fake(server).advance(39)
    assert len(server.requests) == 1
    await fake(server).advance(5)
    assert informer.has_synced
    await informer.stop()


async def test_watch_list_takes_the_first_objects_from_the_watch() -> None:
    server = FakeServer()
    server.add(pod("a"), pod("b"))
    async with following(server, watch_list=True) as (informer, log):
        assert log.take() == ["+a", "+b"]
        server.add(pod("c"))
        await settle()
        assert log.take() == ["+c"]
        assert gets(server, watch=False) == 0
        assert len(informer.store) == 3


async def test_a_late_handler_hears_of_everything_and_one_taken_off_of_nothing() -> None:
    server = FakeServer()
    server.add(pod("a"))
    async with following(server) as (informer, log):
        log.take()
        late = Log(informer)
        assert late.take() == ["+a"]
        log.remove()
        server.add(pod("b"))
        await settle()
        assert (late.take(), log.take()) == (["+b"], [])


async def test_a_handler_that_fails_stops_nobody() -> None:
    server = FakeServer()
    informer = Informer(server.client().resource(core_v1.Pod), clock=server.clock)
    informer.add_handler(on_add=lambda obj: 1 / 0)
    keys: list[str] = []
    informer.add_key_handler(keys.append)
    informer.start()
    await informer.wait_for_sync()
    server.add(pod("a"))
    await settle()
    assert keys == ["default/a"]
    await informer.stop()


async def test_controllers_share_one_informer_per_scope() -> None:
    server = FakeServer()
    server.add(pod("a", app="x"), pod("b"))
    factory = SharedInformerFactory(server.client(), clock=server.clock)
    one = factory.informer(core_v1.Pod)
    two = factory.informer(core_v1.Pod, indexes={"name": lambda p: [p.metadata.name or ""]})
    picky = factory.informer(core_v1.Pod, label_selector="app=x")
    heads = factory.metadata("", "v1", "pods")
    assert one is two
    assert one is not picky
    async with factory:
        assert len(one.store) == 2
        assert [p.metadata.name for p in one.store.by_index("name", "b")] == ["b"]
        assert len(picky.store) == 1
        assert len(heads.store) == 2
    assert not server._watches


async def test_informers_of_one_process_keep_an_object_once() -> None:
    server = FakeServer()
    server.add(pod("a"))
    cache = EventCache()
    clients = [Client(server, user_agent=name, event_cache=cache) for name in ("scheduler", "controllers")]
    one, two = (Informer(c.resource(core_v1.Pod), clock=server.clock) for c in clients)
    whole = Informer(clients[0].resource(core_v1.Pod), clock=server.clock, transform=None)
    for informer in (one, two, whole):
        informer.start()
        await informer.wait_for_sync()
    assert one.store.get("a", namespace="default") is two.store.get("a", namespace="default")
    kept = whole.store.get("a", namespace="default")
    assert kept is not None
    assert kept.metadata.managedFields
    for informer in (one, two, whole):
        await informer.stop()


async def test_an_object_that_cannot_be_read_does_not_end_the_informer() -> None:
    server = FakeServer()
    server.add({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a"}, "spec": {"nodeName": 7}})
    informer = Informer(server.client().resource(core_v1.Pod), clock=server.clock)
    informer.start()
    await fake(server).advance(1)
    assert not informer.has_synced
    assert isinstance(informer.last_error, msgspec.ValidationError)
    server.add(pod("a"))
    await fake(server).advance(60)
    assert informer.has_synced
    await informer.stop()
