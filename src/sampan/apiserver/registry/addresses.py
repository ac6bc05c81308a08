"""IP addresses, networks and ports in Kubernetes' wording."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from sampan.api import names
from sampan.api.goquote import quote
from sampan.apiserver.registry.field import Errors

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

NOT_AN_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
NOT_A_CIDR = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
PROTOCOLS = ("SCTP", "TCP", "UDP")

_leading_zeros = re.compile(r"(?<![0-9])0+(?=[0-9])").sub


@lru_cache(maxsize=4096)
def parse_ip(text: str) -> IPAddress | None:
    """Old fields tolerate leading zeros in IPv4 octets; zones were never allowed."""
    if "%" in text:
        return None
    try:
        return ip_address(text if ":" in text else _leading_zeros("", text))
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def parse_cidr(text: str) -> IPNetwork | None:
    address, slash, bits = text.partition("/")
    if not slash or not bits.isdecimal() or parse_ip(address) is None:
        return None
    try:
        return ip_network(f"{parse_ip(address)}/{int(bits)}", strict=False)
    except ValueError:
        return None


def is_ipv6(text: str) -> bool:
    return isinstance(parse_ip(text), IPv6Address)


def is_dual_stack(texts: list[str]) -> bool:
    """At least one address of each family."""
    families = {is_ipv6(t) for t in texts}
    return len(families) == 2


def validate_ip(text: str, path: str, errors: Errors) -> bool:
    if parse_ip(text) is None:
        errors.invalid(path, text, NOT_AN_IP)
        return False
    return True


def validate_strict_ip(text: str, path: str, errors: Errors) -> bool:
    """New fields want the canonical form."""
    parsed = parse_ip(text)
    if parsed is None:
        errors.invalid(path, text, NOT_AN_IP)
        return False
    if ":" not in text and str(parsed) != text:
        errors.invalid(path, text, "must not have leading 0s")
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        errors.invalid(path, text, "must not be an IPv4-mapped IPv6 address")
        return False
    if str(parsed) != text:
        errors.invalid(path, text, f'must be in canonical form ("{parsed}")')
        return False
    return True


def validate_cidr(text: str, path: str, errors: Errors) -> bool:
    if parse_cidr(text) is None:
        errors.invalid(path, text, NOT_A_CIDR)
        return False
    return True


def validate_non_special_ip(text: str, path: str, errors: Errors) -> None:
    """Addresses that name no other machine: unspecified, loopback, link-local."""
    address = parse_ip(text)
    if address is None:
        errors.invalid(path, text, "must be a valid IP address")
        return
    if address.is_unspecified:
        errors.invalid(path, text, f"may not be unspecified ({text})")
    if address.is_loopback:
        errors.invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        errors.invalid(path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if address in _LINK_MULTICAST[address.version]:
        errors.invalid(path, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


_LINK_MULTICAST: dict[int, IPNetwork] = {4: ip_network("224.0.0.0/24"), 6: ip_network("ff02::/16")}


def ip_warnings(text: str, path: str) -> Iterator[str]:
    """Addresses that old fields tolerate, and what to write instead."""
    address = parse_ip(text)
    if address is None:
        return
    mapped = isinstance(address, IPv6Address) and address.ipv4_mapped is not None
    if mapped or (address.version == 4 and str(address) != text):
        better = address.ipv4_mapped if isinstance(address, IPv6Address) else address
        yield (
            f"{path}: non-standard IP address {quote(text)} will be considered invalid in a future Kubernetes release: "
            f"use {quote(str(better))}"
        )
    elif str(address) != text:
        yield f"{path}: IPv6 address {quote(text)} should be in RFC 5952 canonical format ({quote(str(address))})"


def cidr_warnings(text: str, path: str) -> Iterator[str]:
    """The same for networks; and those that may be meant for an address."""
    network, address = parse_cidr(text), parse_ip(text.partition("/")[0])
    if network is None or address is None:
        return
    ambiguous = address != network.network_address
    if ambiguous:
        alone = f"{address}/{address.max_prefixlen}"
        yield (
            f"{path}: CIDR value {quote(text)} is ambiguous in this context (should be {quote(str(network))} or "
            f"{quote(alone)}?)"
        )
    if address.version == 4 and f"{address}/{network.prefixlen}" != text:
        yield (
            f"{path}: non-standard CIDR value {quote(text)} will be considered invalid in a future Kubernetes release: "
            f"use {quote(str(network))}"
        )
    elif address.version == 6 and not ambiguous and str(network) != text:
        yield f"{path}: IPv6 CIDR value {quote(text)} should be in RFC 5952 canonical format ({quote(str(network))})"


def validate_port(port: int, path: str, errors: Errors) -> None:
    if not 1 <= port <= 65535:
        errors.invalid(path, port, names.range_error(1, 65535))


def validate_port_or_name(port: int | str, path: str, errors: Errors) -> None:
    if isinstance(port, str):
        errors.each(path, port, names.port_name(port))
    elif not 1 <= port <= 65535:
        errors.invalid(path, port, names.range_error(1, 65535))


def validate_protocol(protocol: str | None, path: str, errors: Errors) -> None:
    if not protocol:
        errors.required(path)
    elif protocol not in PROTOCOLS:
        errors.unsupported(path, protocol, PROTOCOLS)
