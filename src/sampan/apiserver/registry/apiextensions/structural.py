"""Whether a schema is structural: every value has a type, so that unknown fields can be pruned."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.api.errors import FieldError
from sampan.api.types.apiextensions_v1 import JSONSchemaProps
from sampan.apiserver.custom.pruning import EMBEDDED, unknown_fields
from sampan.apiserver.custom.validation import validate
from sampan.apiserver.registry.field import Errors

if TYPE_CHECKING:
    from sampan.apiserver.registry.apiextensions.budget import Budget

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_UNSUPPORTED = (("definitions", "definitions"), ("dependencies", "dependencies"), ("id", "id"), ("ref", "$ref"))
_MESSAGES = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}
# What a logical branch (allOf, anyOf, oneOf, not) may not say: it validates, it does not describe.
_STRUCTURE_ONLY = (
    ("type", "type"), ("title", "title"), ("description", "description"), ("default", "default"),
    ("additionalProperties", "additionalProperties"), ("nullable", "nullable"),
    ("x_kubernetes_preserve_unknown_fields", "x-kubernetes-preserve-unknown-fields"),
    ("x_kubernetes_embedded_resource", "x-kubernetes-embedded-resource"),
    ("x_kubernetes_int_or_string", "x-kubernetes-int-or-string"),
)  # fmt: skip
_LIST_TYPES = ("atomic", "map", "set")
_MAP_TYPES = ("atomic", "granular")


def as_schema(value: Any) -> JSONSchemaProps | None:
    """Sub-schemas that may also be something else (items, additionalProperties) are kept raw."""
    if isinstance(value, JSONSchemaProps):
        return value
    if isinstance(value, dict):
        return msgspec.convert(value, JSONSchemaProps)
    return None


def validate_schema(schema: JSONSchemaProps | None, path: str, errors: Errors, *, kept: bool = False) -> None:
    """The schema of one version. `kept`: it is in force already, and only confirmed."""
    if schema is None:
        return
    if schema.nullable:
        errors.forbidden(f"{path}.nullable", "nullable cannot be true at the root")
    _plain(schema, path, errors)
    _structural(schema, "root", path, errors)
    _metadata(schema, path, errors)
    if not errors:
        _defaults(msgspec.to_builtins(schema), path, errors)
        _all_rules(schema, path, errors, kept=kept)


def _children(schema: JSONSchemaProps, path: str) -> list[tuple[JSONSchemaProps, str, str]]:
    """Sub-schemas that describe values: what they are, their level and path."""
    found = []
    items = as_schema(schema.items)
    if items is not None:
        found.append((items, "item", f"{path}.items"))
    for name, child in (schema.properties or {}).items():
        found.append((child, "field", f"{path}.properties[{name}]"))
    additional = as_schema(schema.additionalProperties)
    if additional is not None:
        found.append((additional, "field", f"{path}.additionalProperties"))
    return found


def _branches(schema: JSONSchemaProps, path: str) -> list[tuple[JSONSchemaProps, str]]:
    found = []
    for wire in ("allOf", "anyOf", "oneOf"):
        found += [(child, f"{path}.{wire}[{i}]") for i, child in enumerate(getattr(schema, wire) or ())]
    if schema.not_ is not None:
        found.append((schema.not_, f"{path}.not"))
    return found


def _plain(schema: JSONSchemaProps, path: str, errors: Errors) -> None:
    """What no schema of a custom resource may use."""
    if schema.uniqueItems:
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        errors.forbidden(f"{path}.uniqueItems", detail)
    if schema.additionalProperties is False:
        errors.forbidden(f"{path}.additionalProperties", "additionalProperties cannot be set to false")
    if schema.additionalProperties is not None and schema.properties:
        detail = "additionalProperties and properties are mutual exclusive"
        errors.forbidden(f"{path}.additionalProperties", detail)
    if isinstance(schema.items, list):
        errors.forbidden(f"{path}.items", "items must be a schema object and not an array")
    for attribute, wire in _UNSUPPORTED:
        if getattr(schema, attribute):
            errors.forbidden(f"{path}.{wire}", f"{wire} is not supported")
    if schema.patternProperties:
        errors.forbidden(f"{path}.patternProperties", "patternProperties is not supported")
    if schema.type and schema.type not in _TYPES:
        if schema.type == "null":
            errors.forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
        else:
            errors.unsupported(f"{path}.type", schema.type, _TYPES)
    if schema.pattern is not None:
        try:
            re.compile(schema.pattern)
        except re.error as error:
            errors.invalid(f"{path}.pattern", schema.pattern, f"must be a valid regular expression, but isn't: {error}")
    _lists(schema, path, errors)
    for child, _, here in _children(schema, path):
        _plain(child, here, errors)
    for branch, here in _branches(schema, path):
        _plain(branch, here, errors)


def _lists(schema: JSONSchemaProps, path: str, errors: Errors) -> None:
    kind, keys = schema.x_kubernetes_list_type, schema.x_kubernetes_list_map_keys
    where = f"{path}.x-kubernetes-list-type"
    if kind is not None:
        if schema.type != "array":
            errors.invalid(f"{path}.type", schema.type or "", "must be array if x-kubernetes-list-type is specified")
        if kind not in _LIST_TYPES:
            errors.unsupported(where, kind, _LIST_TYPES)
    if kind == "map":
        if not keys:
            errors.required(f"{path}.x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map")
        items = as_schema(schema.items)
        if items is not None and items.type != "object":
            errors.invalid(
                f"{path}.items.type", items.type or "", "must be object if parent array's x-kubernetes-list-type is map"
            )
        for key in keys or ():
            prop = (items.properties or {}).get(key) if items is not None else None
            if prop is None:
                detail = "entries must all be names of item properties"
                errors.invalid(f"{path}.x-kubernetes-list-map-keys", key, detail)
            elif prop.default is None and key not in (items.required or () if items is not None else ()):
                needs = "it must have a default or be a required property"
                detail = f"this property is in x-kubernetes-list-map-keys, so {needs}"
                errors.required(f"{path}.items.properties[{key}].default", detail)
    elif keys:
        errors.required(where, "must be map if x-kubernetes-list-map-keys is non-empty")
    if schema.x_kubernetes_map_type is not None:
        if schema.type != "object":
            errors.invalid(f"{path}.type", schema.type or "", "must be object if x-kubernetes-map-type is specified")
        if schema.x_kubernetes_map_type not in _MAP_TYPES:
            errors.unsupported(f"{path}.x-kubernetes-map-type", schema.x_kubernetes_map_type, _MAP_TYPES)


def _structural(schema: JSONSchemaProps, level: str, path: str, errors: Errors) -> None:
    """Inner values first, as Kubernetes reports them."""
    for child, inner, here in _children(schema, path):
        _structural(child, inner, here, errors)
    either = schema.x_kubernetes_int_or_string
    keep = schema.x_kubernetes_preserve_unknown_fields
    where = f"{path}.type"
    if either:
        if schema.type:
            errors.forbidden(where, "must be empty if x-kubernetes-int-or-string is true")
    elif not schema.type:
        if level == "root" or not keep:
            errors.required(where, _MESSAGES[level])
    elif level == "root" and schema.type != "object":
        errors.invalid(where, schema.type, "must be object at the root")
    if keep is False:
        detail = "must be true or undefined"
        errors.invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, detail)
    if schema.x_kubernetes_embedded_resource:
        if level == "root":
            errors.forbidden(f"{path}.x-kubernetes-embedded-resource", "must not be used at the root")
        if schema.type != "object":
            errors.invalid(where, schema.type or "", "must be object if x-kubernetes-embedded-resource is true")
        if not keep and not schema.properties:
            without = "x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
            detail = f"must not be empty if {without}"
            errors.required(f"{path}.properties", detail)
    if schema.type == "array" and schema.items is None:
        errors.required(f"{path}.items", "must be specified")
    for branch, here in _branches(schema, path):
        _branch(branch, schema, here, errors)


def _branch(branch: JSONSchemaProps, parent: JSONSchemaProps, path: str, errors: Errors) -> None:
    for attribute, wire in _STRUCTURE_ONLY:
        if attribute == "type" and parent.x_kubernetes_int_or_string and branch.type in ("integer", "string"):
            continue
        if getattr(branch, attribute) is not None:
            errors.forbidden(f"{path}.{wire}", "must be empty to be structural")
    for name, child in (branch.properties or {}).items():
        outer = (parent.properties or {}).get(name)
        if outer is None and as_schema(parent.additionalProperties) is None:
            where = path.rpartition(".")[0]
            errors.required(f"{where}.properties[{name}]", f"because it is defined in {path}.properties[{name}]")
        else:
            _branch(child, outer or JSONSchemaProps(), f"{path}.properties[{name}]", errors)
    items = as_schema(branch.items)
    if items is not None:
        _branch(items, as_schema(parent.items) or JSONSchemaProps(), f"{path}.items", errors)
    for inner, here in _branches(branch, path):
        _branch(inner, parent, here, errors)


def _all_rules(schema: JSONSchemaProps, path: str, errors: Errors, *, kept: bool) -> None:
    if not _states_rules(schema):
        return
    from sampan.apiserver.registry.apiextensions.budget import Budget  # few need the language of rules

    budget = Budget(kept=kept)
    _rules(schema, path, errors, budget, root=True, times=1)
    budget.close(path, errors)


def _states_rules(schema: JSONSchemaProps) -> bool:
    return bool(schema.x_kubernetes_validations) or any(_states_rules(c) for c, _, _ in _children(schema, ""))


def _rules(
    schema: JSONSchemaProps,
    path: str,
    errors: Errors,
    budget: Budget,
    *,
    root: bool,
    times: int | None,
    uncorrelatable: str = "",
) -> None:
    from sampan.apiserver.registry.apiextensions.budget import times_within
    from sampan.apiserver.registry.apiextensions.rules import validate_rules

    embedded = bool(schema.x_kubernetes_embedded_resource)
    validate_rules(
        schema, path, errors, root=root or embedded, uncorrelatable=uncorrelatable, times=times, budget=budget
    )
    keyless = schema.type == "array" and schema.x_kubernetes_list_type != "map"
    within = uncorrelatable or (path if keyless or schema.x_kubernetes_map_type == "atomic" else "")
    inside = times_within(schema, times)
    for child, _, here in _children(schema, path):
        _rules(child, here, errors, budget, root=False, times=inside, uncorrelatable=within)


def _defaults(schema: dict[str, Any], path: str, errors: Errors) -> None:
    """A default is held to the schema that it stands in; inner ones are checked where they stand."""
    items, additional = schema.get("items"), schema.get("additionalProperties")
    inner = [(c, f"{path}.properties[{name}]") for name, c in (schema.get("properties") or {}).items()]
    inner += [(items, f"{path}.items")] if isinstance(items, dict) else []
    inner += [(additional, f"{path}.additionalProperties")] if isinstance(additional, dict) else []
    for child, here in inner:
        _defaults(child, here, errors)
    default = schema.get("default")
    if default is None:
        return
    if unknown_fields(default, schema, root=bool(schema.get(EMBEDDED))):
        errors.invalid(f"{path}.default", default, "must not have unknown fields")
    for found in validate(default, schema):
        where = f"{path}.default.{found.field}" if found.field else f"{path}.default"
        errors.append(FieldError(found.reason, where, found.text))


def _metadata(schema: JSONSchemaProps, path: str, errors: Errors) -> None:
    """Metadata is Kubernetes' own: a schema may narrow names, nothing else."""
    found = (schema.properties or {}).get("metadata")
    if found is None:
        return
    where = f"{path}.properties[metadata]"
    if set(found.properties or ()) - {"name", "generateName"} or found.additionalProperties is not None:
        detail = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        errors.forbidden(where, detail)
