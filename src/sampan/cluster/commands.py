"""The verbs of `sampan` that are about a cluster as a whole. Each imports what it needs when it is used."""

import logging
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import click

from sampan.cluster.paths import DEFAULT_NAME, NAME_VARIABLE, BadConfig, BadName, ClusterPaths

if TYPE_CHECKING:
    from sampan.network.contract import Overlay
    from sampan.scheduler.config_file import Configuration

DATASTORE_HELP = "etcd://HOST:PORT,…[?ca=FILE&cert=FILE&key=FILE] or memory: (default: SQLite)"

F = TypeVar("F", bound=Callable[..., Any])


def run(argv: list[str]) -> int:
    """Answers the exit code."""
    try:
        result = cli.main(args=argv, prog_name="sampan", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Abort:
        return 130
    except (BadName, BadConfig) as error:
        click.echo(f"error: {error}", err=True)
        return 1
    return result if isinstance(result, int) else 0


class LazyGroup(click.Group):
    """Subcommand groups of other files, imported when they are asked for."""

    lazy: ClassVar = {
        "image": "sampan.cluster.image_commands:image_group",
        "ctr": "sampan.cluster.ctr_commands:ctr_group",
        "simulate": "sampan.cluster.simulate_commands:simulate_group",
        "node": "sampan.cluster.node_commands:node_group",
        "token": "sampan.cluster.join_commands:token_group",
        "datastore": "sampan.cluster.datastore_commands:datastore_group",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *self.lazy])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        where = self.lazy.get(cmd_name)
        if where is None:
            return super().get_command(ctx, cmd_name)
        from importlib import import_module

        module, _, attribute = where.partition(":")
        return cast("click.Command", getattr(import_module(module), attribute))


@click.group(cls=LazyGroup)
def cli() -> None:
    """Kubernetes for one small crew."""


def cluster_name(command: F) -> F:
    """Adds `--name` and hands over the cluster's paths."""

    @click.option("--name", default=DEFAULT_NAME, show_default=True, envvar=NAME_VARIABLE, help="which cluster")
    @wraps(command)
    def with_paths(name: str, *args: Any, **kwargs: Any) -> Any:
        return command(ClusterPaths.of(name), *args, **kwargs)

    return cast("F", with_paths)


@cli.command()
@cluster_name
@click.option("--nodes", type=click.IntRange(0, 50), help="how many nodes; 0: a control plane alone")
@click.option("--port", type=click.IntRange(1, 65535), help="of the API server")
@click.option("--datastore", help=DATASTORE_HELP)
@click.option("--address", default="", help="where other machines reach this server")
@click.option("--no-kubeconfig", is_flag=True, help="leave ~/.kube/config alone")
@click.option("--foreground", is_flag=True, help="stay until interrupted, then stop the cluster")
@click.option("--restart", is_flag=True, help="start server and agents anew, as after an upgrade; Pods go on")
@click.option("--quiet", "-q", is_flag=True)
def up(
    paths: ClusterPaths,
    nodes: int | None,
    port: int | None,
    datastore: str | None,
    address: str,
    *,
    no_kubeconfig: bool,
    foreground: bool,
    restart: bool,
    quiet: bool,
) -> int:
    """Start a cluster and wait until it is ready."""
    from sampan.cluster.up import UpFailed
    from sampan.cluster.up import up as bring_up

    try:
        bring_up(
            paths,
            nodes=nodes,
            port=port,
            datastore=datastore,
            address=address,
            write_kubeconfig=not no_kubeconfig,
            quiet=quiet,
            restart=restart,
        )
    except UpFailed as error:
        click.echo(f"error: {error}", err=True)
        return 1
    if not quiet:
        before = f"export KUBECONFIG={paths.kubeconfig}; " if no_kubeconfig else ""
        click.echo(f"Ready. Try:  {before}sampan get nodes   (or kubectl get nodes)")
    if foreground:
        from sampan.cluster.down import down as take_down

        wait_for_interrupt()
        take_down(paths, purge=False)
    return 0


def wait_for_interrupt() -> None:
    import signal

    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # else they would end this process before it has stopped the cluster
    signal.sigwait(ends)


