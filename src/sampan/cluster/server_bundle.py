"""What a further server needs to know, and how it travels: sealed with a key that only the join line has.

The CA's key and the key that signs Pods' tokens let their holder be anybody in the cluster. They lie in the cluster as
one Secret per token, encrypted (AES-256-GCM), readable by the bearer of that token alone, and they go when it goes.
"""

import base64
import secrets
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sampan.cluster.config import ClusterConfig, write_atomically
from sampan.cluster.pki import Pki

_NONCE = 12
_PURPOSE = b"sampan server bundle 1"
_PKI = ("ca.crt", "ca.key", "service-account.key")
_ETCD = ("ca", "cert", "key")  # options of an etcd's address that are files


class Bundle(msgspec.Struct, kw_only=True):
    config: ClusterConfig
    files: dict[str, bytes]  # of `pki/`


class WrongKey(ValueError):
    """The key does not open it."""


def new_key() -> str:
    return secrets.token_hex(32)


def seal(bundle: Bundle, key: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(bytes.fromhex(key)).encrypt(nonce, msgspec.json.encode(bundle), _PURPOSE)


def unseal(sealed: bytes, key: str) -> Bundle:
    try:
        plain = AESGCM(bytes.fromhex(key)).decrypt(sealed[:_NONCE], sealed[_NONCE:], _PURPOSE)
    except (InvalidTag, ValueError):
        raise WrongKey("the key does not open what the cluster has for this token") from None
    return msgspec.json.decode(plain, type=Bundle)


def pack(config: ClusterConfig, pki: Pki) -> Bundle:
    """With the files that the datastore's address names: they lie elsewhere on another machine."""
    files = {name: (pki.directory / name).read_bytes() for name in _PKI}
    address, mark, query = config.datastore.partition("?")
    options = dict(parse_qsl(query))
    for option in _ETCD:
        if option in options:
            files[f"etcd-{option}.pem"] = Path(options[option]).read_bytes()
    return Bundle(config=msgspec.structs.replace(config, datastore=address + mark + urlencode(options)), files=files)


def unpack(bundle: Bundle, pki: Pki, *, name: str, port: int, address: str) -> ClusterConfig:
    """Writes the files; the configuration of this machine's server, without nodes of its own."""
    pki.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file, content in bundle.files.items():
        if "/" in file or file.startswith("."):
            raise WrongKey(f"not a file of a bundle: {file!r}")
        write_atomically(pki.directory / file, content, mode=0o644 if file.endswith(".crt") else 0o600)
    where, mark, query = bundle.config.datastore.partition("?")
    options = dict(parse_qsl(query))
    own = {k: str(pki.directory / f"etcd-{k}.pem") if k in _ETCD else v for k, v in options.items()}
    return msgspec.structs.replace(
        bundle.config,
        name=name,
        datastore=where + (mark and f"?{urlencode(own, safe='/')}"),
        nodes=0,
        port=port or bundle.config.port,
        host=address or "127.0.0.1",
        agent_host="127.0.0.1",
        address=address,
    )


def as_data(sealed: bytes) -> dict[str, str]:
    return {"bundle": base64.b64encode(sealed).decode()}


def from_data(data: dict[str, str] | None) -> bytes:
    return base64.b64decode((data or {}).get("bundle", ""))
