"""`sampan simulate`: nodes that accept Pods and run nothing. Not built yet; until then the command says so."""

import click

NOT_YET = "simulated nodes are not there yet; for several real nodes on this machine: sampan up --name NAME --nodes N"


@click.command("simulate", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def simulate_group(words: tuple[str, ...]) -> None:
    """Nodes that accept Pods and run nothing (not there yet)."""
    raise click.ClickException(NOT_YET)
