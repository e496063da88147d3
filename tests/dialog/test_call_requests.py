"""Requests in a call that are the application's: sent one after another, received and answered (RFC 3261 s12.2)."""

from __future__ import annotations

import pytest

from actors.dialog.accounts import Account, Secret
from actors.dialog.call_commands import HangUp, SendDigits
from actors.dialog.call_events import CallDigitReceived, CallEnded, CallNoticed
from actors.dialog.call_requests import ANSWER_WITHIN, MAX_INQUIRIES
from actors.dialog.effects import Reply, Send
from actors.dialog.events import CommandDone
from actors.dialog.request_events import AnswerRequest, CallRequestReceived, RequestAnswered, SendInCall
from actors.sip import Request, parse
from actors.sip.vocabulary import TransactionKey
from tests.dialog.phone import OFFER, Phone, answer_to, invite, message


def up(**settings: object) -> Phone:
    phone = Phone("echo", **settings)
    phone.receive_call()
    phone.request(message("ACK", to_tag=phone.our_tag()))
    return phone


def order(phone: Phone, name: str = "one", method: str = "INFO", **more: object) -> SendInCall:
    return SendInCall(f"ref {name}", phone.call.call, name, method, **more)  # type: ignore[arg-type]


def last(phone: Phone, method: str = "INFO") -> tuple[TransactionKey, bytes]:
    send = [each for each in phone.all(Send) if each.key.method == method][-1]
    return send.key, send.raw


def respond(phone: Phone, status: int, method: str = "INFO", **more: object) -> None:
    key, raw = last(phone, method)
    phone.response(answer_to(raw, status, tag="peer", **more), key)  # type: ignore[arg-type]


# Ours.


def test_a_request_of_any_method_is_sent_in_the_dialog_and_its_answer_told() -> None:
    phone = up()
    lines = (("X-Why", "so"),)
    phone.command(order(phone, method="FOO", headers=lines, content_type="application/json", body=b'{"a": 1}'))
    assert phone.reports(CommandDone)[-1].ref == "ref one"
    (foo,) = phone.sent("FOO")
    assert (foo.uri, foo.body, foo.get("X-Why")) == ("sip:alice@192.0.2.9:5070", b'{"a": 1}', "so")
    assert (foo.get("Content-Type"), foo.head.cseq) == ("application/json", 1)
    assert foo.get("Contact") is None
    respond(phone, 202, "FOO", X_Then="that")
    (told,) = phone.reports(RequestAnswered)
    assert (told.request, told.call, told.method, told.status) == ("one", phone.call.call, "FOO", 202)
    assert ("X-Then", "that") in told.headers
    assert not phone.call.wanted


def test_requests_go_one_after_another_and_their_numbers_rise() -> None:
    """By UDP one could overtake the other, and be refused for its CSeq (RFC 3261 s12.2.2)."""
    phone = up()
    for name in ("one", "two"):
        phone.command(order(phone, name, body=name.encode()))
    assert [each.body for each in phone.sent("INFO")] == [b"one"]
    respond(phone, 200)
    respond(phone, 500)
    assert [(each.body, each.head.cseq) for each in phone.sent("INFO")] == [(b"one", 1), (b"two", 2)]
    assert [(each.request, each.status) for each in phone.reports(RequestAnswered)] == [("one", 200), ("two", 500)]


@pytest.mark.parametrize("method", ["INVITE", "ACK", "CANCEL", "BYE", "PRACK", "UPDATE", "REFER", "SUBSCRIBE"])
def test_what_a_call_is_made_of_has_commands_of_its_own(method: str) -> None:
    phone = up()
    phone.command(order(phone, method=method))
    assert phone.failure().code == "bad_value"
    assert not phone.sent(method) or method == "ACK"


@pytest.mark.parametrize(
    "more",
    [
        {"method": "B AD"},
        {"headers": (("Via", "x"),)},
        {"headers": (("CSeq", "9 INFO"),)},
        {"headers": (("X-A", "b\r\nc"),)},
        {"content_type": "a/b\r\nc", "body": b"x"},
    ],
)
def test_what_may_not_be_sent_is_refused_before_anything_happens(more: dict[str, object]) -> None:
    phone = up()
    phone.command(order(phone, **more))  # type: ignore[arg-type]
    assert phone.failure().code == "bad_value"
    assert not phone.all(Send)


def test_a_call_that_is_not_there_or_not_up_sends_nothing() -> None:
    phone = Phone("ring")
    phone.command(SendInCall("1", "nobody", "one", "INFO"))
    assert phone.failure().code == "no_such_call"
    phone.receive_call()
    phone.command(order(phone))
    assert phone.failure().code == "bad_state"


