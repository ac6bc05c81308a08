"""Everything that is needed to reach one server as one user, whatever file or flag it came from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec


class ConnectionSettings(msgspec.Struct, kw_only=True):
    """Data wins over files. `namespace` is where the user works when no other is said."""

    server: str
    namespace: str = "default"
    context: str = ""
    cluster: str = ""
    # the server's identity
    ca_data: bytes = b""
    ca_file: str = ""
    insecure: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    disable_compression: bool = False
    # the user's identity
    cert_data: bytes = b""
    cert_file: str = ""
    key_data: bytes = b""
    key_file: str = ""
    token: str = ""
    token_file: str = ""
    username: str = ""
    password: str = ""
    exec: dict[str, Any] | None = None
    exec_cluster: dict[str, Any] | None = None
    impersonate: str = ""
    impersonate_uid: str = ""
    impersonate_groups: list[str] = []
    impersonate_extra: dict[str, list[str]] = {}
    # 0: as long as it takes
    timeout: float = 0.0

    def impersonation_headers(self) -> dict[str, str | Sequence[str]]:
        headers: dict[str, str | Sequence[str]] = {}
        if self.impersonate:
            headers["impersonate-user"] = self.impersonate
        if self.impersonate_uid:
            headers["impersonate-uid"] = self.impersonate_uid
        if self.impersonate_groups:
            headers["impersonate-group"] = self.impersonate_groups
        for key, values in self.impersonate_extra.items():
            headers[f"impersonate-extra-{key}"] = values
        return headers


class Address(msgspec.Struct, frozen=True):
    """A server's URL, taken apart. `prefix` is what goes before every path (a server behind a proxy)."""

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @property
    def tls(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """For the Host header and for people: without the port where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.prefix}"


def address_of(server: str) -> Address:
    """`host:port` alone means http, as for kubectl. ValueError for what is no address."""
    parts = urlsplit(server if "://" in server else f"http://{server}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"no address of a server: {server!r}")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Address(parts.scheme, parts.hostname, port, parts.path.rstrip("/"))


def proxy_for(address: Address, explicit: str = "", env: Mapping[str, str] = os.environ) -> str:
    """The proxy's URL, empty for none. The environment's proxies are not for this machine itself."""
    if explicit:
        return explicit
    name = "https_proxy" if address.tls else "http_proxy"
    proxy = env.get(name.upper()) or env.get(name) or ""
    if not proxy or _local(address.host) or _excluded(address, env.get("NO_PROXY") or env.get("no_proxy") or ""):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _local(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _excluded(address: Address, rules: str) -> bool:
    host = address.host.lower()
    for rule in (r.strip().lower() for r in rules.split(",")):
        if not rule:
            continue
        name, _, port = rule.partition(":") if rule.count(":") == 1 else (rule, "", "")
        if port and port != str(address.port):
            continue
        if rule == "*" or host == name or host.endswith(name if name.startswith(".") else f".{name}"):
            return True
        if "/" in rule and _in_network(host, rule):
            return True
    return False


def _in_network(host: str, network: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
