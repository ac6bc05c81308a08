"""`delete`: by file, by name, by selector, all of a type; waits until what it deleted is gone."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

from sampan.api.errors import ApiError, NotFound
from sampan.cli.command import ALL_NAMESPACES, DRY_RUN, FIELD_SELECTOR, SELECTOR, Command, Invocation, dry_run
from sampan.cli.deleting import policy_of, uid_of
from sampan.cli.errors import CliError, in_source, raise_all
from sampan.cli.flags import Flag, Values
from sampan.cli.resources import Found, found, from_files, shown_kind, targets
from sampan.cli.say import complain
from sampan.client.calls import delete_options

NOTHING = """You must provide one or more resources by argument or filename.
Example resource specifications include:
   '-f rsrc.yaml'
   '--filename=rsrc.json'
   '<resource> <name>'
   '<resource>'"""
FORCED = (
    "Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may "
    "continue to run on the cluster indefinitely."
)


def run(call: Invocation) -> int | None:
    flags = call.flags
    if flags["raw"]:
        from sampan.cli.raw import send

        return send(call, "DELETE")
    mode = dry_run(flags)
    if flags["output"] not in ("", "name"):
        raise CliError(f"unexpected -o output mode: {flags['output']}. We only support '-o name'")
    grace = _grace(flags)
    options = delete_options(
        grace_period_seconds=grace,
        propagation_policy=policy_of(flags["cascade"]),
        dry_run=mode == "server",
    )
    errors: list[Exception] = []
    gone: list[tuple[Found, str]] = []
    count = 0
    doomed: Iterable[Found] = _doomed(call, errors)
    if flags["interactive"]:
        doomed = list(doomed)
        raise_all(errors)
        if doomed and not _agreed(doomed):
            sys.stdout.write("deletion is cancelled\n")
            return 0
    for one in doomed:
        count += 1
        uid = ""
        if mode != "client":
            try:
                answer = call.session.client.of(one.info).delete(one.name, namespace=one.namespace, options=options)
            except ApiError as error:
                if not (isinstance(error, NotFound) and _missing_is_fine(flags)):
                    errors.append(in_source(error, "deleting", one.source))
                continue
            uid = uid_of(answer)
        _say(one, flags, mode)
        if mode == "none":
            gone.append((one, uid))
    if not count and not errors:
        if call.args or not flags["filename"]:
            sys.stdout.write("No resources found\n")
        return 0
    sys.stdout.flush()
    raise_all(errors)
    if flags["wait"] and gone:
        from sampan.cli.waiting import until_gone

        until_gone(call.session, gone, timeout=flags["timeout"])
    return 0


def _agreed(doomed: Sequence[Found]) -> bool:
    sys.stdout.write(f"You are about to delete the following {len(doomed)} resource(s):\n")
    for one in doomed:
        sys.stdout.write(f"{one.shown}\n")
    sys.stdout.write("Do you want to continue? (y/n): ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() == "y"


def _doomed(call: Invocation, errors: list[Exception]) -> Iterator[Found]:
    """What is to be deleted, found as late as possible: what goes with its owner is not asked for again."""
    flags, session = call.flags, call.session
    selector, every = flags["selector"], flags["all"]
    if flags["filename"]:
        for one in from_files(session, flags["filename"], recursive=flags["recursive"], errors=errors):
            if selector and not _matches(one, selector):
                continue
            yield one
        return
    if not call.args:
        raise CliError(NOTHING)
    if every and (selector or flags["field-selector"]):
        raise CliError("setting 'all' parameter but found a non empty selector. ")
    wanted = targets(session, call.args, allow_empty=bool(every or selector or flags["field-selector"]))
    if any(target.name for target in wanted):
        if selector or flags["field-selector"] or every:
            raise CliError("name cannot be provided when a selector is specified")
        if flags["all-namespaces"]:
            raise CliError("a resource cannot be retrieved by name across all namespaces")
        _warn_scope(call, any(not target.info.namespaced for target in wanted))
        for target in wanted:
            yield Found(target.info, session.where(target.info), target.name, {})
        return
    _warn_scope(call, any(not target.info.namespaced for target in wanted))
    yield from found(
        session,
        wanted,
        errors,
        selector=selector,
        field_selector=flags["field-selector"],
        all_namespaces=flags["all-namespaces"],
    )


def _warn_scope(call: Invocation, cluster_wide: bool) -> None:
    if cluster_wide and (call.session.enforce_namespace or call.flags["all-namespaces"]):
        call.session.warn("deleting cluster-scoped resources, not scoped to the provided namespace")


def _matches(one: Found, selector: str) -> bool:
    from sampan.cli.create import selected

    return selected(one.data, selector)


def _missing_is_fine(flags: Values) -> bool:
    if flags.changed("ignore-not-found"):
        return bool(flags["ignore-not-found"])
    return bool(flags["all"] or flags["selector"] or flags["field-selector"])


def _grace(flags: Values) -> int | None:
    grace: int = flags["grace-period"]
    if flags["now"]:
        if grace != -1:
            raise CliError("--now and --grace-period cannot be specified together")
        return 1
    if flags["force"]:
        if grace > 0:
            raise CliError("--force and --grace-period greater than 0 cannot be specified together")
        complain(f"Warning: {FORCED}")
        return 0
    if grace == 0:
        return 1  # zero is for --force alone: this one is waited for
    return None if grace < 0 else grace


def _say(one: Found, flags: Values, mode: str) -> None:
    if flags["output"] == "name":
        sys.stdout.write(f"{one.shown}\n")
        return
    how = "force deleted" if _grace_is_zero(flags) else "deleted"
    where = f" from {one.namespace} namespace" if one.namespace else ""
    suffix = {"none": "", "client": " (dry run)", "server": " (server dry run)"}[mode]
    sys.stdout.write(f'{shown_kind(one.info)} "{one.name}" {how}{where}{suffix}\n')


def _grace_is_zero(flags: Values) -> bool:
    return bool(flags["force"]) and flags["grace-period"] <= 0


COMMAND = Command(
    path="delete",
    run=run,
    flags=(
        Flag("filename", "list", short="f", usage="files, folders or - that name what to delete"),
        Flag("recursive", "bool", short="R", usage="also the folders in the folders of -f"),
        Flag("kustomize", short="k", usage="a folder with a kustomization"),
        SELECTOR,
        FIELD_SELECTOR,
        ALL_NAMESPACES,
        DRY_RUN,
        Flag("all", "bool", usage="all of the type"),
        Flag("cascade", default="background", bare="background", usage="background, foreground or orphan"),
        Flag("force", "bool", usage="at once, without waiting for the node"),
        Flag("grace-period", "int", -1, usage="seconds to end in; -1 for the object's own"),
        Flag("now", "bool", usage="one second to end in"),
        Flag("ignore-not-found", "bool", usage="what is not there is no error"),
        Flag("interactive", "bool", short="i", usage="ask first"),
        Flag("output", short="o", usage="name, or nothing"),
        Flag("raw", usage="DELETE this path"),
        Flag("timeout", "duration", usage="how long to wait; 0 for as long as it takes"),
        Flag("wait", "bool", True, usage="until they are gone"),
    ),
    summary="Delete objects by file, by name, by selector, or all of a type.",
    usage="(-f FILE … | TYPE (NAME … | -l SELECTOR | --all) | TYPE/NAME …)",
    examples="sampan delete pod web\nsampan delete -f pod.yaml\nsampan delete pods -l app=web\nsampan delete all --all",
)
