"""RFC 3263 section 4.3 and RFC 3261 section 18.1.1: one candidate after the other, each in a transaction of its own."""

from __future__ import annotations

import pytest

from actors.dialog import dialog_state
from actors.dialog.attempt import Attempt, AttemptInput, AttemptState, News, advance, begin, input_of_status
from actors.dialog.call_commands import HangUp
from actors.dialog.dialog_state import Dialog, Path
from actors.dialog.effects import Find, PutBehind, Send, SendAck
from actors.dialog.names import Names
from actors.sip import parse
from actors.sip.vocabulary import Candidate, DialogId, Target, TransactionKey
from tests.dialog.phone import NEAR, OFFER, Phone, answer_to, line

NAMES = Names(b"s" * 32)
FIRST = Candidate(Target("udp", "192.0.2.9", 5070, patience=3.0), "192.0.2.1:5060", 1300, "192.0.2.1:5070")
SECOND = Candidate(Target("udp", "192.0.2.10", 5070), "192.0.2.1:5060")
BY_TCP = Target("tcp", "192.0.2.9", 5070, patience=2.0)


def _attempt(size: int, method: str = "MESSAGE") -> Attempt:
    request = f"{method} sip:a@b SIP/2.0\r\nCSeq: 1 {method}\r\n\r\n".encode()
    return Attempt(AttemptState.NEW, (), "tag", "name", method, request + b"x" * size, "user", "sip:a@b")


def _sent(attempt: Attempt, *candidates: Candidate) -> tuple[Attempt, Send]:
    attempt, _ = begin(attempt, None, NAMES, 0.0)
    attempt, effects = advance(attempt, AttemptInput.LOCATED, News(NAMES, candidates), 0.0)
    send = effects[-1]
    assert isinstance(send, Send)
    return attempt, send


def _after(attempt: Attempt, event: AttemptInput, status: int = 503) -> tuple[Attempt, list[PutBehind], list[Send]]:
    attempt, effects = advance(attempt, event, News(NAMES, (), status, "why"), 0.0)
    behind = [effect for effect in effects if isinstance(effect, PutBehind)]
    return attempt, behind, [effect for effect in effects if isinstance(effect, Send)]


# RFC 3261 section 18.1.1


def test_a_request_of_at_most_the_limit_goes_by_udp() -> None:
    _, send = _sent(_attempt(100), FIRST, SECOND)
    assert send.target == FIRST.target
    assert line(send.raw, "Via").startswith("SIP/2.0/UDP 192.0.2.1:5060;")


def test_a_larger_one_goes_by_tcp_with_a_via_and_a_contact_that_say_so() -> None:
    _, send = _sent(_attempt(1300), FIRST, SECOND)
    assert send.target == BY_TCP
    assert line(send.raw, "Via").startswith("SIP/2.0/TCP 192.0.2.1:5070;")
    assert line(send.raw, "Contact") == "<sip:user@192.0.2.1:5070;transport=tcp>"


def test_where_the_connection_cannot_be_opened_it_goes_by_udp_after_all_with_the_right_via() -> None:
    attempt, first = _sent(_attempt(1300), FIRST, SECOND)
    attempt, behind, (again,) = _after(attempt, AttemptInput.FAILED)
    assert behind == [PutBehind(BY_TCP)], "so that the transport does not offer it to the next one"
    assert again.target == FIRST.target
    assert line(again.raw, "Via").startswith("SIP/2.0/UDP 192.0.2.1:5060;")
    assert again.key != first.key
    attempt, behind, (last,) = _after(attempt, AttemptInput.FAILED)
    assert (behind, last.target) == ([PutBehind(FIRST.target)], SECOND.target)
    attempt, _, none = _after(attempt, AttemptInput.FAILED)
    assert (attempt.state, none) == (AttemptState.EXHAUSTED, [])


def test_a_server_that_answered_503_by_tcp_is_not_asked_again_by_udp() -> None:
    attempt, _ = _sent(_attempt(1300), FIRST, SECOND)
    _, _, (next_one,) = _after(attempt, AttemptInput.UNAVAILABLE)
    assert next_one.target == SECOND.target
    attempt, _ = _sent(_attempt(1300), FIRST)
    attempt, _, none = _after(attempt, AttemptInput.UNAVAILABLE)
    assert (attempt.state, attempt.status, none) == (AttemptState.EXHAUSTED, 503, [])


