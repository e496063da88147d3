"""Searches under way: who waits for which answer, and the candidates they end with."""

from __future__ import annotations

import pytest

from actors.sip.vocabulary import Candidate, Target
from actors.transport.failed_targets import FailedTargets
from actors.transport.locate import Location, Policy, Result
from actors.transport.records import NONE, Answer, Question, Srv, Static, parse_hosts, parse_static
from actors.transport.route import Bound, Listeners

HOSTS = parse_hosts("127.0.0.1 localhost\n192.0.2.7\tpbx.example PBX # a comment\n::1 localhost\nbad line\n")
NOW = 1000.0


def _listeners(*bound: Bound) -> Listeners:
    return Listeners(bound, lambda host: "::1" if ":" in host else "10.0.0.5", lambda _: False)


BOTH = _listeners(Bound("udp:0", "udp", "0.0.0.0", 5060), Bound("tcp:1", "tcp", "0.0.0.0", 5070))
SIX = _listeners(Bound("udp:0", "udp", "127.0.0.1", 5060), Bound("udp:1", "udp", "::1", 5062))
SMALL = Policy(udp_max=0)
A = Question("a.example", "A")


class Desk:
    """A location, and what it asks of DNS."""

    def __init__(self, listeners: Listeners = BOTH, policy: Policy = SMALL) -> None:
        self.asked: list[Question] = []
        self.failed = FailedTargets(60.0)
        self.location = Location(self.asked.append, listeners, self.failed, policy)
        self.location.use(Static({}, HOSTS))

    def begin(self, uri: str, key: bytes = b"1", now: float = NOW) -> Result | None:
        return self.location.begin(key, uri, 1, now)

    def found(self, uri: str, now: float = NOW) -> list[tuple[str, str, int, str]]:
        result = self.begin(uri, now=now)
        assert result is not None
        return [(*one.target[:3], one.sent_by) for one in result.candidates]

    def answer_all(self, zone: dict[Question, Answer], now: float = NOW) -> dict[bytes, Result]:
        """Answer until nothing is asked any more; what ended."""
        ended: dict[bytes, Result] = {}
        while self.asked:
            question = self.asked.pop(0)
            ended |= self.location.answered(question, zone.get(question, NONE), 60.0, now)
        return ended


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:a@192.0.2.1", ("udp", "192.0.2.1", 5060, "10.0.0.5:5060")),
        ("sip:a@192.0.2.1;transport=TCP", ("tcp", "192.0.2.1", 5060, "10.0.0.5:5070")),
        ("sip:a@pbx.example", ("udp", "192.0.2.7", 5060, "10.0.0.5:5060")),
        ("sip:a@PBX.:5080", ("udp", "192.0.2.7", 5080, "10.0.0.5:5060")),
    ],
)
def test_what_needs_no_dns_is_found_at_once(uri: str, expected: tuple[str, str, int, str]) -> None:
    desk = Desk()
    assert desk.found(uri) == [expected]
    assert desk.asked == []


def test_a_search_begun_again_under_its_key_takes_the_place_of_the_first() -> None:
    desk = Desk()
    assert desk.begin("sip:a@a.example:5060") is None
    assert desk.begin("sip:b@b.example:5060") is None
    desk.asked.reverse()  # what only the first asked is answered last
    found = desk.answer_all({A: Answer(("192.0.2.1",)), Question("b.example", "A"): Answer(("192.0.2.2",))})
    assert [one.target.host for one in found[b"1"].candidates] == ["192.0.2.2"]
    assert len(desk.location) == 0


def test_localhost_is_tried_in_every_family_that_we_listen_on() -> None:
    assert Desk(SIX).found("sip:a@localhost:5090") == [
        ("udp", "::1", 5090, "[::1]:5062"),
        ("udp", "127.0.0.1", 5090, "127.0.0.1:5060"),
    ]
    assert Desk(SIX).found("sip:a@[0:0:0:0:0:0:0:1]") == [("udp", "::1", 5060, "[::1]:5062")]


@pytest.mark.parametrize(
    ("uri", "word"),
    [
        ("sips:a@192.0.2.1", "TLS"),
        ("tel:+4912345", "not sip"),
        ("sip:a@[2001:db8::1]", "no udp listener"),
        ("nonsense", "URI"),
    ],
)
def test_where_there_is_no_way_the_reason_says_why(uri: str, word: str) -> None:
    result = Desk().begin(uri)
    assert result is not None
    assert result.candidates == ()
    assert word in result.reason


def test_a_loopback_listener_reaches_nobody_outside() -> None:
    assert Desk(SIX).begin("sip:a@192.0.2.1") == Result(
        reason="192.0.2.1: no udp listener of ours can be reached from there; one on an address of this machine can: "
        "--listen udp:ADDRESS:PORT"
    )


def test_a_search_goes_on_with_each_answer_and_ends_with_candidates() -> None:
    desk = Desk()
    assert desk.begin("sip:x@a.example") is None
    zone = parse_static(("_sip._udp.a.example SRV 0 0 5066 b.example", "b.example A 192.0.2.8"))
    assert desk.answer_all(zone) == {b"1": Result((Candidate(Target("udp", "192.0.2.8", 5066), "10.0.0.5:5060"),))}
    assert len(desk.location) == 0
    assert desk.begin("sip:x@a.example") is not None, "the second time the cache knows"


