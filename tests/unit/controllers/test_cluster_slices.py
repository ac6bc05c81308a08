"""EndpointSlices: the fewest changes, whatever comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sampan.api.types import core_v1
from sampan.api.types.core_v1 import Container, ContainerPort, Pod, PodCondition, PodSpec, PodStatus, ServicePort
from sampan.api.types.discovery_v1 import Endpoint, EndpointSlice
from sampan.api.types.meta_v1 import ObjectMeta, OwnerReference
from sampan.controllers.endpoint_slice.decide import desired, shape_of
from sampan.controllers.endpoints.decide import subsets, truncated
from sampan.controllers.services import backends
from sampan.controllers.services.slices import GroupKey, Plan, Shape, plan
from sampan.controllers.slice_mirroring import decide as mirroring

SHAPE = Shape(name="web", namespace="n", labels={"a": "b"}, owner=OwnerReference(kind="Service", name="web", uid="s"))
HTTP: GroupKey = ("IPv4", (("", "TCP", 80, ""),))
OTHER: GroupKey = ("IPv4", (("", "TCP", 81, ""),))


def endpoint(number: int) -> Endpoint:
    return Endpoint(addresses=[f"10.0.{number // 256}.{number % 256}"])


def apply(existing: list[EndpointSlice], decided: Plan, names: list[int]) -> list[EndpointSlice]:
    """What the server would have afterwards."""
    gone = {s.metadata.name for s in decided.delete}
    changed = {s.metadata.name: s for s in decided.update}
    out = [changed.get(s.metadata.name, s) for s in existing if s.metadata.name not in gone]
    for new in decided.create:
        names[0] += 1
        out.append(replace(new, metadata=replace(new.metadata, name=f"web-{names[0]}")))
    return out


def addresses(slices: list[EndpointSlice]) -> list[str]:
    return sorted(e.addresses[0] for s in slices for e in s.endpoints or ())


def test_no_endpoints_is_one_empty_slice() -> None:
    decided = plan(SHAPE, {}, [], ["IPv4"])
    (only,) = decided.create
    assert (only.endpoints, only.ports, only.addressType, only.metadata.generateName) == ([], [], "IPv4", "web-")
    made = apply([], decided, [0])
    again = plan(SHAPE, {}, made, ["IPv4"])
    assert (again.create, again.update, again.delete) == ([], [], [])


def test_one_new_endpoint_changes_one_slice() -> None:
    first = apply([], plan(SHAPE, {HTTP: [endpoint(i) for i in range(250)]}, [], ["IPv4"]), [0])
    assert sorted(len(s.endpoints or ()) for s in first) == [50, 100, 100]
    decided = plan(SHAPE, {HTTP: [endpoint(i) for i in range(251)]}, first, ["IPv4"])
    assert ([len(s.endpoints or ()) for s in decided.update], decided.create, decided.delete) == ([51], [], [])


def test_one_gone_and_one_new_is_one_write() -> None:
    first = apply([], plan(SHAPE, {HTTP: [endpoint(i) for i in range(200)]}, [], ["IPv4"]), [0])
    decided = plan(SHAPE, {HTTP: [endpoint(i) for i in range(1, 201)]}, first, ["IPv4"])
    assert (len(decided.update), decided.create, decided.delete) == (1, [], [])


def test_other_ports_are_another_slice() -> None:
    decided = plan(SHAPE, {HTTP: [endpoint(1)], OTHER: [endpoint(2)]}, [], ["IPv4"])
    assert sorted((s.ports or [])[0].port or 0 for s in decided.create) == [80, 81]


def test_labels_of_others_making_are_put_right() -> None:
    made = apply([], plan(SHAPE, {HTTP: [endpoint(1)]}, [], ["IPv4"]), [0])
    changed = [replace(made[0], metadata=replace(made[0].metadata, labels={"other": "x"}))]
    decided = plan(SHAPE, {HTTP: [endpoint(1)]}, changed, ["IPv4"])
    assert [s.metadata.labels for s in decided.update] == [{"a": "b"}]


@given(st.lists(st.tuples(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30))), max_size=6))
def test_whatever_comes_every_endpoint_is_there_once(steps: list[tuple[set[int], set[int]]]) -> None:
    slices, names = list[EndpointSlice](), [0]
    for http, other in steps:
        wanted = {HTTP: [endpoint(i) for i in sorted(http)], OTHER: [endpoint(i) for i in sorted(other)]}
        slices = apply(slices, plan(SHAPE, wanted, slices, ["IPv4"], largest=4), names)
        expected = sorted(e.addresses[0] for each in wanted.values() for e in each)
        assert addresses(slices) == expected
        assert all(len(s.endpoints or ()) <= 4 for s in slices)
        assert slices, "a Service always has a slice"
        if expected:
            assert all(s.endpoints for s in slices)
        again = plan(SHAPE, wanted, slices, ["IPv4"], largest=4)
        assert (again.create, again.update, again.delete) == ([], [], []), "once right, nothing is written"


# -- Pods as backends


def pod(name: str, ip: str = "10.0.0.1", *, ready: bool = True, phase: str = "Running", gone: bool = False) -> Pod:
    return Pod(
        metadata=ObjectMeta(
            name=name, namespace="n", uid=name, deletionTimestamp="2026-01-01T00:00:00Z" if gone else None
        ),
        spec=PodSpec(
            nodeName="node",
            containers=[Container(name="a", ports=[ContainerPort(name="web", containerPort=8080)])],
        ),
        status=PodStatus(
            phase=phase,
            podIP=ip or None,
            conditions=[PodCondition(type="Ready", status="True" if ready else "False")],
        ),
    )


def service(**spec: object) -> core_v1.Service:
    spec.setdefault("ports", [ServicePort(port=80, targetPort="web")])
    return core_v1.Service(
        metadata=ObjectMeta(name="web", namespace="n", uid="s", labels={"team": "a"}),
        spec=core_v1.ServiceSpec(selector={"app": "web"}, **spec),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("made", "publish", "expected"),
    [
        (pod("p"), False, (True, True, False)),
        (pod("p", ready=False), False, (False, False, False)),
        (pod("p", ready=False), True, (True, False, False)),
        (pod("p", gone=True), False, (False, True, True)),
        (pod("p", gone=True), True, (True, True, True)),
        (pod("p", phase="Succeeded"), False, None),
        (pod("p", phase="Failed"), True, None),
        (pod("p", ip=""), False, None),
    ],
)
def test_conditions(made: Pod, publish: bool, expected: tuple[bool, bool, bool] | None) -> None:
    found = desired(service(publishNotReadyAddresses=publish), [made], lambda _: "z")
    if expected is None:
        assert found == {}
        return
    ((key, (only,)),) = found.items()
    assert key == ("IPv4", (("", "TCP", 8080, ""),))
    assert (only.conditions.ready, only.conditions.serving, only.conditions.terminating) == expected
    assert (only.nodeName, only.zone) == ("node", "z")


@pytest.mark.parametrize(
    ("target", "protocol", "expected"),
    [(8000, "TCP", 8000), ("web", "TCP", 8080), ("web", "UDP", None), ("absent", "TCP", None), (None, "TCP", 80)],
)
def test_target_ports(target: int | str | None, protocol: str, expected: int | None) -> None:
    assert backends.port_of(pod("p"), ServicePort(port=80, targetPort=target, protocol=protocol)) == expected


def test_both_families() -> None:
    made = pod("p")
    made.status.podIPs = [core_v1.PodIP(ip="10.0.0.1"), core_v1.PodIP(ip="fd00::1")]
    found = desired(service(ipFamilies=["IPv4", "IPv6"]), [made], lambda _: None)
    assert {key[0]: each[0].addresses for key, each in found.items()} == {"IPv4": ["10.0.0.1"], "IPv6": ["fd00::1"]}


@pytest.mark.parametrize(
    ("wish", "zones", "nodes"),
    [
        (None, None, None),
        ("PreferClose", ["z"], None),
        ("PreferSameZone", ["z"], None),
        ("PreferSameNode", ["z"], ["node"]),
    ],
)
def test_hints(wish: str | None, zones: list[str] | None, nodes: list[str] | None) -> None:
    ((_, (only,)),) = desired(service(trafficDistribution=wish), [pod("p")], lambda _: "z").items()
    found = only.hints
    assert ([z.name for z in found.forZones] if found and found.forZones else None) == zones
    assert ([n.name for n in found.forNodes] if found and found.forNodes else None) == nodes
    ((_, (unready,)),) = desired(service(trafficDistribution=wish), [pod("p", ready=False)], lambda _: "z").items()
    assert unready.hints is None


def test_names_in_a_headless_service() -> None:
    made = pod("p")
    made.spec.hostname, made.spec.subdomain = "me", "web"
    headless = service(clusterIP="None")
    ((_, (only,)),) = desired(headless, [made], lambda _: None).items()
    assert only.hostname == "me"
    assert shape_of(headless).labels == {
        "team": "a",
        "service.kubernetes.io/headless": "",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }


def test_endpoints_have_ready_and_other_addresses_in_order() -> None:
    pods = [
        pod("c", "10.0.0.3"),
        pod("a", "10.0.0.1"),
        pod("b", "10.0.0.2", ready=False),
        pod("d", "10.0.0.4", gone=True),
    ]
    (only,) = subsets(service(), pods)
    assert [a.ip for a in only.addresses or ()] == ["10.0.0.1", "10.0.0.3"]
    assert [a.ip for a in only.notReadyAddresses or ()] == ["10.0.0.2"]
    assert [(p.name, p.port) for p in only.ports or ()] == [(None, 8080)]
    assert subsets(service(ports=[ServicePort(port=80, targetPort="absent")]), pods) == []
    (headless,) = subsets(service(clusterIP="None", ports=None), [pods[0]])
    assert headless.ports is None


def test_endpoints_are_cut_at_a_thousand_ready_ones_first() -> None:
    pods = [pod(f"p{i}", f"10.1.{i // 250}.{i % 250}", ready=i % 2 == 0) for i in range(1200)]
    cut, was_cut = truncated(subsets(service(), pods))
    assert was_cut
    assert sum(len(s.addresses or ()) for s in cut) == 600
    assert sum(len(s.notReadyAddresses or ()) for s in cut) == 400


@pytest.mark.parametrize(
    ("labels", "annotations", "selector", "mirrored"),
    [
        ({}, {}, None, True),
        ({"endpointslice.kubernetes.io/skip-mirror": "true"}, {}, None, False),
        ({}, {"control-plane.alpha.kubernetes.io/leader": "{}"}, None, False),
        ({}, {}, {"a": "b"}, False),
    ],
)
def test_what_is_mirrored(
    labels: dict[str, str], annotations: dict[str, str], selector: dict[str, str] | None, mirrored: bool
) -> None:
    endpoints = core_v1.Endpoints(metadata=ObjectMeta(name="web", labels=labels, annotations=annotations))
    owner = core_v1.Service(spec=core_v1.ServiceSpec(selector=selector))
    assert mirroring.is_mirrored(endpoints, owner) is mirrored
    assert not mirroring.is_mirrored(endpoints, None)
