from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sampan.runtime.images.store import LocalImageStore
from tests.unit.runtime.images.archives import directory, entry, layout, symlink, tar

from .registry import FaultyProxy, LiveRegistry, start_registry

CONFIG = {"Entrypoint": ["/bin/sh"], "Env": ["A=b"], "ExposedPorts": {"80/tcp": {}}, "User": "1000:1000"}


def three_layers(folder: Path, seed: int = 0) -> tuple[Path, str]:
    """An image that has one of everything; the large layer takes several requests' worth of bytes."""
    base = tar(
        directory("etc"), entry("etc/a", b"1"), entry("etc/b", b"2"), directory("tmp", mode=0o1777), symlink("l", "etc")
    )
    big = tar(entry("big", bytes([seed]) + os.urandom(3_000_000)), entry("etc/.wh.a"))
    top = tar(entry("tmp/x", b"x"), entry("etc/b", b"new"))
    return folder, layout(folder, base, big, top, config=CONFIG)


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRegistry]:
    registry = start_registry(tmp_path_factory.mktemp("registry"))
    try:
        image, _ = three_layers(tmp_path_factory.mktemp("image"))
        registry.push(image, "team/app:1")
        yield registry
    finally:
        registry.stop()


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRegistry]:
    registry = start_registry(tmp_path_factory.mktemp("guarded"), auth=True)
    try:
        image, _ = three_layers(tmp_path_factory.mktemp("image"))
        registry.push(image, "team/app:1")
        yield registry
    finally:
        registry.stop()


@pytest.fixture
async def proxy(live: LiveRegistry) -> AsyncIterator[FaultyProxy]:
    async with FaultyProxy(live.port) as faulty:
        yield faulty


async def no_pause(_: float) -> None:
    pass


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LocalImageStore]:
    store = LocalImageStore(tmp_path / "images", hosts_dirs=[tmp_path / "certs.d"], sleep=no_pause)
    await store.start()
    yield store
    await store.close()
