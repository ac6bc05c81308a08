from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sampan.client import plain_yaml
from sampan.client.kubeconfig_write import dump

KUBECTL = """\
# written by hand
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUI0VENDQ==
    server: https://127.0.0.1:6443
  name: kind-kind
contexts:
- context:
    cluster: kind-kind
    namespace: default
    user: kind-kind
  name: kind-kind
current-context: kind-kind
kind: Config
preferences: {}
users:
- name: kind-kind
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      args:
      - get-token
      - --cluster
      command: /usr/bin/aws
      env: null
      interactiveMode: IfAvailable
      provideClusterInfo: false
    token: "abc"
- name: admin@arn:aws:eks:eu-west-1:1234:cluster/x
  user: {}
"""

INDENTED = """\
clusters:
  - name: c
    cluster:
      server: http://c
users: []
current-context: ""
"""


@pytest.mark.parametrize("text", [KUBECTL.replace("      - --cluster\n", ""), INDENTED, "a:\n  b:\nc: d\n"])
def test_ordinary_files_are_read_without_the_library(text: str) -> None:
    found = plain_yaml.load(text)
    assert found is not None
    assert found == yaml.safe_load(text)


@pytest.mark.parametrize(
    "value",
    ["1", "0x1f", "1.5", "1e3", "2026-01-01", "yes", "No", "~", "&a b", "*a", "!!str x", "|", ">-", "{a: b}", "[a]",
     "a # comment", "'it''s'", '"a\\n"', "a: b", ".inf", "-1", "12:30:45", "@x", "`x", "%x", "? x", "=", "<<", "1_000",
     "0o7", "+1", ".5"],
)  # fmt: skip
def test_what_may_mean_something_else_is_left_to_the_library(value: str) -> None:
    assert plain_yaml.load(f"a: {value}\n") is None
    assert plain_yaml.load(f"a:\n- {value}\n") is None or value == "a: b"


@pytest.mark.parametrize(
    "text",
    ["a: b\n  c\n", "a: b\n c: d\n", "a:\n\tb: c\n", "---\na: b\n", "a: b\na: c\n", "- - a\n", "a", "a: |\n  x\n",
     "? a\n: b\n", "a: b\r\n", "yes: b\n", "1: b\n", "a: b\n- c\n", " a: b\n", "<<: b\n", "a: b\u2028c\n"],
)  # fmt: skip
def test_odd_shapes_are_left_to_the_library(text: str) -> None:
    assert plain_yaml.load(text) is None


words = st.one_of(
    st.from_regex(r"[A-Za-z0-9_./+=@:,~*#&!%'\" -]{0,30}", fullmatch=True),
    st.sampled_from(["true", "null", "no", "1", "1.0", "2026-01-01", "0b1", "1e5", "12:30", "y", "=", "<<"]),
)
keys = st.from_regex(r"[A-Za-z0-9_.:/@ -]{1,10}", fullmatch=True)
data = st.recursive(
    st.one_of(words, st.booleans(), st.none(), st.integers()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=12,
)


@given(st.dictionaries(keys, data, min_size=1, max_size=4))
def test_it_never_reads_anything_differently(value: dict[str, Any]) -> None:
    text = dump(value)
    found = plain_yaml.load(text)
    assert found is None or found == yaml.safe_load(text) == value


@given(st.from_regex(r"([a-c]:? ?|- |  |\n|[0-9xe._:']|yes|~|#){0,25}", fullmatch=True))
def test_nor_what_nobody_would_write(text: str) -> None:
    found = plain_yaml.load(text)
    if found is not None:
        assert found == yaml.safe_load(text)
