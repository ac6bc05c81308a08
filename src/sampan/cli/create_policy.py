"""`create namespace | serviceaccount | quota | priorityclass | poddisruptionbudget | token`."""

from __future__ import annotations

from sampan.api.errors import ApiError
from sampan.cli import printers
from sampan.cli.command import OUTPUT, Command, Invocation
from sampan.cli.errors import CliError
from sampan.cli.flags import Flag
from sampan.cli.generate import policy
from sampan.cli.making import MAKING, make, said_namespace, the_name


def _namespace(call: Invocation) -> None:
    make(call, policy.namespace(the_name(call)))


def _service_account(call: Invocation) -> None:
    made = policy.service_account(the_name(call), namespace=said_namespace(call))
    make(call, made, failing="failed to create serviceaccount: ")


def _quota(call: Invocation) -> None:
    flags = call.flags
    made = policy.quota(the_name(call), flags["hard"], flags["scopes"], namespace=said_namespace(call))
    make(call, made, failing="failed to create quota: ")


def _priority_class(call: Invocation) -> None:
    flags = call.flags
    made = policy.priority_class(
        the_name(call),
        flags["value"],
        default=flags["global-default"],
        description=flags["description"],
        preemption=flags["preemption-policy"],
    )
    make(call, made, failing="failed to create priorityclass: ")


def _budget(call: Invocation) -> None:
    flags = call.flags
    made = policy.disruption_budget(
        the_name(call),
        flags["selector"],
        min_available=flags["min-available"],
        max_unavailable=flags["max-unavailable"],
        namespace=said_namespace(call),
    )
    make(call, made, failing="failed to create poddisruptionbudgets: ")


def _token(call: Invocation) -> None:
    name, flags, session = the_name(call), call.flags, call.session
    if flags["duration"] < 0:
        raise CliError("--duration must be greater than or equal to 0")
    spec: dict[str, object] = {"audiences": flags["audience"] or None}
    if flags["duration"]:
        spec["expirationSeconds"] = int(flags["duration"])
    if flags["bound-object-kind"]:
        kind = flags["bound-object-kind"]
        if kind not in ("Pod", "Secret", "Node"):
            raise CliError("supported --bound-object-kind values are Node, Pod, Secret")
        if not flags["bound-object-name"]:
            raise CliError("--bound-object-name is required if --bound-object-kind is provided")
        bound = {"kind": kind, "apiVersion": "v1", "name": flags["bound-object-name"]}
        if flags["bound-object-uid"]:
            bound["uid"] = flags["bound-object-uid"]
        spec["boundObjectRef"] = bound
    elif flags["bound-object-name"]:
        raise CliError("--bound-object-name can only be set if --bound-object-kind is provided")
    request = {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {},
        "spec": {key: value for key, value in spec.items() if value is not None},
    }
    accounts = session.client.of(session.resolve("serviceaccounts"))
    try:
        answer = accounts.create_subresource(name, "token", request, namespace=session.namespace)
    except ApiError as error:
        raise CliError(f"failed to create token: {error.message}") from None
    token = (answer.get("status") or {}).get("token")
    if not token:
        raise CliError("failed to create token: no token in server response")
    if flags["output"]:
        printers.of(flags["output"], operation="created", flags=flags)(answer)
        return
    call.print(token)


NAMESPACE = Command(path="create namespace", run=_namespace, flags=MAKING, summary="Create a Namespace.", usage="NAME")
SERVICE_ACCOUNT = Command(
    path="create serviceaccount", run=_service_account, flags=MAKING, summary="Create a ServiceAccount.", usage="NAME"
)
QUOTA = Command(
    path="create quota",
    run=_quota,
    flags=(*MAKING, Flag("hard", usage="resource=value,…"), Flag("scopes", usage="scope,…")),
    summary="Create a ResourceQuota.",
    usage="NAME [--hard=key1=value1,key2=value2] [--scopes=Scope1,Scope2]",
)
PRIORITY_CLASS = Command(
    path="create priorityclass",
    run=_priority_class,
    flags=(
        *MAKING,
        Flag("value", "int", usage="the priority"),
        Flag("global-default", "bool", usage="for Pods that say none"),
        Flag("description", usage="what it is for"),
        Flag("preemption-policy", default="PreemptLowerPriority", usage="PreemptLowerPriority or Never"),
    ),
    summary="Create a PriorityClass.",
    usage="NAME --value=VALUE --global-default=BOOL",
)
BUDGET = Command(
    path="create poddisruptionbudget",
    run=_budget,
    flags=(
        *MAKING,
        Flag("selector", usage="which Pods"),
        Flag("min-available", usage="how many must stay"),
        Flag("max-unavailable", usage="how many may be away"),
    ),
    summary="Create a PodDisruptionBudget.",
    usage="NAME --selector=SELECTOR --min-available=N",
)
TOKEN = Command(
    path="create token",
    run=_token,
    flags=(
        *OUTPUT,
        Flag("audience", "array", usage="who is to accept it"),
        Flag("duration", "duration", usage="how long it is good"),
        Flag("bound-object-kind", usage="Pod, Secret or Node: the token dies with it"),
        Flag("bound-object-name", usage="its name"),
        Flag("bound-object-uid", usage="its uid"),
    ),
    summary="Request a service account's token.",
    usage="SERVICE_ACCOUNT_NAME",
)
