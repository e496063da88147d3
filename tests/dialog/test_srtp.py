"""SRTP in calls: offered, answered, kept over changes of the session, re-keyed, and never given up for plain RTP."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.dialog.call_commands import HoldCall
from actors.dialog.call_events import CallNoticed
from actors.dialog.effects import Find, Prepare, Report, Send, Start
from actors.sip import sdp
from actors.sip.offer_answer import Capabilities, Codec, Negotiated, make_answer
from actors.sip.sdp_crypto import KEY_LENGTHS
from actors.sip.sdp_protection import PLAIN, SECURE, Keys
from actors.sip.vocabulary import Candidate, Flow, Target
from tests.dialog.phone import FLOW, NEAR, OFFER, STREAM, Phone, answer_to, invite, message
from tests.dialog.phone import place as order
from tests.sip.test_sdp_protection import counting, key, lines

CM, GCM = "AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"


class Secured(Phone):
    """A phone whose random bytes are known: each key is another number."""

    def __init__(self, srtp: str, mode: str = "echo", **more: str) -> None:
        self.numbers = itertools.count(1)
        super().__init__(mode, srtp=srtp, srtp_suites=(GCM, CM), **more)

    def start(self) -> None:
        super().start()
        self.agent.agent.random = lambda size: next(self.numbers).to_bytes(size, "big")

    @property
    def keys(self) -> Keys | None:
        agreed: Negotiated = self.last(Start).agreed
        return agreed.keys

    @property
    def said(self) -> sdp.Media:
        """The audio of our last response."""
        return sdp.parse(self.last_response().body).media[0]


def offer(protocol: str, *cryptos: str, version: int = 1, port: int = 7000) -> bytes:
    text = OFFER.decode().replace("RTP/AVP", protocol).replace("peer 1 1", f"peer 1 {version}")
    return (text.replace("7000", str(port)) + "".join(f"a=crypto:{crypto}\r\n" for crypto in cryptos)).encode()


def receive(phone: Phone, body: bytes) -> None:
    phone.request(invite(body))
    if phone.cells:
        phone.prepared(phone.session)
        phone.request(message("ACK", to_tag=phone.our_tag()))


def reinvite(phone: Phone, body: bytes, cseq: int) -> None:
    phone.request(invite(body, to_tag=phone.call.tag, cseq=cseq))
    if phone.statuses[-1] == 200:
        phone.request(message("ACK", to_tag=phone.call.tag, cseq=cseq))


@pytest.mark.parametrize(
    ("srtp", "protocol", "secured", "status"),
    [
        ("off", PLAIN, False, 200),
        ("off", SECURE, True, 488),
        ("optional", PLAIN, False, 200),
        ("optional", PLAIN, True, 200),
        ("optional", SECURE, True, 200),
        ("optional", SECURE, False, 488),
        ("required", PLAIN, False, 488),
        ("required", PLAIN, True, 200),
        ("required", SECURE, True, 200),
        ("required", SECURE, False, 488),
    ],
)
def test_what_a_policy_does_with_an_offer(srtp: str, protocol: str, secured: bool, status: int) -> None:
    phone = Secured(srtp)
    receive(phone, offer(protocol, *([f"3 {CM} {key(9)}"] if secured else [])))
    assert phone.statuses[-1] == status
    if status != 200:
        assert not phone.cells
        return
    assert phone.said.protocol == protocol
    if secured and srtp != "off":
        assert phone.keys is not None
        assert (phone.keys.suite, phone.keys.receive) == (CM, bytes([9]) * 30)
        (crypto,) = phone.said.cryptos
        assert (crypto.tag, crypto.keys[0].key) == (3, phone.keys.send)
    else:
        assert phone.keys is None
        assert not phone.said.cryptos


def test_answers_to_the_same_offer_have_keys_of_their_own() -> None:
    phones = [Secured("required"), Secured("required")]
    phones[1].numbers = itertools.count(100)
    for phone in phones:
        receive(phone, offer(SECURE, f"1 {CM} {key(9)}"))
    sent = [phone.keys.send for phone in phones if phone.keys is not None]
    assert len(set(sent)) == 2


def place(phone: Phone, protocol: str, *, suites: tuple[str, ...] = (CM,), decline: bool = False) -> None:
    """Call out; the peer answers our offer as an engine of ours with these suites would."""
    invitation = phone.place_call()
    ours = sdp.parse(phone.sent("INVITE")[-1].body)
    assert ours.media[0].protocol == protocol
    assert [crypto.suite for crypto in ours.media[0].cryptos] == [GCM, CM]
    phone.response(answered(phone, ours, suites, decline=decline), invitation)


def answered(phone: Phone, ours: sdp.SessionDescription, suites: tuple[str, ...], *, decline: bool) -> bytes:
    security, cryptos = ("off", ()) if decline else ("optional", lines(suites, (), counting(500)))
    theirs = Capabilities("192.0.2.9", 7000, (Codec(0, "PCMU", 8000),), 1, 20, security, cryptos)
    return answer_to(phone.last(Send).raw, 200, body=bytes(make_answer(ours, theirs)[0]))


@pytest.mark.parametrize(("srtp", "protocol"), [("optional", PLAIN), ("required", SECURE)])
@pytest.mark.parametrize("suite", [CM, GCM])
def test_a_call_out_offers_each_suite_with_a_key_and_takes_the_one_that_is_answered(
    srtp: str, protocol: str, suite: str
) -> None:
    phone = Secured(srtp)
    place(phone, protocol, suites=(suite,))
    assert phone.state == "CONFIRMED"
    assert phone.keys is not None
    assert phone.keys.suite == suite
    assert phone.keys.send == (1 if suite == GCM else 2).to_bytes(KEY_LENGTHS[suite], "big")
    assert phone.keys.receive == (500).to_bytes(KEY_LENGTHS[suite], "big")


def test_a_peer_that_declines_gets_plain_rtp_only_where_srtp_is_optional() -> None:  # FAULTS 56
    phone = Secured("optional")
    place(phone, PLAIN, decline=True)
    assert phone.state == "CONFIRMED"
    assert phone.keys is None
    phone = Secured("required")
    invitation = phone.place_call()
    phone.response(answer_to(phone.last(Send).raw, 200, body=offer(SECURE)), invitation)
    assert phone.sent("BYE")
    assert not phone.all(Start)


def test_what_is_agreed_stays_over_hold_and_is_never_plain_again() -> None:
    for srtp, protocol in (("optional", PLAIN), ("required", SECURE)):
        phone = Secured(srtp)
        receive(phone, offer(protocol, f"1 {CM} {key(9)}"))
        keys = phone.keys
        reinvite(phone, offer(protocol, f"1 {CM} {key(9)}", version=2) + b"a=sendonly\r\n", 2)
        assert phone.statuses[-1] == 200
        assert phone.keys == keys
        reinvite(phone, offer(PLAIN, version=3), 3)
        assert phone.statuses[-1] == 488
        assert phone.keys == keys
        assert phone.state == "CONFIRMED"


def test_a_peer_that_gives_another_key_gets_another_of_ours() -> None:  # RFC 4568 s7.1.4
    phone = Secured("required")
    receive(phone, offer(SECURE, f"1 {CM} {key(9)}"))
    before = phone.keys
    reinvite(phone, offer(SECURE, f"1 {CM} {key(8)}", version=2, port=7100), 2)
    after = phone.keys
    assert before is not None
    assert after is not None
    assert after.receive == bytes([8]) * 30
    assert after.send != before.send
    assert phone.said.cryptos[0].keys[0].key == after.send


def test_our_own_hold_offers_the_key_in_use_alone() -> None:
    for srtp, protocol in (("optional", PLAIN), ("required", SECURE)):
        phone = Secured(srtp)
        place(phone, protocol)
        keys = phone.keys
        assert keys is not None
        phone.command(HoldCall("h", phone.call.call))
        ours = sdp.parse(phone.sent("INVITE")[-1].body)
        assert ours.media[0].protocol == protocol
        assert [crypto.suite for crypto in ours.media[0].cryptos] == [CM]
        assert ours.media[0].cryptos[0].keys[0].key == keys.send
        phone.response(answer_to(phone.last(Send).raw, 200, body=offer(protocol)), phone.invite_key())
        assert phone.keys == keys  # an answer without keys changes nothing, and is not heard


def test_an_answer_that_waits_for_its_address_keeps_its_key() -> None:
    phone = Secured("required")
    phone.request(invite(offer(SECURE, f"1 {CM} {key(9)}")))
    drafted = phone.call.media.drafted
    assert drafted is not None
    phone.prepared(phone.session, host="192.0.2.77")
    assert b"192.0.2.77" in phone.last_response().body
    assert drafted.keys is not None
    assert phone.said.cryptos[0].keys[0].key == drafted.keys.send
    assert phone.keys == drafted.keys


def test_no_event_holds_a_key() -> None:
    phone = Secured("required")
    receive(phone, offer(SECURE, f"1 {CM} {key(9)}"))
    keys = phone.keys
    assert keys is not None
    for report in phone.all(Report):
        assert str(keys.send)[2:-1] not in repr(report)
        assert key(9) not in repr(report)
    told: list[Any] = [effect for effect in phone.effects if type(effect) is Start]
    assert str(keys.send)[2:-1] not in repr(told)


def test_a_call_that_cannot_have_srtp_here_ends_with_the_line_that_says_what_to_install() -> None:
    phone = Secured("required")
    receive(phone, offer(SECURE, f"1 {CM} {key(9)}"))
    why = "SRTP needs pylibsrtp: pip install 'sipactors[srtp]'"
    phone._did(phone.agent.calls.session_refused(phone.session, why, *phone.clock))
    assert phone.sent("BYE")
    phone.finish()
    assert (phone.ended.outcome, phone.ended.reason) == ("failed", why)


@pytest.mark.parametrize(("transport", "told"), [("udp", True), ("tcp", True), ("tls", False)])
def test_keys_that_went_in_clear_are_told_of(transport: str, told: bool) -> None:  # FAULTS 57
    phone = Secured("optional")
    phone.receive_call(invite(offer(SECURE, f"1 {CM} {key(9)}")), flow=FLOW._replace(transport=transport))
    notices = [event.kind for event in phone.reports(CallNoticed)]
    assert notices == ["srtp_keys_in_clear"] * told
    phone = Secured("optional")
    receive(phone, offer(PLAIN))
    assert not phone.reports(CallNoticed)


CRYPTO = st.sampled_from(
    [
        *(f"{tag} {CM} {key(byte)}" for tag, byte in ((1, 9), (2, 9), (1, 8))),
        f"1 {CM} {key(9)} KDR=1",
        f"7 {GCM} {key(5, GCM)}",
        "1 broken",
        f"1 {CM} {key(1)[:-4]}",
    ]
)


@given(
    st.sampled_from(["off", "optional", "required"]),
    st.lists(st.tuples(st.sampled_from([PLAIN, SECURE, "RTP/SAVPF"]), st.lists(CRYPTO, max_size=3)), min_size=1),
)
def test_whatever_is_offered_keys_once_agreed_stay_and_are_never_shared(
    srtp: str, offers: list[tuple[str, list[str]]]
) -> None:
    phone = Secured(srtp)
    before: Keys | None = None
    for cseq, (protocol, cryptos) in enumerate(offers, 1):
        body = offer(protocol, *cryptos, version=cseq)
        if phone.cells:
            reinvite(phone, body, cseq)
        else:
            receive(phone, body.replace(b"one@", b"%d@" % cseq))
        assert phone.statuses[-1] in (200, 488)
        if phone.statuses[-1] == 488:
            continue
        keys = phone.keys
        assert keys is not None or (srtp != "required" and before is None)
        if keys is not None:
            assert srtp != "off"
            assert keys.send != keys.receive
        if before is not None and keys is not None:
            assert (keys.send == before.send) == (keys.receive == before.receive)
        before = keys


TLS = FLOW._replace(token="tls:17", transport="tls")
SECRET = Candidate(Target("tls", "192.0.2.9", 5061), "192.0.2.1:5061")


def cautious(srtp: str) -> Secured:
    return Secured(srtp, srtp_in_clear="refuse")


@pytest.mark.parametrize(
    ("srtp", "flow", "protocol", "status", "keyed"),
    [
        ("optional", FLOW, PLAIN, 200, False),
        ("optional", FLOW, SECURE, 488, False),
        ("required", FLOW, PLAIN, 488, False),
        ("required", FLOW, SECURE, 488, False),
        ("optional", STREAM, PLAIN, 200, False),
        ("required", STREAM, SECURE, 488, False),
        ("optional", TLS, PLAIN, 200, True),
        ("optional", TLS, SECURE, 200, True),
        ("required", TLS, SECURE, 200, True),
    ],
)
def test_where_keys_may_not_go_in_clear_a_call_in_has_them_over_tls_alone(  # FAULTS 57
    srtp: str, flow: Flow, protocol: str, status: int, keyed: bool
) -> None:
    phone = cautious(srtp)
    phone.request(invite(offer(protocol, f"3 {CM} {key(9)}")), flow)
    if phone.cells:
        phone.prepared(phone.session)
    assert phone.statuses[-1] == status
    assert (b"a=crypto" in phone.last_response().body) is keyed
    if status == 200:
        assert (phone.keys is not None) is keyed
    assert not [event for event in phone.reports(CallNoticed) if event.kind == "srtp_keys_in_clear"]


def test_where_keys_may_not_go_in_clear_an_offer_of_ours_has_none() -> None:  # FAULTS 57
    phone = cautious("optional")
    phone.place_call(SECRET, NEAR)
    assert b"crypto" not in phone.sent("INVITE")[-1].body, "it may go on to the second candidate"
    phone = cautious("optional")
    phone.place_call(SECRET)
    assert b"a=crypto" in phone.sent("INVITE")[-1].body


def test_where_keys_must_go_and_not_in_clear_only_tls_is_taken() -> None:  # FAULTS 57
    phone = cautious("required")
    phone.place_call(NEAR, SECRET)
    (sent,) = phone.all(Send)
    assert sent.target.transport == "tls"
    assert b"a=crypto" in phone.sent("INVITE")[-1].body
    phone = cautious("required")
    phone.command(order())
    phone.located(phone.last(Find).ref, NEAR)
    assert not phone.all(Send)
    assert not phone.all(Prepare)
    assert (phone.ended.outcome, phone.ended.reason) == (
        "unreachable",
        "no way to it on which the keys of SRTP are secret",
    )


def test_an_offer_of_keys_that_we_did_not_ask_for_is_not_answered_in_clear() -> None:  # FAULTS 57
    phone = cautious("required")
    invitation = phone.place_call(SECRET, late_offer=True)
    phone.response(answer_to(phone.last(Send).raw, 200, body=offer(SECURE, f"1 {CM} {key(9)}")), invitation)
    assert phone.keys is not None, "the way there is secret"
