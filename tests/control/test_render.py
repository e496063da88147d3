"""What people see."""

from __future__ import annotations

import pytest

from actors.control import records
from actors.control.client import Lost
from actors.control.render import SENTENCES, calls_table, children_table, ended, event_line, printable, span, table


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59.9, "59 s"), (187, "3 min 07 s"), (7_500, "2 h 05 min"), (273_600, "3 d 04 h")],
)
def test_a_duration_is_shown_in_two_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_a_table_is_as_wide_as_it_needs_to_be() -> None:
    assert table(("A", "LONG"), [("first", "x"), ("y", "z")]) == "A      LONG\nfirst  x\ny      z"


def test_what_a_peer_calls_itself_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b[2Jb\nc\u202e") == "a?[2Jb?c?"
    call = records.CallInfo("c1", "in", "early", "sip:\x1b]0;x\x07@h", "sip:b", 1.0, 0.0)
    assert "\x1b" not in calls_table([call], 5.0)


def test_calls_and_children_are_shown_with_how_long() -> None:
    call = records.CallInfo("c1", "out", "waiting_ack", "sip:a", "sip:b", 1.0, 100.0)
    assert calls_table([], 1.0) == "no calls"
    words = calls_table([call], 130.0).splitlines()[1].split()
    assert words == ["c1", "out", "waiting", "ack", "sip:a", "sip:b", "30", "s"]
    for who, shown in (("us", "us"), ("peer", "the peer"), ("both", "both")):
        assert f"held by {shown}  sip:a" in calls_table([call._replace(state="confirmed", held=who)], 130.0)
    child = records.Child("dialog-0", 0, "waiting", 3, 7, 100.0)
    line = children_table([child], 160.0).splitlines()[1]
    assert line.startswith("dialog-0  -    waiting  3         7")
    assert line.endswith("(1 min 00 s)")


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (records.ServiceStarted(1, 1.0), "service started"),
        (records.CallPlaced(2, "c", "sip:b@h", "", "", 1.0), "call out to sip:b@h"),
        (records.CallPlaced(2, "c", "sip:b@h", "sip:a@h", "", 1.0), "call out to sip:b@h as sip:a@h"),
        (records.CallPlaced(2, "c", "sip:b@h", "sip:a@h", "sip:a@h", 1.0), "call out to sip:b@h by sip:a@h"),
        (records.CallReceived(2, "c", "sip:a", "sip:b", "Ann", 1.0), 'call in from "Ann" sip:a to sip:b'),
        (records.CallProgressed(3, "c", 180, "Ringing", 1.0), "180 Ringing"),
        (records.CallAnswered(4, "c", "PCMU", 8000, 1.0), "answered, PCMU/8000"),
        (records.CallPlayFinished(5, "c", "/x.wav", "", 1.0), "/x.wav has been played"),
        (records.CallPlayFinished(5, "c", "/x.wav", "no such file", 1.0), "could not be played: no such file"),
        (records.CallRecordFailed(6, "c", "/x.wav", "disk full", 1.0), "recording to /x.wav stopped: disk full"),
        (records.CallDigitReceived(7, "c", "5", 160, "rfc4733", 1.0), "digit 5 for 160 ms (rfc4733)"),
        (records.CallNoticed(8, "c", "media_timeout", "nothing for 20 s", 1.0), "media timeout: nothing for 20 s"),
        (records.CallClaimed(8, "c", "menu", 1.0), "claimed by menu"),
        (records.CallReleased(9, "c", "menu", "lost", 1.0), "menu has it no more: lost"),
        (records.PeerChanged(9, "sip:t@h", reachable=False, status=408, reason="", seconds=0.0, time=1.0), "408"),
        (records.UnknownEvent(7, "New", {"call": "c"}), "New {'call': 'c'}"),
        (Lost(3, 9, "outran"), "events after 3 and before 9 are lost"),
    ],
)
def test_an_event_is_one_line(event: records.Event | Lost, words: str) -> None:
    line = event_line(event)
    assert words in line
    assert "\n" not in line


def test_every_event_has_a_sentence() -> None:
    assert set(records.EVENTS.values()) <= set(SENTENCES)


def test_how_a_call_ended_says_why() -> None:
    def end(outcome: str, status: int, reason: str) -> records.CallEnded:
        return records.CallEnded(1, "c", outcome, status, reason, "remote", 2.0, 65.0, 1.0, 10, 9, 1)

    assert ended(end("answered", 200, "OK")) == (
        "ended by remote after 1 min 05 s; RTP packets: 10 sent, 9 received, 1 lost"
    )
    assert ended(end("answered", 200, "OK")._replace(mos=4.21)).endswith("1 lost; MOS 4.2")
    assert ended(end("no_answer", 408, "Request Timeout")) == "no answer: 408 Request Timeout"
    assert ended(end("unreachable", 0, "no route")) == "unreachable: no route"
    assert ended(end("cancelled", 0, "")) == "cancelled"
    assert (
        ended(end("unreachable", 503, "Connection refused")._replace(by="error")) == "unreachable: Connection refused"
    )
    assert ended(end("unreachable", 503, "Draining")) == "unreachable: 503 Draining"
