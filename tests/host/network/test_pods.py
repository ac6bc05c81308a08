"""What a Pod's network promises (A7 to A9, G4), with real traffic."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import subprocess
import sys
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from sampan.network import links, names, namespaces
from sampan.network.contract import AddressesExhausted, HostPort, HostPortTaken, NetworkConfig
from sampan.network.pod_network import LocalNetwork

from .conftest import make_network
from .traffic import UdpClient, ask, connect_outside, everything, serve, serve_udp, shell, socket_in

pytestmark = pytest.mark.root
HOST = "/proc/self/ns/net"


async def test_pods_reach_each_other_and_see_real_addresses(network: LocalNetwork) -> None:
    await network.start()
    a, b = await network.attach("a"), await network.attach("b")
    assert a.ip != b.ip
    servers = [await serve(a.netns_path, 80, "a"), await serve(b.netns_path, 80, "b")]  # the same port twice: A8
    assert await ask(a.netns_path, b.ip, 80) == ("b", a.ip)
    assert await ask(b.netns_path, a.ip, 80) == ("a", b.ip)
    assert await ask(a.netns_path, "127.0.0.1", 80) == ("a", "127.0.0.1")
    assert await ask(a.netns_path, a.ip, 80) == ("a", a.ip)
    assert (await ask(HOST, a.ip, 80))[0] == "a"
    servers.append(await serve(HOST, 9000, "host"))
    assert await ask(a.netns_path, a.gateway, 9000) == ("host", a.ip)
    for server in servers:
        server.close()
    await network.teardown()


async def test_the_first_packet_of_a_new_pod_arrives(network: LocalNetwork) -> None:
    """An interface that is up but not ready drops packets; a lost first one costs a client a second."""
    await network.start()
    pod = await network.attach("server")
    server = await serve(pod.netns_path, 80, "server")
    for turn in range(30):
        client = await network.attach(f"client-{turn}")
        assert await ask(client.netns_path, pod.ip, 80, timeout=0.5) == ("server", client.ip)
    server.close()
    await network.teardown()


async def test_attach_twice_is_the_same_and_detach_twice_is_fine(network: LocalNetwork) -> None:
    await network.start()
    first = await network.attach("a")
    assert await network.attach("a") == first
    assert await network.get("a") == first
    assert await network.attached() == [first]
    await asyncio.gather(network.detach("a"), network.detach("a"))
    await network.detach("never-seen")
    assert await network.get("a") is None
    assert (await network.attach("a")).ip != first.ip  # an address rests before it is given again
    await network.teardown()


async def test_many_at_once_get_addresses_of_their_own(network: LocalNetwork) -> None:
    await network.start()
    made = await asyncio.gather(*(network.attach(f"pod-{n}") for n in range(60)))
    assert len({each.ip for each in made}) == 60
    await asyncio.gather(*(network.detach(f"pod-{n}") for n in range(60)))
    assert await network.attached() == []
    assert "sv" not in shell("ip -o link")
    await network.teardown()


async def test_a_full_range_says_so_and_recovers(tmp_path: Path) -> None:
    config = NetworkConfig(
        name="small", node_range=IPv4Network("10.9.0.0/29"), cluster_range=IPv4Network("10.9.0.0/16"), run_dir=tmp_path
    )
    network = LocalNetwork(config, register=tmp_path / "sysctls")
    await network.start()
    for n in range(5):
        await network.attach(f"pod-{n}")
    with pytest.raises(AddressesExhausted, match=r"10\.9\.0\.0/29"):
        await network.attach("one-too-many")
    await network.detach("pod-3")
    assert (await network.attach("another")).ip == "10.9.0.5"
    await network.teardown()


async def test_a_small_mtu_reaches_the_pod(tmp_path: Path) -> None:
    """Below 1280 bytes the kernel has no IPv6 on an interface, as on hosts where it is switched off."""
    ranges = {"node_range": IPv4Network("10.9.0.0/24"), "cluster_range": IPv4Network("10.9.0.0/16")}
    config = NetworkConfig(name="t", run_dir=tmp_path, mtu=1000, **ranges)
    network = LocalNetwork(config, register=tmp_path / "sysctls")
    await network.start()
    pod, other = await network.attach("a"), await network.attach("b")
    assert pod.mtu == 1000
    assert "mtu 1000" in shell("ip -o link show eth0", netns=pod.netns_path)
    server = await serve(pod.netns_path, 80, "a")
    assert await ask(other.netns_path, pod.ip, 80) == ("a", other.ip)
    server.close()
    await network.teardown()


async def test_an_address_nobody_has_is_refused_at_once(network: LocalNetwork) -> None:
    await network.start()
    pod = await network.attach("a")
    with pytest.raises(OSError) as refused:
        await ask(pod.netns_path, "10.244.0.99", 80, timeout=1.0)
    assert refused.value.errno == errno.EHOSTUNREACH
    await network.teardown()


async def test_only_what_leaves_the_cluster_is_masqueraded(network: LocalNetwork, tmp_path: Path) -> None:
    outside = str(tmp_path / "outside")
    connect_outside(outside)
    await network.start()
    pod = await network.attach("a")
    server = await serve(outside, 80, "outside")
    assert await ask(pod.netns_path, "192.0.2.2", 80) == ("outside", "192.0.2.1")
    await network.set_peers({IPv4Network("10.244.7.0/24"): "192.0.2.2"})  # now it is a node: no translation
    assert await ask(pod.netns_path, "192.0.2.2", 80) == ("outside", pod.ip)
    assert "10.244.7.0/24 via 192.0.2.2" in shell("ip route")
    await network.set_peers({})
    assert "10.244.7.0/24" not in shell("ip route")
    server.close()
    await network.teardown()
    namespaces.remove(Path(outside))


async def test_host_ports(network: LocalNetwork, tmp_path: Path) -> None:
    outside = str(tmp_path / "outside")
    connect_outside(outside)
    await network.start()
    ports = [
        HostPort(protocol="tcp", host_port=8080, port=80),
        HostPort(protocol="udp", host_port=8080, port=53),
        HostPort(protocol="tcp", host_port=8443, port=80, host_ip="127.0.0.1"),
    ]
    pod = await network.attach("a", host_ports=ports)
    other = await network.attach("b")
    server = await serve(pod.netns_path, 80, "pod")
    udp = await serve_udp(pod.netns_path, 53, "pod-udp")
    assert await ask(outside, "192.0.2.1", 8080) == ("pod", "192.0.2.2")  # the real client
    assert (await ask(HOST, "127.0.0.1", 8080))[0] == "pod"
    assert (await ask(HOST, "192.0.2.1", 8080))[0] == "pod"
    assert (await ask(other.netns_path, "192.0.2.1", 8080))[0] == "pod"
    assert (await ask(pod.netns_path, "192.0.2.1", 8080))[0] == "pod"  # to itself
    assert (await ask(HOST, "127.0.0.1", 8443))[0] == "pod"
    with pytest.raises(ConnectionRefusedError):
        await ask(outside, "192.0.2.1", 8443)
    client = UdpClient(outside, "192.0.2.1", 8080)
    assert await client.ask() == ("pod-udp", "192.0.2.2")
    with pytest.raises(HostPortTaken, match="8080 of the host is held by a"):
        await network.attach("c", host_ports=[HostPort(protocol="tcp", host_port=8080, port=1)])
    assert await network.get("c") is None

    await network.detach("a")
    with pytest.raises(ConnectionRefusedError):
        await ask(outside, "192.0.2.1", 8080)
    again = await network.attach("d", host_ports=ports)  # the ports are free; the old UDP client finds the new Pod
    udp2 = await serve_udp(again.netns_path, 53, "new-udp")
    assert (await client.ask())[0] == "new-udp"
    client.close()
    for each in (server, udp, udp2):
        each.close()
    await network.teardown()
    namespaces.remove(Path(outside))


async def test_nobody_reaches_the_hosts_loopback_from_a_pod(network: LocalNetwork) -> None:
    await network.start()
    pod = await network.attach("a")
    server = await serve(HOST, 7000, "host-only", ip="127.0.0.1")
    # The Pod sends 127.0.0.1 out of its interface, as CVE-2020-8558 did.
    shell("sysctl -w net.ipv4.conf.all.route_localnet=1", netns=pod.netns_path)
    shell("ip route del local 127.0.0.0/8 table local; ip route del local 127.0.0.1 table local", netns=pod.netns_path)
    shell("nsenter --net=" + pod.netns_path + " ip addr flush dev lo")
    shell("nsenter --net=" + pod.netns_path + " ip route add 127.0.0.1/32 via 10.244.0.1 dev eth0 onlink")
    assert "eth0" in shell("ip route get 127.0.0.1", netns=pod.netns_path)
    with pytest.raises((TimeoutError, OSError)):
        await ask(pod.netns_path, "127.0.0.1", 7000, source=pod.ip, timeout=0.5)
    server.close()
    await network.teardown()


async def test_a_new_process_finds_everything(network: LocalNetwork, tmp_path: Path) -> None:
    await network.start()
    port = HostPort(protocol="tcp", host_port=8080, port=80)
    before = await network.attach("a", host_ports=[port])
    server = await serve(before.netns_path, 80, "pod")
    await network.close()  # as after kill -9: nothing was cleaned up

    successor = make_network(tmp_path)
    await successor.start()
    assert await successor.attached() == [before]
    assert await successor.attach("a") == before
    assert (await ask(HOST, "127.0.0.1", 8080))[0] == "pod"
    assert (await successor.attach("b")).ip != before.ip
    server.close()
    await successor.teardown()


async def test_recover_finishes_what_a_crash_left(network: LocalNetwork, tmp_path: Path) -> None:
    await network.start()
    kept = await network.attach("kept", host_ports=[HostPort(protocol="tcp", host_port=8080, port=80)])
    leases = tmp_path / "t-0" / "state" / "leases"
    (leases / "10.244.0.77").write_text('{"ip": "10.244.0.77", "owner": "half-made", "host_ports": []}')
    (leases / "10.244.0.78").write_text("")  # torn
    namespaces.create(tmp_path / "t-0" / "run" / "netns" / "stray")
    with links.open_rtnl() as rtnl:
        inside = os.open(tmp_path / "t-0" / "run" / "netns" / "stray", os.O_RDONLY)
        rtnl.call(links.make_veth(names.veth("t", "stray"), "eth0", inside, mtu=1500))
        os.close(inside)
        rtnl.call(links.drop_link(kept.interface))  # somebody pulled the Pod's cable
    shell("nft flush ruleset")
    shell("ip route flush proto 83")
    await network.close()

    successor = make_network(tmp_path)
    await successor.start()
    assert [each.id for each in await successor.attached()] == ["kept"]
    assert sorted(os.listdir(leases)) == [kept.ip]
    assert os.listdir(tmp_path / "t-0" / "run" / "netns") == ["kept"]
    assert names.veth("t", "stray") not in shell("ip -o link")
    server = await serve(kept.netns_path, 80, "pod")
    assert (await ask(HOST, "127.0.0.1", 8080))[0] == "pod"
    other = await successor.attach("other")
    assert await ask(other.netns_path, kept.ip, 80) == ("pod", other.ip)
    server.close()
    await successor.teardown()


async def test_after_a_reboot_addresses_are_free_again(network: LocalNetwork, tmp_path: Path) -> None:
    await network.start()
    gone = await network.attach("gone")
    await network.close()
    namespaces.remove(Path(gone.netns_path))
    shell("ip link del sp-t; nft flush ruleset")
    successor = make_network(tmp_path)
    await successor.start()
    assert await successor.attached() == []
    assert os.listdir(tmp_path / "t-0" / "state" / "leases") == []
    await successor.teardown()


async def test_teardown_removes_every_trace(tmp_path: Path) -> None:
    before = everything()
    network = make_network(tmp_path)
    await network.start()
    for n in range(5):
        await network.attach(f"pod-{n}", host_ports=[HostPort(protocol="tcp", host_port=9000 + n, port=80)])
    await network.set_peers({IPv4Network("10.244.9.0/24"): "10.244.0.2"})
    assert everything() != before
    await network.teardown()
    assert everything() == before
    assert sorted(os.listdir(tmp_path)) == ["host-ns", "t-0"]
    assert not os.path.exists(tmp_path / "t-0" / "run")
    await network.teardown()  # again: nothing to do


async def test_clusters_side_by_side_do_not_meet(tmp_path: Path) -> None:
    one, two = make_network(tmp_path, "one", 1), make_network(tmp_path, "two", 2)
    two = LocalNetwork(
        NetworkConfig(
            name="two",
            node_range=IPv4Network("10.245.0.0/24"),
            cluster_range=IPv4Network("10.245.0.0/16"),
            service_range=IPv4Network("10.97.0.0/16"),
            run_dir=tmp_path / "two",
        ),
        register=tmp_path / "sysctls",
    )
    await one.start()
    only_one = everything()
    await two.start()
    a, b = await one.attach("pod"), await two.attach("pod")
    assert a.interface != b.interface
    await two.teardown()
    await one.detach("pod")
    assert everything() == only_one
    assert shell("cat /proc/sys/net/ipv4/ip_forward").strip() == "1"  # the other still needs it
    await one.teardown()
    assert shell("cat /proc/sys/net/ipv4/ip_forward").strip() == "0"


async def test_half_closed_connections_are_followed_for_an_hour(network: LocalNetwork) -> None:
    seconds = Path("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait")
    if not seconds.exists():
        pytest.skip("this kernel follows no connections yet")
    seconds.write_text("61")
    await network.start()
    assert seconds.read_text().strip() == "3600"
    await network.teardown()
    assert seconds.read_text().strip() == "61"


async def test_what_others_made_stays(network: LocalNetwork) -> None:
    shell("nft add table ip theirs; nft add chain ip theirs c; ip route add 198.51.100.0/24 dev lo")
    shell("ip link add theirs type bridge; ip link set theirs up; sysctl -w net.ipv4.ip_forward=1")
    before = everything()
    await network.start()
    await network.attach("a")
    await network.teardown()
    assert everything() == before


async def test_a_pod_cannot_use_anothers_address(network: LocalNetwork) -> None:
    await network.start()
    thief, owner, server_pod = [await network.attach(name) for name in ("thief", "owner", "server")]
    shell(f"ip addr add {owner.ip}/32 dev eth0", netns=thief.netns_path)
    listening = socket_in(server_pod.netns_path, socket.SOCK_DGRAM)
    listening.bind(("0.0.0.0", 5000))
    sender = socket_in(thief.netns_path, socket.SOCK_DGRAM)
    loop = asyncio.get_running_loop()
    for source, arrives in ((thief.ip, True), (owner.ip, False)):
        with socket_in(thief.netns_path, socket.SOCK_DGRAM) as bound:
            bound.bind((source, 0))
            bound.sendto(b"x", (server_pod.ip, 5000))
        if arrives:
            async with asyncio.timeout(1):
                assert await loop.sock_recv(listening, 10) == b"x"
        else:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await loop.sock_recv(listening, 10)
    sender.close()
    listening.close()
    await network.teardown()


@pytest.mark.skipif("nf_tables" not in shell("iptables --version"), reason="needs iptables-nft")
async def test_beside_a_firewall_that_drops_what_it_does_not_know(network: LocalNetwork, tmp_path: Path) -> None:
    outside = str(tmp_path / "outside")
    connect_outside(outside)
    shell("iptables -P FORWARD DROP; iptables -P INPUT DROP; iptables -A INPUT -i lo -j ACCEPT")
    before = shell("nft list ruleset")
    await network.start()
    a = await network.attach("a", host_ports=[HostPort(protocol="tcp", host_port=8080, port=80)])
    b = await network.attach("b")
    places = (a.netns_path, 80, "a"), (outside, 80, "outside"), (HOST, 9000, "host")
    servers = [await serve(*place) for place in places]
    assert await ask(b.netns_path, a.ip, 80) == ("a", b.ip)
    assert (await ask(b.netns_path, "192.0.2.2", 80))[0] == "outside"
    assert (await ask(b.netns_path, b.gateway, 9000))[0] == "host"
    assert (await ask(outside, "192.0.2.1", 8080))[0] == "a"
    with pytest.raises(TimeoutError):  # what the firewall was there for
        await ask(outside, "192.0.2.1", 9000, timeout=0.3)
    assert "-A FORWARD -i sv" in shell("iptables -S")  # its own tools can read it
    shell("iptables -F FORWARD; iptables -F INPUT; iptables -A INPUT -i lo -j ACCEPT")  # it reloads
    await network.set_peers({})
    assert await ask(b.netns_path, a.ip, 80) == ("a", b.ip)
    for server in servers:
        server.close()
    await network.teardown()
    assert shell("nft list ruleset") == before
    namespaces.remove(Path(outside))


CHURN = """
import asyncio, sys, itertools
from ipaddress import IPv4Network
from pathlib import Path
from sampan.network.contract import HostPort, NetworkConfig
from sampan.network.pod_network import LocalNetwork

