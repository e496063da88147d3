"""What is fuzzed: functions that take any bytes and raise only if a promise of the parser is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from actors.control import records
from actors.control.checking import check
from actors.control.protocol import ProtocolError, decode_frame, decode_request, encode_frame, encode_request
from actors.sip import LocalProtocolError, MediaType, RemoteProtocolError, Request, multipart, parse, sdp
from actors.sip import uri as uris
from actors.sip.build import build_refusal
from actors.sip.credentials import (
    Credentials,
    parse_authentication_info,
    parse_challenge,
    parse_credentials,
)
from actors.sip.digest import verify
from actors.sip.framing import Frame, Framer
from actors.sip.message import parse_fully
from actors.sip.offer_answer import Capabilities, Codec, make_answer
from actors.sip.scan import scan, scan_fully

CAPABILITIES = Capabilities("192.0.2.1", 4000, (Codec(0, "PCMU", 8000), Codec(8, "PCMA", 8000)), 1)


def attempt(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function gives, or what a peer is told: its one permitted error, as a tuple."""
    try:
        return function(*arguments)
    except RemoteProtocolError as error:
        return "refused", error.status, error.reason


def message(data: bytes) -> None:
    """A message is read or refused, the same by all ways, and goes out as it came."""
    found, full = attempt(parse, data), attempt(parse_fully, data)
    assert attempt(scan, data) == attempt(scan_fully, data)
    refusal = build_refusal(data, 400, to_tag="t")
    if refusal is not None:  # of a request without a To there is none that could be read
        assert refusal.startswith(b"SIP/2.0 400 ")
        assert attempt(parse, refusal) is not None
    if isinstance(found, tuple):
        assert found == full
        return
    assert bytes(found) == data
    assert attempt(found.validate) == attempt(full.validate)
    for name in ("via", "vias", "from_", "to", "call_id", "cseq", "contact", "contacts", "route", "content_type"):
        assert attempt(getattr, found, name) == attempt(getattr, full, name), name
    if isinstance(found, Request):
        assert parse(bytes(found.response(200, to_tag="t"))).call_id == found.call_id
    found.set("X-Fuzz", "1")
    again = parse(bytes(found)) if len(bytes(found)) < 60_000 and len(data.split(b"\r\n")) < 200 else found
    assert again.head == full.head


def uri(data: bytes) -> None:
    """A URI is read or refused, prints as it came, and from its components as the same."""
    text = data.decode("utf-8", "surrogateescape")
    found = attempt(uris.parse, text)
    if isinstance(found, tuple):
        return
    assert str(found) == text
    assert found.equivalent(found)
    made = replace(found)
    assert uris.parse(str(made)) == found


def description(data: bytes) -> None:
    """SDP is read or refused, prints as what reads the same, and is answered or refused."""
    found = attempt(sdp.parse, data)
    if isinstance(found, tuple):
        return
    assert bytes(sdp.parse(bytes(found))) == bytes(found)
    answered = attempt(make_answer, found, CAPABILITIES)
    if answered[0] != "refused":
        assert len(sdp.parse(bytes(answered[0])).media) == len(found.media)  # RFC 3264 s6


def parts(data: bytes) -> None:
    """A body of parts, its boundary on the first line, is read or refused and goes out as it came."""
    boundary, _, body = data.partition(b"\n")
    kind = MediaType("multipart/mixed", {"boundary": boundary.decode("utf-8", "surrogateescape")})
    found = attempt(multipart.parse, kind, body)
    if isinstance(found, tuple):
        return
    assert bytes(found) == body
    for leaf in found.leaves():
        attempt(lambda part: part.content_type, leaf)
    try:
        printed = bytes(replace(found))
    except LocalProtocolError:
        return  # such as a header of a part that we would not send
    assert [leaf.body for leaf in multipart.parse(kind, printed).leaves()] == [x.body for x in found.leaves()]


def authentication(data: bytes) -> None:
    """A value that authenticates is read or refused, and prints as what reads the same."""
    text = data.decode("utf-8", "surrogateescape")
    for read in (parse_challenge, parse_credentials, parse_authentication_info):
        found: Any = attempt(read, text)
        if isinstance(found, tuple):
            continue
        assert read(str(found)) == found
        if isinstance(found, Credentials):
            assert not verify(found, "0" * 32, "INVITE", data)


