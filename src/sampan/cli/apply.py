"""`apply`: make the cluster as the files say: client-side three-way merge, `--server-side`, `--prune`."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import ApiError, Conflict, Invalid, NotFound
from sampan.cli import apply_prune, last_applied, printers
from sampan.cli.command import DRY_RUN, FILES, OUTPUT, SELECTOR, VALIDATE, Command, Invocation, dry_run
from sampan.cli.command import validation as validation_of
from sampan.cli.create import placed, selected, unversioned
from sampan.cli.errors import CliError, in_source, raise_all
from sampan.cli.files import from_flags
from sampan.cli.flags import Flag
from sampan.cli.record import RECORD, recorded
from sampan.cli.resources import Found, from_files
from sampan.client.calls import APPLY_PATCH, WriteOptions

CLIENT_SIDE = "kubectl-client-side-apply"
SERVER_SIDE = "kubectl"
PATCH_RETRIES = 5
SERVERS_OWN = ("uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "generation", "managedFields")
ANNOTATION_MISSING = (
    "resource {0} is missing the kubectl.kubernetes.io/last-applied-configuration annotation which is required by "
    "kubectl apply. kubectl apply should only be used on resources created declaratively by either kubectl create "
    "--save-config or kubectl apply. The missing annotation will be patched automatically."
)
CONFLICT_HELP = """
Please review the fields above--they currently have other managers. Here
are the ways you can resolve this warning:
* If you intend to manage all of these fields, please re-run the apply
  command with the `--force-conflicts` flag.
* If you do not intend to manage all of the fields, please edit your
  manifest to remove references to the fields that should keep their
  current managers.
* You may co-own fields by updating your manifest to match the existing
  value; in this case, you'll become the manager if the other manager(s)
  stop managing the field (remove it from their configuration).
