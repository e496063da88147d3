"""RFC 3261 section 18.2.2, RFC 3581: where responses go, and which of our addresses a peer is told."""

from __future__ import annotations

import pytest

from actors.sip.vocabulary import Flow
from actors.transport.route import Address, Bound, Listeners, alias_port, more_vias, reconnect_address, response_address

FLOW = Flow("udp:0", "udp", "127.0.0.1", 5060, "192.0.2.4", 4711)


def _response(via: str) -> bytes:
    return f"SIP/2.0 200 OK\r\nVia: {via}\r\nVia: SIP/2.0/UDP other:1;rport=2\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("via", "expected"),
    [
        ("SIP/2.0/UDP a:5070;rport=4711;received=192.0.2.4", ("192.0.2.4", 4711)),
        ("SIP/2.0/UDP a:5070;received=192.0.2.4", ("192.0.2.4", 5070)),
        ("SIP/2.0/UDP a;received=192.0.2.4", ("192.0.2.4", 5060)),
        ("SIP/2.0/UDP 192.0.2.4:5070", ("192.0.2.4", 5070)),
        ("SIP/2.0/UDP 192.0.2.4:5070;maddr=198.51.100.7", ("192.0.2.4", 5070)),
        ('SIP/2.0/UDP a;x="y";maddr=198.51.100.7;received=192.0.2.4', ("192.0.2.4", 5060)),
        ("SIP/2.0/UDP a:1;received=192.0.2.4, SIP/2.0/UDP b:2;rport=3", ("192.0.2.4", 1)),
    ],
)
def test_a_response_over_udp_goes_where_the_top_via_says(via: str, expected: tuple[str, int]) -> None:
    assert response_address(_response(via), FLOW) == expected


def test_a_link_local_peer_is_answered_through_its_interface() -> None:
    flow = FLOW._replace(host="fe80::1%eth0")
    assert response_address(_response("SIP/2.0/UDP a:7;received=fe80::1"), flow) == ("fe80::1%eth0", 7)


def test_a_lost_connection_is_replaced_by_one_to_the_sent_by_port() -> None:
    flow = FLOW._replace(transport="tcp", token="tcp:1.1")
    assert reconnect_address(_response("SIP/2.0/TCP a:5080;rport=4711;received=192.0.2.4"), flow) == Address(
        "tcp", "192.0.2.4", 5080
    )
    assert reconnect_address(_response("SIP/2.0/TCP a"), flow) == Address("tcp", "192.0.2.4", 5060)
    secure = flow._replace(transport="tls", token="tls:1.1")
    assert reconnect_address(_response("SIP/2.0/TLS A.Example"), secure) == Address(
        "tls", "192.0.2.4", 5061, "a.example"
    )


@pytest.mark.parametrize(
    ("via", "port"),
    [
        ("SIP/2.0/TLS a:5071;alias;branch=z9hG4bK1", 5071),
        ("SIP/2.0/TLS a;branch=z9hG4bK1; ALIAS", 5061),
        ("SIP/2.0/TLS a;branch=z9hG4bK1", 0),
        ("SIP/2.0/TLS a;aliased;branch=alias", 0),
    ],
)
def test_a_request_offers_its_connection_by_the_alias_of_its_top_via(via: str, port: int) -> None:
    assert alias_port(_response(via)) == port


@pytest.mark.parametrize(
    ("head", "more"),
    [
        (b"Via: SIP/2.0/UDP a;branch=1\r\nTo: x\r\n\r\n", False),
        (b"Via: SIP/2.0/UDP a;branch=1 \r\nTo: x\r\n\r\n", False),
        (b"Via: SIP/2.0/UDP a;branch=1,SIP/2.0/UDP b\r\nTo: x\r\n\r\n", True),
        (b"Via: SIP/2.0/UDP a;branch=1\r\n , SIP/2.0/UDP b\r\nTo: x\r\n\r\n", True),
        (b"Via: SIP/2.0/UDP a;branch=1\r\nTo: x\r\nv: SIP/2.0/UDP b\r\n\r\n", True),
        (b"Via: SIP/2.0/UDP a;branch=1\r\nTo: x\r\nVIA \t: SIP/2.0/UDP b\r\n\r\n", True),
        (b"Via: SIP/2.0/UDP a;branch=1\r\nX-Via: b\r\n\r\nVia: in the body", False),
    ],
)
def test_a_second_via_is_seen_in_every_form(head: bytes, more: bool) -> None:
    raw = b"SIP/2.0 200 OK\r\n" + head
    assert more_vias(raw, raw.index(b"branch=1") + 8, raw.index(b"\r\n\r\n") + 4) is more


