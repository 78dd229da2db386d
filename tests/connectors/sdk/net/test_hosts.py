"""Which addresses a source may reach, by the address alone."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.settings import Settings
from connectors.sdk import AccessDeniedError
from connectors.sdk.net.hosts import HostList, HostRules


def rules(allow: str = "", deny: str = "", *, confined: bool = True) -> HostRules:
    return HostRules(HostList.parse(allow.split()), HostList.parse(deny.split()), confined=confined)


@pytest.mark.promise("a source connects to a service on this machine or the internal network")
@pytest.mark.parametrize(
    ("ip", "what"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "unspecified"),  # noqa: S104
        ("::", "unspecified"),
        ("169.254.169.254", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("168.63.129.16", "metadata"),
        ("100.100.100.200", "metadata"),
        ("169.254.1.1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("10.0.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("fd12:3456::1", "private"),
        ("100.64.0.1", "translation"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "reserved"),
        ("192.0.2.1", "reserved"),
        ("2001:db8::1", "reserved"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:a9fe:a9fe", "metadata"),
        ("::127.0.0.1", "loopback"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b::169.254.169.254", "metadata"),
        ("64:ff9b:1::1", "NAT64"),
        ("2002:7f00:1::1", "loopback"),
        ("2002:a9fe:a9fe::", "metadata"),
        ("2001:0:a00:1::", "reserved"),  # Teredo
    ],
)
def test_a_confined_source_does_not_reach(ip: str, what: str) -> None:
    with pytest.raises(AccessDeniedError, match=what) as caught:
        rules()("some.example", ip)
    assert "some.example" in caught.value.what
    assert ip in caught.value.what
    assert "OPENREGISTER_ALLOW_HOSTS" in caught.value.hint
    assert rules(confined=False)("some.example", ip)


@pytest.mark.parametrize(
    "ip",
    ["93.184.215.14", "172.32.0.1", "2606:2800:21f::1", "64:ff9b::5db8:d70e", "::ffff:1.1.1.1"],
)
def test_a_confined_source_reaches_public_addresses(ip: str) -> None:
    assert rules()("some.example", ip)


@pytest.mark.parametrize(
    ("allow", "host", "ip", "may"),
    [
        ("10.1.0.0/16", "x", "10.1.2.3", True),
        ("10.1.0.0/16", "x", "10.2.2.3", False),
        ("10.1.2.3", "x", "::ffff:10.1.2.3", True),
        ("::ffff:10.1.2.3", "x", "10.1.2.3", True),
        ("::1", "x", "::1", True),
        ("[fd00::1]", "x", "fd00::1", True),
        ("intranet.example", "Intranet.Example.", "10.1.2.3", True),
        ("intranet.example", "www.intranet.example", "10.1.2.3", False),
        ("*.intranet.example", "www.intranet.example", "10.1.2.3", True),
        ("*.intranet.example", "intranet.example", "10.1.2.3", False),
        ("*.intranet.example", "evilintranet.example", "10.1.2.3", False),
    ],
)
def test_what_is_allowed_by_name_address_or_network(
    allow: str, host: str, ip: str, may: bool
) -> None:
    if may:
        assert rules(allow)(host, ip)
    else:
        with pytest.raises(AccessDeniedError):
            rules(allow)(host, ip)


def test_what_an_administrator_opens_is_reached_and_the_setting_is_named_once() -> None:
    none = HostList.parse(())
    with pytest.raises(AccessDeniedError) as caught:
        HostRules(none, none)("127.0.0.1", "127.0.0.1")
    assert caught.value.hint.count("127.0.0.1") == 1
    assert caught.value.hint.count("network.allow_hosts") == 1
    assert HostRules(none, none, opened=HostList.parse(["127.0.0.1"]))("127.0.0.1", "127.0.0.1")


@pytest.mark.promise("a source reads the credentials of a cloud instance")
@pytest.mark.parametrize("ip", ["169.254.169.254", "::ffff:a9fe:a9fe", "fd00:ec2::254"])
def test_the_pages_never_open_the_metadata_of_a_cloud(ip: str) -> None:
    every = HostList.parse(["0.0.0.0/0", "::/0", "some.example"])
    with pytest.raises(AccessDeniedError, match="metadata") as caught:
        HostRules(HostList.parse(()), HostList.parse(()), opened=every)("some.example", ip)
    assert "network.allow_hosts" not in caught.value.hint


@pytest.mark.promise("a source connects to a host that no source may reach")
@pytest.mark.parametrize("confined", [True, False])
@pytest.mark.parametrize("deny", ["8.8.8.0/24", "dns.example", "*.example", "8.8.8.8"])
def test_what_is_denied_is_denied_to_all_and_even_where_it_is_allowed(
    deny: str, confined: bool
) -> None:
    with pytest.raises(AccessDeniedError, match="on its list") as caught:
        rules("8.8.8.8 dns.example", deny, confined=confined)("dns.example", "8.8.8.8")
    assert "OPENREGISTER_DENY_HOSTS" in caught.value.hint


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "http://x", "a b", "*", "x:80", "a@b"])
def test_an_entry_that_can_mean_nothing_is_a_faulty_setting(entry: str) -> None:
    with pytest.raises(ValidationError, match="not a host, address or network"):
        Settings(allow_hosts=(entry,))
