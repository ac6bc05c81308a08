import os
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from sampan.client import kubeconfig_write as write
from sampan.client.kubeconfig import KubeconfigError

FILE = """\
apiVersion: v1
clusters:
- cluster:
    future-field: {deep: [1, 2]}
    server: https://prod
  name: prod
contexts:
- context:
    cluster: prod
    user: prod
  name: prod
current-context: prod
kind: Config
unknown-section: [a]
users:
- name: prod
  user:
    token: secret
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "config"
    file.write_text(FILE)
    file.chmod(0o640)
    return file


def read(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(path.read_text())
    return data


def test_a_cluster_comes_and_goes_and_everything_else_stays(path: Path) -> None:
    before = read(path)
    write.merge_cluster(str(path), "sampan", cluster={"server": "https://127.0.0.1:6443"}, user={"token": "t"})
    data = read(path)
    assert data["current-context"] == "sampan"
    assert [c["name"] for c in data["contexts"]] == ["prod", "sampan"]
    assert data["clusters"][0] == before["clusters"][0]
    assert data["unknown-section"] == ["a"]
    assert path.stat().st_mode & 0o777 == 0o640

    write.merge_cluster(str(path), "sampan", cluster={"server": "https://127.0.0.1:7443"}, user={}, use=False)
    assert [c["cluster"]["server"] for c in read(path)["clusters"]] == ["https://prod", "https://127.0.0.1:7443"]

    write.forget_cluster(str(path), "sampan")
    after = read(path)
    assert after["current-context"] == ""
    for section in ("clusters", "contexts", "users", "unknown-section"):
        assert after[section] == before[section]
    assert os.listdir(path.parent) == ["config"]


def test_another_current_context_stays_current(path: Path) -> None:
    write.merge_cluster(str(path), "sampan", cluster={}, user={}, use=False)
    write.forget_cluster(str(path), "sampan")
    assert read(path)["current-context"] == "prod"


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config"
    write.merge_cluster(str(path), "sampan", cluster={"server": "s"}, user={"token": "t"}, namespace="n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert read(path)["contexts"] == [
        {"name": "sampan", "context": {"cluster": "sampan", "user": "sampan", "namespace": "n"}}
    ]
    assert path.read_text().startswith("apiVersion: v1\nclusters:\n- cluster:\n    server: s\n  name: sampan\n")


def test_a_link_is_followed_not_replaced(path: Path) -> None:
    link = path.parent / "link"
    link.symlink_to(path)
    write.edit(str(link), lambda data: data.update({"current-context": "x"}))
    assert link.is_symlink()
    assert read(path)["current-context"] == "x"


def test_a_file_that_cannot_be_read_is_not_touched(path: Path) -> None:
    path.write_text("a: [")
    with pytest.raises(KubeconfigError):
        write.edit(str(path), lambda data: None)
    assert path.read_text() == "a: ["
    assert os.listdir(path.parent) == ["config"]


def test_a_change_that_fails_leaves_the_file(path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write.edit(str(path), lambda data: 1 / 0)
    assert path.read_text() == FILE
    assert os.listdir(path.parent) == ["config"]


def test_many_writers_lose_nothing(path: Path) -> None:
    def add(number: int) -> None:
        write.merge_cluster(str(path), f"c{number}", cluster={"server": str(number)}, user={}, use=False)

    threads = [threading.Thread(target=add, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {c["name"] for c in read(path)["clusters"]} == {"prod", *(f"c{n}" for n in range(12))}


def test_somebody_elses_lock_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = path.with_name("config.lock")
    lock.touch()
    monkeypatch.setattr(write, "LOCK_SECONDS", 0.05)
    with pytest.raises(KubeconfigError, match="file exists"):
        write.edit(str(path), lambda data: None)
    os.utime(lock, (1, 1))  # left behind long ago
    write.edit(str(path), lambda data: None)
    assert not lock.exists()


def test_entries() -> None:
    data = {"contexts": [{"name": "a", "context": {"cluster": "c"}}], "current-context": "a"}
    write.rename_context(data, "a", "b")
    assert data["current-context"] == "b"
    body = write.entry_of(data, "contexts", "b")
    assert body == {"cluster": "c"}
    assert write.entry_of(data, "contexts", "a") is None
    assert write.remove_entry(data, "contexts", "b")
    assert not write.remove_entry(data, "contexts", "b")
