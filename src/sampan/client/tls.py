"""TLS towards a server, for the async and the sync transport alike; and certificates whose files are renewed in use."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from sampan.client.connection import ConnectionSettings
from sampan.client.transport import BadCertificates, TLSFailure

if TYPE_CHECKING:
    from pathlib import Path


def written(path: str | Path) -> int:
    """When a file was written last; 0 when it is not there."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def serve_newest(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Load a server's certificate, and again whenever its file is found to be newer: looked at with each handshake,
    and used from the next one on."""
    loaded = written(certificate)
    context.load_cert_chain(certificate, key)

    def look(wire: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        nonlocal loaded
        now = written(certificate)
        if now == loaded:
            return
        try:
            context.load_cert_chain(certificate, key)
        except OSError:
            return  # half of the pair is written: the next handshake will find the other
        loaded = now

    context.sni_callback = look


def tls_context(settings: ConnectionSettings, *, cert: bytes = b"", key: bytes = b"") -> ssl.SSLContext:
    """`cert` and `key` (PEM) come from an exec plugin and win over the settings' own. Raises `BadCertificates`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        _trust(context, settings)
        if not cert and (settings.cert_data or settings.cert_file):
            cert = settings.cert_data or _read(settings.cert_file)
            key = settings.key_data or _read(settings.key_file)
        if cert:
            _prove(context, cert, key)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise BadCertificates(str(error), server=settings.server) from error
    return context


def _trust(context: ssl.SSLContext, settings: ConnectionSettings) -> None:
    if settings.insecure:
        if settings.ca_data or settings.ca_file:
            raise ValueError("specifying a root certificates file with the insecure flag is not allowed")
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif settings.ca_data or settings.ca_file:
        try:
            pem = settings.ca_data or _read(settings.ca_file)
            context.load_verify_locations(cadata=pem.decode("ascii", "ignore"))  # comments may be anything
        except ssl.SSLError:
            raise ValueError("unable to load root certificates: unable to parse bytes as PEM block") from None
    else:
        context.load_default_certs()


def _prove(context: ssl.SSLContext, cert: bytes, key: bytes) -> None:
    for name, pem in (("certificate", cert), ("key", key)):
        if b"-----BEGIN " not in pem:
            raise ValueError(f"tls: failed to find any PEM data in {name} input")
    try:
        load_pair(context, cert, key)
    except ssl.SSLError as error:
        mismatch = error.reason == "KEY_VALUES_MISMATCH"
        said = "private key does not match public key" if mismatch else "failed to parse certificate or private key"
        raise ValueError(f"tls: {said}") from error


def load_pair(context: ssl.SSLContext, cert: bytes, key: bytes) -> None:
    """OpenSSL's Python door takes only file names. On Linux an anonymous memory file keeps the key off the disk;
    elsewhere a file that nobody else may read is there for a moment."""
    pem = cert.rstrip() + b"\n" + key
    if not hasattr(os, "memfd_create") or not os.path.exists("/proc/self/fd"):
        import tempfile  # not on Linux, and 80 ms to read there

        with tempfile.NamedTemporaryFile(prefix="sampan-") as file:
            file.write(pem)
            file.flush()
            context.load_cert_chain(file.name)
        return
    descriptor = os.memfd_create("client", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def explain(error: ssl.SSLError, server: str) -> TLSFailure:
    """The words that users of kubectl know."""
    if isinstance(error, ssl.SSLCertVerificationError):
        said = {
            10: "certificate has expired or is not yet valid",
            9: "certificate has expired or is not yet valid",
            18: "certificate signed by unknown authority",
            19: "certificate signed by unknown authority",
            20: "certificate signed by unknown authority",
            21: "certificate signed by unknown authority",
            62: "certificate is not valid for the server's name",
            64: "certificate is not valid for the server's address",
        }.get(error.verify_code, error.verify_message)
        return TLSFailure(f"tls: failed to verify certificate: x509: {said}", server=server)
    if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        return TLSFailure("http: server gave HTTP response to HTTPS client", server=server)
    reason = (error.reason or str(error)).replace("_", " ").lower()
    return TLSFailure(f"remote error: tls: {reason.removeprefix('tlsv1 alert ')}", server=server)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
