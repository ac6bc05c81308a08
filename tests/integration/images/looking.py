"""What tests of images look at, and make."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sampan.runtime.images.archive import load
from sampan.runtime.images.store import LocalImageStore
from tests.unit.runtime.images.archives import entry, layout, tar

from .registry import Request

needs_skopeo = pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")


def blobs_only(request: Request) -> bool:
    return "/blobs/" in request.path


def leftovers(store: LocalImageStore) -> list[str]:
    """Whatever is half-made."""
    root = store.root
    found = [
        *root.glob("ingest/*"),
        *root.glob("leases/*"),
        *root.glob("s/*.new"),
        *root.glob("s/*.lock"),
        *root.glob("s/*.gone"),
    ]
    return [str(path.relative_to(root)) for path in found]


def half_fetched(store: LocalImageStore) -> int:
    """The largest blob that is on its way."""
    return max((path.stat().st_size for path in (store.root / "ingest").iterdir()), default=0)


def skopeo(source: str, target: str) -> None:
    subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", source, target], check=True, timeout=60)


def files(store: LocalImageStore) -> list[str]:
    return sorted(
        str(p.relative_to(store.root))
        for part in ("content", "s", "ingest")
        for p in (store.root / part).rglob("*")
        if p.is_file()
    )


def tree(root: Path) -> Path:
    (root / "bin").mkdir(parents=True)
    (root / "bin/tool").write_bytes(b"x" * 1000)
    (root / "bin/tool").chmod(0o4755)
    (root / "bin/link").symlink_to("tool")
    (root / "bin/hard").hardlink_to(root / "bin/tool")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    os.setxattr(root / "bin/tool", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    return root


async def one(store: LocalImageStore, tmp_path: Path, name: str, data: bytes = b"1") -> str:
    folder = tmp_path / name.replace("/", "-")
    layout(folder, tar(entry("f", data)), ref=f"docker.io/{name}:1")
    return (await load(store, folder))[0].id
