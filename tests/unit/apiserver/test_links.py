"""Links of a page behind a proxy."""

from __future__ import annotations

import time

import pytest

from sampan.apiserver.streams.links import Links

PREFIX = "/api/v1/namespaces/default/services/web/proxy"
LINKS = Links(prefix=PREFIX, host="localhost:8001", address="10.1.2.3:80")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/style.css", f"{PREFIX}/style.css"),
        ("/a/b/?q=1#x", f"{PREFIX}/a/b/?q=1#x"),
        ("http://10.1.2.3:80/x", f"{PREFIX}/x"),
        ("http://localhost:8001/x", f"http://localhost:8001{PREFIX}/x"),
        ("style.css", "style.css"),
        ("../x", "../x"),
        ("#top", "#top"),
        ("", ""),
        ("https://example.com/x", "https://example.com/x"),
        ("//example.com/x", "//example.com/x"),
        ("mailto:a@b.c", "mailto:a@b.c"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        (f"{PREFIX}/there", f"{PREFIX}/there"),
        ("http://[bad", "http://[bad"),
    ],
)
def test_an_address(before: str, after: str) -> None:
    assert LINKS.url(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<a href="/x">y</a>', f'<a href="{PREFIX}/x">y</a>'),
        ("<A HREF='/x'>", f'<A HREF="{PREFIX}/x">'),
        ("<a href=/x >", f'<a href="{PREFIX}/x" >'),
        ('<img alt="/x" src="/y&amp;z" />', f'<img alt="/x" src="{PREFIX}/y&amp;z" />'),
        ('<script src="/s.js">if (a < b) "<a href=\'/no\'>"</script>',
         f'<script src="{PREFIX}/s.js">if (a < b) "<a href=\'/no\'>"</script>'),
        ('<!-- <a href="/no"> --><p title="/no">', '<!-- <a href="/no"> --><p title="/no">'),
        ('<form action="/post"><input formaction="/a" name="/b">',
         f'<form action="{PREFIX}/post"><input formaction="{PREFIX}/a" name="/b">'),
        ("<a>", "<a>"),
        ("a < b > c", "a < b > c"),
    ],
)  # fmt: skip
def test_a_page(before: str, after: str) -> None:
    assert LINKS.page(before.encode()).decode() == after


def test_what_is_no_text_stays_as_it_is() -> None:
    for page in (b"", b"\xff\xfe<a href=\"\xff\">", b"<script>" * 500):
        assert LINKS.page(page) == page


@pytest.mark.parametrize(
    "page",
    [
        b"<" * 300_000, b"<a " * 100_000, b"<!--" * 100_000, b"<script " * 50_000, b"<script>" * 50_000,
        b"<a " + b"x" * 300_000 + b">", b"<a " + b"x=" * 100_000 + b">", b"<a " + b"x " * 100_000 + b">",
        b"<a x" + b" " * 300_000 + b">", b"<a x='" + b'"' * 300_000 + b">", b"<a " + b"href=\"" * 50_000 + b">",
    ],
)  # fmt: skip
def test_a_page_that_is_made_to_be_slow(page: bytes) -> None:
    began = time.process_time()
    LINKS.page(page)
    assert time.process_time() - began < 3
