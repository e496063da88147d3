"""Calls by an account: its name, its way, its credentials, and who never gets them."""

from __future__ import annotations

import msgspec
import pytest

from actors.dialog.accounts import Account, Secret
from actors.dialog.call_commands import HangUp, HoldCall, TransferCall
from actors.dialog.call_events import CallReceived
from actors.dialog.effects import Cancel, Find, Reply, Send
from actors.sip import Request, parse
from actors.sip.credentials import Challenge, Credentials, parse_credentials
from actors.sip.digest import ha1, verify
from actors.sip.vocabulary import Candidate, Target, TransactionKey
from tests.dialog.phone import OFFER, Phone, answer_to, invite, line, message, place
from tests.dialog.registrar import ALICE, Line

change = msgspec.structs.replace
TRUNK = Account(
    aor="sip:100@carrier.example",
    display_name="Reception",
    register=False,
    username="100",
    secret=Secret("wonderland"),
    outbound_proxy="sip:edge.carrier.example;lr",
)
EDGE = Candidate(Target("udp", "192.0.2.77", 5060), "192.0.2.1:5060")


class Caller(Phone):
    """A phone that calls by the trunk."""

    def call_by_trunk(self, **order: object) -> TransactionKey:
        """A call by the trunk, up to its INVITE."""
        wanted: dict[str, object] = {"uri": "sip:+15551234@carrier.example", "account": TRUNK.aor, **order}
        return self.place_call(EDGE, **wanted)

    def challenged(self, key: TransactionKey, status: int = 407, **more: object) -> Request:
        """The peer asks for credentials; what is sent then."""
        raw = next(e.raw for e in self.all(Send) if e.key == key)
        name = "Proxy-Authenticate" if status == 407 else "WWW-Authenticate"
        before = len(self.all(Send))
        self.response(answer_to(raw, status, **{name.replace("-", "_"): challenge(**more)}), key)
        sent = self.all(Send)[before:]
        assert len(sent) == 1, sent
        message = parse(sent[0].raw)
        assert isinstance(message, Request)
        return message

    def unproven(self, key: TransactionKey, status: int = 407, **more: object) -> bool:
        """The peer asks for credentials: whether nothing at all is sent then."""
        raw = next(e.raw for e in self.all(Send) if e.key == key)
        name = "Proxy-Authenticate" if status == 407 else "WWW-Authenticate"
        before = len(self.all(Send))
        self.response(answer_to(raw, status, **{name.replace("-", "_"): challenge(**more)}), key)
        return len(self.all(Send)) == before


def challenge(nonce: str = "n1", realm: str = "carrier.example", *, stale: bool = False, **more: object) -> str:
    return str(Challenge(realm, nonce, "MD5", ("auth",), stale=stale, **more))  # type: ignore[arg-type]


def proven(request: Request, *, proxy: bool = True) -> Credentials:
    value = request.get("Proxy-Authorization" if proxy else "Authorization")
    assert value is not None
    found = parse_credentials(value)
    assert isinstance(found, Credentials)
    assert found.uri == request.uri
    assert verify(found, ha1("MD5", "100", found.realm, "wonderland"), request.method, request.body)
    return found


def phone() -> Caller:
    return Caller(accounts=(TRUNK,))


def test_the_invite_carries_the_name_and_takes_the_way_of_the_account() -> None:
    caller = phone()
    caller.call_by_trunk()
    assert caller.last(Find).uri == "sip:edge.carrier.example;lr"
    (request,) = caller.sent("INVITE")
    assert request.get("From").startswith('"Reception" <sip:100@carrier.example>;tag=')  # type: ignore[union-attr]
    assert request.get("Route") == "<sip:edge.carrier.example;lr>"
    assert request.get("Contact") == "<sip:100@192.0.2.1:5060>"


def test_a_trunk_may_call_by_another_number() -> None:
    caller = phone()
    caller.call_by_trunk(caller="sip:+15550000@carrier.example")
    (request,) = caller.sent("INVITE")
    assert (request.get("From") or "").startswith("<sip:+15550000@carrier.example>;tag=")


def test_a_407_is_answered_by_the_same_call_with_the_next_number_and_another_branch() -> None:
    caller = phone()
    first = caller.call_by_trunk()
    request = caller.challenged(first)
    proven(request)
    original = caller.sent("INVITE")[0]
    assert request.call_id == original.call_id
    assert request.head.from_tag == original.head.from_tag
    assert request.cseq.number == original.cseq.number + 1
    assert request.head.branch != original.head.branch
    assert request.body == original.body
    assert caller.state == "INVITING"


def test_the_ack_and_the_bye_show_credentials_too() -> None:
    caller = phone()
    caller.call_by_trunk()
    retried = caller.challenged(caller.invite_key())
    caller.response(answer_to(bytes(retried), 200, body=OFFER), caller.invite_key())
    (ack,) = caller.sent("ACK")
    assert ack.get("Proxy-Authorization") == retried.get("Proxy-Authorization")
    assert ack.cseq.number == retried.cseq.number
    caller.command(HangUp("h", "call-1@host"))
    (bye,) = caller.sent("BYE")
    assert proven(bye).nonce_count == 2
    assert bye.cseq.number == retried.cseq.number + 1


