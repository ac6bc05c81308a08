"""kubeconfig files, by kubectl's rules: which files count, how they merge, what a context and flags make of them.

Files are kept as the plain data they are, so that fields nobody here knows survive being written back
(`sampan.client.kubeconfig_write`). Of several files the first that names a cluster, user or context wins, and so does
the first that sets `current-context`.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.client import plain_yaml
from sampan.client.connection import ConnectionSettings

if TYPE_CHECKING:
    from sampan.client.api import Client

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
EXEC_EXTENSION = "client.authentication.k8s.io/exec"
EMPTY_CONFIG = "no configuration has been provided, try setting KUBERNETES_MASTER environment variable"

# list name in the file → name of the entry's body
SECTIONS = {"clusters": "cluster", "contexts": "context", "users": "user"}
PATHS = {
    "clusters": ("certificate-authority",),
    "users": ("client-certificate", "client-key", "tokenFile"),
    "contexts": (),
}


class KubeconfigError(Exception):
    """The configuration cannot be used; the message is what kubectl prints after `error: `."""


class Kubeconfig:
    """The merged view. `origins` tells the file that each entry came from."""

    def __init__(self) -> None:
        self.clusters: dict[str, dict[str, Any]] = {}
        self.contexts: dict[str, dict[str, Any]] = {}
        self.users: dict[str, dict[str, Any]] = {}
        self.current_context = ""
        self.preferences: dict[str, Any] = {}
        self.extensions: list[Any] = []
        self.origins: dict[tuple[str, str], str] = {}

    @property
    def empty(self) -> bool:
        return not (self.clusters or self.contexts or self.users or self.current_context)

    def section(self, name: str) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = getattr(self, name)
        return found

    def merge(self, data: Mapping[str, Any], origin: str = "") -> None:
        """Add a file that comes after those that are here."""
        for name, body in SECTIONS.items():
            known = self.section(name)
            own: dict[str, dict[str, Any]] = {}
            for entry in data.get(name) or ():
                own[str(entry.get("name") or "")] = entry.get(body) or {}  # within one file the last one counts
            for key, value in own.items():
                if key not in known:
                    known[key] = _absolute(value, PATHS[name], os.path.dirname(origin))
                    self.origins[name, key] = origin
        self.current_context = self.current_context or data.get("current-context") or ""
        self.preferences = self.preferences or data.get("preferences") or {}
        self.extensions = self.extensions or data.get("extensions") or []

    def as_data(self) -> dict[str, Any]:
        """As one file (`config view`, with its order of keys)."""
        data: dict[str, Any] = {"apiVersion": "v1", "clusters": [], "contexts": []}
        data["current-context"] = self.current_context
        data |= {"kind": "Config", "preferences": self.preferences, "users": []}
        for name, body in SECTIONS.items():
            data[name] = [{body: value, "name": key} for key, value in sorted(self.section(name).items())]
        return data


class Overrides(msgspec.Struct, kw_only=True):
    """What flags say; empty means that the file decides."""

    context: str = ""
    cluster: str = ""
    user: str = ""
    namespace: str = ""
    server: str = ""
    certificate_authority: str = ""
    insecure: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    disable_compression: bool = False
    client_certificate: str = ""
    client_key: str = ""
    token: str = ""
    username: str = ""
    password: str = ""
    impersonate: str = ""
    impersonate_uid: str = ""
    impersonate_groups: list[str] = []
    timeout: float = 0.0


def paths(explicit: str = "", env: Mapping[str, str] = os.environ) -> list[str]:
    """The files that count, most important first."""
    if explicit:
        return [explicit]
    listed = [p for p in env.get("KUBECONFIG", "").split(os.pathsep) if p]
    return list(dict.fromkeys(listed)) or [os.path.join(env.get("HOME") or os.path.expanduser("~"), ".kube", "config")]


def default_path(explicit: str = "", env: Mapping[str, str] = os.environ) -> str:
    """Where new things are written: the first file that exists, else the first of the list."""
    candidates = paths(explicit, env)
    return next((p for p in candidates if os.path.exists(p)), candidates[0])


def load(explicit: str = "", env: Mapping[str, str] = os.environ) -> Kubeconfig:
    """Files that are missing are left out, except one that was asked for by name."""
    config = Kubeconfig()
    for path in paths(explicit, env):
        try:
            data = read_file(path)
        except FileNotFoundError:
            if explicit:
                raise KubeconfigError(f"stat {path}: no such file or directory") from None
            continue
        config.merge(data, os.path.abspath(path))
    return config


def read_file(path: str) -> dict[str, Any]:
    with open(path, "rb") as file:
        content = file.read()
    try:
        return parse(content)
    except ValueError as error:
        raise KubeconfigError(f'error loading config file "{path}": {error}') from None


def parse(content: bytes) -> dict[str, Any]:
    """YAML or JSON. ValueError with the reason."""
    if content.lstrip().startswith(b"{"):
        try:
            data = msgspec.json.decode(content)
        except msgspec.DecodeError as error:
            raise ValueError(str(error)) from None
    elif (data := plain_yaml.load(content.decode(errors="replace"))) is None:
        import yaml

        try:
            data = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
        except yaml.YAMLError as error:
            raise ValueError(f"yaml: {' '.join(str(error).split())}") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ValueError("cannot unmarshal what is no mapping into a Config")
    for name in SECTIONS:
        entries = data.get(name) or []
        if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
            raise ValueError(f"cannot unmarshal {name} into a list of named entries")
    return data


def settings(
    config: Kubeconfig, overrides: Overrides | None = None, env: Mapping[str, str] = os.environ
) -> ConnectionSettings:
    """What one context and the flags add up to. Raises `KubeconfigError`."""
    flags = overrides or Overrides()
    name = flags.context or config.current_context
    if flags.context and flags.context not in config.contexts:
        raise KubeconfigError(f'context "{flags.context}" does not exist')
    if name and name not in config.contexts and not config.empty:
        raise KubeconfigError(f"context was not found for specified context: {name}")
    context = config.contexts.get(name, {})
    cluster_name = flags.cluster or context.get("cluster") or ""
    user_name = flags.user or context.get("user") or ""
    for given, known, what in ((flags.user, config.users, "auth info"), (flags.cluster, config.clusters, "cluster")):
        if given and given not in known:
            raise KubeconfigError(f'{what} "{given}" does not exist')
    if config.empty and not flags.server and (inside := in_cluster(env)) is not None:
        return msgspec.structs.replace(inside, namespace=flags.namespace or inside.namespace, timeout=flags.timeout)

    # Without any cluster the old default counts, so that the error says that nothing listens there.
    cluster = config.clusters.get(cluster_name)
    if cluster is None:
        if cluster_name:
            raise KubeconfigError(f'invalid configuration: cluster "{cluster_name}" was not found for context "{name}"')
        cluster = {"server": env.get("KUBERNETES_MASTER") or "http://localhost:8080"}
    if user_name and user_name not in config.users:
        raise KubeconfigError(f'invalid configuration: user "{user_name}" was not found for context "{name}"')
    server = flags.server or cluster.get("server") or ""
    if not server:
        raise KubeconfigError(f'invalid configuration: no server found for cluster "{cluster_name}"')
    return _joined(flags, name, context, cluster_name, cluster, user_name, config.users.get(user_name, {}), server)


def in_cluster(env: Mapping[str, str] = os.environ, folder: str = SERVICE_ACCOUNT) -> ConnectionSettings | None:
    """Inside a Pod: the service account's token, the cluster's CA and address. None elsewhere."""
    host, port = env.get("KUBERNETES_SERVICE_HOST"), env.get("KUBERNETES_SERVICE_PORT")
    token = os.path.join(folder, "token")
    if not host or not port or not os.path.exists(token):
        return None
    try:
        with open(os.path.join(folder, "namespace"), encoding="utf-8") as file:
            namespace = file.read().strip()
    except OSError:
        namespace = "default"
    return ConnectionSettings(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        ca_file=os.path.join(folder, "ca.crt"),
        token_file=token,
        namespace=namespace or "default",
    )


def load_settings(path: str = "", *, context: str = "", overrides: Overrides | None = None) -> ConnectionSettings:
    flags = overrides or Overrides()
    if context:
        flags = msgspec.structs.replace(flags, context=context)
    return settings(load(path), flags)


def load_client(path: str = "", *, context: str = "", user_agent: str = "sampan") -> Client:
    """An async client over HTTP. Needs a running event loop."""
    from sampan.client.http import connect

    return connect(load_settings(path, context=context), user_agent=user_agent)


def _joined(
    flags: Overrides,
    context_name: str,
    context: dict[str, Any],
    cluster_name: str,
    cluster: dict[str, Any],
    user_name: str,
    user: dict[str, Any],
    server: str,
) -> ConnectionSettings:
    _check_user(user_name, user)
    insecure = flags.insecure or bool(cluster.get("insecure-skip-tls-verify"))
    own_ca = not (flags.insecure or flags.certificate_authority)  # either flag takes the file's CA out
    cert_flags = bool(flags.client_certificate or flags.client_key)
    return ConnectionSettings(
        server=server,
        namespace=flags.namespace or context.get("namespace") or "default",
        context=context_name,
        cluster=cluster_name,
        ca_data=_decoded(cluster, "certificate-authority-data", cluster_name) if own_ca else b"",
        ca_file=flags.certificate_authority or (cluster.get("certificate-authority") or "" if own_ca else ""),
        insecure=insecure,
        tls_server_name=flags.tls_server_name or cluster.get("tls-server-name") or "",
        proxy_url=flags.proxy_url or cluster.get("proxy-url") or "",
        disable_compression=flags.disable_compression or bool(cluster.get("disable-compression")),
        cert_data=b"" if cert_flags else _decoded(user, "client-certificate-data", user_name),
        cert_file=flags.client_certificate or user.get("client-certificate") or "",
        key_data=b"" if cert_flags else _decoded(user, "client-key-data", user_name),
        key_file=flags.client_key or user.get("client-key") or "",
        token=flags.token or user.get("token") or "",
        token_file="" if flags.token or user.get("token") else user.get("tokenFile") or "",
        username=flags.username or ("" if flags.token else user.get("username") or ""),
        password=flags.password or ("" if flags.token else user.get("password") or ""),
        exec=None if flags.token else user.get("exec"),
        exec_cluster=_exec_cluster(cluster, server),
        impersonate=flags.impersonate or user.get("as") or "",
        impersonate_uid=flags.impersonate_uid or user.get("as-uid") or "",
        impersonate_groups=flags.impersonate_groups or user.get("as-groups") or [],
        impersonate_extra=user.get("as-user-extra") or {},
        timeout=flags.timeout,
    )


def _check_user(name: str, user: dict[str, Any]) -> None:
    methods = [m for m, there in (("token", user.get("token")), ("basicAuth", user.get("username"))) if there]
    if len(methods) > 1:
        said = f"more than one authentication method found for {name}; found [{' '.join(methods)}], only one is allowed"
        raise KubeconfigError(f"invalid configuration: {said}")
    has_cert = user.get("client-certificate") or user.get("client-certificate-data")
    if has_cert and not (user.get("client-key") or user.get("client-key-data")):
        said = (
            f"client-key-data or client-key must be specified for {name} to use the clientCert authentication method."
        )
        raise KubeconfigError(f"invalid configuration: {said}")
    if user.get("auth-provider"):
        provider = user["auth-provider"].get("name", "")
        raise KubeconfigError(f'no Auth Provider found for name "{provider}"')
    for field, what, label in (
        ("client-certificate", "client-cert", "client-certificate-data"),
        ("client-key", "client-key", "client-key-data"),
    ):
        path = user.get(field)
        if path and not user.get(label) and not os.access(path, os.R_OK):
            why = f"open {path}: {'permission denied' if os.path.exists(path) else 'no such file or directory'}"
            raise KubeconfigError(f"invalid configuration: unable to read {what} {path} for {name} due to {why}")


def _exec_cluster(cluster: dict[str, Any], server: str) -> dict[str, Any]:
    """What a plugin that asks for it is told about the cluster."""
    told = {k: v for k, v in cluster.items() if k not in ("extensions", "certificate-authority")} | {"server": server}
    for extension in cluster.get("extensions") or ():
        if extension.get("name") == EXEC_EXTENSION:
            told["config"] = extension.get("extension")
    return told


def _absolute(entry: dict[str, Any], fields: tuple[str, ...], folder: str) -> dict[str, Any]:
    """Relative paths are meant from the file that says them."""
    found = {f: os.path.join(folder, entry[f]) for f in fields if entry.get(f) and not os.path.isabs(entry[f])}
    return entry | found if found and folder else entry


def _decoded(entry: dict[str, Any], field: str, name: str) -> bytes:
    value = entry.get(field)
    if not value:
        return b""
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise KubeconfigError(f'{field} of "{name}" is not base64') from None
