"""What a forwarded port does: listens, and gives each connection a WebSocket of its own to the Pod.

One connection that breaks is told and ends alone. When the Pod has gone, what stands for it may name another.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sampan.api.errors import ApiError, NotFound
from sampan.api.scheme import ResourceInfo
from sampan.cli.errors import CliError
from sampan.cli.say import complain, say
from sampan.client.calls import item_path
from sampan.client.channels import CLOSE, PORT_FORWARD_PROTOCOLS, pack, unpack
from sampan.client.sync_api import SyncClient
from sampan.client.transport import TransportError
from sampan.client.websocket import SyncWebSocket, WebSocketError

if TYPE_CHECKING:
    from sampan.cli.port_forward import Pair

DATA, ERROR = 0, 1
CHUNK = 65536


class Forwarder:
    def __init__(
        self,
        client: SyncClient,
        info: ResourceInfo,
        pod: dict[str, Any],
        again: Callable[[], dict[str, Any] | None],
        *,
        addresses: Sequence[str],
    ) -> None:
        self._client = client
        self._info = info
        self._pod = pod
        self._again = again
        self._addresses = addresses
        self._listeners: list[socket.socket] = []

    def run(self, pairs: Sequence[Pair]) -> int:
        try:
            for pair in pairs:
                self._listen(pair)
            threading.Event().wait()
        finally:
            for listener in self._listeners:
                listener.close()
        return 0

    def _listen(self, pair: Pair) -> None:
        port, failed, opened = pair.local, [], 0
        for host, needed in _hosts(self._addresses):
            try:
                listener = _bound(host, port)
            except OSError as error:
                shown = f"[{host}]" if ":" in host else host
                kind = "tcp6" if ":" in host else "tcp4"
                reason = (error.strerror or str(error)).lower()
                failed.append(f"listen {kind} {shown}:{port}: bind: {reason}")
                if needed:
                    complain(
                        f"Unable to listen on port {port}: Listeners failed to create with the following errors: "
                        f"[unable to create listener: Error {failed[-1]}]"
                    )
                continue
            opened += 1
            self._listeners.append(listener)
            port = listener.getsockname()[1]
            say(f"Forwarding from {f'[{host}]' if ':' in host else host}:{port} -> {pair.remote}")
            sys.stdout.flush()
            threading.Thread(target=self._accept, args=(listener, port, pair.remote), daemon=True).start()
        if not opened:
            raise CliError("unable to listen on any of the requested ports: " + f"[{{{pair.local} {pair.remote}}}]")

    def _accept(self, listener: socket.socket, local: int, remote: int) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            say(f"Handling connection for {local}")
            sys.stdout.flush()
            threading.Thread(target=self._serve, args=(connection, local, remote), daemon=True).start()

    def _serve(self, connection: socket.socket, local: int, remote: int) -> None:
        with connection:
            try:
                tunnel = self._open(remote)
            except (ApiError, TransportError, WebSocketError, CliError) as error:
                complain(
                    f"error: an error occurred forwarding {local} -> {remote}: error creating error stream: {error}"
                )
                return
            threading.Thread(target=_upstream, args=(connection, tunnel), daemon=True).start()
            try:
                said = _downstream(connection, tunnel)
            except (WebSocketError, OSError) as error:
                said = str(error)
            finally:
                tunnel.close()
            if said:
                complain(f"error: an error occurred forwarding {local} -> {remote}: {said}")

    def _open(self, remote: int) -> SyncWebSocket:
        try:
            return self._dial(remote)
        except NotFound:
            self._replace_pod()
        except ApiError:
            if not self._replace_pod():
                raise
        return self._dial(remote)

    def _dial(self, remote: int) -> SyncWebSocket:
        metadata = self._pod["metadata"]
        path = item_path(self._info, metadata["namespace"], metadata["name"], "portforward")
        return self._client.upgrade(path, query={"ports": str(remote)}, subprotocols=PORT_FORWARD_PROTOCOLS)

    def _replace_pod(self) -> bool:
        found = self._again()
        if found is None:
            raise CliError(f"lost connection to pod {self._pod['metadata']['name']}")
        other = bool(found["metadata"]["uid"] != self._pod["metadata"]["uid"])
        self._pod = found
        return other


def _hosts(addresses: Sequence[str]) -> list[tuple[str, bool]]:
    """(address, whether it must work): `localhost` is both families, and either alone will do."""
    found: list[tuple[str, bool]] = []
    for address in addresses:
        if address == "localhost":
            found += [("127.0.0.1", True), ("::1", False)]
        else:
            try:
                socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
            except OSError:
                raise CliError(f"{address} is not a valid IP") from None
            found.append((address, True))
    return list(dict.fromkeys(found))


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _upstream(connection: socket.socket, tunnel: SyncWebSocket) -> None:
    """From the local program to the Pod, to the end of what it says; the answer may still be coming.

    `v4.channel.k8s.io` has no word for that end. v5's is sent: Sampan's kubelet takes it, and Kubernetes' reads past
    messages for channels that it does not have; there the Pod's own end decides.
    """
    try:
        while data := connection.recv(CHUNK):
            tunnel.send(pack(DATA, data))
        tunnel.send(bytes((CLOSE, DATA)))
    except (OSError, WebSocketError):
        tunnel.close()


def _downstream(connection: socket.socket, tunnel: SyncWebSocket) -> str:
    """From the Pod to the local program; gives what the error channel says. Each channel begins with its port."""
    begun: set[int] = set()
    said = b""
    while (message := tunnel.receive()) is not None:
        if not message:
            continue
        channel, data = unpack(message)
        if channel not in begun:
            begun.add(channel)
            data = data[2:]
        if channel == DATA and data:
            connection.sendall(data)
        elif channel == ERROR and data:
            said += data
    try:
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    return said.decode(errors="replace").strip()
