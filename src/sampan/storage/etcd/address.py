"""Where an etcd is: `etcd://HOST:PORT,HOST:PORT?ca=FILE&cert=FILE&key=FILE`. With `ca` it is spoken to over TLS."""

from __future__ import annotations

import ssl
from urllib.parse import parse_qsl, urlsplit

import msgspec

SCHEME = "etcd://"
_PORT = 2379
_OPTIONS = {"ca", "cert", "key"}


class EtcdAddress(msgspec.Struct, frozen=True, kw_only=True):
    endpoints: tuple[str, ...]
    ca: str = ""
    cert: str = ""
    key: str = ""

    def tls(self) -> ssl.SSLContext | None:
        if not self.ca:
            return None
        context = ssl.create_default_context(cafile=self.ca)
        if self.cert:
            context.load_cert_chain(self.cert, self.key or None)
        return context


def parse(text: str) -> EtcdAddress:
    """Raises `ValueError`, with what is wrong."""
    if not text.startswith(SCHEME):
        raise ValueError(f"an etcd's address starts with {SCHEME}: {text!r}")
    parts = urlsplit(text)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(options.keys() - _OPTIONS):
        raise ValueError(f"unknown option {unknown[0]!r} in {text!r} (there are: ca, cert, key)")
    if options.get("cert") and not options.get("ca"):
        raise ValueError(f"a client certificate needs the servers' ca as well: {text!r}")
    if parts.path.strip("/"):
        raise ValueError(f"an etcd's address has no path: {text!r}")
    scheme = "https" if options.get("ca") else "http"
    hosts = [host.strip() for host in parts.netloc.split(",") if host.strip()]
    if not hosts:
        raise ValueError(f"no endpoint in {text!r}")
    return EtcdAddress(endpoints=tuple(f"{scheme}://{_with_port(host)}" for host in hosts), **options)


def _with_port(host: str) -> str:
    split = urlsplit(f"//{host}")
    if not split.hostname:
        raise ValueError(f"not an endpoint: {host!r}")
    return host if split.port is not None else f"{host}:{_PORT}"
