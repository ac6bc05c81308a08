"""One HorizontalPodAutoscaler: read the scale, ask the metrics, keep to the limits, scale, say what was done."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from sampan.api.errors import ApiError, NotFound
from sampan.api.types import core_v1
from sampan.api.types.autoscaling_v1 import Scale
from sampan.api.types.autoscaling_v2 import HorizontalPodAutoscaler
from sampan.client.clock import rfc3339
from sampan.client.codec import key_of
from sampan.controllers.contract import Context, KeyedController
from sampan.controllers.horizontal_pod_autoscaler.limits import STABILIZATION, Memory, least, limit
from sampan.controllers.horizontal_pod_autoscaler.metrics import Asked, Metrics
from sampan.controllers.horizontal_pod_autoscaler.said import Round
from sampan.controllers.horizontal_pod_autoscaler.scale import NoScale, Scales

KIND, API = "HorizontalPodAutoscaler", "autoscaling/v2"
EVERY = 15.0
REMEMBERED = 3600.0  # the longest window or period that a behaviour may name
ABLE, UNABLE = "the HPA controller was able to", "the HPA controller was unable to"
ABOVE, BELOW = (
    "Current number of replicas above Spec.MaxReplicas",
    "Current number of replicas below Spec.MinReplicas",
)


class HorizontalPodAutoscalers(KeyedController):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.autoscalers = context.informer(HorizontalPodAutoscaler)
        self.pods = context.informer(core_v1.Pod)
        self.scales = Scales(context.client)
        self.metrics = Metrics(context.client, self.pods, context.clock.now)
        self.memories: dict[str, Memory] = {}
        self.recorder = context.recorder
        self.autoscalers.add_handler(
            on_add=lambda new: self.queue.add(key_of(new)), on_update=self._changed, on_delete=self._gone
        )

    def _changed(self, old: HorizontalPodAutoscaler, new: HorizontalPodAutoscaler) -> None:
        """Its own status is no reason to look again."""
        if old.spec != new.spec:
            self.queue.add(key_of(new))

    def _gone(self, old: HorizontalPodAutoscaler) -> None:
        self.memories.pop(key_of(old), None)

    async def reconcile(self, key: str) -> float | None:
        hpa = self.autoscalers.store.by_key(key)
        if hpa is None:
            return None
        round_ = Round(hpa, self.clock.now())
        try:
            await self._scale(key, round_)
        finally:
            await self._write_status(round_)
        return EVERY

    async def _scale(self, key: str, this: Round) -> None:
        hpa, namespace = this.hpa, this.hpa.metadata.namespace or ""
        target = hpa.spec.scaleTargetRef
        try:
            scale = await self.scales.read(target, namespace)
        except (NoScale, NotFound) as error:
            said = error.message if isinstance(error, ApiError) else str(error)
            this.say("AbleToScale", "False", "FailedGetScale", f"{UNABLE} get the target's current scale: {said}")
            self.recorder.event(hpa, "Warning", "FailedGetScale", said)
            return
        this.say("AbleToScale", "True", "SucceededGetScale", f"{ABLE} get the target's current scale")
        current = this.status.currentReplicas = scale.spec.replicas or 0
        this.status.desiredReplicas = current
        memory = self.memories.setdefault(key, Memory([(this.now, current)]))
        memory.forget_before(this.now - max(REMEMBERED, STABILIZATION), this.now - REMEMBERED)
        if current == 0 and least(hpa) != 0:
            said = "scaling is disabled since the replica count of the target is zero"
            this.say("ScalingActive", "False", "ScalingDisabled", said)
            return
        if current > hpa.spec.maxReplicas:
            desired, reason = hpa.spec.maxReplicas, ABOVE
        elif current < least(hpa):
            desired, reason = least(hpa), BELOW
        else:
            asked = await self._ask(this, scale, current)
            if asked is None:
                return
            found = limit(hpa, memory, current, asked.replicas, this.now)
            this.limit(found)
            desired = found.replicas
            reason = f"{asked.name} above target" if asked.replicas > current else "All metrics below target"
        if desired != current:
            await self._rescale(this, scale, desired, reason, memory)

    async def _ask(self, this: Round, scale: Scale, current: int) -> Asked | None:
        """None when nothing can be told; why is said then."""
        selector = scale.status.selector or ""
        if not selector:
            self.recorder.event(this.hpa, "Warning", "SelectorRequired", "selector is required")
            said = "the HPA target's scale is missing a selector"
            this.say("ScalingActive", "False", "InvalidSelector", said)
            return None
        asked = await self.metrics.ask(this.hpa, selector, current)
        this.status.currentMetrics = asked.statuses or None
        if asked.invalid:
            self.recorder.event(this.hpa, "Warning", asked.reason, asked.message)
        if asked.replicas < 0:
            said = f"the HPA was unable to compute the replica count: {asked.message}"
            this.say("ScalingActive", "False", asked.reason, said)
            self.recorder.event(this.hpa, "Warning", "FailedComputeMetricsReplicas", asked.error)
            return None
        said = f"the HPA was able to successfully calculate a replica count from {asked.name}"
        this.say("ScalingActive", "True", "ValidMetricFound", said)
        return asked

    async def _rescale(self, this: Round, scale: Scale, desired: int, reason: str, memory: Memory) -> None:
        hpa, current = this.hpa, scale.spec.replicas or 0
        try:
            await self.scales.write(hpa.spec.scaleTargetRef, hpa.metadata.namespace or "", scale, desired)
        except ApiError as error:
            said = f"New size: {desired}; reason: {reason}; error: {error.message}"
            self.recorder.event(hpa, "Warning", "FailedRescale", said)
            said = f"{UNABLE} update the target scale: {error.message}"
            this.say("AbleToScale", "False", "FailedUpdateScale", said)
            raise
        said = f"{ABLE} update the target scale to {desired}"
        this.say("AbleToScale", "True", "SucceededRescale", said)
        self.recorder.event(hpa, "Normal", "SuccessfulRescale", f"New size: {desired}; reason: {reason}")
        if hpa.spec.behavior is not None:
            memory.note(current, desired, this.now)
        this.status.desiredReplicas = desired
        this.status.lastScaleTime = rfc3339(this.now)

    async def _write_status(self, this: Round) -> None:
        if msgspec.json.encode(this.status) == msgspec.json.encode(this.hpa.status):
            return
        changed = replace(this.hpa, kind=KIND, apiVersion=API, status=this.status)
        try:
            await self.client.resource(HorizontalPodAutoscaler).update_status(changed)
        except NotFound:
            return
