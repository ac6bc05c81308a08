"""Informers inside the API server's own process: framed events, decoded once, kept once, resumed and relisted."""

import asyncio
from collections.abc import Callable

import pytest

from sampan.api.errors import Conflict
from sampan.api.types import coordination_v1, core_v1, meta_v1
from sampan.apiserver.chain import Chain
from sampan.apiserver.contracts import MASTERS, User
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.wiring import build_for_tests
from sampan.client.api import Client
from sampan.client.informer import Informer
from sampan.client.leader import LeaderElector
from sampan.client.watch import EventCache

ADMIN = User(name="admin", groups=(MASTERS,))


@pytest.fixture
async def chain() -> Chain:
    return await build_for_tests()


def client_of(chain: Chain, cache: EventCache | None = None) -> Client:
    return Client(InProcessTransport(chain, user=ADMIN), event_cache=cache)


def config_map(name: str, **data: str) -> core_v1.ConfigMap:
    return core_v1.ConfigMap(metadata=meta_v1.ObjectMeta(name=name, namespace="default"), data=data or None)


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_two_informers_follow_and_share_their_objects(chain: Chain) -> None:
    cache = EventCache()
    one, two = client_of(chain, cache), client_of(chain, cache)
    maps = one.resource(core_v1.ConfigMap)
    await maps.create(config_map("early"))
    informers = [Informer(client.resource(core_v1.ConfigMap), namespace="default") for client in (one, two)]
    for informer in informers:
        informer.start()
        await informer.wait_for_sync()
    late = await maps.create(config_map("late"))
    late.data = {"k": "v"}
    await maps.update(late)
    await maps.delete("early", namespace="default")

    def settled() -> bool:
        return all(
            (found := i.store.get("late", namespace="default")) is not None
            and found.data == {"k": "v"}
            and i.store.get("early", namespace="default") is None
            for i in informers
        )

    await eventually(settled)
    first, second = (i.store.get("late", namespace="default") for i in informers)
    assert first is second
    for informer in informers:
        await informer.stop()


async def test_a_watch_list_is_complete_before_it_counts_as_synced(chain: Chain) -> None:
    client = client_of(chain)
    for i in range(30):
        await client.resource(core_v1.ConfigMap).create(config_map(f"m{i}"))
    informer = Informer(client.resource(core_v1.ConfigMap), namespace="default", watch_list=True)
    informer.start()
    await asyncio.wait_for(informer.wait_for_sync(), 10)
    assert len(informer.store) >= 30
    await informer.stop()


async def test_the_store_equals_the_server_after_any_churn(chain: Chain) -> None:
    client = client_of(chain)
    maps = client.resource(core_v1.ConfigMap)
    informer = Informer(maps, namespace="default")
    seen: dict[str, str | None] = {}
    informer.add_handler(
        on_add=lambda m: seen.__setitem__(m.metadata.name, m.metadata.resourceVersion),
        on_update=lambda _, m: seen.__setitem__(m.metadata.name, m.metadata.resourceVersion),
        on_delete=lambda m: seen.pop(m.metadata.name),
    )
    informer.start()
    await informer.wait_for_sync()
    for round_ in range(5):
        await asyncio.gather(*(maps.create(config_map(f"c{round_}-{i}")) for i in range(20)))
        await asyncio.gather(
            *(maps.patch(f"c{round_}-{i}", {"data": {"n": str(i)}}, namespace="default") for i in range(0, 20, 2)),
            *(maps.delete(f"c{round_}-{i}", namespace="default") for i in range(1, 20, 2)),
        )
    listed = await maps.list(namespace="default")
    there = {m.metadata.name: m.metadata.resourceVersion for m in listed.items}
    await eventually(lambda: seen == there)
    assert {m.metadata.name: m.metadata.resourceVersion for m in informer.store} == there
    await informer.stop()


async def test_one_of_two_candidates_leads_and_hands_over(chain: Chain) -> None:
    led: list[str] = []

    async def lead(name: str) -> None:
        led.append(name)
        await asyncio.sleep(0.05)

    async def stand(name: str) -> None:
        times = {"lease_duration": 3.0, "renew_deadline": 2.0, "retry_period": 0.05}
        await LeaderElector(client_of(chain), "test", name, namespace="default", **times).run(lambda: lead(name))

    await asyncio.wait_for(asyncio.gather(stand("a"), stand("b")), 10)
    assert sorted(led) == ["a", "b"]
    lease = await client_of(chain).resource(coordination_v1.Lease).get("test", namespace="default")
    assert (lease.spec.holderIdentity, lease.spec.leaseTransitions) == ("", 1)


async def test_conflicts_have_their_type(chain: Chain) -> None:
    maps = client_of(chain).resource(core_v1.ConfigMap)
    made = await maps.create(config_map("a"))
    made.data = {"k": "1"}
    await maps.update(made)
    made.data = {"k": "2"}
    with pytest.raises(Conflict, match="the object has been modified"):
        await maps.update(made)
