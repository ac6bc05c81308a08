"""The schema of a custom resource as it is published: with what every object has, and (v2) in words that kubectl's old
validation understands."""

from __future__ import annotations

from typing import Any

from sampan.apiserver.custom.pruning import EMBEDDED, PRESERVE
from sampan.apiserver.openapi.definitions import META, translate

Schema = dict[str, Any]
_EITHER = "x-kubernetes-int-or-string"
_EVERY = ("apiVersion", "kind", "metadata")
# What v2 has no words for, or what its protobuf form cannot carry.
_NOT_IN_V2 = ("allOf", "anyOf", "oneOf", "not", "nullable")


def published(schema: Schema | None, source: dict[str, Schema], *, v3: bool) -> Schema:
    """`source` has the definitions of built-in kinds: its words for the fields that every object has are taken."""
    if not schema or (not v3 and schema.get(PRESERVE)):
        # To name some fields would tell kubectl that there are no others.
        return {"type": "object"}
    made = dict(schema) if v3 else _in_v2(schema)
    common = _common(source, v3=v3)
    made["properties"] = {**(made.get("properties") or {}), **common}
    whole: Schema = _embedded(made, common, root=True)
    return whole


def _common(source: dict[str, Schema], *, v3: bool) -> dict[str, Schema]:
    some = source["io.k8s.api.core.v1.ConfigMap"]["properties"]
    found = {name: translate("", some[name], v3=v3) for name in _EVERY}
    place = "#/components/schemas/" if v3 else "#/definitions/"
    about = source[f"{META}ObjectMeta"].get("description", "")
    described = found["metadata"].get("description") or about
    reference = {"$ref": f"{place}{META}ObjectMeta"}
    found["metadata"] = {"description": described, **({"allOf": [reference]} if v3 else reference)}
    return found


def _embedded(schema: Any, common: dict[str, Schema], *, root: bool = False) -> Any:
    """Whole objects inside of others have those fields, too."""
    if isinstance(schema, list):
        return [_embedded(item, common) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _embedded(value, common) for key, value in schema.items() if key != "properties"}
    if "properties" in schema:
        made["properties"] = {name: _embedded(child, common) for name, child in schema["properties"].items()}
    if schema.get(EMBEDDED) and not root:
        made["properties"] = {**made.get("properties", {}), **common}
    return made


def _in_v2(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    made = {key: value for key, value in schema.items() if key not in _NOT_IN_V2}
    vague = schema.get("nullable") or (schema.get(EMBEDDED) is None and schema.get(PRESERVE))
    if schema.get("nullable") or schema.get(_EITHER):
        made.pop("type", None)
    if vague:
        for key in ("items", "properties"):
            made.pop(key, None)
    for key in ("items", "additionalProperties"):
        if key in made:
            made[key] = _in_v2(made[key])
    if "properties" in made:
        made["properties"] = {name: _in_v2(child) for name, child in made["properties"].items()}
    return made
