"""The objects that parameterise a policy."""

from __future__ import annotations

from typing import Any

from sampan.api.selectors import labels as label_selectors
from sampan.api.types import admissionregistration_v1 as registration
from sampan.apiserver.core import Core
from sampan.apiserver.endpoint import Endpoint


class ParamError(Exception):
    """A policy or binding whose parameters cannot be found; the message says why."""


def params_of(
    core: Core,
    policy: registration.ValidatingAdmissionPolicy,
    binding: registration.ValidatingAdmissionPolicyBinding,
    namespace: str,
) -> list[Any]:
    """One evaluation is made with each: plain objects, or None for a policy without parameters."""
    kind, ref = policy.spec.paramKind, binding.spec.paramRef
    if kind is None or ref is None:
        return [None]
    endpoint = _endpoint(core, kind)
    if endpoint is None:
        raise ParamError(f"failed to find resource referenced by paramKind: '{kind.apiVersion}, Kind={kind.kind}'")
    where = ""
    if endpoint.info.namespaced:
        where = ref.namespace or namespace
        if not where:
            raise ParamError("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources")
    elif ref.namespace:
        raise ParamError("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
    if ref.name:
        named = endpoint.cache.get(where, ref.name)
        found = [named] if named is not None else []
    else:
        wanted = label_selectors.from_label_selector(ref.selector)
        found = [o for o in endpoint.cache.all(where) if wanted.matches(endpoint.decode(o).metadata.labels)]
    if not found and ref.parameterNotFoundAction == "Deny":
        raise ParamError("no params found for policy binding with `Deny` parameterNotFoundAction")
    return [endpoint.codec.to_dict(endpoint.decode(o)) for o in found]


def _endpoint(core: Core, kind: registration.ParamKind) -> Endpoint | None:
    group, _, version = (kind.apiVersion or "").rpartition("/")
    return next(
        (e for e in core.endpoints() if (e.info.group, e.info.version, e.info.kind) == (group, version, kind.kind)),
        None,
    )
