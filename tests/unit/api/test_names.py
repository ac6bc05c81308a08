"""Names are refused in the words that Kubernetes was recorded with."""

import pytest

from sampan.api import names

from . import golden

RECORDED = {
    row["name"]: row["response"]["body"].get("message", "")
    for row in golden.rows("invalid.json")
    if isinstance(row["response"]["body"], dict)
}


@pytest.mark.parametrize(
    ("row", "rule", "value"),
    [
        ("name upper", names.dns1123_label, "Abc"),
        ("name long", names.dns1123_label, "a" * 64),
        ("pod name upper", names.dns1123_subdomain, "Bad_Name"),
        ("pod name dot", names.dns1123_subdomain, ".a"),
        ("label key space", names.label_key, "a b"),
        ("label value space", names.label_value, "b c"),
        ("label value long", names.label_value, "b" * 64),
        ("label prefix", names.label_key, "A_b/c"),
        ("label key long", names.label_key, "x" * 64),
        ("port name", names.port_name, "A"),
        ("port name long", names.port_name, "a" * 16),
        ("port high", names.port_number, 65536),
        ("env name =", names.env_var_name, "a=b"),
        ("env key", names.config_map_key, "b c"),
        ("configmap key", names.config_map_key, "a b"),
        ("dnsConfig", names.dns1123_subdomain_with_underscore, "A B"),
        ("schedulingGate", names.qualified_name, ""),
        ("namespace upper", names.dns1123_label, "A"),
        ("generateName bad", names.dns1123_subdomain, names.name_for_generate("A_")),
    ],
)
def test_as_recorded(row: str, rule: object, value: object) -> None:
    assert callable(rule)
    objections = rule(value)
    assert objections
    for objection in objections:
        assert objection in RECORDED[row]


@pytest.mark.parametrize(
    ("rule", "good"),
    [
        (names.dns1123_label, ["a", "0", "a-b", "a" * 63]),
        (names.dns1123_subdomain, ["a.b", "kube-root-ca.crt", "a" * 253]),
        (names.dns1035_label, ["a0", "my-name"]),
        (names.label_key, ["app", "kubernetes.io/name", "A_b.c-d", "a/b"]),
        (names.label_value, ["", "a", "1.2_3-4"]),
        (names.config_map_key, [".dot", "a", "A_B-c.d"]),
        (names.strict_env_var_name, ["A", "a.b", "_x-1"]),
        (names.env_var_name, ["1", "a b", "~"]),
        (names.port_name, ["http", "a-1", "8x"]),
        (names.c_identifier, ["_a1"]),
        (names.wildcard_dns1123_subdomain, ["*.example.com"]),
        (names.path_segment_name, ["system:node", "a b"]),
        (names.domain_prefixed_path, ["acme.io/foo", "a.b/c/d"]),
        (names.http_header_name, ["X-Header"]),
        (names.percent, ["25%"]),
    ],
)
def test_good_names(rule: object, good: list[str]) -> None:
    assert callable(rule)
    assert [value for value in good if rule(value)] == []


@pytest.mark.parametrize(
    ("rule", "bad", "objection"),
    [
        (names.dns1123_label, "a.b", "must not contain dots"),
        (names.dns1123_label, "a\n", "RFC 1123 label"),
        (names.dns1035_label, "1a", "DNS-1035 label"),
        (names.label_key, "a/b/c", "a qualified name must consist of"),
        (names.label_key, "/b", "prefix part must be non-empty"),
        (names.label_key, "a/", "name part must be non-empty"),
        (names.config_map_key, "..", "must not be '..'"),
        (names.config_map_key, "..a", "must not start with '..'"),
        (names.port_name, "a--b", "consecutive hyphens"),
        (names.port_name, "-a", "begin or end with a hyphen"),
        (names.path_segment_name, "a/b", "may not contain '/'"),
        (names.path_segment_name, "..", "may not be '..'"),
        (names.fully_qualified, "a", "at least two segments"),
        (names.env_var_name, "é", "printable ASCII"),
        (names.domain_prefixed_path, "a", 'such as "acme.io/foo"'),
        (names.label_value, "é" * 32, "63 bytes"),
    ],
)
def test_bad_names(rule: object, bad: str, objection: str) -> None:
    assert callable(rule)
    assert any(objection in said for said in rule(bad))
