"""Client certificates over real TLS: who they name, and that those of other authorities and past times name nobody."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sampan.apiserver import devcerts
from sampan.apiserver.secure import cluster_security
from sampan.apiserver.server import Server, ServerConfig
from sampan.apiserver.wiring import build_for_tests

Key = ec.EllipticCurvePrivateKey


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    devcerts.make(tmp_path)
    chain = await build_for_tests(security=cluster_security(None))
    config = ServerConfig(
        port=0,
        certificate=tmp_path / "server.crt",
        key=tmp_path / "server.key",
        client_ca=tmp_path / "ca.crt",
    )
    made = Server(chain, config)
    await made.start()
    yield made
    await made.stop()


def _authority(folder: Path) -> tuple[x509.Certificate, Key]:
    key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes()), key


def _issue(
    folder: Path,
    authority: tuple[x509.Certificate, Key],
    *,
    begins: timedelta = timedelta(hours=-1),
    ends: timedelta = timedelta(hours=1),
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
) -> None:
    """A certificate that says it is an administrator's."""
    ca, ca_key = authority
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:masters")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, "intruder")]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    (folder / "client.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    (folder / "client.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    )


async def _status(server: Server, ca: Path, client: tuple[Path, Path] | None) -> int | None:
    """The status of a GET that takes rights; None when TLS refuses."""
    context = ssl.create_default_context(cafile=str(ca))
    if client is not None:
        context.load_cert_chain(*client)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
        writer.write(b"GET /api/v1/secrets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        line = await asyncio.wait_for(reader.readline(), 10)
        writer.close()
    except (ssl.SSLError, ConnectionError):
        return None
    return int(line.split()[1]) if line else None


async def test_the_clusters_own_certificate_is_believed(server: Server, tmp_path: Path) -> None:
    admin = (tmp_path / "admin.crt", tmp_path / "admin.key")
    assert await _status(server, tmp_path / "ca.crt", admin) == 200
    assert await _status(server, tmp_path / "ca.crt", None) == 403


async def test_a_certificate_of_another_authority_is_refused(server: Server, tmp_path: Path) -> None:
    other = tmp_path / "other"
    devcerts.make(other)  # an authority of the very same name
    assert await _status(server, tmp_path / "ca.crt", (other / "admin.crt", other / "admin.key")) in (None, 401)


@pytest.mark.parametrize("wrong", ["expired", "not yet", "a server's", "signed by a client"])
async def test_a_certificate_that_is_not_good_for_this_is_refused(server: Server, tmp_path: Path, wrong: str) -> None:
    folder = tmp_path / "client"
    folder.mkdir()
    authority = _authority(tmp_path)
    hour = timedelta(hours=1)
    if wrong == "expired":
        _issue(folder, authority, begins=-2 * hour, ends=-hour)
    elif wrong == "not yet":
        _issue(folder, authority, begins=hour, ends=2 * hour)
    elif wrong == "a server's":
        _issue(folder, authority, usage=ExtendedKeyUsageOID.SERVER_AUTH)
    else:
        key = serialization.load_pem_private_key((tmp_path / "admin.key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        _issue(folder, (x509.load_pem_x509_certificate((tmp_path / "admin.crt").read_bytes()), key))
    shown = (folder / "client.crt", folder / "client.key")
    assert await _status(server, tmp_path / "ca.crt", shown) in (None, 401)
    _issue(folder, authority)
    assert await _status(server, tmp_path / "ca.crt", shown) == 200, "the test's own certificates are good"
