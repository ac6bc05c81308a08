"""A container's environment: Services' addresses, envFrom, then env with `$(NAME)` expanded. See I4 of the tests."""

import asyncio
import base64
from collections.abc import Callable, Iterable
from pathlib import Path

from sampan.api import names, quantity
from sampan.api.types import core_v1
from sampan.kubelet.container_config import expand
from sampan.kubelet.env_files import read_variable
from sampan.kubelet.errors import ConfigFault
from sampan.kubelet.objects import Missing, Objects
from sampan.kubelet.seams import Events

MASTER_SERVICES = {"kubernetes"}
Services = Iterable[core_v1.Service]


class NodeFacts:
    """What of the node a container may ask for."""

    def __init__(self, *, name: str, host_ips: tuple[str, ...], allocatable: dict[str, str]) -> None:
        self.name = name
        self.host_ips = host_ips
        self.allocatable = allocatable


class PodEnvironment:
    def __init__(
        self,
        objects: Objects,
        services: Services,
        node: NodeFacts,
        events: Events,
        volumes: Callable[[str], dict[str, Path]],
    ) -> None:
        """`services` is iterated anew for every container (an informer's store); `volumes(uid)` are those of a Pod."""
        self._volumes = volumes
        self._objects = objects
        self._services = services
        self._node = node
        self._events = events

    async def of(self, pod: core_v1.Pod, container: core_v1.Container, *, pod_ip: str) -> dict[str, str]:
        services = service_variables(
            self._services,
            namespace=pod.metadata.namespace or "",
            all_of_namespace=pod.spec.enableServiceLinks is not False,
        )
        result: dict[str, str] = {}
        for source in container.envFrom or ():
            await self._take_all(pod, container, source, result)
        for variable in container.env or ():
            value = await self._value(pod, container, variable, pod_ip, services | result)
            if value is not None:
                result[variable.name] = value
        return {**services, **result}

    async def _value(
        self,
        pod: core_v1.Pod,
        container: core_v1.Container,
        variable: core_v1.EnvVar,
        pod_ip: str,
        so_far: dict[str, str],
    ) -> str | None:
        if variable.value:
            return expand(variable.value, so_far)
        source = variable.valueFrom
        if source is None:
            return ""
        if source.fieldRef is not None:
            return self.field(pod, source.fieldRef.fieldPath, pod_ip)
        if source.resourceFieldRef is not None:
            return resource_field(pod, container, source.resourceFieldRef, self._node.allocatable)
        if source.configMapKeyRef is not None:
            ref = source.configMapKeyRef
            return await self._config_map_key(pod, ref.name or "", ref.key, optional=bool(ref.optional))
        if source.secretKeyRef is not None:
            key = source.secretKeyRef
            return await self._secret_key(pod, key.name or "", key.key, optional=bool(key.optional))
        if source.fileKeyRef is not None:
            return await self._file_key(pod, source.fileKeyRef)
        return ""

    async def _file_key(self, pod: core_v1.Pod, ref: core_v1.FileKeySelector) -> str | None:
        volume = self._volumes(pod.metadata.uid or "").get(ref.volumeName)
        if volume is None:
            raise ConfigFault(f"cannot find the volume {ref.volumeName!r} of environment variable file {ref.path!r}")
        try:
            value = await asyncio.to_thread(read_variable, volume, ref.path, ref.key)
        except OSError as error:
            if ref.optional and isinstance(error, FileNotFoundError):
                return None
            raise ConfigFault(f'couldn\'t parse env file "{ref.path}": {error.strerror or error}') from error
        if value is None and not ref.optional:
            raise ConfigFault(f'environment variable key "{ref.key}" not found in file "{ref.path}"')
        return value

    async def _config_map_key(self, pod: core_v1.Pod, name: str, key: str, *, optional: bool) -> str | None:
        namespace = pod.metadata.namespace or ""
        try:
            found = await self._objects.get(pod.metadata.uid or "", core_v1.ConfigMap, namespace, name)
        except Missing as error:
            if optional:
                return None
            raise ConfigFault(str(error)) from error
        value = (found.data or {}).get(key)
        if value is None and not optional:
            raise ConfigFault(f"couldn't find key {key} in ConfigMap {namespace}/{name}")
        return value

    async def _secret_key(self, pod: core_v1.Pod, name: str, key: str, *, optional: bool) -> str | None:
        namespace = pod.metadata.namespace or ""
        try:
            found = await self._objects.get(pod.metadata.uid or "", core_v1.Secret, namespace, name)
        except Missing as error:
            if optional:
                return None
            raise ConfigFault(str(error)) from error
        value = (found.data or {}).get(key)
        if value is None:
            if optional:
                return None
            raise ConfigFault(f"couldn't find key {key} in Secret {namespace}/{name}")
        return base64.b64decode(value).decode(errors="surrogateescape")

    async def _take_all(
        self, pod: core_v1.Pod, container: core_v1.Container, source: core_v1.EnvFromSource, result: dict[str, str]
    ) -> None:
        uid, namespace, prefix = pod.metadata.uid or "", pod.metadata.namespace or "", source.prefix or ""
        pairs: dict[str, str] = {}
        kind, name, optional = "", "", False
        try:
            if source.configMapRef is not None:
                kind, name, optional = "ConfigMap", source.configMapRef.name or "", bool(source.configMapRef.optional)
                pairs = (await self._objects.get(uid, core_v1.ConfigMap, namespace, name)).data or {}
            elif source.secretRef is not None:
                kind, name, optional = "Secret", source.secretRef.name or "", bool(source.secretRef.optional)
                data = (await self._objects.get(uid, core_v1.Secret, namespace, name)).data or {}
                pairs = {k: base64.b64decode(v).decode(errors="surrogateescape") for k, v in data.items()}
        except Missing as error:
            if optional:
                return
            raise ConfigFault(str(error)) from error
        bad = []
        for key in sorted(pairs):
            if names.env_var_name(prefix + key):
                bad.append(prefix + key)
            else:
                result[prefix + key] = pairs[key]
        if bad:
            self._events.warning(
                pod,
                "InvalidEnvironmentVariableNames",
                f"Keys [{', '.join(bad)}] from the EnvFrom {kind.lower()} {namespace}/{name} were skipped since they "
                "are considered invalid environment variable names.",
            )

    def field(self, pod: core_v1.Pod, path: str, pod_ip: str) -> str:
        match path:
            case "spec.nodeName":
                return self._node.name
            case "status.hostIP":
                return self._node.host_ips[0] if self._node.host_ips else ""
            case "status.hostIPs":
                return ",".join(self._node.host_ips)
            case "status.podIP" | "status.podIPs":
                if pod.spec.hostNetwork:
                    return self._node.host_ips[0] if self._node.host_ips else ""
                return pod_ip
        return object_field(pod, path)


