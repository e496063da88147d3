"""A call agrees on comfort noise (RFC 3389) where the peer offers it, and offers it where that is asked for."""

from __future__ import annotations

from actors.dialog.call_commands import HoldCall
from actors.dialog.effects import Send, Start
from tests.dialog.phone import OFFER, Phone, answer_to, invite, message

NOISE = b"a=rtpmap:13 CN/8000\r\n"


def with_noise(body: bytes = OFFER) -> bytes:
    """A description that has payload type 13, too."""
    head, found, rest = body.partition(b"m=audio 7000 RTP/AVP ")
    assert found
    formats, _, lines = rest.partition(b"\r\n")
    return head + found + formats + b" 13\r\n" + lines


def test_it_is_taken_where_it_is_offered_and_media_is_told() -> None:
    """To leave it out would not stop the peer's pauses (section 5.1), only let them be without a sound."""
    phone = Phone("echo")
    phone.receive_call(invite(with_noise()))
    assert NOISE in phone.last_response().body
    assert phone.started().noise.payload_type == 13
    phone = Phone("echo")
    phone.receive_call(invite(OFFER))
    assert NOISE not in phone.last_response().body
    assert phone.started().noise is None


def test_it_is_offered_where_the_settings_say_so_alone() -> None:
    """A peer that is not offered it sends all that it hears, or its pauses without a word, as it likes."""
    for wanted in (False, True):
        phone = Phone(comfort_noise=wanted)
        key = phone.place_call()
        assert (NOISE in phone.sent("INVITE")[-1].body) is wanted
        phone.response(answer_to(phone.last(Send).raw, 200, body=with_noise() if wanted else OFFER), key)
        assert (phone.started().noise is not None) is wanted


def test_an_offer_of_ours_in_a_call_that_uses_it_has_it() -> None:
    """A hold does not take it away."""
    phone = Phone("echo")
    phone.receive_call(invite(with_noise()))
    tag = phone.our_tag()
    phone.request(message("ACK", to_tag=tag))
    phone.command(HoldCall("h", phone.call.call))
    assert NOISE in phone.sent("INVITE")[-1].body


def test_a_later_offer_without_it_ends_it() -> None:
    """As with every other format."""
    phone = Phone("echo")
    phone.receive_call(invite(with_noise()))
    tag = phone.our_tag()
    phone.request(message("ACK", to_tag=tag))
    phone.request(message("INVITE", to_tag=tag, cseq=2, body=OFFER))
    assert NOISE not in phone.last_response().body
    assert [start.agreed.noise is None for start in phone.all(Start)] == [False, True]
