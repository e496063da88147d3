"""Requests outside of any dialog: those of the application to their final response, and MESSAGE from others."""

from __future__ import annotations

import pytest

from actors.dialog.effects import Find, Send
from actors.dialog.events import CommandDone, CommandFailed
from actors.dialog.request_events import MessageReceived, RequestAnswered, SendRequest
from actors.dialog.subscription_events import NotifyReceived
from actors.dialog.user_agent import UserAgent
from actors.sip import parse
from actors.sip.credentials import Challenge
from tests.dialog.phone import NEAR, Phone, answer_to, line, message
from tests.dialog.registrar import ALICE


def order(**more: object) -> SendRequest:
    wanted: dict[str, object] = {"method": "MESSAGE", "uri": "sip:bob@192.0.2.9:5070", "body": b"hello"}
    return SendRequest("r1", "id-1", **{**wanted, **more})  # type: ignore[arg-type]


def sent(phone: Phone, command: SendRequest) -> Send:
    """The request that the command makes."""
    done = phone.command(command)
    assert isinstance(done[0].event, CommandDone), done
    phone.located(phone.last(Find).ref, NEAR)
    last: Send = phone.last(Send)
    return last


def test_a_message_is_delivered_and_its_final_response_is_the_one_event() -> None:
    phone = Phone()
    request = sent(phone, order())
    assert request.raw.startswith(b"MESSAGE sip:bob@192.0.2.9:5070 SIP/2.0\r\n")
    assert line(request.raw, "Content-Type") == "text/plain"
    assert b"\r\nContact:" not in request.raw, "RFC 3428 section 4"
    phone.response(answer_to(request.raw, 200, X_Note="seen"), request.key)
    (answered,) = phone.reports(RequestAnswered)
    assert (answered.request, answered.method, answered.status) == ("id-1", "MESSAGE", 200)
    assert ("X-Note", "seen") in answered.headers
    assert not phone.cells


@pytest.mark.parametrize("status", [202, 302, 404, 480, 503, 600])
def test_each_final_status_is_told_as_it_is(status: int) -> None:
    phone = Phone()
    request = sent(phone, order())
    phone.response(answer_to(request.raw, status), request.key)
    assert phone.reports(RequestAnswered)[0].status == status


def test_silence_and_an_unknown_host_are_told_too() -> None:
    phone = Phone()
    request = sent(phone, order())
    phone.failed(request.key, 408)
    assert phone.reports(RequestAnswered)[0].status == 408
    phone.command(order())
    phone.located(phone.last(Find).ref)
    assert phone.reports(RequestAnswered)[1].status == 0
    phone.command(order())
    phone.wait(200.0)
    assert phone.reports(RequestAnswered)[2].status == 408
    phone.command(order())
    phone._did(phone.agent.transactions_lost(*phone.clock))
    assert len(phone.reports(RequestAnswered)) == 4
    assert not phone.cells


def test_any_method_goes_out_with_headers_and_a_body() -> None:
    phone = Phone()
    request = sent(
        phone, order(method="FROBNICATE", headers=(("X-Way", "up"),), content_type="application/x", body=b"1")
    )
    assert line(request.raw, "CSeq") == "1 FROBNICATE"
    assert line(request.raw, "X-Way") == "up"
    assert line(request.raw, "Contact") == "<sip:sipactors@192.0.2.1:5060>"


def test_an_account_answers_challenges_to_any_method() -> None:
    phone = Phone(accounts=(ALICE,))
    request = sent(phone, order(method="OPTIONS", uri="sip:bob@example.com", account=ALICE.aor, body=b""))
    assert line(request.raw, "From").startswith("<sip:alice@example.com>;tag=q")
    asked = str(Challenge("example.com", "n1", "SHA-256", ("auth",)))
    phone.response(answer_to(request.raw, 401, WWW_Authenticate=asked), request.key)
    again = phone.last(Send)
    assert line(again.raw, "CSeq") == "2 OPTIONS"
    assert "algorithm=SHA-256" in line(again.raw, "Authorization")
    phone.response(answer_to(again.raw, 200), again.key)
    assert [each.status for each in phone.reports(RequestAnswered)] == [200]


def test_the_bindings_of_an_account_can_be_fetched() -> None:
    phone = Phone(accounts=(ALICE,))
    request = sent(phone, order(method="REGISTER", uri="sip:example.com", account=ALICE.aor, body=b""))
    assert b"\r\nContact:" not in request.raw, "RFC 3261 section 10.2.3"


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "INVITE"},
        {"method": "BYE"},
        {"method": "A B"},
        {"uri": "tel:+1"},
        {"uri": "sip:a@b?Subject=x"},
        {"account": "sip:x@y"},
        {"headers": (("Via", "x"),)},
        {"headers": (("X-A", "a\r\nX-B: b"),)},
        {"content_type": "text/plain\r\nX-B: b"},
    ],
)
def test_what_may_not_be_sent_is_refused(wrong: dict[str, object]) -> None:
    phone = Phone(accounts=(ALICE,))
    (outcome,) = phone.command(order(**wrong))
    assert isinstance(outcome.event, CommandFailed)
    assert not phone.cells


def test_a_kill_changes_nothing_and_an_id_is_used_once() -> None:
    phone = Phone()
    request = sent(phone, order())
    phone.start()
    assert isinstance(phone.command(order())[0].event, CommandFailed)
    phone.response(answer_to(request.raw, 200), request.key)
    assert len(phone.reports(RequestAnswered)) == 1


