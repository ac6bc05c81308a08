"""`__complete -- WORDS…`: what may stand for the last word: verbs, flags, resources, names of live objects.

Called by the completion scripts at every press of Tab: it never fails loudly.
"""

from __future__ import annotations

from collections.abc import Iterable

from sampan.cli.command import Command, Invocation, load
from sampan.cli.flags import command_word
from sampan.cli.main import VERBS
from sampan.cli.session import GLOBAL_FLAGS, Session

CLUSTER_VERBS = ("down", "image", "ctr", "node", "status", "token", "up")
POD_VERBS = frozenset(("logs", "exec", "attach", "port-forward", "cp"))
NODE_VERBS = frozenset(("cordon", "uncordon", "drain"))
KIND_VERBS = frozenset(
    (
        "get",
        "describe",
        "delete",
        "label",
        "annotate",
        "edit",
        "patch",
        "scale",
        "expose",
        "autoscale",
        "explain",
        "wait",
        "why",
        "rollout",
        "set",
        "taint",
    ),
)


def run(call: Invocation) -> int:
    try:
        for word in sorted(set(candidates(call.session, call.args))):
            call.print(word)
    except Exception:  # noqa: BLE001 - a shell's prompt is no place for our troubles
        return 1
    return 0


def candidates(session: Session, words: list[str]) -> Iterable[str]:
    *before, current = words or [""]
    at = command_word(before, GLOBAL_FLAGS)
    if at < 0:
        return [verb for verb in (*VERBS, *CLUSTER_VERBS) if verb.startswith(current) and not verb.startswith("_")]
    verb, rest = before[at], before[at + 1 :]
    if verb not in VERBS:
        return []
    command = load(VERBS[verb])
    while command.subcommands and rest and rest[0] in command.subcommands:
        command, rest = load(command.subcommands[rest[0]]), rest[1:]
    if current.startswith("-"):
        return _flags(command, current)
    if before and before[-1] in ("-n", "--namespace"):
        return _names(session, "namespaces", current)
    if before and before[-1] == "--context":
        return [name for name in session.kubeconfig.contexts if name.startswith(current)]
    if command.subcommands:
        return [name for name in command.subcommands if name.startswith(current)]
    if command.path == "config use-context":
        return [name for name in session.kubeconfig.contexts if name.startswith(current)]
    return _objects(session, verb, [word for word in rest if not word.startswith("-")], current)


def _flags(command: Command, current: str) -> list[str]:
    return [f"--{flag.name}" for flag in (*command.flags, *GLOBAL_FLAGS) if f"--{flag.name}".startswith(current)]


def _objects(session: Session, verb: str, args: list[str], current: str) -> list[str]:
    kind, slash, name = current.partition("/")
    if slash:
        return [f"{kind}/{one}" for one in _names(session, kind, name)]
    if verb in NODE_VERBS:
        return _names(session, "nodes", current)
    if verb in POD_VERBS:
        return _names(session, "pods", current) if not args else []
    if verb not in KIND_VERBS:
        return []
    if args and "/" not in args[0]:
        return _names(session, args[0], current)
    rows = session.resources.resources().preferred()
    return [row.resource for row in rows if row.resource.startswith(current)]


def _names(session: Session, kind: str, start: str) -> list[str]:
    from sampan.client.calls import METADATA_LIST, ListOptions

    info = session.resolve(kind)
    client = session.client.of(info)
    found: list[str] = []
    for page in client.pages_as(METADATA_LIST, ListOptions(), namespace=session.where(info)):
        found += [item["metadata"]["name"] for item in page.get("items") or ()]
        if len(found) > 1000:
            break
    return [name for name in found if name.startswith(start)]


COMMAND = Command(path="__complete", run=run)