def test_two_searches_of_one_name_ask_once() -> None:
    desk = Desk()
    assert desk.begin("sip:x@a.example:5060", b"1") is None
    assert desk.begin("sip:y@a.example:5060", b"2") is None
    assert desk.asked == [A]
    ended = desk.answer_all({A: Answer(("192.0.2.8",))})
    assert set(ended) == {b"1", b"2"}


def test_records_that_may_not_be_kept_serve_the_search_that_asked_for_them() -> None:
    desk = Desk()
    assert desk.begin("sip:x@a.example") is None
    zone = parse_static(("_sip._udp.a.example SRV 0 0 5066 b.example", "b.example A 192.0.2.8"))
    ended = []
    for _ in range(10):
        for question in list(desk.asked):
            desk.asked.remove(question)
            ended += desk.location.answered(question, zone.get(question, NONE), 0.0, NOW)
    assert [result.candidates[0].target.port for _, result in ended] == [5066]


def test_what_the_cache_knew_at_the_start_of_a_search_does_not_expire_in_its_middle() -> None:
    desk = Desk()
    naptr, srv = Question("a.example", "NAPTR"), Question("_sip._udp.a.example", "SRV")
    desk.location.answered(naptr, NONE, 1.0, NOW)
    assert desk.begin("sip:x@a.example") is None
    assert naptr not in desk.asked
    desk.asked.clear()
    desk.location.answered(srv, Answer((Srv(0, 0, 5066, "192.0.2.8"),)), 60.0, NOW + 100)
    ended = desk.location.answered(Question("_sip._tcp.a.example", "SRV"), NONE, 60.0, NOW + 100)
    assert [key for key, _ in ended] == [b"1"]
    assert naptr not in desk.asked


def test_a_search_that_takes_too_long_is_given_up_and_a_late_answer_wakes_nobody() -> None:
    desk = Desk()
    assert desk.begin("sip:x@a.example:5060") is None
    assert desk.location.give_up(b"1") == Result(reason="a.example: DNS took too long")
    assert desk.location.give_up(b"1") == Result(reason="DNS took too long")
    assert desk.location.answered(A, Answer(("192.0.2.8",)), 60.0, NOW) == []
    assert desk.found("sip:x@a.example:5060") == [("udp", "192.0.2.8", 5060, "10.0.0.5:5060")]


def test_a_name_that_leads_nowhere_ends_with_the_reason() -> None:
    desk = Desk()
    assert desk.begin("sip:x@a.example:5060") is None
    assert desk.answer_all({A: Answer(failure="DNS: no answer in time")}) == {
        b"1": Result(reason="a.example: DNS: no answer in time")
    }


def test_a_failed_target_stands_behind_the_others_until_it_expires() -> None:
    desk = Desk(SIX)
    desk.failed.add(Target("udp", "::1", 5060, "udp:0"), NOW)

    def order(now: float) -> list[str]:
        return [host for _, host, _, _ in desk.found("sip:a@localhost", now)]

    assert order(NOW) == ["127.0.0.1", "::1"]
    assert order(NOW + 59.0) == ["127.0.0.1", "::1"]
    assert order(NOW + 60.0) == ["::1", "127.0.0.1"]


def test_another_network_is_asked_and_tried_afresh() -> None:
    desk = Desk(SIX)
    desk.failed.add(Target("udp", "::1", 5060), NOW)
    desk.location.answered(A, Answer(("127.0.0.1",)), 60.0, NOW)
    desk.location.network_changed()
    assert desk.found("sip:a@localhost")[0][1] == "::1"
    assert desk.begin("sip:x@a.example:5060") is None


def test_only_a_target_that_others_stand_behind_loses_its_patience() -> None:
    desk = Desk(SIX, Policy(failover_after=3.0, udp_max=0))
    result = desk.begin("sip:a@localhost")
    assert result is not None
    assert [one.target.patience for one in result.candidates] == [3.0, 0.0]


def test_a_udp_target_comes_with_the_way_by_tcp_that_a_large_request_takes() -> None:
    desk = Desk(policy=Policy(udp_max=1300, udp_max_of=(("192.0.2.7", 600), ("192.0.2.1", 0))))

    def ways(uri: str) -> tuple[Candidate, ...]:
        result = desk.begin(uri)
        assert result is not None
        return result.candidates

    by_udp = Candidate(Target("udp", "192.0.2.9", 5060), "10.0.0.5:5060", 1300, "10.0.0.5:5070")
    assert ways("sip:a@192.0.2.9") == (by_udp,)
    assert ways("sip:a@pbx.example")[0].above == 600
    assert ways("sip:a@192.0.2.1") == (Candidate(Target("udp", "192.0.2.1", 5060), "10.0.0.5:5060"),)
    assert ways("sip:a@192.0.2.9;transport=tcp") == (Candidate(Target("tcp", "192.0.2.9", 5060), "10.0.0.5:5070"),)


def test_where_tcp_failed_lately_a_large_request_goes_by_udp_at_once() -> None:
    desk = Desk(policy=Policy(udp_max=1300))
    desk.failed.add(Target("tcp", "192.0.2.9", 5060), NOW)
    result = desk.begin("sip:a@192.0.2.9")
    assert result == Result((Candidate(Target("udp", "192.0.2.9", 5060), "10.0.0.5:5060"),))


def test_only_a_certificate_s_domain_goes_with_a_target() -> None:
    listeners = _listeners(Bound("tls:0", "tls", "0.0.0.0", 5061))
    result = Desk(listeners).begin("sips:a@pbx.example")
    assert result == Result((Candidate(Target("tls", "192.0.2.7", 5061, name="pbx.example"), "10.0.0.5:5061"),))