def object_field(pod: core_v1.Pod, path: str) -> str:
    """Fields that need nothing but the Pod: what downwardAPI volumes can show as well."""
    meta = pod.metadata
    if path.endswith(("']", '"]')):
        base, _, key = path[:-2].partition("[")
        table = meta.labels if base == "metadata.labels" else meta.annotations
        return (table or {}).get(key[1:], "")
    match path:
        case "metadata.name":
            return meta.name or ""
        case "metadata.namespace":
            return meta.namespace or ""
        case "metadata.uid":
            return meta.uid or ""
        case "metadata.labels":
            return format_map(meta.labels)
        case "metadata.annotations":
            return format_map(meta.annotations)
        case "spec.serviceAccountName":
            return pod.spec.serviceAccountName or ""
        case "spec.nodeName":
            return pod.spec.nodeName or ""
    raise ConfigFault(f"unsupported fieldPath: {path}")


def format_map(values: dict[str, str] | None) -> str:
    """`key="value"` a line, sorted, quoted as Go quotes."""
    lines = []
    for key in sorted(values or {}):
        text = (values or {})[key].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
        lines.append(f'{key}="{text}"')
    return "\n".join(lines)


def resource_field(
    pod: core_v1.Pod,
    own: core_v1.Container,
    selector: core_v1.ResourceFieldSelector,
    allocatable: dict[str, str],
) -> str:
    """`limits.cpu` and its kin, divided and rounded up; without a limit, what the node has to give."""
    container = own
    if selector.containerName:
        listed = [*(pod.spec.initContainers or ()), *pod.spec.containers]
        found = next((c for c in listed if c.name == selector.containerName), None)
        if found is None:
            raise ConfigFault(f"container {selector.containerName} not found")
        container = found
    kind, _, resource = selector.resource.partition(".")
    amounts = (container.resources.limits if kind == "limits" else container.resources.requests) or {}
    amount = amounts.get(resource)
    if amount is None:
        amount = allocatable.get(resource, "0") if kind == "limits" else "0"
    divisor = selector.divisor if selector.divisor not in (None, "0", "", 0) else "1"
    assert divisor is not None
    if resource == "cpu":
        milli, by = quantity.milli_value(amount), quantity.milli_value(divisor)
        return str(-(-milli // max(by, 1)))
    return str(-(-quantity.value(amount) // max(quantity.value(divisor), 1)))


def service_variables(services: Services, *, namespace: str, all_of_namespace: bool) -> dict[str, str]:
    """`REDIS_SERVICE_HOST` and its kin, for the Services of the namespace and the API server's own."""
    chosen: dict[str, core_v1.Service] = {}
    for service in services:
        meta = service.metadata
        if service.spec.clusterIP in (None, "", "None"):
            continue
        master = meta.namespace == "default" and meta.name in MASTER_SERVICES
        if (meta.namespace == namespace and all_of_namespace) or (master and meta.name not in chosen):
            chosen[meta.name or ""] = service
    result: dict[str, str] = {}
    for name in sorted(chosen):
        result.update(_variables_of(name, chosen[name]))
    return result


def _variables_of(name: str, service: core_v1.Service) -> dict[str, str]:
    base = name.upper().replace("-", "_").replace(".", "_")
    host = service.spec.clusterIP or ""
    ports = service.spec.ports or []
    if not ports:
        return {}
    result = {f"{base}_SERVICE_HOST": host, f"{base}_SERVICE_PORT": str(ports[0].port)}
    for port in ports:
        if port.name:
            result[f"{base}_SERVICE_PORT_{port.name.upper().replace('-', '_')}"] = str(port.port)
    at = f"[{host}]" if ":" in host else host
    for index, port in enumerate(ports):
        protocol = (port.protocol or "TCP").upper()
        url = f"{protocol.lower()}://{at}:{port.port}"
        if index == 0:
            result[f"{base}_PORT"] = url
        prefix = f"{base}_PORT_{port.port}_{protocol}"
        result[prefix] = url
        result[f"{prefix}_PROTO"] = protocol.lower()
        result[f"{prefix}_PORT"] = str(port.port)
        result[f"{prefix}_ADDR"] = host
    return result
