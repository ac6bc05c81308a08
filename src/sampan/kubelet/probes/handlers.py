"""One look at a container: the four handlers, their success and the words of their failure. No state, no timing."""

import asyncio
import contextlib
import ssl
from enum import Enum
from typing import NamedTuple

from sampan.api.types import core_v1
from sampan.kubelet.probes.grpc import GrpcFailure, check_health
from sampan.runtime.contract import ExecTimeout, Runtime, RuntimeFault
from sampan.version import KUBERNETES_MAJOR, KUBERNETES_MINOR

LONGEST_BODY = 10 * 1024
LONGEST_OUTPUT = 10 * 1024
REDIRECTS = 10


class Outcome(Enum):
    SUCCESS = "success"
    WARNING = "warning"  # succeeded, with something to tell
    FAILURE = "failure"
    UNKNOWN = "unknown"  # could not look: changes nothing


class Finding(NamedTuple):
    outcome: Outcome
    output: str = ""


def resolve_port(port: int | str, container: core_v1.Container) -> int:
    if isinstance(port, int):
        return port
    if port.isdigit():
        return int(port)
    for named in container.ports or ():
        if named.name == port:
            return named.containerPort
    raise LookupError(f"couldn't find port: {port}")


async def look(
    probe: core_v1.Probe, container: core_v1.Container, container_id: str, host: str, runtime: Runtime
) -> Finding:
    """Run the probe's handler once; never raises for what a container or a network may do."""
    timeout = float(probe.timeoutSeconds or 1)
    try:
        if probe.exec is not None:
            return await _exec(probe.exec.command or [], container_id, timeout, runtime)
        if probe.httpGet is not None:
            return await http_get(probe.httpGet, container, host, timeout, agent="kube-probe")
        if probe.tcpSocket is not None:
            port = resolve_port(probe.tcpSocket.port, container)
            return await _tcp(probe.tcpSocket.host or host, port, timeout)
        if probe.grpc is not None:
            return await _grpc(host, probe.grpc.port, probe.grpc.service or "", timeout)
    except LookupError as error:
        return Finding(Outcome.UNKNOWN, str(error))
    return Finding(Outcome.UNKNOWN, "missing probe handler")


async def _exec(command: list[str], container_id: str, timeout: float, runtime: Runtime) -> Finding:
    try:
        result = await runtime.exec_sync(container_id, command, timeout)
    except ExecTimeout:
        seconds = f"{timeout:g}s"
        return Finding(Outcome.FAILURE, f'command timed out: "{" ".join(command)}" timed out after {seconds}')
    except RuntimeFault as error:
        return Finding(Outcome.UNKNOWN, f"rpc error: code = Unknown desc = {error}")
    output = (result.stdout + result.stderr)[:LONGEST_OUTPUT].decode(errors="replace")
    return Finding(Outcome.SUCCESS if result.exit_code == 0 else Outcome.FAILURE, output)


async def _tcp(host: str, port: int, timeout: float) -> Finding:
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return Finding(Outcome.FAILURE, f"dial tcp {address(host, port)}: i/o timeout")
    except OSError as error:
        return Finding(Outcome.FAILURE, dial_error(host, port, error))
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return Finding(Outcome.SUCCESS)


async def _grpc(host: str, port: int, service: str, timeout: float) -> Finding:
    where = address(host, port)
    late = f'timeout: failed to connect service "{where}" within {timeout:g}s: context deadline exceeded'
    begun = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(timeout):
            serving = await check_health(host, port, service)
    except TimeoutError:
        return Finding(Outcome.FAILURE, late)
    except OSError:
        # gRPC clients go on dialling until their time is over
        await asyncio.sleep(max(0.0, timeout - (asyncio.get_running_loop().time() - begun)))
        return Finding(Outcome.FAILURE, late)
    except GrpcFailure as error:
        return Finding(Outcome.FAILURE, f"error: health rpc failed: {error}")
    if serving == "SERVING":
        return Finding(Outcome.SUCCESS, "service healthy")
    return Finding(Outcome.FAILURE, f'service unhealthy (responded with "{serving}")')