def _listeners(*tokens: str, local: str = "10.0.0.5") -> Listeners:
    bound = []
    for index, token in enumerate(tokens):
        transport, _, where = token.partition(":")
        host, _, port = where.rpartition(":")
        bound.append(Bound(f"{transport}:{index}", transport, host.strip("[]"), int(port)))
    return Listeners(bound, lambda host: "::1" if ":" in host else local, lambda host: host in {local, "::1"})


@pytest.mark.parametrize(
    ("tokens", "transport", "host", "sent_by"),
    [
        (["udp:127.0.0.1:5060"], "udp", "127.0.0.1", "127.0.0.1:5060"),
        (["udp:0.0.0.0:5060"], "udp", "192.0.2.9", "10.0.0.5:5060"),
        (["udp:[::]:5062"], "udp", "::1", "[::1]:5062"),
        (["udp:10.0.0.4:5060", "udp:10.0.0.5:5070"], "udp", "192.0.2.9", "10.0.0.5:5070"),
        # loopback reaches nobody outside
        (["udp:127.0.0.1:5060"], "udp", "192.0.2.9", ""),
        (["udp:127.0.0.1:5060", "udp:10.0.0.4:5061"], "udp", "192.0.2.9", "10.0.0.4:5061"),
        # families do not mix
        (["udp:127.0.0.1:5060"], "udp", "::1", ""),
        # without a TCP listener an opened connection names the UDP one
        (["udp:10.0.0.5:5060"], "tcp", "192.0.2.9", "10.0.0.5:5060"),
        (["udp:10.0.0.5:5060", "tcp:10.0.0.5:5070"], "tcp", "192.0.2.9", "10.0.0.5:5070"),
        (["tcp:10.0.0.5:5060"], "udp", "192.0.2.9", ""),
    ],
)
def test_a_peer_is_told_the_address_it_can_reach(tokens: list[str], transport: str, host: str, sent_by: str) -> None:
    assert _listeners(*tokens).sent_by(transport, host) == sent_by


def test_a_host_without_a_route_cannot_be_reached() -> None:
    assert _listeners("udp:0.0.0.0:5060", local="").sent_by("udp", "192.0.2.9") == ""


@pytest.mark.parametrize(
    ("sent_by", "ours"),
    [
        ("10.0.0.5:5060", True),
        ("10.0.0.5", True),
        ("[::1]:5060", True),
        ("[::1]", True),
        ("10.0.0.5:5061", False),
        ("10.0.0.6:5060", False),
        ("evil.example:5060", False),
        ("", False),
        (":", False),
        ("10.0.0.5:99999999999", False),
    ],
)
def test_only_our_own_sent_by_is_ours(sent_by: str, ours: bool) -> None:
    listeners = _listeners("udp:0.0.0.0:5060", "udp:[::]:5060")
    assert listeners.is_ours(sent_by) is ours
    assert listeners.is_ours(sent_by) is ours


def test_a_flood_of_foreign_sent_bys_is_not_remembered_for_ever() -> None:
    listeners = _listeners("udp:10.0.0.5:5060")
    assert not any(listeners.is_ours(f"192.0.2.1:{port}") for port in range(5000))
    assert len(listeners._own) <= 1024
    assert listeners.is_ours("10.0.0.5:5060")


def test_without_a_listener_for_tls_that_for_tcp_is_named() -> None:
    assert _listeners("udp:10.0.0.5:5060", "tcp:10.0.0.5:5070").sent_by("tls", "192.0.2.9") == "10.0.0.5:5070"


@pytest.mark.parametrize(
    ("tokens", "offered", "families"),
    [
        (["udp:10.0.0.5:5060"], ("udp", "tcp"), ("A",)),
        (["tcp:[::1]:5060"], ("tcp",), ("AAAA",)),
        (["udp:[::]:5060", "tls:10.0.0.5:5061"], ("udp", "tcp", "tls"), ("AAAA", "A")),
    ],
)
def test_what_we_can_speak_follows_from_the_listeners(
    tokens: list[str], offered: tuple[str, ...], families: tuple[str, ...]
) -> None:
    listeners = _listeners(*tokens)
    assert (listeners.offered(), listeners.families()) == (offered, families)
