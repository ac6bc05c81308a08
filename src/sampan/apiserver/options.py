"""The query parameters of writes, reads and deletes, checked once."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from sampan.api import protobuf
from sampan.api.errors import ApiError, BadRequest, FieldError, invalid
from sampan.api.types.meta_v1 import DeleteOptions
from sampan.apiserver.negotiation import PROTOBUF, YAML, sent
from sampan.apiserver.request import Request

_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False", ""))


class WriteOptions(Struct, frozen=True, kw_only=True):
    dry_run: bool = False
    field_manager: str = ""
    field_validation: str = "Warn"
    force: bool | None = None


_PLAIN = WriteOptions()


def write_options(request: Request, kind: str) -> WriteOptions:
    """`kind` is the options' own: CreateOptions, UpdateOptions, PatchOptions."""
    if not request.query_string and not request.query:
        return _PLAIN
    dry_run = request.query.get("dryRun") or []
    validation = request.param("fieldValidation")
    manager = request.param("fieldManager")
    errors: list[FieldError] = []
    if dry_run and dry_run != [""] and any(d != "All" for d in dry_run):
        errors.append(_unsupported("dryRun", dry_run, ("All",)))
    if manager and len(manager) > 128:
        errors.append(FieldError("FieldValueTooLong", "fieldManager", "Too long: may not be more than 128 bytes"))
    if any(not c.isprintable() for c in manager):
        errors.append(
            FieldError(
                "FieldValueInvalid",
                "fieldManager",
                f'Invalid value: "{manager}": should only contain printable characters',
            )
        )
    if validation not in ("", "Strict", "Warn", "Ignore"):
        errors.append(_unsupported("fieldValidation", validation, ("Ignore", "Strict", "Warn")))
    if errors:
        raise invalid(kind, "", errors, group="meta.k8s.io")
    force = request.param("force")
    return WriteOptions(
        dry_run=dry_run == ["All"] or "All" in dry_run,
        field_manager=manager,
        field_validation=validation or "Warn",
        force=boolean(request, "force") if force else None,
    )


def _unsupported(field: str, value: Any, supported: tuple[str, ...]) -> FieldError:
    listed = ", ".join(f'"{s}"' for s in supported)
    shown = msgspec.json.encode(value).decode()
    return FieldError("FieldValueNotSupported", field, f"Unsupported value: {shown}: supported values: {listed}")


def boolean(request: Request, name: str) -> bool:
    """A boolean parameter; given without a value it is true, as Go's conversion has it."""
    values = request.query.get(name)
    if not values:
        return False
    return values[0].lower() not in ("false", "0")


def integer(request: Request, name: str) -> int | None:
    text = request.param(name)
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def delete_options(request: Request) -> DeleteOptions:
    """From the body, else from the query."""
    body = request.body
    options = DeleteOptions()
    if body and body.strip() != b"null":
        options = _delete_body(request, body)
    elif request.query_string or request.query:
        options.gracePeriodSeconds = integer(request, "gracePeriodSeconds")
        options.propagationPolicy = request.param("propagationPolicy") or None
        options.dryRun = [d for d in request.query.get("dryRun") or [] if d] or None
        if "orphanDependents" in request.query:
            options.orphanDependents = boolean(request, "orphanDependents")
        uid, revision = request.param("preconditions.uid"), request.param("preconditions.resourceVersion")
        if uid or revision:
            from sampan.api.types.meta_v1 import Preconditions

            options.preconditions = Preconditions(uid=uid or None, resourceVersion=revision or None)
    _check_delete(options)
    return options


def _delete_body(request: Request, body: bytes) -> DeleteOptions:
    try:
        options = msgspec.convert(_without_nulls(_plain(body, sent(request.header("content-type")))), DeleteOptions)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise BadRequest(f"couldn't get version/kind; json parse error: {error}") from None
    if options.kind and options.kind != "DeleteOptions":
        raise BadRequest(f"decoded object cannot be converted to DeleteOptions: {options.kind}")
    return options


def _plain(body: bytes, media: str) -> Any:
    if media == PROTOBUF:
        try:
            return protobuf.decode_object(body)
        except (protobuf.BadProtobuf, UnicodeDecodeError) as error:
            raise BadRequest(str(error)) from error
    return _load_yaml(body) if media == YAML else msgspec.json.decode(body)


def _load_yaml(body: bytes) -> Any:
    from sampan.apiserver.yamlbody import YAMLError, load  # seldom needed, and slow to import

    try:
        return load(body)
    except YAMLError as error:
        raise msgspec.DecodeError(str(error)) from error


def _without_nulls(plain: Any) -> Any:
    return {k: v for k, v in plain.items() if v is not None} if isinstance(plain, dict) else plain


def _check_delete(options: DeleteOptions) -> None:
    errors: list[FieldError] = []
    if options.propagationPolicy is not None and options.orphanDependents is not None:
        said = (
            f'Invalid value: "{options.propagationPolicy}": orphanDependents and deletionPropagation cannot be both set'
        )
        errors.append(FieldError("FieldValueInvalid", "propagationPolicy", said))
    if options.propagationPolicy not in (None, "Foreground", "Background", "Orphan"):
        errors.append(
            _unsupported("propagationPolicy", options.propagationPolicy, ("Foreground", "Background", "Orphan", "nil"))
        )
    if options.dryRun and any(d != "All" for d in options.dryRun):
        errors.append(_unsupported("dryRun", options.dryRun, ("All",)))
    if errors:
        raise _delete_invalid(errors)


def _delete_invalid(errors: list[FieldError]) -> ApiError:
    return invalid("DeleteOptions", "", errors, group="meta.k8s.io")
