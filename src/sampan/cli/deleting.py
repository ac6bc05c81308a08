"""One object deleted, as `replace --force`, `apply --force` and `apply --prune` do on their way."""

from __future__ import annotations

from sampan.cli.errors import CliError
from sampan.cli.resources import Found
from sampan.cli.session import Session
from sampan.client.calls import delete_options

CASCADE = {
    "true": "Background",
    "background": "Background",
    "false": "Orphan",
    "orphan": "Orphan",
    "foreground": "Foreground",
}


def policy_of(word: str) -> str:
    if word not in CASCADE:
        raise CliError(f'invalid cascade value ({word}). Must be "background", "foreground", or "orphan"')
    return CASCADE[word]


def deleted(session: Session, one: Found, *, cascade: str, grace: int, mode: str = "none") -> str:
    """Gives the uid of what was deleted, by which its end is known. `grace` below zero is the object's own."""
    answer = session.client.of(one.info).delete(
        one.name,
        namespace=one.namespace,
        options=delete_options(
            grace_period_seconds=None if grace < 0 else grace,
            propagation_policy=policy_of(cascade),
            dry_run=mode == "server",
        ),
    )
    return uid_of(answer)


def uid_of(answer: dict[str, object]) -> str:
    """A delete answers with the object, or with a Status that names it."""
    for field in ("metadata", "details"):
        found = answer.get(field)
        if isinstance(found, dict) and found.get("uid"):
            return str(found["uid"])
    return ""
