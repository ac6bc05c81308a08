"""Where a cluster keeps its objects: `sqlite:FILE` (a server's default: a file of its own), `etcd://HOST:PORT,…`, or
`memory:`."""

from pathlib import Path

from sampan.storage.contract import Store

MEMORY = "memory:"
SQLITE = "sqlite:"
ETCD = "etcd://"


class BadDatastore(ValueError):
    """Not a datastore's address."""


def check(datastore: str) -> None:
    """Raises `BadDatastore`. Empty is the default."""
    if datastore.startswith(ETCD):
        from sampan.storage.etcd.address import parse

        try:
            parse(datastore)
        except ValueError as error:
            raise BadDatastore(str(error)) from None
    elif datastore not in ("", MEMORY) and not datastore.removeprefix(SQLITE).startswith("/"):
        raise BadDatastore(f"not a datastore: {datastore!r} (etcd://HOST:PORT,…, sqlite:/FILE or memory:)")


async def open_datastore(datastore: str, default: Path) -> Store:
    """`default` is the SQLite file of a cluster that names no datastore."""
    check(datastore)
    if datastore == MEMORY:
        from sampan.storage.memory import open_store as open_memory

        return await open_memory()
    if datastore.startswith(ETCD):
        from sampan.storage.etcd import open_store as open_etcd

        return await open_etcd(datastore)
    from sampan.storage import sqlite

    path = Path(datastore.removeprefix(SQLITE)) if datastore else default
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return await sqlite.open_store(path=path)
