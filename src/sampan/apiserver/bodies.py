"""From a request's body to an object: JSON or YAML, checked for its kind, its fields and their types."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api import protobuf
from sampan.api.errors import ApiError, BadRequest
from sampan.apiserver import leaves, strict, wording
from sampan.apiserver.codec import decode_any
from sampan.apiserver.endpoint import Kind
from sampan.apiserver.negotiation import PROTOBUF, YAML, sent
from sampan.apiserver.request import Request
from sampan.apiserver.sound import is_sound


def read_object(request: Request, endpoint: Kind, *, validation: str) -> Any:
    """The object of a create or update. `validation` is Strict, Warn or Ignore."""
    body = request.body
    media = sent(request.header("content-type"))
    if media == PROTOBUF:
        return from_dict(load_protobuf(body), endpoint, request, validation=validation)
    if media == YAML:
        plain: Any = _load_yaml(body, endpoint)
        if not isinstance(plain, dict):
            raise _unrecognized(endpoint, body, plain)
        return from_dict(plain, endpoint, request, validation=validation)
    if endpoint.info.type is None:
        return from_dict(_load_json(body, endpoint), endpoint, request, validation=validation, raw=body)
    try:
        obj = endpoint.codec.decode(body)
    except msgspec.ValidationError:
        return from_dict(_load_json(body, endpoint), endpoint, request, validation=validation, raw=body)
    except msgspec.DecodeError:
        raise _syntax(endpoint, body) from None
    check_kind(endpoint, obj.apiVersion, obj.kind)
    if is_sound(endpoint, body):
        return obj
    decoded = decode_any(body)
    if check_leaves(endpoint, decoded):
        return from_dict(decoded, endpoint, request, validation=validation, raw=body)
    if validation != "Ignore":
        strict.check(request, endpoint, decoded, body, validation=validation)
    return obj


def load_protobuf(body: bytes) -> dict[str, Any]:
    try:
        return protobuf.decode_object(body)
    except (protobuf.BadProtobuf, UnicodeDecodeError) as error:
        raise BadRequest(str(error)) from error


def check_leaves(endpoint: Kind, plain: dict[str, Any]) -> bool:
    """Times and bytes. Whether some had to be written anew."""
    try:
        return bool(endpoint.info.schema_ref) and leaves.check(endpoint.info.schema_ref, plain)
    except leaves.BadLeaf as error:
        info = endpoint.info
        said = f'{info.kind} in version "{info.version}" cannot be handled as a {info.kind}: {error}'
        raise BadRequest(said) from None


def from_dict(plain: dict[str, Any], endpoint: Kind, request: Request, *, validation: str, raw: bytes = b"") -> Any:
    """The slow path: nulls are dropped, as Go leaves a field alone that is null."""
    check_kind(endpoint, plain.get("apiVersion"), plain.get("kind"))
    if validation != "Ignore":
        strict.check(request, endpoint, plain, raw, validation=validation)
    check_leaves(endpoint, plain)
    try:
        return endpoint.codec.from_dict(plain if endpoint.info.type is None else without_nulls(plain))
    except msgspec.ValidationError as error:
        raise wording.wrong_type(endpoint, plain, error) from None


def check_kind(endpoint: Kind, api_version: Any, kind: Any) -> None:
    info = endpoint.info
    if (kind is None or kind == info.kind) and (api_version is None or api_version == info.api_version):
        return
    raise wording.wrong_kind(endpoint, api_version or info.api_version, kind or info.kind)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls(v) for v in value]
    return value


def _load_json(body: bytes, endpoint: Kind) -> dict[str, Any]:
    try:
        plain = decode_any(body)
    except msgspec.DecodeError:
        raise _syntax(endpoint, body) from None
    if not isinstance(plain, dict):
        raise _unrecognized(endpoint, body, plain)
    return plain


def _load_yaml(body: bytes, endpoint: Kind) -> Any:
    from sampan.apiserver.yamlbody import YAMLError, load

    try:
        return load(body)
    except YAMLError as error:
        raise BadRequest(
            f"the object provided is unrecognized (must be of type {endpoint.info.kind}): {error}"
        ) from None


def _syntax(endpoint: Kind, body: bytes) -> ApiError:
    return BadRequest(
        f"the object provided is unrecognized (must be of type {endpoint.info.kind}): couldn't get version/kind; "
        f"json parse error: {wording.json_error(body)} ({wording.shown_body(body)})"
    )


def _unrecognized(endpoint: Kind, body: bytes, plain: Any) -> ApiError:
    target = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
    return BadRequest(
        f"the object provided is unrecognized (must be of type {endpoint.info.kind}): couldn't get version/kind; "
        f"json parse error: json: cannot unmarshal {wording.json_kind(plain)} into Go value of type {target} "
        f"({wording.shown_body(body)})"
    )