def test_a_message_that_comes_is_answered_and_told() -> None:
    phone = Phone(accounts=(ALICE,))
    raw = message("MESSAGE", body=b"hi \xff", Content_Type="text/plain;charset=UTF-8")
    phone.request(raw.replace(b"sip:us@192.0.2.1:5060", b"sip:alice@192.0.2.1:5060", 1))
    assert phone.statuses == [200]
    (received,) = phone.reports(MessageReceived)
    assert (received.remote, received.account) == ("sip:alice@192.0.2.9", ALICE.aor)
    assert (received.content_type, received.body) == ("text/plain;charset=UTF-8", "hi \ufffd")


def test_a_message_to_a_service_that_drains_is_refused() -> None:
    phone = Phone()
    phone.agent.agent.draining = True
    phone.request(message("MESSAGE", body=b"hi"))
    assert phone.statuses == [503]


# REFER outside of any dialog: what NOTIFYs tell of it (RFC 3515)

REFER_TO = ("Refer-To", "<sip:carol@192.0.2.7>")


def referring(**more: str) -> tuple[Phone, Send]:
    phone = Phone(accounts=(ALICE,))
    request = sent(phone, order(method="REFER", body=b"", headers=(REFER_TO, *more.items()), account=ALICE.aor))
    return phone, request


def tell(phone: Phone, request: Send, cseq: int, state: str, status: str = "", **more: str) -> int:
    head = parse(request.raw).head
    wanted = {"Call_ID": head.call_id, "Event": "refer", "Subscription_State": state, "Content_Type": "message/sipfrag"}
    body = f"SIP/2.0 {status}\r\n".encode() if status else b""
    phone.request(message("NOTIFY", to_tag=head.from_tag, cseq=cseq, body=body, **{**wanted, **more}))
    return phone.statuses[-1]


def told(phone: Phone) -> list[tuple[str, str]]:
    return [(event.state, event.body.strip()) for event in phone.reports(NotifyReceived)]


def test_what_becomes_of_a_refer_outside_of_a_call_is_told_by_its_notifys_to_the_last() -> None:
    phone, request = referring()
    assert line(request.raw, "Refer-To") == "<sip:carol@192.0.2.7>"
    assert line(request.raw, "Contact") == "<sip:alice@192.0.2.1:5060>"
    assert tell(phone, request, 1, "active;expires=60", "100 Trying") == 200, "it may come before the 2xx"
    phone.response(answer_to(request.raw, 202), request.key)
    assert phone.reports(RequestAnswered)[0].status == 202
    phone.agent = UserAgent(phone.settings, phone.agent.agent.names, phone.cells)  # a kill
    assert tell(phone, request, 1, "active;expires=60", "100 Trying") == 500
    assert tell(phone, request, 2, "active;expires=60", "180 Ringing") == 200
    assert tell(phone, request, 3, "active", "180 Ringing", From="<sip:x@192.0.2.9>;tag=another") == 481
    assert tell(phone, request, 3, "terminated;reason=noresource", "200 OK") == 200
    assert told(phone) == [
        ("active", "SIP/2.0 100 Trying"),
        ("active", "SIP/2.0 180 Ringing"),
        ("terminated", "SIP/2.0 200 OK"),
    ]
    event = phone.reports(NotifyReceived)[0]
    assert (event.subscription, event.account, event.event) == ("id-1", ALICE.aor, "refer")
    assert not phone.cells
    assert tell(phone, request, 4, "active", "200 OK") == 481


def test_a_refer_whose_whole_story_comes_before_its_2xx_ends_with_that() -> None:
    phone, request = referring()
    assert tell(phone, request, 1, "terminated;reason=noresource", "486 Busy") == 200
    phone.response(answer_to(request.raw, 202), request.key)
    assert not phone.cells
    assert len(phone.reports(RequestAnswered)) == 1


@pytest.mark.parametrize(("status", "sub"), [(603, "true"), (202, "false")])
def test_a_refer_that_is_declined_or_that_nobody_will_tell_of_is_over(status: int, sub: str) -> None:
    phone, request = referring(**{"Refer-Sub": "false"})
    phone.response(answer_to(request.raw, status, Refer_Sub=sub), request.key)
    assert phone.reports(RequestAnswered)[0].status == status
    assert not phone.cells


def test_a_refer_of_which_nobody_tells_is_given_up_after_64_t1_and_one_that_lapses_after_its_time() -> None:
    phone, request = referring()
    phone.response(answer_to(request.raw, 202), request.key)
    phone.wait(33.0)
    assert told(phone) == [("terminated", "")]
    phone, request = referring()
    phone.response(answer_to(request.raw, 202), request.key)
    tell(phone, request, 1, "active;expires=60", "100 Trying")
    phone.wait(59.0)
    assert phone.cells
    phone.wait(60.0)
    assert told(phone)[-1] == ("terminated", "")
    assert not phone.cells


def test_a_notify_that_is_none_of_a_refers_changes_nothing() -> None:
    phone, request = referring()
    phone.response(answer_to(request.raw, 202), request.key)
    assert tell(phone, request, 1, "active", Event="presence") == 489
    assert tell(phone, request, 1, "", Event="refer") == 400
    assert tell(phone, request, 1, "active", Call_ID="another") == 481
    assert told(phone) == []
    phone = Phone()
    assert tell(phone, sent(phone, order()), 1, "active") == 481


@pytest.mark.parametrize("lines", [(), (REFER_TO, REFER_TO), (REFER_TO, ("r", "<sip:x@y>"))])
def test_a_refer_says_once_where_to(lines: tuple[tuple[str, str], ...]) -> None:
    phone = Phone()
    failed = phone.command(order(method="REFER", body=b"", headers=lines))[0].event
    assert isinstance(failed, CommandFailed)
    assert failed.code == "bad_value"
