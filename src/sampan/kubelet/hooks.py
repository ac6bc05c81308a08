"""postStart and preStop: exec, httpGet or sleep, in the container that they belong to."""

import asyncio

from sampan.api.types import core_v1
from sampan.client.clock import Clock
from sampan.kubelet.probes.handlers import Outcome, http_get
from sampan.runtime.contract import ExecTimeout, Runtime, RuntimeFault

HTTP_TIMEOUT = 30.0


class LifecycleHooks:
    def __init__(self, runtime: Runtime, clock: Clock, *, host_ip: str = "127.0.0.1") -> None:
        self._runtime = runtime
        self._clock = clock
        self._host_ip = host_ip

    async def post_start(self, pod: core_v1.Pod, container: core_v1.Container, container_id: str, pod_ip: str) -> str:
        hook = container.lifecycle.postStart if container.lifecycle is not None else None
        return await self._run(hook, pod, container, container_id, pod_ip, 0.0)

    async def pre_stop(
        self, pod: core_v1.Pod, container: core_v1.Container, container_id: str, pod_ip: str, grace: float
    ) -> str:
        hook = container.lifecycle.preStop if container.lifecycle is not None else None
        try:
            async with asyncio.timeout(grace):
                return await self._run(hook, pod, container, container_id, pod_ip, grace)
        except TimeoutError:
            return f"did not end within {grace:g} s"

    async def _run(
        self,
        hook: core_v1.LifecycleHandler | None,
        pod: core_v1.Pod,
        container: core_v1.Container,
        container_id: str,
        pod_ip: str,
        timeout: float,
    ) -> str:
        """Why it failed; nothing when it did not."""
        if hook is None:
            return ""
        if hook.sleep is not None:
            await self._clock.sleep(float(hook.sleep.seconds))
            return ""
        if hook.httpGet is not None:
            host = self._host_ip if pod.spec.hostNetwork else pod_ip
            try:
                finding = await http_get(hook.httpGet, container, host, HTTP_TIMEOUT, agent="kube-lifecycle")
            except LookupError as error:
                return str(error)
            return "" if finding.outcome in (Outcome.SUCCESS, Outcome.WARNING) else finding.output
        if hook.exec is None:
            return ""
        command = hook.exec.command or []
        try:
            result = await self._runtime.exec_sync(container_id, command, timeout)
        except (RuntimeFault, ExecTimeout) as error:
            return f"Exec lifecycle hook ({' '.join(command)}) failed - error: {error}"
        if result.exit_code == 0:
            return ""
        output = (result.stdout + result.stderr).decode(errors="replace")
        said = f"error: command '{' '.join(command)}' exited with {result.exit_code}: {output}"
        return f"Exec lifecycle hook failed - {said}"
