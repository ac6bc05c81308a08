"""What a namespace that is going says of itself, and who gets what in a new one."""

from collections import Counter

from sampan.api.errors import Cause, Forbidden, NotFound
from sampan.api.types.core_v1 import ConfigMap
from sampan.api.types.meta_v1 import ObjectMeta
from sampan.controllers.namespace.decide import Remaining, conditions, without
from sampan.controllers.namespaces import is_terminating
from sampan.controllers.root_ca.controller import corrected, desired

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"


def said(left: Remaining) -> dict[str, tuple[str, str | None, str | None]]:
    found = conditions(None, left, NOW)
    assert found is not None
    return {c.type: (c.status, c.reason, c.message) for c in found}


def test_all_is_well() -> None:
    assert {status for status, _, _ in said(Remaining()).values()} == {"False"}


def test_what_remains_is_counted_by_resource_and_finalizer() -> None:
    left = Remaining(resources=Counter({"pods.": 2, "boats.example.com": 1}), finalizers=Counter({"b/y": 1, "a/x": 2}))
    found = said(left)
    assert found["NamespaceContentRemaining"] == (
        "True",
        "SomeResourcesRemain",
        "Some resources are remaining: boats.example.com has 1 resource instances, pods. has 2 resource instances",
    )
    assert found["NamespaceFinalizersRemaining"] == (
        "True",
        "SomeFinalizersRemain",
        "Some finalizers are remaining: a/x in 2 resource instances, b/y in 1 resource instances",
    )
    assert found["NamespaceDeletionContentFailure"][0] == "False"


def test_failures_are_said() -> None:
    left = Remaining(errors=["second", "first"], failed_groups={"metrics.k8s.io/v1beta1": "no answer"})
    found = said(left)
    assert found["NamespaceDeletionContentFailure"] == (
        "True",
        "ContentDeletionFailed",
        "Failed to delete all resource types, 2 remaining: first, second",
    )
    status, reason, message = found["NamespaceDeletionDiscoveryFailure"]
    assert (status, reason) == ("True", "DiscoveryFailed")
    assert message == (
        "Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: "
        "metrics.k8s.io/v1beta1: no answer"
    )
    assert not left.is_empty


def test_nothing_new_is_nothing_to_write_and_times_move_with_the_status() -> None:
    left = Remaining(resources=Counter({"pods.": 2}))
    first = conditions(None, left, NOW)
    assert first is not None
    assert conditions(first, left, LATER) is None
    fewer = conditions(first, Remaining(resources=Counter({"pods.": 1})), LATER)
    assert fewer is not None
    assert {c.lastTransitionTime for c in fewer} == {NOW}, "still true: only the message changed"
    done = conditions(fewer, Remaining(), LATER)
    assert done is not None
    moved = [c.type for c in done if c.lastTransitionTime == LATER]
    assert moved == ["NamespaceContentRemaining"]


def test_finalizers() -> None:
    assert without(["kubernetes", "b", "a", "b"], "kubernetes") == ["a", "b"]
    assert without(None, "kubernetes") == []


def test_a_namespace_that_goes_is_no_error() -> None:
    going = Forbidden("no", causes=[Cause(reason="NamespaceTerminating")])
    assert is_terminating(going)
    assert is_terminating(NotFound("gone", kind="namespaces"))
    assert not is_terminating(Forbidden("no"))
    assert not is_terminating(NotFound("gone", kind="configmaps"))
    assert not is_terminating(ValueError())


def test_the_published_ca_is_put_right_and_nothing_else() -> None:
    assert corrected(desired("n", "CA"), "CA") is None
    wrong = ConfigMap(
        metadata=ObjectMeta(name="x", annotations={"mine": "1"}, labels={"a": "b"}), data={"ca.crt": "old"}
    )
    right = corrected(wrong, "CA")
    assert right is not None
    assert right.data == {"ca.crt": "CA"}
    assert right.metadata.labels == {"a": "b"}
    assert (right.metadata.annotations or {})["mine"] == "1"
    assert wrong.data == {"ca.crt": "old"}, "objects of caches are not changed"
