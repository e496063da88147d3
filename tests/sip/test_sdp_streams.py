"""Offers and answers of several streams (RFC 3264, RFC 6337)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip import LocalProtocolError
from actors.sip.errors import NotAcceptable
from actors.sip.offer_answer import Codec, Own, Stream
from actors.sip.sdp import DIRECTIONS, parse
from actors.sip.sdp_codecs import settled
from actors.sip.sdp_reading import NOWHERE
from actors.sip.sdp_streams import Negotiated, answer, apply, offer

PCMU = Codec(0, "PCMU", 8000)
PCMA = Codec(8, "PCMA", 8000)
EVENT = Codec(101, "telephone-event", 8000, "0-15")
H264 = Codec(97, "H264", 90000)
AUDIO = Stream(16384, (PCMU, PCMA, EVENT))
VIDEO = Stream(16386, (H264,), kind="video")
OURS = Own("192.0.2.2", 7, (AUDIO, VIDEO))
THEIRS = Own("192.0.2.1", 9, (Stream(5004, (PCMA, PCMU)), Stream(5006, (H264,), kind="video")))
MIRROR = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}
HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"


def directions(own: Own) -> list[str]:
    return [stream.direction for stream in own.streams]


def both(one: Own, other: Own) -> tuple[tuple[Negotiated | None, ...], tuple[Negotiated | None, ...]]:
    """What both sides agree on when `one` offers."""
    made = parse(bytes(offer(one).description))
    reply = answer(made, other)
    return apply(made, parse(bytes(reply.description))), reply.results


def test_each_stream_has_a_line_and_each_line_an_answer() -> None:
    made = offer(OURS)
    assert [stream.line for stream in made.streams] == [0, 1]
    reply = answer(parse(bytes(made.description)), THEIRS)
    assert [(line.kind, line.port) for line in reply.description.media] == [("audio", 5004), ("video", 5006)]
    assert [stream.line for stream in reply.streams] == [0, 1]
    ours = apply(made.description, reply.description)
    assert [result and (result.host, result.port, result.send.encoding) for result in ours] == [
        ("192.0.2.1", 5004, "PCMU"),
        ("192.0.2.1", 5006, "H264"),
    ]


def test_a_line_that_nothing_suits_is_refused_and_the_others_stand() -> None:
    reply = answer(offer(OURS).description, THEIRS._replace(streams=THEIRS.streams[1:]))
    assert [line.port for line in reply.description.media] == [0, 5006]
    assert [result is None for result in reply.results] == [True, False]
    ours = apply(offer(OURS).description, reply.description)
    assert [result is None for result in ours] == [True, False]


def test_all_lines_may_be_refused_without_an_error() -> None:
    reply = answer(offer(OURS).description, THEIRS._replace(streams=()))
    assert reply.results == (None, None)
    assert [line.port for line in reply.description.media] == [0, 0]


def test_two_lines_of_a_kind_take_two_streams() -> None:
    offered = parse((HEAD + "m=audio 5000 RTP/AVP 8\r\nm=audio 5002 RTP/AVP 0\r\nm=audio 5004 RTP/AVP 0\r\n").encode())
    own = Own("192.0.2.2", 7, (Stream(16384, (PCMU,)), Stream(16386, (PCMU, PCMA))))
    reply = answer(offered, own)
    assert [line.port for line in reply.description.media] == [16386, 16384, 0]
    assert [stream.line for stream in reply.streams] == [1, 0]


def test_a_stream_that_has_a_line_answers_no_other() -> None:
    offered = parse((HEAD + "m=audio 5000 RTP/AVP 0\r\nm=audio 5002 RTP/AVP 0\r\n").encode())
    reply = answer(offered, OURS._replace(streams=(AUDIO._replace(line=1),)))
    assert [line.port for line in reply.description.media] == [0, 16384]


def test_a_stream_is_removed_with_port_0_and_its_place_is_taken_again() -> None:
    first = offer(OURS)
    audio, video = first.streams
    without = offer(OURS._replace(streams=(audio,)), 1, first.description)
    assert [(line.kind, line.port) for line in without.description.media] == [("audio", 16384), ("video", 0)]
    assert answer(without.description, THEIRS).description.media[1].port == 0
    more = offer(OURS._replace(streams=(audio, VIDEO, VIDEO)), 2, without.description)
    assert [(line.kind, line.port) for line in more.description.media] == [
        ("audio", 16384),
        ("video", 16386),
        ("video", 16386),
    ]
    assert [stream.line for stream in more.streams] == [0, 1, 2]
    assert video.line == 1


def test_a_free_place_of_the_same_kind_is_taken_before_another() -> None:
    previous = parse((HEAD + "m=text 0 RTP/AVP 98\r\nm=video 0 RTP/AVP 97\r\n").encode())
    made = offer(OURS._replace(streams=(VIDEO,)), 1, previous)
    assert [(line.kind, line.port) for line in made.description.media] == [("text", 0), ("video", 16386)]


@pytest.mark.parametrize("lines", [(0, 0), (2, 0), (-1, 0)])
def test_lines_that_cannot_be_are_our_own_mistake(lines: tuple[int, int]) -> None:
    first = offer(OURS)
    streams = tuple(stream._replace(line=line) for stream, line in zip(OURS.streams, lines, strict=True))
    with pytest.raises(LocalProtocolError):
        offer(OURS._replace(streams=streams), 1, first.description)


def test_another_protocol_is_neither_taken_nor_applied() -> None:
    secure = Own("192.0.2.2", 7, (AUDIO._replace(protocol="RTP/SAVP", attributes=("crypto:1 X inline:AAAA",)),))
    made = offer(secure)
    assert b"a=crypto:1 X inline:AAAA\r\n" in bytes(made.description)
    assert answer(made.description, OURS).results == (None,)
    plain = parse((HEAD + "m=audio 5000 RTP/AVP 0\r\n").encode())
    assert apply(made.description, plain) == (None,)
    with pytest.raises(NotAcceptable):
        apply(made.description, parse(HEAD.encode()))


def test_a_stream_may_have_an_address_of_its_own() -> None:
    made = offer(OURS._replace(streams=(AUDIO._replace(host="192.0.2.9"), VIDEO._replace(host="192.0.2.2"))))
    assert [line.values("c") for line in made.description.media] == [["IN IP4 192.0.2.9"], []]


def test_an_answer_that_cannot_be_sent_to_agrees_to_nothing() -> None:
    group = parse((HEAD + "m=audio 5000 RTP/AVP 0\r\nc=IN IP4 224.2.1.1\r\n").encode())
    assert apply(offer(OURS._replace(streams=(AUDIO,))).description, group) == (None,)


# Hold (RFC 3264 s8.4, RFC 6337 s5.3).


HELD = AUDIO._replace(direction="sendonly")


@pytest.mark.parametrize("old_style", [False, True])
def test_hold_stops_the_peer(old_style: bool) -> None:
    host = NOWHERE if old_style else ""
    held = OURS._replace(streams=(HELD._replace(host=host),))
    ours, theirs = both(held, THEIRS)
    assert ours[0] is not None
    assert theirs[0] is not None
    assert (ours[0].sends, ours[0].receives) == (True, False)
    assert (theirs[0].sends, theirs[0].receives) == (False, True)
    assert theirs[0].host == ("" if old_style else "192.0.2.2")


def test_two_that_hold_each_other_are_inactive_until_both_resume() -> None:
    ours = OURS._replace(streams=(HELD,))
    theirs = THEIRS._replace(streams=(THEIRS.streams[0]._replace(direction="sendonly"),))
    results, _ = both(ours, theirs)
    assert results[0] is not None
    assert results[0].direction == "inactive"
    results, other = both(OURS._replace(streams=(AUDIO,)), theirs)
    assert results[0] is not None
    assert other[0] is not None
    assert (results[0].direction, other[0].direction) == ("recvonly", "sendonly")


# Formats (RFC 3264 s8.3.2, RFC 8866 s6.5).


def test_a_format_keeps_its_payload_type_in_later_offers() -> None:
    offered = parse(
        (
            HEAD + "m=audio 5000 RTP/AVP 101 96\r\na=rtpmap:101 PCMA/8000\r\na=rtpmap:96 telephone-event/8000\r\n"
        ).encode()
    )
    reply = answer(offered, OURS)
    again = offer(OURS._replace(streams=reply.streams[:1]), 1, reply.description)
    assert again.description.media[0].formats == ("0", "101", "96")


def test_a_new_format_never_takes_a_payload_type_that_meant_something_else() -> None:
    before = (Codec(101, "opus", 48000, channels=2), Codec(96, "X", 8000))
    assert settled((PCMU, EVENT, Codec(97, "Y", 8000), Codec(96, "Z", 8000)), before) == (
        PCMU,
        EVENT._replace(payload_type=97),
        Codec(98, "Y", 8000),
        Codec(99, "Z", 8000),
    )
    assert settled((PCMU,), ()) == (PCMU,)
    full = tuple(Codec(number, f"C{number}", 8000) for number in range(96, 128))
    with pytest.raises(LocalProtocolError):
        settled((EVENT,), full)


@pytest.mark.parametrize(
    ("lines", "ptime"),
    [
        ("a=maxptime:30", 20),
        ("a=ptime:40\r\na=maxptime:30", 30),
        ("a=maxptime:10", 10),
        ("a=maxptime:5", 10),
        ("a=maxptime:0", 20),
        ("a=ptime:30\r\na=ptime:40", 30),
    ],
)
def test_no_packet_is_longer_than_the_peer_takes_where_we_can_send_it(lines: str, ptime: int) -> None:
    (result,) = answer(parse(f"{HEAD}m=audio 5000 RTP/AVP 0\r\n{lines}\r\n".encode()), OURS).results
    assert result is not None
    assert result.ptime == ptime


def test_an_unknown_direction_is_our_own_mistake() -> None:
    for act in (offer, lambda own: answer(offer(THEIRS).description, own)):
        with pytest.raises(LocalProtocolError):
            act(OURS._replace(streams=(AUDIO._replace(direction="both"),)))


codecs = st.lists(
    st.sampled_from([PCMU, PCMA, EVENT, H264, Codec(96, "opus", 48000, "x=1", 2), Codec(98, "PCMU", 8000)]),
    min_size=1,
    unique_by=lambda codec: codec.payload_type,
).map(tuple)


def meanings(codecs: tuple[Codec, ...]) -> dict[int, str]:
    return {codec.payload_type: codec.encoding for codec in codecs}


@given(codecs, codecs, st.permutations([0, 8, 96, 97, 98, 101]))
def test_payload_types_are_never_doubled_and_never_change_their_meaning(
    ours: tuple[Codec, ...], before: tuple[Codec, ...], numbers: list[int]
) -> None:
    before = tuple(codec._replace(payload_type=number) for codec, number in zip(before, numbers, strict=False))
    found = settled(ours, before)
    assert [codec.encoding for codec in found] == [codec.encoding for codec in ours]
    assert len(meanings(found)) == len(ours)
    assert all(meanings(before).get(number, encoding) == encoding for number, encoding in meanings(found).items())
    assert settled(found, before) == found


streams = st.tuples(
    st.integers(1, 65534),
    codecs,
    st.sampled_from(DIRECTIONS),
    st.sampled_from([10, 20, 30]),
    st.sampled_from(["audio", "video"]),
    st.sampled_from(["RTP/AVP", "RTP/SAVP"]),
).map(lambda fields: Stream(*fields))
owns = st.lists(streams, max_size=5).map(tuple)


@given(owns, owns)
def test_both_sides_agree_line_by_line(mine: tuple[Stream, ...], other: tuple[Stream, ...]) -> None:
    one, two = OURS._replace(streams=mine), THEIRS._replace(streams=other)
    ours, theirs = both(one, two)
    assert len(ours) == len(theirs) == len(mine)
    for result, their in zip(ours, theirs, strict=True):
        assert (result is None) == (their is None)
        if result is not None and their is not None:
            assert result.direction == MIRROR[their.direction]
            assert result.send in their.receive
            assert their.send in result.receive


@given(st.lists(owns, min_size=2, max_size=4))
def test_lines_keep_their_places_through_any_re_offers(rounds: list[tuple[Stream, ...]]) -> None:
    previous = None
    lines = 0
    for number, wanted in enumerate(rounds):
        made = offer(OURS._replace(streams=wanted), number, previous)
        media = made.description.media
        assert len(media) >= lines
        for stream in made.streams:
            assert stream.line is not None
            assert (media[stream.line].kind, media[stream.line].port) == (stream.kind, stream.port)
        assert sum(line.port > 0 for line in media) == len(wanted)
        previous, lines = parse(bytes(made.description)), len(media)
