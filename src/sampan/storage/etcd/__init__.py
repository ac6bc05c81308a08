"""etcd v3 as the store: the engine for more than one machine.

It is spoken to by gRPC where `grpcio` is installed (`pip install sampan[etcd]`), else through its JSON gateway. The
store's revisions are etcd's (plus a constant that only a cluster copied from elsewhere has, see
`EtcdStore.raise_revision`), keys are laid out as Kubernetes lays them out. The etcd belongs to one cluster: the store
follows all its keys, which is how every revision is seen.

address.py      etcd://HOST:PORT,…?ca=FILE&cert=FILE&key=FILE
wire.py         the messages, as types
connection.py   a way to one member: over_grpc.py (its messages as bytes: proto.py) or over_json.py
gateway.py      calls and streams, from one endpoint to the next
feed.py         the one watch that everything here hears from
head.py         being abreast of etcd
transactions.py writes
watch.py        a watch: what etcd still has of the past, then the feed
store.py        the contract
"""

from __future__ import annotations

import math
from collections.abc import Callable

from sampan.storage.etcd.address import SCHEME, EtcdAddress, parse
from sampan.storage.etcd.gateway import Connect, Gateway
from sampan.storage.etcd.store import EtcdStore

__all__ = ["SCHEME", "EtcdAddress", "EtcdStore", "open_store", "parse"]

HISTORY_SECONDS = 300.0  # as Kubernetes has it


async def open_store(
    address: str | EtcdAddress,
    *,
    history_seconds: float = HISTORY_SECONDS,
    lease_seconds: Callable[[float], int] = math.ceil,
    connect: Connect | None = None,
) -> EtcdStore:
    """Raises `StoreUnavailable` when no endpoint answers, `ValueError` for an address that is none.

    `history_seconds` 0: history is compacted by somebody else. `lease_seconds` is how a life span becomes a lease's.
    `connect` is the language etcd is spoken to in (the best there is).
    """
    parsed = parse(address) if isinstance(address, str) else address
    store = EtcdStore(Gateway(parsed, connect), history_seconds=history_seconds, lease_seconds=lease_seconds)
    try:
        await store.start()
    except BaseException:
        await store.close()
        raise
    return store
