"""What goes wrong between us and a registry, in containerd's words, and whether to try again.

People search for these sentences, so they are the ones containerd (and Go's network library beneath it) would print.
"""

from __future__ import annotations

import errno
import json
import re
import socket
import ssl
from pathlib import Path

import aiohttp

from sampan.runtime.errors import ImagePullError

_ADDRESS = re.compile(r"Connect call failed \('([^']+)', (\d+)")
_SYSCALLS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ENETUNREACH: "network is unreachable",
    errno.EHOSTUNREACH: "no route to host",
    errno.ETIMEDOUT: "connection timed out",
}
_RETRIED_STATUS = frozenset({408, 429, 500, 502, 503, 504})


class RegistryError(ImagePullError):
    """The registry could not be reached or did not give what was asked for. `transient`: it may next time.
    `unreachable`: nobody is there, which is worth a second try only if somebody just was."""

    def __init__(
        self, message: str, *, transient: bool = False, unreachable: bool = False, retry_after: float = 0
    ) -> None:
        super().__init__(message)
        self.transient = transient
        self.unreachable = unreachable
        self.retry_after = retry_after


class NotInRegistry(RegistryError):
    """404: another endpoint may still have it."""


class Denied(RegistryError):
    """The registry wants other credentials, or any."""


def network_fault(method: str, url: str, error: BaseException) -> RegistryError:
    """A request that got no answer."""
    why, transient = _reason(error)
    unreachable = isinstance(error, aiohttp.ClientConnectorError) and not transient
    return RegistryError(
        f'failed to do request: {method.capitalize()} "{url}": {why}', transient=transient, unreachable=unreachable
    )


def broken_body(error: BaseException) -> RegistryError:
    """An answer that broke off."""
    why = "context deadline exceeded" if isinstance(error, TimeoutError) else _short(error)
    return RegistryError(f"failed to copy: httpReadSeeker: failed to read: {why}", transient=True)


def status_fault(
    method: str, url: str, status: int, reason: str, body: bytes = b"", retry_after: str = ""
) -> RegistryError:
    """An answer that says no."""
    message = f"unexpected status from {method.upper()} request to {url}: {status} {reason}".rstrip()
    if said := server_words(body):
        message += f": {said}"
    transient = status in _RETRIED_STATUS
    wait = float(retry_after) if transient and retry_after.isdigit() else 0.0
    kind = NotInRegistry if status == 404 else RegistryError
    return kind(message, transient=transient, retry_after=min(wait, 60.0))


def server_words(body: bytes) -> str:
    """What the registry itself said: its error codes and messages, if the body has them."""
    try:
        errors = json.loads(body)["errors"]
        said = [f"{str(e['code']).lower().replace('_', ' ')}: {e.get('message', '')}".rstrip(": ") for e in errors]
    except (ValueError, KeyError, TypeError):
        return ""
    return ", ".join(said)


def _reason(error: BaseException) -> tuple[str, bool]:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _certificate(error.certificate_error, error.host), False
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return _name(error.host, error.os_error)
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        text = str(error.os_error)
        if any(sign in text for sign in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")):
            return "http: server gave HTTP response to HTTPS client", False
        return f"remote error: tls: {_short(error.os_error)}", False
    if isinstance(error, aiohttp.ClientConnectorError):
        return _dial(error)
    if isinstance(error, TimeoutError):
        return "net/http: timeout awaiting response headers", True
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF", True
    if isinstance(error, ConnectionResetError):
        return "read: connection reset by peer", True
    return _short(error), isinstance(error, aiohttp.ClientError | OSError)


def _dial(error: aiohttp.ClientConnectorError) -> tuple[str, bool]:
    found = _ADDRESS.search(str(error.os_error))
    host, port = found.groups() if found else (error.host, error.port)
    address = f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    code = error.os_error.errno
    if isinstance(error.os_error, TimeoutError) and code is None:
        return f"dial tcp {address}: i/o timeout", True
    if code not in _SYSCALLS and "Errno 111" in str(error.os_error):
        code = errno.ECONNREFUSED
    what = _SYSCALLS.get(code or 0, (error.os_error.strerror or str(error.os_error)).lower())
    return f"dial tcp {address}: connect: {what}", code != errno.ECONNREFUSED


def _name(host: str, error: OSError) -> tuple[str, bool]:
    server = _name_server()
    asked = f"dial tcp: lookup {host}" + (f" on {server}" if server else "")
    if error.errno == socket.EAI_AGAIN:
        return f"{asked}: server misbehaving", True
    return f"{asked}: no such host", False


def _name_server() -> str:
    try:
        for line in Path("/etc/resolv.conf").read_text(errors="replace").splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver":
                return f"[{words[1]}]:53" if ":" in words[1] else f"{words[1]}:53"
    except OSError:
        pass
    return ""


def _certificate(error: Exception, host: str) -> str:
    code = getattr(error, "verify_code", 0)
    text = str(getattr(error, "verify_message", "") or error)
    if code in (18, 19, 20, 21):
        what = "certificate signed by unknown authority"
    elif code in (9, 10):
        what = "certificate has expired or is not yet valid"
    elif code in (62, 64):
        what = f"certificate is not valid for {host}"
    else:
        what = text
    prefix = "tls: failed to verify certificate: x509: "
    return prefix + what if isinstance(error, ssl.SSLError) else prefix + text


def _short(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError | EOFError):
        return "unexpected EOF"
    if isinstance(error, ConnectionResetError):
        return "read: connection reset by peer"
    return str(error) or type(error).__name__
