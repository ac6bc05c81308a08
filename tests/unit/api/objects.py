"""Random Deployments for property tests: small pools of names, so that two of them overlap and differ."""

from typing import Any

from hypothesis import strategies as st

from sampan.api.patch.shape import built_in

DEPLOYMENT = built_in("apps_v1.Deployment")

_names = st.sampled_from(["a", "b", "c", "d"])
_values = st.sampled_from(["1", "2", "x y", ""])
_texts = st.dictionaries(_names, _values, max_size=3)


def _keyed(key: str, keys: Any, rest: dict[str, Any], *, required: dict[str, Any] | None = None) -> Any:
    """Lists of maps, each with its own key value."""
    item = st.fixed_dictionaries({key: keys, **(required or {})}, optional=rest)
    return st.lists(item, max_size=4, unique_by=lambda i: i[key])


_env = _keyed("name", _names, {"value": _values})
_ports = _keyed("containerPort", st.sampled_from([80, 81, 443]), {"name": _names, "hostPort": st.integers(1, 3)})
_container = {
    "image": st.sampled_from(["i", "j"]),
    "env": _env,
    "ports": _ports,
    "args": st.lists(_values, max_size=3),
    "resources": st.fixed_dictionaries({}, optional={"limits": _texts}),
    "tty": st.booleans(),
}
_volume_sources = st.one_of(
    st.fixed_dictionaries({"emptyDir": st.just({})}),
    st.fixed_dictionaries({"hostPath": st.fixed_dictionaries({"path": _values})}),
    st.just({}),
)
_volumes = st.lists(
    st.builds(lambda name, source: {"name": name, **source}, _names, _volume_sources),
    max_size=3,
    unique_by=lambda v: v["name"],
)
_pod_spec = st.fixed_dictionaries(
    {},
    optional={
        "containers": _keyed("name", _names, _container),
        "volumes": _volumes,
        "nodeSelector": _texts,
        "tolerations": st.lists(st.fixed_dictionaries({"key": _names}), max_size=2),
        "hostNetwork": st.booleans(),
    },
)
_strategy = st.one_of(
    st.fixed_dictionaries({"type": st.just("Recreate")}),
    st.fixed_dictionaries(
        {"type": st.just("RollingUpdate")},
        optional={"rollingUpdate": st.fixed_dictionaries({}, optional={"maxSurge": st.integers(0, 2)})},
    ),
)
_metadata = st.fixed_dictionaries(
    {"name": st.just("d")},
    optional={
        "labels": _texts,
        "annotations": _texts,
        "finalizers": st.lists(st.sampled_from(["x/a", "x/b", "x/c"]), unique=True, max_size=3),
    },
)

deployments = st.fixed_dictionaries(
    {"apiVersion": st.just("apps/v1"), "kind": st.just("Deployment"), "metadata": _metadata},
    optional={
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "replicas": st.integers(0, 3),
                "paused": st.booleans(),
                "strategy": _strategy,
                "selector": st.fixed_dictionaries({}, optional={"matchLabels": _texts}),
                "template": st.fixed_dictionaries({}, optional={"spec": _pod_spec}),
            },
        )
    },
)

json_values = st.recursive(
    st.one_of(st.booleans(), st.integers(-3, 3), _values),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_names, inner, max_size=3)),
    max_leaves=8,
)
json_maps = st.dictionaries(_names, json_values, max_size=4)
