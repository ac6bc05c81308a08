"""The kubeconfig files of a cluster: the administrator's own, and its context in ~/.kube/config."""

import base64
import os
from pathlib import Path
from typing import Any

import yaml

from sampan.client import kubeconfig_files, kubeconfig_write
from sampan.cluster import people
from sampan.cluster.config import ClusterConfig, write_atomically
from sampan.cluster.paths import ClusterPaths
from sampan.cluster.pki import Pair, Pki

MARK = "sampan.io/cluster"  # on a cluster's entry: the directory of the cluster that it is


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


def write_peoples(paths: ClusterPaths, config: ClusterConfig, pki: Pki) -> str:
    """The context in the kubeconfigs that kubectl reads; every other context stays as it is. Where another cluster's
    context has the name already, nothing is written, and the answer says so."""
    cluster = cluster_entry(config, pki) | {"extensions": [{"name": MARK, "extension": {"home": str(paths.root)}}]}
    left_alone = []
    for file in people.files():
        others = ""

        def change(data: dict[str, Any]) -> None:
            nonlocal others
            others = anothers(data, paths, cluster)
            if not others:
                kubeconfig_write.put_cluster(data, paths.context, cluster=cluster, user=user_entry(pki.pair("admin")))

        file.edit(change)
        if others:
            said = f"{file.path} has a context {paths.context!r} of another cluster ({others}), which is left alone"
            left_alone.append(said)
    return "; ".join(left_alone)


def refresh(paths: ClusterPaths, config: ClusterConfig, pki: Pki) -> None:
    """After the administrator's certificate has been renewed: wherever the old one was written. A context that is not
    there is not made, and none becomes the current one."""
    newest = user_entry(pki.pair("admin"))
    files = [str(paths.kubeconfig), *(file.path for file in people.files())]
    for path in filter(os.path.exists, files):

        def change(data: dict[str, Any], path: str = path) -> None:
            if path == str(paths.kubeconfig) or not anothers(data, paths, cluster_entry(config, pki)):
                user = kubeconfig_write.entry_of(data, "users", paths.context)
                if user is not None:
                    user.update(newest)

        if holds_another(path, paths.context, newest):
            kubeconfig_write.edit(path, change)


def holds_another(path: str, name: str, newest: dict[str, Any]) -> bool:
    """A file that needs no change is not touched."""
    user = kubeconfig_write.entry_of(kubeconfig_files.read_file(path) or {}, "users", name)
    return bool(user) and user != newest


def forget_peoples(paths: ClusterPaths) -> None:
    def change(data: dict[str, Any]) -> None:
        if not anothers(data, paths, {}):
            kubeconfig_write.drop_cluster(data, paths.context)

    for file in people.files():
        if Path(file.path).exists():
            file.edit(change)


def anothers(data: dict[str, Any], paths: ClusterPaths, cluster: dict[str, Any]) -> str:
    """The server of a context with our name that is not ours: made by hand, or by a cluster of another home that is
    still there."""
    found = kubeconfig_write.entry_of(data, "clusters", paths.context)
    if not found or found.get("certificate-authority-data") == cluster.get("certificate-authority-data", ""):
        return ""
    homes = [e.get("extension", {}).get("home") for e in found.get("extensions") or () if e.get("name") == MARK]
    if homes and (homes[0] == str(paths.root) or not (Path(homes[0]) / "cluster.json").exists()):
        return ""
    return str(found.get("server", "?"))


def _data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
