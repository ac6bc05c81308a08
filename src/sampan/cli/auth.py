"""`auth can-i` and `auth whoami`: what the server says of the user; `auth reconcile` has a module of its own."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import ApiError
from sampan.cli import printers
from sampan.cli.command import ALL_NAMESPACES, OUTPUT, Command, Invocation
from sampan.cli.errors import CliError, Exit
from sampan.cli.flags import Flag
from sampan.cli.generate.rbac import STANDARD_VERBS
from sampan.client.calls import JSON
from sampan.client.resources import NoSuchResource

VERBS = STANDARD_VERBS | {"proxy"}
URL_VERBS = frozenset(("get", "put", "post", "head", "options", "delete", "patch", "*"))
USAGE = (
    "you must specify two arguments: verb resource or verb resource/resourceName.\n"
    "See 'kubectl auth can-i -h' for help and examples."
)


def can_i(call: Invocation) -> int:
    flags = call.flags
    if flags["list"]:
        if call.args:
            raise CliError("list option must be specified with no arguments")
        return _list(call)
    if len(call.args) != 2:
        raise CliError(USAGE)
    spec = _spec(call)
    answer = _post(call, "authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", spec)
    status = answer.get("status") or {}
    allowed = bool(status.get("allowed"))
    if not flags["quiet"]:
        text = "yes" if allowed else "no"
        if not allowed and status.get("reason"):
            text += f" - {status['reason']}"
        if status.get("evaluationError"):
            text += f" - {status['evaluationError']}"
        call.print(text)
    if not allowed:
        raise Exit(1)
    return 0


def _spec(call: Invocation) -> dict[str, Any]:
    flags, session = call.flags, call.session
    verb, what = call.args[0], call.args[1]
    namespace = "" if flags["all-namespaces"] else session.namespace
    if what.startswith("/"):
        if flags["subresource"]:
            raise CliError("--subresource can not be used with NonResourceURL")
        if verb not in URL_VERBS:
            call.complain(f"Warning: verb '{verb}' is not a known verb\n")
        return {"nonResourceAttributes": {"path": what, "verb": verb}}
    if verb not in VERBS:
        call.complain(f"Warning: verb '{verb}' is not a known verb\n")
    word, _, name = what.partition("/")
    group, resource = "", word
    if word != "*":
        try:
            info = session.resources.resolve(word)
            group, resource = info.group, info.resource
            if not info.namespaced and namespace:
                of_group = f" in group '{group}'" if group else ""
                call.complain(f"Warning: resource '{resource}' is not namespace scoped{of_group}\n")
        except NoSuchResource:
            resource, _, group = word.partition(".")
            said = f" in group '{group}'" if group else ""
            call.complain(f"Warning: the server doesn't have a resource type '{resource}'{said}\n")
    else:
        group = "*"
    attributes = {
        "namespace": namespace,
        "verb": verb,
        "group": group,
        "resource": resource,
        "subresource": flags["subresource"],
        "name": name,
    }
    return {"resourceAttributes": {key: value for key, value in attributes.items() if value}}


def _list(call: Invocation) -> int:
    from sampan.cli.printers.tabwriter import table

    answer = _post(
        call,
        "authorization.k8s.io/v1",
        "SelfSubjectRulesReview",
        "selfsubjectrulesreviews",
        {"namespace": call.session.namespace},
    )
    status = answer.get("status") or {}
    if status.get("evaluationError"):
        call.complain(f"warning: the list may be incomplete: {status['evaluationError']}")
    rows = rule_rows(status)
    titles = [] if call.flags["no-headers"] else ["Resources", "Non-Resource URLs", "Resource Names", "Verbs"]
    call.out.write(table([titles, *rows] if titles else rows))
    return 0


def rule_rows(status: dict[str, Any]) -> list[list[str]]:
    """One row a resource, equal ones joined, by their whole text; the URLs' rows after them as they came."""
    merged: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for rule in status.get("resourceRules") or ():
        for group in rule.get("apiGroups") or ("",):
            for resource in rule.get("resources") or ():
                what, slash, part = resource.partition("/")
                text = f"{what}.{group}{slash}{part}" if group else resource
                for name in rule.get("resourceNames") or ("",):
                    verbs = merged.setdefault((text, (name,) if name else ()), [])
                    verbs += [verb for verb in rule.get("verbs") or () if verb not in verbs]
    rows = [[text, "[]", f"[{' '.join(names)}]", f"[{' '.join(verbs)}]"] for (text, names), verbs in merged.items()]
    rows += [
        ["", f"[{url}]", "[]", f"[{' '.join(rule.get('verbs') or ())}]"]
        for rule in status.get("nonResourceRules") or ()
        for url in rule.get("nonResourceURLs") or ()
    ]
    return sorted(rows, key=_go_text)


