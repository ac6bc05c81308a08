"""Names of tests' namespaces."""

import re

import pytest

from sampan.testing.plugin import namespace_name


@pytest.mark.parametrize("test", ["test_one", "test_x[A/b ü]", "test_" + "long_" * 30, "테스트", "-"])
def test_a_namespace_name_is_a_dns_label(test: str) -> None:
    name = namespace_name(test)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name)
    assert len(name) <= 63


def test_a_test_that_runs_twice_has_two() -> None:
    assert namespace_name("test_one") != namespace_name("test_one")
