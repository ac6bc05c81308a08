"""The corners of the distribution protocol: tokens, redirects, servers that do less than they should."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sampan.runtime.errors import ImagePullError
from sampan.runtime.images.store import LocalImageStore
from sampan.runtime.records import AuthConfig

from .conftest import three_layers
from .fake_registry import FakeRegistry

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeRegistry]:
    three_layers(tmp_path / "layout")
    async with FakeRegistry(tmp_path / "layout") as registry:
        yield registry


async def test_an_anonymous_token(fake: FakeRegistry, store: LocalImageStore) -> None:
    fake.tokens = True
    assert (await store.pull(f"{fake.host}/app:1")).repo_tags
    token_requests = [path for _, path, _ in fake.seen if path.startswith("/token")]
    assert token_requests == ["/token?scope=repository%3Aapp%3Apull&service=fake"]


async def test_a_token_for_a_user(fake: FakeRegistry, store: LocalImageStore) -> None:
    fake.tokens, fake.users = True, {"me": "secret"}
    name = f"{fake.host}/app:1"
    with pytest.raises(ImagePullError) as caught:
        await store.pull(name)
    assert str(caught.value) == (
        f'failed to pull and unpack image "{name}": failed to resolve reference "{name}": pull access denied, '
        "repository does not exist or may require authorization: "
        "server message: insufficient_scope: authorization failed"
    )
    with pytest.raises(ImagePullError) as caught:
        await store.pull(name, AuthConfig(username="me", password="no"))
    assert str(caught.value).endswith(
        "failed to authorize: failed to fetch oauth token: unexpected status from GET request to "
        f"http://{fake.host}/token: 401 Unauthorized: unauthorized: incorrect username or password"
    )
    assert (await store.pull(name, AuthConfig(username="me", password="secret"))).repo_tags == [name]


async def test_an_identity_token(fake: FakeRegistry, store: LocalImageStore) -> None:
    fake.tokens, fake.refresh = True, "long-lived"
    assert (await store.pull(f"{fake.host}/app:1", AuthConfig(identity_token="long-lived"))).repo_tags


async def test_a_token_that_is_there_already(fake: FakeRegistry, store: LocalImageStore) -> None:
    fake.tokens = True
    assert (await store.pull(f"{fake.host}/app:1", AuthConfig(registry_token="good"))).repo_tags
    assert not fake.asked("/token")


async def test_credentials_do_not_follow_a_redirect(fake: FakeRegistry, store: LocalImageStore) -> None:
    async with FakeRegistry(fake.layout) as storage:
        fake.tokens, fake.redirect_to = True, storage.host
        assert (await store.pull(f"{fake.host}/app:1")).repo_tags
        assert len(storage.seen) == 4
        assert not any("Authorization" in headers for _, _, headers in storage.seen)


async def test_credentials_for_another_registry_are_not_shown(fake: FakeRegistry, store: LocalImageStore) -> None:
    fake.tokens, fake.users = True, {"me": "secret"}
    with pytest.raises(ImagePullError, match="pull access denied"):
        await store.pull(
            f"{fake.host}/app:1",
            AuthConfig(username="me", password="secret", server_address="https://other.example/v1/"),
        )
    assert not any("Basic" in headers.get("Authorization", "") for _, _, headers in fake.seen)


async def test_a_registry_that_tells_no_digest(fake: FakeRegistry, store: LocalImageStore) -> None:
    fake.head_digest = False
    assert (await store.pull(f"{fake.host}/app:1")).repo_tags


async def test_too_many_requests_are_waited_for(fake: FakeRegistry, tmp_path: Path) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    fake.too_many = 3  # HEAD, and the GET that asks why
    store = LocalImageStore(tmp_path / "patient", sleep=pause)
    await store.start()
    assert (await store.pull(f"{fake.host}/app:1")).repo_tags
    await store.close()
    assert 7.0 in pauses


async def test_a_registry_without_ranges(fake: FakeRegistry, store: LocalImageStore) -> None:
    """What was left of an earlier pull is dropped, when the rest alone cannot be had."""
    import json

    described = json.loads((fake.layout / "index.json").read_text())["manifests"][0]
    manifest = json.loads((fake.layout / "blobs/sha256" / described["digest"][7:]).read_text())
    big = manifest["layers"][1]["digest"]
    raw = (fake.layout / "blobs/sha256" / big[7:]).read_bytes()
    (store.root / "ingest" / big.replace(":", "-")).write_bytes(raw[:1_000_000])
    fake.ranges = False
    assert (await store.pull(f"{fake.host}/app:1")).repo_tags
    assert [h["Range"] for h in fake.asked(big)] == ["bytes=1000000-"]


async def test_garbage_left_of_an_earlier_pull_does_not_matter(fake: FakeRegistry, store: LocalImageStore) -> None:
    import json

    described = json.loads((fake.layout / "index.json").read_text())["manifests"][0]
    manifest = json.loads((fake.layout / "blobs/sha256" / described["digest"][7:]).read_text())
    big = manifest["layers"][1]["digest"]
    (store.root / "ingest" / big.replace(":", "-")).write_bytes(b"\0" * 500_000)
    assert (await store.pull(f"{fake.host}/app:1")).repo_tags


async def test_https_spoken_to_plain_http(fake: FakeRegistry, store: LocalImageStore, tmp_path: Path) -> None:
    folder = tmp_path / "certs.d" / fake.host
    folder.mkdir(parents=True)
    (folder / "hosts.toml").write_text(f'server = "https://{fake.host}"\n')
    with pytest.raises(ImagePullError, match="http: server gave HTTP response to HTTPS client"):
        await store.pull(f"{fake.host}/app:1")


def certificate(folder: Path, *, address: str = "127.0.0.1", days: int = 1) -> ssl.SSLContext:
    """A server's context with a certificate that signed itself; the certificate is `ca.crt` in the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "registry")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=10))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    (folder / "ca.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.crt", folder / "key")
    return context


