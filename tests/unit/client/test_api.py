import pytest

from sampan.api import errors
from sampan.api.types import apps_v1, core_v1, meta_v1
from sampan.client.answers import error_of, warnings_of
from sampan.client.api import JSON_PATCH, Client
from sampan.client.connection import ConnectionSettings
from sampan.client.fake import FakeRequest, FakeServer
from sampan.client.http import connect
from sampan.client.informer import Informer
from sampan.client.transport import Response
from tests.unit.client.servers import Server, bridge


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


def pod(name: str, namespace: str | None = "default") -> core_v1.Pod:
    return core_v1.Pod(metadata=meta_v1.ObjectMeta(name=name, namespace=namespace))


async def test_who_asks_goes_with_every_request(server: FakeServer) -> None:
    client = Client(server, user_agent="kubelet", field_manager="kubelet")
    await client.resource(core_v1.Pod).create(pod("a"))
    other = client.with_user_agent("scheduler").impersonating("jane", groups=("a", "b"), uid="7")
    await other.resource(core_v1.Pod).create(pod("b"))
    first, second = server.requests
    assert str(first.headers["user-agent"]).startswith("kubelet/")
    assert first.query == {"fieldManager": "kubelet"}
    assert str(second.headers["user-agent"]).startswith("scheduler/")
    assert second.query == {}
    asked = {k: v for k, v in second.headers.items() if k.startswith("impersonate")}
    assert asked == {"impersonate-user": "jane", "impersonate-group": ("a", "b"), "impersonate-uid": "7"}


async def test_objects_are_sent_with_their_kind(server: FakeServer) -> None:
    await (
        server.client()
        .resource(apps_v1.Deployment)
        .create(apps_v1.Deployment(metadata=meta_v1.ObjectMeta(name="a", namespace="default")))
    )
    assert server.requests[0].json["apiVersion"] == "apps/v1"
    assert server.requests[0].json["kind"] == "Deployment"
    assert server.requests[0].path == "/apis/apps/v1/namespaces/default/deployments"


async def test_items_of_a_list_know_their_kind(server: FakeServer) -> None:
    server.add(pod("a"))
    page = await server.client().resource(core_v1.Pod).list()
    assert page.items[0].kind == "Pod"
    assert page.resource_version


async def test_a_namespace_must_be_said(server: FakeServer) -> None:
    pods = server.client().resource(core_v1.Pod)
    with pytest.raises(ValueError, match="namespace is needed"):
        await pods.get("a")
    with pytest.raises(ValueError, match="namespace is needed"):
        await pods.create(pod("a", None))
    with pytest.raises(ValueError, match="resource name may not be empty"):
        await pods.get("", namespace="x")
    nodes = server.client().resource(core_v1.Node)
    await nodes.create(core_v1.Node(metadata=meta_v1.ObjectMeta(name="n")), namespace="ignored")
    assert server.requests[0].path == "/api/v1/nodes"


async def test_apply_names_its_manager(server: FakeServer) -> None:
    pods = server.client("controller").resource(core_v1.Pod)
    made = await pods.apply({"metadata": {"name": "a", "namespace": "default", "labels": {"x": "y"}}}, force=True)
    assert made.metadata.labels == {"x": "y"}
    request = server.requests[0]
    assert request.headers["content-type"] == "application/apply-patch+yaml"
    assert request.query == {"fieldManager": "controller", "force": "true"}
    assert request.json["kind"] == "Pod"


async def test_deletes_carry_their_options(server: FakeServer) -> None:
    server.add(pod("a"))
    pods = server.client().resource(core_v1.Pod)
    with pytest.raises(errors.Conflict, match="uid in precondition"):
        await pods.delete(
            "a", namespace="default", uid="other", propagation_policy="Background", grace_period_seconds=0
        )
    assert server.requests[0].json == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Background",
        "preconditions": {"uid": "other"},
    }


async def test_names_are_quoted_in_paths(server: FakeServer) -> None:
    with pytest.raises(errors.NotFound):
        await server.client().resource(core_v1.Node).get("system:a/b")
    assert server.requests[0].path == "/api/v1/nodes/system:a%2Fb"


async def test_metadata_is_asked_for_alone(server: FakeServer) -> None:
    server.add(pod("a"))
    heads = server.client().metadata("", "v1", "pods")
    assert (await heads.get("a", namespace="default")).metadata.name == "a"
    assert "PartialObjectMetadata;" in str(server.requests[0].headers["accept"])
    patched = await heads.patch(
        "a", [{"op": "add", "path": "/metadata/labels", "value": {"k": "v"}}], namespace="default", type=JSON_PATCH
    )
    assert patched.metadata.labels == {"k": "v"}


async def test_warnings_are_handed_on(server: FakeServer) -> None:
    def warn(request: FakeRequest) -> Response:
        return Response(200, {"warning": '299 - "old", 299 - "older"'}, b"{}")

    server.react(warn)
    heard: list[str] = []
    await Client(server, on_warning=heard.append).resource(core_v1.Node).get("n")
    assert heard == ["old", "older"]
    assert warnings_of({}) == []


@pytest.mark.parametrize(
    ("response", "kind", "said"),
    [
        (Response(404, {}, b"404 page not found\n"), errors.NotFound, "could not find the requested resource (get /x)"),
        (Response(403, {}, b"no"), errors.Forbidden, "does not allow access"),
        (Response(502, {}, b"<html>bad gateway"), errors.ApiError, "an error on the server ('<html>bad gateway')"),
        (Response(418, {}, b""), errors.ApiError, "status code 418"),
        (Response(429, {"retry-after": "3"}, b"{}"), errors.TooManyRequests, "status code 429"),
    ],
)
def test_answers_that_are_no_status(response: Response, kind: type[errors.ApiError], said: str) -> None:
    error = error_of(response, method="GET", path="/x")
    assert type(error) is kind
    assert said in str(error)
    assert error.http_code == response.status
    assert error.retry_after_seconds == (3 if response.status == 429 else None)


async def test_the_same_over_http(web_server: Server) -> None:
    """Client, watch and informer through aiohttp and a real socket."""
    fake = FakeServer()
    web_server.handlers["*"] = bridge(fake)
    client = connect(ConnectionSettings(server=web_server.url), user_agent="controller")
    pods = client.resource(core_v1.Pod)
    await pods.create(pod("a"))
    with pytest.raises(errors.AlreadyExists):
        await pods.create(pod("a"))
    informer = Informer(pods)
    informer.start()
    await informer.wait_for_sync()
    made = await pods.create(pod("b"))
    async with pods.watch(
        namespace="default", resource_version=str(int(made.metadata.resourceVersion or 0) - 1)
    ) as events:
        event = await anext(aiter(events))
    assert (event.type, event.object.metadata.name) == ("ADDED", "b")
    await pods.delete("a", namespace="default")
    async with pods.watch(resource_version=made.metadata.resourceVersion or "") as events:
        assert (await anext(aiter(events))).type == "DELETED"
    await informer.stop()
    await client.close()
