"""The kubeconfig files of a cluster: the administrator's own, and its context in ~/.kube/config."""

import base64
from pathlib import Path
from typing import Any

import yaml

from sampan.client import kubeconfig, kubeconfig_write
from sampan.cluster.config import ClusterConfig, write_atomically
from sampan.cluster.paths import ClusterPaths
from sampan.cluster.pki import Pair, Pki


def cluster_entry(config: ClusterConfig, pki: Pki) -> dict[str, Any]:
    return {"server": config.url, "certificate-authority-data": _data(pki.ca.certificate)}


def user_entry(pair: Pair) -> dict[str, Any]:
    return {"client-certificate-data": _data(pair.certificate), "client-key-data": _data(pair.key)}


def write_own(paths: ClusterPaths, config: ClusterConfig, pki: Pki) -> None:
    """`$SAMPAN_HOME/NAME/kubeconfig`: for this cluster alone."""
    name = paths.context
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster_entry(config, pki)}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [{"name": name, "user": user_entry(pki.pair("admin"))}],
        "preferences": {},
    }
    write_atomically(paths.kubeconfig, yaml.safe_dump(document, sort_keys=False).encode())


def write_peoples(paths: ClusterPaths, config: ClusterConfig, pki: Pki) -> Path:
    """The context in the kubeconfig that kubectl reads; every other context stays as it is."""
    path = kubeconfig.default_path()
    kubeconfig_write.merge_cluster(
        path, paths.context, cluster=cluster_entry(config, pki), user=user_entry(pki.pair("admin"))
    )
    return Path(path)


def forget_peoples(paths: ClusterPaths) -> None:
    kubeconfig_write.forget_cluster(kubeconfig.default_path(), paths.context)


def _data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
