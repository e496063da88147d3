"""Digest as a server: whose requests are let in, and what a replay, a guess and a borrowed name get."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from types import FrameType

import pytest

from actors.dialog.accounts import Account, Secret, User
from actors.dialog.call_events import CallReceived
from actors.dialog.guard import LIFETIME, MAX_NONCES, STALE
from actors.sip import Request, parse
from actors.sip.credentials import Challenge, parse_challenge
from actors.sip.digest import Session, ha1
from tests.dialog.phone import FLOW, Phone, invite, message

USERS = (
    User(name="alice", secret=Secret("wonderland")),
    User(name="trunk", secret=Secret("looking-glass"), identities=("*",)),
    User(name="bob", secret=Secret("snark"), identities=("alice",)),
)


def house() -> Phone:
    return Phone(realm="sipactors", users=USERS)


def session(
    name: str = "alice", password: str = "wonderland", *, algorithm: str = "SHA-256", **more: object
) -> Session:
    wanted = {"qop": ("auth",), "algorithm": algorithm, **more}
    challenge = Challenge("sipactors", "nonce-1", **wanted)  # type: ignore[arg-type]
    return Session.begin(challenge, name, ha1(algorithm, name, "sipactors", password), "cnonce")


def signed(raw: bytes, of: Session) -> tuple[Session, bytes]:
    request = parse(raw)
    assert isinstance(request, Request)
    of, proof = of.authorize(request.method, request.uri, request.body)
    return of, raw.replace(b"Max-Forwards", f"Authorization: {proof}\r\nMax-Forwards".encode(), 1)


def status(phone: Phone, raw: bytes) -> int:
    phone.request(raw)
    return phone.statuses[-1]


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize("method", ["OPTIONS", "MESSAGE"])
def test_whoever_proves_it_is_let_in(method: str, algorithm: str) -> None:
    _, raw = signed(message(method, body=b"hi"), session(algorithm=algorithm))
    assert status(house(), raw) == 200


def test_an_invite_that_is_proved_begins_a_call() -> None:
    phone = house()
    phone.receive_call(signed(invite(), session())[1])
    assert phone.reports(CallReceived)


@pytest.mark.parametrize(
    "method", ["INVITE", "OPTIONS", "MESSAGE", "SUBSCRIBE", "REFER", "NOTIFY", "PUBLISH", "REGISTER", "BYE"]
)
def test_fault_42_every_method_that_begins_something_is_asked(method: str) -> None:
    phone = house()
    assert status(phone, message(method)) == 403
    assert not phone.cells


def test_fault_48_a_wrong_password_and_a_user_that_does_not_exist_get_the_same() -> None:
    replies = []
    for name, password in (("alice", "guess"), ("nobody", "guess"), ("nobody", "nobody")):
        phone = house()
        assert status(phone, signed(message("MESSAGE", body=b"x"), session(name, password))[1]) == 403
        replies.append(bytes(phone.last_response()))
    assert len(set(replies)) == 1


def test_fault_48_a_user_that_does_not_exist_costs_the_same_work() -> None:
    """Each function that runs for the one runs for the other, as often: nobody learns it from the time, either."""

    def work(name: str) -> Counter[str]:
        phone, raw, done = house(), signed(message("MESSAGE", body=b"x"), session(name, "guess"))[1], Counter[str]()

        def note(frame: FrameType, event: str, _: object) -> None:
            if "/actors/" in frame.f_code.co_filename:
                done[f"{event} {frame.f_code.co_qualname}"] += 1

        sys.setprofile(note)
        try:
            phone.request(raw)
        finally:
            sys.setprofile(None)
        assert phone.statuses == [403]
        return done

    work("alice")  # what is done once in a process is done
    assert work("alice") == work("nobod")  # of one length, so that what is copied and hashed has
    assert sum(work("alice").values()) > 100


def test_fault_40_what_is_proved_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every digest of a client goes through `hmac.compare_digest`, right or wrong from its first character on."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, two: bytes) -> bool:
        compared.append((one, two))
        return one == two

    monkeypatch.setattr("hmac.compare_digest", compare)
    assert status(house(), signed(message("OPTIONS"), session())[1]) != 403
    (right,) = compared
    assert right[0] == right[1]
    assert status(house(), signed(message("OPTIONS"), session(password="guess"))[1]) == 403
    assert compared[1][0] != compared[1][1]
    assert {len(each) for pair in compared for each in pair} == {64}


def test_fault_40_a_count_serves_once_in_any_order_and_the_replay_is_told_that_its_nonce_is_stale() -> None:
    phone, used = house(), []
    of = session()
    for number in range(4):
        of, raw = signed(message("MESSAGE", body=b"x", branch=f"m{number}"), of)
        used.append(raw)
    for raw in (used[0], used[3], used[1], used[2]):
        assert status(phone, raw) == 200
    for raw in used:
        assert status(phone, raw) == 401
        challenge = parse_challenge(phone.last_response().get("WWW-Authenticate") or "")
        assert isinstance(challenge, Challenge)
        assert (challenge.stale, challenge.nonce, challenge.realm) == (True, STALE, "sipactors")


def test_fault_40_a_replay_is_known_after_a_kill_and_until_its_nonce_is_no_longer_fresh() -> None:
    phone = house()
    of, first = signed(message("MESSAGE", body=b"x"), session())
    second = signed(message("MESSAGE", body=b"x", branch="next"), of)[1]
    assert status(phone, first) == 200
    phone.start()
    assert [status(phone, first), status(phone, second), status(phone, second)] == [401, 200, 401]
    phone.wait(LIFETIME + 1)
    assert not phone.cells


def test_two_that_were_challenged_in_one_second_have_counts_of_their_own() -> None:
    phone = house()
    others = [session(), session("bob", "snark"), replace(session(), cnonce="another")]
    raws = [signed(message("MESSAGE", body=b"x", branch=f"c{n}"), each)[1] for n, each in enumerate(others)]
    assert [status(phone, raw) for raw in raws + raws] == [200, 200, 200, 401, 401, 401]


def test_a_count_that_could_not_be_remembered_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_NONCES > 1
    monkeypatch.setattr("actors.dialog.guard.MAX_NONCES", 1)
    phone = house()
    of, first = signed(message("MESSAGE", body=b"x"), session())
    assert status(phone, first) == 200
    assert status(phone, signed(message("MESSAGE", body=b"x"), session("bob", "snark"))[1]) == 503
    assert status(phone, signed(message("MESSAGE", body=b"x", branch="next"), of)[1]) == 200
    phone.wait(LIFETIME + 1)
    assert status(phone, signed(message("MESSAGE", body=b"x"), session("bob", "snark"))[1]) == 200


def test_a_count_whose_step_was_undone_takes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.dialog.guard.MAX_NONCES", 1)
    phone = house()
    assert status(phone, signed(message("MESSAGE", body=b"x"), session())[1]) == 200
    for key in [key for key in phone.cells if key.startswith(b"g")]:
        phone.cells.delete(key)
    assert status(phone, signed(message("MESSAGE", body=b"x"), session("bob", "snark"))[1]) == 200


def test_who_sends_from_the_address_of_a_trunk_is_not_asked() -> None:
    trunk = Account(aor="sip:100@192.0.2.9", registrar="sip:192.0.2.9", register=False)
    registered = Account(aor="sip:100@192.0.2.9", registrar="sip:192.0.2.9")
    settings = {"realm": "sipactors", "users": USERS}
    assert status(Phone(accounts=(trunk,), **settings), message("OPTIONS")) == 200
    assert status(Phone(accounts=(registered,), **settings), message("OPTIONS")) == 403
    phone = Phone(accounts=(trunk,), **settings)
    phone.request(message("OPTIONS"), FLOW._replace(host="198.51.100.1"))
    assert phone.statuses == [403]


def test_fault_42_a_ping_of_a_trunk_says_whether_an_invite_would_be_taken_now() -> None:
    trunk = Account(aor="sip:100@192.0.2.9", registrar="sip:192.0.2.9", register=False)
    phone = Phone(accounts=(trunk,), realm="sipactors", users=USERS)
    assert status(phone, message("OPTIONS")) == 200
    phone.agent.agent.draining = True
    assert status(phone, message("OPTIONS", cseq=2)) == 503


def test_a_nonce_without_counts_serves_once() -> None:
    phone = house()
    raw = signed(message("MESSAGE", body=b"x"), session(algorithm="MD5", qop=()))[1]
    assert [status(phone, raw), status(phone, raw)] == [200, 401]
    assert status(house(), signed(message("MESSAGE"), session(algorithm="SHA-256", qop=()))[1]) == 403


def test_fault_41_another_name_in_the_from_is_refused_unless_it_is_theirs() -> None:
    as_alice = message("MESSAGE", body=b"x")
    as_carol = as_alice.replace(b"<sip:alice@", b"<sip:carol@", 1)
    bob, trunk = session("bob", "snark"), session("trunk", "looking-glass")
    assert status(house(), signed(as_alice, bob)[1]) == 200
    assert status(house(), signed(as_carol, bob)[1]) == 403
    assert status(house(), signed(as_carol, trunk)[1]) == 200
    assert status(house(), signed(as_carol, session())[1]) == 403


def test_credentials_for_another_request_or_realm_are_none() -> None:
    raw = signed(message("MESSAGE", body=b"x"), session())[1]
    elsewhere = raw.replace(b"MESSAGE sip:us@", b"MESSAGE sip:them@", 1)
    assert status(house(), elsewhere) == 403
    assert status(house(), raw.replace(b'realm="sipactors"', b'realm="other"')) == 403
    assert status(house(), raw.replace(b"Authorization: Digest", b"Authorization: Basic")) == 403


def test_requests_in_a_dialog_are_not_asked() -> None:
    phone = house()
    phone.receive_call(signed(invite(), session())[1])
    tag = phone.our_tag()
    assert status(phone, message("OPTIONS", to_tag=tag, cseq=2)) == 200
