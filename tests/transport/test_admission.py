"""Who may create state, and what a refusal leaves behind: nothing but a tag."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip.vocabulary import Head
from actors.transport.admission import Admission, PeerClass, Verdict, creates_state, source_of

INVITE = Head("INVITE", 0, "z9hG4bKa", "a.example", "call", 1, "from", "")
STRANGER = "192.0.2.1"


def _admission(rate: float = 50.0) -> Admission:
    return Admission(rate, secret=b"k" * 32, trusted=["198.51.100.0/24"], known=["203.0.113.7/32"])


def _judge(admission: Admission, head: Head, host: str, now: float, *, busy: bool = False, raw: bytes = b"") -> Verdict:
    return admission.judge(head, raw, host, now, busy=busy)


def _admits(admission: Admission, head: Head, host: str, now: float, *, busy: bool) -> bool:
    return _judge(admission, head, host, now, busy=busy) is Verdict.ADMITTED


def _invite(number: int) -> Head:
    return INVITE._replace(branch=f"z9hG4bK{number}")


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("127.0.0.1", PeerClass.TRUSTED),
        ("127.9.9.9", PeerClass.TRUSTED),
        ("::1", PeerClass.TRUSTED),
        ("198.51.100.77", PeerClass.TRUSTED),
        ("203.0.113.7", PeerClass.KNOWN),
        ("203.0.113.8", PeerClass.STRANGER),
        ("fe80::1%eth0", PeerClass.STRANGER),
        ("2001:db8::1", PeerClass.STRANGER),
    ],
)
def test_loopback_is_trusted_and_others_are_what_was_configured(host: str, kind: PeerClass) -> None:
    assert _admission().peer_class(host) is kind


def test_a_stranger_gets_its_rate_and_no_more() -> None:
    admission = _admission(rate=5.0)
    admitted = [_admits(admission, _invite(n), STRANGER, 100.0, busy=False) for n in range(20)]
    assert sum(admitted) == 5
    later = [_admits(admission, _invite(n), STRANGER, 101.0, busy=False) for n in range(20, 40)]
    assert sum(later) == 5
    assert _admits(admission, _invite(99), "192.0.2.2", 101.0, busy=False)  # another source has its own


def test_a_trusted_peer_has_no_limit() -> None:
    admission = _admission(rate=1.0)
    assert all(_admits(admission, _invite(n), "127.0.0.1", 1.0, busy=False) for n in range(1000))


def test_a_known_peer_has_ten_times_as_much() -> None:
    admission = _admission(rate=5.0)
    assert sum(_admits(admission, _invite(n), "203.0.113.7", 1.0, busy=False) for n in range(100)) == 50


def test_many_sources_together_have_a_limit_too() -> None:
    admission = _admission(rate=1.0)
    assert sum(_admits(admission, _invite(n), f"192.0.2.{n}", 1.0, busy=False) for n in range(200)) == 20


def test_a_busy_shard_takes_nothing_new_even_from_the_trusted() -> None:
    assert not _admits(_admission(), INVITE, "127.0.0.1", 1.0, busy=True)


def test_a_repeat_of_what_was_admitted_passes_whatever_the_load() -> None:
    admission = _admission(rate=1.0)
    assert _admits(admission, INVITE, STRANGER, 1.0, busy=False)
    assert _admits(admission, INVITE, STRANGER, 32.0, busy=True)
    assert not _admits(admission, INVITE._replace(sent_by="b.example"), STRANGER, 1.0, busy=True)


def test_memory_is_bounded_over_a_flood_of_sources() -> None:
    admission = _admission(rate=1e9)
    for number in range(140_000):  # more than two generations
        _admits(admission, _invite(number), f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1.0, busy=False)
    assert sum(map(len, admission._buckets)) <= 2 * 65_536
    assert sum(map(len, admission._admitted)) <= 2 * 65_536
    assert len(admission._classes) <= 65_536


@pytest.mark.parametrize(
    ("head", "creates"),
    [
        (INVITE, True),
        (INVITE._replace(method="OPTIONS"), True),
        (INVITE._replace(to_tag="t"), False),
        (INVITE._replace(method="ACK"), False),
        (INVITE._replace(method="CANCEL"), False),
        (INVITE._replace(status=200), False),
    ],
)
def test_only_a_request_outside_a_dialog_creates_state(head: Head, creates: bool) -> None:
    assert creates_state(head) is creates


def test_the_ack_to_a_refusal_is_known_over_a_restart_and_others_are_not() -> None:
    tag = _admission().tag("call", "from", 1, "z9hG4bKa")
    ack = INVITE._replace(method="ACK", to_tag=tag)
    assert _admission().is_refusal_ack(ack)
    assert not Admission(1.0, secret=b"other").is_refusal_ack(ack)
    for changed in ({"call_id": "x"}, {"from_tag": "x"}, {"cseq": 2}, {"branch": "z9hG4bKx"}, {"to_tag": tag[:-1]}):
        assert not _admission().is_refusal_ack(ack._replace(**changed))


@given(st.text(max_size=40))
def test_any_to_tag_can_be_asked_about(tag: str) -> None:
    assert not _admission().is_refusal_ack(INVITE._replace(method="ACK", to_tag=tag))


def test_one_ipv6_subscriber_is_one_source() -> None:
    assert source_of("2001:db8:1:2::1") == source_of("2001:db8:1:2:ffff::9")
    assert source_of("2001:db8:1:2::1") != source_of("2001:db8:1:3::1")
    assert source_of("192.0.2.1") != source_of("192.0.2.2")


# Lists


def test_of_a_denied_network_nothing_is_read_but_loopback_is_never_denied() -> None:
    admission = Admission(50.0, secret=b"k", deny=["192.0.2.0/24", "0.0.0.0/0"], trusted=["192.0.2.1/32"])
    assert admission.denied(STRANGER)
    assert not admission.denied("127.0.0.1")
    assert not Admission(50.0, secret=b"k").denied(STRANGER)


def test_where_networks_are_allowed_others_begin_nothing_and_hear_nothing() -> None:
    admission = Admission(
        50.0, secret=b"k", allow=["192.0.2.0/24"], trusted=["198.51.100.1/32"], known=["198.51.100.2/32"]
    )
    for host in (STRANGER, "198.51.100.1", "198.51.100.2", "::1"):
        assert _judge(admission, _invite(1), host, 1.0) is Verdict.ADMITTED
    for host in ("203.0.113.1", "no address"):
        verdict = _judge(admission, _invite(2), host, 1.0)
        assert verdict is Verdict.OUTSIDER
        assert not verdict.answered


def test_a_scanner_is_dropped_by_its_user_agent_unless_it_is_trusted() -> None:
    admission = Admission(50.0, secret=b"k", scanners=["friendly-scanner", "sip.vicious"])
    for line, verdict in (
        (b"User-Agent: Friendly-Scanner", Verdict.SCANNER),
        (b"USER-AGENT \t: the SIP.vicious one", Verdict.SCANNER),
        (b"User-Agent: sipXvicious", Verdict.ADMITTED),
        (b"Subject: friendly-scanner", Verdict.ADMITTED),
    ):
        raw = b"INVITE sip:a SIP/2.0\r\n" + line + b"\r\n\r\n"
        head = _invite(len(line))
        assert _judge(admission, head, STRANGER, 1.0, raw=raw) is verdict
        assert _judge(admission, head, "127.0.0.1", 1.0, raw=raw) is Verdict.ADMITTED
    assert not Verdict.SCANNER.answered


def test_a_network_may_have_a_rate_of_its_own_the_trusted_too() -> None:
    admission = Admission(
        5.0, secret=b"k", trusted=["198.51.100.0/24"], rates={"198.51.100.0/24": 100.0, "198.51.100.7/32": 2.0}
    )

    for host, rate in (("198.51.100.1", 100), ("198.51.100.7", 2), ("no address", 5)):
        heads = [_invite(n)._replace(call_id=host) for n in range(300)]
        verdicts = [_judge(admission, head, host, 1.0) for head in heads]
        assert verdicts.count(Verdict.ADMITTED) == rate
        assert verdicts[-1] is Verdict.TOO_FAST


def test_why_a_request_is_refused_is_told_apart() -> None:
    admission = _admission(rate=1.0)
    assert _judge(admission, _invite(0), STRANGER, 1.0, busy=True) is Verdict.BUSY
    verdicts = [_judge(admission, _invite(n), f"192.0.2.{n // 2}", 1.0) for n in range(1, 100)]
    assert set(verdicts) == {Verdict.ADMITTED, Verdict.TOO_FAST, Verdict.TOO_MANY}
    assert all(verdict.answered for verdict in (Verdict.BUSY, Verdict.TOO_FAST, Verdict.TOO_MANY))


def test_a_branch_used_with_another_call_id_is_no_repeat() -> None:
    admission = _admission(rate=1.0)
    assert _judge(admission, INVITE, STRANGER, 1.0) is Verdict.ADMITTED
    assert _judge(admission, INVITE._replace(call_id="other"), STRANGER, 1.0) is Verdict.TOO_FAST


def test_a_mapped_ipv4_address_is_that_address_and_nonsense_is_itself() -> None:
    assert source_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert source_of("no:address") == "no:address"


def test_a_request_from_before_rfc_3261_is_counted_each_time_it_comes() -> None:
    admission = _admission(rate=2.0)
    old = INVITE._replace(branch="1")
    assert [_admits(admission, old, STRANGER, 1.0, busy=False) for _ in range(3)] == [True, True, False]


INFO = INVITE._replace(method="INFO", to_tag="made-up")


def test_who_asks_in_dialogs_that_are_not_there_may_do_so_as_often_as_it_may_begin_something() -> None:
    admission = _admission(rate=5.0)

    def ask(now: float) -> bool:
        """One request with a made-up tag; it is answered with 481 where it is let in."""
        admitted = admission.judge_inside(INFO, STRANGER, now) is Verdict.ADMITTED
        if admitted:
            admission.strayed(STRANGER, now)
        return admitted

    assert sum(ask(100.0) for _ in range(20)) == 5
    assert admission.judge_inside(INFO, STRANGER, 100.0) is Verdict.ASTRAY
    assert admission.judge_inside(INFO, "192.0.2.2", 100.0) is Verdict.ADMITTED
    assert not _admits(admission, _invite(1), STRANGER, 100.0, busy=False), "it cost what beginning something costs"
    for method in ("BYE", "ACK", "CANCEL"):
        assert admission.judge_inside(INFO._replace(method=method), STRANGER, 100.0) is Verdict.ADMITTED
    assert sum(ask(101.0) for _ in range(20)) == 5


def test_whoever_begins_much_in_dialogs_that_are_there_is_not_refused_in_them() -> None:
    admission = _admission(rate=5.0)
    admission.strayed("192.0.2.2", 1.0)
    assert sum(_admits(admission, _invite(n), STRANGER, 1.0, busy=False) for n in range(9)) == 5
    assert admission.judge_inside(INFO, STRANGER, 1.0) is Verdict.ADMITTED


def test_the_trusted_may_ask_in_whatever_dialogs() -> None:
    admission = _admission(rate=1.0)
    for _ in range(9):
        admission.strayed("127.0.0.1", 1.0)
    assert admission.judge_inside(INFO, "127.0.0.1", 1.0) is Verdict.ADMITTED
