"""Static Pods: their files, and the mirrors that show them in the API."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sampan.api.types import core_v1
from sampan.client.clock import FakeClock
from sampan.client.fake import FakeServer
from sampan.kubelet.static.manifest import ManifestFault, is_manifest, parse
from sampan.kubelet.static.mirrors import Mirrors
from sampan.kubelet.static.source import StaticPods
from sampan.kubelet.status_writer import StatusWriter

GOOD = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {"containers": [{"name": "a", "image": "app"}]},
}


def text(document: object = GOOD) -> bytes:
    return yaml.safe_dump(document).encode()


def changed(**spec: object) -> bytes:
    return text({**GOOD, "spec": {**GOOD["spec"], **spec}})  # type: ignore[dict-item]


def test_a_manifest() -> None:
    pod = parse(text(), node_name="n1", now=0)
    assert (pod.metadata.name, pod.metadata.namespace) == ("web-n1", "default")
    assert pod.spec.nodeName == "n1"
    annotations = pod.metadata.annotations or {}
    assert annotations["kubernetes.io/config.source"] == "file"
    assert annotations["kubernetes.io/config.hash"] == pod.metadata.uid
    container = pod.spec.containers[0]
    assert (container.imagePullPolicy, container.terminationMessagePath) == ("Always", "/dev/termination-log")
    assert [(t.operator, t.effect) for t in pod.spec.tolerations or ()] == [("Exists", "NoExecute")]


def test_the_uid_follows_from_content_and_node() -> None:
    uid = parse(text(), node_name="n1", now=0).metadata.uid
    assert parse(text(), node_name="n1", now=99).metadata.uid == uid
    assert parse(text(), node_name="n2", now=0).metadata.uid != uid
    assert parse(changed(restartPolicy="Never"), node_name="n1", now=0).metadata.uid != uid


@pytest.mark.parametrize(
    "content",
    [
        b"kind: [",
        b"",
        text({"kind": "ConfigMap", "apiVersion": "v1"}),
        text({**GOOD, "metadata": {"name": "Web_1"}}),
        changed(containers=[]),
        changed(containers=[{"name": "a"}]),
        changed(containers=[{"name": "a", "image": "i"}, {"name": "a", "image": "i"}]),
        changed(containers="many"),
        changed(volumes=[{"name": "v", "secret": {"secretName": "s"}}]),
    ],
)
def test_what_cannot_run(content: bytes) -> None:
    with pytest.raises(ManifestFault):
        parse(content, node_name="n1", now=0)


def test_which_files_count() -> None:
    names = ["a.yaml", "b.yml", "c.json", ".hidden.yaml", "d.yaml~", "e.swp", "f.yaml.bak"]
    assert [n for n in names if is_manifest(n)] == ["a.yaml", "b.yml", "c.json"]


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: list[str] = []
        self.source = StaticPods(
            path,
            node_name="n1",
            clock=FakeClock(),
            apply=lambda pod: self.told.append(f"+{pod.metadata.uid}"),
            remove=lambda uid: self.told.append(f"-{uid}"),
        )

    def look(self) -> list[str]:
        self.told.clear()
        self.source._take(self.source._scan())
        return list(self.told)


def uid_of(content: bytes) -> str:
    return parse(content, node_name="n1", now=0).metadata.uid or ""


def test_a_folder(tmp_path: Path) -> None:
    folder, first, second = Folder(tmp_path), text(), changed(restartPolicy="Never")
    (tmp_path / "web.yaml").write_bytes(first)
    assert folder.look() == [f"+{uid_of(first)}"]
    (tmp_path / "web.yaml").rename(tmp_path / "other.yaml")
    assert f"-{uid_of(first)}" not in folder.look()  # the same Pod from another file
    (tmp_path / "other.yaml").write_bytes(second)
    assert folder.look() == [f"-{uid_of(first)}", f"+{uid_of(second)}"]
    (tmp_path / "other.yaml").write_bytes(b"kind: [")
    assert f"-{uid_of(second)}" not in folder.look()  # a slip of the pen ends nothing
    assert "other.yaml" in folder.source.faults
    (tmp_path / "other.yaml").unlink()
    assert folder.look() == [f"-{uid_of(second)}"]


async def test_mirrors_are_made_renewed_and_removed() -> None:
    clock = FakeClock()
    server = FakeServer(clock=clock)
    client = server.client()
    static = [parse(text(), node_name="n1", now=0)]
    node = core_v1.Node()
    node.metadata.name, node.metadata.uid = "n1", "node-uid"
    mirrors = Mirrors(
        client,
        clock,
        wanted=lambda: static,
        present=lambda: server.all(core_v1.Pod, namespace="default"),
        node=lambda: node,
        statuses=StatusWriter(client, clock, mirror_of=lambda _: None),
    )
    await mirrors._match()
    (made,) = server.all(core_v1.Pod)
    assert made.metadata.name == "web-n1"
    assert (made.metadata.annotations or {})["kubernetes.io/config.mirror"] == static[0].metadata.uid
    assert [(o.kind, o.name, o.controller) for o in made.metadata.ownerReferences or ()] == [("Node", "n1", True)]
    static[:] = [parse(changed(restartPolicy="Never"), node_name="n1", now=0)]
    await mirrors._match()
    await mirrors._match()
    (renewed,) = server.all(core_v1.Pod)
    assert (renewed.metadata.annotations or {})["kubernetes.io/config.mirror"] == static[0].metadata.uid
    static.clear()
    await mirrors._match()
    assert server.all(core_v1.Pod) == []
