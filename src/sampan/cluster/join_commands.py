"""`sampan token`: let other machines join, from the server's own machine."""

from datetime import timedelta

import click

from sampan.client.api import Client
from sampan.cluster.administrator import as_administrator
from sampan.cluster.commands import cluster_name
from sampan.cluster.config import ClusterConfig
from sampan.cluster.paths import ClusterPaths

TTL_NODE, TTL_SERVER = 24.0, 2.0  # hours


@click.group("token")
def token_group() -> None:
    """Tokens with which other machines join."""


@token_group.command("create")
@cluster_name
@click.option("--ttl", type=click.FloatRange(0), default=None, help="hours it is good for (24; of a server 2); 0: ever")
@click.option("--description", default="")
@click.option("--server", "for_server", is_flag=True, help="to join as a further server, of a cluster on etcd")
def create_command(paths: ClusterPaths, ttl: float | None, description: str, *, for_server: bool) -> int:
    """Make a token and print the line that another machine joins with."""
    from sampan.cluster import config as configs
    from sampan.cluster.join_tokens import ca_hash, create_token, info_of, prepare, server_addresses
    from sampan.cluster.pki import Pki, outward_address

    config = configs.load(paths)
    if config is None:
        raise click.ClickException(f"there is no cluster {paths.name!r}: sampan up makes one")
    pki = Pki(paths.pki)
    info = info_of(config, pki.ca.certificate)
    server = f"https://{config.address or outward_address() or config.host}:{config.port}"
    if for_server:
        return _offer_server(paths, config, server, ttl or TTL_SERVER, description)

    async def make(client: Client) -> tuple[str, list[str]]:
        await prepare(client, info)
        life = TTL_NODE if ttl is None else ttl
        token = await create_token(client, ttl=timedelta(hours=life) if life else None, description=description)
        return token, await server_addresses(client)

    token, others = as_administrator(paths, make)
    servers = ",".join(dict.fromkeys([server, *others])) if len(others) > 1 else server
    click.echo(f"sampan agent --server {servers} --token {token} --ca-hash {ca_hash(info.ca)}")
    return 0


def _offer_server(paths: ClusterPaths, config: ClusterConfig, server: str, ttl: float, description: str) -> int:
    from sampan.cluster.join_tokens import ca_hash, info_of, prepare
    from sampan.cluster.joining import JoinFailed
    from sampan.cluster.pki import Pki
    from sampan.cluster.server_joining import offer

    pki = Pki(paths.pki)
    info = info_of(config, pki.ca.certificate)

    async def make(client: Client) -> tuple[str, str]:
        await prepare(client, info)
        return await offer(client, config, pki, ttl=timedelta(hours=ttl), description=description)

    try:
        token, key = as_administrator(paths, make)
    except JoinFailed as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"sampan server --join {server} --token {token} --ca-hash {ca_hash(info.ca)} --key {key}")
    return 0


@token_group.command("list")
@cluster_name
def list_command(paths: ClusterPaths) -> int:
    """Show the tokens there are, without their secrets."""
    from sampan.cluster.join_tokens import list_tokens

    for token in as_administrator(paths, list_tokens):
        words = [token.get("token-id", ""), token.get("expiration", "<forever>"), token.get("description", "")]
        click.echo("\t".join(words).rstrip())
    return 0


@token_group.command("delete")
@cluster_name
@click.argument("token")
def delete_command(paths: ClusterPaths, token: str) -> int:
    """Take a token back; nodes that joined with it stay."""
    from sampan.cluster.join_tokens import delete_token

    as_administrator(paths, lambda client: delete_token(client, token))
    click.echo(f"token {token.partition('.')[0]!r} deleted")
    return 0
