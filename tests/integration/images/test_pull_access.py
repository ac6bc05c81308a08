"""Who may pull, and from where: credentials and mirrors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sampan.runtime.errors import ImagePullError
from sampan.runtime.images.store import LocalImageStore
from sampan.runtime.records import AuthConfig

from .registry import FaultyProxy, LiveRegistry, needs_registry

pytestmark = [needs_registry, pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


async def test_basic_credentials(guarded: LiveRegistry, store: LocalImageStore) -> None:
    name = f"{guarded.host}/team/app:1"
    with pytest.raises(ImagePullError) as caught:
        await store.pull(name)
    assert str(caught.value).endswith(
        "pull access denied, repository does not exist or may require authorization: "
        "authorization failed: no basic auth credentials"
    )
    with pytest.raises(
        ImagePullError, match=r"HEAD request to \S+: 401 Unauthorized: unauthorized: authentication requ"
    ):
        await store.pull(name, AuthConfig(username="sampan", password="wrong"))
    packed = AuthConfig(auth="c2FtcGFuOnNlY3JldA==")
    assert (await store.pull(name, packed)).repo_tags == [name]


async def test_a_mirror_is_asked_first_and_the_registry_after(
    live: LiveRegistry, proxy: FaultyProxy, store: LocalImageStore, tmp_path: Path
) -> None:
    folder = tmp_path / "certs.d/registry.invalid_5000_"
    folder.mkdir(parents=True)
    (folder / "hosts.toml").write_text(
        f'server = "http://{live.host}"\n[host."http://{proxy.host}"]\ncapabilities = ["pull", "resolve"]\n'
    )
    name = "registry.invalid:5000/team/app:1"
    image = await store.pull(name)
    assert image.repo_tags == [name]
    assert all("ns=registry.invalid:5000" in r.path for r in proxy.requests)
    await store.remove(name)
    proxy.plan = lambda _: ("status", 404)
    assert (await store.pull(name)).id == image.id


@pytest.mark.parametrize("name", ["registry.k8s.io/team/app:1", "docker.io/team/app:1", "team/app:1"])
async def test_one_mirror_for_everything(live: LiveRegistry, store: LocalImageStore, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "certs.d/_default"
    folder.mkdir(parents=True)
    (folder / "hosts.toml").write_text(f'[host."http://{live.host}"]\n')
    image = await store.pull(name)
    assert image.repo_tags == [name if name.count("/") == 2 else f"docker.io/{name}"]
