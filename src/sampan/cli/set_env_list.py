"""`set env --list`: the variables of a Pod template; with `--resolve` the values behind their references."""

from __future__ import annotations

import base64
from typing import Any

from sampan.api.errors import ApiError, NotFound
from sampan.cli.change import chosen
from sampan.cli.command import Invocation
from sampan.cli.errors import raise_all
from sampan.cli.setting import containers_named, pod_spec

KEYED = (("configMapKeyRef", "configmap"), ("secretKeyRef", "secret"))


def show(call: Invocation, words: list[str]) -> int:
    errors: list[Exception] = []
    for one in chosen(call, words, errors, local=call.flags["local"]):
        for container in containers_named(pod_spec(one.data), call.flags["containers"], init=True):
            call.print(f"# {one.info.kind} {one.name}, container {container['name']}")
            unresolved: dict[str, list[str]] = {}
            for variable in container.get("env") or ():
                call.print(_line(call, one.namespace, one.data, container, variable, unresolved))
            for said, names in sorted(unresolved.items()):
                call.complain(f"error retrieving reference for {', '.join(sorted(names))}: {said}")
    raise_all(errors)
    return 0


def _line(
    call: Invocation,
    namespace: str,
    owner: dict[str, Any],
    container: dict[str, Any],
    variable: dict[str, Any],
    unresolved: dict[str, list[str]],
) -> str:
    name, source = variable["name"], variable.get("valueFrom")
    if not source:
        return f"{name}={variable.get('value', '')}"
    if call.flags["resolve"]:
        try:
            return f"{name}={_resolved(call, namespace, owner, container, source)}"
        except (ApiError, LookupError) as error:
            said = error.message if isinstance(error, ApiError) else str(error.args[0])
            unresolved.setdefault(said, []).append(name)
    return f"# {name} from {_reference(source)}"


def _reference(source: dict[str, Any]) -> str:
    for field, noun in KEYED:
        if field in source:
            return f"{noun} {source[field]['name']}, key {source[field]['key']}"
    if "fieldRef" in source:
        return f"field path {source['fieldRef']['fieldPath']}"
    if "resourceFieldRef" in source:
        ref = source["resourceFieldRef"]
        of = f"container {ref['containerName']}, " if ref.get("containerName") else ""
        return f"resource field {of}{ref['resource']}"
    return next(iter(source))


def _resolved(
    call: Invocation, namespace: str, owner: dict[str, Any], container: dict[str, Any], source: dict[str, Any]
) -> str:
    for field, noun in KEYED:
        if field in source:
            return _of_key(call, namespace, noun, source[field])
    if "fieldRef" in source:
        return _field(owner, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return _amount(owner, container, source["resourceFieldRef"])
    raise LookupError("the reference is of a kind that is not known")


def _of_key(call: Invocation, namespace: str, noun: str, ref: dict[str, Any]) -> str:
    held = call.session.client.of(call.session.resolve(f"{noun}s")).get(ref["name"], namespace=namespace)
    data: dict[str, str] = held.get("data") or {}
    if ref["key"] not in data:
        raise NotFound(f"key {ref['key']} not found in {noun} {ref['name']}")
    value = data[ref["key"]]
    return base64.b64decode(value).decode(errors="replace") if noun == "secret" else value


def _field(owner: dict[str, Any], path: str) -> str:
    """Of the object that was named, which need not be a Pod yet."""
    value: Any = owner
    for step in path.split("."):
        key, bracket, rest = step.partition("[")
        value = (value or {}).get(key)
        if bracket:
            value = (value or {}).get(rest.strip("']\""))
    return "" if value is None else str(value)


def _amount(owner: dict[str, Any], container: dict[str, Any], ref: dict[str, Any]) -> str:
    from sampan.api.quantity import parse

    named = ref.get("containerName") or container["name"]
    found = next((one for one in pod_spec(owner).get("containers") or () if one["name"] == named), container)
    kind, _, resource = ref["resource"].partition(".")
    amount = ((found.get("resources") or {}).get(kind) or {}).get(resource)
    if amount is None:
        return "0"
    divisor = str(ref.get("divisor") or "0")
    return str(-(-parse(amount).milli_value() // parse("1" if divisor == "0" else divisor).milli_value()))
