"""serviceaccounts/token: a token for a service account, bound to a Pod, Secret or Node that it lives and dies with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import msgspec

from sampan.api.errors import BadRequest, FieldError, conflict, invalid, not_found
from sampan.api.types import authentication_v1, core_v1, meta_v1
from sampan.apiserver.authn.serviceaccounts import Tokens
from sampan.apiserver.bodies import read_object
from sampan.apiserver.endpoint import kind_of
from sampan.apiserver.handlers.answers import answer_kind
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.options import write_options
from sampan.apiserver.request import Answer


class PartialObject(msgspec.Struct):
    metadata: meta_v1.ObjectMeta


SHORTEST, LONGEST = 600, 1 << 32
DEFAULT = 3600
POD_DEFAULT = 3607  # what the admission plugin asks for; such tokens live a year, and warn after this
EXTENDED = 365 * 24 * 3600
BINDABLE = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}


def token_handler(tokens: Tokens) -> Callable[[Context], Awaitable[Answer]]:
    async def create_token(context: Context) -> Answer:
        options = write_options(context.request, "CreateOptions")
        kind = kind_of("authentication.k8s.io", "v1", "TokenRequest")
        request: authentication_v1.TokenRequest = read_object(
            context.request, kind, validation=options.field_validation
        )
        found = context.endpoint.cache.get(context.namespace, context.name)
        if found is None:
            raise not_found("serviceaccounts", context.name)
        account = msgspec.json.decode(b"{" + found.tail, type=core_v1.ServiceAccount)
        _check(request, context)
        attributes = context.attributes("CREATE", obj=request, dry_run=options.dry_run, options=options)
        await context.core.admission.mutate(attributes)
        await context.core.admission.validate(attributes)
        spec = request.spec
        bound = _bound(context, spec.boundObjectRef)
        seconds = spec.expirationSeconds or DEFAULT
        ours = not spec.audiences or set(spec.audiences) <= set(tokens.audiences)
        extended = seconds == POD_DEFAULT and "pod" in bound and ours
        spec.audiences = spec.audiences or list(tokens.audiences)
        text, ends = tokens.issue(
            namespace=context.namespace,
            account=context.name,
            account_uid=account.metadata.uid or "",
            audiences=spec.audiences,
            seconds=EXTENDED if extended else seconds,
            bound=bound,
            warn_after=seconds if extended else None,
        )
        if extended:
            ends = int(datetime.now(UTC).timestamp()) + seconds
        spec.expirationSeconds = seconds
        request.metadata.name, request.metadata.namespace = context.name, context.namespace
        request.metadata.creationTimestamp = context.core.timestamp()
        request.status = authentication_v1.TokenRequestStatus(
            token=text,
            expirationTimestamp=datetime.fromtimestamp(ends, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        return answer_kind(context, kind, request, status=201)

    return create_token


def _check(request: authentication_v1.TokenRequest, context: Context) -> None:
    meta = request.metadata
    if meta.name and meta.name != context.name:
        raise BadRequest(f"the name of the object ({meta.name}) does not match the name on the URL ({context.name})")
    errors = []
    seconds = request.spec.expirationSeconds
    if seconds is not None and seconds < SHORTEST:
        said = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
        errors.append(FieldError("FieldValueInvalid", "spec.expirationSeconds", said))
    if seconds is not None and seconds > LONGEST:
        said = f"Invalid value: {seconds}: may not specify a duration larger than 2^32 seconds"
        errors.append(FieldError("FieldValueInvalid", "spec.expirationSeconds", said))
    if errors:
        raise invalid("TokenRequest", meta.name or "", errors, group="authentication.k8s.io")


def _bound(context: Context, reference: authentication_v1.BoundObjectReference | None) -> dict[str, dict[str, str]]:
    if reference is None:
        return {}
    resource = BINDABLE.get(reference.kind or "")
    if resource is None or reference.apiVersion != "v1":
        said = f"cannot bind token for serviceaccount to object of type {reference.apiVersion}, Kind={reference.kind}"
        raise BadRequest(said)
    endpoint = context.core.endpoint("", "v1", resource)
    assert endpoint is not None
    name = reference.name or ""
    found = endpoint.cache.get("" if resource == "nodes" else context.namespace, name)
    if found is None:
        raise not_found(resource, name)
    meta = msgspec.json.decode(b"{" + found.tail, type=PartialObject).metadata
    if reference.uid and reference.uid != meta.uid:
        said = (
            f"the UID in the bound object reference ({reference.uid}) does not match the UID in record. "
            "The object might have been deleted and then recreated"
        )
        raise conflict(resource, name, said)
    result = {(reference.kind or "").lower(): {"name": name, "uid": meta.uid or ""}}
    if resource == "pods":
        pod = msgspec.json.decode(b"{" + found.tail, type=core_v1.Pod)
        if pod.spec.serviceAccountName not in (None, "", context.name):
            said = f'cannot bind token for serviceaccount "{context.name}" to pod running with different '
            raise BadRequest(f"{said}serviceaccount name.")
        result |= _node_of(context, pod)
    return result


def _node_of(context: Context, pod: core_v1.Pod) -> dict[str, dict[str, str]]:
    name = pod.spec.nodeName
    if not name:
        return {}
    endpoint = context.core.endpoint("", "v1", "nodes")
    assert endpoint is not None
    found = endpoint.cache.get("", name)
    uid = msgspec.json.decode(b"{" + found.tail, type=core_v1.Node).metadata.uid if found is not None else ""
    return {"node": {"name": name, "uid": uid or ""}}
