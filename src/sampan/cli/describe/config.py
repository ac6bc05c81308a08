"""ConfigMaps, Secrets, ServiceAccounts, quotas, limits, priorities and disruption budgets."""

from __future__ import annotations

import base64

from sampan.cli.describe.text import Object, Text, events, header, map_text, meta, selector_text, truth


def config_map(text: Text, obj: Object, listed: list[Object] | None) -> None:
    header(text, obj)
    text.line("\nData\n====")
    for key, value in sorted((obj.get("data") or {}).items()):
        text.flush()
        text.line(f"{key}:\n----")
        text.flush()
        text.line(f"{value}\n")
    text.line("\nBinaryData\n====")
    for key, value in sorted((obj.get("binaryData") or {}).items()):
        text.line(f"{key}: {len(base64.b64decode(value))} bytes")
    text.line()
    events(text, listed)


def secret(text: Text, obj: Object, listed: list[Object] | None) -> None:
    header(text, obj)
    text.line(f"\nType:\t{obj.get('type', '')}\n\nData\n====")
    for key, value in sorted((obj.get("data") or {}).items()):
        held = base64.b64decode(value)
        shown = held.decode(errors="replace") if _is_token(obj) and key == "token" else f"{len(held)} bytes"
        text.field(key, shown)


def _is_token(obj: Object) -> bool:
    return obj.get("type") == "kubernetes.io/service-account-token"


def service_account(text: Text, obj: Object, listed: list[Object] | None) -> None:
    header(text, obj)
    names = [one.get("name", "") for one in obj.get("imagePullSecrets") or ()]
    head = "Image pull secrets:\t"
    for name in names or ["<none>"]:
        text.line(f"{head}{name}")
        head = "\t"
    events(text, listed)


SCOPES = {
    "Terminating": "Matches all pods that have an active deadline. These pods have a limited lifespan on a node before "
    "being actively terminated by the system.",
    "NotTerminating": "Matches all pods that do not have an active deadline. These pods usually include long running "
    "pods whose container command is not expected to terminate.",
    "BestEffort": "Matches all pods that do not have resource requirements set. These pods have a best effort quality "
    "of service.",
    "NotBestEffort": "Matches all pods that have at least one resource requirement set. These pods have a burstable or "
    "guaranteed quality of service.",
}


def quota(text: Text, obj: Object, listed: list[Object] | None) -> None:
    text.field("Name", meta(obj)["name"])
    text.field("Namespace", meta(obj).get("namespace", ""))
    if (obj.get("spec") or {}).get("scopes"):
        scopes = sorted(obj["spec"]["scopes"])
        text.field("Scopes", ", ".join(scopes))
        for scope in scopes:
            if scope in SCOPES:
                text.line(f" * {SCOPES[scope]}")
    text.line("Resource\tUsed\tHard\n--------\t----\t----")
    quota_rows(text, obj, "")


def quota_rows(text: Text, obj: Object, indent: str) -> None:
    status = obj.get("status") or {}
    hard = status.get("hard") or {}
    for name in sorted(hard):
        text.line(f"{indent}{name}\t{(status.get('used') or {}).get(name, '0')}\t{hard[name]}")


LIMIT_HEAD = (
    "Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio",
    "----\t--------\t---\t---\t---------------\t-------------\t-----------------------",
)


def limit_range(text: Text, obj: Object, listed: list[Object] | None) -> None:
    text.field("Name", meta(obj)["name"])
    text.field("Namespace", meta(obj).get("namespace", ""))
    for line in LIMIT_HEAD:
        text.line(line)
    limit_rows(text, obj, "")


def limit_rows(text: Text, obj: Object, indent: str) -> None:
    fields = ("min", "max", "defaultRequest", "default", "maxLimitRequestRatio")
    for item in (obj.get("spec") or {}).get("limits") or ():
        names = sorted({name for field in fields for name in item.get(field) or {}})
        for name in names:
            cells = [str((item.get(field) or {}).get(name, "-")) for field in fields]
            text.line("\t".join((f"{indent}{item.get('type', '')}", name, *cells)))


def priority_class(text: Text, obj: Object, listed: list[Object] | None) -> None:
    text.field("Name", meta(obj)["name"])
    text.field("Value", obj.get("value", 0))
    text.field("GlobalDefault", truth(obj.get("globalDefault")))
    text.field("PreemptionPolicy", obj.get("preemptionPolicy") or "PreemptLowerPriority")
    text.field("Description", obj.get("description") or "")
    text.field("Annotations", map_text(meta(obj).get("annotations")))
    events(text, listed)


def disruption_budget(text: Text, obj: Object, listed: list[Object] | None) -> None:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    text.field("Name", meta(obj)["name"])
    text.field("Namespace", meta(obj).get("namespace", ""))
    if spec.get("minAvailable") is not None:
        text.field("Min available", spec["minAvailable"])
    elif spec.get("maxUnavailable") is not None:
        text.field("Max unavailable", spec["maxUnavailable"])
    text.field("Selector", selector_text(spec["selector"]) if spec.get("selector") else "<unset>")
    text.line("Status:")
    for title, field in (
        ("Allowed disruptions", "disruptionsAllowed"),
        ("Current", "currentHealthy"),
        ("Desired", "desiredHealthy"),
        ("Total", "expectedPods"),
    ):
        text.line(f"    {title}:\t{status.get(field) or 0}")
    events(text, listed)
