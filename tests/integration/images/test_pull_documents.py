"""What may be pulled: platforms, media types, packings; and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from sampan.runtime.errors import ImagePullError
from sampan.runtime.images.store import LocalImageStore
from tests.unit.runtime.images.archives import entry, layout, tar

from .looking import leftovers
from .registry import LiveRegistry, needs_registry

pytestmark = [needs_registry, pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


async def test_another_platforms_image_is_refused(live: LiveRegistry, store: LocalImageStore, tmp_path: Path) -> None:
    layout(tmp_path / "arm", tar(entry("a")), architecture="s390x")
    live.push(tmp_path / "arm", "other/arm:1")
    with pytest.raises(ImagePullError, match="no match for platform in manifest"):
        await store.pull(f"{live.host}/other/arm:1")


async def test_an_index_gives_this_platforms_image(live: LiveRegistry, store: LocalImageStore, tmp_path: Path) -> None:
    folder = tmp_path / "multi"
    entries = []
    for architecture in ("s390x", "amd64", "arm64"):
        layout(folder, tar(entry("arch", architecture.encode())), architecture=architecture)
        described = json.loads((folder / "index.json").read_text())["manifests"][0]
        entries.append({**described, "platform": {"os": "linux", "architecture": architecture}})
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    subprocess.run(
        ["skopeo", "copy", "-q", "--all", "--insecure-policy", "--dest-tls-verify=false", f"oci:{folder}",
         f"docker://{live.host}/multi/app:1"],
        check=False,
    )  # fmt: skip
    _push_index(live, "multi/app", "1", folder, entries)
    image = await store.pull(f"{live.host}/multi/app:1")
    rootfs = await store.prepare_rootfs(image.id, "c1")
    expected = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    assert (Path(rootfs.lower[0]) / "arch").read_text() == expected


def _push_index(live: LiveRegistry, name: str, tag: str, folder: Path, entries: list[dict[str, object]]) -> None:
    """Blobs, manifests, then the index over them, by the protocol itself."""
    import urllib.request

    def send(method: str, url: str, body: bytes, kind: str) -> str:
        request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": kind})
        with urllib.request.urlopen(request) as answer:
            return str(answer.headers.get("Location", ""))

    base = f"http://{live.host}/v2/{name}"
    manifests = {str(e["digest"])[7:] for e in entries}
    for blob in (folder / "blobs/sha256").iterdir():
        if blob.name not in manifests:
            where = send("POST", f"{base}/blobs/uploads/", b"", "application/octet-stream")
            joint = "&" if "?" in where else "?"
            send("PUT", f"{where}{joint}digest=sha256:{blob.name}", blob.read_bytes(), "application/octet-stream")
    for hex_ in manifests:
        raw = (folder / "blobs/sha256" / hex_).read_bytes()
        send("PUT", f"{base}/manifests/sha256:{hex_}", raw, "application/vnd.oci.image.manifest.v1+json")
    kind = "application/vnd.oci.image.index.v1+json"
    index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode()
    send("PUT", f"{base}/manifests/{tag}", index, kind)


async def test_dockers_own_media_types(live: LiveRegistry, store: LocalImageStore, tmp_path: Path) -> None:
    layout(tmp_path / "d", tar(entry("a", b"docker")))
    live.push(tmp_path / "d", "docker/app:1", format_="v2s2")
    image = await store.pull(f"{live.host}/docker/app:1")
    assert (Path((await store.prepare_rootfs(image.id, "c")).lower[0]) / "a").read_text() == "docker"


async def test_zstd_layers(live: LiveRegistry, store: LocalImageStore, tmp_path: Path) -> None:
    layout(tmp_path / "z", tar(entry("a", b"z" * 100_000)))
    subprocess.run(
        ["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false", "--dest-compress-format", "zstd",
         f"oci:{tmp_path / 'z'}", f"docker://{live.host}/zstd/app:1"],
        check=True,
    )  # fmt: skip
    image = await store.pull(f"{live.host}/zstd/app:1")
    assert (Path((await store.prepare_rootfs(image.id, "c")).lower[0]) / "a").stat().st_size == 100_000


async def test_a_layer_that_is_not_what_the_configuration_says(
    live: LiveRegistry, store: LocalImageStore, tmp_path: Path
) -> None:
    layout(tmp_path / "w", tar(entry("a")), rootfs={"type": "layers", "diff_ids": ["sha256:" + "0" * 64]})
    live.push(tmp_path / "w", "wrong/app:1")
    with pytest.raises(
        ImagePullError, match=r'failed to extract layer sha256:0+: wrong diff id calculated on extraction "s'
    ):
        await store.pull(f"{live.host}/wrong/app:1")
    assert leftovers(store) == []
    assert list((store.root / "s").iterdir()) == []


async def test_a_hostile_layer_is_named(live: LiveRegistry, store: LocalImageStore, tmp_path: Path) -> None:
    layout(tmp_path / "h", tar(entry("../../../../../../escape", b"x")))
    live.push(tmp_path / "h", "hostile/app:1")
    with pytest.raises(ImagePullError, match=r'refused entry "\.\./.*": the path leaves the layer'):
        await store.pull(f"{live.host}/hostile/app:1")
    assert leftovers(store) == []
