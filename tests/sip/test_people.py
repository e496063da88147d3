"""Messages for people: short or whole, escaped, without secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip import Message, RemoteProtocolError, Request, parse

HEAD = (
    b"INVITE sip:bob:hunter2@h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n"
    b"f: Al <sip:al:hunter2@h>;tag=1\r\nTo: <sip:bob@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
)
PROOF = (
    b'Digest username="al", realm="r", nonce="hunter2", uri="sip:h", response="0123456789abcdef", cnonce="hunter2", '
    b"nc=00000001, qop=auth"
)
SDP = (
    b"v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nk=base64:hunter2\r\nm=audio 1 RTP/SAVP 0\r\n"
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:hunter2|2^20|1:4\r\na=ice-pwd:hunter2\r\na=key-mgmt:mikey hunter2\r\n"
)


def invite(more: bytes = b"", body: bytes = b"", kind: bytes = b"application/sdp") -> Message:
    return parse(HEAD + more + b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n" % (kind, len(body)) + body)


def test_a_summary_is_one_line_with_what_finds_the_call() -> None:
    assert invite(b"Reason: SIP;cause=200\r\n", SDP).summary() == (
        "INVITE sip:bob:<removed>@h SIP/2.0 | From: Al <sip:al:<removed>@h>;tag=1 | To: <sip:bob@h> | Call-ID: c | "
        f"CSeq: 1 INVITE | Reason: SIP;cause=200 | application/sdp ({len(SDP)} bytes)"
    )


def test_a_summary_is_short_whatever_the_message_is() -> None:
    message = invite(b"X: " + b"y" * 5000 + b"\r\n", b"b" * 5000, b"a/" + b"b" * 5000)
    message.set("To", "<sip:%s@h>" % ("b" * 5000))
    assert len(message.summary()) < 1000
    assert "..." in message.summary()


def test_a_message_without_headers_has_a_summary() -> None:
    assert Request.build("OPTIONS", "sip:h", [], b"x").summary() == "OPTIONS sip:h SIP/2.0 | body (1 bytes)"


def test_a_pretty_message_has_all_lines_unfolded_with_full_names() -> None:
    text = invite(b"Subject: a\r\n  b\r\nX-Odd : c\r\n", b"v=0\r\ns=\xc3\xa9\x1b\r\n").pretty()
    assert text.split("\n") == [
        "INVITE sip:bob:<removed>@h SIP/2.0",
        "  Via: SIP/2.0/UDP a;branch=z9hG4bK1",
        "  From: Al <sip:al:<removed>@h>;tag=1",
        "  To: <sip:bob@h>",
        "  Call-ID: c",
        "  CSeq: 1 INVITE",
        "  Subject: a b",
        "  X-Odd: c",
        "  Content-Type: application/sdp",
        "  Content-Length: 12",
        "",
        "  v=0",
        "  s=é\\x1b",
    ]


@pytest.mark.parametrize("name", [b"Authorization", b"Proxy-Authorization", b"authorization "])
def test_credentials_are_taken_out(name: bytes) -> None:
    text = invite(name + b": " + PROOF + b"\r\n").pretty()
    assert 'MD5 digest of "al" for "r" <removed>' in text
    for value in (b"Basic hunter2", b"Digest hunter2", b"hunter2"):
        shown = invite(name + b": " + value + b"\r\n").pretty()
        assert "hunter2" not in shown
        assert "<removed>" in shown


@pytest.mark.parametrize(
    "more",
    [
        b'Authentication-Info: nextnonce="hunter2"\r\n',
        b'Proxy-Authentication-Info: rspauth="hunter2"\r\n',
        b'Security-Verify: digest;d-ver = "hunter2"\r\n',
        b"Refer-To: <sip:a@h?Authorization=hunter2&x=y>\r\n",
        b"Contact: <sips:a:hunter2@h>\r\n",
    ],
)
def test_no_secret_of_a_head_is_shown(more: bytes) -> None:
    message = invite(more)
    assert "hunter2" not in message.pretty() + message.summary()
    assert "<removed>" in message.pretty()


def test_no_key_of_a_body_is_shown() -> None:
    text = invite(body=SDP).pretty()
    assert "hunter2" not in text
    assert "a=crypto:1 AES_CM_128_HMAC_SHA1_80 <removed>" in text
    fragment = (
        b"SIP/2.0 200 OK\r\nAuthorization: Digest x,\r\n y=hunter2\r\nProxy-Authentication-Info: hunter2\r\nTo: x\r\n"
    )
    text = invite(body=fragment, kind=b"message/sipfrag").pretty()
    assert "hunter2" not in text
    assert "To: x" in text


@pytest.mark.parametrize("body", [b"\x00abc", b"\xff\xfe"])
def test_a_body_that_is_no_text_is_only_counted(body: bytes) -> None:
    assert invite(body=body).pretty().endswith(f"<{len(body)} bytes>")


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_nothing_that_is_shown_can_be_taken_for_more_than_text(value: bytes, body: bytes) -> None:
    try:
        message = invite(b"X: " + value + b"\r\nFrom2: y\r\n", body)
    except RemoteProtocolError:
        return
    assert message.summary().isprintable()
    assert all(line.isprintable() for line in message.pretty().split("\n"))
