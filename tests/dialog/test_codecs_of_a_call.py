"""A call that is placed with codecs of its own offers and takes those, in that order, and no other call does."""

from __future__ import annotations

from actors.dialog.call_commands import HoldCall
from actors.dialog.effects import Send
from actors.sip.sdp import parse
from tests.dialog.phone import OFFER, Phone, answer_to, place


def formats(body: bytes) -> tuple[str, ...]:
    """Of the one line of sound."""
    return parse(body).media[0].formats


def test_the_order_of_the_command_is_that_of_the_offer() -> None:
    phone = Phone()
    phone.place_call(codecs=("L16", "PCMA"))
    assert formats(phone.sent("INVITE")[-1].body) == ("97", "8", "103", "101")
    other = Phone()
    other.place_call()
    assert formats(other.sent("INVITE")[-1].body) == ("0", "8", "101")


def test_they_hold_for_later_offers_and_for_answers() -> None:
    """A hold, and a change that the peer asks for."""
    phone = Phone()
    key = phone.place_call(codecs=("PCMA",))
    phone.response(answer_to(phone.last(Send).raw, 200, body=OFFER), key)
    assert phone.started().send.encoding == "PCMA"
    phone.command(HoldCall("h", phone.call.call))
    hold = phone.sent("INVITE")[-1]
    assert formats(hold.body) == ("8", "101")


def test_they_hold_for_the_answer_to_an_offer_in_the_peers_2xx() -> None:
    """That is not the answer that other calls got to the same offer."""
    phone = Phone("echo")
    key = phone.place_call(codecs=("PCMA",), late_offer=True)
    phone.response(answer_to(phone.last(Send).raw, 200, body=OFFER), key)
    assert formats(phone.sent("ACK")[-1].body) == ("8",)


def test_a_codec_that_nobody_knows_is_refused() -> None:
    phone = Phone()
    phone.command(place(codecs=("PCMU", "G723")))
    assert phone.failure().message == "no such codec: G723"
    assert not phone.all(Send)
