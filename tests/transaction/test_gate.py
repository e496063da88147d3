"""What is answered without a machine: nothing is remembered, a repeated request is answered again, the ACK is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.machine import Effect
from actors.sip import parse
from actors.sip.credentials import Challenge, Credentials, parse_challenge, parse_credentials
from actors.sip.digest import Session, ha1, verify
from actors.transaction.effects import NOBODY, Reply, Tell
from actors.transaction.events import RequestReceived, Respond, RespondDirect
from actors.transaction.gate import Challenger, Refusal
from actors.transaction.layer import Layer
from tests.transaction.figures import spoken
from tests.transaction.messages import UDP, head_of, request, response, server_key

SECRET = b"sixteen bytes ok"
REALM = "example.org"
LIFETIME = 300.0


@pytest.fixture
def gate() -> Challenger:
    return Challenger(REALM, SECRET, shard="transaction-0", lifetime=LIFETIME)


@pytest.fixture
def layer(gate: Challenger) -> Layer:
    return Layer(SECRET, gate=gate)


def receive(layer: Layer, raw: bytes, now: float = 0.0) -> tuple[Effect, ...]:
    return layer.receive(UDP, head_of(raw), raw, now)


def challenges(effects: tuple[Effect, ...]) -> list[Challenge]:
    (refusal,) = effects
    assert isinstance(refusal, Reply)
    assert refusal.key == NOBODY
    assert head_of(refusal.raw).status == 401
    found = [parse_challenge(value) for value in parse(refusal.raw).get_all("WWW-Authenticate")]
    assert all(isinstance(each, Challenge) for each in found)
    return found  # type: ignore[return-value]


def answered(challenge: Challenge, method: str = "INVITE", branch: str = "z9hG4bKagain") -> bytes:
    """The request again, with what a client answers to the challenge."""
    session = Session.begin(challenge, "alice", ha1(challenge.algorithm, "alice", REALM, "secret"), "cnonce")
    credentials = session.authorize(method, "sip:bob@192.0.2.1")[1]
    return request(method, branch=branch, cseq=2, more=f"Authorization: {credentials}\r\n")


def test_a_request_is_challenged_without_a_machine_and_let_in_once_it_answers(layer: Layer) -> None:
    """RFC 3261 22.1: "When a UAS receives a request from a UAC, the UAS MAY authenticate the originator"."""
    invite = request()
    first = receive(layer, invite)
    sha, md5 = challenges(first)
    assert (sha.algorithm, md5.algorithm, sha.realm, sha.qop, sha.stale) == ("SHA-256", "MD5", REALM, ("auth",), False)
    assert receive(layer, invite) == first
    assert len(layer.cells) == 0
    for number, challenge in enumerate((sha, md5)):
        again = answered(challenge, branch=f"z9hG4bK{number}").replace(b"call-1", b"call-%d" % number)
        assert [spoken(effect) for effect in receive(layer, again)] == ["tell INVITE"]
        credentials = parse_credentials(parse(again).get("Authorization") or "")
        assert isinstance(credentials, Credentials)
        assert verify(credentials, ha1(challenge.algorithm, "alice", REALM, "secret"), "INVITE")


def test_the_ack_to_a_challenge_is_known_and_dropped(layer: Layer) -> None:
    (refusal,) = receive(layer, request())
    tag = head_of(refusal.raw).to_tag  # type: ignore[attr-defined]
    assert receive(layer, request("ACK", to_tag=tag)) == ()


@pytest.mark.parametrize("method", ["ACK", "CANCEL"])
def test_what_cannot_be_sent_again_is_never_challenged(gate: Challenger, method: str) -> None:
    """RFC 3261 22.1: servers MUST NOT attempt to challenge CANCEL requests; an ACK has no response."""
    raw = request(method)
    assert gate(UDP, head_of(raw), raw, 0.0) is None


def test_a_request_in_a_dialog_is_not_challenged(layer: Layer) -> None:
    assert [spoken(effect) for effect in receive(layer, request("BYE", to_tag="to-1"))] == ["tell BYE"]


@pytest.mark.parametrize("age", [LIFETIME + 1, 10 * LIFETIME])
def test_an_old_nonce_is_stale_so_that_nobody_is_asked_for_a_password(layer: Layer, age: float) -> None:
    sha, _ = challenges(receive(layer, request()))
    again = answered(sha)
    assert all(each.stale for each in challenges(receive(layer, again, age)))
    assert [spoken(effect) for effect in receive(layer, again, LIFETIME)] == ["tell INVITE"]


def test_a_nonce_of_another_shard_secret_or_realm_is_not_ours(gate: Challenger) -> None:
    others = {
        "shard": Challenger(REALM, SECRET, shard="transaction-1"),
        "secret": Challenger(REALM, b"another secret16", shard="transaction-0"),
    }
    for other in others.values():
        raw = answered(Challenge(REALM, other.nonce(0.0), algorithm="MD5", qop=("auth",)))
        refusal = gate(UDP, head_of(raw), raw, 0.0)
        assert isinstance(refusal, Refusal)
        assert "stale=true" in refusal.headers[0][1]
    elsewhere = Challenge("example.com", gate.nonce(0.0), algorithm="MD5", qop=("auth",))
    raw = answered(elsewhere)
    refusal = gate(UDP, head_of(raw), raw, 0.0)
    assert isinstance(refusal, Refusal)
    assert "stale" not in refusal.headers[0][1]


@given(st.text(max_size=60), st.integers(0, 2**40))
def test_no_nonce_that_we_did_not_make_is_fresh(text: str, now: int) -> None:
    gate = Challenger(REALM, SECRET)
    assert gate._is_fresh(text, float(now)) == (text == gate.nonce(float(now)))
    assert gate._is_fresh(gate.nonce(float(now)), float(now))


@pytest.mark.parametrize("value", ["Basic YWxpY2U6c2VjcmV0", "Digest", 'Digest username="alice"', "", "\udcff"])
def test_credentials_that_cannot_be_read_are_none(layer: Layer, value: str) -> None:
    raw = request(more=f"Authorization: {value}\r\n".encode("utf-8", "surrogateescape").decode("latin-1"))
    challenges(receive(layer, raw))


def test_what_is_no_request_has_no_credentials(gate: Challenger) -> None:
    head = head_of(request())
    for raw in (response(request(), 200), b"INVITE\r\n\r\n"):
        assert gate(UDP, head, raw, 0.0) is not None


# Pings.


def test_a_ping_goes_up_and_is_answered_without_a_machine() -> None:
    """RFC 3261 8.2.7: a stateless UAS makes its response afresh for each retransmission, with the same To tag."""
    layer = Layer(SECRET, stateless=frozenset({"OPTIONS"}))
    ping = request("OPTIONS")
    told = (Tell(RequestReceived(server_key(ping), UDP, head_of(ping), ping)),)
    assert receive(layer, ping) == told
    assert receive(layer, ping) == told
    ok = response(ping, 200)
    assert layer.send(RespondDirect(UDP, ok), 0.0) == (Reply(NOBODY, UDP, ok),)
    assert layer.send(Respond(server_key(ping), 200, ok), 0.0) == ()
    assert len(layer.cells) == 0


def test_a_ping_in_a_dialog_has_a_machine_as_every_request_there() -> None:
    layer = Layer(SECRET, stateless=frozenset({"OPTIONS"}))
    receive(layer, request("OPTIONS", to_tag="to-1"))
    assert len(layer.cells) == 1


def test_a_ping_is_refused_where_anything_new_is() -> None:
    layer = Layer(SECRET, stateless=frozenset({"OPTIONS"}), busy=lambda: True)
    assert [spoken(effect) for effect in receive(layer, request("OPTIONS"))] == ["send 503"]


@pytest.mark.parametrize("method", ["REGISTER", "OPTIONS", "SUBSCRIBE", "MESSAGE", "INVITE"])
def test_fault_2_a_flood_makes_no_state_before_authentication(layer: Layer, method: str) -> None:
    for number in range(1000):
        raw = request(method, branch=f"z9hG4bK{number}", call_id=f"call-{number}")
        challenges(receive(layer, raw))
    assert len(layer.cells) == 0
    assert layer.next_deadline() is None


def test_who_sends_from_an_exempt_address_is_not_challenged() -> None:
    gate = Challenger(REALM, SECRET, exempt=frozenset({UDP.host}))
    assert [spoken(effect) for effect in receive(Layer(SECRET, gate=gate), request())] == ["tell INVITE"]
    assert gate(UDP._replace(host="198.51.100.1"), head_of(request()), request(), 0.0) is not None
