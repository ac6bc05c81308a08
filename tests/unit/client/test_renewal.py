"""Certificates whose files are renewed while they are in use: by a server, and by a client that shows one."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
from pathlib import Path

from cryptography import x509

from sampan.client.connection import ConnectionSettings
from sampan.client.http import HttpTransport
from sampan.client.tls import serve_newest
from sampan.cluster.config import ClusterConfig
from sampan.cluster.pki import Pair, Pki


def issue(pki: Pki, name: str, *, clock: list[int]) -> Pair:
    """A new certificate in the same files, with another time of writing each time."""
    pair = Pair(pki.directory / f"{name}.crt", pki.directory / f"{name}.key")
    pair.certificate.unlink(missing_ok=True)
    pki.ensure_node(pair, name, "127.0.0.1")
    clock[0] += 1
    os.utime(pair.certificate, ns=(clock[0], clock[0]))
    return pair


def serial(der: bytes | None) -> int:
    return x509.load_der_x509_certificate(der or b"").serial_number


def serial_of(pair: Pair) -> int:
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes()).serial_number


async def test_both_sides_take_what_is_there_now(tmp_path: Path) -> None:
    clock = [1]
    pki = Pki(tmp_path / "pki")
    pki.ensure(ClusterConfig(name="t"), {})
    serving, showing = issue(pki, "server", clock=clock), issue(pki, "client", clock=clock)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serve_newest(context, serving.certificate, serving.key)
    context.load_verify_locations(pki.ca.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    shown: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        shown.append(serial(writer.get_extra_info("ssl_object").getpeercert(binary_form=True)))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    client = HttpTransport(
        ConnectionSettings(
            server=f"https://127.0.0.1:{port}",
            ca_file=str(pki.ca.certificate),
            cert_file=str(showing.certificate),
            key_file=str(showing.key),
        )
    )

    async def served() -> int:
        plain = ssl.create_default_context(cafile=str(pki.ca.certificate))
        plain.load_cert_chain(showing.certificate, showing.key)
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=plain)
        found = serial(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        writer.close()
        return found

    assert (await client.request("GET", "/")).status == 200
    assert (await served(), shown[-1]) == (serial_of(serving), serial_of(showing))
    first = serial_of(serving), serial_of(showing)

    issue(pki, "server", clock=clock)
    issue(pki, "client", clock=clock)
    assert first[0] != serial_of(serving)
    await served()  # the handshake that finds it
    assert (await client.request("GET", "/")).status == 200
    assert (await served(), shown[-1]) == (serial_of(serving), serial_of(showing))

    shutil.copy(showing.key, serving.key)  # half of a pair: the one that was loaded is good until the other half comes
    os.utime(serving.certificate, ns=(99, 99))
    assert await served() == await served() == serial_of(serving)
    await client.close()
    server.close()
