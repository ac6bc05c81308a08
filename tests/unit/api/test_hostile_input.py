"""Whatever a client sends, it gets an answer of the API or a result, never a Python error."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.api import durations, names, quantity, times
from sampan.api.errors import ApiError
from sampan.api.patch import json as json_patch
from sampan.api.patch import merge, strategic, two_way
from sampan.api.patch.apply.apply import Request, apply
from sampan.api.patch.apply.fieldset import PathError
from sampan.api.patch.apply.update import update
from sampan.api.selectors import fields, labels

from .objects import DEPLOYMENT, deployments

many = settings(max_examples=300, deadline=None)

_words = st.sampled_from(
    ["metadata", "spec", "template", "containers", "name", "env", "strategy", "volumes", "labels", "finalizers",
     "managedFields", "$patch", "$retainKeys", "$setElementOrder/containers", "$setElementOrder/finalizers",
     "$deleteFromPrimitiveList/finalizers", "$setElementOrder", "$deleteFromPrimitiveList", "x"]
)  # fmt: skip
_scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
                     st.sampled_from(["a", "", "delete", "replace", "merge", "containers", "a/b"]))  # fmt: skip
anything = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_words, inner, max_size=4)),
    max_leaves=12,
)
anything_deep = st.builds(
    lambda spec, meta: {"metadata": meta, "spec": {"template": {"spec": spec}, "strategy": spec}}, anything, anything
)


@many
@given(deployments, st.one_of(anything, anything_deep))
def test_strategic_patches(target: dict[str, Any], patch: Any) -> None:
    try:
        assert isinstance(strategic.apply(target, patch, DEPLOYMENT), dict)
    except ApiError:
        pass


@many
@given(deployments, anything_deep)
def test_differences(original: dict[str, Any], modified: dict[str, Any]) -> None:
    try:
        two_way.create(original, modified, DEPLOYMENT)
    except ApiError:
        pass


@many
@given(deployments, st.one_of(anything, anything_deep))
def test_applied_objects(live: dict[str, Any], config: Any) -> None:
    whole = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        **(config if isinstance(config, dict) else {"spec": config}),
    }
    try:
        apply(live, whole, Request(shape=DEPLOYMENT, api_version="apps/v1", manager="m", now="t"))
    except ApiError:
        pass


@many
@given(st.one_of(st.none(), deployments), anything_deep)
def test_written_objects(live: dict[str, Any] | None, new: dict[str, Any]) -> None:
    """The server types an object before it notes who wrote it; lists may still repeat or omit keys."""
    try:
        new = {**new, "metadata": new["metadata"] if isinstance(new["metadata"], dict) else {}}
        new["metadata"].pop("managedFields", None)
        update(live, new, shape=DEPLOYMENT, api_version="apps/v1", manager="m", now="t")
    except PathError:
        pass


_operations = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "nope", 1]),
        "path": st.sampled_from(["", "/", "/metadata", "/metadata/labels/a", "/spec/template/spec/containers/-", "x", 1,
                                 "/spec/template/spec/containers/0/name", "/a~1b", "/spec/~2", "/spec/replicas/1"]),
        "from": st.sampled_from(["/metadata", "/spec", "", "x", None]),
        "value": anything,
    },
)  # fmt: skip


@many
@given(deployments, st.one_of(anything, st.lists(_operations, max_size=5)))
def test_json_patches(target: dict[str, Any], operations: Any) -> None:
    try:
        json_patch.apply(target, operations)
    except ApiError:
        pass


@many
@given(deployments, anything)
def test_merge_patches(target: dict[str, Any], patch: Any) -> None:
    try:
        assert isinstance(merge.apply_to_object(target, patch), dict)
    except ApiError:
        pass


@many
@given(st.text(max_size=20))
def test_strings(text: str) -> None:
    for parse, error in (
        (quantity.parse, quantity.QuantityError),
        (labels.parse, labels.SelectorError),
        (fields.parse, fields.FieldSelectorError),
        (durations.parse, durations.DurationError),
        (times.parse, times.TimeError),
    ):
        try:
            parse(text)
        except error:
            pass
    for rule in (names.dns1123_label, names.qualified_name, names.label_value, names.config_map_key, names.port_name):
        assert isinstance(rule(text), tuple)


@many
@given(st.text(alphabet="019.+-eEinumkKMGTP", max_size=12))
def test_quantities_of_the_right_letters(text: str) -> None:
    try:
        printed = quantity.canonical(text)
    except quantity.QuantityError:
        return
    assert quantity.parse(printed) == quantity.parse(text)


@many
@given(st.text(alphabet="ab,=!()<> in", max_size=14))
def test_selectors_of_the_right_letters(text: str) -> None:
    try:
        selector = labels.parse(text)
    except labels.SelectorError:
        return
    assert labels.parse(str(selector)) == selector


@many
@given(st.text(alphabet="0123456789.hmsuµn-+", max_size=14))
def test_durations_of_the_right_letters(text: str) -> None:
    try:
        nanoseconds = durations.parse_nanoseconds(text)
    except durations.DurationError:
        return
    assert durations.parse_nanoseconds(durations.format_nanoseconds(nanoseconds)) == nanoseconds
