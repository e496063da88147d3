"""Who may create state, and what a refusal leaves behind: nothing but a tag."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip.vocabulary import Head
from actors.transport.admission import Admission, PeerClass, creates_state, source_of

INVITE = Head("INVITE", 0, "z9hG4bKa", "a.example", "call", 1, "from", "")
STRANGER = "192.0.2.1"


def _admission(rate: float = 50.0) -> Admission:
    return Admission(rate, secret=b"k" * 32, trusted=["198.51.100.0/24"], known=["203.0.113.7/32"])


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
    admitted = [admission.admit(_invite(n), STRANGER, 100.0, busy=False) for n in range(20)]
    assert sum(admitted) == 5
    later = [admission.admit(_invite(n), STRANGER, 101.0, busy=False) for n in range(20, 40)]
    assert sum(later) == 5
    assert admission.admit(_invite(99), "192.0.2.2", 101.0, busy=False)  # another source has its own


def test_a_trusted_peer_has_no_limit() -> None:
    admission = _admission(rate=1.0)
    assert all(admission.admit(_invite(n), "127.0.0.1", 1.0, busy=False) for n in range(1000))


def test_a_known_peer_has_ten_times_as_much() -> None:
    admission = _admission(rate=5.0)
    assert sum(admission.admit(_invite(n), "203.0.113.7", 1.0, busy=False) for n in range(100)) == 50


def test_many_sources_together_have_a_limit_too() -> None:
    admission = _admission(rate=1.0)
    assert sum(admission.admit(_invite(n), f"192.0.2.{n}", 1.0, busy=False) for n in range(200)) == 20


def test_a_busy_shard_takes_nothing_new_even_from_the_trusted() -> None:
    assert not _admission().admit(INVITE, "127.0.0.1", 1.0, busy=True)


def test_a_repeat_of_what_was_admitted_passes_whatever_the_load() -> None:
    admission = _admission(rate=1.0)
    assert admission.admit(INVITE, STRANGER, 1.0, busy=False)
    assert admission.admit(INVITE, STRANGER, 32.0, busy=True)
    assert not admission.admit(INVITE._replace(sent_by="b.example"), STRANGER, 1.0, busy=True)


def test_memory_is_bounded_over_a_flood_of_sources() -> None:
    admission = _admission(rate=1e9)
    for number in range(200_000):
        admission.admit(_invite(number), f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1.0, busy=False)
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
