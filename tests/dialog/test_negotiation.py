"""Answers from memory are those that reading the offer would give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.dialog.call import Agent, Call, State, replace
from actors.dialog.call_parts import Media
from actors.dialog.names import Names
from actors.dialog.negotiation import PLACEHOLDER, answered, received_at
from actors.dialog.settings import DialogSettings
from actors.sip import RemoteProtocolError, sdp
from actors.sip.offer_answer import Capabilities, Carrier, make_answer

NAMES = Names(b"s" * 16)
CALL = Call(State.NEW, (), "0123456789abcdef0123", "c", inbound=True, remote="", local="", begun=0.0)

ORIGIN = st.sampled_from(["- 1 1 IN IP4 192.0.2.9", "x 77 2 IN IP4 host.example", "broken", "- 1 1 IN IP6 ::1"])
LINE = st.tuples(
    st.sampled_from(["audio", "video", "audio"]),
    st.sampled_from(["7000", "0", "9", "65534", "65535", "70000", "07"]),
    st.sampled_from(["RTP/AVP", "RTP/SAVP"]),
    st.sampled_from(["0", "0 8", "18", "8 101", "13 0"]),
    st.sampled_from(
        ["", "a=sendonly\r\n", "a=ptime:30\r\n", "c=IN IP4 192.0.2.77\r\n", "a=rtcp-mux\r\n", "a=rtcp:77\r\n"]
    ),
)
OFFER = st.builds(
    lambda origin, lines: (
        f"v=0\r\no={origin}\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
        + "".join(f"m={kind} {port} {protocol} {formats}\r\n{more}" for kind, port, protocol, formats, more in lines)
    ).encode(),
    ORIGIN,
    st.lists(LINE, min_size=1, max_size=3),
)


@given(st.lists(OFFER, min_size=1, max_size=6))
def test_an_answer_from_memory_is_the_one_that_reading_gives(offers: list[bytes]) -> None:
    agent = Agent(DialogSettings(), NAMES)
    call = replace(CALL, media=Media(host="192.0.2.1"))
    for offer in [*offers, *offers]:
        capabilities = Capabilities(
            "192.0.2.1", PLACEHOLDER, agent.formats(CALL).taken, int(CALL.tag[:15], 16), rtcp_mux=True
        )
        try:
            expected = make_answer(sdp.parse(offer), capabilities)
        except RemoteProtocolError:
            with pytest.raises(RemoteProtocolError):
                answered(call, agent, offer, Carrier.INVITE)
            continue
        media = answered(call, agent, offer, Carrier.INVITE).media
        assert (media.draft, media.drafted) == (bytes(expected[0]), expected[1])
        there = received_at(replace(call, media=media), agent, "192.0.2.1", 16400)
        capabilities = capabilities._replace(port=16400)
        assert there.media.draft == bytes(make_answer(sdp.parse(offer), capabilities)[0])


def test_the_memory_is_bounded() -> None:
    agent = Agent(DialogSettings(), NAMES)
    call = replace(CALL, media=Media(host="192.0.2.1"))
    for number in range(600):
        offer = (
            f"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns={number}\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
        )
        answered(call, agent, offer.encode(), Carrier.INVITE)
    assert len(agent.answers) <= 256
