"""What is read from requests: media types, tokens of pages, values that JSON does not check; and the words for what is
wrong with them."""

from __future__ import annotations

import base64

import pytest

from sampan.api.errors import ApiError, NotAcceptable, UnsupportedMediaType
from sampan.apiserver import leaves, wording
from sampan.apiserver.handlers.paging import next_token, page_of
from sampan.apiserver.negotiation import Accepted, accepted, render, sent
from sampan.apiserver.request import Request, parse_query
from sampan.apiserver.yamlbody import YAMLError, load

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", Accepted()),
        ("*/*", Accepted()),
        ("application/json", Accepted()),
        ("application/yaml", Accepted("application/yaml")),
        ("text/html, application/json;q=0.5", Accepted()),
        ("application/json;q=0.1, application/yaml", Accepted("application/yaml")),
        ("application/vnd.kubernetes.protobuf, application/json", Accepted()),
        (f"{TABLE},application/json", Accepted("application/json", "Table", "v1")),
        ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", Accepted()),
        ("application/json;as=Nope;v=v1;g=meta.k8s.io,application/yaml", Accepted("application/yaml")),
        (
            "application/json; as = PartialObjectMetadata ;v=v1;g=meta.k8s.io",
            Accepted(kind="PartialObjectMetadata", version="v1"),
        ),
    ],
)
def test_what_is_accepted(header: str, expected: Accepted) -> None:
    assert accepted(header) == expected


@pytest.mark.parametrize(
    "header", ["text/html", "application/json;q=0", "application/json;as=Table;v=v9;g=meta.k8s.io"]
)
def test_what_cannot_be_answered(header: str) -> None:
    with pytest.raises(NotAcceptable):
        accepted(header)


def test_what_may_be_sent() -> None:
    assert sent("application/json; charset=utf-8") == sent("") == "application/json"
    assert sent("application/yaml") == "application/yaml"
    with pytest.raises(UnsupportedMediaType):
        sent("text/plain")


def test_answers_in_yaml_are_read_back_alike() -> None:
    text = render(b'{"a":{"b":["x: y",1,true,null,"yes","0x1","1e3","\\u00e9"]}}', "application/yaml")
    assert load(text) == {"a": {"b": ["x: y", 1, True, None, "yes", "0x1", "1e3", "é"]}}


def test_yaml_is_read_as_version_1_1() -> None:
    assert load(b"{a: y, b: 'y', c: yes, d: off, e: 2020-01-01, 5: x, true: z, n: ~}") == {
        "a": True, "b": "y", "c": True, "d": False, "e": "2020-01-01", "5": "x", "true": "z", "false": None,
    }  # fmt: skip


def test_yaml_that_would_not_end_is_refused() -> None:
    with pytest.raises(YAMLError):
        load(b"&a [*a]")
    lines = [b"a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [b"a%d: &a%d [%s]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 9)]
    with pytest.raises(YAMLError, match="excessive aliasing"):
        load(b"\n".join(lines))


def test_queries() -> None:
    assert parse_query("a=1&a=2&b&c=%20x+y&=z&&d=e=f") == {
        "a": ["1", "2"], "b": [""], "c": [" x y"], "": ["z"], "d": ["e=f"],
    }  # fmt: skip


def _page(query: str, current: int = 100) -> tuple[int, int, str]:
    page = page_of(Request("GET", "/x", query), current)
    return page.revision, page.limit, page.start


def test_pages() -> None:
    assert _page("") == (100, 0, "")
    assert _page("limit=5") == (100, 5, "")
    assert _page("limit=5&resourceVersion=0") == (100, 5, "")
    assert _page("resourceVersion=50") == (100, 0, "")
    assert _page("resourceVersion=50&resourceVersionMatch=Exact") == (50, 0, "")
    assert _page("resourceVersion=50&resourceVersionMatch=NotOlderThan&limit=5") == (100, 5, "")
    assert _page(f"limit=5&continue={next_token(40, 'a/é')}") == (40, 5, "a/é")
    assert _page(f"limit=5&continue={next_token(-1, 'a/b')}") == (100, 5, "a/b")


def test_a_token_is_as_kubernetes_writes_it() -> None:
    token = next_token(40, "a/b")
    assert base64.urlsafe_b64decode(token + "==") == b'{"v":"meta.k8s.io/v1","rv":40,"start":"a/b\\u0000"}'


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("continue=!", "continue key is not valid: illegal base64"),
        ("continue=e30", "continue key is not valid: server does not recognize"),
        (f"continue={next_token(40, 'x')}&resourceVersion=5", "not allowed when using continue"),
        ("resourceVersion=-1", "strconv.ParseUint"),
        ("resourceVersion=101", "Too large resource version: 101, current: 100"),
        ("resourceVersion=0&resourceVersionMatch=Exact", 'forbidden for resourceVersion "0"'),
        ("limit=x", 'strconv.ParseInt: parsing "x": invalid syntax'),
    ],
)
def test_pages_that_cannot_be(query: str, said: str) -> None:
    with pytest.raises(ApiError, match=said.replace("(", r"\(")):
        _page(query)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "unexpected end of JSON input"),
        (b'{"a":', "unexpected end of JSON input"),
        (b"{nope", "invalid character 'n' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 2}', "invalid character '2' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"{} x", "invalid character 'x' after top-level value"),
        (b"nope", "invalid character 'n' looking for beginning of value"),
    ],
)
def test_broken_json_in_gos_words(body: bytes, said: str) -> None:
    assert wording.json_error(body) == said


def test_times_are_checked_and_written_as_kubernetes_stores_them() -> None:
    plain = {
        "metadata": {"creationTimestamp": "2026-01-02T03:04:05.6+02:00"},
        "spec": {"renewTime": "2026-01-02T03:04:05.1Z"},
    }
    assert leaves.check("coordination_v1.Lease", plain)
    assert plain["metadata"] == {"creationTimestamp": "2026-01-02T01:04:05Z"}
    assert plain["spec"] == {"renewTime": "2026-01-02T03:04:05.100000Z"}
    assert not leaves.check("coordination_v1.Lease", plain), "nothing is left to do"
    early = {"spec": {"renewTime": "0001-01-01T00:00:02.5Z"}}
    assert leaves.check("coordination_v1.Lease", early)
    assert early == {"spec": {"renewTime": "0001-01-01T00:00:02.500000Z"}}
    before = "0001-01-01T00:00:00+02:00"  # the year before the first
    for wrong in ("yesterday", "2026-01-02", "2026-13-02T03:04:05Z", "2026-02-30T03:04:05", before):
        with pytest.raises(leaves.BadLeaf, match="parsing time"):
            leaves.check("core_v1.Pod", {"status": {"startTime": wrong}})


def test_bytes_are_base64() -> None:
    assert not leaves.check("core_v1.Secret", {"data": {"a": "YWJj", "b": "YW\nJj", "c": ""}})
    for wrong in ("!", "YWJ", "YWJj="):
        with pytest.raises(leaves.BadLeaf, match="illegal base64 data"):
            leaves.check("core_v1.Secret", {"data": {"a": wrong}})
