"""Whatever happens to the objects and to the line, in whatever order: after quiet, an informer knows what the server
knows, its handlers were told exactly that, and nothing was told twice or out of order."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.api import errors
from sampan.api.types import core_v1, meta_v1
from sampan.client.clock import FakeClock, settle
from sampan.client.fake import FakeServer
from sampan.client.informer import Informer
from sampan.client.transport import ConnectionRefused, TransportError

NAMES = ("a", "b", "c")

steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(NAMES), st.sampled_from(["x", "y"])),
        st.tuples(st.just("delete"), st.sampled_from(NAMES), st.none()),
        st.tuples(st.sampled_from(["end", "break", "expire", "compact", "bookmark"]), st.none(), st.none()),
        st.tuples(st.just("refuse"), st.integers(1, 3), st.none()),
        st.tuples(st.just("wait"), st.sampled_from([0, 1, 40]), st.none()),
    ),
    max_size=25,
)


class Told:
    """What the handlers said, checked as it comes."""

    def __init__(self) -> None:
        self.known: dict[str, core_v1.ConfigMap] = {}

    def add(self, obj: core_v1.ConfigMap) -> None:
        name = obj.metadata.name or ""
        assert name not in self.known
        self.known[name] = obj

    def update(self, old: core_v1.ConfigMap, new: core_v1.ConfigMap) -> None:
        name = new.metadata.name or ""
        assert self.known[name] is old
        assert old.metadata.uid != new.metadata.uid or revision(old) < revision(new)
        self.known[name] = new

    def delete(self, obj: core_v1.ConfigMap) -> None:
        del self.known[obj.metadata.name or ""]


def revision(obj: core_v1.ConfigMap) -> int:
    return int(obj.metadata.resourceVersion or 0)


async def take(server: FakeServer, clock: FakeClock, step: tuple[str, Any, Any]) -> None:
    maps = server.client().resource(core_v1.ConfigMap)
    match step:
        case "put", name, label:
            metadata = meta_v1.ObjectMeta(name=name, namespace="default", labels={"l": label})
            server.add(core_v1.ConfigMap(metadata=metadata))
        case "delete", name, _:
            if server.get(core_v1.ConfigMap, name, namespace="default") is not None:
                await maps.delete(name, namespace="default")
        case "end", _, _:
            server.break_watches()
        case "break", _, _:
            server.break_watches(TransportError("broken"))
        case "expire", _, _:
            server.break_watches(errors.Expired("expired"))
        case "compact", _, _:
            server.compact()
        case "bookmark", _, _:
            server.bookmark()
        case "refuse", times, _:
            server.fail("GET", "/configmaps$", ConnectionRefused("refused"), times=times)
        case "wait", seconds, _:
            await clock.advance(seconds)


@settings(max_examples=150, deadline=None)
@given(steps, st.booleans(), st.sampled_from(["", "l=x"]))
def test_after_quiet_it_knows_what_the_server_knows(
    script: list[tuple[str, Any, Any]], watch_list: bool, selector: str
) -> None:
    async def live() -> None:
        clock, told = FakeClock(), Told()
        server = FakeServer(clock=clock)
        informer = Informer(
            server.client().resource(core_v1.ConfigMap),
            label_selector=selector,
            watch_list=watch_list,
            page_size=2,
            clock=clock,
        )
        informer.add_handler(on_add=told.add, on_update=told.update, on_delete=told.delete)
        informer.start()
        for step in script:
            await take(server, clock, step)
        await clock.advance(6000)  # longer than all refusals together can hold it up
        await settle()
        there = {m.metadata.name: revision(m) for m in server.all(core_v1.ConfigMap, label_selector=selector)}
        assert {m.metadata.name: revision(m) for m in informer.store} == there
        assert {name: revision(obj) for name, obj in told.known.items()} == there
        await informer.stop()

    asyncio.run(live())
