"""The life of one Pod on this node, one step at a time, never back:

    sync          run what should run; again whenever something changes
    terminating   deleted, evicted, finished or unwanted: stop every container within the grace period
    terminated    nothing runs any more: say the last word, free what it used, let the API server forget it

Each worker is one task: two things never happen to one Pod at once. The phase is derived from what was asked
(`stop_asked_at`) and done (`stopped_at`), not stored twice.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Any

from msgspec import Struct

from sampan.api.types import core_v1
from sampan.client.clock import Clock
from sampan.kubelet import actions
from sampan.kubelet.allocation import Allocation, Fits, News
from sampan.kubelet.container_config import container_hash
from sampan.kubelet.container_status import Facts, Waiting
from sampan.kubelet.errors import MountFault, PodFault
from sampan.kubelet.pod_state import PodState, is_static, pod_key, read_state
from sampan.kubelet.resize import Change, changes, whole_differs
from sampan.kubelet.resize import carry_out as resize
from sampan.kubelet.seams import Events, Probes, Volumes
from sampan.kubelet.starter import Outcome, Starter
from sampan.kubelet.status import OWNED, SCHEDULED, has_ended, make_status, rejected_status, with_disruption
from sampan.kubelet.status_writer import StatusWriter
from sampan.kubelet.stopper import Stopper
from sampan.kubelet.termination import TerminationMessages
from sampan.kubelet.verdict import Verdict
from sampan.network.contract import PodNetwork
from sampan.runtime.contract import Runtime, RuntimeFault

log = logging.getLogger(__name__)

RETRY = 10.0
MOUNT_RETRY_FIRST = 0.5
MOUNT_RETRY_LONGEST = 122.0
FORCED_GRACE = 2.0  # seconds that containers of a Pod have that is in the API no more
SLOW_RELIST = 60.0  # a safety net: events are what makes a worker look


class Phase(StrEnum):
    SYNC = "sync"
    TERMINATING = "terminating"
    TERMINATED = "terminated"


class Tools(Struct, kw_only=True):
    """What every worker works with."""

    runtime: Runtime
    network: PodNetwork
    volumes: Volumes
    probes: Probes
    starter: Starter
    stopper: Stopper
    statuses: StatusWriter
    messages: TerminationMessages
    events: Events
    clock: Clock
    host_ips: tuple[str, ...]
    node_memory: int = 0
    fits: Fits = lambda pod: None  # whether the node can give what a resized Pod wants now
    room_made: Callable[[], None] = lambda: None  # a Pod needs its share of the node no more


class PodWorker:
    def __init__(self, pod: core_v1.Pod, tools: Tools) -> None:
        self._allocation = Allocation(pod)
        self._asked = pod  # as the API has it; `pod` has what the node has given
        self.pod = _own(self._allocation.view(pod))
        self._forced = False
        self._under_way: asyncio.Task[Outcome] | None = None
        self.removed = False  # gone from the API server (or its file): nobody waits for a status
        self.verdict: Verdict | None = None
        self.stop_asked_at: float | None = None
        self.stopped_at: float | None = None
        self.over = asyncio.Event()  # nothing of it runs any more
        self.finished = False  # it ended by itself and is kept for its logs
        self._tools = tools
        self._wake = asyncio.Event()
        self._waiting: dict[str, Waiting] = {}
        self._ip = ""
        self._mount_retry = MOUNT_RETRY_FIRST
        self._state: PodState | None = None

    @property
    def uid(self) -> str:
        return self.pod.metadata.uid or ""

    @property
    def phase(self) -> Phase:
        if self.stopped_at is not None:
            return Phase.TERMINATED
        return Phase.SYNC if self.stop_asked_at is None else Phase.TERMINATING

    @property
    def waits_for_room(self) -> bool:
        return self._allocation.pending is not None

    # --- what others tell it ---

    def update(self, pod: core_v1.Pod) -> None:
        """The Pod as it is wanted now."""
        before, self._asked = self._asked, pod
        self.pod = _own(self._allocation.view(pod))
        if pod.metadata.deletionTimestamp:
            stopping = self.phase is Phase.TERMINATING
            self._ask_to_stop()
            shorter = pod.metadata.deletionGracePeriodSeconds
            if stopping and shorter is not None and self._state is not None:
                known = before.metadata.deletionGracePeriodSeconds
                if known is None or shorter < known:
                    asyncio.ensure_future(self._tools.stopper.hasten(self._state, float(shorter)))  # noqa: RUF006
        if _differs(before, pod):
            self.wake()

    def remove(self, *, forced: bool = False) -> None:
        """Nobody has it any more. `forced`: somebody took it out of the API without waiting for its containers."""
        stopping = self.phase is Phase.TERMINATING
        self.removed = True
        self._forced = self._forced or forced
        self._ask_to_stop()
        if forced and stopping and self._state is not None:
            asyncio.ensure_future(self._tools.stopper.hasten(self._state, FORCED_GRACE))  # noqa: RUF006
        self.wake()

    def end(self, verdict: Verdict) -> None:
        """The kubelet's own decision to end the Pod."""
        if self.verdict is None:
            self.verdict = verdict
            self._ask_to_stop()
            self.wake()

    def wake(self) -> None:
        self._wake.set()

    def _ask_to_stop(self) -> None:
        if self.stop_asked_at is None:
            self.stop_asked_at = self._tools.clock.now()
            if self._under_way is not None:
                self._under_way.cancel()

    # --- its life ---

    async def run(self) -> None:
        while True:
            self._wake.clear()
            again: float | None = None
            try:
                match self.phase:
                    case Phase.SYNC:
                        again = await self._sync()
                    case Phase.TERMINATING:
                        await self._terminate()
                        continue
                    case Phase.TERMINATED:
                        if await self._settle():
                            return
            except PodFault as fault:
                again = RETRY if not isinstance(fault, MountFault) else self._next_mount_retry()
                await self._say(await self._read())
            except (RuntimeFault, OSError):
                log.exception("pod %s: will be tried again", pod_key(self.pod))
                again = RETRY
            await self._sleep(again)

    async def _sleep(self, seconds: float | None) -> None:
        timer = self._tools.clock.call_later(SLOW_RELIST if seconds is None else seconds, self.wake)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()

    def _next_mount_retry(self) -> float:
        self._mount_retry, now = min(self._mount_retry * 2, MOUNT_RETRY_LONGEST), self._mount_retry
        return now

    async def _read(self) -> PodState:
        if not self._ip and not self.pod.spec.hostNetwork:
            attached = await self._tools.network.get(self.uid)
            self._ip = attached.ip if attached is not None else ""
        self._state = await read_state(self._tools.runtime, self.uid, ip=self._ip)
        return self._state

    async def _sync(self) -> float | None:
        """One step towards what is wanted; seconds until the next one if nothing happens before."""
        tools = self._tools
        state = await self._read()
        self._tell(self._allocation.decide(self._asked, tools.fits))
        self.pod = pod = _own(self._allocation.view(self._asked))
        tools.probes.observe(pod, state)
        resizes = changes(pod, state, node_memory=tools.node_memory)
        other_limits = bool(resizes) or whole_differs(pod, state)
        if not other_limits:
            self._tell(self._allocation.progress(pod, done=True))
        status = await self._say(state)
        if has_ended(pod, status):
            self._ask_to_stop()
            self.wake()
            return 0.0
        left = self._deadline_left(status)
        if left is not None and left <= 0:
            message = "Pod was active on the node longer than the specified deadline"
            tools.events.normal(pod, "DeadlineExceeded", message)
            self.end(Verdict("DeadlineExceeded", message))
            return 0.0
        try:
            await tools.volumes.set_up(pod)
        except MountFault as fault:
            said = f'MountVolume.SetUp failed for volume "{fault.volume}" : {fault.message}'
            tools.events.warning(pod, "FailedMount", said)
            raise
        self._mount_retry = MOUNT_RETRY_FIRST
        hashes = {c.name: container_hash(c) for c in pod.spec.containers}
        plan = actions.plan(pod, state, tools.probes, hashes)
        if other_limits and not (plan.kill_pod or plan.make_sandbox):
            await self._resize(plan, state, resizes)
        if plan.empty:
            self._waiting = {}
            return left
        if plan.kill_pod and not plan.make_sandbox:
            self._ask_to_stop()
            self.wake()
            return 0.0
        outcome = await self._unless_stopped(self._carry_out(plan, state))
        if outcome is None:
            return 0.0
        if plan.start_init and not outcome.waiting:
            self.wake()  # a sidecar that runs lets the next one begin, and nothing else will say so
        return min((t for t in (outcome.retry_after, left) if t is not None), default=None)

    async def _unless_stopped(self, work: Coroutine[Any, Any, Outcome]) -> Outcome | None:
        """None: the Pod is to stop, and what was under way (a pull, a hook that does not return) is given up for it."""
        if self.stop_asked_at is not None:
            work.close()  # asked while its volumes were made ready
            return None
        self._under_way = asyncio.ensure_future(work)
        try:
            await self._tell_while(self._under_way)
            return await self._under_way
        except asyncio.CancelledError:
            own = asyncio.current_task()
            if self.phase is Phase.SYNC or (own is not None and own.cancelling()):
                raise
            return None
        finally:
            self._under_way.cancel()
            self._under_way = None

    async def _resize(self, plan: actions.Plan, state: PodState, resizes: list[Change]) -> None:
        """Give running containers the limits that they are to have now; ends some by adding to the plan."""
        wanted = [c for c in resizes if c.container_id not in plan.kill]
        fault = await resize(self._tools.runtime, self.pod, state, wanted)
        again = [c for c in wanted if c.restart and not fault]
        for change in again:
            said = f"Container {change.name} resize requires restart"
            plan.kill[change.container_id] = actions.Kill(name=change.name, message=said)
            plan.start.append(change.name)
        self._tell(self._allocation.progress(self.pod, done=not (fault or again), fault=fault))
        await self._say(await self._read())

    def _tell(self, news: News | None) -> None:
        if news is not None:
            tell = self._tools.events.warning if news.type == "Warning" else self._tools.events.normal
            tell(self.pod, news.reason, news.message)

    async def _carry_out(self, plan: actions.Plan, state: PodState) -> Outcome:
        outcome = await self._tools.starter.carry_out(self.pod, plan, state)
        self._ip = outcome.ip or self._ip
        before = self._waiting
        # How a container ended is shown until the next look; only then that it is held back.
        held = {n: before.get(n) for n, w in outcome.waiting.items() if w.reason == "CrashLoopBackOff"}
        self._waiting = {n: w for n, w in (outcome.waiting | held).items() if w is not None}
        after = await self._read()
        self._tools.probes.observe(self.pod, after)
        await self._say(after)
        self._waiting = outcome.waiting
        await self._tools.messages.collect(self._tools.runtime, self.pod, after)
        return outcome

    def _deadline_left(self, status: core_v1.PodStatus) -> float | None:
        allowed = self.pod.spec.activeDeadlineSeconds
        if allowed is None or not status.startTime:
            return None
        return self._tools.statuses.started_at(status) + allowed - self._tools.clock.now()

    async def _say(self, state: PodState, *, terminal: bool = False) -> core_v1.PodStatus:
        """Make the status of now and let it be written; the writer coalesces and retries."""
        tools = self._tools
        self.pod.status = tools.statuses.latest(self.pod)
        if terminal and self.verdict is not None and self.verdict.disrupted:
            self.pod.status = with_disruption(self.pod.status, self.verdict.message, tools.clock.now())
        facts = Facts(
            state=state,
            probes=tools.probes,
            waiting=self._waiting,
            messages=await tools.messages.of(self.pod, state),
            now=tools.clock.now(),
            host_ips=tools.host_ips,
            terminal=terminal,
            resizing=self._allocation.conditions,
            reason=self.verdict.reason if self.verdict else "",
            message=self.verdict.message if self.verdict else "",
        )
        refused = self.verdict is not None and self.verdict.rejected
        status = rejected_status(self.pod, facts) if refused else make_status(self.pod, facts)
        if not self.removed:
            tools.statuses.put(self.pod, status)
        return status

    async def _terminate(self) -> None:
        tools = self._tools
        tools.probes.only_readiness(self.uid)
        state = await self._read()
        if not self.removed:
            await self._say(state)
        grace = self.verdict.grace if self.verdict is not None else None
        if self._forced:
            grace = FORCED_GRACE
        stopping = asyncio.ensure_future(tools.stopper.stop_pod(self.pod, state, grace=grace))
        try:
            await self._tell_while(stopping)
            await stopping
        finally:
            stopping.cancel()
        tools.probes.forget(self.uid)
        await self._say(await self._read(), terminal=True)
        self.stopped_at = tools.clock.now()
        self.over.set()

    async def _tell_while(self, work: asyncio.Task[Any]) -> None:
        """Until it is done: a container that is not ready any more shows at once, so that nobody sends it requests."""
        known = self._unready(self._state)
        told = self._wake.is_set()
        self._wake.clear()
        while not work.done():
            woken = asyncio.ensure_future(self._wake.wait())
            await asyncio.wait({work, woken}, return_when=asyncio.FIRST_COMPLETED)
            woken.cancel()
            if not self._wake.is_set():
                continue
            told = True
            self._wake.clear()
            with contextlib.suppress(RuntimeFault, OSError):  # of which the worker's own next look will tell
                state = await self._read()
                before, known = known, self._unready(state)
                if known != before and not (self.removed or work.done()):
                    await self._say(state)
        if told:
            self.wake()  # what was heard meanwhile is for the next step

    def _unready(self, state: PodState | None) -> set[str]:
        running = state.running() if state is not None else ()
        return {c.id for c in running if not self._tools.probes.ready(c.id)}

    async def _settle(self) -> bool:
        """Nothing runs. True when the Pod has left this node altogether."""
        tools = self._tools
        if not self.finished:
            await tools.network.detach(self.uid)
            await tools.volumes.tear_down(self.uid)
            tools.starter.forget(self.uid)
            self.finished = True
            tools.room_made()
        if not (self.removed or self.pod.metadata.deletionTimestamp):
            return False  # kept for its logs until somebody deletes it
        state = await self._read()
        for sandbox in state.sandboxes:
            await tools.runtime.remove_sandbox(sandbox.id)
        await tools.messages.remove(self.pod)
        if not self.removed and not is_static(self.pod):
            await tools.statuses.finish(self.pod)
        tools.statuses.forget(self.uid)
        return True


def _own(pod: core_v1.Pod) -> core_v1.Pod:
    """A shell of our own around shared parts: the worker keeps the status that it last gave in it."""
    return core_v1.Pod(kind="Pod", apiVersion="v1", metadata=pod.metadata, spec=pod.spec, status=pod.status)


def _differs(before: core_v1.Pod, after: core_v1.Pod) -> bool:
    """Whether there is anything new to act on; our own word coming back as the Pod's status is not."""
    return _wanted(before) != _wanted(after)


def _wanted(pod: core_v1.Pod) -> tuple[object, ...]:
    meta = pod.metadata
    others = [(c.type, c.status) for c in pod.status.conditions or () if c.type not in (*OWNED, SCHEDULED)]
    return pod.spec, meta.labels, meta.annotations, meta.deletionTimestamp, meta.deletionGracePeriodSeconds, others