def test_a_bye_that_is_challenged_with_a_new_nonce_goes_again() -> None:
    caller = phone()
    caller.call_by_trunk()
    caller.response(
        answer_to(bytes(caller.sent("INVITE")[0]), 200, body=OFFER, contact="<sip:gw@192.0.2.77:5060>"),
        caller.invite_key(),
    )
    caller.command(HangUp("h", "call-1@host"))
    again = caller.challenged(caller.bye_key(), 401)
    proven(again, proxy=False)
    assert again.method == "BYE"
    stale = caller.challenged(caller.bye_key(), 401, nonce="n2", stale=True)
    assert proven(stale, proxy=False).nonce == "n2"
    assert [bye.cseq.number for bye in caller.sent("BYE")] == [2, 3, 4]
    caller.finish()
    assert {call.state.name for call in caller.calls} <= {"LINGERING"}


def test_fault_38_a_callee_that_asks_for_our_trunks_credentials_gets_none_and_the_call_ends() -> None:
    caller = phone()
    caller.call_by_trunk()
    caller.challenged(caller.invite_key())
    raw = bytes(caller.sent("INVITE")[-1])
    caller.response(answer_to(raw, 200, body=OFFER, contact="<sip:mallory@198.51.100.66:5060>"), caller.invite_key())
    caller.command(HangUp("h", "call-1@host"))
    assert caller.unproven(caller.bye_key(), 401)
    assert caller.unproven(caller.bye_key(), 407)


def test_fault_39_credentials_that_are_refused_end_the_call() -> None:
    caller = phone()
    caller.call_by_trunk()
    caller.challenged(caller.invite_key())
    assert caller.unproven(caller.invite_key(), nonce="n2")
    caller.closed(caller.session)
    assert (caller.ended.outcome, caller.ended.status) == ("rejected", 407)


def test_fault_39_an_endless_stale_is_answered_five_times() -> None:
    caller = phone()
    caller.call_by_trunk()
    for number in range(5):
        caller.challenged(caller.invite_key(), nonce=f"n{number}", stale=True)
    assert caller.unproven(caller.invite_key(), nonce="n9", stale=True)
    assert len(caller.sent("INVITE")) == 6


def test_a_call_without_an_account_shows_no_credentials() -> None:
    caller = phone()
    key = caller.place_call(EDGE, uri="sip:+15551234@carrier.example")
    assert caller.unproven(key)


def test_the_next_candidate_gets_credentials_and_the_number_reached() -> None:
    caller = phone()
    spare = EDGE._replace(target=Target("udp", "192.0.2.78", 5060))
    caller.place_call(EDGE, spare, uri="sip:1@carrier.example", account=TRUNK.aor)
    retried = caller.challenged(caller.invite_key())
    caller.failed(caller.invite_key())
    last = caller.sent("INVITE")[-1]
    assert last.cseq.number == retried.cseq.number
    assert proven(last).nonce_count == 2


def test_a_challenged_call_can_be_cancelled() -> None:
    caller = phone()
    caller.call_by_trunk()
    caller.challenged(caller.invite_key())
    caller.response(answer_to(bytes(caller.sent("INVITE")[-1]), 180), caller.invite_key())
    caller.command(HangUp("h", "call-1@host"))
    assert [cancel.key for cancel in caller.all(Cancel)] == [caller.invite_key()]


def test_a_kill_between_challenge_and_answer_changes_nothing() -> None:
    caller = phone()
    caller.call_by_trunk()
    caller.start()
    retried = caller.challenged(caller.invite_key())
    proven(retried)
    caller.start()
    caller.response(answer_to(bytes(retried), 200, body=OFFER), caller.invite_key())
    assert caller.state == "CONFIRMED"


def test_an_account_nobody_configured_is_refused() -> None:
    caller = phone()
    caller.command(place(account="sip:nobody@carrier.example"))
    assert caller.failure().code == "bad_value"


def test_the_service_route_of_the_registration_is_the_way_of_its_calls() -> None:
    registered = Line(ALICE)
    registered.registrar.headers = [("Service-Route", "<sip:edge.example.com;lr>")]
    registered.begin()
    registered.command(place(uri="sip:bob@elsewhere.example", account=ALICE.aor))
    assert registered.last(Find).uri == "sip:edge.example.com;lr"


