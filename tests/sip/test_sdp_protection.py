"""SRTP keys by offer and answer: RTP/SAVP, crypto lines below RTP/AVP, and that what is agreed never becomes plain."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable

import pytest

from actors.sip import sdp
from actors.sip.errors import NotAcceptable
from actors.sip.offer_answer import Capabilities, Codec, apply_answer, make_answer, make_offer
from actors.sip.sdp_crypto import KEY_LENGTHS
from actors.sip.sdp_protection import OFF, OPTIONAL, PLAIN, REQUIRED, SECURE, SUITES, Keys, lines

CODECS = (Codec(0, "PCMU", 8000), Codec(101, "telephone-event", 8000, "0-16"))
CM, GCM = "AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM"


def counting(first: int) -> Callable[[int], bytes]:
    """Keys that differ and are known."""
    numbers = itertools.count(first)
    return lambda size: next(numbers).to_bytes(size, "big")


def side(number: int, security: str = REQUIRED, suites: tuple[str, ...] = SUITES) -> Capabilities:
    cryptos = () if security == OFF else lines(suites, (), counting(number * 100))
    protocol = SECURE if security == REQUIRED else PLAIN
    return Capabilities(f"192.0.2.{number}", 7000, CODECS, number, 20, security, cryptos, protocol)


def said(*attributes: str, protocol: str = SECURE) -> sdp.SessionDescription:
    more = "".join(f"a={attribute}\r\n" for attribute in attributes)
    head = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
    return sdp.parse(f"{head}m=audio 7000 {protocol} 0\r\n{more}".encode())


def key(byte: int, suite: str = CM) -> str:
    return "inline:" + base64.b64encode(bytes([byte]) * KEY_LENGTHS[suite]).decode()


@pytest.mark.parametrize("suite", SUITES)
def test_each_suite_is_offered_and_taken_with_a_key_for_each_direction(suite: str) -> None:
    ours, theirs = side(1), side(2, suites=(suite,))
    offer = make_offer(ours)
    (line,) = offer.media
    assert line.protocol == SECURE
    assert [crypto.suite for crypto in line.cryptos] == list(SUITES)
    assert len({crypto.keys[0].key for crypto in line.cryptos}) == len(SUITES)
    answer, there = make_answer(sdp.parse(bytes(offer)), theirs)
    here = apply_answer(offer, sdp.parse(bytes(answer)), REQUIRED)
    assert here.keys is not None
    assert there.keys is not None
    assert here.keys == Keys(suite, there.keys.receive, there.keys.send)
    assert here.keys.send != here.keys.receive
    (accepted,) = answer.media[0].cryptos
    assert (accepted.tag, accepted.suite) == (SUITES.index(suite) + 1, suite)
    assert answer.media[0].protocol == SECURE


@pytest.mark.parametrize("protocol", ["RTP/SAVPF", "RTP/AVPF", "UDP/TLS/RTP/SAVP"])
@pytest.mark.parametrize("security", [OFF, OPTIONAL, REQUIRED])
def test_a_stream_of_another_protocol_is_refused(protocol: str, security: str) -> None:
    with pytest.raises(NotAcceptable):
        make_answer(said(f"crypto:1 {CM} {key(1)}", protocol=protocol), side(2, security))


def test_the_first_of_their_lines_that_we_can_take_is_taken() -> None:
    offer = said(
        f"crypto:1 F8_128_HMAC_SHA1_80 {key(1)}",
        f"crypto:2 {CM} {key(2)}|2^20|1:4",  # key identifiers are not for us
        f"crypto:3 {CM} {key(3)};{key(4)}",
        f"crypto:4 {CM} {key(5)} KDR=1",
        f"crypto:5 {CM} {key(6)} UNENCRYPTED_SRTCP",
        f"crypto:6 {CM} {key(7)} UNAUTHENTICATED_SRTP",
        "crypto:7 broken",
        f"crypto:8 {GCM} {key(8, GCM)}|2^31 WSH=128 -SOMETHING",
        f"crypto:9 {CM} {key(9)}",
    )
    answer, agreed = make_answer(offer, side(2))
    assert agreed.keys is not None
    assert (agreed.keys.suite, agreed.keys.receive) == (GCM, bytes([8]) * 28)
    assert [crypto.tag for crypto in answer.media[0].cryptos] == [8]


@pytest.mark.parametrize("security", [OFF, OPTIONAL, REQUIRED])
@pytest.mark.parametrize("attribute", ["sendrecv", f"crypto:1 {CM} {key(1)} KDR=3", "crypto:1 broken"])
def test_rtp_savp_without_a_key_that_we_can_take_is_refused(security: str, attribute: str) -> None:
    with pytest.raises(NotAcceptable):
        make_answer(said(attribute), side(2, security))


def test_plain_rtp_is_taken_unless_srtp_is_required() -> None:  # FAULTS 56
    plain = said(protocol=PLAIN)
    assert make_answer(plain, side(2, OPTIONAL))[1].keys is None
    with pytest.raises(NotAcceptable):
        make_answer(plain, side(2, REQUIRED))
    with pytest.raises(NotAcceptable):
        make_answer(said(f"crypto:1 {CM} {key(1)}"), side(2, OFF))


def test_where_srtp_is_optional_crypto_lines_stand_below_rtp_avp() -> None:  # RFC 8643
    offer = make_offer(side(1, OPTIONAL))
    assert (offer.media[0].protocol, len(offer.media[0].cryptos)) == (PLAIN, len(SUITES))
    for security in (OPTIONAL, REQUIRED):
        answer, there = make_answer(offer, side(2, security))
        here = apply_answer(offer, answer, OPTIONAL)
        assert answer.media[0].protocol == PLAIN
        assert here.keys is not None
        assert there.keys == Keys(here.keys.suite, here.keys.receive, here.keys.send)
    declined, there = make_answer(offer, side(2, OFF))
    assert not declined.media[0].cryptos
    assert there.keys is None
    assert apply_answer(offer, declined, OPTIONAL).keys is None
    with pytest.raises(NotAcceptable):  # it was agreed before
        apply_answer(offer, declined, REQUIRED)


@pytest.mark.parametrize("protocol", [PLAIN, SECURE])
@pytest.mark.parametrize(
    "attributes",
    [
        ("crypto:1 broken",),
        (f"crypto:2 {CM} {key(1)}",),  # the tag is of another suite
        (f"crypto:77 {CM} {key(1)}",),
        (f"crypto:5 {CM} {key(1)}|1:1",),
        (f"crypto:5 {CM} {key(1)} KDR=1",),
        (f"crypto:5 {CM} {key(1)}", f"crypto:1 {SUITES[0]} {key(1, SUITES[0])}"),
    ],
)
def test_a_bad_answer_fails_and_does_not_become_plain_rtp(protocol: str, attributes: tuple[str, ...]) -> None:
    ours = side(1)._replace(protocol=protocol)
    assert SUITES[4] == CM
    for security in (OPTIONAL, REQUIRED):
        with pytest.raises(NotAcceptable):
            apply_answer(make_offer(ours), said(*attributes, protocol=protocol), security)
    assert apply_answer(make_offer(ours), said(f"crypto:5 {CM} {key(1)}", protocol=protocol), REQUIRED).keys


def test_rtp_savp_answered_without_keys_or_by_rtp_avp_fails() -> None:  # RFC 4568 s7.4
    offer = make_offer(side(1))
    for answer in (said(), said(protocol=PLAIN), said(f"crypto:5 {CM} {key(1)}", protocol=PLAIN)):
        with pytest.raises(NotAcceptable):
            apply_answer(offer, answer, REQUIRED)


def test_our_own_key_sent_back_is_refused() -> None:  # RFC 4568 s7.1.2
    ours = side(1, suites=(CM,))
    offer = make_offer(ours)
    (crypto,) = offer.media[0].cryptos
    with pytest.raises(NotAcceptable):
        apply_answer(offer, said(f"crypto:{crypto}"), REQUIRED)
    with pytest.raises(NotAcceptable):
        make_answer(said(f"crypto:{crypto}"), ours)


def test_a_suite_keeps_its_key_and_a_new_one_gets_another() -> None:
    first = lines((CM,), (), counting(1))
    again = lines((GCM, CM), first, counting(7))
    assert [(crypto.tag, crypto.suite) for crypto in again] == [(1, GCM), (2, CM)]
    assert again[1].keys == first[0].keys
    assert again[0].keys[0].key == bytes(27) + b"\7"


def test_keys_are_in_no_repr() -> None:
    keys = Keys(CM, b"secret-one", b"secret-two")
    assert "secret" not in repr(keys) + str(keys) + repr((keys,))