@cli.command()
@cluster_name
@click.option("--purge", is_flag=True, help="remove its data as well")
def down(paths: ClusterPaths, *, purge: bool) -> int:
    """Stop a cluster; nothing of it stays on the host but its data."""
    from sampan.cluster.down import down as take_down

    if take_down(paths, purge=purge):
        click.echo(f"Cluster {paths.name!r} is down." + (" Its data is gone." if purge else ""))
    else:
        click.echo(f"There is no cluster {paths.name!r}.")
    return 0


@cli.command()
@cluster_name
def status(paths: ClusterPaths) -> int:
    """Show components, nodes and where things are; exit code 1 when something is wrong."""
    from sampan.cluster.status import status as look

    healthy, lines = look(paths)
    click.echo("\n".join(lines))
    return 0 if healthy else 1


@cli.command()
@cluster_name
@click.option("--components", default="apiserver,scheduler,controllers", show_default=True)
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="run components against this API server")
@click.option("--datastore", default="", help=DATASTORE_HELP)
@click.option(
    "--scheduler-config",
    type=click.Path(path_type=Path),
    help="a KubeSchedulerConfiguration file (default: scheduler.yaml in the cluster's directory, if there is one)",
)
@click.option("--join", default="", help="be a further server of the cluster at https://HOST:PORT, the first time")
@click.option("--token", default="", help="to join with, the first time; `sampan token create --server` tells")
@click.option("--ca-hash", default="", help="of the CA of the cluster to join (sha256:…), the first time")
@click.option("--key", default="", help="that opens what a further server must know, the first time")
@click.option("--port", type=click.IntRange(1, 65535), help="of the API server")
@click.option("--address", default="", help="where other machines reach this server")
@click.option(
    "--node-monitor-grace-period", "node_grace", type=float, help="seconds without a word until a node counts as lost"
)
@click.option("-v", "--verbose", is_flag=True)
def server(
    paths: ClusterPaths,
    components: str,
    kubeconfig: Path | None,
    datastore: str,
    scheduler_config: Path | None,
    join: str,
    token: str,
    ca_hash: str,
    key: str,
    port: int | None,
    address: str,
    node_grace: float | None,
    *,
    verbose: bool,
) -> int:
    """The control plane in the foreground."""
    set_up_logging(verbose=verbose)
    from sampan.cluster import config as configs
    from sampan.cluster import kubeconfigs
    from sampan.cluster.datastores import BadDatastore, check
    from sampan.cluster.foreground import run_until_stopped
    from sampan.cluster.pki import Pki
    from sampan.cluster.server import ServerOptions, run_components, run_server

    chosen = tuple(c for c in components.split(",") if c)
    placing = scheduler_configuration(paths, scheduler_config) if "scheduler" in chosen else None
    if kubeconfig is None and placing is not None and placing.kubeconfig and "apiserver" not in chosen:
        kubeconfig = Path(placing.kubeconfig)
    settings = placing.scheduler if placing is not None else None
    if kubeconfig is not None:
        alone = tuple(c for c in chosen if c != "apiserver")
        run_until_stopped(lambda: run_components(kubeconfig, alone, settings))
        return 0
    config = configs.load(paths)
    if join and config is None:
        join_cluster(paths, join, token, ca_hash, key, port, address)
        config = configs.load(paths)
    config = config or configs.new_config(paths, nodes=0, port=port)
    config.datastore = datastore or config.datastore
    config.address = address or config.address
    config.host = config.address or config.host
    config.port = port or config.port
    config.node_grace = node_grace or config.node_grace
    try:
        check(config.datastore)
    except BadDatastore as error:
        raise click.ClickException(str(error)) from None
    pki = Pki(paths.pki)
    pki.ensure(config, {})
    configs.save(paths, config)
    kubeconfigs.write_own(paths, config, pki)
    options = ServerOptions(config=config, data_dir=paths.server, pki=pki, components=chosen, scheduler=settings)
    run_until_stopped(lambda: run_server(options))
    return 0


