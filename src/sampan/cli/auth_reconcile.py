"""`auth reconcile`: roles and bindings of files, added to what is there by what they grant (`sampan.cli.rbac_plan`)."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import AlreadyExists, NotFound
from sampan.cli import printers, rbac_plan
from sampan.cli.command import DRY_RUN, FILES, OUTPUT, Command, Invocation, dry_run
from sampan.cli.create import placed
from sampan.cli.errors import CliError
from sampan.cli.files import from_flags
from sampan.cli.flags import Flag
from sampan.cli.rbac_plan import CREATE, NONE, RECREATE, UPDATE, Plan
from sampan.cli.resources import Found, from_files
from sampan.client.calls import delete_options

GROUP = "rbac.authorization.k8s.io"
ROLES, BINDINGS = ("Role", "ClusterRole"), ("RoleBinding", "ClusterRoleBinding")
OPTED_OUT = f", but object opted out ({rbac_plan.AUTO_UPDATE}: false)"
RULE = (
    ("Verbs", "verbs"),
    ("APIGroups", "apiGroups"),
    ("Resources", "resources"),
    ("ResourceNames", "resourceNames"),
    ("NonResourceURLs", "nonResourceURLs"),
)
SUBJECT = (("Kind", "kind"), ("APIGroup", "apiGroup"), ("Name", "name"), ("Namespace", "namespace"))


def run(call: Invocation) -> int:
    flags = call.flags
    names = from_flags(flags)
    if call.args:
        raise CliError("no arguments are allowed")
    mode = dry_run(flags)
    if mode == "server":
        raise CliError("--dry-run=server for command reconcile is not supported yet")
    printer = printers.of(flags["output"], operation="reconciled", dry_run=mode, flags=flags)
    for one in from_files(call.session, names, recursive=flags["recursive"]):
        if one.info.group != GROUP or one.info.kind not in (*ROLES, *BINDINGS):
            continue
        plan = _reconciled(call, one, write=mode == "none")
        printer(plan.result)
        call.out.flush()
        _tell(call, plan, role=one.info.kind in ROLES)
    return 0


def _reconciled(call: Invocation, one: Found, *, write: bool) -> Plan:
    client, wanted = call.session.client.of(one.info), placed(one)
    while True:
        try:
            there = client.get(one.name, namespace=one.namespace)
        except NotFound:
            there = None
        if one.info.kind in ROLES:
            plan = rbac_plan.plan_role(wanted, there, remove_extra=call.flags["remove-extra-permissions"])
        else:
            plan = rbac_plan.plan_binding(wanted, there, remove_extra=call.flags["remove-extra-subjects"])
        if plan.protected or not write or plan.operation == NONE:
            return plan
        try:
            return plan._replace(result=_written(call, one, plan))
        except AlreadyExists:
            continue  # made by somebody since we looked


def _written(call: Invocation, one: Found, plan: Plan) -> dict[str, Any]:
    client = call.session.client.of(one.info)
    if plan.operation == UPDATE:
        return client.update(plan.result, namespace=one.namespace)
    if plan.operation == RECREATE:
        client.delete(one.name, namespace=one.namespace, options=delete_options())
    if plan.operation == CREATE and one.namespace:
        _make_namespace(call, one.namespace)
    return client.create(plan.result, namespace=one.namespace)


def _make_namespace(call: Invocation, name: str) -> None:
    namespaces = call.session.client.of(call.session.resolve("namespaces"))
    try:
        namespaces.get(name)
    except NotFound:
        namespaces.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def _tell(call: Invocation, plan: Plan, *, role: bool) -> None:
    if plan.operation == NONE:
        return
    call.complain(f"\treconciliation required {plan.operation}{OPTED_OUT if plan.protected else ''}")
    what, fields = ("rules", RULE) if role else ("subjects", SUBJECT)
    removes = call.flags["remove-extra-permissions" if role else "remove-extra-subjects"]
    for title, listed in (("missing {} added", plan.missing), ("extra {} removed", plan.extra if removes else ())):
        if listed:
            call.complain("\n\t\t".join((f"\t{title.format(what)}:", *(_text(item, fields) for item in listed))))


def _text(item: dict[str, Any], fields: tuple[tuple[str, str], ...]) -> str:
    shown = []
    for title, field in fields:
        value = item.get(field)
        several = fields is RULE
        shown.append(f"{title}:[{' '.join(value or ())}]" if several else f"{title}:{value or ''}")
    return "{" + " ".join(shown) + "}"


COMMAND = Command(
    path="auth reconcile",
    run=run,
    flags=(
        *FILES,
        *OUTPUT,
        DRY_RUN,
        Flag("remove-extra-permissions", "bool", usage="take away what the file does not grant"),
        Flag("remove-extra-subjects", "bool", usage="take out whom the file does not name"),
    ),
    summary="Make roles grant, and bindings name, at least what files say.",
    usage="-f FILENAME",
    examples="sampan auth reconcile -f my-rbac-rules.yaml",
)
