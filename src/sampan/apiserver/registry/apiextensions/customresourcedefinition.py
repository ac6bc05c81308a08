"""CustomResourceDefinitions as objects: names, versions, and schemas that are structural."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from sampan.api import names
from sampan.api.types.apiextensions_v1 import (
    CustomResourceColumnDefinition,
    CustomResourceConversion,
    CustomResourceDefinition,
    CustomResourceDefinitionNames,
    CustomResourceDefinitionStatus,
    CustomResourceSubresources,
    JSONSchemaProps,
)
from sampan.apiserver.registry import meta
from sampan.apiserver.registry.admissionregistration.webhooks import validate_client_config
from sampan.apiserver.registry.apiextensions.structural import validate_schema
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.strategy import Strategy, WriteContext

_SCOPES = ("Cluster", "Namespaced")
_TYPES = ("boolean", "date", "integer", "number", "string")
_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_APPROVED = "api-approved.kubernetes.io"


class CustomResourceDefinitionStrategy(Strategy):
    allow_unconditional_update: ClassVar[bool] = False
    generation_fields: ClassVar[tuple[str, ...]] = ("spec",)
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)
    returns_deleted: ClassVar[bool] = True
    custom: ClassVar[bool] = True

    def set_defaults(self, obj: CustomResourceDefinition) -> None:
        spec = obj.spec
        kind = spec.names.kind
        if not spec.names.singular:
            spec.names.singular = kind.lower() or None
        if not spec.names.listKind and kind:
            spec.names.listKind = f"{kind}List"
        if spec.conversion is None:
            spec.conversion = CustomResourceConversion(strategy="None")
        webhook = spec.conversion.webhook
        config = webhook.clientConfig if webhook is not None else None
        if config is not None and config.service is not None and config.service.port is None:
            config.service.port = 443

    def prepare_for_create(self, obj: CustomResourceDefinition, context: WriteContext) -> None:
        obj.metadata.generation = 1
        obj.status = CustomResourceDefinitionStatus()
        stored = [version.name for version in obj.spec.versions if version.storage]
        obj.status.storedVersions = stored or None

    def prepare_for_update(self, obj: CustomResourceDefinition, old: CustomResourceDefinition) -> None:
        obj.status = old.status
        self.count_generation(obj, old)
        stored = obj.status.storedVersions or []
        for version in obj.spec.versions:
            if version.storage and version.name not in stored:
                obj.status.storedVersions = [*stored, version.name]

    def prepare_for_status_update(self, obj: CustomResourceDefinition, old: CustomResourceDefinition) -> None:
        obj.spec = old.spec
        obj.metadata.generation = old.metadata.generation
        # Status writers write status: labels, annotations and owners stay.
        for wire in ("labels", "annotations", "finalizers", "ownerReferences"):
            setattr(obj.metadata, wire, getattr(old.metadata, wire))

    def validate(self, obj: CustomResourceDefinition) -> Errors:
        def name_rule(name: str, prefix: bool) -> Iterable[str]:
            objections = list(meta.subdomain_name(name, prefix))
            if not prefix and name != f"{obj.spec.names.plural}.{obj.spec.group}":
                objections.append('must be spec.names.plural+"."+spec.group')
            return objections

        errors = meta.validate_object_meta(obj.metadata, namespaced=False, name_rule=name_rule, custom=True)
        self.validate_spec(obj, errors)
        _stored(obj, errors)
        _approval(obj, errors)
        return errors

    def validate_spec(
        self, obj: CustomResourceDefinition, errors: Errors, old: CustomResourceDefinition | None = None
    ) -> None:
        spec = obj.spec
        if not spec.group:
            errors.required("spec.group")
        else:
            objections = names.dns1123_subdomain(spec.group)
            errors.each("spec.group", spec.group, objections)
            if not objections and "." not in spec.group:
                errors.invalid("spec.group", spec.group, "should be a domain with at least one dot")
        if not spec.scope:
            errors.required("spec.scope")
        elif spec.scope not in _SCOPES:
            errors.unsupported("spec.scope", spec.scope, _SCOPES)
        if spec.preserveUnknownFields:
            instead = "set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
            detail = f"cannot set to true, {instead}"
            errors.invalid("spec.preserveUnknownFields", True, detail)
        _versions(obj, _schemas(old) if old is not None else [], errors)
        _required_names(spec.names, errors)
        _names(spec.names, "spec.names", errors)
        if spec.conversion is not None:
            _conversion(spec.conversion, errors)

    def validate_update(self, obj: CustomResourceDefinition, old: CustomResourceDefinition) -> Errors:
        errors = meta.validate_object_meta_update(obj.metadata, old.metadata, custom=True)
        self.validate_spec(obj, errors, old)
        spec, before = obj.spec, old.spec
        if any(c.type == "Established" and c.status == "True" for c in old.status.conditions or ()):
            if spec.scope != before.scope:
                errors.invalid("spec.scope", spec.scope, meta.IMMUTABLE)
            if spec.names.kind != before.names.kind:
                errors.invalid("spec.names.kind", spec.names.kind, meta.IMMUTABLE)
        if spec.group != before.group:
            errors.invalid("spec.group", spec.group, meta.IMMUTABLE)
        if spec.names.plural != before.names.plural:
            errors.invalid("spec.names.plural", spec.names.plural, meta.IMMUTABLE)
        _stored(obj, errors)
        return errors

    def validate_status(self, obj: CustomResourceDefinition, old: CustomResourceDefinition, errors: Errors) -> None:
        accepted = obj.status.acceptedNames
        if accepted.plural or accepted.kind:
            _names(accepted, "status.acceptedNames", errors)
        _stored(obj, errors)


def _schemas(obj: CustomResourceDefinition) -> list[JSONSchemaProps | None]:
    return [v.schema.openAPIV3Schema if v.schema is not None else None for v in obj.spec.versions]


def _versions(obj: CustomResourceDefinition, before: list[JSONSchemaProps | None], errors: Errors) -> None:
    """`before`: the schemas that are in force."""
    spec = obj.spec
    seen: set[str] = set()
    unique = True
    # One schema for all versions is said once, at the top, as it is kept internally.
    schemas = _schemas(obj)
    shared_schema = bool(schemas) and all(s == schemas[0] for s in schemas)
    shared_sub = len({_key(v.subresources) for v in spec.versions}) == 1
    shared_columns = len({_key(v.additionalPrinterColumns) for v in spec.versions}) == 1
    for index, version in enumerate(spec.versions):
        here = f"spec.versions[{index}]"
        unique = unique and version.name not in seen
        seen.add(version.name)
        objections = names.dns1035_label(version.name)
        if objections:
            errors.invalid(f"{here}.name", version.name, ",".join(objections))
        if version.deprecationWarning is not None:
            _deprecation(version.deprecated, version.deprecationWarning, here, errors)
        if schemas[index] is None:
            errors.required(f"{here}.schema.openAPIV3Schema", "schemas are required")
        elif not shared_schema:
            kept = schemas[index] in before
            validate_schema(schemas[index], f"{here}.schema.openAPIV3Schema", errors, kept=kept)
        if not shared_sub:
            _subresources(version.subresources, f"{here}.subresources", errors)
        if not shared_columns:
            _columns(version.additionalPrinterColumns or (), f"{here}.additionalPrinterColumns", errors)
        for at, selectable in enumerate(version.selectableFields or ()):
            if not selectable.jsonPath:
                errors.required(f"{here}.selectableFields[{at}].jsonPath")
            else:
                _json_path(selectable.jsonPath, f"{here}.selectableFields[{at}].jsonPath", errors)
    if not unique:
        errors.invalid("spec.versions", spec.versions, "must contain unique version names")
    if sum(version.storage for version in spec.versions) != 1:
        detail = "must have exactly one version marked as storage version"
        errors.invalid("spec.versions", spec.versions, detail)
    if not spec.versions:
        return
    if shared_schema and schemas[0] is not None:
        validate_schema(schemas[0], "spec.validation.openAPIV3Schema", errors, kept=schemas[0] in before)
    if shared_sub:
        _subresources(spec.versions[0].subresources, "spec.subresources", errors)
    if shared_columns:
        _columns(spec.versions[0].additionalPrinterColumns or (), "spec.additionalPrinterColumns", errors)


def _key(value: Any) -> str:
    return repr(value)


def _deprecation(deprecated: bool | None, warning: str, path: str, errors: Errors) -> None:
    where = f"{path}.deprecationWarning"
    if not deprecated:
        errors.invalid(where, warning, "can only be set for deprecated versions")
    if not warning:
        errors.invalid(where, warning, "must not be empty")
    elif len(warning.encode()) > 256:
        errors.too_long(where, 256)
    if warning.strip() != warning:
        errors.invalid(where, warning, "must only contain printable UTF-8 characters; must not have surrounding spaces")


def _required_names(found: CustomResourceDefinitionNames, errors: Errors) -> None:
    for wire in ("plural", "singular", "kind", "listKind"):
        if not getattr(found, wire):
            errors.required(f"spec.names.{wire}")


def _names(found: CustomResourceDefinitionNames, path: str, errors: Errors) -> None:
    for wire in ("plural", "singular"):
        value = getattr(found, wire)
        if value:
            objections = names.dns1035_label(value)
            if objections:
                errors.invalid(f"{path}.{wire}", value, ",".join(objections))
    for wire in ("kind", "listKind"):
        value = getattr(found, wire)
        objections = names.dns1035_label(value.lower()) if value else ()
        if objections:
            detail = "may have mixed case, but should otherwise match: " + ",".join(objections)
            errors.invalid(f"{path}.{wire}", value, detail)
    for wire in ("shortNames", "categories"):
        for index, value in enumerate(getattr(found, wire) or ()):
            objections = names.dns1035_label(value)
            if objections:
                errors.invalid(f"{path}.{wire}[{index}]", value, ",".join(objections))
    if found.kind and found.kind == found.listKind:
        errors.invalid(f"{path}.listKind", found.listKind, "kind and listKind may not be the same")


def _subresources(found: CustomResourceSubresources | None, path: str, errors: Errors) -> None:
    scale = found.scale if found is not None else None
    if scale is None:
        return
    for wire, root in (("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")):
        value = getattr(scale, wire)
        where = f"{path}.scale.{wire}"
        if not value:
            errors.required(where)
        elif not _json_path(value, where, errors):
            continue
        elif not value.startswith(f"{root}."):
            errors.invalid(where, value, f"should be a json path under {root}")
    selector = scale.labelSelectorPath
    if selector:
        where = f"{path}.scale.labelSelectorPath"
        if _json_path(selector, where, errors) and not selector.startswith((".spec.", ".status.")):
            errors.invalid(where, selector, "should be a json path under either .spec or .status")


def _json_path(text: str, path: str, errors: Errors) -> bool:
    if not text.startswith(".") or text.endswith(".") or ".." in text:
        errors.invalid(path, text, "must be a simple json path starting with .")
        return False
    return True


def _columns(columns: Iterable[CustomResourceColumnDefinition], path: str, errors: Errors) -> None:
    for index, column in enumerate(columns):
        here = f"{path}[{index}]"
        if not column.name:
            errors.required(f"{here}.name")
        if not column.type:
            errors.required(f"{here}.type", f"must be one of {', '.join(_TYPES)}")
        elif column.type not in _TYPES:
            errors.invalid(f"{here}.type", column.type, f"must be one of {', '.join(_TYPES)}")
        if column.format and column.format not in _FORMATS:
            errors.invalid(f"{here}.format", column.format, f"must be one of {', '.join(_FORMATS)}")
        if not column.jsonPath:
            errors.required(f"{here}.JSONPath")


def _conversion(conversion: CustomResourceConversion, errors: Errors) -> None:
    path = "spec.conversion"
    if conversion.strategy not in ("None", "Webhook"):
        if not conversion.strategy:
            errors.required(f"{path}.strategy")
        else:
            errors.unsupported(f"{path}.strategy", conversion.strategy, ("None", "Webhook"))
    webhook = conversion.webhook
    if conversion.strategy == "Webhook":
        if webhook is None or webhook.clientConfig is None:
            errors.required(f"{path}.webhookClientConfig", "required when strategy is set to Webhook")
        else:
            validate_client_config(webhook.clientConfig, f"{path}.webhookClientConfig", errors)
        if webhook is not None and not webhook.conversionReviewVersions:
            errors.required(f"{path}.conversionReviewVersions")
    elif webhook is not None:
        detail = "should not be set when strategy is not set to Webhook"
        errors.forbidden(f"{path}.webhookClientConfig", detail)


def _stored(obj: CustomResourceDefinition, errors: Errors) -> None:
    path, stored = "status.storedVersions", obj.status.storedVersions
    if not stored:
        errors.invalid(path, stored, "must have at least one stored version")
        return
    served = {version.name for version in obj.spec.versions}
    for version in obj.spec.versions:
        if version.storage and version.name not in stored:
            errors.invalid(path, stored, f"must have the storage version {version.name}")
    for index, name in enumerate(stored):
        if name not in served:
            detail = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                "spec.versions until a storage migration ensures no data remains persisted in "
                f"{name} and removes {name} from status.storedVersions"
            )
            errors.invalid(f"{path}[{index}]", name, detail)


def _approval(obj: CustomResourceDefinition, errors: Errors) -> None:
    group = obj.spec.group
    if not (group in ("k8s.io", "kubernetes.io") or group.endswith((".k8s.io", ".kubernetes.io"))):
        return
    value = (obj.metadata.annotations or {}).get(_APPROVED, "")
    path = f"metadata.annotations[{_APPROVED}]"
    more = "see https://github.com/kubernetes/enhancements/pull/1111"
    if not value:
        errors.required(path, f'protected groups must have approval annotation "{_APPROVED}", {more}')
    elif not value.startswith(("unapproved", "https://", "http://")):
        detail = (
            f'protected groups must have approval annotation "{_APPROVED}" with either a URL or a reason starting with '
            f'"unapproved", {more}'
        )
        errors.invalid(path, value, detail)