def scheduler_configuration(paths: ClusterPaths, given: Path | None) -> "Configuration | None":
    """That of the file, or of the cluster's own one; None without any."""
    file = given or paths.root / "scheduler.yaml"
    if given is None and not file.exists():
        return None
    from sampan.scheduler.config_file import BadConfiguration, load

    try:
        return load(file)
    except BadConfiguration as error:
        raise click.ClickException(str(error)) from None


def join_cluster(
    paths: ClusterPaths, server: str, token: str, ca_hash: str, key: str, port: int | None, address: str
) -> None:
    import asyncio

    from sampan.cluster.joining import JoinFailed
    from sampan.cluster.pki import outward_address
    from sampan.cluster.server_joining import ServerJoin, join_server

    if not (token and ca_hash and key):
        raise click.ClickException("--join needs --token, --ca-hash and --key: sampan token create --server")
    own = address or outward_address()
    asked = ServerJoin(server=server, token=token, ca_hash=ca_hash, key=key, port=port or 0, address=own)
    try:
        asyncio.run(join_server(paths, asked))
    except JoinFailed as error:
        raise click.ClickException(str(error)) from None


@cli.command()
@cluster_name
@click.option("--server", default="", help="join the cluster at https://HOST:PORT; `sampan token create` tells how")
@click.option("--token", default="", help="to join with, the first time")
@click.option("--ca-hash", default="", help="of the CA of the cluster to join (sha256:…), the first time")
@click.option("--kubelet-port", type=click.IntRange(1, 65535), default=10250, help="of a node that joins")
@click.option("--node", help="this node's name (default: the cluster's first; of one that joins: the host's)")
@click.option("--node-ip", default="", help="this node's address")
@click.option("--netns", default="", help="run in this network namespace")
@click.option(
    "--overlay",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="reach nodes through a VXLAN tunnel: those that are not on a network of this node's, all, or none",
)
@click.option("--pod-manifest-path", type=click.Path(path_type=Path), help="directory of static Pods")
@click.option("--node-labels", default="", help="k=v,…")
@click.option("--register-with-taints", default="", help="key=value:Effect,…")
@click.option(
    "--shutdown-grace-period", type=float, default=0.0, help="on SIGTERM end the Pods, within so many seconds"
)
@click.option("--shutdown-grace-period-critical-pods", type=float, default=0.0, help="the part of it for critical Pods")
@click.option("-v", "--verbose", is_flag=True)
def agent(
    paths: ClusterPaths,
    server: str,
    token: str,
    ca_hash: str,
    kubelet_port: int,
    node: str | None,
    node_ip: str,
    netns: str,
    overlay: "Overlay",
    pod_manifest_path: Path | None,
    node_labels: str,
    register_with_taints: str,
    shutdown_grace_period: float,
    shutdown_grace_period_critical_pods: float,
    *,
    verbose: bool,
) -> int:
    """One node in the foreground."""
    set_up_logging(verbose=verbose)
    if netns:
        from sampan.network.namespaces import enter

        enter(netns)
    from sampan.cluster.foreground import run_until_stopped
    from sampan.cluster.local_agent import local_options, run_local

    labels = dict(pair.split("=", 1) for pair in node_labels.split(",") if pair)
    taints = [t for t in register_with_taints.split(",") if t]
    if server:
        from sampan.cluster.joining import JoinFailed, run_joined, told

        try:
            asked = told(paths, server, node, node_ip)
            asked.token, asked.ca_hash, asked.kubelet_port = token, ca_hash, kubelet_port
            asked.manifests, asked.labels, asked.taints, asked.netns = pod_manifest_path, labels, taints, netns
            asked.overlay = overlay
            asked.shutdown = (shutdown_grace_period, shutdown_grace_period_critical_pods)
            run_until_stopped(lambda: run_joined(asked))
        except JoinFailed as error:
            raise click.ClickException(str(error)) from None
        return 0
    options = local_options(paths, node, node_ip, pod_manifest_path, labels, taints)
    options.overlay = overlay
    options.shutdown_grace_period = shutdown_grace_period
    options.shutdown_grace_period_critical_pods = shutdown_grace_period_critical_pods

    run_until_stopped(lambda: run_local(paths, options))
    return 0


def set_up_logging(*, verbose: bool) -> None:
    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname).1s %(name)s %(message)s", stream=sys.stderr)
