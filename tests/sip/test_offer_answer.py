"""Offer and answer of one audio stream (RFC 3264)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip import LocalProtocolError, RemoteProtocolError
from actors.sip.errors import NotAcceptable
from actors.sip.offer_answer import (
    Capabilities,
    Codec,
    Exchange,
    Input,
    Negotiated,
    State,
    apply_answer,
    make_answer,
    make_offer,
)
from actors.sip.sdp import DIRECTIONS, SessionDescription, parse

PCMU = Codec(0, "PCMU", 8000)
PCMA = Codec(8, "PCMA", 8000)
EVENT = Codec(101, "telephone-event", 8000, "0-15")
OURS = Capabilities("192.0.2.2", 16384, (PCMU, PCMA, EVENT), 7)
THEIRS = Capabilities("192.0.2.1", 5004, (PCMA, PCMU, EVENT._replace(payload_type=97, fmtp="0-16")), 9)
MIRROR = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}


def sdp(*lines: str, connection: str = "IN IP4 192.0.2.1") -> SessionDescription:
    head = ["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", *([f"c={connection}"] if connection else []), "t=0 0"]
    return parse("".join(f"{line}\r\n" for line in [*head, *lines]).encode())


def answer(offer: SessionDescription, direction: str = "sendrecv") -> tuple[SessionDescription, Negotiated]:
    made, negotiated = make_answer(offer, OURS, direction)
    return parse(bytes(made)), negotiated


def test_an_offer_says_what_we_have() -> None:
    assert bytes(make_offer(OURS, version=3)) == (
        b"v=0\r\no=- 7 3 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 16384 RTP/AVP 0 8 101\r\n"
        b"a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
        b"a=ptime:20\r\na=sendrecv\r\n"
    )


def test_an_answer_uses_the_offers_payload_types_and_order() -> None:
    made, negotiated = answer(make_offer(THEIRS))
    assert made.media[0].formats == ("8", "0", "97")
    assert made.media[0].fmtps == {97: "0-15"}
    assert negotiated.send == PCMA
    assert negotiated.receive == (PCMA, PCMU, Codec(97, "telephone-event", 8000, "0-15"))
    assert negotiated.event == Codec(97, "telephone-event", 8000, "0-16")
    assert (negotiated.host, negotiated.port, negotiated.direction, negotiated.ptime) == (
        "192.0.2.1",
        5004,
        "sendrecv",
        20,
    )


def test_static_payload_types_need_no_rtpmap_and_dynamic_ones_do() -> None:
    made, _ = answer(sdp("m=audio 5004 RTP/AVP 96 8 0"))
    assert made.media[0].formats == ("8", "0")


def test_encodings_are_matched_without_case_by_rate_and_channels() -> None:
    made, _ = answer(
        sdp(
            "m=audio 5004 RTP/AVP 96 97 98 99",
            "a=rtpmap:96 pcmu/16000",
            "a=rtpmap:97 PCMU/8000/2",
            "a=rtpmap:98 pcmu/8000",
            "a=rtpmap:99 PCMU/8000",
        )
    )
    assert made.media[0].formats == ("98",)


def test_an_rtpmap_may_say_what_a_static_payload_type_says_too() -> None:
    made, _ = answer(sdp("m=audio 5004 RTP/AVP 0", "a=rtpmap:0 PCMU/8000"))
    assert made.media[0].formats == ("0",)


def test_telephone_events_are_taken_at_a_clock_rate_of_the_audio_only() -> None:
    wide = "a=rtpmap:110 telephone-event/48000"
    made, negotiated = answer(sdp("m=audio 5004 RTP/AVP 0 110 101", wide, "a=rtpmap:101 telephone-event/8000"))
    assert made.media[0].formats == ("0", "101")
    assert negotiated.event is not None
    made, negotiated = answer(sdp("m=audio 5004 RTP/AVP 0 110", wide))
    assert made.media[0].formats == ("0",)
    assert negotiated.event is None
    with pytest.raises(NotAcceptable):
        answer(sdp("m=audio 5004 RTP/AVP 101", "a=rtpmap:101 telephone-event/8000"))


def test_the_events_that_are_sent_are_of_the_clock_rate_of_what_is_sent() -> None:
    """Whatever stands first: the keys of a call in opus are at 48 kHz (RFC 4733 s2.1)."""
    opus = Codec(111, "opus", 48000, channels=2)
    wide = Codec(110, "telephone-event", 48000, "0-15")
    ours = Capabilities("192.0.2.2", 16384, (PCMU, opus, EVENT, wide), 7)
    lines = ("a=rtpmap:111 opus/48000/2", "a=rtpmap:101 telephone-event/8000", "a=rtpmap:110 telephone-event/48000")
    for formats, event in (("111 0 101 110", 110), ("0 111 110 101", 101)):
        _, negotiated = make_answer(sdp(f"m=audio 5004 RTP/AVP {formats}", *lines), ours)
        assert negotiated.event is not None
        assert negotiated.event.payload_type == event


def test_of_two_lines_for_one_format_the_first_counts() -> None:
    lines = (
        "a=rtpmap:97 telephone-event/8000",
        "a=fmtp:97 0-11",
        "a=fmtp:97 0-16",
        "a=rtpmap:97 telephone-event/16000",
    )
    _, negotiated = answer(sdp("m=audio 5004 RTP/AVP 0 97", *lines))
    assert negotiated.event == Codec(97, "telephone-event", 8000, "0-11")


def test_only_the_first_acceptable_audio_is_taken_and_every_line_is_answered() -> None:
    made, _ = answer(
        sdp(
            "m=video 5000 RTP/AVP 31",
            "m=audio 5002 RTP/SAVP 0",
            "m=audio 0 RTP/AVP 0",
            "m=audio 5004 RTP/AVP 18",
            "m=audio 5006 RTP/AVP 8",
            "m=audio 5008 RTP/AVP 0",
            "m=application 5010 UDP/BFCP *",
        )
    )
    assert [line.port for line in made.media] == [0, 0, 0, 0, 16384, 0, 0]
    assert [line.kind for line in made.media] == ["video", "audio", "audio", "audio", "audio", "audio", "application"]
    assert [line.protocol for line in made.media][1:3] == ["RTP/SAVP", "RTP/AVP"]
    assert all(line.formats for line in made.media)


@pytest.mark.parametrize("offered", DIRECTIONS)
@pytest.mark.parametrize("wanted", DIRECTIONS)
@pytest.mark.parametrize("session_level", [False, True])
def test_directions_are_mirrored_and_never_more_than_both_allow(offered: str, wanted: str, session_level: bool) -> None:
    lines = ("m=audio 5004 RTP/AVP 0", f"a={offered}")
    made, negotiated = answer(sdp(*(reversed(lines) if session_level else lines)), wanted)
    direction = made.media[0].direction
    assert negotiated.direction == direction
    sends, receives = direction in ("sendrecv", "sendonly"), direction in ("sendrecv", "recvonly")
    assert sends == (wanted in ("sendrecv", "sendonly") and offered in ("sendrecv", "recvonly"))
    assert receives == (wanted in ("sendrecv", "recvonly") and offered in ("sendrecv", "sendonly"))


def test_the_medias_own_lines_win_over_the_sessions() -> None:
    _, negotiated = answer(sdp("a=sendonly", "m=audio 5004 RTP/AVP 0", "c=IN IP4 192.0.2.9", "a=sendrecv"))
    assert (negotiated.host, negotiated.direction) == ("192.0.2.9", "sendrecv")


@pytest.mark.parametrize(("offered", "effective"), [("sendrecv", "recvonly"), ("recvonly", "inactive")])
def test_nothing_is_sent_to_a_peer_at_no_address(offered: str, effective: str) -> None:
    offer = sdp("m=audio 5004 RTP/AVP 0", f"a={offered}", connection="IN IP4 0.0.0.0")
    made, negotiated = answer(offer)
    assert made.media[0].direction == MIRROR[offered]  # RFC 6337 s5.4
    assert (negotiated.host, negotiated.direction) == ("", effective)


@pytest.mark.parametrize(
    "connection",
    [
        "",
        "IN IP4 224.2.1.1/127",
        "IN IP4 224.2.1.1",
        "IN IP4 255.255.255.255",
        "IN IP6 ff02::1",
        "IN IP6 2001:db8::1",
        "IN IP4 host.example.com",
        "IN IP4 2001:db8::1",
        "IN IP6 192.0.2.1",
        "TN RFC2543 1",
        "IN IP4 192.0.2.1/5",
        "IN IP4 1.2.3",
    ],
)
def test_an_address_that_is_not_unicast_of_our_family_is_not_taken(connection: str) -> None:
    with pytest.raises(NotAcceptable) as raised:
        answer(sdp("m=audio 5004 RTP/AVP 0", connection=connection))
    assert raised.value.status == 488


def test_ipv6_is_answered_in_ipv6() -> None:
    offer = sdp("m=audio 5004 RTP/AVP 0", connection="IN IP6 2001:db8::1")
    made, negotiated = make_answer(offer, OURS._replace(host="2001:db8::2"))
    assert negotiated.host == "2001:db8::1"
    assert b"c=IN IP6 2001:db8::2\r\n" in bytes(made)


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("m=audio 0 RTP/AVP 0",),
        ("m=audio 65535 RTP/AVP 0",),
        ("m=audio 5004/2 RTP/AVP 0",),
        ("m=audio 5004 RTP/AVP 65535", "a=rtpmap:65535 PCMU/8000"),
        ("m=audio 5004 RTP/AVP 200", "a=rtpmap:200 PCMU/8000"),
        ("m=audio 5004 RTP/AVP 96", "a=rtpmap:96 PCMU/0"),
        ("m=audio 5004 RTP/AVP x -1 00000",),
        ("m=video 5004 RTP/AVP 0",),
    ],
)
def test_numbers_that_cannot_be_leave_nothing_to_take(lines: tuple[str, ...]) -> None:
    with pytest.raises(NotAcceptable):
        answer(sdp(*lines))


@pytest.mark.parametrize(
    ("value", "ptime"),
    [
        ("30", 30),
        ("10", 10),
        ("0", 20),
        ("2147483648", 20),
        ("0.125", 20),
        ("x", 20),
        ("", 20),
        ("25", 20),
        ("1000", 20),
    ],
)
def test_we_send_in_packets_of_the_length_that_the_peer_asks_for_where_it_can_be(value: str, ptime: int) -> None:
    assert answer(sdp("m=audio 5004 RTP/AVP 0", f"a=ptime:{value}"))[1].ptime == ptime


def test_the_answer_repeats_the_time_of_the_offer() -> None:
    offer = parse(b"v=0\r\ns=-\r\nt=3724394400 3724398000\r\nm=audio 5004 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n")
    assert answer(offer)[0].values("t") == ["3724394400 3724398000"]


def test_an_answer_with_other_payload_types_is_understood() -> None:
    offer = make_offer(Capabilities("192.0.2.2", 16384, (Codec(96, "PCMU", 8000), EVENT), 7))
    negotiated = apply_answer(
        offer,
        sdp("m=audio 5004 RTP/AVP 0 102 3", "a=rtpmap:102 telephone-event/8000", "a=ptime:40", "a=recvonly"),
    )
    assert negotiated.send == PCMU
    assert negotiated.event == Codec(102, "telephone-event", 8000)
    assert negotiated.receive == (Codec(96, "PCMU", 8000), EVENT)
    assert (negotiated.direction, negotiated.ptime) == ("sendonly", 40)


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("m=video 5004 RTP/AVP 0",),
        ("m=audio 5004 RTP/AVP 0", "m=video 0 RTP/AVP 31"),
        ("m=audio 0 RTP/AVP 0",),
        ("m=audio 5004 RTP/AVP 18",),
        ("m=audio 5004 RTP/AVP 101", "a=rtpmap:101 telephone-event/8000"),
    ],
)
def test_an_answer_that_does_not_fit_or_refuses_is_not_acceptable(lines: tuple[str, ...]) -> None:
    with pytest.raises(NotAcceptable):
        apply_answer(make_offer(OURS), sdp(*lines))


def test_an_answer_to_an_offer_without_open_audio_is_not_acceptable() -> None:
    with pytest.raises(NotAcceptable):
        apply_answer(sdp("m=audio 0 RTP/AVP 0"), sdp("m=audio 5004 RTP/AVP 0"))


def test_hold_is_offered_and_answered_and_taken_back() -> None:
    held = make_offer(OURS, "sendonly", 1)
    made, theirs = make_answer(held, THEIRS)
    assert (made.media[0].direction, theirs.direction) == ("recvonly", "recvonly")
    assert apply_answer(held, made).direction == "sendonly"
    resumed = make_offer(OURS, "sendrecv", 2, held)
    assert apply_answer(resumed, make_answer(resumed, THEIRS)[0]).direction == "sendrecv"


def test_a_later_offer_keeps_the_number_and_order_of_the_lines() -> None:
    previous, _ = answer(sdp("m=video 5000 RTP/AVP 31", "m=audio 5004 RTP/AVP 0", "m=text 5006 RTP/AVP 98"))
    offer = make_offer(OURS, "inactive", 1, previous)
    assert [(line.kind, line.port) for line in offer.media] == [("video", 0), ("audio", 16384), ("text", 0)]
    without = make_offer(OURS, previous=sdp("m=audio 0 RTP/AVP 0"))
    assert [line.port for line in without.media] == [16384]  # the place of one that was refused (s8.1)


def test_an_unknown_direction_is_our_own_mistake() -> None:
    for act in (lambda: make_offer(OURS, "both"), lambda: make_answer(make_offer(THEIRS), OURS, "hold")):
        with pytest.raises(LocalProtocolError):
            act()


codecs = st.lists(
    st.sampled_from(
        [
            PCMU,
            PCMA,
            EVENT,
            Codec(96, "PCMU", 8000),
            Codec(100, "opus", 48000, "x=1", 2),
            Codec(9, "G722", 8000),
            Codec(97, "telephone-event", 48000, "0-15"),
            Codec(98, "telephone-event", 8000),
        ]
    ),
    min_size=1,
    unique_by=lambda codec: codec.payload_type,
).map(tuple)
lines = st.sampled_from(
    [
        "m=audio 5004 RTP/AVP 0 8",
        "m=audio 0 RTP/AVP 0",
        "m=video 5006 RTP/AVP 31",
        "m=audio 5008 RTP/SAVP 0",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "m=audio 5010 RTP/AVP 18",
        "m=image 5012 udptl t38",
    ]
)


@given(st.lists(lines, max_size=32))
def test_every_answer_has_the_lines_of_its_offer_in_their_order(offered: list[str]) -> None:
    offer = sdp(*offered)
    try:
        made, _ = answer(offer)
    except NotAcceptable:
        assert "m=audio 5004 RTP/AVP 0 8" not in offered
        return
    shape = [(line.kind, line.protocol) for line in made.media]
    assert shape == [(line.kind, line.protocol) for line in offer.media]
    assert sum(line.port > 0 for line in made.media) == 1
    assert all(not line.port or other.port for line, other in zip(made.media, offer.media, strict=True))


@given(codecs, codecs, st.sampled_from(DIRECTIONS), st.sampled_from(DIRECTIONS), st.sampled_from([10, 20, 30]))
def test_both_sides_agree(
    mine: tuple[Codec, ...], other: tuple[Codec, ...], offered: str, wanted: str, ptime: int
) -> None:
    ours, theirs = OURS._replace(codecs=mine, ptime=ptime), THEIRS._replace(codecs=other)
    offer = parse(bytes(make_offer(ours, offered)))
    try:
        made, answerer = make_answer(offer, theirs, wanted)
    except NotAcceptable:
        return
    offerer = apply_answer(offer, parse(bytes(made)))
    assert offerer.direction == MIRROR[answerer.direction]
    assert (offerer.host, offerer.port) == (theirs.host, theirs.port)
    assert (answerer.host, answerer.port) == (ours.host, ours.port)
    assert (offerer.ptime, answerer.ptime) == (theirs.ptime, ptime)
    assert offerer.send in answerer.receive
    assert answerer.send in offerer.receive
    assert [codec.payload_type for codec in offerer.receive] == [codec.payload_type for codec in answerer.receive]
    assert offerer.send.encoding != "telephone-event"
    assert (offerer.event is None) == (answerer.event is None)


def test_every_description_of_the_corpora_is_answered_or_not_acceptable(corpora: Path) -> None:
    taken = 0
    for file in sorted((corpora / "sdp").rglob("*.sdp")):
        offer = parse(file.read_bytes())
        try:
            made, _ = answer(offer)
        except NotAcceptable:
            continue
        taken += 1
        assert [line.kind for line in made.media] == [line.kind for line in offer.media], file
    assert taken


# Whose turn it is.


def test_an_offer_and_its_answer_come_into_force_together() -> None:
    ours = Exchange().step(Input.OFFER_SENT, b"one")
    assert ours == Exchange(State.LOCAL_OFFER, b"", b"", b"one", sent=b"one")
    ours = ours.step(Input.ANSWER_RECEIVED, b"two")
    assert ours == Exchange(State.STABLE, b"one", b"two", sent=b"one")
    theirs = ours.step(Input.OFFER_RECEIVED, b"three")
    assert theirs.offer == b"three"
    assert theirs.step(Input.ANSWER_SENT, b"four") == Exchange(State.STABLE, b"four", b"three", sent=b"four")
    assert theirs.step(Input.OFFER_ABANDONED) == ours


@pytest.mark.parametrize(
    ("state", "what", "status"),
    [
        (State.LOCAL_OFFER, Input.OFFER_RECEIVED, 491),
        (State.REMOTE_OFFER, Input.OFFER_RECEIVED, 500),
        (State.STABLE, Input.ANSWER_RECEIVED, None),
        (State.REMOTE_OFFER, Input.ANSWER_RECEIVED, None),
    ],
)
def test_a_peer_that_is_out_of_turn_is_told_so(state: State, what: Input, status: int | None) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        Exchange(state).step(what, b"x")
    assert raised.value.status == status


@given(st.sampled_from(State), st.sampled_from(Input))
def test_every_input_in_every_state_is_a_step_or_an_error(state: State, what: Input) -> None:
    try:
        after = Exchange(state, b"l", b"r", b"" if state is State.STABLE else b"o").step(what, b"d")
    except (LocalProtocolError, RemoteProtocolError):
        return
    assert (after.state is State.STABLE) == (after.offer == b"")
