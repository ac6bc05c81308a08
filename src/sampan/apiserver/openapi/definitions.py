"""The schemas of built-in kinds. Descriptions are read from the package when asked for and not kept."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from typing import Any

import msgspec

from sampan.api.scheme import ResourceInfo

Schema = dict[str, Any]

_SOURCE = "#/$defs/"
_HOMES = {
    "apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
    "apiregistration.k8s.io": "io.k8s.kube-aggregator.pkg.apis.apiregistration",
}
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
META = "io.k8s.apimachinery.pkg.apis.meta.v1."


def load() -> dict[str, Schema]:
    """The definitions as the package has them."""
    path = resources.files("kubernetes_validate") / "kubernetes-json-schema" / "v1.36.0-local" / "_definitions.json"
    found: dict[str, Schema] = msgspec.json.decode(path.read_bytes())["$defs"]
    return found


def name_of(info: ResourceInfo, kind: str = "") -> str:
    """`io.k8s.api.core.v1.Pod`; of a custom resource `com.example.stable.v1.CronTab`."""
    kind = kind or info.kind
    if not info.module:
        return f"{'.'.join(reversed(info.group.split('.')))}.{info.version}.{kind}"
    home = _HOMES.get(info.group) or f"io.k8s.api.{info.group.split('.', 1)[0] or 'core'}"
    return f"{home}.{info.version}.{kind}"


def closure(source: dict[str, Schema], names: Iterable[str]) -> set[str]:
    """These schemas and all that they refer to."""
    found: set[str] = set()
    waiting = [n for n in names if n in source]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += [r for r in _references(source[name]) if r not in found and r in source]
    return found


def _references(schema: Any) -> Iterable[str]:
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(_SOURCE)
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)


def translate(name: str, schema: Schema, *, v3: bool) -> Schema:
    """A definition in OpenAPI's words: one type each, references to the document's own place."""
    if name == QUANTITY:
        return (
            {**_described(schema), "oneOf": [{"type": "string"}, {"type": "number"}]}
            if v3
            else {**_described(schema), "type": "string"}
        )
    if name == INT_OR_STRING:
        kinds = {"oneOf": [{"type": "integer"}, {"type": "string"}]} if v3 else {"type": "string"}
        return {**_described(schema), "format": "int-or-string", **kinds}
    translated: Schema = _translate(schema, v3=v3)
    return translated


def _described(schema: Schema) -> Schema:
    return {"description": schema["description"]} if "description" in schema else {}


def _translate(schema: Any, *, v3: bool) -> Any:
    if not isinstance(schema, dict):
        return schema
    out: Schema = {}
    for key, value in schema.items():
        if key == "properties":
            out[key] = {name: _translate(v, v3=v3) for name, v in value.items()}
        elif key in ("items", "additionalProperties"):
            out[key] = _translate(value, v3=v3)
        elif key == "type" and isinstance(value, list):
            out[key] = next(t for t in value if t != "null")
        elif key == "$ref":
            _refer(out, value.removeprefix(_SOURCE), v3=v3)
        elif key == "enum" and "type" in schema:
            # Added by the package for its own checks (kind, apiVersion); real ones have descriptions of their values.
            if not _is_identity(schema):
                out[key] = [v for v in value if v is not None]
        else:
            out[key] = value
    if v3 and "$ref" in out and len(out) > 1:
        out["allOf"] = [{"$ref": out.pop("$ref")}]
        if out.get("default") is None and not str(out["allOf"][0]["$ref"]).endswith((".Time", ".MicroTime")):
            out["default"] = {}
    return out


def _refer(out: Schema, name: str, *, v3: bool) -> None:
    out["$ref"] = f"#/components/schemas/{name}" if v3 else f"#/definitions/{name}"


def _is_identity(schema: Schema) -> bool:
    description = str(schema.get("description", ""))
    return description.startswith(("APIVersion defines the versioned schema", "Kind is a string value representing"))
