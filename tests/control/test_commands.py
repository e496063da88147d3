"""From the API's commands to the dialog layer's."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.control import checking, commands, verbs
from actors.control.protocol import MAX_FRAME, ProtocolError, encode_frame, plain
from actors.control.records import (
    Answer,
    AnswerOffer,
    Calls,
    Done,
    DoNotDisturb,
    Drain,
    HangUp,
    Hold,
    Mute,
    Offer,
    Place,
    Progress,
    Reject,
    Resume,
    Transfer,
    Treatment,
)
from actors.dialog import call_commands, call_events
from actors.dialog import events as dialog
from actors.runtime.slots import Slots


def routed(command: commands.Command, ref: str) -> dialog.FromControl:
    return commands.ROUTES[type(command)].make(command, ref)


def test_a_command_becomes_the_dialogs_with_every_field() -> None:
    place = Place("sip:b@h", "sip:a@h", Treatment(play="/p.wav", record="/r.wav"), 0.0, 9.0, (("X-A", "b"),))
    assert commands.place_call(place, "!k", "c1", 60.0) == call_commands.PlaceCall(
        "!k",
        "c1",
        "sip:b@h",
        "sip:a@h",
        call_commands.Treatment(play="/p.wav", record="/r.wav"),
        60.0,
        9.0,
        (("X-A", "b"),),
    )
    assert commands.place_call(Place("sip:b@h", ring_timeout=7.0), "!k", "c1", 60.0).ring_timeout == 7.0
    assert routed(Answer("c1", Treatment(echo=True), 4.0), "!k") == call_commands.AnswerCall(
        "!k", "c1", call_commands.Treatment(echo=True), 4.0
    )
    assert routed(Reject("c1", 603, "no"), "!k") == call_commands.RejectCall("!k", "c1", 603, "no")
    assert routed(HangUp("c1"), "!k") == call_commands.HangUp("!k", "c1")
    reason = (("Reason", "Q.850;cause=16"),)
    assert routed(HangUp("c1", reason), "!k") == call_commands.HangUp("!k", "c1", reason)
    away = Reject("c1", 302, "", (), ("sip:c@h",))
    assert routed(away, "!k") == call_commands.RejectCall("!k", "c1", 302, "", (), ("sip:c@h",))
    assert routed(Progress("c1", 183), "!k") == call_commands.ProgressCall("!k", "c1", 183)
    assert routed(Hold("c1"), "!k") == call_commands.HoldCall("!k", "c1")
    assert routed(Resume("c1"), "!k") == call_commands.ResumeCall("!k", "c1")
    assert routed(Mute("c1", "rtp"), "!k") == call_commands.MuteCall("!k", "c1", "rtp")
    assert routed(Transfer("c1", "sip:c@h"), "!k") == call_commands.TransferCall("!k", "c1", "sip:c@h")
    late = commands.place_call(Place("sip:b@h", follow=False, late_offer=True, session_expires=90), "!k", "c1", 60.0)
    assert (late.follow, late.late_offer, late.session_expires) == (False, True, 90)
    ours = Place("sip:b@h", media="application", sdp=("v=0", "s=-"))
    placed = commands.place_call(ours, "!k", "c1", 60.0)
    assert (placed.media, placed.sdp) == ("application", b"v=0\r\ns=-\r\n")
    assert routed(Answer("c1", sdp=("a",)), "!k") == call_commands.AnswerCall(
        "!k", "c1", call_commands.Treatment(), 0.0, sdp=b"a\r\n"
    )
    assert routed(Progress("c1", sdp=("a",)), "!k") == call_commands.ProgressCall("!k", "c1", sdp=b"a\r\n")
    assert routed(Offer("c1", ("a",), True), "!k") == call_commands.OfferSession("!k", "c1", b"a\r\n", True)
    wish = Offer("c1", (), fork="f")
    assert routed(wish, "!k") == call_commands.OfferSession("!k", "c1", b"", fork="f")
    assert verbs.offer("c1", fork="f").command == wish
    pracked = verbs.place("sip:b@h", sdp="v=0", offer_in_prack=True).command
    assert isinstance(pracked, Place)
    assert commands.place_call(pracked, "!k", "c1", 60.0).offer_in_prack
    assert routed(AnswerOffer("c1", "o", ("a",)), "!k") == call_commands.AnswerOffer("!k", "c1", "o", b"a\r\n")
    assert routed(AnswerOffer("c1", "o", (), 488), "!k") == call_commands.AnswerOffer("!k", "c1", "o", b"", 488)
    assert commands.place_call(Place("sip:b@h", codecs=("GSM",)), "!k", "c1", 60.0).codecs == ("GSM",)
    assert routed(Drain(False), "!k") == dialog.Drain("!k", False)
    assert routed(DoNotDisturb(600), "!k") == dialog.DoNotDisturb("!k", 600)


@pytest.mark.parametrize(
    "command",
    [
        Place("sip:b@h"),
        Place("SIPS:b@h", headers=(("X-Trace", "1"),)),
        Answer("c"),
        Reject("c", 300),
        HangUp("c"),
        Calls(),
    ],
)
def test_what_can_be_carried_out_passes(command: commands.Command) -> None:
    checking.check(command)


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (HangUp(""), "call"),
        (Reject("c", 200), "status"),
        (Reject("c", 302, contacts=("c",)), "contacts[0]"),
        (HangUp("c", (("Via", "x"),)), "headers[0][0]"),
        (Progress("c", 200), "status"),
        (DoNotDisturb(302), "status"),
        (Transfer("c"), "target"),
        (Transfer("c", "tel:1"), "target"),
        (Place("sip:b@h", session_expires=-1), "session_expires"),
        (Place("sip:b@h", media="none"), "media"),
        (Place("sip:b@h", media="application"), "sdp"),
        (Place("sip:b@h", sdp=("v=0",)), "sdp"),
        (AnswerOffer("c", "o", status=100), "status"),
        (Place("sip:b@h", codecs=("PCMU", "G723")), "codecs"),
        (Place("sip:b@h", media="application", late_offer=True, codecs=("PCMU",)), "codecs"),
        (Place("sip:b@h", media="application", late_offer=True, offer_in_prack=True), "offer_in_prack"),
        (Reject("c", 700), "status"),
        (Answer("c", Treatment(record="x.wav")), "treatment.record"),
        (Answer("c", duration=1e9), "duration"),
        (Place("sip:b@h", ring_timeout=-1.0), "ring_timeout"),
        (Place("sip:b@h", headers=(("L", "5"),)), "headers[0][0]"),
        (Place("sip:b@h>\x20"), "uri"),
        (Place("mailto:b@h"), "uri"),
    ],
)
def test_what_cannot_be_carried_out_names_the_field(command: commands.Command, field: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        checking.check(command)
    assert caught.value.field == field


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_a_description_comes_out_as_it_went_in_with_cr_lf_after_each_line(end: str) -> None:
    lines = ["v=0", "s=-\u2028\x85", "t=0 0"]
    command = verbs.offer("c", end.join([*lines, ""])).command
    assert isinstance(command, Offer)
    assert routed(command, "!k").sdp == "\r\n".join([*lines, ""]).encode()  # type: ignore[union-attr]
    assert verbs.answer_offer("c", "o").command == AnswerOffer("c", "o", ())


@given(st.integers(1, 256), st.data())
def test_a_new_calls_id_belongs_to_its_shard(shards: int, data: st.DataObject) -> None:
    shard = data.draw(st.integers(0, shards - 1))
    counter = itertools.count()
    slots = Slots(shards)
    call = commands.new_call_id(lambda call: slots.shard(call) == shard, lambda: f"t{next(counter)}")
    assert slots.shard(call) == shard


@given(st.lists(st.integers(0, 3_000), max_size=300))
def test_a_list_of_calls_is_whole_and_each_part_fits_a_frame(lengths: list[int]) -> None:
    calls = [
        call_events.CallInfo(str(number), "in", "early", "sip:" + "\u00e9" * length, "sip:b", 1.0, 0.0)
        for number, length in enumerate(lengths)
    ]
    parts = commands.call_lists(calls)
    assert [call.call for part in parts for call in part.calls] == [str(number) for number in range(len(lengths))]
    assert all(len(encode_frame(Done("x" * 64, plain(part)))) <= MAX_FRAME for part in parts)
    assert len(parts) >= 1
