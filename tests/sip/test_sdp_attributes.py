"""The typed lines and attributes of session descriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip import LocalProtocolError
from actors.sip.errors import SdpError
from actors.sip.sdp import Attribute, Connection, RtpMap, parse
from actors.sip.sdp_attributes import (
    DIRECTIONS,
    PARSERS,
    ExtMap,
    Fingerprint,
    Fmtp,
    Group,
    Rtcp,
    RtcpFb,
    Ssrc,
    TelephoneEvents,
    line,
    packet_time,
    typed,
)
from actors.sip.sdp_crypto import KEY_LENGTHS, Crypto, InlineKey
from actors.sip.sdp_ice import Candidate
from actors.sip.sdp_lines import (
    READERS,
    Bandwidth,
    Key,
    Origin,
    Person,
    Repeat,
    Timing,
    Zones,
)

KEY = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"  # RFC 4568 s6.1
WHOLE = (
    b"v=0\r\no=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\ns=Call to J\xc3\xb6rg\r\ni=SDP Offer #1\r\n"
    b"u=http://www.jdoe.example.com/home.html\r\ne=Jane Doe <jane@jdoe.example.com>\r\np=+1 617 555-6011 (J. Doe)\r\n"
    b"c=IN IP4 224.2.36.42/127\r\nb=AS:64\r\nt=3724394400 3724398000\r\nr=7d 1h 0 25h\r\n"
    b"z=3724394400 -1h 3724398000 0\r\n"
    b"k=clear:secret\r\na=group:LS 1 2\r\na=ice-lite\r\na=ice-options:ice2 trickle\r\na=setup:actpass\r\n"
    b"a=fingerprint:sha-1 42:89:c5:c6:55:9d:6e:c8:e8:83:55:2a:39:f9:b6:eb:e9:a3:a9:e7\r\na=tool:x\r\n"
    b"m=audio 49170 RTP/SAVPF 0 101\r\ni=Sound\r\nc=IN IP4 224.2.1.1/127\r\nc=IN IP4 224.2.1.2/127\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-11,16\r\na=ptime:20\r\na=maxptime:60\r\na=mid:1\r\n"
    b"a=rtcp:53020 IN IP4 126.16.64.4\r\na=rtcp-mux\r\na=ice-ufrag:8hhY\r\na=ice-pwd:asd88fgpdd777uzjYhagZg\r\n"
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + KEY.encode() + b"|2^20|1:4 UNENCRYPTED_SRTCP\r\n"
    b"a=candidate:2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 10.0.1.1 rport 8998\r\n"
    b"a=extmap:1/sendonly urn:ietf:params:rtp-hdrext:toffset x y\r\na=ssrc:4 cname:a@b\r\na=ssrc:4 odd\r\n"
    b"a=rtcp-fb:* nack pli\r\na=rtcp-fb:101 trr-int 5\r\na=crypto:bad\r\na=rtcp-fb:200 nack\r\n"
)


def test_every_line_is_typed() -> None:
    description = parse(WHOLE)
    assert description.typed[:13] == (
        "0",
        Origin("jdoe", 3724394400, 3724394405, "IN", "IP4", "198.51.100.1"),
        "Call to Jörg",
        "SDP Offer #1",
        "http://www.jdoe.example.com/home.html",
        Person("jane@jdoe.example.com", "Jane Doe"),
        Person("+1 617 555-6011", "J. Doe"),
        Connection("IN", "IP4", "224.2.36.42/127"),
        Bandwidth("AS", 64),
        Timing(3724394400, 3724398000),
        Repeat(604800, 3600, (0, 90000)),
        Zones(((3724394400, -3600), (3724398000, 0))),
        Key("clear", "secret"),
    )
    assert description.typed[13:15] == (Group("LS", ("1", "2")), Attribute("ice-lite", None))
    assert (description.information, description.uri) == ("SDP Offer #1", "http://www.jdoe.example.com/home.html")
    assert description.emails == (Person("jane@jdoe.example.com", "Jane Doe"),)
    assert description.phones == (Person("+1 617 555-6011", "J. Doe"),)
    assert description.repeats == (Repeat(604800, 3600, (0, 90000)),)
    assert description.zones[0].adjustments[0] == (3724394400, -3600)
    assert description.key == Key("clear", "secret")
    assert description.connection is not None
    assert description.connection.host == "224.2.36.42"


def test_the_attributes_of_a_session_are_typed() -> None:
    description = parse(WHOLE)
    assert description.groups == (Group("LS", ("1", "2")),)
    assert description.ice_lite
    assert description.ice_options == ("ice2", "trickle")
    assert description.setup == "actpass"
    assert description.fingerprints[0].hash == "sha-1"
    assert description.fingerprints[0].digest[:2] == b"\x42\x89"
    plain = parse(b"v=0\r\na=setup:sideways\r\na=ice-ufrag:x\r\n")
    assert (plain.setup, plain.ice_lite, plain.ice_options, plain.key) == (None, False, (), None)
    assert (plain.ice_ufrag, plain.ice_pwd, plain.origin, plain.name) == ("", "", None, None)


def test_the_attributes_of_a_media_are_typed_and_malformed_ones_passed_over() -> None:
    media = parse(WHOLE).media[0]
    assert media.information == "Sound"
    assert [connection.host for connection in media.connections] == ["224.2.1.1", "224.2.1.2"]
    assert (media.ptime, media.maxptime, media.mid, media.rtcp_mux) == (20, 60, "1", True)
    assert media.rtcp == Rtcp(53020, Connection("IN", "IP4", "126.16.64.4"))
    assert (media.ice_ufrag, media.ice_pwd) == ("8hhY", "asd88fgpdd777uzjYhagZg")
    (crypto,) = media.cryptos
    assert (crypto.tag, crypto.suite, crypto.params) == (1, "AES_CM_128_HMAC_SHA1_80", ("UNENCRYPTED_SRTCP",))
    assert (len(crypto.keys[0].key), crypto.keys[0].lifetime, crypto.keys[0].mki) == (30, 2**20, (1, 4))
    assert media.candidates == (Candidate("2", 1, "udp", 1694498815, "192.0.2.3", 45664, "srflx", "10.0.1.1", 8998),)
    assert media.extmaps == (ExtMap(1, "sendonly", "urn:ietf:params:rtp-hdrext:toffset", "x y"),)
    assert media.ssrcs == (Ssrc(4, "cname", "a@b"), Ssrc(4, "odd"))
    assert media.rtcp_fbs == (RtcpFb(None, "nack", "pli"), RtcpFb(101, "trr-int", "5"))
    assert media.events(101) == TelephoneEvents((*range(12), 16))
    assert media.events(96) == TelephoneEvents(tuple(range(16)))
    assert Attribute("crypto", "bad") in media.typed
    assert parse(b"v=0\r\nm=audio 9 RTP/AVP 101\r\na=fmtp:101 300\r\n").media[0].events(101) is None
    assert parse(b"v=0\r\nm=audio 9 RTP/AVP 0\r\n").media[0].rtcp is None


def test_no_key_goes_into_a_log() -> None:
    description = parse(WHOLE)
    assert KEY not in repr(description.media[0].cryptos)
    assert "secret" not in repr(description.key)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rtpmap", "96 X"),
        ("fmtp", "96"),
        ("rtcp", "70000"),
        ("rtcp", "1 IN IP4"),
        ("fingerprint", "sha-256 00:11"),
        ("fingerprint", "sha-256"),
        ("group", "BUNDLE  a"),
        ("group", ""),
        ("group", "BUNDLE a:b"),
        ("extmap", "1/both urn:x"),
        ("ssrc", "4294967296 cname:x"),
        ("ssrc", "1"),
        ("rtcp-fb", "128 nack"),
        ("rtcp-fb", "*"),
        ("crypto", "1 AES_CM_128_HMAC_SHA1_80"),
        ("crypto", f"1 AES_CM_128_HMAC_SHA1_80 uri:{KEY}"),
        ("crypto", "1 AES_CM_128_HMAC_SHA1_80 inline:AAAA"),
        ("crypto", "1 OTHER inline:A"),
        ("crypto", f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^49"),
        ("crypto", f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|0"),
        ("crypto", f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:0"),
        ("crypto", f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:129"),
        ("crypto", f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|256:1"),
        ("candidate", "1 0 udp 1 192.0.2.1 1 typ host"),
        ("candidate", "1 257 udp 1 192.0.2.1 1 typ host"),
        ("candidate", "1 1 udp 0 192.0.2.1 1 typ host"),
        ("candidate", "1 1 udp 2147483648 192.0.2.1 1 typ host"),
        ("candidate", "1 1 udp 1 192.0.2.1 65536 typ host"),
        ("candidate", "1 1 udp 1 192.0.2.1 1 typ host rport 65536"),
        ("candidate", "1 1 udp 1 192.0.2.1 1 typ host generation"),
    ],
)
def test_a_malformed_attribute_stays_a_name_and_a_value(name: str, value: str) -> None:
    with pytest.raises(SdpError) as raised:
        PARSERS[name](value)
    assert raised.value.status == 488
    assert typed(f"{name}:{value}") == Attribute(name, value)


@pytest.mark.parametrize("value", ["", "1-", "5-4", "256", "0,", "0-256", "x"])
def test_events_that_cannot_be_are_refused(value: str) -> None:
    with pytest.raises(SdpError):
        TelephoneEvents.parse(value)


@pytest.mark.parametrize(
    "value", ["r=0 1 0", "r=1 1", "r=1 -1 0", "r=1x 1 0", "z=1", "z=1 1 1", "z=-1 1", "t=1", "c=IN", "b=x", "o=x"]
)
def test_lines_that_cannot_be_are_refused(value: str) -> None:
    with pytest.raises(SdpError):
        parse(f"v=0\r\n{value}\r\n".encode())
    with pytest.raises(SdpError):
        READERS[value[0]](value[2:])


@pytest.mark.parametrize(
    ("text", "person"),
    [
        ("j.doe@example.com (Jane Doe)", Person("j.doe@example.com", "Jane Doe")),
        ("Jane Doe <j.doe@example.com>", Person("j.doe@example.com", "Jane Doe")),
        ("j.doe@example.com", Person("j.doe@example.com")),
        ("odd (", Person("odd (")),
    ],
)
def test_a_person_is_read_in_each_of_the_three_forms(text: str, person: Person) -> None:
    assert READERS["e"](text) == person


@pytest.mark.parametrize("person", [Person("j.doe@example.com", "Jane Doe"), Person("j.doe@example.com")])
def test_a_person_prints_as_it_is_read(person: Person) -> None:
    assert READERS["e"](str(person)) == person


def test_a_key_line_is_kept_whatever_it_says() -> None:
    assert READERS["k"]("prompt") == Key("prompt", None)
    assert str(READERS["k"]("base64:eA==")) == "base64:eA=="
    assert str(Key("prompt", None)) == "prompt"


def test_the_parameters_of_a_format_are_read() -> None:
    fmtp = Fmtp.parse("96 Mode=20;; octet-align ; mode = 30")
    assert fmtp.params == {"mode": "20", "octet-align": None}


def test_a_candidate_over_tcp_has_a_type() -> None:
    value = "4 1 TCP 1688207359 192.0.2.3 9 typ srflx raddr 10.0.1.1 rport 9 tcptype active generation 5"
    candidate = Candidate.parse(value)
    assert (candidate.transport, candidate.tcp_type) == ("tcp", "active")
    assert str(candidate) == value.replace("TCP", "tcp")
    assert Candidate.parse("1 1 udp 1 ::1 1 typ host").tcp_type == ""


def test_a_base64_key_may_lack_its_padding() -> None:
    key = InlineKey(bytes(46))
    text = str(Crypto(1, "AES_256_CM_HMAC_SHA1_80", (key,)))
    assert Crypto.parse(text.rstrip("=")) == Crypto.parse(text)


@pytest.mark.parametrize(
    ("text", "time"), [("20", 20), ("0.125", 0.125), ("0", None), ("2147483648", None), ("x", None)]
)
def test_the_time_of_a_packet_is_a_number_of_milliseconds(text: str, time: float | None) -> None:
    assert packet_time(text) == time


tokens = st.from_regex(r"[A-Za-z0-9_.+\-]{1,12}", fullmatch=True)
words = st.from_regex(r"[!-~é]{1,20}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
ports = st.integers(0, 65535)
connections = st.builds(Connection, tokens, tokens, words)
keys = st.builds(
    InlineKey,
    st.binary(min_size=30, max_size=30),
    st.none() | st.integers(1, 2**48),
    st.none() | st.tuples(st.integers(0, 255), st.integers(1, 128)),
)
values = st.one_of(
    st.builds(RtpMap, st.integers(0, 127), tokens, st.integers(1, 10**8 - 1), st.integers(1, 99)),
    st.builds(Fmtp, tokens, texts),
    st.builds(Rtcp, ports, st.none() | connections),
    st.builds(Fingerprint, st.just("sha-256"), st.binary(min_size=32, max_size=32)),
    st.builds(Group, tokens, st.lists(tokens).map(tuple)),
    st.builds(ExtMap, st.integers(0, 99999), st.sampled_from(["", *DIRECTIONS]), words, st.just("") | texts),
    st.builds(Ssrc, st.integers(0, 2**32 - 1), tokens, st.none() | texts),
    st.builds(RtcpFb, st.none() | st.integers(0, 127), tokens, st.just("") | texts),
    st.builds(
        Crypto,
        st.integers(0, 10**9 - 1),
        st.sampled_from([name for name, length in KEY_LENGTHS.items() if length == 30] + ["OTHER"]),
        st.lists(keys, min_size=1, max_size=3).map(tuple),
        st.lists(st.from_regex(r"[!-~]{1,9}", fullmatch=True)).map(tuple),
    ),
    st.builds(
        Candidate,
        st.from_regex(r"[A-Za-z0-9+/]{1,32}", fullmatch=True),
        st.integers(1, 256),
        st.sampled_from(["udp", "tcp"]),
        st.integers(1, 2**31 - 1),
        words,
        ports,
        tokens,
        st.just("") | words,
        st.none() | ports,
        st.lists(st.tuples(tokens, words).filter(lambda pair: pair[0] not in ("raddr", "rport"))).map(tuple),
    ),
    st.builds(Attribute, tokens.filter(lambda name: name not in PARSERS), st.none() | texts),
)


@given(values)
def test_print_then_parse_is_the_identity_for_every_attribute(value: Any) -> None:
    letter, text = line(value)
    assert letter == "a"
    assert typed(text) == value


@given(st.sets(st.integers(0, 255), min_size=1))
def test_print_then_parse_is_the_identity_for_events(events: set[int]) -> None:
    value = TelephoneEvents(tuple(sorted(events)))
    assert TelephoneEvents.parse(str(value)) == value


numbers = st.integers(0, 10**19)
typed_lines = st.one_of(
    st.tuples(st.just("o"), st.builds(Origin, words, numbers, numbers, tokens, tokens, words)),
    st.tuples(st.just("c"), connections),
    st.tuples(st.just("b"), st.builds(Bandwidth, tokens, numbers)),
    st.tuples(st.just("t"), st.builds(Timing, numbers, numbers)),
    st.tuples(
        st.just("r"),
        st.builds(Repeat, st.integers(1, 10**19), numbers, st.lists(numbers, min_size=1, max_size=9).map(tuple)),
    ),
    st.tuples(
        st.just("z"),
        st.builds(
            Zones,
            st.lists(st.tuples(numbers, st.integers(-(10**9), 10**9)), min_size=1, max_size=9).map(tuple),
        ),
    ),
    st.tuples(st.just("k"), st.builds(Key, tokens, st.none() | texts)),
    st.tuples(st.just("e"), st.builds(Person, words.filter(lambda w: not set("()<>") & set(w)), st.just("") | tokens)),
)


@given(typed_lines)
def test_print_then_parse_is_the_identity_for_every_line(given: tuple[str, Any]) -> None:
    letter, value = given
    assert READERS[letter](str(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        RtpMap(128, "X", 8000),
        Fmtp("96", "a\r\nm=audio 1 RTP/AVP 0"),
        Attribute("a b", None),
        Attribute("x", "a\nb"),
        Attribute("x", "a\0b"),
        Group("a b", ()),
        Crypto(1, "AES_CM_128_HMAC_SHA1_80", (InlineKey(b"short"),)),
    ],
)
def test_an_attribute_that_could_not_be_read_back_is_our_own_mistake(value: Any) -> None:
    with pytest.raises(LocalProtocolError) as raised:
        line(value)
    assert "c2hvcnQ" not in str(raised.value)


def test_every_attribute_of_the_corpora_that_has_a_form_is_read_in_it(corpora: Path) -> None:
    odd = set()
    for file in sorted((corpora / "sdp").rglob("*.sdp")):
        description = parse(file.read_bytes())
        for section in (description, *description.media):
            for (letter, text), value in zip(section.lines, section.typed, strict=True):
                if letter == "a" and text.partition(":")[0] in PARSERS:
                    if isinstance(value, Attribute):
                        odd.add(text)
                    else:
                        assert typed(line(value)[1]) == value
    assert odd == {"rtpmap:96 AppleLossless"}


@given(st.sampled_from(sorted(PARSERS)), st.text(max_size=60) | st.from_regex(r"[0-9]{1,4} [ -~]{0,60}"))
def test_any_value_is_read_or_refused_and_nothing_else(name: str, value: str) -> None:
    try:
        PARSERS[name](value)
    except SdpError as error:
        assert error.status == 488  # noqa: PT017 - it may as well be read
