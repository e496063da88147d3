"""Session timers in both roles (RFC 4028): who refreshes, 422, expiry, a hundred refreshes."""

from __future__ import annotations

import pytest

from actors.dialog.call_events import CallNoticed
from actors.dialog.effects import Reply, Send
from actors.sip import parse
from tests.dialog.phone import OFFER, Phone, answer_to, invite, line, message
from tests.dialog.test_change import respond, sent

ABLE = {"Supported": "timer", "Allow": "INVITE, UPDATE", "Min_SE": "90"}


def callee(expires: str, **more: str) -> Phone:
    """A call in that is up and whose INVITE had this Session-Expires."""
    phone = Phone("echo")
    phone.receive_call(invite(Session_Expires=expires, **{**ABLE, **more}))
    phone.request(message("ACK", to_tag=phone.call.tag))
    return phone


def caller(granted: str = "", **order: object) -> Phone:
    """A call out that asked for a session timer of 100 s and got this one."""
    phone = Phone()
    key = phone.place_call(session_expires=100, **order)  # type: ignore[arg-type]
    more = {"Session_Expires": granted, "Require": "timer", "Allow": "UPDATE"} if granted else {}
    phone.response(answer_to(sent(phone, "INVITE"), 200, body=OFFER, **more), key)
    return phone


def test_an_interval_that_is_too_short_is_refused_with_ours() -> None:
    for short in ("1", "89"):
        phone = Phone("echo")
        phone.request(invite(Session_Expires=short, Supported="timer"))
        assert phone.statuses == [422]
        assert line(phone.last(Reply).raw, "Min-SE") == "90"
        assert not phone.cells
    phone = callee("100")
    for method in ("INVITE", "UPDATE"):
        phone.request(
            message(method, to_tag=phone.call.tag, cseq=phone.last_response().head.cseq + 1, Session_Expires="5")
        )
        assert phone.statuses[-1] == 422


@pytest.mark.parametrize(
    ("asked", "told", "more"),
    [
        ("300;refresher=uac", "300;refresher=uac", {}),
        ("300;refresher=uas", "300;refresher=uas", {}),
        ("300", "300;refresher=uac", {}),
        ("300", "300;refresher=uas", {"Supported": "100rel"}),
    ],
)
def test_our_2xx_says_who_refreshes(asked: str, told: str, more: dict[str, str]) -> None:
    phone = callee(asked, **more)
    raw = next(reply.raw for reply in phone.all(Reply) if reply.status == 200)
    assert line(raw, "Session-Expires") == told
    assert (b"\r\nRequire: timer\r\n" in raw) == told.endswith("uac")


def test_a_call_without_a_session_timer_says_nothing_of_it() -> None:
    phone = Phone("echo")
    phone.receive_call(invite(Supported="timer"))
    assert b"Session-Expires" not in phone.last(Reply).raw


def test_the_service_may_want_one_itself() -> None:
    phone = Phone("echo", session_expires=600)
    phone.receive_call(invite(Supported="timer", Min_SE="900"))
    assert line(phone.last(Reply).raw, "Session-Expires") == "900;refresher=uac"
    phone = Phone(session_expires=600)
    phone.place_call()
    assert line(sent(phone, "INVITE"), "Session-Expires") == "600"


def test_where_we_refresh_an_update_goes_at_half_the_time() -> None:
    phone = callee("300;refresher=uas")
    phone.wait(149)
    assert not phone.sent("UPDATE")
    phone.wait(2)
    update = phone.sent("UPDATE")[0]
    assert update.body == b""
    assert update.get("Session-Expires") == "300;refresher=uac"
    respond(phone, "UPDATE", 200, Session_Expires="300;refresher=uac")
    assert phone.state == "CONFIRMED"
    assert len(phone.sent("ACK")) == 0
    phone.wait(299)
    assert len(phone.sent("UPDATE")) == 2


