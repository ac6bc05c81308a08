"""Certificates: made once, kept while they last, renewed when they near their end or miss a name."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sampan.cluster import certificates
from sampan.cluster.config import ClusterConfig
from sampan.cluster.pki import Pki

CONFIG = ClusterConfig(name="one", nodes=1)


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def usages(certificate: x509.Certificate) -> set[x509.ObjectIdentifier]:
    return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def files(directory: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in directory.iterdir()}


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    made = Pki(tmp_path / "pki")
    made.ensure(CONFIG, {"one-1": "10.9.8.7"})
    return made


def test_every_certificate_is_signed_by_the_ca(pki: Pki) -> None:
    authority = read(pki.ca.certificate)
    for name in ("apiserver", "apiserver-kubelet", "admin", "kubelet-one-1"):
        read(pki.pair(name).certificate).verify_directly_issued_by(authority)


def test_who_they_are(pki: Pki) -> None:
    node = read(pki.pair("kubelet-one-1").certificate).subject
    assert node.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "system:node:one-1"
    assert node.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:nodes"
    admin = read(pki.pair("admin").certificate)
    assert admin.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:masters"
    assert usages(admin) == {ExtendedKeyUsageOID.CLIENT_AUTH}


def test_serving_certificates_name_what_they_are_reached_as(pki: Pki) -> None:
    api = read(pki.pair("apiserver").certificate)
    names = api.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "kubernetes.default.svc"} <= set(names.get_values_for_type(x509.DNSName))
    assert {"127.0.0.1", "10.96.0.1"} <= {str(a) for a in names.get_values_for_type(x509.IPAddress)}
    node = read(pki.pair("kubelet-one-1").certificate)
    there = node.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "10.9.8.7" in {str(a) for a in there.get_values_for_type(x509.IPAddress)}


def test_keys_are_their_owners_alone(pki: Pki) -> None:
    for key in pki.directory.glob("*.key"):
        assert key.stat().st_mode & 0o077 == 0, key
    assert pki.directory.stat().st_mode & 0o077 == 0


def test_what_lasts_is_kept(pki: Pki) -> None:
    before = files(pki.directory)
    pki.ensure(CONFIG, {"one-1": "10.9.8.7"})
    assert files(pki.directory) == before


def test_what_ends_soon_is_renewed_by_the_same_ca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pki = Pki(tmp_path / "pki")
    monkeypatch.setattr(certificates, "YEAR", timedelta(days=89))  # CA_LIFE is fixed already
    pki.ensure(CONFIG, {})
    monkeypatch.undo()
    before = files(pki.directory)
    pki.ensure(CONFIG, {})
    after = files(pki.directory)
    changed = {name for name in after if after[name] != before[name]}
    renewed = ("admin", "apiserver", "apiserver-kubelet", "front-proxy-client")
    assert changed == {f"{n}.{end}" for n in renewed for end in ("crt", "key")}


def test_a_new_address_means_a_new_certificate(pki: Pki) -> None:
    before = files(pki.directory)
    pki.ensure(CONFIG, {"one-1": "10.9.8.99"})
    after = files(pki.directory)
    assert {n for n in after if after[n] != before[n]} == {"kubelet-one-1.crt", "kubelet-one-1.key"}


def test_a_broken_certificate_is_made_again(pki: Pki) -> None:
    admin = pki.pair("admin").certificate
    admin.write_text("half of a cert")
    pki.ensure(CONFIG, {})
    read(admin).verify_directly_issued_by(read(pki.ca.certificate))


def test_a_pair_of_which_only_half_was_written_is_made_anew(pki: Pki) -> None:
    """Whoever renewed it was killed after the key."""
    before = files(pki.directory)
    for name in ("apiserver", "kubelet-one-1"):
        pki.pair(name).key.write_bytes(before["admin.key"])
    pki.pair("admin").key.write_text("")
    pki.ensure(CONFIG, {"one-1": "10.9.8.7"})
    for name in ("apiserver", "kubelet-one-1", "admin"):
        assert certificates.belong_together(pki.pair(name))
    after = files(pki.directory)
    assert after["ca.crt"] == before["ca.crt"]
    assert after["apiserver-kubelet.crt"] == before["apiserver-kubelet.crt"]
