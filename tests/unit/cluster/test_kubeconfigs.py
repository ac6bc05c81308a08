"""The context in people's kubeconfig: nothing else in that file is hurt, whatever happens."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from sampan.client.kubeconfig_files import KubeconfigError
from sampan.cluster import kubeconfigs
from sampan.cluster.config import ClusterConfig
from sampan.cluster.paths import ClusterPaths
from sampan.cluster.pki import Pki

WORK: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "work",
    "clusters": [{"name": "work", "cluster": {"server": "https://work:6443", "tls-server-name": "w"}}],
    "contexts": [{"name": "work", "context": {"cluster": "work", "user": "me", "namespace": "mine"}}],
    "users": [{"name": "me", "user": {"token": "secret", "nobody-knows-this-field": [1]}}],
    "preferences": {},
}


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    made = Pki(tmp_path_factory.mktemp("pki"))
    made.ensure(ClusterConfig(name="one", nodes=0), {})
    return made


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "kube" / "config"
    monkeypatch.setenv("KUBECONFIG", str(path))
    return path


def write(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(document))


def merge(tmp_path: Path, pki: Pki, name: str = "one", port: int = 6443) -> None:
    kubeconfigs.write_peoples(ClusterPaths(name, tmp_path / name), ClusterConfig(name=name, nodes=0, port=port), pki)


def named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    [found] = [e for e in entries if e["name"] == name]
    return found


def test_into_nothing(tmp_path: Path, file: Path, pki: Pki) -> None:
    merge(tmp_path, pki)
    data = yaml.safe_load(file.read_text())
    assert data["current-context"] == "sampan-one"
    assert named(data["clusters"], "sampan-one")["cluster"]["server"] == "https://127.0.0.1:6443"
    assert file.stat().st_mode & 0o077 == 0


def test_others_stay_as_they_are(tmp_path: Path, file: Path, pki: Pki) -> None:
    write(file, WORK)
    merge(tmp_path, pki)
    merge(tmp_path, pki, "two", 6444)
    data = yaml.safe_load(file.read_text())
    assert named(data["clusters"], "work") == WORK["clusters"][0]
    assert named(data["contexts"], "work") == WORK["contexts"][0]
    assert named(data["users"], "me") == WORK["users"][0]
    assert [c["name"] for c in data["contexts"]] == ["work", "sampan-one", "sampan-two"]


def test_again_changes_its_own_entry_alone(tmp_path: Path, file: Path, pki: Pki) -> None:
    write(file, WORK)
    merge(tmp_path, pki)
    merge(tmp_path, pki, port=7000)
    data = yaml.safe_load(file.read_text())
    assert named(data["clusters"], "sampan-one")["cluster"]["server"] == "https://127.0.0.1:7000"
    assert len(data["clusters"]) == 2


def test_forgotten_leaves_what_was_before(tmp_path: Path, file: Path, pki: Pki) -> None:
    write(file, WORK)
    merge(tmp_path, pki)
    kubeconfigs.forget_peoples(ClusterPaths("one", tmp_path / "one"))
    data = yaml.safe_load(file.read_text())
    assert {k: v for k, v in data.items() if k != "current-context"} == {
        k: v for k, v in WORK.items() if k != "current-context"
    }


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, file: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, WORK)
    before = file.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            merge(tmp_path, pki)
    assert file.read_bytes() == before
    assert [p.name for p in file.parent.iterdir()] == ["config"]


def test_a_file_that_cannot_be_read_is_not_replaced(tmp_path: Path, file: Path, pki: Pki) -> None:
    file.parent.mkdir()
    file.write_text("clusters: [\n")
    with pytest.raises((KubeconfigError, yaml.YAMLError, ValueError)):
        merge(tmp_path, pki)
    assert file.read_text() == "clusters: [\n"


def paths_in(home: Path) -> ClusterPaths:
    """A cluster that is there."""
    paths = ClusterPaths("one", home / "one")
    paths.root.mkdir(parents=True)
    paths.config.write_text("{}")
    return paths


def contexts_server(file: Path) -> str:
    return str(named(yaml.safe_load(file.read_text())["clusters"], "sampan-one")["cluster"]["server"])


def test_a_context_that_somebody_made_by_hand_is_left_alone(tmp_path: Path, file: Path, pki: Pki) -> None:
    by_hand = {**WORK, "clusters": [{"name": "sampan-one", "cluster": {"server": "https://work:6443"}}]}
    write(file, by_hand)
    paths = paths_in(tmp_path)
    said = kubeconfigs.write_peoples(paths, ClusterConfig(name="one", nodes=0), pki)
    assert "https://work:6443" in said
    kubeconfigs.forget_peoples(paths)
    data = yaml.safe_load(file.read_text())
    assert data["clusters"] == by_hand["clusters"]
    assert data["current-context"] == "work"


def test_clusters_of_two_homes_do_not_take_each_others_context(tmp_path: Path, file: Path, pki: Pki) -> None:
    first, second = paths_in(tmp_path / "a"), paths_in(tmp_path / "b")
    other = Pki(tmp_path / "other-pki")
    other.ensure(ClusterConfig(name="one", nodes=0), {})
    assert not kubeconfigs.write_peoples(first, ClusterConfig(name="one", nodes=0, port=1111), pki)
    assert kubeconfigs.write_peoples(second, ClusterConfig(name="one", nodes=0, port=2222), other)
    kubeconfigs.forget_peoples(second)
    assert contexts_server(file) == "https://127.0.0.1:1111"
    first.config.unlink()  # purged
    assert not kubeconfigs.write_peoples(second, ClusterConfig(name="one", nodes=0, port=2222), other)
    assert contexts_server(file) == "https://127.0.0.1:2222"


def test_a_cluster_that_was_made_anew_takes_its_own_context(tmp_path: Path, file: Path, pki: Pki) -> None:
    paths = paths_in(tmp_path)
    other = Pki(tmp_path / "other-pki")
    other.ensure(ClusterConfig(name="one", nodes=0), {})
    assert not kubeconfigs.write_peoples(paths, ClusterConfig(name="one", nodes=0, port=1111), pki)
    assert not kubeconfigs.write_peoples(paths, ClusterConfig(name="one", nodes=0, port=2222), other)
    assert contexts_server(file) == "https://127.0.0.1:2222"


def test_many_at_once_lose_nothing(tmp_path: Path, file: Path, pki: Pki) -> None:
    write(file, WORK)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: merge(tmp_path, pki, f"c{n}", 7000 + n), range(24)))
    data = yaml.safe_load(file.read_text())
    assert {c["name"] for c in data["contexts"]} == {"work", *(f"sampan-c{n}" for n in range(24))}
    assert {c["name"] for c in data["clusters"]} == {"work", *(f"sampan-c{n}" for n in range(24))}


def test_a_renewed_certificate_comes_into_both_files(tmp_path: Path, file: Path) -> None:
    write(file, WORK)
    paths, config = paths_in(tmp_path), ClusterConfig(name="one", nodes=0)
    own = Pki(tmp_path / "pki")
    own.ensure(config, {})
    kubeconfigs.write_own(paths, config, own)
    kubeconfigs.write_peoples(paths, config, own)
    use_work = yaml.safe_load(file.read_text()) | {"current-context": "work"}
    file.write_text(yaml.safe_dump(use_work))
    before = file.read_bytes(), paths.kubeconfig.read_bytes()
    kubeconfigs.refresh(paths, config, own)
    assert (file.read_bytes(), paths.kubeconfig.read_bytes()) == before, "nothing was renewed"

    own.pair("admin").certificate.unlink()
    own.ensure(config, {})
    kubeconfigs.refresh(paths, config, own)
    for path in (file, paths.kubeconfig):
        data = yaml.safe_load(path.read_text())
        assert named(data["users"], "sampan-one")["user"] == kubeconfigs.user_entry(own.pair("admin"))
    data = yaml.safe_load(file.read_text())
    assert data["current-context"] == "work"
    assert named(data["users"], "me") == WORK["users"][0]


def test_a_forgotten_context_does_not_come_back(tmp_path: Path, file: Path, pki: Pki) -> None:
    write(file, WORK)
    paths, config = paths_in(tmp_path), ClusterConfig(name="one", nodes=0)
    kubeconfigs.write_own(paths, config, pki)
    before = file.read_bytes()
    kubeconfigs.refresh(paths, config, pki)
    assert file.read_bytes() == before