def address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def dial_error(host: str, port: int, error: OSError) -> str:
    """As Go's net package words it."""
    match error:
        case ConnectionRefusedError():
            why = "connect: connection refused"
        case _ if error.errno == 113:
            why = "connect: no route to host"
        case _ if error.errno == 101:
            why = "connect: network is unreachable"
        case ConnectionResetError():
            return f"read tcp {address(host, port)}: read: connection reset by peer"
        case _:
            why = str(error)
    return f"dial tcp {address(host, port)}: {why}"


async def http_get(
    action: core_v1.HTTPGetAction, container: core_v1.Container, pod_ip: str, timeout: float, *, agent: str
) -> Finding:
    """GET, following redirects within the same host; any code from 200 to 399 is a success."""
    host = action.host or pod_ip
    port = resolve_port(action.port, container)
    scheme = (action.scheme or "HTTP").lower()
    path = action.path or "/"
    if not path.startswith("/"):
        path = "/" + path
    headers = _headers(action, host, port, scheme, agent)
    url = f"{scheme}://{address(host, port)}{path}"
    try:
        async with asyncio.timeout(timeout):
            for _ in range(REDIRECTS):
                code, location, body = await _fetch(scheme, host, port, path, headers)
                if code not in (301, 302, 303, 307, 308) or not location:
                    break
                if not location.startswith("/"):
                    return Finding(Outcome.WARNING, "Probe terminated redirects, Response body: " + body)
                path = location
            else:
                return Finding(Outcome.FAILURE, f'Get "{url}": stopped after {REDIRECTS} redirects')
    except TimeoutError:
        late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return Finding(Outcome.FAILURE, f'Get "{url}": {late}')
    except OSError as error:
        return Finding(Outcome.FAILURE, f'Get "{url}": {dial_error(host, port, error)}')
    except (ValueError, asyncio.IncompleteReadError) as error:
        why = "EOF" if isinstance(error, asyncio.IncompleteReadError) else str(error)
        return Finding(Outcome.FAILURE, f'Get "{url}": {why}')
    if 200 <= code < 400:
        return Finding(Outcome.SUCCESS, body)
    return Finding(Outcome.FAILURE, f"HTTP probe failed with statuscode: {code}")


def _headers(
    action: core_v1.HTTPGetAction, host: str, port: int, scheme: str, agent: str
) -> dict[str, tuple[str, str]]:
    standard = {"http": 80, "https": 443}[scheme]
    result = {
        "host": ("Host", host if port == standard else address(host, port)),
        "user-agent": ("User-Agent", f"{agent}/{KUBERNETES_MAJOR}.{KUBERNETES_MINOR}"),
        "accept": ("Accept", "*/*"),
        "connection": ("Connection", "close"),
    }
    for header in action.httpHeaders or ():
        if header.value or header.name.lower() not in ("user-agent", "accept"):
            result[header.name.lower()] = (header.name, header.value)
        else:
            result.pop(header.name.lower(), None)
    return result


async def _fetch(
    scheme: str, host: str, port: int, path: str, headers: dict[str, tuple[str, str]]
) -> tuple[int, str, str]:
    """Status code, Location, and the beginning of the body."""
    context = None
    if scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.values()), "", ""]
        writer.write("\r\n".join(lines).encode())
        status = await reader.readuntil(b"\n")
        words = status.split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
            raise ValueError(f'net/http: HTTP/1.x transport connection broken: malformed HTTP response "{status!r}"')
        location = ""
        while (line := await reader.readuntil(b"\n")).strip():
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"location":
                location = value.strip().decode(errors="replace")
        body = b""
        with contextlib.suppress(ConnectionError):
            body = await reader.read(LONGEST_BODY)
        return int(words[1]), location, body.decode(errors="replace")
    finally:
        writer.close()