async def one(network, n):
    for turn in itertools.count():
        ports = [HostPort(protocol="tcp", host_port=9000 + n, port=80)] if n % 3 == 0 else []
        await network.attach(f"pod-{n}-{turn}", host_ports=ports)
        await network.detach(f"pod-{n}-{turn}")

async def main(folder):
    config = NetworkConfig(
        name="t", node_range=IPv4Network("10.244.0.0/24"), cluster_range=IPv4Network("10.244.0.0/16"),
        service_range=IPv4Network("10.96.0.0/16"), local_addresses=("10.96.0.10",),
        run_dir=folder / "t-0" / "run", state_dir=folder / "t-0" / "state",
    )
    network = LocalNetwork(config, register=folder / "sysctls")
    await network.start()
    await network.attach("stays")
    print("started", flush=True)
    await asyncio.gather(*(one(network, n) for n in range(12)))

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_killed_at_any_moment_nothing_is_lost_or_left(tmp_path: Path) -> None:
    before = everything()
    for delay in (0.0, 0.013, 0.031, 0.052, 0.08, 0.11):
        process = subprocess.Popen([sys.executable, "-c", CHURN, str(tmp_path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        await asyncio.sleep(delay)
        process.kill()
        process.wait()
        process.stdout.close()
    successor = make_network(tmp_path)
    await successor.start()
    attached = await successor.attached()
    assert "stays" in [each.id for each in attached]
    assert len({each.ip for each in attached}) == len(attached)
    stays = await successor.attach("stays")
    server = await serve(stays.netns_path, 80, "stays")
    for each in attached:  # whatever was found works
        assert (await ask(each.netns_path, stays.ip, 80))[0] == "stays"
        if each.id != "stays":
            await successor.detach(each.id)
    server.close()
    assert shell("ip -o link | grep -c ': sv'").strip() == "1"
    assert os.listdir(tmp_path / "t-0" / "run" / "netns") == ["stays"]
    await successor.teardown()
    assert everything() == before