def test_a_peer_without_update_is_refreshed_by_a_re_invite_with_the_same_description() -> None:
    phone = callee("300;refresher=uas", Allow="INVITE")
    phone.wait(151)
    again = parse(sent(phone, "INVITE"))
    assert b"a=sendrecv\r\n" in again.body
    answered = next(parse(reply.raw) for reply in phone.all(Reply) if reply.status == 200).body
    assert again.body == answered  # nothing changed, so the version stays (RFC 4028 s7.4)
    respond(phone, "INVITE", 200, body=OFFER, Session_Expires="300;refresher=uac")
    assert phone.sent("ACK")


def test_without_a_refresh_of_the_peer_the_call_ends_shortly_before_the_session() -> None:
    phone = callee("300;refresher=uac")
    phone.wait(300 - 32 - 1)
    assert phone.state == "CONFIRMED"
    phone.wait(2)
    assert phone.sent("BYE")
    phone.finish()
    assert (phone.ended.outcome, phone.ended.by, phone.ended.status) == ("answered", "error", 408)
    phone = callee("90;refresher=uac")
    phone.wait(59)
    assert phone.state == "CONFIRMED"
    phone.wait(2)
    assert phone.sent("BYE")


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_refresh_of_the_peer_starts_the_time_anew(method: str) -> None:
    phone = callee("300;refresher=uac")
    phone.wait(200)
    body = OFFER if method == "INVITE" else b""
    asked = {"Session_Expires": "300;refresher=uac", **ABLE}
    phone.request(message(method, to_tag=phone.call.tag, cseq=2, body=body, **asked))
    assert line(phone.last(Reply).raw, "Session-Expires") == "300;refresher=uac"
    if method == "INVITE":
        phone.request(message("ACK", to_tag=phone.call.tag, cseq=2))
    phone.wait(200)
    assert phone.state == "CONFIRMED"


def test_a_refresh_without_a_session_timer_ends_the_timer() -> None:
    phone = callee("300;refresher=uac")
    phone.request(message("UPDATE", to_tag=phone.call.tag, cseq=2))
    assert phone.call.next_deadline is None
    phone.wait(1000)
    assert phone.state == "CONFIRMED"


def test_the_session_may_end_while_our_2xx_waits_for_its_ack() -> None:
    phone = callee("90;refresher=uac")
    phone.wait(58)
    phone.request(message("INVITE", to_tag=phone.call.tag, cseq=2, body=OFFER, Session_Expires="90", **ABLE))
    assert phone.state == "ANSWERED"
    phone.wait(20)
    phone.request(message("UPDATE", to_tag=phone.call.tag, cseq=3, Session_Expires="90;refresher=uas", **ABLE))
    phone.wait(11)
    assert phone.state == "ANSWERED"
    phone = Phone("echo", t1=4.0)
    phone.receive_call(invite(Session_Expires="90;refresher=uac", **ABLE))
    phone.wait(61)
    assert phone.state == "LEAVING"
    phone.request(message("ACK", to_tag=phone.call.tag))
    assert phone.sent("BYE")


def test_a_refresh_waits_for_the_ack_to_our_2xx_and_for_a_change_that_is_out() -> None:
    phone = callee("90;refresher=uas")
    phone.wait(44)
    phone.request(message("INVITE", to_tag=phone.call.tag, cseq=2, body=OFFER))
    assert phone.state == "ANSWERED"
    phone = Phone("echo", t1=4.0)
    phone.receive_call(invite(Session_Expires="90;refresher=uas", **ABLE))
    phone.wait(46)
    assert phone.state == "ANSWERED"
    assert not phone.sent("UPDATE")
    phone.request(message("ACK", to_tag=phone.call.tag))
    phone.wait(1.1)
    assert phone.sent("UPDATE")
    phone.wait(1)
    assert len(phone.sent("UPDATE")) == 1


