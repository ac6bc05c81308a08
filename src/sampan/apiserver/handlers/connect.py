"""log, exec, attach, portforward and proxy: checked here, done by the kubelet (or the Pod or Service itself)."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, urlencode

from sampan.api.errors import ApiError, BadRequest, InternalError
from sampan.apiserver.handlers.context import Context
from sampan.apiserver.handlers.podlog import log_query
from sampan.apiserver.options import boolean
from sampan.apiserver.outward.services import address_of
from sampan.apiserver.request import TEXT, Answer, Reply, Request, Stream
from sampan.apiserver.routing import Handler
from sampan.apiserver.streams import exec as exec_streams
from sampan.apiserver.streams import portforward
from sampan.apiserver.streams.kubelet import Kubelets, KubeletSocket, UpgradeRefused, refused
from sampan.apiserver.streams.passthrough import BodyFrames, pass_through, to_directory
from sampan.apiserver.streams.relay import relay
from sampan.client.channels import V4, V5

_FINISHED = ("Succeeded", "Failed")


class Connect:
    """The streaming subresources of Pods, and the proxies."""

    def __init__(self, kubelets: Kubelets) -> None:
        self._kubelets = kubelets

    def handlers(self) -> dict[tuple[str, str], Handler]:
        return {
            ("log", "get"): self.log,
            ("exec", "*"): self.exec,
            ("attach", "*"): self.attach,
            ("portforward", "*"): self.port_forward,
            ("proxy", "*"): self.proxy,
        }

    async def log(self, context: Context) -> Answer:
        pod = _pod(context)
        query = log_query(context.request, context.name)
        container = _container(context, pod)
        if not pod.spec.nodeName:
            return Reply(204, b"", TEXT)
        connection = await self._kubelets.dial(pod.spec.nodeName)
        target = f"/containerLogs/{pod.metadata.namespace}/{pod.metadata.name}/{container}?{urlencode(query)}"
        try:
            answered = await connection.ask("GET", target, {"Connection": "close"})
            if not 200 <= answered.status <= 206:
                raise refused(answered, await connection.read_body(answered))
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            connection.close()
            raise InternalError(f"Internal error occurred: {error}") from None
        except ApiError:
            connection.close()
            raise
        return Stream(BodyFrames(connection.chunks(answered), connection), "text/plain")

    async def exec(self, context: Context) -> Answer:
        return await self._process(context, "exec", "cannot exec into a container in a completed pod")

    async def attach(self, context: Context) -> Answer:
        return await self._process(context, "attach", "cannot attach a container in a completed pod")

    async def _process(self, context: Context, verb: str, completed: str) -> Answer:
        request, pod = context.request, _pod(context)
        await _admit(context)
        tty, stdin = boolean(request, "tty"), boolean(request, "stdin")
        stdout = boolean(request, "stdout") or "stdout" not in request.query
        stderr = (boolean(request, "stderr") or "stderr" not in request.query) and not tty
        if not (stdin or stdout or stderr):
            raise BadRequest("you must specify at least one of stdin, stdout, stderr")
        commands = request.query.get("command") or []
        if verb == "exec" and not commands:
            raise BadRequest("you must specify at least 1 command for the container")
        if pod.status.phase in _FINISHED:
            raise BadRequest(f"{completed}; current phase is {pod.status.phase}")
        container = _container(context, pod)
        node = _host(pod)
        flags = (("input", stdin), ("output", stdout), ("error", stderr), ("tty", tty))
        query = [("command", c) for c in commands] + [(name, "1") for name, on in flags if on]
        target = f"/{verb}/{pod.metadata.namespace}/{pod.metadata.name}/{container}?{urlencode(query)}"
        kind = _upgrade_of(request)
        if kind == "websocket":
            return await relay(request, await self._kubelets.dial(node), target)
        protocol = exec_streams.negotiated(request)
        if protocol is None:
            raise _no_protocol(request, exec_streams.PROTOCOLS)
        try:
            socket = await self._kubelets.websocket(node, target, f"{V5}, {V4}")
        except UpgradeRefused as error:
            return error.reply
        resizes = tty and protocol in exec_streams.PROTOCOLS[:2]
        return exec_streams.exec_over_spdy(socket, protocol, 1 + stdin + stdout + stderr + resizes)

    async def port_forward(self, context: Context) -> Answer:
        request, pod = context.request, _pod(context)
        await _admit(context)
        node = _host(pod)
        path = f"/portForward/{pod.metadata.namespace}/{pod.metadata.name}"

        async def dial(port: int) -> KubeletSocket:
            return await self._kubelets.websocket(node, f"{path}?port={port}&ports={port}", V4)

        kind = _upgrade_of(request)
        if kind != "websocket":
            return portforward.over_spdy(dial)
        offered = [p.strip() for p in request.header("sec-websocket-protocol").replace("\n", ",").split(",")]
        if portforward.TUNNELLED in offered:
            return portforward.over_websocket(request, dial)
        ports = [("ports", p) for p in request.query.get("ports") or ()]
        return await relay(request, await self._kubelets.dial(node), f"{path}?{urlencode(ports)}")

    async def proxy(self, context: Context) -> Answer:
        await _admit(context)
        request, info = context.request, context.info
        if (elsewhere := to_directory(request, info.rest)) is not None:
            return elsewhere
        query = f"?{request.query_string}" if request.query_string else ""
        target = "/" + quote(info.rest, safe="/~:@!$&'()*+,;=") + query
        if context.endpoint.info.resource == "nodes":
            return await pass_through(request, await self._kubelets.dial(_split(context.name)[1]), target)
        scheme, name, port = _split(context.name)
        if context.endpoint.info.resource == "services":
            host, number = address_of(context.core, context.namespace, name, port)
        else:
            host, number = _pod_address(context, name, port)
        if not _proxyable(host):
            raise BadRequest("address not allowed")
        connection = await self._kubelets.dial_address(host, number, tls=scheme == "https")
        return await pass_through(request, connection, target)


def _pod(context: Context) -> Any:
    return context.endpoint.decode(context.endpoint.find(context.namespace, context.name))


async def _admit(context: Context) -> None:
    attributes = context.attributes("CONNECT", dry_run=False)
    await context.core.admission.mutate(attributes)
    await context.core.admission.validate(attributes)


def _container(context: Context, pod: Any) -> str:
    wanted = context.request.param("container")
    containers = [c.name for c in pod.spec.containers]
    initial = [c.name for c in pod.spec.initContainers or ()]
    if not wanted:
        if len(containers) == 1:
            return str(containers[0])
        said = f"a container name must be specified for pod {context.name}, choose one of: [{' '.join(containers)}]"
        if initial:
            said += f" or one of the init containers: [{' '.join(initial)}]"
        raise BadRequest(said)
    ephemeral = [c.name for c in pod.spec.ephemeralContainers or ()]
    if wanted not in (*containers, *initial, *ephemeral):
        raise BadRequest(f"container {wanted} is not valid for pod {context.name}")
    return wanted


def _host(pod: Any) -> str:
    if not pod.spec.nodeName:
        raise BadRequest(f"pod {pod.metadata.name} does not have a host assigned")
    return str(pod.spec.nodeName)


def _upgrade_of(request: Request) -> str:
    kind = request.header("upgrade").lower()
    if "upgrade" not in request.header("connection").lower() or kind not in ("websocket", "spdy/3.1"):
        raise BadRequest("Upgrade request required")
    return kind


def _no_protocol(request: Request, ours: tuple[str, ...]) -> ApiError:
    offered = request.header("x-stream-protocol-version").replace("\n", " ")
    error = BadRequest(f"unable to negotiate protocol: client supports [{offered}], server accepts [{' '.join(ours)}]")
    error.http_code = 403
    return error


def _proxyable(host: str) -> bool:
    """Whoever may write a Pod's status must not reach, through us, what listens on this machine alone."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified)


def _split(name: str) -> tuple[str, str, str]:
    """`[scheme:]name[:port]`."""
    parts = name.split(":")
    if len(parts) == 3:
        return parts[0] or "http", parts[1], parts[2]
    if len(parts) == 2:
        return "http", parts[0], parts[1]
    return "http", name, ""


def _pod_address(context: Context, name: str, port: str) -> tuple[str, int]:
    pod = context.endpoint.decode(context.endpoint.find(context.namespace, name))
    if not port:
        ports = [p.containerPort for c in pod.spec.containers for p in c.ports or ()]
        number = ports[0] if ports else 80
    else:
        named = {p.name: p.containerPort for c in pod.spec.containers for p in c.ports or () if p.name}
        if not port.isdigit() and port not in named:
            raise BadRequest(f"invalid port {port!r}")
        number = int(port) if port.isdigit() else named[port]
    if not pod.status.podIP:
        raise BadRequest("address not allowed")
    return str(pod.status.podIP), int(number)
