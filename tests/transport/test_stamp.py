"""RFC 3261 section 18.2.1 and RFC 3581 section 4: what a server writes on the top Via, and only there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.transport.stamp import first_value, read, stamp


def _stamped(via: bytes, host: str = "192.0.2.4", port: int = 4711) -> bytes:
    raw = b"OPTIONS sip:x SIP/2.0\r\nVia: " + via + b"\r\nVia: SIP/2.0/UDP second;rport\r\n\r\n"
    start, end = first_value(raw, raw.index(via))
    result = stamp(raw, start, end, host, port)
    assert result.startswith(raw[:start])
    assert result.endswith(raw[end:])
    return result[start : len(result) - len(raw) + end]


@pytest.mark.parametrize(
    ("via", "expected"),
    [
        # "contains a domain name": the RFC's own example
        (b"SIP/2.0/UDP bobspc.biloxi.com:5060", b"SIP/2.0/UDP bobspc.biloxi.com:5060;received=192.0.2.4"),
        (b"SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bKa", b"SIP/2.0/UDP 192.0.2.4:5060;branch=z9hG4bKa"),
        (b"SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa", b"SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa;received=192.0.2.4"),
        # rport asks for received "even if it is identical to the value of the sent-by component"
        (b"SIP/2.0/UDP 192.0.2.4;rport;branch=b", b"SIP/2.0/UDP 192.0.2.4;rport=4711;branch=b;received=192.0.2.4"),
        (b"SIP/2.0/TCP a ; RPORT ;branch=b", b"SIP/2.0/TCP a;rport=4711;branch=b;received=192.0.2.4"),
        # what the peer wrote there itself is not believed
        (b"SIP/2.0/UDP a;received=203.0.113.9;rport=9;x=1", b"SIP/2.0/UDP a;rport=4711;x=1;received=192.0.2.4"),
        (b"SIP/2.0/UDP 192.0.2.4;received=203.0.113.9", b"SIP/2.0/UDP 192.0.2.4"),
        # only the first value of a list
        (b"SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b;rport", b"SIP/2.0/UDP a;branch=1;received=192.0.2.4"),
        # names that only contain the words, and quoted strings, are left alone
        (b'SIP/2.0/UDP a;x=";rport";xreceived=1', b'SIP/2.0/UDP a;x=";rport";xreceived=1;received=192.0.2.4'),
        # folds and spaces around sent-by
        (b"SIP / 2.0 / UDP\r\n a : 5060;rport", b"SIP / 2.0 / UDP\r\n a : 5060;rport=4711;received=192.0.2.4"),
    ],
)
def test_the_top_via_says_where_the_request_came_from(via: bytes, expected: bytes) -> None:
    assert _stamped(via) == expected


def test_ipv6_is_written_without_brackets_and_compared_as_an_address() -> None:
    assert _stamped(b"SIP/2.0/UDP [2001:DB8:0::1]:5060", "2001:db8::1") == b"SIP/2.0/UDP [2001:DB8:0::1]:5060"
    assert _stamped(b"SIP/2.0/UDP [2001:db8::9];rport", "2001:db8::1").endswith(b";rport=4711;received=2001:db8::1")


def test_a_zone_is_not_told_to_the_peer() -> None:
    assert _stamped(b"SIP/2.0/UDP a", "fe80::1%eth0").endswith(b";received=fe80::1")


@pytest.mark.parametrize("received", ["2001:db8::1", "[2001:db8::1]"])
def test_received_is_read_with_and_without_brackets(received: str) -> None:
    assert read(f"SIP/2.0/UDP a;received={received}".encode()).received == "2001:db8::1"


@given(st.binary(max_size=200), st.integers(0, 200), st.integers(0, 200))
def test_any_bytes_can_be_stamped_and_keep_what_stands_around_them(raw: bytes, one: int, other: int) -> None:
    start, end = sorted((min(one, len(raw)), min(other, len(raw))))
    result = stamp(raw, start, end, "192.0.2.4", 4711)
    assert result.startswith(raw[:start])
    assert result.endswith(raw[end:])


@given(
    st.sampled_from(["10.0.0.1", "192.0.2.4", "example.com", "[2001:db8::1]"]),
    st.lists(st.sampled_from([";rport", ";rport=1", ";received=1.2.3.4", ";branch=z9hG4bKx", ";ttl=3", ';a="b;c"'])),
)
def test_a_stamped_via_leads_back_to_its_source(sent_by: str, params: list[str]) -> None:
    via = read(_stamped(f"SIP/2.0/UDP {sent_by}:5070{''.join(params)}".encode()))
    asked = any(param.startswith(";rport") for param in params)
    assert (via.received or via.host) == "192.0.2.4"
    assert (via.rport or via.port) == (4711 if asked else 5070)


@pytest.mark.parametrize("junk", [b'"\\', b";;;", b",", b"<", b" ", b'";', b"\r\n "])
def test_hostile_vias_take_linear_time(junk: bytes) -> None:
    from time import process_time

    via = b"SIP/2.0/UDP a;rport" + junk * (60_000 // len(junk))
    began = process_time()
    stamp(via, *first_value(via, 0), "192.0.2.4", 4711)
    read(via)
    assert process_time() - began < 1.0  # a quadratic way takes minutes


def test_what_is_no_ipv6_address_is_another_one() -> None:
    assert _stamped(b"SIP/2.0/UDP [1:2]", "2001:db8::1").endswith(b"[1:2];received=2001:db8::1")


def test_a_via_that_cannot_be_read_leads_nowhere() -> None:
    assert read(b"nonsense").host == ""
