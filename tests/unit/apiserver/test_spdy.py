"""SPDY/3.1 frames, there and back."""

from __future__ import annotations

import pytest

from sampan.apiserver.streams import spdy


def test_the_dictionary_is_the_specifications() -> None:
    assert len(spdy.DICTIONARY) == 1423
    assert spdy.DICTIONARY.startswith(b"\0\0\0\x07options\0\0\0\x04head")
    assert spdy.DICTIONARY.endswith(b",enq=0.")


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_frames_in_any_pieces(step: int) -> None:
    writer, reader = spdy.Writer(), spdy.Reader()
    wire = (
        writer.syn_stream(1, {"streamType": "error", "port": "80"})
        + writer.syn_reply(1)
        + writer.syn_stream(3, {"streamType": "data"}, flags=spdy.FIN)
        + spdy.data_frame(3, b"abc")
        + spdy.data_frame(3, b"", final=True)
        + spdy.ping(5)
        + spdy.reset(3)
        + spdy.goaway(3)
    )
    frames = [f for at in range(0, len(wire), step) for f in reader.feed(wire[at : at + step])]
    kinds = [f.kind for f in frames]
    assert kinds == [1, 2, 1, 0, 0, 6, 3, 7]
    assert frames[0].headers == {"streamtype": "error", "port": "80"}
    assert frames[2].final
    assert frames[2].headers == {"streamtype": "data"}
    assert (frames[3].number, frames[3].data, frames[3].final) == (3, b"abc", False)
    assert frames[4].final
    assert frames[5].number == 5


def test_nonsense_is_refused() -> None:
    with pytest.raises(spdy.SpdyError):
        spdy.Reader().feed(b"\x80\x02\0\x01\0\0\0\x04abcd")
    with pytest.raises(spdy.SpdyError):
        spdy.Reader().feed(b"\x80\x03\0\x01\0\0\0\x0c\0\0\0\x01\0\0\0\0\0\0zz")


def test_a_header_block_cannot_grow_without_end() -> None:
    writer = spdy.Writer()
    with pytest.raises(spdy.SpdyError):
        spdy.Reader().feed(writer.syn_stream(1, {"a": "x" * 1_000_000}))
