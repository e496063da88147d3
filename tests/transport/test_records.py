"""The entries that need no DNS: the hosts file and those of the configuration."""

from __future__ import annotations

import pytest

from actors.transport.records import (
    NONE,
    Answer,
    Naptr,
    Question,
    Srv,
    Static,
    StaticError,
    parse_hosts,
    parse_static,
    server_address,
)

HOSTS = parse_hosts(
    "127.0.0.1 localhost\n192.0.2.7\tpbx.example PBX. # a comment\n192.0.2.7 pbx\nbad line\n\n::1 six\n"
)


def test_a_hosts_file_gives_addresses_by_name_in_order() -> None:
    assert HOSTS["pbx.example"] == HOSTS["pbx"] == ("192.0.2.7",)
    assert HOSTS["localhost"] == ("127.0.0.1", "::1")
    assert "line" not in HOSTS


def test_static_entries_are_read_as_a_zone_file_has_them() -> None:
    found = parse_static(
        (
            "PBX.example. A 192.0.2.7",
            "pbx.example a 192.0.2.8",
            "pbx.example AAAA 2001:DB8::1",
            "_sip._udp.example.com SRV 10 60 5060 A.example.com.",
            "example.com NAPTR 50 51 S SIP+D2T _sip._tcp.Example.com.",
        )
    )
    assert found == {
        Question("pbx.example", "A"): Answer(("192.0.2.7", "192.0.2.8")),
        Question("pbx.example", "AAAA"): Answer(("2001:db8::1",)),
        Question("_sip._udp.example.com", "SRV"): Answer((Srv(10, 60, 5060, "a.example.com"),)),
        Question("example.com", "NAPTR"): Answer((Naptr(50, 51, "s", "sip+d2t", "_sip._tcp.example.com"),)),
    }


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("", "NAME A ADDRESS, NAME AAAA"),
        ("pbx.example", "NAME A ADDRESS, NAME AAAA"),
        ("pbx.example A", "may be NAME A ADDRESS$"),
        ("pbx.example MX 10 mail", "NAME A ADDRESS, NAME AAAA"),
        ("pbx.example A 2001:db8::1", "may be NAME A ADDRESS$"),
        ("pbx.example AAAA 192.0.2.1", "may be NAME AAAA ADDRESS$"),
        ("x SRV 1 2 3", "may be NAME SRV"),
        ("x SRV 1 2 70000 y", "may be NAME SRV"),
        ("x NAPTR 1 2 s SIP+D2U", "may be NAME NAPTR"),
    ],
)
def test_an_entry_that_cannot_be_read_is_refused_with_what_it_may_be(line: str, word: str) -> None:
    with pytest.raises(StaticError, match=word):
        parse_static((line,))


def test_static_entries_go_first_and_of_such_a_name_dns_is_asked_nothing() -> None:
    entries = parse_static(("pbx.example A 192.0.2.9", "_sip._udp.example.com SRV 1 1 5060 pbx.example"))
    static = Static(entries, HOSTS)
    assert static.look(Question("pbx.example", "A")) == Answer(("192.0.2.9",))
    assert static.look(Question("pbx.example", "AAAA")) is NONE
    assert static.look(Question("_sip._udp.pbx.example", "SRV")) is NONE
    assert static.look(Question("_sip._tcp.example.com", "SRV")) is NONE
    assert static.look(Question("localhost", "A")) == Answer(("127.0.0.1",))
    assert static.look(Question("localhost", "AAAA")) == Answer(("::1",))
    assert static.look(Question("localhost", "NAPTR")) is NONE
    assert static.look(Question("six", "A")) is NONE
    assert static.look(Question("elsewhere.example", "A")) is None
    assert static.look(Question("_sip._udp.elsewhere.example", "SRV")) is None
    assert static.look(Question("_dotless", "SRV")) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_a_server_is_given_by_address_and_port(text: str, expected: tuple[str, int]) -> None:
    assert server_address(text) == expected


def test_a_server_without_a_numeric_address_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ns\.example"):
        server_address("ns.example")
