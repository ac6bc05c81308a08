"""Real packets: servers and clients whose sockets live in the namespaces under test, all driven by one event loop."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import subprocess
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from sampan.network import links, namespaces
from sampan.network.netlink import NetlinkSocket


def socket_in(netns: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    with namespaces.entered(netns):
        made = socket.socket(socket.AF_INET, kind)
    made.setblocking(False)
    return made


async def serve(netns: str, port: int, name: str, *, ip: str = "0.0.0.0") -> asyncio.Server:
    """A TCP server that answers each connection with its name and the client's address as it sees it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(f"{name} {writer.get_extra_info('peername')[0]}\n".encode())
            await writer.drain()
            await reader.read()
        except OSError:
            pass
        finally:
            writer.close()

    listening = socket_in(netns)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((ip, port))
    return await asyncio.start_server(talk, sock=listening)


async def ask(netns: str, ip: str, port: int, *, source: str = "", timeout: float = 3.0) -> tuple[str, str]:
    """(server's name, our address as the server sees it)."""
    loop = asyncio.get_running_loop()
    client = socket_in(netns)
    try:
        if source:
            client.bind((source, 0))
        async with asyncio.timeout(timeout):
            await loop.sock_connect(client, (ip, port))
            line = await loop.sock_recv(client, 200)
        # Reset instead of a goodbye: no TIME_WAIT is left to hold names and ports.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    finally:
        client.close()
    name, seen = line.decode().split()
    return name, seen


class UdpServer(asyncio.DatagramProtocol):
    def __init__(self, name: str) -> None:
        self.name = name

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(f"{self.name} {addr[0]}".encode(), addr)


async def serve_udp(netns: str, port: int, name: str) -> asyncio.DatagramTransport:
    listening = socket_in(netns, socket.SOCK_DGRAM)
    listening.bind(("0.0.0.0", port))
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: UdpServer(name), sock=listening)
    return transport


class UdpClient:
    """One client that keeps its port, as resolvers and game clients do."""

    def __init__(self, netns: str, ip: str, port: int) -> None:
        self._socket = socket_in(netns, socket.SOCK_DGRAM)
        self._socket.connect((ip, port))

    async def ask(self, *, timeout: float = 1.0) -> tuple[str, str]:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout):
            await loop.sock_sendall(self._socket, b"hello")
            line = await loop.sock_recv(self._socket, 200)
        name, seen = line.decode().split()
        return name, seen

    def close(self) -> None:
        self._socket.close()


def shell(command: str, *, netns: str = "") -> str:
    prefix = f"nsenter --net={netns} " if netns else ""
    done = subprocess.run(prefix + command, shell=True, capture_output=True, text=True, timeout=30)
    return done.stdout + done.stderr


def everything() -> str:
    """All that can be left behind in a namespace."""
    parts = [
        shell(command)
        for command in ("ip -o link", "ip -o address", "ip route", "ip neigh", "nft list ruleset")
    ]  # fmt: skip
    with open("/proc/sys/net/ipv4/ip_forward") as forwarding:
        parts.append(forwarding.read())
    return "\n".join(parts)


def connect_outside(path: str, *, address: str = "192.0.2.2", host: str = "192.0.2.1") -> None:
    """A machine that is no part of the cluster: a namespace with a cable to "the host" and its default route there."""
    namespaces.create(Path(path))
    inside = os.open(path, os.O_RDONLY)
    try:
        with links.open_rtnl() as rtnl:
            rtnl.call(links.make_veth("uplink", "eth0", inside, mtu=1500))
            _bring_up(rtnl, "uplink", host)
    finally:
        os.close(inside)
    with namespaces.entered(path), links.open_rtnl() as rtnl:
        eth0 = _bring_up(rtnl, "eth0", address)
        rtnl.call(links.set_up(1), links.add_route(IPv4Network("0.0.0.0/0"), oif=eth0, gateway=host))


def _bring_up(rtnl: NetlinkSocket, name: str, address: str) -> int:
    found = links.find_link(rtnl, name)
    assert found is not None
    rtnl.call(links.quiet_ipv6(found.index), links.set_up(found.index), links.add_address(found.index, address, 24))
    return found.index
