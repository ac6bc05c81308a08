"""What is told fast of a body is what a long look at it tells."""

from __future__ import annotations

import pytest

from sampan.apiserver.endpoint import kind_of
from sampan.apiserver.sound import is_sound

POD = b'{"kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"m","image":"i","env":[{"name":"A"}]}]}}'


def sound(body: bytes, kind: str = "Pod") -> list[bool]:
    """Twice: the second answer comes from what is remembered of the first."""
    found = kind_of("", "v1", kind)
    return [is_sound(found, body), is_sound(found, body)]


@pytest.mark.parametrize(
    "body",
    [
        POD,
        POD.replace(b'"a"', b'"another"'),
        POD.replace(b'"i"', rb'"say \"i\":1"'),
        b'{ "kind":"Pod", "spec":{"containers":[]} }',
    ],
)
def test_nothing_to_object_to(body: bytes) -> None:
    assert sound(body) == [True, True]


@pytest.mark.parametrize(
    "body",
    [
        POD.replace(b'"image"', b'"imag"'),
        POD.replace(b'"spec"', b'"spek"'),
        POD.replace(b'"name":"m"', b'"name":"m","name":"n"'),
        POD.replace(b'"spec"', b'"spec":{"containers":[]},"spec"'),
        POD.replace(b'"name":"a"', b'"name":"a","creationTimestamp":"2026-01-02T03:04:05+01:00"'),
        POD.replace(b'"name":"a"', b'"name":"a","creationTimestamp":"yesterday"'),
    ],
)
def test_something_to_object_to_or_to_write_anew(body: bytes) -> None:
    assert sound(POD) == [True, True]  # what is known of a sound body hides nothing in another
    assert sound(body) == [False, False]


def test_a_part_is_known_of_its_own_kind_only() -> None:
    data = b'{"kind":"%s","data":{"a":"not base64!"}}'
    assert sound(data % b"ConfigMap", "ConfigMap") == [True, True]
    assert sound(data % b"Secret", "Secret") == [False, False]
