"""Kubernetes' IP addresses, CIDR ranges and URLs."""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from sampan.apiserver.cel.functions.registry import Library
from sampan.apiserver.cel.types import BOOL, CIDR, INT, IP, STRING, URL, list_of, map_of
from sampan.apiserver.cel.values import CelError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Ip:
    cel_type = IP.name

    def __init__(self, address: Address) -> None:
        self.address = address

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ip) and self.address == other.address

    def __hash__(self) -> int:
        return hash(self.address)

    def __str__(self) -> str:
        return str(self.address)


class Cidr:
    cel_type = CIDR.name

    def __init__(self, address: Address, network: Network) -> None:
        self.address = address
        self.network = network

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cidr) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return f"{self.address}/{self.network.prefixlen}"


class Url:
    cel_type = URL.name

    def __init__(self, text: str, parts: SplitResult) -> None:
        self.text = text
        self.parts = parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Url) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


def add_to(library: Library) -> None:
    _ips(library)
    _cidrs(library)
    _urls(library)


def parse_ip(text: str) -> Ip:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise CelError(f'IP Address "{text}" parse error during conversion from string: unable to parse IP') from None
    if "%" in text:
        raise CelError(f'IP address "{text}" with zone value is not allowed')
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        raise CelError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return Ip(address)


def parse_cidr(text: str) -> Cidr:
    address, slash, length = text.partition("/")
    try:
        if not slash or not length.isdigit():
            raise ValueError
        return Cidr(parse_ip(address).address, ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise CelError(
            f'network address parse error during conversion from string: netip.ParsePrefix("{text}")'
        ) from None


def _can(parse: Any) -> Any:
    def check(text: str) -> bool:
        try:
            parse(text)
        except CelError:
            return False
        return True

    return check


def _ips(library: Library) -> None:
    library.function("ip", STRING, gives=IP)(parse_ip)
    library.function("isIP", STRING, gives=BOOL)(_can(parse_ip))
    library.function("ip.isCanonical", STRING, gives=BOOL)(lambda text: str(parse_ip(text)) == text)
    library.function("string", IP, gives=STRING)(str)
    library.method("family", IP, gives=INT)(lambda ip: ip.address.version)
    library.method("isUnspecified", IP, gives=BOOL)(lambda ip: ip.address.is_unspecified)
    library.method("isLoopback", IP, gives=BOOL)(lambda ip: ip.address.is_loopback)
    library.method("isLinkLocalUnicast", IP, gives=BOOL)(lambda ip: ip.address.is_link_local)
    library.method("isLinkLocalMulticast", IP, gives=BOOL)(_link_local_multicast)
    library.method("isGlobalUnicast", IP, gives=BOOL)(_global_unicast)


def _link_local_multicast(ip: Ip) -> bool:
    if isinstance(ip.address, ipaddress.IPv4Address):
        return ip.address in ipaddress.ip_network("224.0.0.0/24")
    return ip.address.is_multicast and ip.address.packed[1] & 0x0F == 2


def _global_unicast(ip: Ip) -> bool:
    address = ip.address
    never = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return not never and address != ipaddress.ip_address("255.255.255.255")


def _cidrs(library: Library) -> None:
    library.function("cidr", STRING, gives=CIDR)(parse_cidr)
    library.function("isCIDR", STRING, gives=BOOL)(_can(parse_cidr))
    library.function("string", CIDR, gives=STRING)(str)
    library.method("ip", CIDR, gives=IP)(lambda cidr: Ip(cidr.address))
    library.method("prefixLength", CIDR, gives=INT)(lambda cidr: cidr.network.prefixlen)
    library.method("masked", CIDR, gives=CIDR)(lambda cidr: Cidr(cidr.network.network_address, cidr.network))
    library.method("containsIP", CIDR, IP, gives=BOOL)(lambda cidr, ip: ip.address in cidr.network)
    library.method("containsIP", CIDR, STRING, gives=BOOL)(lambda cidr, ip: parse_ip(ip).address in cidr.network)
    library.method("containsCIDR", CIDR, CIDR, gives=BOOL)(_contains)
    library.method("containsCIDR", CIDR, STRING, gives=BOOL)(lambda cidr, other: _contains(cidr, parse_cidr(other)))


def _contains(cidr: Cidr, other: Cidr) -> bool:
    mine, its = cidr.network, other.network
    if mine.version != its.version:
        return False
    return its.prefixlen >= mine.prefixlen and its.network_address in mine


def parse_url(text: str) -> Url:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise CelError(f'URL parse error during conversion from string: parse "{text}": {error}') from None
    absolute = bool(parts.scheme) or text.startswith("/")
    if not absolute or any(c in text for c in " \t\n") or (parts.scheme and not parts.netloc and not parts.path):
        raise CelError(f'URL parse error during conversion from string: parse "{text}": invalid URI for request')
    return Url(text, parts)


def _urls(library: Library) -> None:
    library.function("url", STRING, gives=URL)(parse_url)
    library.function("isURL", STRING, gives=BOOL)(_can(parse_url))
    library.method("getScheme", URL, gives=STRING)(lambda url: url.parts.scheme)
    library.method("getHost", URL, gives=STRING)(lambda url: url.parts.netloc.rpartition("@")[2])
    library.method("getHostname", URL, gives=STRING)(_hostname)
    library.method("getPort", URL, gives=STRING)(lambda url: str(url.parts.port or ""))
    library.method("getEscapedPath", URL, gives=STRING)(lambda url: url.parts.path)
    library.method("getQuery", URL, gives=map_of(STRING, list_of(STRING)))(
        lambda url: parse_qs(url.parts.query, keep_blank_values=True)
    )


def _hostname(url: Url) -> str:
    host = str(url.parts.netloc.rpartition("@")[2])
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host
