"""What routing reads of a message, and where."""

from __future__ import annotations

import pytest

from actors.sip import RemoteProtocolError
from actors.sip.scan import Scan, is_answerable, scan
from actors.sip.vocabulary import Head

REST = b"From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n"
HEAD = Head("OPTIONS", 0, "z9hG4bK1", "host:5070", "c", 1, "1", "")


def options(vias: bytes, before: bytes = b"") -> bytes:
    return b"OPTIONS sip:b@h SIP/2.0\r\n" + before + vias + b"\r\n" + REST + b"\r\nbody"


@pytest.mark.parametrize(
    ("vias", "value"),
    [
        (b"Via: SIP/2.0/UDP Host:5070;branch=z9hG4bK1", b"SIP/2.0/UDP Host:5070;branch=z9hG4bK1"),
        (b"Via:   SIP/2.0/UDP Host:5070;branch=z9hG4bK1\t ", b"SIP/2.0/UDP Host:5070;branch=z9hG4bK1"),
        (b"v:SIP/2.0/UDP Host:5070;branch=z9hG4bK1 , SIP/2.0/TCP x", b"SIP/2.0/UDP Host:5070;branch=z9hG4bK1"),
        (
            b'Via:\r\n SIP/2.0/UDP Host:5070;x="a,\xc3\xa9";branch=\r\n z9hG4bK1\r\n , SIP/2.0/TCP y',
            b'SIP/2.0/UDP Host:5070;x="a,\xc3\xa9";branch=\r\n z9hG4bK1',
        ),
        (
            b"Via: SIP/2.0/UDP Host:5070;branch=z9hG4bK1\r\nVia: SIP/2.0/UDP Host:5070;branch=z9hG4bK1x",
            b"SIP/2.0/UDP Host:5070;branch=z9hG4bK1",
        ),
        (b"VIA : SIP/2.0/UDP Host:5070;rport;BRANCH=z9hG4bK1;y", b"SIP/2.0/UDP Host:5070;rport;BRANCH=z9hG4bK1;y"),
    ],
)
@pytest.mark.parametrize(
    "before", [b"", b"Subject: x\r\n", b"Subject: \xff\xc3\xa9\r\n", b"X: Via: SIP\r\n Via: y\r\n"]
)
@pytest.mark.parametrize("ahead", [b"", b"\r\n\r\n"])
def test_the_top_via_and_the_body_are_found_to_the_byte(vias: bytes, value: bytes, before: bytes, ahead: bytes) -> None:
    data = ahead + options(vias, before)
    found = scan(data)
    assert found.head == HEAD
    assert data[found.via_start : found.via_end] == value
    assert data[: found.via_start].rstrip().endswith((b"Via:", b"v:", b"VIA :"))
    assert data[found.body_start :] == b"body"
    assert found.content_length is None


def test_a_reason_phrase_of_any_text_moves_nothing() -> None:
    data = options(b"Via: SIP/2.0/UDP h").replace(b"OPTIONS sip:b@h SIP/2.0", "SIP/2.0 200 д".encode())
    found = scan(data)
    assert isinstance(found, Scan)
    assert found.head.status == 200
    assert data[found.via_start : found.via_end] == b"SIP/2.0/UDP h"


@pytest.mark.parametrize(
    "via",
    [
        b"SIP/2.0/UDP h;branch=z9hG4bK",
        b"SIP/2.0/UDP h;branch=a;Branch=b",
        b"SIP/2.0/UDP h;branch",
        b", SIP/2.0/UDP h",
        b"",
    ],
)
def test_a_top_via_that_cannot_be_used_is_400(via: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        scan(options(b"Via: " + via))
    assert raised.value.status == 400


def test_a_header_line_without_a_colon_is_400() -> None:
    for line in (b"Supported\r\n", b"Via\r\n", b"X\r\n y: z\r\n", b": x\r\n", b"a b: x\r\n", b"\xff: x\r\n"):
        with pytest.raises(RemoteProtocolError) as raised:
            scan(options(b"Via: SIP/2.0/UDP h", line))
        assert raised.value.status == 400


def test_a_name_that_only_folds_to_a_known_one_is_another_header() -> None:
    with pytest.raises(RemoteProtocolError):  # the Kelvin sign is no k
        scan(options(b"Via: SIP/2.0/UDP h", "\u212a: timer\r\n".encode()))


def test_only_a_request_that_is_no_ack_is_answered() -> None:
    for line in (b"OPTIONS sip:b@h SIP/2.0", b"OPTIONS  <x>  SIP/7.0 ", b"\r\nX y; lr sip/2.0"):
        assert is_answerable(line)
    for line in (
        b"",
        b"SIP/2.0 200 OK",
        b"ACK sip:b@h SIP/2.0",
        b"GET / HTTP/1.1",
        b"OPTIONS",
        b"a<b x SIP/2.0",
        b"\0",
    ):
        assert not is_answerable(line)