def test_we_ask_for_one_and_refresh_it_or_not_as_the_peer_says() -> None:
    phone = caller("100;refresher=uac")
    assert line(sent(phone, "INVITE"), "Session-Expires") == "100"
    phone.wait(51)
    assert phone.sent("UPDATE")
    phone = caller("100;refresher=uas")
    phone.wait(69)
    assert not phone.sent("UPDATE")
    assert phone.sent("BYE")
    phone = caller()
    phone.wait(1000)
    assert phone.state == "CONFIRMED"


def test_a_422_is_met_by_a_longer_interval_with_a_new_cseq() -> None:
    phone = Phone()
    key = phone.place_call(session_expires=100)
    phone.response(answer_to(sent(phone, "INVITE"), 422, Min_SE="400"), key)
    again = parse(sent(phone, "INVITE"))
    assert (again.get("Session-Expires"), again.get("Min-SE"), again.head.cseq) == ("400", "400", 2)
    assert phone.invite_key() != key
    phone.response(answer_to(sent(phone, "INVITE"), 422, Min_SE="400"), phone.invite_key())
    phone.finish()
    assert phone.ended.status == 422  # it asks for no more than it got


@pytest.mark.parametrize("least", ["", "nonsense"])
def test_a_422_that_does_not_say_how_long_ends_the_call(least: str) -> None:
    phone = Phone()
    key = phone.place_call(session_expires=100)
    more = {"Min_SE": least} if least else {}
    phone.response(answer_to(sent(phone, "INVITE"), 422, **more), key)
    phone.finish()
    assert phone.ended.outcome == "rejected"


def test_a_refresh_that_gets_422_is_made_again_with_a_longer_interval() -> None:
    phone = caller("100;refresher=uac")
    phone.wait(51)
    respond(phone, "UPDATE", 422, Min_SE="500")
    assert phone.sent("UPDATE")[-1].get("Session-Expires") == "500;refresher=uac"
    respond(phone, "UPDATE", 422, Min_SE="500")
    assert phone.reports(CallNoticed)[-1].text.startswith("422")
    assert phone.state == "CONFIRMED"


def test_a_refresh_that_is_refused_lets_the_session_run_out() -> None:
    phone = caller("100;refresher=uac")
    phone.wait(51)
    respond(phone, "UPDATE", 500)
    assert phone.state == "CONFIRMED"
    phone.wait(20)
    assert phone.sent("BYE")


def test_an_unanswered_refresh_ends_the_session_at_its_time() -> None:
    phone = caller("100;refresher=uac")
    phone.wait(70)
    assert phone.sent("UPDATE")
    assert phone.sent("BYE")


def test_a_peer_that_ends_the_timer_in_its_answer_has_its_way() -> None:
    phone = caller("100;refresher=uac")
    phone.wait(51)
    respond(phone, "UPDATE", 200)
    assert phone.call.next_deadline is None


@pytest.mark.parametrize("role", ["uac", "uas"])
def test_a_hundred_refreshes_in_a_row(role: str) -> None:
    """FAULTS 82 at length: the CSeq rises by one each, nothing is left armed, and no call is lost."""
    phone = callee(f"1800;refresher={'uas' if role == 'uac' else 'uac'}")
    for number in range(100):
        phone.start()  # a restart at each of them changes nothing
        if role == "uac":
            phone.wait(900)
            assert len(phone.sent("UPDATE")) == number + 1
            respond(phone, "UPDATE", 200, Session_Expires="1800;refresher=uac")
        else:
            phone.wait(900)
            more = {"Session_Expires": "1800;refresher=uac", **ABLE}
            phone.request(message("UPDATE", to_tag=phone.call.tag, cseq=2 + number, **more))
            assert phone.statuses[-1] == 200
        assert phone.state == "CONFIRMED"
    numbers = [parse(send.raw).head.cseq for send in phone.all(Send)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert phone.now > 1000 + 100 * 900 - 1
