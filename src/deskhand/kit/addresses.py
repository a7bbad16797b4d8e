"""Which addresses are outside: nothing that a tenant names may lead back into our own network, however it is spelt."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_6TO4 = ipaddress.IPv6Network("2002::/16")
# RFC 5214: the interface part of an address that carries an IPv4 one; the second has the universal bit set.
_ISATAP = (0x5EFE, 0x0200_5EFE)
# Not yet in ``is_private`` of every Python we run on.
_INSIDE = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("64:ff9b:1::/48", "2001::/32", "::/96", "fec0::/10", "5f00::/16", "3fff::/20", "100::/64"),
        *("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4"),
    )
)


def unmapped(address: Address) -> Address:
    """The IPv4 address where it came over a socket, or a proxy, that writes it as an IPv6 one."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


def is_public(address: Address) -> bool:
    """True for an address of the internet that one machine answers to."""
    # First, because a translated address is global as such and leads to whatever it carries.
    inner = _embedded(address)
    if inner is not None:
        return is_public(inner)
    # is_global is true of multicast addresses.
    unusual = address.is_multicast or address.is_unspecified or address.is_reserved or address.is_loopback
    return address.is_global and not unusual and not any(address in network for network in _INSIDE)


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for on some route."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    number = int(address)
    # The system connects to the IPv4 address itself, so 127.0.0.1 must be seen in ::ffff:127.0.0.1.
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64 or (number >> 32) & 0xFFFF_FFFF in _ISATAP:
        return ipaddress.IPv4Address(number & 0xFFFF_FFFF)
    if address in _6TO4:
        # 6to4 has it behind the first sixteen bits, the two others at the end.
        return ipaddress.IPv4Address((number >> 80) & 0xFFFF_FFFF)
    return None
