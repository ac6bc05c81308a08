"""`sampan status`: what runs, where things are, and whether it is well."""

import json
from typing import Any

from sampan.cluster import config as configs
from sampan.cluster.paths import ClusterPaths
from sampan.cluster.pki import Pki
from sampan.cluster.up import agent_daemon, ask, is_ready, server_daemon
from sampan.version import GIT_VERSION


def status(paths: ClusterPaths) -> tuple[bool, list[str]]:
    """Whether it is healthy, and the lines to show."""
    config = configs.load(paths)
    if config is None:
        return False, [f"There is no cluster {paths.name!r}. Make one: sampan up" + _name_flag(paths)]
    pki = Pki(paths.pki)
    server = server_daemon(paths)
    code, _ = ask(config, pki, "/readyz")  # `sampan server` may run in somebody else's care (systemd)
    healthy = code == 200
    where = "in the foreground" if code and not server.pid else _process(server.pid)
    lines = [
        f"cluster     {paths.name} ({GIT_VERSION})",
        f"API server  {where}, {'ready' if healthy else 'not ready'}, {config.url}",
    ]
    listed = _nodes(ask(config, pki, "/api/v1/nodes")[1]) if healthy else {}
    for node in config.node_names:
        daemon = agent_daemon(paths, node)
        ready = node in listed and is_ready(listed[node])
        healthy = healthy and bool(daemon.pid) and ready
        lines.append(f"node        {node}: {_process(daemon.pid)}, {'Ready' if ready else 'NotReady'}")
    others = [n for n in listed if n not in config.node_names]
    if others:
        before = "            and " if config.node_names else "nodes       "
        more = "more: " if config.node_names else ""
        lines.append(f"{before}{len(others)} {more}{', '.join(others[:5])}{' …' if len(others) > 5 else ''}")
    lines += [
        f"kubeconfig  {paths.kubeconfig} (context {paths.context})",
        f"data        {paths.root}",
        f"logs        {paths.logs}",
    ]
    if config.nodes:
        lines.append(f"manifests   {paths.agent(config.node_names[0]) / 'manifests'} (static Pods)")
    return healthy, lines


def _nodes(body: bytes) -> dict[str, dict[str, Any]]:
    return {n["metadata"]["name"]: n for n in json.loads(body).get("items", ())} if body else {}


def _process(pid: int) -> str:
    return f"process {pid}" if pid else "not running"


def _name_flag(paths: ClusterPaths) -> str:
    return "" if paths.name == "sampan" else f" --name {paths.name}"
