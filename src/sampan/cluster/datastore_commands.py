"""`sampan datastore`: move what a cluster holds from one datastore to another, while it is down."""

import asyncio
from pathlib import Path

import click

from sampan.storage.contract import Store, StoreError

PAGE = 500  # objects in memory at a time
AT_ONCE = 16
WHERE = "etcd://HOST:PORT,…, sqlite:/FILE"


@click.group("datastore")
def datastore_group() -> None:
    """Where clusters keep their objects."""


@datastore_group.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def copy_command(source: str, target: str) -> int:
    """Copy all objects of one datastore into another, empty one.

    FROM and TO are etcd://HOST:PORT,…[?ca=FILE&cert=FILE&key=FILE] or sqlite:/FILE; a cluster's own SQLite file is
    $SAMPAN_HOME/NAME/server/state.db. Stop the cluster first. Revisions go on above those of FROM, so clients that
    come back list again and miss nothing.
    """
    from sampan.cluster.datastores import BadDatastore

    try:
        copied, revision = asyncio.run(copy_datastore(source, target))
    except (BadDatastore, CopyFailed, StoreError, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{copied} objects copied; {target} is at revision {revision}.")
    return 0


class CopyFailed(Exception):
    """Nothing was copied, or not all of it; the message says what to do."""


async def copy_datastore(source: str, target: str) -> tuple[int, int]:
    """How many objects there were, and the target's revision afterwards."""
    _check(source, target)
    old = await _open(source)
    try:
        if target.startswith("etcd://"):
            return await _into_etcd(old, target)
        return await _into_sqlite(old, Path(target.removeprefix("sqlite:")))
    finally:
        await old.close()


def _check(source: str, target: str) -> None:
    from sampan.cluster.datastores import MEMORY, BadDatastore, check

    for one in (source, target):
        check(one)
        if one in ("", MEMORY):
            raise BadDatastore(f"not a datastore that can be copied: {one!r} ({WHERE})")
    if source == target:
        raise CopyFailed("FROM and TO are the same")
    if not source.startswith("etcd://") and not Path(source.removeprefix("sqlite:")).is_file():
        raise CopyFailed(f"there is no {source}")
    if not target.startswith("etcd://") and Path(target.removeprefix("sqlite:")).exists():
        raise CopyFailed(f"{target} exists already")


async def _open(datastore: str) -> Store:
    from sampan.cluster.datastores import open_datastore

    return await open_datastore(datastore, Path())


async def _into_sqlite(old: Store, path: Path) -> tuple[int, int]:
    """A snapshot, restored: one transaction on either side, and life spans come along."""
    from sampan.storage import sqlite

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    snapshot = path.with_name(f"{path.name}.copying")
    try:
        await old.snapshot(path=snapshot)
        first = await old.range(prefix="/", limit=1)
        count = len(first.items) + first.remaining
        revision = await asyncio.to_thread(sqlite.restore, snapshot=snapshot, path=path)
    finally:
        snapshot.unlink(missing_ok=True)
    return count, revision


async def _into_etcd(old: Store, target: str) -> tuple[int, int]:
    from sampan.storage.etcd import open_store

    new = await open_store(target, history_seconds=0)
    try:
        if (await new.range(prefix="/", limit=1)).items:
            raise CopyFailed(f"{target} is not empty (what an interrupted copy left: etcdctl del --prefix /)")
        at = await old.current_revision()
        await new.raise_revision(above=at)
        count = await _copy_objects(old, new, at)
        # What etcd knows from before must not be taken for this cluster's past.
        revision = await new.current_revision()
        await new.compact(revision=revision)
        return count, revision
    finally:
        await new.close()


async def _copy_objects(old: Store, new: Store, at: int) -> int:
    copied, after, more = 0, None, True
    slots = asyncio.Semaphore(AT_ONCE)
    lives = await old.life_spans()

    async def copy_one(key: str, value: bytes) -> None:
        async with slots:
            await new.create(key=key, value=value, ttl_seconds=lives.get(key))

    while more:
        page = await old.range(prefix="/", limit=PAGE, start_after=after, revision=at)
        async with asyncio.TaskGroup() as tasks:
            for kv in page.items:
                tasks.create_task(copy_one(kv.key, kv.value))
        copied += len(page.items)
        after, more = page.items[-1].key if page.items else after, page.more
    return copied
