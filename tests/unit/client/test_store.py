import pytest

from sampan.api.types import core_v1, meta_v1
from sampan.client.store import Store, copy_of


def pod(name: str, node: str | None = None, namespace: str = "default") -> core_v1.Pod:
    return core_v1.Pod(metadata=meta_v1.ObjectMeta(name=name, namespace=namespace), spec=core_v1.PodSpec(nodeName=node))


def by_node(obj: core_v1.Pod) -> list[str]:
    return [obj.spec.nodeName] if obj.spec.nodeName else []


def names(pods: list[core_v1.Pod]) -> list[str | None]:
    return [p.metadata.name for p in pods]


def test_indexes_follow_every_change() -> None:
    store: Store[core_v1.Pod] = Store({"node": by_node})
    store.put("default/a", pod("a"))
    store.put("default/b", pod("b", "n1"))
    assert names(store.by_index("node", "n1")) == ["b"]
    store.put("default/a", pod("a", "n1"))
    assert names(store.by_index("node", "n1")) == ["b", "a"]
    store.put("default/b", pod("b", "n2"))
    store.remove("default/a")
    assert names(store.by_index("node", "n1")) == []
    assert list(store.index_values("node")) == ["n2"]


def test_namespaces_and_filters() -> None:
    store: Store[core_v1.Pod] = Store()
    for key in ("x/a", "y/a", "y/b"):
        namespace, name = key.split("/")
        store.put(key, pod(name, namespace=namespace))
    assert names(store.list(namespace="y")) == ["a", "b"]
    assert names(store.list(where=lambda p: p.metadata.name == "a")) == ["a", "a"]
    assert store.get("a", namespace="x") is store.by_key("x/a")
    store.remove("x/a")
    assert store.list(namespace="x") == []
    assert store.remove("x/a") is None
    assert len(store) == 2


def test_an_index_added_late_knows_what_is_there() -> None:
    store: Store[core_v1.Pod] = Store()
    store.put("default/a", pod("a", "n1"))
    store.add_index("node", by_node)
    store.add_index("node", by_node)
    assert names(store.by_index("node", "n1")) == ["a"]
    with pytest.raises(ValueError, match="another function"):
        store.add_index("node", lambda p: [])


def test_a_copy_shares_nothing() -> None:
    original = pod("a", "n1")
    original.metadata.labels = {"k": "v"}
    original.spec.containers = [core_v1.Container(name="c", image="i")]
    copy = copy_of(original)
    assert copy == original
    copy.metadata.labels["k"] = "w"
    copy.spec.containers[0].image = "j"
    assert original.metadata.labels == {"k": "v"}
    assert original.spec.containers[0].image == "i"
    plain = {"a": [{"b": 1}]}
    other = copy_of(plain)
    other["a"][0]["b"] = 2
    assert plain == {"a": [{"b": 1}]}
