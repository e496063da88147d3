"""Session descriptions: reading, printing, limits."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip import LocalProtocolError, RemoteProtocolError
from actors.sip.errors import SdpError
from actors.sip.sdp import Bandwidth, Connection, Media, Origin, RtpMap, SessionDescription, Timing, parse
from actors.sip.sdp_codecs import NAMED, common, offered

SEMINAR = (
    b"v=0\r\no=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\ns=Call to J\xc3\xb6rg\r\ni=SDP Offer #1\r\n"
    b"u=http://www.jdoe.example.com/home.html\r\ne=Jane Doe <jane@jdoe.example.com>\r\np=+1 617 555-6011\r\n"
    b"c=IN IP4 198.51.100.1\r\nb=AS:64\r\nt=0 0\r\nr=7d 1h 0 25h\r\na=recvonly\r\nx=unknown\r\n"
    b"m=audio 49170 RTP/AVP 0 96\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n"
    b"a=ptime:20\r\na=sendonly\r\n"
    b"m=video 49180/2 RTP/AVP 99\r\nc=IN IP6 2001:db8::2\r\na=rtpmap:99 h263-1998/90000\r\nk=prompt\r\n"
)


def test_a_description_is_read_as_it_is_meant() -> None:
    description = parse(SEMINAR)
    assert description.origin == Origin("jdoe", 3724394400, 3724394405, "IN", "IP4", "198.51.100.1")
    assert description.name == "Call to Jörg"
    assert description.connection == Connection("IN", "IP4", "198.51.100.1")
    assert description.bandwidths == (Bandwidth("AS", 64),)
    assert description.timings == (Timing(0, 0),)
    assert description.direction == "recvonly"
    audio, video = description.media
    assert (audio.kind, audio.port, audio.count, audio.protocol, audio.formats) == (
        "audio",
        49170,
        1,
        "RTP/AVP",
        ("0", "96"),
    )
    assert audio.rtpmaps == {96: RtpMap(96, "opus", 48000, 2)}
    assert audio.fmtps == {96: "useinbandfec=1"}
    assert (audio.attribute("ptime"), audio.attribute("sendonly"), audio.attribute("x")) == ("20", "", None)
    assert audio.direction == "sendonly"
    assert [attribute.name for attribute in audio.attributes] == ["rtpmap", "fmtp", "ptime", "sendonly"]
    assert (video.count, video.direction) == (2, None)
    assert video.connection == Connection("IN", "IP6", "2001:db8::2")


def test_it_prints_as_it_came_and_unknown_lines_keep_their_place() -> None:
    description = parse(SEMINAR)
    assert bytes(description) == SEMINAR
    printed = bytes(dataclasses.replace(description))
    assert printed == SEMINAR
    assert parse(printed) == description


def test_line_feeds_alone_end_lines_too() -> None:
    data = SEMINAR.replace(b"\r\n", b"\n")
    assert parse(data) == parse(SEMINAR)
    assert bytes(parse(data)) == data


def test_a_missing_last_line_end_is_forgiven() -> None:
    assert parse(SEMINAR[:-2]) == parse(SEMINAR)


def test_every_description_of_the_corpora_is_read_and_printed(corpora: Path) -> None:
    files = sorted((corpora / "sdp").rglob("*.sdp"))
    assert len(files) >= 80
    for file in files:
        data = file.read_bytes()
        description = parse(data)
        assert bytes(description) == data, file
        again = parse(bytes(dataclasses.replace(description)))
        assert again == description, file


HEAD = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
AUDIO = b"m=audio 5004 RTP/AVP 0\r\n"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (HEAD + AUDIO * 33, 488),
        (HEAD + AUDIO + b"a=x\r\n" * 513, 488),
        (HEAD + AUDIO * 1_000, 488),
        (HEAD + AUDIO + b"a=crypto:1 X inline:AAAA\r\n" * 65, 488),
        (HEAD + AUDIO + b"a=x\r\n" * 10_000, 413),
        (HEAD + AUDIO + b"a=" + b"x" * 1_000_000, 413),
        (HEAD + b"m=audio 99999 RTP/AVP 0\r\n", 488),
        (HEAD + b"m=audio -1 RTP/AVP 0\r\n", 488),
        (HEAD + b"m=audio 5004 RTP/AVP\r\n", 488),
        (HEAD + b"m=audio 5004 RTP/AVP \r\n", 488),
        (HEAD + b"m=audio 5004 RTP/AVP 0  8\r\n", 488),
        (HEAD + b"m=audio 5004/0 RTP/AVP 0\r\n", 488),
        (HEAD + b"m=audio 5004 RTP//AVP 0\r\n", 488),
        (HEAD + AUDIO + b"a=fmtp\0:\r\n", 488),
        (HEAD + AUDIO + b"a=rtpmap:0 PCMU/8000\rX\r\n", 488),
        (HEAD + AUDIO + b"m =video 5006 RTP/AVP 31\r\n", 488),
        (HEAD + AUDIO + b"a=\r\n", 488),
        (HEAD + AUDIO + b"c=IN IP4\r\n", 488),
        (HEAD + AUDIO + b"b=AS\r\n", 488),
        (HEAD + b"\r\n" + AUDIO, 488),
        (b"", 488),
        (b"\0", 488),
        (b"v=1\r\n", 488),
        (HEAD[5:], 488),
        (b"v=0\r\no=- x 1 IN IP4 h\r\n", 488),
        (b"v=0\r\nt=0\r\n", 488),
        (b"V=0\r\n", 488),
    ],
)
def test_bombs_and_malformed_lines_are_refused(data: bytes, status: int) -> None:
    with pytest.raises(SdpError) as raised:
        parse(data)
    assert raised.value.status == status


def test_rtpmaps_that_cannot_be_are_passed_over() -> None:
    bad = b"a=rtpmap:96 X/0\r\na=rtpmap:65535 X/8000\r\na=rtpmap:128 X/8000\r\na=rtpmap:\r\na=fmtp:97\r\n"
    good = b"a=rtpmap:97 Y/8000\r\na=rtpmap:97 Z/8000\r\na=fmtp:97 a\r\na=fmtp:97 b\r\n"
    media = parse(HEAD + AUDIO + bad + good).media[0]
    assert media.rtpmaps == {97: RtpMap(97, "Y", 8000, 1)}
    assert media.fmtps == {97: "a"}


def test_no_line_break_is_printed_out_of_a_value() -> None:
    for line in (("s", "a\r\nm=audio 1 RTP/AVP 0"), ("s", "a\nb"), ("s", "a\rb"), ("s", "a\0b")):
        with pytest.raises(LocalProtocolError):
            bytes(SessionDescription((("v", "0"), line)))
    with pytest.raises(LocalProtocolError):
        bytes(SessionDescription((("v", "0"),), (Media(kind="a\nb", formats=("0",)),)))


@given(
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 6), st.binary(max_size=4)), max_size=5)
    | st.just([(0, 999, b"")]),
)
def test_any_bytes_give_a_description_or_an_sdp_error(edits: list[tuple[int, int, bytes]]) -> None:
    data = SEMINAR
    for place, length, piece in edits:
        data = data[:place] + piece + data[place + length :]
    try:
        description = parse(data)
    except RemoteProtocolError as error:
        assert error.status in (413, 488)  # noqa: PT017 - it may as well be taken
        return
    assert bytes(description) == data
    assert parse(bytes(dataclasses.replace(description))) == description
    for section in (description, *description.media):
        _ = (section.connection, section.bandwidths, section.attributes, section.direction)
    _ = (description.origin, description.name, description.timings)
    _ = [(media.rtpmaps, media.fmtps) for media in description.media]


def test_a_timing_prints_as_it_stands_in_a_description() -> None:
    assert str(Timing(3034423619, 3042462419)) == "3034423619 3042462419"


def test_codecs_by_name_come_with_telephone_events_at_each_of_their_clock_rates() -> None:  # RFC 4733 s2.1
    formats = offered(("opus", "G722", "PCMU"))
    assert [(codec.payload_type, codec.encoding, codec.clock_rate) for codec in formats] == [
        (96, "opus", 48000),
        (9, "G722", 8000),
        (0, "PCMU", 8000),
        (102, "telephone-event", 48000),
        (101, "telephone-event", 8000),
    ]
    with pytest.raises(LocalProtocolError, match="no such codec: G729"):
        offered(("G729",))


@pytest.mark.parametrize("name", sorted(NAMED))
@given(fmtp=st.text(st.characters(codec="ascii", exclude_characters="\r\n\0"), max_size=30))
def test_parameters_keep_none_of_our_formats_from_being_matched(name: str, fmtp: str) -> None:
    """None of them has any that both sides would have to share; those of Opus are wishes (RFC 7587 s7.1)."""
    ours = NAMED[name]
    theirs = ours._replace(payload_type=120, encoding=ours.encoding.lower(), fmtp=fmtp)
    assert common((theirs,), (ours,)) == [(theirs, ours)]
