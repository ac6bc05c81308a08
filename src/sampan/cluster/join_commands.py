"""`sampan token`: let other machines join, from the server's own machine."""

from datetime import timedelta

import click

from sampan.client.api import Client
from sampan.cluster.administrator import as_administrator
from sampan.cluster.commands import cluster_name
from sampan.cluster.paths import ClusterPaths


@click.group("token")
def token_group() -> None:
    """Tokens with which other machines join."""


@token_group.command("create")
@cluster_name
@click.option("--ttl", type=click.FloatRange(0), default=24.0, show_default=True, help="hours it is good for; 0: ever")
@click.option("--description", default="")
def create_command(paths: ClusterPaths, ttl: float, description: str) -> int:
    """Make a token and print the line that another machine joins with."""
    from sampan.cluster import config as configs
    from sampan.cluster.join_tokens import ca_hash, create_token, info_of, prepare
    from sampan.cluster.pki import Pki, outward_address

    config = configs.load(paths)
    if config is None:
        raise click.ClickException(f"there is no cluster {paths.name!r}: sampan up makes one")
    info = info_of(config, Pki(paths.pki).ca.certificate)

    async def make(client: Client) -> str:
        await prepare(client, info)
        return await create_token(client, ttl=timedelta(hours=ttl) if ttl else None, description=description)

    token = as_administrator(paths, make)
    server = f"https://{outward_address() or config.host}:{config.port}"
    click.echo(f"sampan agent --server {server} --token {token} --ca-hash {ca_hash(info.ca)}")
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
