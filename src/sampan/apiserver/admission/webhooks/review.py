"""AdmissionReview: the question that a webhook is asked, and what its answer means. Pure."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from sampan.api.errors import ApiError, Cause, InternalError
from sampan.api.patch import json as json_patch
from sampan.apiserver.admission.policies.seen import plain, request_of
from sampan.apiserver.contracts import AdmissionAttributes

GROUP = "admission.k8s.io"
_OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}


class BadAnswer(Exception):
    """The webhook answered something that is no review of this question."""


def question(attributes: AdmissionAttributes, uid: str, version: str) -> dict[str, Any]:
    request = {
        "uid": uid,
        **request_of(attributes),
        "object": _object(attributes, attributes.object),
        "oldObject": _object(attributes, attributes.old),
        "options": _options(attributes),
    }
    return {"kind": "AdmissionReview", "apiVersion": f"{GROUP}/{version}", "request": request}


def _object(attributes: AdmissionAttributes, obj: Any) -> Any:
    found = plain(obj)
    if found is not None and not attributes.subresource:
        found |= {"kind": attributes.info.kind, "apiVersion": attributes.info.api_version}
    return found


def _options(attributes: AdmissionAttributes) -> dict[str, Any] | None:
    kind = _OPTIONS.get(attributes.operation)
    if kind is None:
        return None
    found: dict[str, Any] = {"kind": kind, "apiVersion": "meta.k8s.io/v1"}
    options = attributes.options
    if kind == "DeleteOptions" and options is not None:
        return {**msgspec.to_builtins(options), **found}
    if attributes.dry_run:
        found["dryRun"] = ["All"]
    for name, said in (("fieldManager", "field_manager"), ("fieldValidation", "field_validation")):
        value = getattr(options, said, "")
        if value and value != "Warn":  # the default is not said
            found[name] = value
    return found


def response_of(answer: Any, uid: str) -> dict[str, Any]:
    """Raises `BadAnswer`."""
    if not isinstance(answer, dict) or answer.get("kind") != "AdmissionReview":
        raise BadAnswer("expected response.kind=AdmissionReview")
    response = answer.get("response")
    if not isinstance(response, dict):
        raise BadAnswer("webhook response was absent")
    if str(answer.get("apiVersion", "")).endswith("/v1") and response.get("uid") != uid:
        raise BadAnswer(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
    return response


def refusal(name: str, response: dict[str, Any]) -> ApiError | None:
    """None: the webhook allows it. The Status of its own that it may give is the client's, with the webhook's name."""
    if response.get("allowed") is True:
        return None
    status = response.get("status")
    status = status if isinstance(status, dict) else {}
    said = f'admission webhook "{name}" denied the request'
    if status.get("message") or status.get("reason"):
        said += f": {status.get('message') or status.get('reason')}"
    else:
        said += " without explanation"
    error = ApiError(said)
    code = status.get("code")
    error.http_code = code if isinstance(code, int) and 400 <= code < 600 else 400
    error.status_reason = str(status.get("reason") or "")
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    if isinstance(causes, list):
        error.causes = [
            Cause(reason=str(c.get("reason", "")), message=str(c.get("message", "")), field=str(c.get("field", "")))
            for c in causes
            if isinstance(c, dict)
        ]
    return error


def patched(obj: dict[str, Any], response: dict[str, Any]) -> dict[str, Any] | None:
    """The object with the webhook's JSON patch; None when it has none. Raises `BadAnswer`."""
    patch, kind = response.get("patch"), response.get("patchType")
    if not patch:
        if kind:
            raise BadAnswer("webhook returned response.patchType but not response.patch")
        return None
    if kind != "JSONPatch":
        raise BadAnswer(f'invalid response.patchType, got "{kind or ""}", expected "JSONPatch"')
    try:
        operations = msgspec.json.decode(base64.b64decode(patch))
        after = json_patch.apply(obj, operations)
    except (binascii.Error, ValueError, TypeError, msgspec.DecodeError) as error:
        raise BadAnswer(f"the patch cannot be read: {error}") from None
    except ApiError as error:
        raise BadAnswer(error.message) from None
    if not isinstance(after, dict):
        raise BadAnswer("the patch leaves no object")
    return after


def failed(name: str, why: str) -> InternalError:
    return InternalError(f'Internal error occurred: failed calling webhook "{name}": {why}')