def test_a_481_ends_the_call_and_another_refusal_does_not() -> None:
    phone = up()
    phone.command(order(phone))
    respond(phone, 403)
    assert phone.state == "CONFIRMED"
    phone.command(order(phone, "two"))
    respond(phone, 481)
    phone.finish()
    assert (phone.ended.outcome, phone.ended.status, phone.ended.by) == ("answered", 481, "error")
    assert [each.status for each in phone.reports(RequestAnswered)] == [403, 481]


def test_a_request_that_nobody_answers_is_told_as_408_and_the_next_one_goes() -> None:
    phone = up()
    for name in ("one", "two"):
        phone.command(order(phone, name))
    phone.failed(last(phone)[0], 408)
    assert phone.reports(RequestAnswered)[-1].status == 408
    assert len(phone.sent("INFO")) == 2


def test_each_request_is_told_of_once_when_its_call_ends_first() -> None:
    phone = up()
    for name in ("one", "two"):
        phone.command(order(phone, name))
    phone.command(HangUp("h", phone.call.call))
    respond(phone, 200)
    phone.finish()
    assert [(each.request, each.status) for each in phone.reports(RequestAnswered)] == [("one", 0), ("two", 0)]
    kinds = [type(each.event) for each in phone.effects if hasattr(each, "event")]
    assert kinds[-1] is CallEnded


def test_what_the_transactions_lost_is_told_and_what_waited_goes_on() -> None:
    phone = up()
    for name in ("one", "two"):
        phone.command(order(phone, name))
    phone._did(phone.agent.transactions_lost(*phone.clock))
    assert [(each.request, each.status) for each in phone.reports(RequestAnswered)] == [("one", 408)]
    respond(phone, 200)
    assert phone.reports(RequestAnswered)[-1].request == "two"


def test_a_quarantined_call_tells_of_its_requests_too() -> None:
    phone = up()
    phone.command(order(phone))
    call = phone.call
    phone._did(phone.agent.abandon(call.key, call, *phone.clock))
    assert [each.request for each in phone.reports(RequestAnswered)] == ["one"]


def test_a_challenge_is_answered_with_the_accounts_credentials() -> None:
    account = Account(aor="sip:us@192.0.2.9", register=False, username="us", secret=Secret("secret"))
    phone = Phone("ring", accounts=(account,))
    key = phone.place_call(account="sip:us@192.0.2.9")
    phone.response(answer_to(phone.last(Send).raw, 200, body=OFFER), key)
    phone.command(order(phone))
    key, raw = last(phone)
    challenge = 'Digest realm="192.0.2.9", nonce="n", algorithm=MD5'
    phone.response(answer_to(raw, 401, tag="callee", WWW_Authenticate=challenge), key)
    again = phone.sent("INFO")[-1]
    assert again.get("Authorization") is not None
    respond_key, respond_raw = last(phone)
    phone.response(answer_to(respond_raw, 200), respond_key)
    assert [each.status for each in phone.reports(RequestAnswered)] == [200]


# Keys.


@pytest.mark.parametrize(
    ("by", "kind", "bodies"),
    [
        ("relay", "application/dtmf-relay", [b"Signal=1\r\nDuration=90\r\n", b"Signal=#\r\nDuration=90\r\n"]),
        ("dtmf", "application/dtmf", [b"1", b"#"]),
    ],
)
def test_keys_go_as_an_info_each_with_a_pause_for_a_comma(by: str, kind: str, bodies: list[bytes]) -> None:
    phone = up()
    phone.command(SendDigits("d", phone.call.call, "1,#", 90, by))
    respond(phone, 200)
    assert len(phone.sent("INFO")) == 1
    phone.wait(0.5)
    respond(phone, 200)
    infos = phone.sent("INFO")
    assert [each.body for each in infos] == bodies
    assert {each.get("Content-Type") for each in infos} == {kind}
    assert not phone.reports(RequestAnswered)
    assert not phone.call.wanted


def test_a_key_that_is_refused_takes_those_behind_it_away() -> None:
    phone = up()
    phone.command(SendDigits("d", phone.call.call, "123", 90, "dtmf"))
    phone.command(order(phone, "one"))
    respond(phone, 415)
    (notice,) = phone.reports(CallNoticed)
    assert (notice.kind, notice.text) == ("key_refused", "415 Unsupported Media Type")
    assert len(phone.sent("INFO")) == 2
    assert phone.call.wanted[0].request == "one"


def test_keys_that_are_none_and_ways_that_are_none_are_refused() -> None:
    phone = up()
    for digits, by in (("1x", "relay"), ("1", "morse")):
        phone.command(SendDigits("d", phone.call.call, digits, 90, by))
        assert phone.failure().code == "bad_value"


