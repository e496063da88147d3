"""RFC 3263 section 4, as far as it goes without DNS."""

from __future__ import annotations

import pytest

from actors.sip.vocabulary import Candidate, Target
from actors.transport.locate import Failed, LocationError, locate, parse_hosts
from actors.transport.route import Bound, Listeners

HOSTS = parse_hosts("127.0.0.1 localhost\n192.0.2.7\tpbx.example PBX # a comment\n::1 localhost\nbad line\n")
NOW = 1000.0


def _listeners(*bound: Bound) -> Listeners:
    return Listeners(bound, lambda host: "::1" if ":" in host else "10.0.0.5", lambda _: False)


BOTH = _listeners(Bound("udp:0", "udp", "0.0.0.0", 5060), Bound("tcp:1", "tcp", "0.0.0.0", 5070))
SIX = _listeners(
    Bound("udp:0", "udp", "127.0.0.1", 5060),
    Bound("udp:1", "udp", "::1", 5062),
)


def _located(uri: str, listeners: Listeners = BOTH) -> list[tuple[str, str, int, str]]:
    return [(*found.target[:3], found.sent_by) for found in locate(uri, HOSTS, listeners, Failed(60.0), NOW)]


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:a@192.0.2.1", ("udp", "192.0.2.1", 5060, "10.0.0.5:5060")),
        ("sip:192.0.2.1:5080", ("udp", "192.0.2.1", 5080, "10.0.0.5:5060")),
        ("sip:a@192.0.2.1;transport=TCP", ("tcp", "192.0.2.1", 5060, "10.0.0.5:5070")),
        ("sip:a@pbx.example", ("udp", "192.0.2.7", 5060, "10.0.0.5:5060")),
        ("sip:a@PBX.:5080", ("udp", "192.0.2.7", 5080, "10.0.0.5:5060")),
        ("sip:a@nowhere.example;maddr=192.0.2.9", ("udp", "192.0.2.9", 5060, "10.0.0.5:5060")),
    ],
)
def test_a_uri_leads_to_its_target(uri: str, expected: tuple[str, str, int, str]) -> None:
    assert _located(uri) == [expected]


def test_localhost_is_tried_in_every_family_that_we_listen_on() -> None:
    assert _located("sip:a@localhost:5090", SIX) == [
        ("udp", "127.0.0.1", 5090, "127.0.0.1:5060"),
        ("udp", "::1", 5090, "[::1]:5062"),
    ]
    assert _located("sip:a@[0:0:0:0:0:0:0:1]", SIX) == [("udp", "::1", 5060, "[::1]:5062")]


@pytest.mark.parametrize(
    ("uri", "word"),
    [
        ("sip:a@unknown.example", "hosts file"),
        ("sips:a@192.0.2.1", "TLS"),
        ("tel:+4912345", "not sip"),
        ("sip:a@192.0.2.1;transport=sctp", "sctp"),
        ("sip:a@[2001:db8::1]", "listener"),
        ("nonsense", "URI"),
    ],
)
def test_where_there_is_no_way_the_reason_says_why(uri: str, word: str) -> None:
    with pytest.raises(LocationError, match=word):
        locate(uri, HOSTS, BOTH, Failed(60.0), NOW)


def test_a_loopback_listener_reaches_nobody_outside() -> None:
    with pytest.raises(LocationError, match="no udp listener"):
        locate("sip:a@192.0.2.1", HOSTS, SIX, Failed(60.0), NOW)


def test_a_failed_target_stands_behind_the_others_until_it_expires() -> None:
    failed = Failed(60.0)
    failed.add(Target("udp", "127.0.0.1", 5060, "udp:0"), NOW)

    def order(now: float) -> list[str]:
        return [found.target.host for found in locate("sip:a@localhost", HOSTS, SIX, failed, now)]

    assert order(NOW) == ["::1", "127.0.0.1"]
    assert order(NOW + 59.0) == ["::1", "127.0.0.1"]
    assert order(NOW + 60.0) == ["127.0.0.1", "::1"]


def test_the_list_of_failed_targets_is_bounded() -> None:
    failed = Failed(60.0)
    for port in range(20_000):
        failed.add(Target("udp", "192.0.2.1", port), NOW)
    assert len(failed._until) <= 10_000
    assert failed.lately(Target("udp", "192.0.2.1", 19_999), NOW)


def test_a_candidate_is_what_the_attempt_needs() -> None:
    (found,) = locate("sip:a@192.0.2.1", HOSTS, BOTH, Failed(60.0), NOW)
    assert found == Candidate(Target("udp", "192.0.2.1", 5060), "10.0.0.5:5060")