def test_a_call_in_names_the_account_it_came_for() -> None:
    receiver = Phone(accounts=(TRUNK, ALICE))
    raw = invite().replace(b"sip:us@192.0.2.1:5060", b"sip:alice@192.0.2.1:5060", 1)
    receiver.receive_call(raw)
    assert receiver.reports(CallReceived)[0].account == ALICE.aor
    other = Phone(accounts=(TRUNK, ALICE))
    other.receive_call()
    assert other.reports(CallReceived)[0].account == ""
    assert line(other.last(Reply).raw, "To")


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "MESSAGE", "SUBSCRIBE"])
def test_fault_48_who_is_called_here_and_who_is_not_get_the_same_answer_to_the_byte(method: str) -> None:
    """Nobody learns which users there are by asking for them."""
    answers = []
    for user in (b"alice", b"nobody", b"100"):
        asked = Phone(accounts=(TRUNK, ALICE))
        raw = invite() if method == "INVITE" else message(method, body=b"hi", Event="presence")
        asked.request(raw.replace(b"sip:us@192.0.2.1:5060", b"sip:%s@192.0.2.1:5060" % user, 1))
        if method == "INVITE":
            asked.prepared(asked.session)
        answers.append([reply.raw for reply in asked.all(Reply)])
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]


def up_by_trunk() -> Caller:
    """A call by the trunk that is up with the trunk's gateway."""
    caller = phone()
    caller.call_by_trunk()
    retried = caller.challenged(caller.invite_key())
    answered = answer_to(bytes(retried), 200, body=OFFER, contact="<sip:gw@192.0.2.77:5060>")
    caller.response(answered, caller.invite_key())
    assert caller.state == "CONFIRMED"
    return caller


def test_a_reinvite_shows_credentials_and_goes_again_when_they_are_stale() -> None:
    caller = up_by_trunk()
    caller.command(HoldCall("h", "call-1@host"))
    first = caller.sent("INVITE")[-1]
    assert proven(first).nonce_count == 2
    again = caller.challenged(caller.invite_key(), nonce="n2", stale=True)
    assert (proven(again).nonce, again.cseq.number) == ("n2", first.cseq.number + 1)
    assert again.body == first.body
    caller.response(
        answer_to(bytes(again), 200, body=OFFER.replace(b"s=-", b"s=-\r\na=recvonly", 1)), caller.invite_key()
    )
    ack = caller.sent("ACK")[-1]
    assert ack.cseq.number == again.cseq.number
    assert ack.get("Proxy-Authorization") == again.get("Proxy-Authorization")
    assert caller.state == "CONFIRMED"


def test_fault_38_a_callee_that_challenges_our_reinvite_gets_nothing() -> None:
    caller = phone()
    caller.call_by_trunk()
    raw = bytes(caller.sent("INVITE")[-1])
    caller.response(answer_to(raw, 200, body=OFFER, contact="<sip:mallory@198.51.100.66:5060>"), caller.invite_key())
    caller.command(HoldCall("h", "call-1@host"))
    assert caller.unproven(caller.invite_key(), 401)


def test_a_refer_that_is_challenged_goes_again() -> None:
    caller = up_by_trunk()
    caller.command(TransferCall("t", "call-1@host", "sip:carol@carrier.example", "", follow=True))
    key = [e.key for e in caller.all(Send) if e.key.method == "REFER"][-1]
    again = caller.challenged(key, nonce="n2", stale=True)
    assert again.method == "REFER"
    assert proven(again).nonce == "n2"


def test_a_prack_shows_what_was_asked_for_and_is_answered_when_it_is_asked_afresh() -> None:
    """RFC 3261 s22.2, in an early dialog."""
    caller = phone()
    caller.challenged(caller.call_by_trunk())
    invited = [e for e in caller.all(Send) if e.key.method == "INVITE"][-1]
    route = {"Record_Route": "<sip:192.0.2.77;lr>"}
    caller.response(answer_to(invited.raw, 180, Require="100rel", RSeq="1", **route), invited.key)
    (prack,) = caller.sent("PRACK")
    assert proven(prack).nonce == "n1"
    again = caller.challenged(caller.last(Send).key, nonce="n2", stale=True)
    assert (again.method, again.head.cseq, again.get("RAck")) == ("PRACK", prack.head.cseq + 1, prack.get("RAck"))
    assert proven(again).nonce == "n2"
    caller.response(answer_to(invited.raw, 200, body=OFFER, **route), invited.key)
    caller.command(HangUp("h", caller.call.call))
    assert caller.sent("BYE")[0].head.cseq == again.head.cseq + 1


def test_a_reliable_response_does_not_let_a_peer_ask_for_credentials_for_ever() -> None:
    """FAULTS 39: five times a request, its PRACKs among them."""
    caller = phone()
    caller.call_by_trunk()
    for number in range(20):
        invited = [e for e in caller.all(Send) if e.key.method == "INVITE"][-1]
        caller.response(answer_to(invited.raw, 180, tag=f"t{number}", Require="100rel", RSeq="1"), invited.key)
        asked = {"Proxy_Authenticate": challenge(nonce=f"n{number}", stale=True)}
        caller.response(answer_to(invited.raw, 407, tag=f"t{number}", **asked), invited.key)
        if not caller.calls or caller.state != "INVITING":
            break
    assert len(caller.sent("INVITE")) <= 7
