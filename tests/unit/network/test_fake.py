"""The fake keeps the contract, so that tests of the rooms above mean something."""

import pytest

from sampan.network.contract import AddressesExhausted, HostPort, HostPortTaken, PodNetwork
from sampan.network.fake import FakeNetwork


async def test_the_fake_is_a_pod_network() -> None:
    network: PodNetwork = FakeNetwork("10.0.0.0/30")
    first = await network.attach("a")
    assert await network.attach("a") == first
    with pytest.raises(AddressesExhausted):
        await network.attach("b")
    await network.detach("a")
    await network.detach("a")
    assert await network.attached() == []


async def test_host_ports_are_given_once() -> None:
    network = FakeNetwork()
    port = HostPort(protocol="tcp", host_port=80, port=80)
    await network.attach("a", host_ports=[port])
    with pytest.raises(HostPortTaken):
        await network.attach("b", host_ports=[HostPort(protocol="tcp", host_port=80, port=1, host_ip="127.0.0.1")])
    await network.attach("c", host_ports=[HostPort(protocol="udp", host_port=80, port=1)])
