"""Which servers answer for a registry: the registry itself, or the mirrors that a `hosts.toml` names, as containerd
reads it.

    /etc/sampan/certs.d/docker.io/hosts.toml      (also registry.example_5000_/, registry.example:5000/, _default/)

        server = "https://registry-1.docker.io"
        [host."https://mirror.example"]
          capabilities = ["pull", "resolve"]
          ca = "mirror.crt"

The files are read at each pull, so a change needs no restart. Registries on this machine are spoken to in plain HTTP.
"""

from __future__ import annotations

import ipaddress
import ssl
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sampan.runtime.errors import ImagePullError
from sampan.runtime.images.reference import DEFAULT_REGISTRY

DEFAULT_HOSTS_DIRS = (Path("/etc/sampan/certs.d"), Path("/etc/containerd/certs.d"))
_UPSTREAM = {DEFAULT_REGISTRY: "registry-1.docker.io"}
_ALL = frozenset({"pull", "resolve", "push"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server that may be asked."""

    base: str  # https://host:port/v2, no slash at the end
    host: str  # host:port
    capabilities: frozenset[str] = _ALL
    namespace: str = ""  # a mirror is told whose images are meant
    upstream: bool = True  # the registry itself, by its name or as `server`: gets the credentials for it
    headers: tuple[tuple[str, str], ...] = ()
    skip_verify: bool = False
    ca: tuple[Path, ...] = ()
    client: tuple[tuple[Path, Path | None], ...] = ()
    dial_timeout: float = 30.0
    proxy: str | None = None

    def url(self, path: str) -> str:
        return f"{self.base}/{path}" + (f"?ns={self.namespace}" if self.namespace else "")

    def ssl(self) -> ssl.SSLContext | bool:
        """What aiohttp takes: True is its own default context. Reads files: not for the event loop."""
        if not (self.skip_verify or self.ca or self.client):
            return True
        context = ssl.create_default_context()
        for ca in self.ca:
            context.load_verify_locations(ca)
        for cert, key in self.client:
            context.load_cert_chain(cert, key)
        if self.skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def endpoints(registry: str, folders: Sequence[Path] = DEFAULT_HOSTS_DIRS) -> list[Endpoint]:
    """The servers for a registry, in the order in which to ask."""
    for folder in folders:
        for name in _folder_names(registry):
            path = folder / name / "hosts.toml"
            try:
                raw = path.read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                continue
            try:
                return parse(tomllib.loads(raw.decode()), registry, path.parent)
            except (ValueError, TypeError, AttributeError) as e:
                raise ImagePullError(f"failed to read {path}: {e}") from e
    return [_upstream(registry)]


def parse(document: dict[str, Any], registry: str, folder: Path) -> list[Endpoint]:
    found = [_endpoint(url, table, registry, folder) for url, table in document.get("host", {}).items()]
    if server := document.get("server"):
        itself = _endpoint(server, {k: v for k, v in document.items() if k != "host"}, registry, folder)
        found.append(replace(itself, upstream=True))
    else:
        found.append(_upstream(registry))
    return found


def is_local(host: str) -> bool:
    """Whether `host[:port]` is this machine by its very name."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _folder_names(registry: str) -> list[str]:
    host, colon, port = registry.rpartition(":")
    with_port = [f"{host}_{port}_"] if colon and port.isdigit() else []
    return [*with_port, registry, "_default"]


def _upstream(registry: str) -> Endpoint:
    host = _UPSTREAM.get(registry, registry)
    return Endpoint(base=f"{'http' if is_local(host) else 'https'}://{host}/v2", host=host)


def _endpoint(url: str, table: dict[str, Any], registry: str, folder: Path) -> Endpoint:
    if "://" not in url:
        url = f"{'http' if is_local(url) else 'https'}://{url}"
    split = urlsplit(url)
    if split.scheme not in ("http", "https") or not split.netloc:
        raise ValueError(f"invalid host {url!r}")
    host = _UPSTREAM.get(split.netloc, split.netloc)  # as containerd: docker.io stands for where its registry is
    path = split.path.rstrip("/")
    if not table.get("override_path") and not path.endswith("/v2"):
        path += "/v2"
    upstream = host in (registry, _UPSTREAM.get(registry))
    capabilities = frozenset(table.get("capabilities") or _ALL)
    if not capabilities <= _ALL:
        raise ValueError(f"unknown capability {min(capabilities - _ALL)!r}")
    return Endpoint(
        base=f"{split.scheme}://{host}{path}",
        host=host,
        capabilities=capabilities,
        namespace="" if upstream else registry,
        upstream=upstream,
        headers=tuple(
            (name, value) for name, values in (table.get("header") or {}).items() for value in _listed(values)
        ),
        skip_verify=bool(table.get("skip_verify")),
        ca=tuple(folder / path for path in _listed(table.get("ca"))),
        client=tuple(_pair(item, folder) for item in _listed(table.get("client"))),
        dial_timeout=_seconds(table.get("dial_timeout")),
        proxy=table.get("proxy"),
    )


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _pair(item: Any, folder: Path) -> tuple[Path, Path | None]:
    if isinstance(item, str):
        return folder / item, None
    cert, key = item
    return folder / cert, folder / key if key else None


def _seconds(text: Any) -> float:
    if text is None:
        return 30.0
    value = str(text)
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0)):
        if value.endswith(unit):
            return float(value.removesuffix(unit)) * factor
    return float(value)