def test_an_ack_too_large_for_udp_goes_by_tcp_and_when_it_is_asked_for_again_by_udp() -> None:
    ack, effects = begin(_attempt(1300, "ACK"), FIRST, NAMES, 0.0)
    (sent,) = effects
    assert isinstance(sent, SendAck)
    assert sent.target == BY_TCP
    for _ in range(2):
        ack, (again,) = advance(ack, AttemptInput.SEND, News(NAMES), 0.0)
        assert isinstance(again, SendAck)
        assert again.target == FIRST.target


def test_a_large_request_in_a_dialog_asks_the_transport_for_its_way() -> None:
    path = Path("udp", "192.0.2.1:5060", "192.0.2.9", 5070, "udp:0", direct=True)
    dialog = Dialog(DialogId("c", "l", "r"), "<sip:l>", "<sip:r>", (), "sip:bob@192.0.2.9:5070", 1, 1, path)
    small, hop = dialog_state.attempt(dialog, "n", "INFO", b"x" * 1000)
    assert hop == Candidate(Target("udp", "192.0.2.9", 5070, "udp:0"), "192.0.2.1:5060")
    large, hop = dialog_state.attempt(dialog, "n", "INFO", b"x" * 1001)
    assert (small.uri, large.uri, hop) == ("", "sip:bob@192.0.2.9:5070", None)


# RFC 3263 section 4.3


def _ringing(phone: Phone) -> tuple[TransactionKey, bytes, TransactionKey, bytes]:
    """A call out that gave up its first candidate and rings at its second: key and INVITE of both."""
    first = phone.place_call(FIRST, SECOND)
    phone.failed(first)
    second = phone.invite_key()
    one, two = (effect.raw for effect in phone.all(Send))
    return first, one, second, two


def test_each_candidate_gets_the_same_request_with_another_branch() -> None:
    _, one, _, two = _ringing(Phone())
    first, second = parse(one), parse(two)
    assert first.head._replace(branch="") == second.head._replace(branch="")
    assert first.head.branch != second.head.branch
    assert first.body == second.body


def test_a_name_that_leads_nowhere_counts_as_503() -> None:
    phone = Phone()
    phone.command(_place())
    phone.located(phone.last(Find).ref)
    assert (phone.ended.outcome, phone.ended.status) == ("unreachable", 503)


def _place() -> object:
    from tests.dialog.phone import place

    return place(uri="sip:bob@nowhere.example")


def test_a_late_2xx_of_a_candidate_that_was_given_up_gets_ack_and_bye_and_the_call_goes_on() -> None:
    phone = Phone()
    first, one, second, two = _ringing(phone)
    phone.response(answer_to(one, 200, tag="late", body=OFFER), first)
    (ack,), (bye,) = phone.sent("ACK"), phone.sent("BYE")
    assert line(bytes(ack), "To").endswith(";tag=late")
    assert line(bytes(bye), "To").endswith(";tag=late")
    assert phone.state == "INVITING"
    phone.response(answer_to(bytes(bye), 200), phone.bye_key())
    phone.response(answer_to(one, 200, tag="late", body=OFFER), first)
    assert len(phone.sent("ACK")) == 2
    phone.response(answer_to(two, 200, tag="now", body=OFFER), second)
    assert phone.state == "CONFIRMED"
    assert phone.call.dialog is not None
    assert phone.call.dialog.id.remote_tag == "now"


def test_the_bye_to_a_late_one_is_over_when_it_is_answered_though_the_call_is_being_cancelled() -> None:
    phone = Phone()
    first, one, _, _ = _ringing(phone)
    phone.response(answer_to(one, 200, tag="late", body=OFFER), first)
    phone.command(HangUp("h", phone.call.call))
    assert phone.state == "CANCELLING"
    assert [fork.bye.over for fork in phone.call.forks] == [False]
    phone.response(answer_to(bytes(phone.sent("BYE")[0]), 200), phone.bye_key())
    assert [fork.bye.over for fork in phone.call.forks] == [True]
    assert phone.state == "CANCELLING"


