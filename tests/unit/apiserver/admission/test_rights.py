"""Expressions ask the authorisers: for the user of the request, or for a service account."""

from __future__ import annotations

from sampan.api.scheme import BUILT_IN
from sampan.apiserver.admission.policies.rights import questions
from sampan.apiserver.admission.policies.scope import names
from sampan.apiserver.cel.compiled import compile_expression
from sampan.apiserver.contracts import AdmissionAttributes, Attributes, Decision, User


class OneRight:
    """`ann` may `wave` at the Pod `x`, the service account `a/b` may read /healthz."""

    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        wave = (attributes.verb, attributes.resource, attributes.name) == ("wave", "pods", "x")
        if user.name == "ann" and wave and attributes.is_resource:
            return Decision(True, "friends")
        if user.name == "system:serviceaccount:a:b" and (attributes.verb, attributes.path) == ("get", "/healthz"):
            return Decision(True)
        return Decision(None)


def asked(expression: str, user: str = "ann") -> object:
    info = next(i for i in BUILT_IN if i.resource == "pods" and not i.group)
    attributes = AdmissionAttributes(
        operation="CREATE", info=info, namespace="default", name="x", user=User(name=user), warnings=[]
    )
    given = questions([OneRight()], attributes)
    return compile_expression(expression, names(params=False)).program.run(given)


def test_the_user_of_the_request_is_asked_for() -> None:
    whole = "authorizer.group('').resource('pods').namespace('default').name('x').check('wave')"
    assert asked(f"{whole}.allowed()") is True
    assert asked(f"{whole}.reason()") == "friends"
    assert asked(f"{whole}.errored()") is False
    assert asked(f"{whole}.allowed()", "bob") is False
    assert asked("authorizer.requestResource.check('wave').allowed()") is True
    assert asked("authorizer.requestResource.check('punch').allowed()") is False


def test_or_a_service_account() -> None:
    assert asked("authorizer.path('/healthz').check('get').allowed()") is False
    assert asked("authorizer.serviceAccount('a', 'b').path('/healthz').check('get').allowed()") is True
