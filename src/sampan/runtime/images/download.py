"""A blob from a registry into the content store: hashed and written in threads as it comes, taken up where it broke
off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import aiohttp

from sampan.runtime.images.blocking import blocking
from sampan.runtime.images.content import ContentStore, DigestMismatch, Ingest
from sampan.runtime.images.faults import RegistryError, broken_body
from sampan.runtime.images.manifest import Descriptor
from sampan.runtime.images.registry import Registry, backoff

_BATCH = 1 << 20
_FRUITLESS_TRIES = 6  # in a row, none of which brought a byte
_BAD_DIGESTS = 2
_POLL = 0.1

Report = Callable[[str, int], None]  # phase, bytes so far


async def download(registry: Registry, store: ContentStore, blob: Descriptor, report: Report) -> None:
    """Returns when the blob is in the store, whoever put it there. OSErrors of the disk come through."""
    while not await blocking(store.has, blob.digest):
        ingest = await blocking(store.begin, blob.digest, blob.size)
        if ingest is None:  # another pull, or another process, is at it
            report("waiting", 0)
            await asyncio.sleep(_POLL)
            continue
        try:
            if not await blocking(store.has, blob.digest):  # it may have finished just before
                await _fetch(registry, ingest, report)
        except OSError:
            await blocking(ingest.discard)  # a full disk: give back what we took
            raise
        finally:
            await blocking(ingest.release)


async def _fetch(registry: Registry, ingest: Ingest, report: Report) -> None:
    fruitless = bad = 0
    await blocking(ingest.resume)
    while True:
        before = ingest.offset
        try:
            if not ingest.complete():
                await _stream(registry, ingest, report)
            await blocking(ingest.commit)
        except DigestMismatch:
            bad += 1
            await blocking(ingest.restart)
            if bad >= _BAD_DIGESTS:
                raise
        except RegistryError as e:
            fruitless = 0 if ingest.offset > before else fruitless + 1
            if not (e.transient or e.unreachable) or fruitless >= _FRUITLESS_TRIES:
                raise
            await registry.sleep(e.retry_after or backoff(fruitless + 1))
        else:
            report("downloaded", ingest.offset)
            return


async def _stream(registry: Registry, ingest: Ingest, report: Report) -> None:
    asked = ingest.offset
    async with registry.blob(ingest.digest, asked) as response:
        if asked and not _continues(response, asked):
            await blocking(ingest.restart)
            if response.status == 206:  # some other range than we asked for: of no use
                raise RegistryError("server answered another range than asked for", transient=True)
        report("downloading", ingest.offset)
        async for batch in _batches(response):
            await blocking(ingest.write, batch)
            report("downloading", ingest.offset)
    if not ingest.complete():
        raise broken_body(EOFError())


def _continues(response: aiohttp.ClientResponse, offset: int) -> bool:
    return response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {offset}-")


async def _batches(response: aiohttp.ClientResponse) -> AsyncIterator[bytearray]:
    """The body in pieces large enough to be worth a thread each; what came before a break is not lost."""
    batch = bytearray()
    broken: BaseException | None = None
    try:
        async for chunk in response.content.iter_any():
            batch += chunk
            if len(batch) >= _BATCH:
                yield batch
                batch = bytearray()
    except (aiohttp.ClientError, TimeoutError, OSError) as e:
        broken = e
    if batch:
        yield batch
    if broken is not None:
        raise broken_body(broken) from broken
