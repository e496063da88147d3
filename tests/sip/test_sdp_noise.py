"""Comfort noise in offers and answers (RFC 3389 sections 4 and 5.1)."""

from __future__ import annotations

import pytest

from actors.sip.errors import NotAcceptable
from actors.sip.offer_answer import Capabilities, Codec, Negotiated, apply_answer, make_answer, make_offer
from actors.sip.sdp import SessionDescription, parse
from actors.sip.sdp_codecs import offered

CN = Codec(13, "CN", 8000)
WIDE = Codec(105, "CN", 16000)


def ours(*names: str, noise: bool = True) -> Capabilities:
    return Capabilities("192.0.2.2", 16384, offered(names, noise=noise), 7)


def theirs(formats: str, *lines: str) -> SessionDescription:
    head = ("v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0", f"m=audio 5004 RTP/AVP {formats}")
    return parse("".join(f"{line}\r\n" for line in (*head, *lines)).encode())


def answered(offer: SessionDescription, *names: str) -> tuple[tuple[str, ...], Negotiated]:
    made, agreed = make_answer(offer, ours(*names))
    return made.media[0].formats, agreed


def test_it_is_offered_at_the_clock_rates_of_speech_and_not_with_opus() -> None:
    """13 at 8000 Hz (section 4), a dynamic one elsewhere; RFC 7587 s3.1.3: with Opus it is discouraged."""
    assert [each for each in offered(("opus", "PCMU", "G722", "L16"), noise=True) if each.encoding == "CN"] == [
        CN,
        WIDE,
    ]
    assert [each for each in offered(("opus", "L16/44100"), noise=True) if each.encoding == "CN"] == []
    assert [each for each in offered(("PCMU", "L16")) if each.encoding == "CN"] == []
    made = make_offer(ours("PCMU", "L16"))
    assert made.media[0].formats == ("0", "97", "13", "105", "101", "103")
    assert b"a=rtpmap:13 CN/8000\r\na=rtpmap:105 CN/16000\r\n" in bytes(made)


def test_an_offer_of_it_is_answered_with_its_payload_type_and_it_is_no_format_of_sound() -> None:
    """Without an rtpmap, as 13 needs none, and named first."""
    formats, agreed = answered(theirs("13 0 8"), "PCMU", "PCMA")
    assert formats == ("13", "0", "8")
    assert (agreed.send.encoding, agreed.noise) == ("PCMU", CN)
    assert CN in agreed.receive


def test_one_at_the_clock_of_the_codec_is_taken_and_sent() -> None:
    """Section 5.1's example has CN/16000 beside a codec of 16000 Hz."""
    wide = theirs("100 101 13 0", "a=rtpmap:100 L16/16000", "a=rtpmap:101 CN/16000")
    formats, agreed = answered(wide, "L16", "PCMU")
    assert formats == ("100", "101", "13", "0")
    assert agreed.noise == WIDE._replace(payload_type=101)
    assert agreed.send.clock_rate == 16000


def test_one_without_a_codec_of_its_clock_is_not_taken() -> None:
    """It is in the stream of a codec, whose timestamps go on."""
    formats, agreed = answered(theirs("0 101", "a=rtpmap:101 CN/16000"), "PCMU", "L16")
    assert formats == ("0",)
    assert agreed.noise is None


def test_comfort_noise_alone_is_no_audio() -> None:
    """Nobody could speak."""
    with pytest.raises(NotAcceptable):
        answered(theirs("13"), "PCMU")


def test_an_answer_without_it_means_that_it_is_not_used() -> None:
    """Section 5.1; that our offer had it changes nothing."""
    offer = make_offer(ours("PCMU"))
    assert apply_answer(offer, theirs("0")).noise is None
    agreed = apply_answer(offer, theirs("0 13"))
    assert agreed.noise == CN
    assert CN in agreed.receive


def test_it_keeps_its_payload_type_in_later_offers() -> None:
    """RFC 3264 s8.3.2."""
    first = make_offer(ours("L16", "PCMU"))
    later = make_offer(ours("PCMU", "L16"), previous=first)
    assert sorted(later.media[0].formats) == sorted(first.media[0].formats)
