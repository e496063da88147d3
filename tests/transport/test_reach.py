"""What a peer is told to reach us at: the address by route, a configured one, or the one that it has seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.sip.vocabulary import Flow, Target
from actors.transport.events import Locate, Located, Received, TransmitRequest
from actors.transport.reach import LIMIT, Reach, RuleError, parse_rules
from actors.transport.route import Bound, Listeners
from actors.transport.settings import TransportSettings
from tests.transport.wired import DIALOG, KEY, SHARD, Service, request, response

RULES = parse_rules(
    {
        "0.0.0.0/0": "203.0.113.7",
        "10.0.0.0/8": "local",
        "10.9.0.0/16": "203.0.113.8:5099",
        "198.51.100.0/24": "learnt",
        "::/0": "[2001:db8::7]:5060",
    }
)


@pytest.mark.parametrize(
    ("peer", "shown"),
    [
        ("192.0.2.1", ("203.0.113.7", 5070)),
        ("10.1.2.3", ("10.0.0.5", 5070)),
        ("10.9.2.3", ("203.0.113.8", 5099)),  # the rule of the smallest network counts
        ("198.51.100.1", ("10.0.0.5", 5070)),  # nothing is learnt yet
        ("2001:db8::9", ("2001:db8::7", 5060)),
        ("fe80::1%eth0", ("2001:db8::7", 5060)),
        ("no address", ("10.0.0.5", 5070)),
    ],
)
def test_each_peer_is_told_what_the_rule_for_its_network_says(peer: str, shown: tuple[str, int]) -> None:
    assert Reach(RULES).shown("udp:0", "10.0.0.5", 5070, peer) == shown


def test_without_rules_the_address_by_route_is_told() -> None:
    reach = Reach()
    assert reach.shown("udp:0", "10.0.0.5", 5070, "192.0.2.1") == ("10.0.0.5", 5070)
    assert not reach.learns
    assert not reach.learn("udp:0", "192.0.2.1", "203.0.113.9", 4711)


def test_what_a_peer_has_seen_is_told_to_it_alone() -> None:
    reach = Reach(RULES)
    assert reach.learns
    assert reach.learn("udp:0", "198.51.100.1", "203.0.113.9", 4711)
    assert not reach.learn("udp:0", "198.51.100.1", "203.0.113.9", 4711), "it is known"
    assert reach.shown("udp:0", "10.0.0.5", 5070, "198.51.100.1") == ("203.0.113.9", 4711)
    assert reach.shown("udp:1", "10.0.0.5", 5070, "198.51.100.1") == ("10.0.0.5", 5070)
    assert reach.shown("udp:0", "10.0.0.5", 5070, "198.51.100.2") == ("10.0.0.5", 5070)
    reach.forget()
    assert reach.shown("udp:0", "10.0.0.5", 5070, "198.51.100.1") == ("10.0.0.5", 5070)


@pytest.mark.parametrize(
    ("peer", "received", "rport"),
    [
        ("192.0.2.1", "203.0.113.9", 4711),  # of a network that has a rule of its own
        ("198.51.100.1", "", 4711),
        ("198.51.100.1", "evil.example", 4711),
        ("198.51.100.1", "203.0.113.9", 0),
    ],
)
def test_nothing_else_is_learnt(peer: str, received: str, rport: int) -> None:
    assert not Reach(RULES).learn("udp:0", peer, received, rport)


def test_only_so_much_is_learnt() -> None:
    reach = Reach(parse_rules({"0.0.0.0/0": "learnt"}))
    for number in range(2 * LIMIT):
        reach.learn("udp:0", f"10.0.{number // 250}.{number % 250}", "203.0.113.9", 4711)
    assert len(reach._learnt) == LIMIT


@pytest.mark.parametrize(
    ("host", "port", "ours"),
    [
        ("203.0.113.7", 5070, True),
        ("203.0.113.7", 5071, False),
        ("203.0.113.8", 5099, True),
        ("203.0.113.8", 5070, False),
        ("203.0.113.9", 4711, True),
        ("203.0.113.9", 4712, False),
    ],
)
def test_a_response_to_an_address_that_we_told_is_ours(host: str, port: int, ours: bool) -> None:
    reach = Reach(RULES)
    reach.learn("udp:0", "198.51.100.1", "203.0.113.9", 4711)
    assert reach.is_ours(host, port, {5070}) is ours


@pytest.mark.parametrize("rule", ["", "somewhere", "203.0.113.7:0", "203.0.113.7:99999", "pbx.example:5060"])
def test_a_rule_that_cannot_be_read_is_refused_with_what_it_may_be(rule: str) -> None:
    with pytest.raises(RuleError, match="'local', 'learnt', 'ADDRESS' or 'ADDRESS:PORT'"):
        parse_rules({"10.0.0.0/8": rule})


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(RuleError, match=r"10\.0\.0\.1/8"):
        parse_rules({"10.0.0.1/8": "local"})


# In its place


def _listeners() -> Listeners:
    bound = (Bound("udp:0", "udp", "0.0.0.0", 5070),)
    return Listeners(bound, lambda _: "10.0.0.5", lambda host: host == "10.0.0.5", reach=Reach(RULES))


def _learn(listeners: Listeners, via: bytes, transport: str = "udp") -> bool:
    flow = Flow("udp:0", transport, "10.0.0.5", 5070, "198.51.100.1", 5060)
    return listeners.learn(b"Via: " + via, 5, 5 + len(via), flow)


def test_a_via_names_what_the_peer_reaches_and_its_response_is_known_again() -> None:
    listeners = _listeners()
    assert listeners.sent_by("udp", "192.0.2.1") == "203.0.113.7:5070"
    assert listeners.is_ours("203.0.113.7:5070")
    assert listeners.sent_by("udp", "10.1.1.1") == "10.0.0.5:5070"
    assert not listeners.is_ours("203.0.113.9:4711")
    assert _learn(listeners, b"SIP/2.0/UDP 10.0.0.5:5070;received=203.0.113.9;rport=4711;branch=1")
    assert not _learn(listeners, b"SIP/2.0/UDP 10.0.0.5:5070;received=203.0.113.9;rport=4711;branch=1")
    assert listeners.is_ours("203.0.113.9:4711")
    assert listeners.sent_by("udp", "198.51.100.1") == "203.0.113.9:4711"
    listeners.network_changed()
    assert listeners.sent_by("udp", "198.51.100.1") == "10.0.0.5:5070"


def test_the_port_of_a_connection_is_not_learnt() -> None:
    assert not _learn(_listeners(), b"SIP/2.0/TCP 10.0.0.5:5070;received=203.0.113.9;rport=4711", "tcp")


def test_a_peer_that_sees_another_address_of_ours_is_told_that_one_from_then_on(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.settings = TransportSettings(listen=(), reach={"127.0.0.0/8": "learnt"})
    with service.harness() as it, service.udp() as peer:
        peer.send(request(1))
        assert it.expect(SHARD, Received).flow.local_host == "127.0.0.1"
        it.send(SHARD, TransmitRequest(KEY, Target("udp", *peer.getsockname()), request(2)))
        assert peer.recv(2000) == request(2)
        peer.send(response(f"{service.sent_by('udp')};received=203.0.113.9;rport=4711"))
        it.expect(SHARD, Received)
        peer.send(request(3))
        flow = it.expect(SHARD, Received).flow
        assert (flow.local_host, flow.local_port) == ("203.0.113.9", 4711)
        it.send(DIALOG, Locate("1", "sip:a@127.0.0.1"))
        assert it.expect(DIALOG, Located).candidates[0].sent_by == "203.0.113.9:4711"
        service.store(it)
    service.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_configured_address_stands_in_every_flow(tmp_path: Path, transport: str) -> None:
    service = Service(tmp_path)
    service.settings = TransportSettings(listen=(), reach={"127.0.0.0/8": "203.0.113.7:5062"})
    with service.harness() as it, service.udp() if transport == "udp" else service.tcp() as peer:
        peer.send(request(1))
        flow = it.expect(SHARD, Received).flow
        assert (flow.local_host, flow.local_port) == ("203.0.113.7", 5062)
        service.store(it)
    service.close()
