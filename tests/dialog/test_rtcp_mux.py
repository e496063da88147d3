"""A call agrees on one port for RTP and RTCP where the peer does, too (RFC 5761), in both roles."""

from __future__ import annotations

import pytest

from actors.dialog.effects import Send, Start
from tests.dialog.phone import OFFER, Phone, answer_to, invite, message

MUX = b"a=rtcp-mux\r\n"


@pytest.mark.parametrize("agreed", [True, False])
def test_our_offer_asks_for_it_and_the_answer_decides(agreed: bool) -> None:
    phone = Phone()
    key = phone.place_call()
    assert MUX in phone.sent("INVITE")[-1].body
    phone.response(answer_to(phone.last(Send).raw, 200, body=OFFER + MUX * agreed), key)
    assert phone.started().rtcp_mux is agreed


@pytest.mark.parametrize("asked", [True, False])
def test_our_answer_agrees_where_it_was_offered_and_only_there(asked: bool) -> None:
    phone = Phone("echo")
    phone.receive_call(invite(OFFER + MUX * asked))
    assert (MUX in phone.last_response().body) is asked
    assert phone.started().rtcp_mux is asked


def test_a_later_offer_without_it_ends_it() -> None:
    phone = Phone("echo")
    phone.receive_call(invite(OFFER + MUX))
    tag = phone.our_tag()
    phone.request(message("ACK", to_tag=tag))
    phone.request(message("INVITE", to_tag=tag, cseq=2, body=OFFER))
    assert MUX not in phone.last_response().body
    assert [start.agreed.rtcp_mux for start in phone.all(Start)] == [True, False]


def test_where_the_peer_says_its_rtcp_is_reaches_media() -> None:
    phone = Phone("echo")
    phone.receive_call(invite(OFFER + b"a=rtcp:7077\r\n"))
    assert (phone.started().port, phone.started().rtcp_port) == (7000, 7077)
