import msgspec
import pytest

from sampan.api.errors import ApiError, Expired
from sampan.api.scheme import BUILT_IN_SCHEME
from sampan.api.types import core_v1
from sampan.client.codec import Codec, codec_for, key_of, split_key
from sampan.client.watch import EventCache, WatchDecoder, decode_event

PODS: Codec[core_v1.Pod] = codec_for(core_v1.Pod)
PODS_INFO = BUILT_IN_SCHEME.for_type(core_v1.Pod)
ADDED = b'{"type":"ADDED","object":{"metadata":{"name":"a"}}}'
STATUS = b'{"kind":"Status","status":"Failure","reason":"Expired","code":410,"message":"old"}'
ERROR = b'{"type":"ERROR","object":' + STATUS + b"}"


def test_lines_are_found_wherever_the_chunks_are_cut() -> None:
    text = b"\n".join([ADDED, ADDED.replace(b'"a"', b'"b"'), b"", ADDED.replace(b'"a"', b'"c"'), b""])
    for size in (1, 7, 50, 1000):
        decoder = WatchDecoder(PODS)
        found = [e for i in range(0, len(text), size) for e in decoder.feed(text[i : i + size])]
        assert [e.object.metadata.name for e in found] == ["a", "b", "c"]


def test_an_error_comes_after_the_events_before_it() -> None:
    decoder = WatchDecoder(PODS)
    events = decoder.feed(ADDED + b"\n" + ERROR + b"\n")
    assert next(events).object.metadata.name == "a"
    with pytest.raises(Expired, match="old"):
        next(events)


@pytest.mark.parametrize("line", [ERROR, b' {"object":' + STATUS + b',"type":"ERROR"}'])
def test_errors_are_known_in_any_order_of_fields(line: bytes) -> None:
    with pytest.raises(Expired):
        decode_event(line, PODS)
    with pytest.raises(ApiError):
        decode_event(line, codec_for(dict))


@pytest.mark.parametrize("head", [b'{"type":"BOOKMARK","object":', b'{ "type": "BOOKMARK", "object": '])
def test_bookmarks_as_kubernetes_writes_them(head: bytes) -> None:
    line = (
        head + b'{"kind":"Pod","metadata":{"resourceVersion":"7","creationTimestamp":null},"spec":{"containers":null}}}'
    )
    event = decode_event(line, PODS)
    assert (event.type, event.object.metadata.resourceVersion) == ("BOOKMARK", "7")
    assert decode_event(line, codec_for(dict)).object["metadata"]["resourceVersion"] == "7"


def test_required_lists_may_be_null_on_the_wire() -> None:
    body = b'{"metadata":{"name":"a"},"spec":{"containers":null,"nodeName":"n"}}'
    assert PODS.decode(body).spec.containers == []
    event = decode_event(b'{"type":"MODIFIED","object":' + body + b"}", PODS)
    assert (event.type, event.object.spec.containers, event.object.spec.nodeName) == ("MODIFIED", [], "n")
    page = PODS.decode_list(b'{"metadata":{"resourceVersion":"1"},"items":[' + body + b"]}", PODS_INFO)
    assert [p.metadata.name for p in page.items] == ["a"]
    assert PODS.decode_list(b'{"metadata":{},"items":null}', PODS_INFO).items == []


def test_wrong_types_are_errors() -> None:
    with pytest.raises(msgspec.ValidationError):
        PODS.decode(b'{"spec":{"nodeName":7}}')


def test_framed_events_are_decoded_once_for_all_watchers() -> None:
    cache = EventCache(size=2)
    one = WatchDecoder(PODS, framed=True, cache=cache)
    two = WatchDecoder(PODS, framed=True, cache=cache)
    other = WatchDecoder(codec_for(dict), framed=True, cache=cache)
    lines = [ADDED.replace(b'"a"', b'"%d"' % i) for i in range(5)]
    for line in lines:
        (first,), (second,), (plain,) = one.feed(line), two.feed(line), other.feed(line)
        assert first is second
        assert plain.object["metadata"]["name"] == first.object.metadata.name
    (again,) = one.feed(bytes(bytearray(lines[-1])))  # equal, but not the same bytes
    assert again == first
    assert again is not first
    (private,) = WatchDecoder(PODS, framed=True).feed(lines[-1])
    assert private is not first


def test_keys() -> None:
    assert key_of(core_v1.Node()) == ""
    assert key_of({"metadata": {"namespace": "x", "name": "a"}}) == "x/a"
    assert split_key("x/a") == ("x", "a")
    assert split_key("a") == ("", "a")
