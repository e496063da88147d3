"""RTP and RTCP on one port by offer and answer (RFC 5761 section 5.1.1), and RTCP on a port that is told (RFC 3605)."""

from __future__ import annotations

import pytest

from actors.sip.offer_answer import Capabilities, Codec, Negotiated, apply_answer, make_answer, make_offer
from actors.sip.sdp import SessionDescription, parse

PCMU = Codec(0, "PCMU", 8000)
OURS = Capabilities("192.0.2.2", 16384, (PCMU,), 7, rtcp_mux=True)
THEIRS = Capabilities("192.0.2.1", 5004, (PCMU,), 9)


def offer(*lines: str, formats: str = "0", port: int = 5004) -> SessionDescription:
    head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    return parse(
        f"{head}m=audio {port} RTP/AVP {formats}\r\n{''.join(f'a={line}{chr(13)}{chr(10)}' for line in lines)}".encode()
    )


def answered(made: SessionDescription) -> tuple[SessionDescription, Negotiated]:
    answer, agreed = make_answer(made, OURS)
    return parse(bytes(answer)), agreed


def test_it_is_offered_and_agreed_where_the_answer_has_it() -> None:
    ours = make_offer(OURS)
    assert parse(bytes(ours)).media[0].rtcp_mux
    theirs, heard = make_answer(ours, THEIRS._replace(rtcp_mux=True))
    assert theirs.media[0].rtcp_mux
    assert heard.rtcp_mux
    assert apply_answer(ours, theirs).rtcp_mux


def test_an_answer_without_it_leaves_rtcp_on_a_port_of_its_own() -> None:
    ours = make_offer(OURS)
    theirs, heard = make_answer(ours, THEIRS)
    assert not theirs.media[0].rtcp_mux
    assert not heard.rtcp_mux
    assert not apply_answer(ours, theirs).rtcp_mux


def test_an_answer_has_it_only_where_the_offer_has() -> None:
    made, agreed = answered(offer("rtcp-mux"))
    assert (made.media[0].rtcp_mux, agreed.rtcp_mux) == (True, True)
    made, agreed = answered(offer())
    assert (made.media[0].rtcp_mux, agreed.rtcp_mux) == (False, False)


def test_an_answer_that_brings_it_unasked_changes_nothing() -> None:
    ours = make_offer(OURS._replace(rtcp_mux=False))
    assert not apply_answer(ours, offer("rtcp-mux")).rtcp_mux


@pytest.mark.parametrize("number", [64, 72, 95])
def test_a_payload_type_that_looks_like_rtcp_keeps_the_ports_apart(number: int) -> None:  # RFC 5761 section 4
    made, agreed = answered(offer("rtcp-mux", f"rtpmap:{number} PCMU/8000", formats=f"{number}"))
    assert (made.media[0].rtcp_mux, agreed.rtcp_mux) == (False, False)
    assert agreed.send.payload_type == number
    ours = make_offer(OURS)
    assert not apply_answer(ours, offer("rtcp-mux", f"rtpmap:{number} PCMU/8000", formats=f"{number}")).rtcp_mux


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("rtcp:5099", 5099),
        ("rtcp:5099 IN IP4 192.0.2.1", 5099),
        ("rtcp:5099 IN IP4 203.0.113.7", 0),  # another host than RTP's
        ("rtcp:5004", 0),  # one port for both, which was not agreed
        ("rtcp:0", 0),
        ("rtcp:99999", 0),
        ("rtcp:x", 0),
        ("rtcp:", 0),
    ],
)
def test_rtcp_goes_where_the_peer_says_if_that_can_be(text: str, port: int) -> None:
    assert answered(offer(text))[1].rtcp_port == port
    assert apply_answer(make_offer(OURS), offer(text)).rtcp_port == port


def test_an_offer_keeps_offering_it_and_a_later_answer_may_drop_it() -> None:
    first = make_offer(OURS)
    again = make_offer(OURS, version=1, previous=first)
    assert again.media[0].rtcp_mux
    assert apply_answer(again, make_answer(again, THEIRS._replace(rtcp_mux=True))[0]).rtcp_mux
    assert not apply_answer(again, make_answer(again, THEIRS)[0]).rtcp_mux