def test_the_requests_to_a_late_one_go_the_way_that_its_invite_went() -> None:
    phone = Phone()
    tcp = Candidate(Target("tcp", "192.0.2.9", 5070), "192.0.2.1:5070")
    first = phone.place_call(FIRST._replace(sent_by="192.0.2.1:5062"), tcp)
    phone.failed(first)
    one = phone.all(Send)[0].raw
    phone.response(answer_to(one, 200, tag="late", body=OFFER, contact="<sip:bob@192.0.2.9:5070>"), first)
    assert line(bytes(phone.sent("BYE")[0]), "Via").startswith("SIP/2.0/UDP 192.0.2.1:5062;")


@pytest.mark.parametrize("contact", ["<sip:bob@192.0.2.9:5070>", "<sip:bob@callee.example>"])
def test_a_late_2xx_after_every_candidate_failed_still_gets_ack_and_bye(contact: str) -> None:
    phone = Phone()
    first, one, second, _ = _ringing(phone)
    phone.failed(second)
    phone.finish()
    assert phone.ended.outcome == "unreachable"
    phone.response(answer_to(one, 200, tag="late", body=OFFER, contact=contact), first)
    for find in phone.all(Find)[1:]:
        phone.located(find.ref, NEAR)
    assert (len(phone.sent("ACK")), len(phone.sent("BYE"))) == (1, 1)
    phone.wait(40.0)
    assert phone.calls == []


def test_a_late_2xx_with_a_name_as_contact_is_located_while_the_next_candidate_rings() -> None:
    phone = Phone()
    first, one, _, _ = _ringing(phone)
    phone.response(answer_to(one, 200, tag="late", body=OFFER, contact="<sip:bob@callee.example>"), first)
    for find in phone.all(Find)[1:]:
        phone.located(find.ref, NEAR)
    assert (len(phone.sent("ACK")), len(phone.sent("BYE")), phone.state) == (1, 1, "INVITING")


def _redirected() -> Phone:
    """A call out that was sent elsewhere, whose next hops are looked for."""
    phone = Phone()
    key = phone.place_call(follow=True)
    phone.response(answer_to(phone.all(Send)[-1].raw, 302, Contact="<sip:bob@192.0.2.77>"), key)
    assert phone.state == "LOCATING"
    return phone


def test_a_redirected_call_keeps_its_media_and_goes_on_at_once_where_it_is_reached_from_there() -> None:
    phone = _redirected()
    phone.located(phone.last(Find).ref, SECOND)
    assert phone.state == "INVITING"


@pytest.mark.parametrize("end", ["nowhere", "hang up", "ring timeout"])
def test_a_redirected_call_that_ends_before_its_next_hop_is_known_closes_its_media_and_is_told(end: str) -> None:
    phone = _redirected()
    if end == "nowhere":
        phone.located(phone.last(Find).ref)
    elif end == "hang up":
        phone.command(HangUp("r2", "call-1@host"))
    else:
        phone.wait(61.0)
    phone.finish()
    assert phone.ended.outcome in {"unreachable", "cancelled", "no_answer"}
    assert phone.calls == []


def test_a_server_that_says_for_how_long_it_is_unavailable_is_left_alone_for_as_long() -> None:
    phone = Phone()
    key = phone.place_call(FIRST, SECOND)
    phone.response(answer_to(phone.all(Send)[-1].raw, 503, Retry_After="120"), key)
    assert phone.last(PutBehind) == PutBehind(FIRST.target, 120.0)
    phone.failed(phone.invite_key())
    assert phone.last(PutBehind) == PutBehind(SECOND.target)


@pytest.mark.parametrize(
    ("status", "event"),
    [
        (100, AttemptInput.PROVISIONAL),
        (199, AttemptInput.PROVISIONAL),
        (200, AttemptInput.FINAL),
        (503, AttemptInput.UNAVAILABLE),
        (603, AttemptInput.FINAL),
    ],
)
def test_only_503_says_that_another_server_may_do_better(status: int, event: AttemptInput) -> None:
    assert input_of_status(status) is event
