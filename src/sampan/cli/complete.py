"""`__complete -- WORDS…`: what may stand for the last word: verbs, flags, resources, names of live objects.

Called by the completion scripts at every press of Tab: it never fails loudly.
"""

from __future__ import annotations

from collections.abc import Iterable

from sampan.cli.command import Command, Invocation, load
from sampan.cli.flags import Flag, command_word
from sampan.cli.global_flags import GLOBAL_FLAGS
from sampan.cli.main import VERBS
from sampan.cli.session import Session

CLUSTER_VERBS = ("down", "image", "ctr", "node", "status", "token", "up")
POD_VERBS = frozenset(("logs", "exec", "attach", "port-forward", "cp", "debug"))
ENTRIES = {
    "config use-context": "contexts",
    "config delete-context": "contexts",
    "config rename-context": "contexts",
    "config get-contexts": "contexts",
    "config delete-cluster": "clusters",
    "config delete-user": "users",
}
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
        nothing_yet = Command(path="")
        flag = _flag_before(nothing_yet, before)
        if flag is not None:
            return [value for value in _values(session, nothing_yet, flag, []) if value.startswith(current)]
        if current.startswith("-"):
            return _flags(nothing_yet, current)
        return [verb for verb in (*VERBS, *CLUSTER_VERBS) if verb.startswith(current) and not verb.startswith("_")]
    verb, rest = before[at], before[at + 1 :]
    if verb not in VERBS:
        return []
    command = load(VERBS[verb])
    while command.subcommands and rest and rest[0] in command.subcommands:
        command, rest = load(command.subcommands[rest[0]]), rest[1:]
    if current.startswith("-"):
        return _flags(command, current)
    flag = _flag_before(command, before)
    if flag is not None:
        return [value for value in _values(session, command, flag, rest) if value.startswith(current)]
    if command.subcommands:
        return [name for name in command.subcommands if name.startswith(current)]
    section = ENTRIES.get(command.path)
    if section:
        return [name for name in session.kubeconfig.section(section) if name.startswith(current)]
    return _objects(session, verb, [word for word in rest if not word.startswith("-")], current)


def _flag_before(command: Command, before: list[str]) -> Flag | None:
    """The flag whose value is to come."""
    last = before[-1] if before else ""
    for flag in (*command.flags, *GLOBAL_FLAGS):
        if flag.kind != "bool" and flag.bare is None and last in (f"--{flag.name}", f"-{flag.short}"):
            return flag
    return None


def _values(session: Session, command: Command, flag: Flag, rest: list[str]) -> Iterable[str]:
    if flag.name == "namespace":
        return _names(session, "namespaces", "")
    if flag.name in ("context", "cluster", "user"):
        return session.kubeconfig.section(f"{flag.name}s")
    if flag.name == "output":
        from sampan.cli.printers import GET_FORMATS, RESULT_FORMATS

        return GET_FORMATS if command.path in ("get", "events") else RESULT_FORMATS
    if flag.name == "dry-run":
        return ("none", "client", "server")
    if flag.name == "container":
        words = [word for word in rest if not word.startswith("-")]
        return _containers(session, words[0]) if words else ()
    return ()


def _containers(session: Session, word: str) -> list[str]:
    from sampan.cli.pod_choice import containers, first_pod
    from sampan.cli.resources import targets

    target = targets(session, [word if "/" in word else f"pods/{word}"])[0]
    return [name for name, _ in containers(first_pod(session, target.info, target.name, timeout=0))]


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
