"""Links in what a proxied Pod or Service answers, led back through the proxy. Pure.

A page behind `…/pods/web/proxy/` that links to `/style.css` means its own root, not the API server's: such links, and
redirects, get the proxy's path in front. Relative links, and those to other hosts, are right as they are.
"""

from __future__ import annotations

import posixpath
import re
from html import escape, unescape
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct

# Elements and those of their attributes that hold an address.
_LINKS: dict[str, frozenset[str]] = {
    **{tag: frozenset(("href",)) for tag in ("a", "area", "base", "link")},
    **{tag: frozenset(("cite",)) for tag in ("blockquote", "del", "ins", "q")},
    **{tag: frozenset(("src",)) for tag in ("audio", "embed", "script", "source")},
    **{tag: frozenset(("longdesc", "src")) for tag in ("frame", "iframe")},
    "applet": frozenset(("codebase",)),
    "body": frozenset(("background",)),
    "button": frozenset(("formaction",)),
    "command": frozenset(("icon",)),
    "form": frozenset(("action",)),
    "head": frozenset(("profile",)),
    "html": frozenset(("manifest",)),
    "img": frozenset(("longdesc", "src", "usemap")),
    "input": frozenset(("src", "usemap", "formaction")),
    "object": frozenset(("classid", "codebase", "data", "usemap")),
    "video": frozenset(("poster", "src")),
}
# Comments and the insides of scripts and styles are passed over, so that nothing in them is taken for an element.
# What is never closed goes to the end: a page may be made to be slow to read, and no place of it is looked at twice.
_TOKEN = re.compile(
    rb"<!--.*?(?:-->|\Z)|<(?P<raw>script|style)\b[^>]*>.*?(?=</(?P=raw)|\Z)|<[a-zA-Z][a-zA-Z0-9]*[^>]*(?:>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_OPENING = re.compile(rb"<([a-zA-Z][a-zA-Z0-9]*)([^>]*)>", re.DOTALL)
_ATTRIBUTE = re.compile(rb"""(?<![^\s"'<>/=])([^\s"'<>/=]++)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)""")


class Links(Struct, frozen=True):
    """`prefix`: the path up to the proxied part. `host`: whom the client asked; `address`: who answered."""

    prefix: str
    host: str
    address: str

    def url(self, text: str) -> str:
        try:
            found = urlsplit(text)
        except ValueError:
            return text
        if found.netloc not in ("", self.address, self.host) or not found.path.startswith("/"):
            return text
        path = found.path
        if not path.startswith(self.prefix):
            path = posixpath.normpath(f"{self.prefix}/{path.lstrip('/')}")
            if found.path.endswith("/") and not path.endswith("/"):
                path += "/"
        scheme, host = (found.scheme, found.netloc) if found.netloc == self.host else ("", "")
        return urlunsplit((scheme, host, path, found.query, found.fragment))

    def page(self, html: bytes) -> bytes:
        return _TOKEN.sub(self._element, html)

    def _element(self, match: re.Match[bytes]) -> bytes:
        whole: bytes = match[0]
        opening = _OPENING.match(whole)
        if opening is None:
            return whole
        wanted = _LINKS.get(opening[1].decode("ascii").lower())
        if wanted is None:
            return whole
        rest = _ATTRIBUTE.sub(lambda m: self._attribute(m, wanted), opening[2])
        return b"<" + opening[1] + rest + b">" + whole[opening.end() :]

    def _attribute(self, match: re.Match[bytes], wanted: frozenset[str]) -> bytes:
        name, sign, value = match.groups()
        if name.decode("utf-8", "replace").lower() not in wanted:
            return match[0]
        plain = value[1:-1] if value[:1] in (b'"', b"'") else value
        try:
            before = unescape(plain.decode())
        except UnicodeDecodeError:
            return match[0]
        after = self.url(before)
        return match[0] if after == before else name + sign + b'"' + escape(after, quote=True).encode() + b'"'
