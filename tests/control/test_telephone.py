"""A call as whoever makes it sees it: what its line says in so many columns, and what its keys ask for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.control.audio import Measured
from actors.control.records import (
    CallAnswered,
    CallHoldChanged,
    CallMuteChanged,
    CallProgressed,
    CallTransferProgressed,
)
from actors.control.telephone import Telephone, Wanted, bar

FIGURES = Measured("t", "PCMU", 500, 495, 5, 3.4, 4.38, -12.0, -90.0)
VERBS = {"dtmf", "hold", "resume", "mute", "unmute", "transfer", "hangup"}


def talking() -> Telephone:
    telephone = Telephone("sip:bob@192.0.2.4", "calling", 0.0)
    telephone.take(CallAnswered(1, "c", "PCMU", 8000, 1.0), 10.0)
    return telephone


def test_the_line_says_how_the_call_goes() -> None:
    telephone = Telephone("sip:bob@192.0.2.4", "calling", 0.0)
    assert telephone.line(3.0, None, 80) == "sip:bob@192.0.2.4: calling, 3 s"
    telephone.take(CallProgressed(1, "c", 180, "Ringing", 1.0), 4.0)
    assert telephone.line(5.0, None, 80) == "sip:bob@192.0.2.4: ringing, 5 s"
    telephone.take(CallAnswered(1, "c", "PCMU", 8000, 1.0), 10.0)
    said = "talking, 2 s  PCMU lost 1.0% jitter 3 ms MOS 4.4 in ####. out ....."
    whole, short, shortest = (f"{uri}: {said}" for uri in ("sip:bob@192.0.2.4", "bob@192.0.2.4", "bob@19.."))
    assert telephone.line(12.0, FIGURES, len(whole)) == whole
    assert telephone.line(12.0, FIGURES, len(whole) - 1) == short
    assert telephone.line(12.0, FIGURES, len(shortest)) == shortest
    assert telephone.line(12.0, FIGURES, 60) == shortest[:60]
    assert len(shortest) < 80


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (CallHoldChanged(1, "c", True, False, 1.0), "held"),
        (CallHoldChanged(1, "c", False, True, 1.0), "held by the peer"),
        (CallHoldChanged(1, "c", False, False, 1.0), "talking"),
        (CallMuteChanged(1, "c", "sound", 1.0), "talking, muted"),
        (CallTransferProgressed(1, "c", 100, "Trying", 1.0), "transfer: 100 Trying"),
    ],
)
def test_the_line_says_what_was_done_to_the_call(event: CallHoldChanged, state: str) -> None:
    telephone = talking()
    telephone.take(event, 11.0)
    assert telephone.line(12.0, None, 80) == f"sip:bob@192.0.2.4: {state}, 2 s"


def test_keys_ask_for_what_they_stand_for_once_the_call_is_up() -> None:
    telephone = Telephone("sip:bob@192.0.2.4", "calling", 0.0)
    assert list(telephone.press("5hmtq")) == [Wanted("hangup")]
    telephone = talking()
    assert list(telephone.press("5#x*A")) == [Wanted("dtmf", key) for key in "5#*A"]
    assert list(telephone.press("hm")) == [Wanted("hold"), Wanted("mute")]
    telephone.take(CallHoldChanged(1, "c", True, False, 1.0), 11.0)
    telephone.take(CallMuteChanged(2, "c", "sound", 1.0), 11.0)
    assert list(telephone.press("hm")) == [Wanted("resume"), Wanted("unmute")]
    assert list(telephone.press("\x1b[A\x1bOP\x1b[15~")) == []  # cursor and function keys


def test_the_target_of_a_transfer_is_typed_corrected_and_given_up() -> None:
    telephone = talking()
    assert list(telephone.press("tcarlo\x7f")) == []
    assert telephone.line(12.0, FIGURES, 80) == "transfer to (Enter: do it, Esc: do not): carl"
    assert list(telephone.press("a@h\x01\n")) == [Wanted("transfer", "carla@h")]
    assert list(telephone.press("tbob\x1b5")) == [Wanted("dtmf", "5")]
    assert list(telephone.press("t\r5")) == [Wanted("dtmf", "5")]


@given(st.text(max_size=60), st.integers(1, 200))
def test_whatever_is_typed_is_a_wish_or_nothing_and_the_line_fits(keys: str, width: int) -> None:
    telephone = talking()
    assert {wanted.verb for wanted in telephone.press(keys)} <= VERBS
    assert len(telephone.line(12.0, FIGURES, width)) <= width


def test_a_meter_is_full_at_full_scale_and_empty_sixty_decibels_below() -> None:
    levels = (0.0, -24.0, -60.0, -90.0, 3.0)
    assert [bar(level) for level in levels] == ["#####", "###..", ".....", ".....", "#####"]