@pytest.mark.parametrize(
    ("made", "settings", "why"),
    [
        ({}, "", "x509: certificate signed by unknown authority"),
        ({}, 'ca = "ca.crt"', ""),
        ({}, "skip_verify = true", ""),
        ({"days": -1}, 'ca = "ca.crt"', "x509: certificate has expired or is not yet valid"),
        ({"address": "127.0.0.2"}, 'ca = "ca.crt"', r"x509: certificate is not valid for 127\.0\.0\.1"),
    ],
)
async def test_certificates(
    store: LocalImageStore, tmp_path: Path, made: dict[str, object], settings: str, why: str
) -> None:
    three_layers(tmp_path / "layout")
    folder = tmp_path / "certs.d/_default"
    folder.mkdir(parents=True)
    async with FakeRegistry(tmp_path / "layout", tls=certificate(folder, **made)) as fake:  # type: ignore[arg-type]
        (folder / "hosts.toml").write_text(f'server = "https://{fake.host}"\n{settings}\n')
        if not why:
            assert (await store.pull("registry.invalid/app:1")).repo_tags
            return
        with pytest.raises(ImagePullError, match=f"tls: failed to verify certificate: {why}"):
            await store.pull("registry.invalid/app:1")


async def test_redirects_away_from_tls(store: LocalImageStore, tmp_path: Path) -> None:
    """A blob's digest vouches for it wherever it lies; a manifest's name is only worth what TLS makes of it."""
    three_layers(tmp_path / "layout")
    folder = tmp_path / "certs.d/_default"
    folder.mkdir(parents=True)
    async with (
        FakeRegistry(tmp_path / "layout") as storage,
        FakeRegistry(tmp_path / "layout", tls=certificate(folder), tokens=True) as fake,
    ):
        (folder / "hosts.toml").write_text(f'server = "https://{fake.host}"\nca = "ca.crt"\n')
        auth = AuthConfig(registry_token="good")
        fake.redirect_manifests_to = storage.host
        with pytest.raises(ImagePullError, match="refused redirect from https://"):
            await store.pull("registry.invalid/app:1", auth)
        fake.redirect_manifests_to, fake.redirect_to = "", storage.host
        assert (await store.pull("registry.invalid/app:1", auth)).repo_tags
        assert not any("Authorization" in headers for _, _, headers in storage.seen)
