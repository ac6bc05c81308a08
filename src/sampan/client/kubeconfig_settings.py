"""What one context and the flags add up to: the settings of a connection, checked as kubectl checks them."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import Any

import msgspec

from sampan.client.connection import ConnectionSettings, address_of
from sampan.client.kubeconfig_files import Kubeconfig, KubeconfigError

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
EXEC_EXTENSION = "client.authentication.k8s.io/exec"
DEFAULT_SERVER = "http://localhost:8080"

Entry = dict[str, Any]


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


def settings(
    config: Kubeconfig, overrides: Overrides | None = None, env: Mapping[str, str] = os.environ
) -> ConnectionSettings:
    """Raises `KubeconfigError`."""
    flags = overrides or Overrides()
    name = flags.context or config.current_context
    if name and name not in config.contexts:
        raise KubeconfigError(f"context was not found for specified context: {name}", configuration=True)
    context = config.contexts.get(name, {})
    cluster_name = flags.cluster or context.get("cluster") or ""
    user_name = flags.user or context.get("user") or ""
    if flags.user and flags.user not in config.users:
        raise KubeconfigError(f'auth info "{flags.user}" does not exist')
    if flags.cluster and flags.cluster not in config.clusters:
        raise KubeconfigError(f'no server found for cluster "{flags.cluster}"')
    if config.empty and not flags.server and (inside := in_cluster(env)) is not None:
        return msgspec.structs.replace(inside, namespace=flags.namespace or inside.namespace, timeout=flags.timeout)

    # A context may name what is not there: then nobody is asked to be anybody, at the address of old times.
    cluster = _with_cluster_flags(config.clusters.get(cluster_name, {}), flags)
    cluster["server"] = cluster.get("server") or env.get("KUBERNETES_MASTER") or DEFAULT_SERVER
    user = _with_user_flags(config.users.get(user_name, {}), flags)
    problems = [*_user_problems(user_name, user), *_cluster_problems(cluster_name, cluster)]
    if problems:
        raise KubeconfigError(*problems)
    return _joined(flags, name, context, cluster_name, cluster, user)


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


def _with_cluster_flags(cluster: Entry, flags: Overrides) -> Entry:
    merged = dict(cluster)
    if flags.insecure or flags.certificate_authority:  # either takes the file's word on trust away
        merged.pop("certificate-authority-data", None)
        merged |= {"insecure-skip-tls-verify": flags.insecure, "certificate-authority": flags.certificate_authority}
    if flags.server or flags.tls_server_name:  # another server has another name
        merged["tls-server-name"] = flags.tls_server_name
    if flags.server:
        merged["server"] = flags.server
    if flags.proxy_url:
        merged["proxy-url"] = flags.proxy_url
    if flags.disable_compression:
        merged["disable-compression"] = True
    return merged


def _with_user_flags(user: Entry, flags: Overrides) -> Entry:
    merged = dict(user)
    for hidden, field, said in (
        ("client-certificate-data", "client-certificate", flags.client_certificate),
        ("client-key-data", "client-key", flags.client_key),
        ("tokenFile", "token", flags.token),
    ):
        if said:
            merged.pop(hidden, None)
            merged[field] = said
    others = {
        "username": flags.username,
        "password": flags.password,
        "as": flags.impersonate,
        "as-uid": flags.impersonate_uid,
        "as-groups": flags.impersonate_groups,
    }
    return merged | {field: value for field, value in others.items() if value}


def _user_problems(name: str, user: Entry) -> list[str]:
    problems = []
    cert, cert_data = user.get("client-certificate"), user.get("client-certificate-data")
    key, key_data = user.get("client-key"), user.get("client-key-data")
    if cert or cert_data:
        if cert and cert_data:
            problems.append(
                f"client-cert-data and client-cert are both specified for {name}. client-cert-data will override."
            )
        if key and key_data:
            problems.append(
                f"client-key-data and client-key are both specified for {name}; client-key-data will override"
            )
        if not key and not key_data:
            needed = "client-key-data or client-key must be specified"
            problems.append(f"{needed} for {name} to use the clientCert authentication method.")
        problems += _unreadable("client-cert", cert, name)
        problems += _unreadable("client-key", key, name)
    problems += _exec_problems(name, user.get("exec"))
    basic = user.get("username") or user.get("password")
    if user.get("token") and basic:
        problems.append(
            f"more than one authentication method found for {name}; found [token basicAuth], only one is allowed"
        )
    if not user.get("as") and (user.get("as-uid") or user.get("as-groups") or user.get("as-user-extra")):
        problems.append(f"requesting uid, groups or user-extra for {name} without impersonating a user")
    if user.get("auth-provider"):
        problems.append(f'no Auth Provider found for name "{user["auth-provider"].get("name", "")}"')
    return problems


def _exec_problems(name: str, plugin: Entry | None) -> list[str]:
    if not plugin:
        return []
    version = plugin.get("apiVersion") or ""
    mode = plugin.get("interactiveMode") or ("IfAvailable" if version.endswith("beta1") else "")
    wanted = (("command", plugin.get("command")), ("apiVersion", version), ("interactiveMode", mode))
    problems = [
        f"{what} must be specified for {name} to use exec authentication plugin" for what, said in wanted if not said
    ]
    if mode and mode not in ("Never", "IfAvailable", "Always"):
        problems.append(f'invalid interactiveMode for {name}: "{mode}"')
    return problems


def _cluster_problems(name: str, cluster: Entry) -> list[str]:
    problems = []
    proxy = cluster.get("proxy-url") or ""
    scheme = proxy.partition("://")[0]
    if proxy and scheme not in ("http", "https", "socks5"):
        why = f'unsupported scheme "{scheme}", must be http, https, or socks5'
        problems.append(f'invalid \'proxy-url\' "{proxy}" for cluster "{name}": {why}')
    authority = cluster.get("certificate-authority")
    if authority and cluster.get("certificate-authority-data"):
        said = "certificate-authority-data and certificate-authority are both specified"
        problems.append(f"{said} for {name}. certificate-authority-data will override.")
    problems += _unreadable("certificate-authority", authority, name)
    if not problems:
        try:
            address_of(cluster["server"])
        except ValueError:
            problems.append(f'host must be a URL or a host:port pair: "{cluster["server"]}"')
    return problems


def _unreadable(what: str, path: str | None, name: str) -> list[str]:
    if not path or os.access(path, os.R_OK):
        return []
    why = "permission denied" if os.path.exists(path) else "no such file or directory"
    return [f"unable to read {what} {path} for {name} due to open {path}: {why}"]


def _joined(
    flags: Overrides, context_name: str, context: Entry, cluster_name: str, cluster: Entry, user: Entry
) -> ConnectionSettings:
    return ConnectionSettings(
        server=cluster["server"],
        namespace=flags.namespace or context.get("namespace") or "default",
        context=context_name,
        cluster=cluster_name,
        ca_data=_decoded(cluster, "certificate-authority-data"),
        ca_file=cluster.get("certificate-authority") or "",
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        tls_server_name=cluster.get("tls-server-name") or "",
        proxy_url=cluster.get("proxy-url") or "",
        disable_compression=bool(cluster.get("disable-compression")),
        cert_data=_decoded(user, "client-certificate-data"),
        cert_file=user.get("client-certificate") or "",
        key_data=_decoded(user, "client-key-data"),
        key_file=user.get("client-key") or "",
        token=user.get("token") or "",
        token_file="" if user.get("token") else user.get("tokenFile") or "",
        username=user.get("username") or "",
        password=user.get("password") or "",
        exec=user.get("exec"),
        exec_cluster=_exec_cluster(cluster),
        impersonate=user.get("as") or "",
        impersonate_uid=user.get("as-uid") or "",
        impersonate_groups=user.get("as-groups") or [],
        impersonate_extra=user.get("as-user-extra") or {},
        timeout=flags.timeout,
    )


def _exec_cluster(cluster: Entry) -> Entry:
    """What a plugin that asks for it is told about the cluster."""
    told = {k: v for k, v in cluster.items() if k not in ("extensions", "certificate-authority")}
    for extension in cluster.get("extensions") or ():
        if extension.get("name") == EXEC_EXTENSION:
            told["config"] = extension.get("extension")
    return told


def _decoded(entry: Entry, field: str) -> bytes:
    return base64.b64decode(entry.get(field) or "")
