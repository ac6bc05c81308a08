"""`certificate approve` and `certificate deny`: what a signer waits for before it signs a request."""

from __future__ import annotations

from typing import Any

from sampan.api import times
from sampan.api.errors import ApiError
from sampan.cli import printers
from sampan.cli.change import chosen
from sampan.cli.command import FILES, OUTPUT, Command, Invocation
from sampan.cli.errors import CliError, raise_all
from sampan.cli.flags import Flag
from sampan.cli.help import shown
from sampan.cli.resources import Found

KIND = "certificatesigningrequests.certificates.k8s.io"


def with_condition(data: dict[str, Any], kind: str, verb: str) -> dict[str, Any]:
    """The request with this said of it once more; a condition of the same type is replaced."""
    status = dict(data.get("status") or {})
    before = [one for one in status.get("conditions") or () if one["type"] != kind]
    said = {
        "type": kind,
        "status": "True",
        "reason": f"Kubectl{verb.capitalize()}",
        "message": f"This CSR was {kind.lower()} by kubectl certificate {verb}.",
        "lastUpdateTime": times.now(),
    }
    return {**data, "status": {**status, "conditions": [*before, said]}}


def _command(verb: str, kind: str, summary: str) -> Command:
    def run(call: Invocation) -> int:
        flags = call.flags
        if not call.args and not flags["filename"]:
            raise CliError("one or more CSRs must be specified as <name> or -f <filename>")
        printer = printers.of(flags["output"], operation=kind.lower(), flags=flags)
        errors: list[Exception] = []
        words = [KIND, *call.args] if call.args else []
        for one in chosen(call, words, errors):
            try:
                printer(_said(call, one))
            except (ApiError, CliError) as error:
                errors.append(error)
        raise_all(errors)
        return 0

    def _said(call: Invocation, one: Found) -> dict[str, Any]:
        held = {condition["type"] for condition in (one.data.get("status") or {}).get("conditions") or ()}
        if kind in held and not call.flags["force"]:
            return one.data
        other = held & {"Approved", "Denied"} - {kind}
        if other:
            raise CliError(f'certificate signing request "{one.name}" is already {other.pop()}')
        return call.session.client.of(one.info).update(with_condition(one.data, kind, verb), subresource="approval")

    return Command(
        path=f"certificate {verb}",
        run=run,
        flags=(*FILES, *OUTPUT, Flag("force", "bool", usage="also what has been decided already")),
        summary=summary,
        usage="(-f FILENAME | NAME)",
        examples=f"sampan certificate {verb} csr-sqgzp",
    )


COMMAND = Command(
    path="certificate",
    run=shown,
    summary="Decide on certificate signing requests.",
    subcommands={
        "approve": _command("approve", "Approved", "Let a request be signed."),
        "deny": _command("deny", "Denied", "Refuse to sign a request."),
    },
)
