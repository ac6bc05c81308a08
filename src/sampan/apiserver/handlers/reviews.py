"""Reviews: questions about who somebody is and what somebody may do. Answered, never stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sampan.api.errors import BadRequest, FieldError, Unauthorized, invalid
from sampan.api.types import authentication_v1, authorization_v1
from sampan.apiserver.authn.jwt import BadToken
from sampan.apiserver.authn.serviceaccounts import Tokens
from sampan.apiserver.authz.rbac import Rbac
from sampan.apiserver.bodies import read_object
from sampan.apiserver.contracts import MASTERS, Attributes, Authenticator, Authorizer, User
from sampan.apiserver.endpoint import kind_of
from sampan.apiserver.handlers.answers import answer_kind
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.options import write_options
from sampan.apiserver.request import Answer, Request

AUTHN, AUTHZ = "authentication.k8s.io", "authorization.k8s.io"
Handler = Callable[[Context], Awaitable[Answer]]


def handlers(
    tokens: Tokens, rbac: Rbac, authorizers: Sequence[Authorizer], authenticators: Sequence[Authenticator]
) -> dict[tuple[str, str], Handler]:
    """By group and resource."""

    def read(context: Context, group: str, kind: str) -> Any:
        options = write_options(context.request, "CreateOptions")
        return read_object(context.request, kind_of(group, "v1", kind), validation=options.field_validation)

    def answer(context: Context, group: str, kind: str, review: Any) -> Answer:
        return answer_kind(context, kind_of(group, "v1", kind), review, status=201)

    async def self_subject(context: Context) -> Answer:
        review = read(context, AUTHN, "SelfSubjectReview")
        review.metadata.creationTimestamp = context.core.timestamp()
        review.status = authentication_v1.SelfSubjectReviewStatus(userInfo=user_info(context.user))
        return answer(context, AUTHN, "SelfSubjectReview", review)

    async def token(context: Context) -> Answer:
        review: authentication_v1.TokenReview = read(context, AUTHN, "TokenReview")
        if not review.spec.token:
            raise BadRequest("token is required for TokenReview in authentication")
        review.status = await _review_token(context, tokens, authenticators, review)
        return answer(context, AUTHN, "TokenReview", review)

    async def subject_access(context: Context) -> Answer:
        review: authorization_v1.SubjectAccessReview = read(context, AUTHZ, "SubjectAccessReview")
        _check_access(review, "SubjectAccessReview")
        review.status = await _decide(_user_of(review.spec), review.spec, authorizers)
        return answer(context, AUTHZ, "SubjectAccessReview", review)

    async def local_subject_access(context: Context) -> Answer:
        review: authorization_v1.LocalSubjectAccessReview = read(context, AUTHZ, "LocalSubjectAccessReview")
        _check_access(review, "LocalSubjectAccessReview", namespace=context.namespace)
        review.status = await _decide(_user_of(review.spec), review.spec, authorizers)
        return answer(context, AUTHZ, "LocalSubjectAccessReview", review)

    async def self_subject_access(context: Context) -> Answer:
        review: authorization_v1.SelfSubjectAccessReview = read(context, AUTHZ, "SelfSubjectAccessReview")
        _check_access(review, "SelfSubjectAccessReview")
        review.status = await _decide(context.user, review.spec, authorizers)
        return answer(context, AUTHZ, "SelfSubjectAccessReview", review)

    async def self_subject_rules(context: Context) -> Answer:
        review: authorization_v1.SelfSubjectRulesReview = read(context, AUTHZ, "SelfSubjectRulesReview")
        namespace = review.spec.namespace
        if not namespace:
            raise BadRequest("no namespace on request")
        review.status = rules_status(rbac, context.user, namespace)
        review.spec = authorization_v1.SelfSubjectRulesReviewSpec()
        return answer(context, AUTHZ, "SelfSubjectRulesReview", review)

    return {
        (AUTHN, "selfsubjectreviews"): self_subject,
        (AUTHN, "tokenreviews"): token,
        (AUTHZ, "subjectaccessreviews"): subject_access,
        (AUTHZ, "localsubjectaccessreviews"): local_subject_access,
        (AUTHZ, "selfsubjectaccessreviews"): self_subject_access,
        (AUTHZ, "selfsubjectrulesreviews"): self_subject_rules,
    }


def user_info(user: User) -> authentication_v1.UserInfo:
    return authentication_v1.UserInfo(
        username=user.name,
        uid=user.uid or None,
        groups=list(user.groups) or None,
        extra={k: list(v) for k, v in user.extra.items()} or None,
    )


async def _review_token(
    context: Context,
    tokens: Tokens,
    authenticators: Sequence[Authenticator],
    review: authentication_v1.TokenReview,
) -> authentication_v1.TokenReviewStatus:
    token = review.spec.token or ""
    asked = tuple(review.spec.audiences or tokens.audiences)
    try:
        user, common = tokens.review(token, asked)
        return authentication_v1.TokenReviewStatus(authenticated=True, user=user_info(user), audiences=list(common))
    except BadToken as error:
        why = str(error)
    shown = Request("GET", "/", headers={"authorization": f"Bearer {token}"})
    for authenticator in authenticators:
        try:
            found = await authenticator.authenticate(shown)
        except Unauthorized:
            continue
        if found is not None:
            audiences = list(review.spec.audiences or ()) or None
            return authentication_v1.TokenReviewStatus(authenticated=True, user=user_info(found), audiences=audiences)
    del context
    return authentication_v1.TokenReviewStatus(
        user=authentication_v1.UserInfo(), error=f"[invalid bearer token, {why}]"
    )


def _check_access(review: Any, kind: str, *, namespace: str = "") -> None:
    spec = review.spec
    errors = []
    if spec.resourceAttributes is not None and spec.nonResourceAttributes is not None:
        said = "Invalid value: cannot be specified in combination with resourceAttributes"
        errors.append(FieldError("FieldValueInvalid", "spec.nonResourceAttributes", said))
    if spec.resourceAttributes is None and spec.nonResourceAttributes is None:
        said = "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"
        errors.append(FieldError("FieldValueInvalid", "spec.resourceAttributes", said))
    if kind != "SelfSubjectAccessReview" and not spec.user and not spec.groups:
        said = 'Invalid value: "": at least one of user or group must be specified'
        errors.append(FieldError("FieldValueInvalid", "spec.user", said))
    if namespace and spec.resourceAttributes is not None and spec.resourceAttributes.namespace != namespace:
        raise BadRequest(f"spec.resourceAttributes.namespace must match namespace: {namespace}")
    if errors:
        raise invalid(kind, "", errors, group=AUTHZ)


def _user_of(spec: Any) -> User:
    extra = {k: tuple(v) for k, v in (spec.extra or {}).items()}
    return User(name=spec.user or "", uid=spec.uid or "", groups=tuple(spec.groups or ()), extra=extra)


async def _decide(
    user: User, spec: Any, authorizers: Sequence[Authorizer]
) -> authorization_v1.SubjectAccessReviewStatus:
    attributes = _attributes(spec)
    reasons = []
    for authorizer in authorizers:
        decision = await authorizer.authorize(user, attributes)
        if decision.allowed is not None:
            return authorization_v1.SubjectAccessReviewStatus(
                allowed=decision.allowed,
                denied=None if decision.allowed else True,
                reason=decision.reason or None,
            )
        if decision.reason:
            reasons.append(decision.reason)
    return authorization_v1.SubjectAccessReviewStatus(allowed=False, reason=", ".join(reasons) or None)


def _attributes(spec: Any) -> Attributes:
    wanted = spec.resourceAttributes
    if wanted is None:
        other = spec.nonResourceAttributes
        return Attributes(verb=other.verb or "", path=other.path or "", is_resource=False)
    return Attributes(
        verb=wanted.verb or "",
        group=wanted.group or "",
        version=wanted.version or "",
        resource=wanted.resource or "",
        subresource=wanted.subresource or "",
        namespace=wanted.namespace or "",
        name=wanted.name or "",
    )


def rules_status(rbac: Rbac, user: User, namespace: str) -> authorization_v1.SubjectRulesReviewStatus:
    status = authorization_v1.SubjectRulesReviewStatus(incomplete=False)
    if MASTERS in user.groups:
        status.resourceRules.append(authorization_v1.ResourceRule(verbs=["*"], apiGroups=["*"], resources=["*"]))
        status.nonResourceRules.append(authorization_v1.NonResourceRule(verbs=["*"], nonResourceURLs=["*"]))
    for rule in rbac.rules_for(user, namespace):
        if rule.nonResourceURLs:
            status.nonResourceRules.append(
                authorization_v1.NonResourceRule(verbs=rule.verbs, nonResourceURLs=rule.nonResourceURLs)
            )
        else:
            status.resourceRules.append(
                authorization_v1.ResourceRule(
                    verbs=rule.verbs,
                    apiGroups=rule.apiGroups,
                    resources=rule.resources,
                    resourceNames=rule.resourceNames,
                )
            )
    return status
