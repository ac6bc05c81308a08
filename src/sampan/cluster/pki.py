"""The cluster's certificates: one CA, EC keys, one certificate per role. Idempotent; renews what nears its end.

ca                  signs all of these
apiserver           serving (names and addresses of the API)
apiserver-kubelet   the API server as client of kubelets
admin               people (system:masters)
kubelet-NODE        a node as client (system:node:NODE) and serving
service-account     no certificate: the key that signs Pods' tokens
"""

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from sampan.cluster.config import ClusterConfig, write_atomically

YEAR = timedelta(days=365)
CA_LIFE = 10 * YEAR
RENEW_BEFORE = timedelta(days=90)
MASTERS = "system:masters"


class Pair(Struct, frozen=True):
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Pki:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def pair(self, name: str) -> Pair:
        return Pair(self.directory / f"{name}.crt", self.directory / f"{name}.key")

    @property
    def ca(self) -> Pair:
        return self.pair("ca")

    @property
    def service_account_key(self) -> Path:
        return self.directory / "service-account.key"

    def ensure(self, config: ClusterConfig, nodes: Mapping[str, str]) -> None:
        """Everything that one machine needs; `nodes` are its nodes' names and addresses."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._ensure_ca(config.name)
        if not self.service_account_key.exists():
            _write_key(self.service_account_key, _new_key())
        self.ensure_pair(self.pair("apiserver"), "kube-apiserver", "", server=api_names(config))
        self.ensure_pair(self.pair("apiserver-kubelet"), "kube-apiserver-kubelet-client", MASTERS)
        self.ensure_pair(self.pair("admin"), "kubernetes-admin", MASTERS)
        for node, ip in nodes.items():
            self.ensure_node(self.pair(f"kubelet-{node}"), node, ip)

    def ensure_node(self, pair: Pair, node: str, ip: str) -> None:
        """For a node of the very machine that has the CA's key: as client and as server."""
        names = list(dict.fromkeys([node, ip, *host_names()]))
        self.ensure_pair(pair, f"system:node:{node}", "system:nodes", server=names)

    def _ensure_ca(self, name: str) -> None:
        if _lasts(self.ca.certificate) and self.ca.key.exists():
            return
        key = _new_key()
        subject = _subject(f"sampan-ca-{name}", "")
        _write(self.ca, sign(subject, key.public_key(), subject, key, life=CA_LIFE, is_ca=True), key)

    def ensure_pair(self, pair: Pair, common: str, organisation: str, *, server: Iterable[str] = ()) -> None:
        """A client certificate; with `server` names a serving one as well."""
        names = list(server)
        if _lasts(pair.certificate) and pair.key.exists() and _covers(pair.certificate, names):
            return
        key = _new_key()
        authority = x509.load_pem_x509_certificate(self.ca.certificate.read_bytes())
        signer = load_key(self.ca.key)
        subject = _subject(common, organisation)
        made = sign(subject, key.public_key(), authority.subject, signer, life=YEAR, names=names)
        _write(pair, made, key)


def api_names(config: ClusterConfig) -> list[str]:
    domain = config.cluster_domain
    service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{domain}"]
    own = [config.host, config.agent_host, config.api_ip, *([config.address] if config.address else [])]
    return list(dict.fromkeys(["localhost", *service, *own, *host_names()]))


def host_names() -> list[str]:
    """This machine's name and addresses."""
    names = ["127.0.0.1", "::1", socket.gethostname()]
    outward = outward_address()
    return [*names, outward] if outward else names


def outward_address() -> str:
    """The address that other machines see; nothing without a default route. No packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        address: str = probe.getsockname()[0]
    return address


def sign(
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    *,
    life: timedelta,
    names: Iterable[str] = (),
    is_ca: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # other machines' clocks may be behind
        .not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=is_ca,
                crl_sign=is_ca,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if not is_ca:
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        alternatives = [_general_name(n) for n in names]
        if alternatives:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(signer, hashes.SHA256())


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _subject(common: str, organisation: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)] if organisation else []
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _lasts(path: Path) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return False
    return certificate.not_valid_after_utc - datetime.now(UTC) > RENEW_BEFORE


def _covers(path: Path, names: Iterable[str]) -> bool:
    wanted = {_general_name(n) for n in names}
    if not wanted:
        return True
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    try:
        there = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    return wanted <= set(there)


def _write(pair: Pair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    _write_key(pair.key, key)
    write_atomically(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_atomically(path, pem)