def test_what_we_send_as_a_key_is_heard_as_one() -> None:
    """Both bodies, by our own other side."""
    for by in ("relay", "dtmf"):
        ours = up()
        ours.command(SendDigits("d", ours.call.call, "a", 90, by))
        body, kind = ours.sent("INFO")[-1].body, ours.sent("INFO")[-1].get("Content-Type")
        theirs = up()
        theirs.request(message("INFO", to_tag=theirs.call.tag, cseq=9, body=body, Content_Type=kind or ""))
        assert theirs.statuses[-1] == 200
        assert [(each.digit, each.duration) for each in theirs.reports(CallDigitReceived)] == [
            ("A", 90 * (by == "relay"))
        ]


# Theirs.


def theirs(phone: Phone, method: str = "FOO", cseq: int = 9, **more: object) -> None:
    phone.request(message(method, to_tag=phone.call.tag, cseq=cseq, **more))  # type: ignore[arg-type]


def test_a_request_of_a_method_that_nobody_answers_is_refused_at_once() -> None:
    phone = up()
    theirs(phone, "FOO")
    theirs(phone, "INFO", cseq=10, body=b"{}", Content_Type="application/json")
    theirs(phone, "INFO", cseq=11)
    assert phone.statuses[-3:] == [501, 415, 200]
    assert not phone.reports(CallRequestReceived)


def test_the_application_is_asked_and_answers() -> None:
    phone = up(methods=("FOO",))
    theirs(phone, body=b"question", Content_Type="text/plain", X_Of="them")
    (told,) = phone.reports(CallRequestReceived)
    assert (told.call, told.method, told.body, told.content_type) == (phone.call.call, "FOO", "question", "text/plain")
    assert ("X-Of", "them") in told.headers
    lines = (("X-Of", "us"),)
    phone.command(AnswerRequest("a", told.call, told.request, 299, "So be it", lines, "text/plain", b"answer"))
    answer = phone.last_response()
    assert (answer.status, answer.reason, answer.body, answer.get("X-Of")) == (299, "So be it", b"answer", "us")
    assert (answer.get("CSeq"), answer.get("Content-Type")) == ("9 FOO", "text/plain")
    phone.command(AnswerRequest("b", told.call, told.request))
    assert phone.failure().ref == "b"
    phone.wait(60.0)
    assert phone.statuses.count(299) == 1
    assert 501 not in phone.statuses


def test_what_it_does_not_answer_in_time_is_refused_as_if_it_were_not_there() -> None:
    phone = up(methods=("FOO", "INFO"))
    theirs(phone)
    phone.wait(1.0)
    theirs(phone, "INFO", cseq=10, body=b"{}", Content_Type="application/json")
    phone.wait(ANSWER_WITHIN - 1.0)
    assert phone.statuses[-1] == 501
    phone.wait(1.0)
    assert phone.statuses[-1] == 415
    assert not phone.call.inquiries


def test_a_key_pressed_stays_a_key_where_the_application_answers_info() -> None:
    phone = up(methods=("INFO",))
    theirs(phone, "INFO", body=b"5", Content_Type="application/dtmf")
    assert phone.statuses[-1] == 200
    theirs(phone, "INFO", cseq=10)
    assert phone.reports(CallRequestReceived)[-1].method == "INFO"


def test_a_request_that_comes_again_is_told_of_once_and_answered_on_its_last_transaction() -> None:
    phone = up(methods=("FOO",))
    theirs(phone)
    theirs(phone, branch="again")
    (told,) = phone.reports(CallRequestReceived)
    phone.command(AnswerRequest("a", told.call, told.request))
    assert phone.last(Reply).key.branch == "z9hG4bKagain"


def test_only_so_many_wait_at_once() -> None:
    phone = up(methods=("FOO",))
    for number in range(MAX_INQUIRIES + 1):
        theirs(phone, cseq=10 + number)
    assert len(phone.reports(CallRequestReceived)) == MAX_INQUIRIES
    assert phone.statuses[-1] == 501


def test_the_end_of_a_call_answers_what_is_open() -> None:
    """RFC 3261 s15.1.2: 487."""
    phone = up(methods=("FOO",))
    theirs(phone)
    theirs(phone, "BYE", cseq=10)
    assert sorted(phone.statuses[-2:]) == [200, 487]


def test_allow_names_what_the_application_answers() -> None:
    phone = up(methods=("FOO",))
    assert parse(phone.last(Reply).raw).get("Allow") is not None
    assert (parse(phone.last(Reply).raw).get("Allow") or "").endswith(", FOO")
    again = Phone("ring", methods=("FOO",))
    again.place_call()
    sent = parse(again.last(Send).raw)
    assert isinstance(sent, Request)
    assert (sent.get("Allow") or "").endswith(", FOO")


def test_such_a_request_before_the_answer_is_refused() -> None:
    phone = Phone("ring", methods=("FOO",))
    phone.receive_call(invite())
    theirs(phone)
    assert phone.statuses[-1] == 501
