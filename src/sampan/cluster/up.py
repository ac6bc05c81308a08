"""`sampan up`: from nothing to a Ready node. Each step says what it does and how long it took."""

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sampan.cluster import config as configs
from sampan.cluster import simulating
from sampan.cluster.claims import claim, one_at_a_time
from sampan.cluster.config import ClusterConfig, port_is_free
from sampan.cluster.datastores import BadDatastore, check
from sampan.cluster.nodes import NodePlan, make_nodes
from sampan.cluster.paths import ClusterPaths
from sampan.cluster.pki import Pki
from sampan.cluster.preflight import problems
from sampan.cluster.process import Daemon

READY_SECONDS = 60.0
LOOK_EVERY = 0.01
PORT_TAKEN = "Address already in use"


class UpFailed(Exception):
    """The cluster did not come up; the message says why and what to do."""


class Steps:
    """Progress for a person at a terminal, plain lines for anything else; quiet on demand."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        if not self._quiet:
            mark = "\x1b[32m✓\x1b[0m" if sys.stderr.isatty() else "-"
            sys.stderr.write(f" {mark} {text} ({time.monotonic() - begun:.2f} s)\n")
            sys.stderr.flush()

    def warn(self, text: str) -> None:
        """Also when it is to be quiet."""
        sys.stderr.write(f"warning: {text}\n")


def server_daemon(paths: ClusterPaths) -> Daemon:
    return Daemon("server", paths.run, paths.logs)


def agent_daemon(paths: ClusterPaths, node: str) -> Daemon:
    return Daemon(f"agent-{node}", paths.run, paths.logs)


def up(
    paths: ClusterPaths,
    *,
    nodes: int | None,
    port: int | None,
    write_kubeconfig: bool,
    quiet: bool,
    datastore: str | None = None,
    address: str = "",
    restart: bool = False,
) -> ClusterConfig:
    """Idempotent: what runs already is left alone, unless a `restart` is asked for."""
    steps = Steps(quiet=quiet)
    with one_at_a_time(told=not quiet):
        is_new = not paths.config.exists()
        config = wanted(paths, nodes=nodes, port=port, datastore=datastore, address=address)
        found = problems(paths, config, server_daemon(paths))
        if found:
            lines = [f"  {p.what}\n    {p.fix}" for p in found]
            raise UpFailed("cannot start the cluster:\n" + "\n".join(lines))
        if restart:
            with steps.step("server and agents are stopped"):
                stop_processes(paths, config)
        try:
            bring_up(paths, config, steps)
        except UpFailed:
            if not (is_new and port is None and PORT_TAKEN in server_daemon(paths).last_words()):
                raise
            stop_processes(paths, config)  # somebody took the port between our look and the server's
            config.port = configs.free_port(config.port + 1, set())
            bring_up(paths, config, steps)
    if write_kubeconfig:
        tell_people(paths, config, steps)
    return config


def tell_people(paths: ClusterPaths, config: ClusterConfig, steps: Steps) -> None:
    """The cluster is there, whatever is wrong with people's own kubeconfig."""
    from sampan.client.kubeconfig_files import KubeconfigError
    from sampan.cluster import kubeconfigs

    try:
        left_alone = kubeconfigs.write_peoples(paths, config, Pki(paths.pki))
    except (KubeconfigError, OSError) as error:
        left_alone = f"the kubeconfig could not be written: {error}"
    if left_alone:
        steps.warn(f"{left_alone}; for this cluster: export KUBECONFIG={paths.kubeconfig}")


def wanted(
    paths: ClusterPaths, *, nodes: int | None, port: int | None, datastore: str | None, address: str
) -> ClusterConfig:
    """What the cluster was made with, and what may be said otherwise at a later start."""
    server = server_daemon(paths)
    config = configs.load(paths)
    if config is None:
        config = configs.new_config(paths, nodes=1 if nodes is None else nodes, port=port)
    elif nodes is not None and nodes != config.nodes:
        said = f"cluster {paths.name!r} was made with {config.nodes} node(s)"
        raise UpFailed(f"{said}; for another number of nodes: sampan down --name {paths.name} --purge, then up again")
    elif port is not None and port != config.port:
        if server.pid:
            raise UpFailed(f"the cluster runs on port {config.port}; first: sampan down --name {config.name}")
        config.port = port
    config.address = address or config.address
    if datastore is not None and datastore != config.datastore:
        use_datastore(config, datastore, server)
    agents = [agent_daemon(paths, name) for name in config.node_names]
    if config.nodes == 1 and not agents[0].pid and not port_is_free(config.kubelet_port):
        config.kubelet_port = configs.free_port(configs.FIRST_KUBELET_PORT, set())  # nobody is told of it but the API
    return config


