"""Asks the webhooks. Those that may change the object one after the other, then all others at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import msgspec

from sampan.api.errors import ApiError, BadRequest
from sampan.api.types import admissionregistration_v1 as registration
from sampan.api.types import core_v1
from sampan.apiserver.admission.matching import Selectors, is_exempt
from sampan.apiserver.admission.plugin import Objects, Plugin
from sampan.apiserver.admission.policies.seen import plain
from sampan.apiserver.admission.webhooks import review
from sampan.apiserver.admission.webhooks.hooks import Hook, matching
from sampan.apiserver.bodies import without_nulls
from sampan.apiserver.contracts import AdmissionAttributes, Authorizer
from sampan.apiserver.core import Core
from sampan.apiserver.outward.calls import CallFailed, ask, target_of

log = logging.getLogger(__name__)
GROUP = "admissionregistration.k8s.io"


class _Webhooks(Plugin):
    def __init__(self, core: Core, resource: str, kind: type[Any], authorizers: Sequence[Authorizer]) -> None:
        super().__init__(core)
        self._authorizers = authorizers
        self._configurations = Objects(core, GROUP, "v1", resource, kind)
        self._selectors = Selectors(Objects(core, "", "v1", "namespaces", core_v1.Namespace))

    def _hooks(self, attributes: AdmissionAttributes) -> list[Hook]:
        configurations = self._configurations.all()
        if not configurations or is_exempt(attributes):
            return []
        return list(matching(configurations, attributes, self._selectors))

    async def _ask(self, hook: Hook, attributes: AdmissionAttributes) -> dict[str, Any] | None:
        """The response of a webhook that allows it; None: it failed, and may. Raises what the client is told."""
        if not self._conditions(hook, attributes):
            return {}
        if attributes.dry_run and not hook.knows_dry_runs:
            raise BadRequest(f'admission webhook "{hook.name}" does not support dry run')
        uid = str(uuid4())
        try:
            target = target_of(self.core, hook.webhook.clientConfig)
            asked = review.question(attributes, uid, hook.version)
            response = review.response_of(await ask(target, asked, seconds=hook.seconds), uid)
        except CallFailed as error:
            return self._failed(hook, f"failed to call webhook: {error}")
        except review.BadAnswer as error:
            return self._failed(hook, f"received invalid webhook response: {error}")
        if (refused := review.refusal(hook.name, response)) is not None:
            raise refused
        attributes.warnings += [str(w) for w in response.get("warnings") or () if w]
        return response

    def _conditions(self, hook: Hook, attributes: AdmissionAttributes) -> bool:
        """Whether its matchConditions let the question through."""
        if not hook.webhook.matchConditions:
            return True
        from sampan.apiserver.admission.webhooks.conditions import hold

        namespace = self._selectors.namespace_of(attributes)
        return hold(
            hook.webhook.matchConditions,
            attributes,
            namespace,
            self._authorizers,
            may_fail=hook.may_fail,
            name=hook.name,
        )

    @staticmethod
    def _failed(hook: Hook, why: str) -> None:
        if not hook.may_fail:
            raise review.failed(hook.name, why)
        log.warning("webhook %s of %s failed, and is ignored: %s", hook.name, hook.configuration, why)


class MutatingWebhooks(_Webhooks):
    of_users = True

    def __init__(self, core: Core, authorizers: Sequence[Authorizer] = ()) -> None:
        super().__init__(core, "mutatingwebhookconfigurations", registration.MutatingWebhookConfiguration, authorizers)

    async def mutate(self, attributes: AdmissionAttributes) -> None:
        hooks = self._hooks(attributes)
        if not hooks:
            return
        changed_at: dict[int, int] = {}
        changes = 0
        for index, hook in enumerate(hooks):
            changes += await self._apply(hook, attributes)
            changed_at[index] = changes
        for index, hook in enumerate(hooks):
            # Once more, for those that want to see what others have changed behind them.
            if hook.reinvoked and changes > changed_at[index]:
                changes += await self._apply(hook, attributes)

    async def _apply(self, hook: Hook, attributes: AdmissionAttributes) -> int:
        """Whether it changed the object."""
        response = await self._ask(hook, attributes)
        if not response or attributes.object is None:
            return 0
        before = plain(attributes.object)
        try:
            after = review.patched(before, response)
            if after is None or after == before:
                return 0
            attributes.object = self._read(attributes, after)
        except review.BadAnswer as error:
            self._failed(hook, f"received invalid webhook response: {error}")
            return 0
        return 1

    def _read(self, attributes: AdmissionAttributes, after: dict[str, Any]) -> Any:
        """What the webhook made of it, typed, with defaults for what it added."""
        endpoint = self.core.endpoint_for(attributes.info)
        try:
            if attributes.subresource and not isinstance(attributes.object, endpoint.codec.type):
                return msgspec.convert(without_nulls(after), type(attributes.object))
            obj = endpoint.codec.from_dict(after if endpoint.info.type is None else without_nulls(after))
            obj.kind, obj.apiVersion = endpoint.info.kind, endpoint.info.api_version
            endpoint.default(obj)
        except (msgspec.ValidationError, ApiError) as error:
            raise review.BadAnswer(str(error)) from None
        return obj


class ValidatingWebhooks(_Webhooks):
    def __init__(self, core: Core, authorizers: Sequence[Authorizer] = ()) -> None:
        super().__init__(
            core, "validatingwebhookconfigurations", registration.ValidatingWebhookConfiguration, authorizers
        )

    async def validate(self, attributes: AdmissionAttributes) -> None:
        hooks = self._hooks(attributes)
        if not hooks:
            return
        asking = [asyncio.ensure_future(self._ask(hook, attributes)) for hook in hooks]
        try:
            for answer in asking:  # the first refusal, in order, is what the client is told
                await answer
        finally:
            for answer in asking:
                answer.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
