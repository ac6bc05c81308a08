"""The fake server behaves as the rooms that test against it rely on."""

import pytest

from sampan.api import errors
from sampan.api.types import core_v1, meta_v1
from sampan.client import calls
from sampan.client.fake import FakeServer


def pod(name: str, **labels: str) -> core_v1.Pod:
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(name=name, namespace="default", labels=labels or None),
        spec=core_v1.PodSpec(containers=[core_v1.Container(name="a", image="busybox")]),
    )


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


async def test_create_read_update_delete(server: FakeServer) -> None:
    pods = server.client().resource(core_v1.Pod)
    made = await pods.create(pod("web"))
    assert made.kind == "Pod"
    assert made.metadata.uid
    with pytest.raises(errors.AlreadyExists, match='pods "web" already exists'):
        await pods.create(pod("web"))

    made.metadata.labels = {"a": "b"}
    updated = await pods.update(made)
    with pytest.raises(errors.Conflict):
        await pods.update(made)
    assert (await pods.get("web", namespace="default")).metadata.labels == {"a": "b"}

    await pods.delete("web", namespace="default", uid=updated.metadata.uid or "")
    with pytest.raises(errors.NotFound, match='pods "web" not found'):
        await pods.get("web", namespace="default")


async def test_status_is_its_own_half(server: FakeServer) -> None:
    server.add(pod("web"))
    pods = server.client().resource(core_v1.Pod)
    web = await pods.get("web", namespace="default")
    web.status.phase = "Running"
    web.spec.nodeName = "n1"
    assert (await pods.update(web)).status.phase is None
    web = await pods.get("web", namespace="default")
    web.status.phase = "Running"
    web.spec.nodeName = "n2"
    after = await pods.update_status(web)
    assert (after.status.phase, after.spec.nodeName) == ("Running", "n1")


async def test_finalizers_hold_an_object(server: FakeServer) -> None:
    held = pod("web")
    held.metadata.finalizers = ["example.com/hold"]
    server.add(held)
    pods = server.client().resource(core_v1.Pod)
    await pods.delete("web", namespace="default")
    web = await pods.get("web", namespace="default")
    assert web.metadata.deletionTimestamp
    await pods.patch("web", {"metadata": {"finalizers": None}}, namespace="default")
    assert server.get(core_v1.Pod, "web", namespace="default") is None


async def test_pods_on_nodes_go_gracefully(server: FakeServer) -> None:
    running = pod("web")
    running.spec.nodeName = "n1"
    server.add(running)
    pods = server.client().resource(core_v1.Pod)
    await pods.delete("web", namespace="default", grace_period_seconds=5)
    assert (await pods.get("web", namespace="default")).metadata.deletionGracePeriodSeconds == 5
    await pods.delete("web", namespace="default", grace_period_seconds=0)
    assert server.get(core_v1.Pod, "web", namespace="default") is None


async def test_namespaces_wait_for_their_finalizer(server: FakeServer) -> None:
    server.add(
        core_v1.Namespace(metadata=meta_v1.ObjectMeta(name="x"), spec=core_v1.NamespaceSpec(finalizers=["kubernetes"]))
    )
    namespaces = server.client().resource(core_v1.Namespace)
    await namespaces.delete("x")
    space = await namespaces.get("x")
    assert space.status.phase == "Terminating"
    space.spec.finalizers = None
    await namespaces.update(space, subresource="finalize")
    assert server.get(core_v1.Namespace, "x") is None


async def test_binding_happens_once(server: FakeServer) -> None:
    server.add(pod("web"))
    pods = server.client().resource(core_v1.Pod)
    binding = core_v1.Binding(
        metadata=meta_v1.ObjectMeta(name="web"), target=core_v1.ObjectReference(kind="Node", name="n1")
    )
    await pods.create_subresource("web", "binding", binding, namespace="default", answer=meta_v1.Status)
    found = server.get(core_v1.Pod, "web", namespace="default")
    assert found is not None
    assert found.spec.nodeName == "n1"
    with pytest.raises(errors.Conflict, match='already assigned to node "n1"'):
        await pods.create_subresource("web", "binding", binding, namespace="default", answer=meta_v1.Status)


async def test_selectors_and_pages(server: FakeServer) -> None:
    server.add(*(pod(f"p{i}", parity="even" if i % 2 == 0 else "odd") for i in range(5)))
    pods = server.client().resource(core_v1.Pod)
    assert [p.metadata.name for p in (await pods.list(label_selector="parity=odd")).items] == ["p1", "p3"]
    assert [p.metadata.name for p in (await pods.list(field_selector="metadata.name=p4")).items] == ["p4"]
    pages = [[p.metadata.name for p in page.items] async for page in pods.list_pages(namespace="default", limit=2)]
    assert pages == [["p0", "p1"], ["p2", "p3"], ["p4"]]


async def test_watch_sees_objects_enter_and_leave_its_selection(server: FakeServer) -> None:
    pods = server.client().resource(core_v1.Pod)
    start = str(server.world.revision)
    server.add(pod("a", w="1"), pod("b"))
    for labels in ({"w": "2"}, {"w": "1"}):
        await pods.patch("a", {"metadata": {"labels": labels}}, namespace="default")
    await pods.delete("a", namespace="default")
    seen = []
    async with pods.watch(resource_version=start, label_selector="w=1") as events:
        async for event in events:
            seen.append(event.type)
            if len(seen) == 4:
                break
    assert seen == ["ADDED", "DELETED", "ADDED", "DELETED"]


async def test_a_forgotten_revision_is_gone(server: FakeServer) -> None:
    pods = server.client().resource(core_v1.Pod)
    start = str(server.world.revision)
    server.add(pod("a"))
    server.compact()
    with pytest.raises(errors.Expired):
        await pods.watch(resource_version=start).__aenter__()


@pytest.mark.parametrize(
    ("patch_type", "body"),
    [
        (calls.STRATEGIC_PATCH, {"spec": {"containers": [{"name": "a", "image": "new"}]}}),
        (calls.JSON_PATCH, [{"op": "replace", "path": "/spec/containers/0/image", "value": "new"}]),
        (calls.MERGE_PATCH, {"spec": {"containers": [{"name": "a", "image": "new"}]}}),
    ],
)
async def test_patches(server: FakeServer, patch_type: str, body: object) -> None:
    server.add(pod("web"))
    pods = server.client().resource(core_v1.Pod)
    after = await pods.patch("web", body, namespace="default", type=patch_type)
    assert [(c.name, c.image) for c in after.spec.containers] == [("a", "new")]
    assert after.metadata.generation == 2


async def test_failures_can_be_scripted(server: FakeServer) -> None:
    server.add(pod("web"))
    server.fail("GET", "/pods/web$", errors.ServiceUnavailable("not now"))
    pods = server.client().resource(core_v1.Pod)
    with pytest.raises(errors.ServiceUnavailable, match="not now"):
        await pods.get("web", namespace="default")
    assert (await pods.get("web", namespace="default")).metadata.name == "web"


async def test_custom_resources_and_metadata(server: FakeServer) -> None:
    server.add({"apiVersion": "example.com/v1", "kind": "Boat", "metadata": {"name": "b"}, "spec": {"oars": 2}})
    boats = server.client().dynamic("example.com", "v1", "boats", kind="Boat")
    assert (await boats.get("b", namespace="default"))["spec"] == {"oars": 2}
    heads = server.client().metadata("example.com", "v1", "boats", kind="Boat")
    assert [h.metadata.name for h in (await heads.list()).items] == ["b"]