def stop_processes(paths: ClusterPaths, config: ClusterConfig) -> None:
    """Containers belong to conmon and go on; the next agent takes them over."""
    for daemon in (*(agent_daemon(paths, name) for name in config.node_names), server_daemon(paths)):
        daemon.stop()


def bring_up(paths: ClusterPaths, config: ClusterConfig, steps: Steps) -> None:
    server, pki = server_daemon(paths), Pki(paths.pki)
    with steps.step("certificates and configuration"):
        paths.root.mkdir(parents=True, exist_ok=True)
        plan = make_nodes(config)
        configs.save(paths, config)
        pki.ensure(config, {n.name: n.ip for n in plan})
        if plan:
            claim(paths)
    begun = time.monotonic()
    if not server.pid:
        server.start(["server", "--name", paths.name])
    at = now()
    began = {node.name: at for node in plan if start_agent(paths, node)}
    # What is only needed from here on is imported here: the processes start meanwhile.
    from sampan.cluster import kubeconfigs

    kubeconfigs.write_own(paths, config, pki)
    with steps.step(f"API server at {config.url}"):
        wait_until(lambda: _ready(config, pki), [server], "the API server is not ready", begun)
    simulating.resume(paths)
    for node in plan:
        with steps.step(f"node {node.name} is Ready"):
            daemon = agent_daemon(paths, node.name)
            look = partial(_node_ready, config, pki, node.name, since=began.get(node.name, ""))
            wait_until(look, [daemon, server], f"node {node.name} is not Ready", begun)


def use_datastore(config: ClusterConfig, datastore: str, server: Daemon) -> None:
    """What the cluster holds does not come along by itself: `sampan datastore copy`."""
    try:
        check(datastore)
    except BadDatastore as error:
        raise UpFailed(str(error)) from None
    if server.pid:
        raise UpFailed(f"the cluster runs on another datastore; first: sampan down --name {config.name}")
    config.datastore = datastore


def start_agent(paths: ClusterPaths, node: NodePlan) -> bool:
    """False when it runs already."""
    daemon = agent_daemon(paths, node.name)
    if daemon.pid:
        return False
    where = ["--netns", node.netns] if node.netns else []
    daemon.start(["agent", "--name", paths.name, "--node", node.name, "--node-ip", node.ip, *where])
    return True


def wait_until(look: Callable[[], bool], daemons: list[Daemon], failure: str, begun: float) -> None:
    """`daemons`: all that it takes; the first is the one that has to say what it waits for."""
    while not look():
        for daemon in daemons:
            if not daemon.pid:
                raise UpFailed(f"{failure}: the process {daemon.name} has ended. {_tail(daemon)}")
        if time.monotonic() - begun > READY_SECONDS:
            raise UpFailed(f"{failure} after {READY_SECONDS:.0f} s. {_tail(daemons[0])}")
        time.sleep(LOOK_EVERY)


def _tail(daemon: Daemon) -> str:
    return f"The end of {daemon.log_file}:\n{daemon.last_words()}"


def ask(config: ClusterConfig, pki: Pki, path: str) -> tuple[int, bytes]:
    """One GET as administrator; status 0 when nobody answers."""
    try:
        reached = socket.create_connection(("127.0.0.1", config.port), timeout=5)
    except OSError:
        return 0, b""  # told before there is anything of TLS, which would take time from the server that starts
    import http.client
    import ssl

    context = ssl.create_default_context(cafile=str(pki.ca.certificate))
    admin = pki.pair("admin")
    context.load_cert_chain(admin.certificate, admin.key)
    connection = http.client.HTTPConnection("127.0.0.1", config.port)
    try:
        connection.sock = context.wrap_socket(reached, server_hostname="127.0.0.1")
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
        reached.close()


def _ready(config: ClusterConfig, pki: Pki) -> bool:
    return ask(config, pki, "/readyz")[0] == 200


def _node_ready(config: ClusterConfig, pki: Pki, node: str, *, since: str) -> bool:
    """`since`: when its agent was started; what an earlier one has left in the API says nothing about this one."""
    status, body = ask(config, pki, f"/api/v1/nodes/{node}")
    if status != 200 or not is_ready(json.loads(body)):
        return False
    if not since:
        return True
    status, body = ask(config, pki, f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}")
    return status == 200 and str(json.loads(body)["spec"].get("renewTime", "")) >= since


def now() -> str:
    """As the API writes it, so that later is greater."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def is_ready(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
