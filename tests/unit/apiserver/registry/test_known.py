"""What is remembered of a part of an object is what a look at it tells."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.types import core_v1
from sampan.apiserver.registry.empties import drop_empty, drop_empty_of_object
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec.known import validate_once, warn_once
from sampan.apiserver.remembered import Remembered


def spec(**fields: Any) -> core_v1.PodSpec:
    return msgspec.convert({"containers": [{"name": "test-known"}], **fields}, core_v1.PodSpec)


class Look:
    """Counts the looks; each finds these violations."""

    def __init__(self, *violations: str) -> None:
        self.violations = violations
        self.times = 0

    def __call__(self, errors: Errors) -> None:
        self.times += 1
        for path in self.violations:
            errors.required(path)


def test_a_right_spec_is_looked_at_once() -> None:
    look, errors = Look(), Errors()
    for _ in range(3):
        validate_once(spec(hostname="right"), look, errors)
    validate_once(spec(hostname="other"), look, errors)
    assert (look.times, errors) == (2, [])


def test_a_wrong_spec_is_wrong_every_time() -> None:
    look = Look("a", "b")
    for _ in range(2):
        errors = Errors()
        validate_once(spec(hostname="wrong"), look, errors)
        assert [e.field for e in errors] == ["a", "b"]
    assert look.times == 2


def test_where_the_name_of_the_pod_counts_every_pod_is_looked_at() -> None:
    look = Look()
    for _ in range(2):
        validate_once(spec(volumes=[{"name": "v", "ephemeral": {}}]), look, Errors())
    assert look.times == 2


def test_warnings_are_given_again() -> None:
    said = [["old"], ["never asked"]]
    first, again = (warn_once(spec(hostname="warned"), lambda: said.pop(0)) for _ in range(2))
    assert first == again == ("old",)


def test_empties_go_also_where_the_same_was_seen_before() -> None:
    def pod(**fields: Any) -> core_v1.Pod:
        return msgspec.convert({"metadata": {"labels": {}}, "spec": {"containers": [], **fields}}, core_v1.Pod)

    for fields in ({"hostname": "full"}, {"hostname": "", "volumes": []}, {"tolerations": [{"key": ""}]}):
        for _ in range(2):
            fast, slow = pod(**fields), pod(**fields)
            drop_empty_of_object(fast)
            drop_empty(slow)
            assert fast == slow
            assert fast.metadata.labels is None


def test_what_is_remembered_is_bounded() -> None:
    known: Remembered[bytes, int] = Remembered(100)
    known.keep(b"large", bytes(10_000), 0)
    for number in range(20):
        known.keep(b"%d" % number, bytes(30), number)
        assert known[b"%d" % number] == number
        assert len(known) <= 3
    assert b"large" not in known
