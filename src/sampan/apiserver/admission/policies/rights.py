"""What expressions may ask of the authorisers: whether the user of a request may do something else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sampan.apiserver.contracts import AUTHENTICATED, AdmissionAttributes, Attributes, Authorizer, User

if TYPE_CHECKING:
    from sampan.apiserver.cel.functions.authorizer import Asked, Decide, Decision, Question


def questions(authorizers: Sequence[Authorizer], attributes: AdmissionAttributes) -> dict[str, Question]:
    """The variables `authorizer` and `authorizer.requestResource`."""
    from sampan.apiserver.cel.functions.authorizer import Asked, authorizer, resource_check

    decide = _decider(authorizers, attributes.user)
    own = Asked(
        group=attributes.info.group,
        resource=attributes.info.resource,
        subresource=attributes.subresource,
        namespace=attributes.namespace,
        name=attributes.name,
    )
    return {"authorizer": authorizer(decide), "authorizer.requestResource": resource_check(decide, own)}


def _decider(authorizers: Sequence[Authorizer], user: User) -> Decide:
    def decide(asked: Asked, verb: str) -> Decision:
        from sampan.apiserver.cel.functions.authorizer import Decision

        who = user if asked.service_account is None else _service_account(*asked.service_account)
        wanted = Attributes(
            verb=verb,
            group=asked.group,
            version="*",
            resource=asked.resource,
            subresource=asked.subresource,
            namespace=asked.namespace,
            name=asked.name,
            path=asked.path,
            is_resource=not asked.path,
            label_selector=asked.label_selector,
            field_selector=asked.field_selector,
        )
        for one in authorizers:
            found = _now(one, who, wanted)
            if found is None:
                return Decision(False, "", "the authorizer did not answer at once")
            if found[0] is not None:
                return Decision(found[0], found[1])
        return Decision(False)

    return decide


def _now(authorizer: Authorizer, user: User, wanted: Attributes) -> tuple[bool | None, str] | None:
    """Expressions do not wait, and neither do our authorisers: they decide by what is in the cache."""
    asking = authorizer.authorize(user, wanted).__await__()
    try:
        next(asking)
    except StopIteration as done:
        return done.value.allowed, done.value.reason
    asking.close()
    return None


def _service_account(namespace: str, name: str) -> User:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return User(name=f"system:serviceaccount:{namespace}:{name}", groups=groups)