See https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts"""


class Applier:
    """One `apply`: what the flags say, and what has been applied so far."""

    def __init__(self, call: Invocation) -> None:
        flags = call.flags
        self.call = call
        self.client = call.session.client
        self.mode = dry_run(flags)
        self.validation = validation_of(flags)
        self.server_side = flags["server-side"]
        self.manager = flags["field-manager"] or (SERVER_SIDE if self.server_side else CLIENT_SIDE)
        self.applied: list[Found] = []
        self._results: list[dict[str, Any]] = []

    @property
    def options(self) -> WriteOptions:
        return WriteOptions(self.mode == "server", self.manager, self.validation)

    def apply(self, one: Found) -> None:
        generated = (one.data.get("metadata") or {}).get("generateName")
        if not one.name and generated:
            raise CliError(f"from {generated}: cannot use generate name with apply")
        self.applied.append(one)
        if self.server_side:
            self._report("serverside-applied", self._server_side(one))
        else:
            self._client_side(one)

    def _server_side(self, one: Found) -> dict[str, Any]:
        wanted = recorded(self.call, placed(one))
        result = self._applied(one, wanted)
        if self.mode == "none" and self.manager == SERVER_SIDE and not self.call.flags["subresource"]:
            from sampan.cli.apply_migration import migrate

            if migrate(self.client.of(one.info), result, self.manager):
                result = self._applied(one, wanted)
        return result

    def _applied(self, one: Found, wanted: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.client.of(one.info).patch(
                one.name,
                wanted,
                self.options,
                namespace=one.namespace,
                type=APPLY_PATCH,
                force=self.call.flags["force-conflicts"],
                subresource=self.call.flags["subresource"],
            )
        except Conflict as error:
            raise CliError(error.message + CONFLICT_HELP) from None

    def _client_side(self, one: Found) -> None:
        wanted = recorded(self.call, placed(one))
        wanted = last_applied.with_annotation(wanted)
        client = self.client.of(one.info)
        try:
            current = client.get(one.name, namespace=one.namespace)
        except NotFound:
            if self.mode == "client":
                self._report("created", wanted)
                return
            try:
                made = client.create(unversioned(wanted), self.options, namespace=one.namespace)
            except ApiError as error:
                raise in_source(error, "creating", one.source) from None
            self._report("created", made)
            return
        if last_applied.text(current) is None and not self.call.flags["force"]:
            self.call.session.warn(ANNOTATION_MISSING.format(f"{one.info.resource}/{one.name}"))
        if current["metadata"].get("deletionTimestamp"):
            self.call.session.warn(f"Detected changes to resource {one.name} which is currently being deleted.")
        if self.mode == "client":  # what would become of it is not worked out here: --dry-run=server does that
            self._report("configured", current)
            return
        result, changed = self._patched(one, wanted, current)
        self._report("configured" if changed else "unchanged", result)

    def _patched(self, one: Found, wanted: dict[str, Any], current: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        client = self.client.of(one.info)
        for attempt in range(PATCH_RETRIES + 1):
            patch, kind = last_applied.three_way(one.info, wanted, current, overwrite=self.call.flags["overwrite"])
            if not patch:
                return current, False
            try:
                return client.patch(one.name, patch, self.options, namespace=one.namespace, type=kind), True
            except (Conflict, Invalid) as error:
                if isinstance(error, Conflict) and attempt < PATCH_RETRIES:
                    current = client.get(one.name, namespace=one.namespace)
                    continue
                if not self.call.flags["force"]:
                    raise
                return self._made_anew(one, wanted, current), True
            except ApiError as error:
                raise in_source(error, _applying(one, patch), one.source) from None
        raise AssertionError("unreachable")

    def _made_anew(self, one: Found, wanted: dict[str, Any], current: dict[str, Any]) -> dict[str, Any]:
        """`--force`: what cannot be changed is deleted and created; what was there comes back if that fails."""
        from sampan.cli.deleting import deleted
        from sampan.cli.waiting import until_gone

        flags, client = self.call.flags, self.client.of(one.info)
        uid = deleted(self.call.session, one, cascade=flags["cascade"], grace=flags["grace-period"])
        until_gone(self.call.session, [(one, uid)], timeout=flags["timeout"])
        try:
            return client.create(wanted, self.options, namespace=one.namespace)
        except ApiError as error:
            metadata = {key: value for key, value in current["metadata"].items() if key not in SERVERS_OWN}
            client.create({**current, "metadata": metadata}, self.options, namespace=one.namespace)
            raise CliError(
                "an error occurred force-replacing the existing object with the newly provided one: "
                f"{error.message}. The original object was recreated"
            ) from None

    def _report(self, word: str, result: dict[str, Any]) -> None:
        output = self.call.flags["output"]
        if output and output != "name":
            self._results.append(result)
            return
        printers.of(output, operation=word, dry_run=self.mode)(result)

    def finish(self) -> None:
        """With `-o json` and its like all results are one answer."""
        if not self._results:
            return
        printer = printers.of(self.call.flags["output"], dry_run=self.mode, flags=self.call.flags)
        if len(self._results) == 1:
            printer(self._results[0])
        else:
            from sampan.cli.get_objects import as_list

            printer(as_list(self._results))


def _applying(one: Found, patch: dict[str, Any]) -> str:
    """What was being done, for an error of it."""
    from sampan.cli.printers.json import compact

    info = one.info
    version = f"{info.group}/{info.version}"
    return (
        f'applying patch:\n{compact(patch)}\nto:\nResource: "{version}, Resource={info.resource}", '
        f'GroupVersionKind: "{version}, Kind={info.kind}"\nName: "{one.name}", Namespace: "{one.namespace}"\nfor:'
    )


def run(call: Invocation) -> int:
    flags = call.flags
    if call.args:
        from sampan.cli.errors import UsageError

        raise UsageError(f"Unexpected args: [{' '.join(call.args)}]")
    applier = Applier(call)
    _check(call, applier.mode)
    allowed = apply_prune.allowed(call) if flags["prune"] else ()
    errors: list[Exception] = []
    listed = from_files(
        call.session,
        from_flags(flags),
        recursive=flags["recursive"],
        validate=applier.validation != "Ignore",
        errors=errors,
    )
    count = 0
    for one in listed:
        if flags["selector"] and not selected(one.data, flags["selector"]):
            continue
        count += 1
        try:
            applier.apply(one)
        except (ApiError, CliError) as error:
            errors.append(error)
    applier.finish()
    raise_all(errors)
    if not count:
        raise CliError("no objects passed to apply")
    if flags["prune"]:
        apply_prune.prune(call, applier.applied, allowed, applier.mode)
    return 0


def _check(call: Invocation, mode: str) -> None:
    flags = call.flags
    if flags["force-conflicts"] and not flags["server-side"]:
        raise CliError("--force-conflicts only works with --server-side")
    if mode == "client" and flags["server-side"]:
        raise CliError("--dry-run=client doesn't work with --server-side (did you mean --dry-run=server instead?)")
    if flags["force"] and flags["server-side"]:
        raise CliError("--force cannot be used with --server-side")
    if flags["force"] and mode == "server":
        raise CliError("--dry-run=server cannot be used with --force")
    if flags["prune"] and not (flags["all"] or flags["selector"]):
        raise CliError(
            "all resources selected for prune without explicitly passing --all. To prune all resources, pass the "
            "--all flag. If you did not mean to prune all resources, specify a label selector"
        )


COMMAND = Command(
    path="apply",
    run=run,
    flags=(
        *FILES,
        *OUTPUT,
        SELECTOR,
        DRY_RUN,
        VALIDATE,
        RECORD,
        Flag("field-manager", usage="who owns the fields that are written"),
        Flag("server-side", "bool", usage="let the server merge"),
        Flag("force-conflicts", "bool", usage="with --server-side: take fields from others"),
        Flag("overwrite", "bool", True, usage="the file wins where others changed the same field"),
        Flag("force", "bool", usage="delete and create where a patch is refused"),
        Flag("prune", "bool", usage="delete what was applied once and is in the files no more"),
        Flag("prune-allowlist", "array", usage="group/version/kind that may be pruned"),
        Flag("all", "bool", usage="with --prune: everything"),
        Flag("cascade", default="background", bare="background", usage="background, foreground or orphan"),
        Flag("grace-period", "int", -1, usage="with --force or --prune: seconds to end in"),
        Flag("timeout", "duration", usage="how long to wait"),
        Flag("wait", "bool", usage="until what is deleted is gone"),
        Flag("openapi-patch", "bool", True, usage="accepted, without effect"),
        Flag("subresource", usage="with --server-side: status, scale …"),
    ),
    summary="Make the cluster as files say.",
    usage="-f FILE …",
    subcommands={
        "view-last-applied": "apply_last:VIEW",
        "set-last-applied": "apply_last:SET",
        "edit-last-applied": "apply_last:EDIT",
    },
    examples="sampan apply -f app.yaml\nsampan apply -f ./manifests -R --server-side",
)
