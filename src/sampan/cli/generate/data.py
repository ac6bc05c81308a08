"""ConfigMaps and Secrets from literals, files, folders and env files."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Sequence

from sampan.cli.generate import GenerateError, Object, head
from sampan.cli.generate.hashes import hash_of_config_map, hash_of_secret

_KEY = re.compile(r"[-._a-zA-Z0-9]+")
KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


def config_map(
    name: str,
    *,
    namespace: str = "",
    literals: Sequence[str] = (),
    files: Sequence[str] = (),
    env_files: Sequence[str] = (),
    append_hash: bool = False,
) -> Object:
    found = gather(literals, files, env_files, what=f'Data for ConfigMap "{name}"')
    texts, binary = {}, {}
    for key, value in sorted(found.items()):
        try:
            texts[key] = value.decode()
        except UnicodeDecodeError:
            binary[key] = base64.b64encode(value).decode()
    made = head("v1", "ConfigMap", name, namespace)
    if texts:
        made["data"] = texts
    if binary:
        made["binaryData"] = binary
    if append_hash:
        made["metadata"]["name"] = f"{name}-{hash_of_config_map(made)}"
    return made


def secret(
    name: str,
    kind: str = "",
    *,
    namespace: str = "",
    literals: Sequence[str] = (),
    files: Sequence[str] = (),
    env_files: Sequence[str] = (),
    append_hash: bool = False,
) -> Object:
    found = gather(literals, files, env_files, what=f'Data for Secret "{name}"')
    return _secret(name, kind, found, namespace, append_hash)


def tls_secret(name: str, cert_path: str, key_path: str, *, namespace: str = "", append_hash: bool = False) -> Object:
    if not cert_path or not key_path:
        raise GenerateError("key and cert must be specified")
    cert, key = _read(cert_path, _cannot), _read(key_path, _cannot)
    _check_pair(cert, key)
    return _secret(name, "kubernetes.io/tls", {"tls.crt": cert, "tls.key": key}, namespace, append_hash)


def registry_secret(
    name: str,
    *,
    namespace: str = "",
    server: str = "https://index.docker.io/v1/",
    username: str = "",
    password: str = "",
    email: str = "",
    files: Sequence[str] = (),
    append_hash: bool = False,
) -> Object:
    if files:
        found = gather((), files, (), what=f'Data for Secret "{name}"')
        found = {(".dockerconfigjson" if len(found) == 1 else key): value for key, value in found.items()}
    else:
        if not (server and username and password):
            raise GenerateError(
                "either --from-file or the combination of --docker-username, --docker-password and --docker-server "
                "is required"
            )
        entry = {"username": username, "password": password}
        if email:
            entry["email"] = email
        entry["auth"] = base64.b64encode(f"{username}:{password}".encode()).decode()
        text = json.dumps({"auths": {server: entry}}, separators=(",", ":"))
        found = {".dockerconfigjson": text.encode()}
    return _secret(name, "kubernetes.io/dockerconfigjson", found, namespace, append_hash)


def gather(literals: Sequence[str], files: Sequence[str], env_files: Sequence[str], *, what: str) -> dict[str, bytes]:
    if env_files and (literals or files):
        raise GenerateError("from-env-file cannot be combined with from-file or from-literal")
    found: dict[str, bytes] = {}

    def add(key: str, value: bytes) -> None:
        if not _KEY.fullmatch(key):
            raise GenerateError(f'"{key}" is not a valid key name for a ConfigMap: {KEY_RULE}')
        if key in found:
            raise GenerateError(f'cannot add key "{key}", another key by that name already exists in {what}')
        found[key] = value

    for text in literals:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise GenerateError(f"invalid literal source {text}, expected key=value")
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        add(key, value.encode())
    for source in files:
        for key, path in _files_of(source):
            add(key, _read(path))
    for path in env_files:
        for key, value in env_file(path):
            add(key, value.encode())
    return found


def _files_of(source: str) -> list[tuple[str, str]]:
    """`path` or `key=path`; a folder gives its plain files, one key each."""
    key, equals, path = source.partition("=")
    if source.count("=") > 1:
        raise GenerateError("key names or file paths cannot contain '='")
    if equals and not key:
        raise GenerateError(f"key name for file path {path} missing")
    if equals and not path:
        raise GenerateError(f"file path for key name {key} missing")
    if not equals:
        path, key = source, ""
    if not os.path.exists(path):
        raise GenerateError(f"error reading {path}: no such file or directory")
    if not os.path.isdir(path):
        return [(key or os.path.basename(os.path.normpath(path)), path)]
    if key:
        raise GenerateError("cannot give a key name for a directory path")
    return [
        (entry.name, entry.path)
        for entry in sorted(os.scandir(path), key=lambda e: e.name)
        if entry.is_file(follow_symlinks=False) and _KEY.fullmatch(entry.name)
    ]


def env_file(path: str) -> list[tuple[str, str]]:
    if os.path.isdir(path):
        raise GenerateError("env config file cannot be a directory")
    found = []
    for number, line in enumerate(_read(path).decode("utf-8-sig", errors="surrogateescape").splitlines(), 1):
        line = line.lstrip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not _KEY.fullmatch(key):
            raise GenerateError(f'"{key}" is not a valid key name: {KEY_RULE}' if key else f"{path}:{number}: no name")
        found.append((key, value if equals else os.environ.get(key, "")))
    return found


def _cannot(path: str) -> str:
    return f"Cannot read file {path}, open {path}: "


def _read(path: str, say: object = None) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        lead = _cannot(path) if say is _cannot else f"error reading {path}: "
        raise GenerateError(f"{lead}{why}") from None


def _check_pair(cert: bytes, key: bytes) -> None:
    """A certificate that its key does not fit would be found out much later, by somebody else."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    try:
        public = x509.load_pem_x509_certificates(cert)[0].public_key()
    except (ValueError, IndexError):
        raise GenerateError("tls: failed to find any PEM data in certificate input") from None
    try:
        private = serialization.load_pem_private_key(key, None)
    except (ValueError, TypeError):
        raise GenerateError("tls: failed to find any PEM data in key input") from None
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if public.public_bytes(*form) != private.public_key().public_bytes(*form):
        raise GenerateError("tls: private key does not match public key")


def _secret(name: str, kind: str, found: dict[str, bytes], namespace: str, append_hash: bool) -> Object:
    made = head("v1", "Secret", name, namespace)
    if found:
        made["data"] = {key: base64.b64encode(value).decode() for key, value in sorted(found.items())}
    if kind:
        made["type"] = kind
    if append_hash:
        made["metadata"]["name"] = f"{name}-{hash_of_secret(made)}"
    return made
