"""What a further server is given: sealed, whole, and at home where it arrives."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.cluster import server_bundle
from sampan.cluster.config import ClusterConfig
from sampan.cluster.pki import Pki


def make(folder: Path) -> tuple[ClusterConfig, Pki]:
    for name in ("ca", "cert", "key"):
        (folder / name).write_text(name)
    where = f"etcd://a:1,b:2?ca={folder}/ca&cert={folder}/cert&key={folder}/key"
    config = ClusterConfig(name="first", datastore=where, service_cidr="10.9.0.0/16", nodes=1, port=7000)
    pki = Pki(folder / "pki")
    pki.ensure(config, {})
    return config, pki


def test_another_machine_has_the_same_ca_keys_and_etcd(tmp_path: Path) -> None:
    config, pki = make(tmp_path)
    key = server_bundle.new_key()
    data = server_bundle.as_data(server_bundle.seal(server_bundle.pack(config, pki), key))
    bundle = server_bundle.unseal(server_bundle.from_data(data), key)
    there = Pki(tmp_path / "there")
    own = server_bundle.unpack(bundle, there, name="second", port=0, address="10.0.0.2")
    assert there.ca.key.read_bytes() == pki.ca.key.read_bytes()
    assert there.service_account_key.read_bytes() == pki.service_account_key.read_bytes()
    assert there.ca.key.stat().st_mode & 0o077 == 0
    files = {name: f"{there.directory}/etcd-{name}.pem" for name in ("ca", "cert", "key")}
    assert own.datastore == "etcd://a:1,b:2?" + "&".join(f"{k}={v}" for k, v in files.items())
    assert {name: Path(file).read_text() for name, file in files.items()} == {n: n for n in files}
    assert (own.name, own.service_cidr, own.nodes, own.port) == ("second", "10.9.0.0/16", 0, 7000)
    there.ensure(own, {})
    assert there.ca.certificate.read_bytes() == pki.ca.certificate.read_bytes()


def test_nothing_can_be_read_or_changed_without_the_key(tmp_path: Path) -> None:
    config, pki = make(tmp_path)
    sealed = server_bundle.seal(server_bundle.pack(config, pki), server_bundle.new_key())
    assert b"PRIVATE" not in sealed
    for key in (server_bundle.new_key(), "", "nonsense"):
        with pytest.raises(server_bundle.WrongKey):
            server_bundle.unseal(sealed, key)
    key = server_bundle.new_key()
    sealed = bytearray(server_bundle.seal(server_bundle.pack(config, pki), key))
    sealed[40] ^= 1
    with pytest.raises(server_bundle.WrongKey):
        server_bundle.unseal(bytes(sealed), key)


def test_an_etcd_without_tls_needs_no_files(tmp_path: Path) -> None:
    config, pki = make(tmp_path)
    config.datastore = "etcd://a:1"
    bundle = server_bundle.pack(config, pki)
    own = server_bundle.unpack(bundle, Pki(tmp_path / "there"), name="x", port=1, address="")
    assert own.datastore == "etcd://a:1"
