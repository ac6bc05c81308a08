"""Has every container's image at hand: looks, pulls by the policy, backs off, and tells with events. One pull at a time
per image for all who bring the same credentials."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from sampan.api.types import core_v1
from sampan.client.clock import Clock
from sampan.kubelet.backoff import Backoff
from sampan.kubelet.errors import ContainerFault
from sampan.kubelet.seams import Events
from sampan.runtime.contract import (
    AuthConfig,
    Image,
    ImageFault,
    InvalidImageName,
    RegistryUnavailable,
    Runtime,
    RuntimeFault,
)

log = logging.getLogger(__name__)

PullSecrets = Callable[[core_v1.Pod, str], Awaitable[list[AuthConfig]]]
RETRY = 10.0


class ImagePuller:
    def __init__(self, runtime: Runtime, events: Events, clock: Clock, secrets: PullSecrets) -> None:
        """`secrets(pod, image)` finds the credentials for an image among the Pod's imagePullSecrets."""
        self._runtime = runtime
        self._events = events
        self._clock = clock
        self._secrets = secrets
        self._backoff = Backoff(clock)
        self._failed_at: dict[str, float] = {}
        self._said: dict[str, str] = {}
        self._pulls: dict[bytes, asyncio.Task[Image]] = {}

    async def ensure(self, pod: core_v1.Pod, container: core_v1.Container) -> Image:
        reference, policy = container.image or "", container.imagePullPolicy or "IfNotPresent"
        try:
            present = await self._runtime.image_status(reference)
        except InvalidImageName as error:
            said = f'Failed to apply default image tag "{reference}": {error}'
            self._events.warning(pod, "InspectFailed", said, container=container.name)
            raise self._failed(pod, container, "InvalidImageName", said) from error
        except RuntimeFault as error:
            said = f'Failed to inspect image "{reference}": {error}'
            self._events.warning(pod, "InspectFailed", said, container=container.name)
            raise self._failed(pod, container, "ImageInspectError", said) from error
        if present is not None and policy != "Always":
            said = f'Container image "{reference}" already present on machine and can be accessed by the pod'
            self._events.normal(pod, "Pulled", said, container=container.name)
            return present
        if policy == "Never":
            said = f'Container image "{reference}" is not present with pull policy of Never'
            self._events.warning(pod, "ErrImageNeverPull", said, container=container.name)
            raise self._failed(pod, container, "ErrImageNeverPull", said)
        return await self._pull(pod, container, reference)

    async def _pull(self, pod: core_v1.Pod, container: core_v1.Container, reference: str) -> Image:
        key = f"{pod.metadata.uid}/{reference}"
        failed_at = self._failed_at.get(key)
        left = self._backoff.remaining(key, failed_at) if failed_at is not None else 0.0
        if left > 0:
            self._events.normal(pod, "BackOff", f'Back-off pulling image "{reference}"', container=container.name)
            said = f'Back-off pulling image "{reference}": {self._said.get(key, "")}'
            raise self._failed(pod, container, "ImagePullBackOff", said, retry_after=min(left, RETRY))
        auths = await self._secrets(pod, reference)
        self._events.normal(pod, "Pulling", f'Pulling image "{reference}"', container=container.name)
        begun = self._clock.monotonic()
        waited, pulled = begun, None
        try:
            key_of_pull = msgspec.json.encode((reference, auths))
            task = self._pulls.get(key_of_pull)
            if task is None:
                task = asyncio.get_running_loop().create_task(self._try_each(reference, auths))
                self._pulls[key_of_pull] = task
                task.add_done_callback(lambda _: self._pulls.pop(key_of_pull, None))
            else:
                await asyncio.wait({task})
                waited = self._clock.monotonic()
            pulled = await asyncio.shield(task)
        except ImageFault as error:
            self._backoff.failed(key, self._clock.now())
            self._failed_at[key] = self._clock.now()
            reason, said = pull_reason(error), str(error)
            self._said[key] = f"{reason}: {said}"
            whole = f'Failed to pull image "{reference}": {said}'
            self._events.warning(pod, "Failed", whole, container=container.name)
            raise self._failed(pod, container, reason, said) from error
        self._failed_at.pop(key, None)
        self._backoff.forget(key)
        now = self._clock.monotonic()
        self._events.normal(
            pod,
            "Pulled",
            f'Successfully pulled image "{reference}" in {milliseconds(now - waited)} '
            f"({milliseconds(now - begun)} including waiting). Image size: {pulled.size} bytes.",
            container=container.name,
        )
        return pulled

    async def _try_each(self, reference: str, auths: list[AuthConfig]) -> Image:
        """With each of the credentials, until one is good enough; what the last one gave, if none is."""
        for auth in auths[:-1]:
            try:
                return await self._runtime.pull_image(reference, auth)
            except ImageFault as error:
                log.info("pulling %s: %s; trying other credentials", reference, error)
        return await self._runtime.pull_image(reference, auths[-1] if auths else None)

    def _failed(
        self,
        pod: core_v1.Pod,
        container: core_v1.Container,
        reason: str,
        said: str,
        *,
        retry_after: float | None = None,
    ) -> ContainerFault:
        self._events.warning(pod, "Failed", f"Error: {reason}", container=container.name)
        return ContainerFault(reason, said, retry_after=retry_after)


def pull_reason(error: ImageFault) -> str:
    if isinstance(error, RegistryUnavailable):
        return "ErrImagePull"  # the registry's own words are in the message
    return "InvalidImageName" if isinstance(error, InvalidImageName) else "ErrImagePull"


def milliseconds(seconds: float) -> str:
    """As Go prints a duration rounded to milliseconds: `87ms`, `1.204s`, `1m2.5s`."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    text = f"{rest:.3f}".rstrip("0").rstrip(".")
    return f"{int(minutes)}m{text}s" if minutes else f"{text}s"