def _go_text(row: list[str]) -> str:
    """kubectl sorts rules by their Go text: verbs, groups, resources, names, URLs."""
    word, slash, part = row[0].partition("/")
    what, _, group = word.partition(".")
    groups, resources = (f"[{group}]", f"[{what}{slash}{part}]") if row[0] else ("[]", "[]")
    return f"{row[3]},APIGroups:{groups},Resources:{resources},ResourceNames:{row[2]},NonResourceURLs:{row[1]}"


def whoami(call: Invocation) -> int:
    flags = call.flags
    answer = _post(call, "authentication.k8s.io/v1", "SelfSubjectReview", "selfsubjectreviews", None)
    if flags["output"]:
        user = (answer.get("status") or {}).get("userInfo") or {}
        answer["status"] = {
            "userInfo": {key: user[key] for key in ("username", "uid", "groups", "extra") if key in user}
        }
        printers.of(flags["output"], flags=flags, sort_keys=False)(answer)
        return 0
    from sampan.cli.printers.tabwriter import table

    user = (answer.get("status") or {}).get("userInfo") or {}
    rows = [["ATTRIBUTE", "VALUE"]]
    for title, value in (("Username", user.get("username")), ("UID", user.get("uid"))):
        if value:
            rows.append([title, value])
    if user.get("groups"):
        rows.append(["Groups", f"[{' '.join(user['groups'])}]"])
    rows += [[f"Extra: {key}", f"[{' '.join(values)}]"] for key, values in sorted((user.get("extra") or {}).items())]
    call.out.write(table(rows))
    return 0


def _post(call: Invocation, version: str, kind: str, resource: str, spec: dict[str, Any] | None) -> dict[str, Any]:
    import msgspec

    body: dict[str, Any] = {"kind": kind, "apiVersion": version, "metadata": {}}
    if spec is not None:
        body["spec"] = spec
    try:
        response = call.session.client.raw(
            "POST",
            f"/apis/{version}/{resource}",
            headers={"accept": JSON, "content-type": JSON},
            body=msgspec.json.encode(body),
        )
    except ApiError as error:
        if error.http_code == 403 and kind == "SelfSubjectReview":
            raise CliError(
                "the selfsubjectreviews API is not enabled in the cluster or you do not have permission to call it"
            ) from None
        raise
    answer: dict[str, Any] = msgspec.json.decode(response.body)
    return answer


COMMAND = Command(
    path="auth",
    summary="What the user is and may.",
    usage="[flags]",
    subcommands={
        "can-i": Command(
            path="auth can-i",
            run=can_i,
            flags=(
                ALL_NAMESPACES,
                Flag("quiet", "bool", short="q", usage="only by exit code"),
                Flag("subresource", usage="such as log or scale"),
                Flag("list", "bool", usage="all that is allowed"),
                Flag("no-headers", "bool", usage="no headers"),
            ),
            summary="Whether something is allowed.",
            usage="VERB [TYPE | TYPE/NAME | NONRESOURCEURL]",
        ),
        "reconcile": "auth_reconcile",
        "whoami": Command(path="auth whoami", run=whoami, flags=OUTPUT, summary="Who the server takes us for."),
    },
)