def framing(data: bytes) -> None:
    """A stream is cut the same whatever its chunks: the first byte says how long they are."""
    if not data:
        return
    size, stream = data[0] % 7 + 1, data[1:]
    whole = _cut([stream])
    assert whole == _cut([stream[place : place + size] for place in range(0, len(stream), size)])
    end = 0
    for frame in whole[0]:
        assert end <= frame.end <= len(stream)
        if isinstance(frame, Frame):
            assert frame.data == stream[frame.end - len(frame.data) : frame.end]
        end = frame.end


def control(data: bytes) -> None:
    """A frame of the API is read or refused, whichever end reads it, and goes out as what reads the same."""
    for read, write in ((decode_request, encode_request), (decode_frame, encode_frame)):
        try:
            found: Any = read(data)
            if read is decode_request:
                check(found.body)
            again = write(found)
        except ProtocolError as error:
            assert error.code  # noqa: PT017 - that it may succeed is the point
            continue
        assert read(again) == found


def _cut(chunks: list[bytes]) -> tuple[list[Any], object]:
    framer = Framer()
    frames: list[Any] = []
    try:
        for chunk in (*chunks, b""):
            frames += framer.feed(chunk)
    except RemoteProtocolError as error:
        return frames, (error.status, error.reason)
    return frames, framer.pending


_INVITE = (
    b"INVITE sip:bob@b.example;x=1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5061;branch=z9hG4bK-1-0;rport\r\n"
    b'From: "A \\" B" <sip:a@a.example>;tag=1f\r\nTo: <sip:bob@b.example>\r\nCall-ID: 1-7@192.0.2.1\r\n'
    b"CSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.1:5061;transport=udp>, sip:b@h;q=0.5\r\nMax-Forwards: 70\r\n"
    b"Route: <sip:p.example;lr>\r\nSupported: timer\r\nContent-Type: application/sdp\r\nContent-Length: 4\r\n\r\nbody"
)
_RESPONSE = (
    b"SIP/2.0 200 \xc3\xa9\r\nv  : SIP / 2.0 / TCP\r\n  [2001:db8::1]:5060 ; branch = z9hG4bKq ; X, SIP/2.0/UDP h\r\n"
    b"t: sip:bob@b.example ;tag=2\r\nf : <sip:a@a.example>\r\n ;tag=1\r\ni: c@d\r\nCSEQ:0009\r\n INVITE\r\nl: 0\r\n\r\n"
)
_SDP = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
)
_DIGEST = (
    b'Digest username="bob", realm="b.example", nonce="n", uri="sip:b.example", response="6629fae49393a053",'
    b' algorithm=MD5, cnonce="c", opaque="o", qop=auth, nc=00000001'
)
TARGETS: dict[str, Callable[[bytes], None]] = {
    "message": message,
    "uri": uri,
    "sdp": description,
    "multipart": parts,
    "digest": authentication,
    "framing": framing,
    "control": control,
}
SEEDS: dict[str, tuple[bytes, ...]] = {
    "message": (_INVITE, _RESPONSE),
    "uri": (b"sips:al%69ce:pw@[2001:db8::1]:5061;transport=tcp;lr?Subject=a%20b", b"tel:+1-201-555-0123;ext=1"),
    "sdp": (_SDP,),
    "multipart": (
        b'b\npre\r\n--b\r\nContent-Type: multipart/mixed;boundary="c d"\r\n\r\n--c d\r\n\r\nx\r\n--c d--\r\n--b--',
    ),
    "digest": (
        _DIGEST,
        b'Digest realm="a,b", nonce="n", qop="auth,auth-int", stale=true, domain="sip:x"',
        b"Basic eA==",
    ),
    "framing": (b"\x02" + _INVITE + b"\r\n\r\n" + _RESPONSE, b"\x00\r\n\r\n\r\nx"),
    "control": (
        encode_request(records.Request("1", "k", 5.0, records.Place("sip:bob@h"))),
        encode_request(records.Request("1", "k", 5.0, records.Subscribe())),
        encode_frame(records.Refused("1", "busy", "later")),
    ),
}
