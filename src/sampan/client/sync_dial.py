"""A connected socket, through a proxy if there is one, with TLS if there should be; errors as people know them."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import unquote, urlsplit

from sampan.client.connection import Address
from sampan.client.tls import explain
from sampan.client.transport import ConnectionRefused, RequestTimeout, TransportError, UnknownHost

CONNECT_SECONDS = 30.0


def dial(
    address: Address, proxy: str, tls: ssl.SSLContext | None, *, server_name: str = "", timeout: float | None = None
) -> socket.socket:
    limit = min(timeout or CONNECT_SECONDS, CONNECT_SECONDS)
    url = address.url
    wire = _through(proxy, address, limit, url) if proxy else _connect(address.host, address.port, limit, url)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if tls is None:
        return wire
    try:
        return tls.wrap_socket(wire, server_hostname=server_name or address.host)
    except ssl.SSLError as error:
        wire.close()
        raise explain(error, url) from error
    except TimeoutError:
        wire.close()
        raise RequestTimeout("net/http: TLS handshake timeout", server=url) from None
    except OSError as error:
        wire.close()
        raise TransportError("EOF", server=url) from error


def _connect(host: str, port: int, timeout: float, url: str) -> socket.socket:
    where = f"{f'[{host}]' if ':' in host else host}:{port}"
    try:
        return socket.create_connection((host, port), timeout)
    except TimeoutError:
        raise RequestTimeout(f"dial tcp {where}: i/o timeout", server=url) from None
    except ConnectionRefusedError as error:
        raise ConnectionRefused(f"dial tcp {where}: connect: connection refused", server=url) from error
    except socket.gaierror as error:
        raise UnknownHost(f"dial tcp: lookup {host}: no such host", server=url) from error
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        raise TransportError(f"dial tcp {where}: connect: {said}", server=url) from error


def _through(proxy: str, address: Address, timeout: float, url: str) -> socket.socket:
    parts = urlsplit(proxy)
    if parts.scheme not in ("http", "https", "socks5") or not parts.hostname:
        raise TransportError(f"unsupported scheme {parts.scheme!r}, must be http, https, or socks5", server=url)
    default = {"http": 80, "https": 443, "socks5": 1080}[parts.scheme]
    wire = _connect(parts.hostname, parts.port or default, timeout, url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    try:
        if parts.scheme == "https":
            wire = ssl.create_default_context().wrap_socket(wire, server_hostname=parts.hostname)
        if parts.scheme == "socks5":
            _socks5(wire, address, user, password)
        else:
            _http_connect(wire, address, user, password)
    except (OSError, ValueError) as error:
        wire.close()
        raise TransportError(f"proxyconnect tcp: {error}", server=url) from error
    return wire


def _http_connect(wire: socket.socket, address: Address, user: str, password: str) -> None:
    """A tunnel, for plain HTTP as well: one way to do it is enough."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    lines = [f"CONNECT {host}:{address.port} HTTP/1.1", f"Host: {host}:{address.port}"]
    if user:
        import base64

        lines.append("Proxy-Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
    wire.sendall("\r\n".join([*lines, "", ""]).encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        piece = wire.recv(1)  # not a byte more: what follows belongs to the tunnel
        if not piece or len(answer) > 65536:
            raise ValueError("the proxy closed the connection")
        answer += piece
    status = answer.split(b"\r\n", 1)[0].decode(errors="replace")
    if status.split(" ")[1:2] != ["200"]:
        raise ValueError(status.partition(" ")[2] or "the proxy refused")


def _socks5(wire: socket.socket, address: Address, user: str, password: str) -> None:
    wire.sendall(b"\x05\x02\x00\x02" if user else b"\x05\x01\x00")
    version, method = _exactly(wire, 2)
    if version != 5 or method not in (0, 2):
        raise ValueError("the SOCKS proxy accepts no way to authenticate that is known")
    if method == 2:
        name, secret = user.encode(), password.encode()
        wire.sendall(b"\x01" + bytes((len(name),)) + name + bytes((len(secret),)) + secret)
        if _exactly(wire, 2)[1] != 0:
            raise ValueError("username/password authentication failed")
    host = address.host.encode("idna")
    wire.sendall(b"\x05\x01\x00\x03" + bytes((len(host),)) + host + address.port.to_bytes(2, "big"))
    _, code, _, kind = _exactly(wire, 4)
    if code != 0:
        reasons = {1: "general SOCKS server failure", 2: "connection not allowed by ruleset", 3: "network unreachable",
                   4: "host unreachable", 5: "connection refused"}  # fmt: skip
        raise ValueError(reasons.get(code, f"SOCKS error {code}"))
    _exactly(wire, {1: 4, 4: 16}.get(kind) or _exactly(wire, 1)[0])
    _exactly(wire, 2)


def _exactly(wire: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = wire.recv(size - len(data))
        if not piece:
            raise ValueError("the SOCKS proxy closed the connection")
        data += piece
    return data
