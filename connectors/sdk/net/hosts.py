"""Which addresses an outgoing connection may use.

The rule applies to the address after the name was resolved, however it was written: an IPv4
address may also be embedded in an IPv6 address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from connectors.sdk.errors import AccessDeniedError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ALLOW_SETTING = "OPENREGISTER_ALLOW_HOSTS"
DENY_SETTING = "OPENREGISTER_DENY_HOSTS"
PAGES_SETTING = "network.allow_hosts"
"""The setting of the instance, which administrators change on the pages."""

_METADATA = "the metadata service of a cloud"

_SPECIAL: tuple[tuple[Network, str], ...] = tuple(
    (ipaddress.ip_network(network), what)
    for network, what in (
        ("169.254.169.254/32", _METADATA),
        ("fd00:ec2::/32", _METADATA),
        ("fd20:ce::/32", _METADATA),
        ("100.100.100.200/32", _METADATA),
        ("168.63.129.16/32", _METADATA),  # Azure's, although it is a public address
        ("127.0.0.0/8", "this machine itself (loopback)"),
        ("::1/128", "this machine itself (loopback)"),
        ("0.0.0.0/8", "this machine itself (unspecified)"),
        ("::/128", "this machine itself (unspecified)"),
        ("169.254.0.0/16", "a link-local address"),
        ("fe80::/10", "a link-local address"),
        ("10.0.0.0/8", "a private network"),
        ("172.16.0.0/12", "a private network"),
        ("192.168.0.0/16", "a private network"),
        ("fc00::/7", "a private network"),
        ("fec0::/10", "a private network"),
        ("100.64.0.0/10", "a network shared behind a provider's address translation"),
        ("224.0.0.0/4", "a multicast address"),
        ("ff00::/8", "a multicast address"),
        # the following IPv6 forms lead to an arbitrary IPv4 network
        ("64:ff9b:1::/48", "a private network (NAT64)"),
    )
)

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")


@dataclass(frozen=True, slots=True)
class HostList:
    """Hosts as listed in a setting: names, names below `*.example.org`, addresses, networks."""

    names: frozenset[str]
    suffixes: tuple[str, ...]
    networks: tuple[Network, ...]

    @classmethod
    def parse(cls, entries: Iterable[str]) -> HostList:
        """Raises ValueError for an entry that is none of these."""
        names, suffixes, networks = set(), [], []
        for entry in entries:
            text = entry.strip().lower().rstrip(".")
            if text.startswith("*."):
                suffixes.append(text[1:])
            elif (network := _network(text.strip("[]"))) is not None:
                networks.append(network)
            elif not text or set(text) & set("*/:@? "):
                raise ValueError(f"{entry!r} is not a host, address or network such as 10.0.0.0/8")
            else:
                names.add(text)
        return cls(frozenset(names), tuple(suffixes), tuple(networks))

    def match(self, host: str, address: Address) -> str:
        """The entry that matches a host or its address; empty if there is none."""
        name = host.lower().rstrip(".")
        if name in self.names:
            return name
        for suffix in self.suffixes:
            if name.endswith(suffix):
                return f"*{suffix}"
        for form in (address, *_inner(address)):
            for network in self.networks:
                if form in network:
                    return str(network)
        return ""


@dataclass(frozen=True, slots=True)
class HostRules:
    """The rules of an instance, called as `Policy.allow_address`.

    Denied hosts are denied to all. `confined`: only public addresses, hosts that the host itself
    allows, and those that an administrator `opened` on the pages. The latter never opens the
    metadata service of a cloud, which would hand out the credentials of the host.
    """

    allow: HostList
    deny: HostList
    confined: bool = True
    opened: HostList = HostList(frozenset(), (), ())

    def __call__(self, host: str, ip: str) -> bool:
        """True, or AccessDeniedError with the rule that forbids it and its setting."""
        address = _address(ip)
        if entry := self.deny.match(host, address):
            raise AccessDeniedError(
                f"This instance denies connections to {_shown(host, ip)}: {entry} is on its list",
                where=host,
                hint=f"An administrator can remove it from {DENY_SETTING}",
            )
        if not self.confined or self.allow.match(host, address):
            return True
        what = special(address)
        if not what or (what != _METADATA and self.opened.match(host, address)):
            return True
        setting = ALLOW_SETTING
        if what != _METADATA:
            setting = f"{PAGES_SETTING} under Settings, or to {ALLOW_SETTING}"
        raise AccessDeniedError(
            f"This source may not connect to {_shown(host, ip)}: the address is {what}",
            where=host,
            hint="Sources set up on the pages or with the API can only reach public addresses. "
            f"An administrator can add {host} to {setting}",
        )


def special(address: Address) -> str:
    """The kind of a non-public address, in words; empty for a public one."""
    for form in (address, *_inner(address)):
        for network, what in _SPECIAL:
            if form in network:
                return what
        if not form.is_global and form not in _NAT64:
            return "a reserved address"
    return ""


def _inner(address: Address) -> list[Address]:
    """The IPv4 addresses embedded in an IPv6 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found: list[Address | None] = [address.ipv4_mapped, address.sixtofour]
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address.teredo is not None:
        found.extend(address.teredo)
    return [form for form in found if form is not None]


def _address(ip: str) -> Address:
    address = ipaddress.ip_address(ip.partition("%")[0])
    # for the network, a mapped address is the IPv4 address
    return getattr(address, "ipv4_mapped", None) or address


def _network(text: str) -> Network | None:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.ip_network(f"{mapped}/{network.prefixlen - 96}", strict=False)
    return network


def _shown(host: str, ip: str) -> str:
    return ip if host == ip else f"{host} ({ip})"
