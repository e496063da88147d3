"""3xx followed or handed over, causes and headers of an end, limits (RFC 3261 sections 8.1.3.4 and 21, RFC 3326)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actors.dialog.call_commands import AnswerCall, HangUp, RejectCall, Treatment
from actors.dialog.call_events import CallAnswered, CallDigitReceived, CallProgressed, CallReceived
from actors.dialog.effects import Find, Reply, Send
from actors.dialog.events import CommandFailed, DoNotDisturb
from actors.sip import parse
from tests.dialog.phone import NEAR, OFFER, Phone, answer_to, invite, line, message
from tests.dialog.test_change import callee, respond, sent

TWO = {"Contact": "<sip:second@192.0.2.20>;q=0.2, <sip:first@192.0.2.21>;q=0.9, <tel:+1>, <sip:x@h?Subject=y>"}


def redirected(status: int = 302, contact: str = TWO["Contact"], **order: object) -> Phone:
    """A call out that was answered with a 3xx."""
    phone = Phone()
    key = phone.place_call(**order)  # type: ignore[arg-type]
    phone.response(answer_to(sent(phone, "INVITE"), status, Contact=contact), key)
    return phone


def test_a_3xx_is_followed_in_the_order_of_q_with_the_same_call_id_and_a_new_cseq() -> None:
    phone = redirected()
    assert phone.last(Find).uri == "sip:first@192.0.2.21"
    phone.located(phone.last(Find).ref, NEAR)
    first, second = (parse(send.raw) for send in phone.all(Send))
    assert second.uri == "sip:first@192.0.2.21"  # type: ignore[union-attr]
    assert (second.call_id, second.from_.tag, str(second.to)) == (first.call_id, first.from_.tag, str(first.to))
    assert (first.head.cseq, second.head.cseq) == (1, 2)
    assert first.body == second.body
    respond(phone, "INVITE", 486)
    assert phone.last(Find).uri == "sip:second@192.0.2.20"
    phone.located(phone.last(Find).ref, NEAR)
    respond(phone, "INVITE", 200, body=OFFER)
    assert phone.state == "CONFIRMED"
    assert phone.sent("ACK")[0].head.cseq == 3


def test_when_all_targets_have_failed_the_last_failure_counts() -> None:
    phone = redirected(contact="<sip:first@192.0.2.21>")
    phone.located(phone.last(Find).ref)
    phone.finish()
    assert phone.ended.outcome == "unreachable"
    phone = redirected(contact="<sip:first@192.0.2.21>")
    phone.located(phone.last(Find).ref, NEAR)
    respond(phone, "INVITE", 486)
    phone.finish()
    assert (phone.ended.outcome, phone.ended.status) == ("busy", 486)


def test_media_that_is_lost_while_a_redirection_is_sought_is_prepared_anew() -> None:
    phone = redirected()
    session = phone.session
    phone.lost(session)
    phone.located(phone.last(Find).ref, NEAR)
    assert phone.session != session
    phone.prepared(phone.session, port=20000)
    assert b"m=audio 20000 " in parse(sent(phone, "INVITE")).body


def test_a_circle_of_redirections_ends() -> None:
    phone = redirected(contact="<sip:bob@192.0.2.9:5070>")
    phone.finish()
    assert phone.ended.status == 302
    phone = redirected(contact="<sip:0@192.0.2.21>")
    number = 0
    while phone.state == "LOCATING":
        phone.located(phone.last(Find).ref, NEAR)
        number += 1
        respond(phone, "INVITE", 302, Contact=f"<sip:{number}@192.0.2.21>")
    assert number == 5


@pytest.mark.parametrize("contact", ["", "*", "<sip:@@@>", "<tel:+123>"])
def test_a_3xx_that_leads_nowhere_ends_the_call(contact: str) -> None:
    phone = Phone()
    key = phone.place_call()
    more = {"Contact": contact} if contact else {}
    phone.response(answer_to(sent(phone, "INVITE"), 302, **more), key)
    phone.finish()
    assert (phone.ended.outcome, phone.ended.status, phone.ended.contacts) == ("rejected", 302, ())


def test_a_3xx_can_be_handed_over() -> None:
    phone = redirected(300, follow=False)
    phone.finish()
    assert (phone.ended.outcome, phone.ended.status) == ("rejected", 300)
    assert phone.ended.contacts == ("sip:first@192.0.2.21", "sip:second@192.0.2.20")


def test_a_ringing_time_out_and_a_hang_up_end_a_redirection() -> None:
    phone = redirected(ring_timeout=10.0)
    phone.wait(11)
    phone.finish()
    assert phone.ended.outcome == "no_answer"
    phone = redirected()
    phone.command(HangUp("h", "call-1@host"))
    phone.finish()
    assert phone.ended.outcome == "cancelled"


# Causes, headers, decisions.


@pytest.mark.parametrize(
    ("status", "headers", "cause"),
    [
        (486, {}, 17),
        (404, {}, 1),
        (480, {}, 18),
        (499, {}, 127),
        (603, {"Reason": 'SIP;cause=1, Q.850;cause=20;text="absent"'}, 20),
        (603, {"Reason": "Q.850;cause=900"}, 21),
        (603, {"Reason": "Q.850;cause=x"}, 21),
        (603, {"Reason": ";;;"}, 21),
    ],
)
def test_the_cause_of_a_refusal_is_the_peers_or_the_one_its_status_stands_for(
    status: int, headers: dict[str, str], cause: int
) -> None:
    phone = Phone()
    key = phone.place_call()
    phone.response(answer_to(sent(phone, "INVITE"), status, **headers), key)
    phone.finish()
    assert phone.ended.cause == cause


def test_a_bye_tells_its_cause_and_headers() -> None:
    phone = callee()
    phone.request(message("BYE", to_tag=phone.call.tag, cseq=2, Reason="Q.850;cause=31", X_Bill="7"))
    phone.finish()
    assert phone.ended.cause == 31
    assert dict(phone.ended.headers) == {"Reason": "Q.850;cause=31", "X-Bill": "7"}
    phone = callee()
    phone.command(HangUp("h", phone.call.call, (("Reason", "Q.850;cause=16"),)))
    assert phone.sent("BYE")[0].get("Reason") == "Q.850;cause=16"
    phone.finish()
    assert phone.ended.cause == 16


def test_a_hang_up_before_the_ack_keeps_its_headers() -> None:
    phone = Phone("echo")
    phone.receive_call()
    phone.command(HangUp("h", phone.call.call, (("X-Why", "late"),)))
    phone.request(message("ACK", to_tag=phone.call.tag))
    assert phone.sent("BYE")[0].get("X-Why") == "late"


def test_identity_and_own_headers_come_in_with_the_call() -> None:
    phone = Phone()
    wanted = {
        "P_Asserted_Identity": '"Al" <sip:al@example.com>',
        "Privacy": "id",
        "Diversion": "<sip:before@example.com>;reason=no-answer",
        "X_Ticket": "42",
        "Accept": "text/plain",
    }
    phone.receive_call(invite(**wanted))
    told = dict(phone.reports(CallReceived)[0].headers)
    assert told == {name.replace("_", "-"): value for name, value in wanted.items() if name != "Accept"}
    phone = Phone()
    phone.receive_call()
    assert phone.reports(CallReceived)[0].headers == ()


def test_headers_of_responses_are_told_too() -> None:
    phone = Phone()
    phone.place_call()
    respond(phone, "INVITE", 180, X_Queue="3")
    respond(phone, "INVITE", 200, body=OFFER, P_Asserted_Identity="<sip:b@h>")
    assert phone.reports(CallProgressed)[0].headers == (("X-Queue", "3"),)
    assert phone.reports(CallAnswered)[0].headers == (("P-Asserted-Identity", "<sip:b@h>"),)


def test_identity_headers_go_out_with_the_call() -> None:
    phone = Phone()
    phone.place_call(headers=(("P-Preferred-Identity", "<sip:me@h>"), ("Privacy", "id")))
    assert line(sent(phone, "INVITE"), "P-Preferred-Identity") == "<sip:me@h>"


def test_any_refusal_with_any_reason_and_a_redirection() -> None:
    phone = Phone()
    phone.receive_call()
    reason = (("Reason", "Q.850;cause=17"), ("Retry-After", "60"))
    phone.command(RejectCall("r", phone.call.call, 486, "Lunch", reason))
    raw = phone.last(Reply).raw
    assert raw.startswith(b"SIP/2.0 486 Lunch\r\n")
    assert line(raw, "Reason") == "Q.850;cause=17"
    phone = Phone()
    phone.receive_call()
    phone.command(RejectCall("r", phone.call.call, 302, "", (), ("sip:a@h", "sip:b@h")))
    assert [str(contact.uri) for contact in phone.last_response().contacts] == ["sip:a@h", "sip:b@h"]


@pytest.mark.parametrize(
    "command",
    [
        RejectCall("r", "", 200, ""),
        RejectCall("r", "", 486, "a\r\nb"),
        RejectCall("r", "", 302, "", (), ("not a uri",)),
        RejectCall("r", "", 486, "", (("Via", "x"),)),
        HangUp("r", "", (("X-A", "a\r\nB: c"),)),
        AnswerCall("r", "", Treatment(), 0.0, (("X A", "b"),)),
    ],
)
def test_what_may_not_be_sent_fails_the_command(command: Any) -> None:
    phone = Phone()
    phone.receive_call()
    phone.command(msgspec.structs.replace(command, call=phone.call.call))
    assert phone.reports(CommandFailed)[0].code == "bad_value"
    assert phone.state == "RINGING"


def test_no_call_lasts_longer_than_the_service_allows() -> None:
    phone = Phone("echo", max_duration=20.0)
    phone.receive_call()
    phone.request(message("ACK", to_tag=phone.call.tag))
    phone.wait(21)
    assert phone.sent("BYE")
    phone = Phone(max_duration=20.0)
    key = phone.place_call(duration=600.0)
    phone.response(answer_to(sent(phone, "INVITE"), 200, body=OFFER), key)
    phone.wait(21)
    assert phone.sent("BYE")


def test_calls_in_are_refused_while_nobody_is_to_be_disturbed_and_calls_out_are_placed() -> None:
    phone = Phone("echo")
    phone.command(DoNotDisturb("d", 486))
    phone.request(invite())
    phone.request(message("OPTIONS"))
    assert phone.statuses == [486, 486]
    assert not phone.cells
    assert phone.place_call()
    phone.command(DoNotDisturb("e", 0))
    phone.request(invite(branch="later", Call_ID="later@peer"))
    assert len(phone.calls) == 2


def test_auto_answer_headers_of_anybody_are_ignored() -> None:
    """FAULTS 47."""
    phone = Phone()
    phone.receive_call(invite(Call_Info="<sip:h>;answer-after=0", Alert_Info="<http://h>;info=alert-autoanswer"))
    assert phone.state == "RINGING"
    assert dict(phone.reports(CallReceived)[0].headers).keys() == {"Call-Info", "Alert-Info"}


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", 200),
        ("application/dtmf-relay", b"Signal= #\r\nDuration= long\r\n", 200),
        ("application/dtmf", b"9", 200),
        ("application/dtmf-relay", b"Duration=160\r\n", 400),
        ("application/dtmf", b"99", 400),
        ("text/plain", b"5", 415),
        ("", b"", 200),
    ],
)
def test_an_info_is_a_key_pressed_or_nothing_we_know(kind: str, body: bytes, status: int) -> None:
    phone = callee()
    phone.request(message("INFO", to_tag=phone.call.tag, cseq=2, body=body, **({"Content_Type": kind} if kind else {})))
    assert phone.statuses[-1] == status
    keys = phone.reports(CallDigitReceived)
    assert [key.method for key in keys] == (["info"] if body and status == 200 else [])
    assert phone.state == "CONFIRMED"


def test_a_strict_router_is_given_its_own_uri_and_the_target_last() -> None:
    phone = Phone()
    phone.place_call()
    respond(phone, "INVITE", 200, body=OFFER, Record_Route="<sip:192.0.2.40>")
    ack = phone.sent("ACK")[0]
    assert ack.uri == "sip:192.0.2.40"
    assert [str(route.uri) for route in ack.route] == ["sip:bob@192.0.2.9:5070"]


def test_out_of_order_requests_are_refused_by_500() -> None:
    """FAULTS 7."""
    phone = callee()
    phone.request(message("UPDATE", to_tag=phone.call.tag, cseq=5))
    phone.request(message("INFO", to_tag=phone.call.tag, cseq=4))
    assert phone.statuses[-1] == 500


def test_many_forks_are_bounded_and_each_extra_2xx_is_hung_up() -> None:
    """FAULTS 36."""
    phone = Phone()
    key = phone.place_call()
    raw = sent(phone, "INVITE")
    for number in range(200):
        phone.response(answer_to(raw, 183, tag=f"t{number}", body=OFFER), key)
    assert len(phone.call.early) == 16
    for number in range(5):
        phone.response(answer_to(raw, 200, tag=f"t{190 + number}", body=OFFER), key)
    assert len(phone.sent("ACK")) == 5
    assert [bye.to.tag for bye in phone.sent("BYE")] == ["t191", "t192", "t193", "t194"]
    assert phone.state == "CONFIRMED"
