"""Calls in: checks, ringing, answer, refusal, the 2xx until its ACK (RFC 3261 section 13.3)."""

from __future__ import annotations

import pytest

from actors.dialog.call_commands import AnswerCall, HangUp, RejectCall, Treatment
from actors.dialog.call_events import CallAnswered, CallEnded, CallProgressed, CallReceived
from actors.dialog.call_parts import Totals
from actors.dialog.effects import Close, Prepare, Reply, Send, Start, Treat
from actors.dialog.events import CommandDone
from actors.dialog.reply import METHODS
from actors.sip import parse
from tests.dialog.phone import BAD_OFFER, FLOW, OFFER, STREAM, Phone, invite, line, message


def answer(phone: Phone, **more: float) -> None:
    duration = more.get("duration", 0.0)
    phone.command(AnswerCall("a", phone.call.call, Treatment(echo=True), duration))


def test_media_is_ready_before_anybody_hears_of_the_call() -> None:
    phone = Phone()
    phone.request(invite())
    assert [type(effect) for effect in phone.effects] == [Prepare]
    assert phone.last(Prepare).host == FLOW.local_host
    phone.prepared(phone.session)
    assert phone.statuses == [180]
    received = phone.reports(CallReceived)[0]
    assert received.remote == "sip:alice@192.0.2.9"
    assert received.local == "sip:us@192.0.2.1"
    assert phone.reports(CallProgressed)[0].status == 180


@pytest.mark.parametrize(("mode", "what"), [("echo", "echo"), ("play", "play"), ("record", "record")])
def test_a_policy_answers_at_once_after_the_180(mode: str, what: str) -> None:
    phone = Phone(mode)
    phone.receive_call()
    assert phone.statuses == [180, 200]
    assert getattr(phone.last(Treat), what)
    assert phone.reports(CallAnswered)[0].encoding == "PCMU"
    assert phone.state == "ANSWERED"


def test_the_path_of_a_recording_may_hold_the_calls_id() -> None:
    phone = Phone("record")
    phone.settings = phone.settings.__class__(
        answer=phone.settings.answer.__class__(mode="record", path="/r/{call}.wav")
    )
    phone.start()
    phone.receive_call()
    assert phone.last(Treat).record == f"/r/{phone.call.call}.wav"


def test_a_policy_of_none_refuses_with_480_and_takes_no_port() -> None:
    phone = Phone("none")
    phone.request(invite())
    assert phone.statuses == [480]
    assert phone.ended.outcome == "rejected"
    assert phone.reports(CallReceived)
    assert not phone.all(Prepare)
    assert not phone.cells


def test_the_2xx_has_our_contact_our_answer_and_all_record_routes() -> None:
    phone = Phone("echo")
    phone.receive_call(invite(Record_Route="<sip:p2.example;lr>, <sip:p1.example;lr>"))
    raw = phone.last(Reply).raw
    assert line(raw, "Contact") == "<sip:sipactors@192.0.2.1:5060>"
    assert line(raw, "Record-Route") == "<sip:p2.example;lr>, <sip:p1.example;lr>"
    assert line(raw, "Allow") == ", ".join(METHODS)
    assert line(raw, "Content-Type") == "application/sdp"
    assert b"m=audio 16384 RTP/AVP 0 8\r\n" in parse(raw).body


def test_on_a_stream_our_contact_names_the_transport() -> None:
    phone = Phone("echo")
    phone.receive_call(flow=STREAM)
    assert line(phone.last(Reply).raw, "Contact") == "<sip:sipactors@192.0.2.1:5060;transport=tcp>"


@pytest.mark.parametrize(
    "more",
    [
        {"Record_Route": "<sips:p.example;lr>", "Contact": "<sip:peer@192.0.2.9>"},
        {"Contact": "<sips:peer@192.0.2.9>"},
    ],
)
def test_our_contact_is_a_sips_uri_where_the_way_to_the_peer_is(more: dict[str, str]) -> None:
    phone = Phone("echo")
    phone.receive_call(invite(**more), flow=STREAM._replace(transport="tls", token="tls:1.1"))
    assert line(phone.last(Reply).raw, "Contact") == "<sips:sipactors@192.0.2.1:5060>"


def test_over_tls_to_a_sip_uri_our_contact_is_none_of_sips() -> None:
    phone = Phone("echo")
    phone.receive_call(flow=STREAM._replace(transport="tls", token="tls:1.1"))
    assert line(phone.last(Reply).raw, "Contact") == "<sip:sipactors@192.0.2.1:5060;transport=tls>"


def test_media_may_receive_at_another_address_than_it_was_asked_for() -> None:
    phone = Phone("echo")
    phone.request(invite())
    phone.prepared(phone.session, "198.51.100.7", 20000)
    body = parse(phone.last(Reply).raw).body
    assert b"c=IN IP4 198.51.100.7\r\n" in body
    assert b"m=audio 20000 " in body


def test_media_starts_with_what_the_offer_said_when_the_2xx_is_sent() -> None:
    phone = Phone("echo")
    phone.receive_call()
    agreed = phone.last(Start).agreed
    assert (agreed.host, agreed.port, agreed.send.encoding) == ("192.0.2.9", 7000, "PCMU")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (invite(BAD_OFFER), 488),
        (invite(b"v=0\r\nnonsense"), 488),
        (invite(Content_Type="text/plain"), 415),
        (invite(Content_Encoding="gzip"), 415),
        (invite(Require="fancy"), 420),
        (invite(Contact=""), 400),
        (invite(Contact="<<nonsense"), 400),
        (invite(Contact="*"), 400),
        (invite(Record_Route="<nonsense"), 400),
    ],
)
def test_what_cannot_be_taken_is_refused_before_a_port_is_taken(raw: bytes, status: int) -> None:
    phone = Phone("echo")
    phone.request(raw)
    assert phone.statuses == [status]
    assert not phone.all(Prepare)
    assert not phone.cells
    assert phone.last_response().head.to_tag


def test_a_420_names_what_is_not_supported_and_a_415_what_is() -> None:
    phone = Phone()
    phone.request(invite(Require="fancy, 100rel, other"))
    assert line(phone.last(Reply).raw, "Unsupported") == "fancy, other"
    phone.request(invite(Content_Type="text/plain"))
    assert line(phone.last(Reply).raw, "Accept") == "application/sdp"
    phone.request(invite(BAD_OFFER))
    assert line(phone.last(Reply).raw, "Warning").startswith("304 192.0.2.1:5060 ")


def test_no_ports_means_503_and_one_event_each() -> None:
    phone = Phone("echo")
    phone.request(invite())
    phone.refused(phone.session)
    assert phone.statuses == [503]
    assert not phone.all(Close)
    assert len(phone.reports(CallReceived)) == 1
    assert phone.ended.outcome == "failed"
    assert not phone.cells


def test_media_that_does_not_answer_means_503() -> None:
    phone = Phone("echo")
    phone.request(invite())
    phone.wait(6)
    assert phone.statuses == [503]
    assert phone.all(Close)
    phone.wait(3)
    assert phone.ended.status == 503
    assert not phone.cells


def test_a_ringing_call_is_answered_by_control() -> None:
    phone = Phone()
    phone.receive_call()
    assert phone.state == "RINGING"
    answer(phone)
    assert phone.reports(CommandDone)[0].ref == "a"
    assert phone.statuses == [180, 200]
    phone.request(message("ACK", to_tag=phone.our_tag()))
    assert phone.state == "CONFIRMED"


def test_a_ringing_call_is_rejected_with_the_status_and_reason_control_wants() -> None:
    phone = Phone()
    phone.receive_call()
    phone.command(RejectCall("r", phone.call.call, 486, "Not now"))
    raw = phone.last(Reply).raw
    assert raw.startswith(b"SIP/2.0 486 Not now\r\n")
    assert b"Contact" not in raw
    assert line(raw, "To") == f"<sip:us@192.0.2.1>;tag={phone.call.tag}"
    phone.finish()
    assert (phone.ended.outcome, phone.ended.by) == ("busy", "local")
    assert not phone.cells


def test_hanging_up_a_ringing_call_declines_it() -> None:
    phone = Phone()
    phone.receive_call()
    phone.command(HangUp("r", phone.call.call))
    phone.finish()
    assert phone.statuses == [180, 603]
    assert phone.ended.outcome == "rejected"


def test_a_cancel_ends_a_ringing_call_with_487() -> None:
    phone = Phone()
    raw = phone.receive_call()
    phone.cancel(raw)
    phone.finish()
    assert phone.statuses == [180, 487]
    assert (phone.ended.outcome, phone.ended.by) == ("cancelled", "remote")


def test_a_cancel_before_media_is_ready_ends_the_call_too() -> None:
    phone = Phone()
    raw = invite()
    phone.request(raw)
    phone.cancel(raw)
    phone.prepared(phone.session)
    phone.finish()
    assert phone.statuses == [487]
    assert phone.ended.outcome == "cancelled"
    assert not phone.cells


def test_a_bye_to_the_early_dialog_gets_200_and_the_invite_487() -> None:
    phone = Phone()
    phone.receive_call()
    phone.request(message("BYE", to_tag=phone.our_tag(), cseq=2))
    phone.finish()
    assert phone.statuses == [180, 200, 487]
    assert phone.ended.outcome == "cancelled"


def test_nobody_answers_in_time() -> None:
    phone = Phone(ring_timeout=20.0)
    phone.receive_call()
    phone.wait(20)
    phone.finish()
    assert phone.statuses == [180, 480]
    assert phone.ended.outcome == "no_answer"
    assert phone.ended.ringing == pytest.approx(20)


def test_the_invites_expires_ends_it_with_487() -> None:
    phone = Phone()
    phone.receive_call(invite(Expires="10"))
    phone.wait(10)
    assert phone.statuses == [180, 487]


def test_the_180_is_repeated_every_minute() -> None:
    phone = Phone()
    phone.receive_call()
    phone.wait(130)
    assert phone.statuses == [180, 180, 180]


@pytest.mark.parametrize("flow", [FLOW, STREAM])
def test_the_2xx_is_repeated_until_the_ack_on_every_transport(flow: object) -> None:
    phone = Phone("echo")
    phone.receive_call(flow=flow)  # type: ignore[arg-type]
    start = phone.now
    times = []
    for _ in range(64):
        times += [phone.now - start for effect in phone.wait(0.5) if type(effect) is Reply]
    assert times[:6] == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5]
    assert len({reply.raw for reply in phone.all(Reply) if reply.status == 200}) == 1


def test_an_ack_ends_the_repetition() -> None:
    phone = Phone("echo")
    phone.receive_call()
    phone.wait(1)
    count = len(phone.effects)
    phone.request(message("ACK", to_tag=phone.our_tag()))
    phone.wait(60)
    assert len(phone.effects) == count


def test_without_an_ack_a_bye_follows_after_64_t1() -> None:
    phone = Phone("echo")
    phone.receive_call()
    phone.wait(31.9)
    assert not phone.sent("BYE")
    phone.wait(0.2)
    assert len(phone.sent("BYE")) == 1
    phone.finish()
    assert (phone.ended.outcome, phone.ended.by) == ("failed", "error")
    assert not phone.cells


def test_a_late_offer_is_ours_in_the_2xx_and_answered_in_the_ack() -> None:
    phone = Phone("echo")
    phone.receive_call(invite(b""))
    assert b"m=audio 16384 RTP/AVP 0 8 101\r\n" in phone.last_response().body
    assert not phone.reports(CallAnswered)
    assert not phone.all(Start)
    phone.request(message("ACK", to_tag=phone.our_tag(), body=OFFER))
    assert phone.state == "CONFIRMED"
    assert phone.started().port == 7000
    assert phone.last(Treat).echo
    assert len(phone.reports(CallAnswered)) == 1


@pytest.mark.parametrize("body", [b"", BAD_OFFER, b"nonsense"])
def test_a_late_offer_without_a_good_answer_ends_with_bye(body: bytes) -> None:
    phone = Phone("echo")
    phone.receive_call(invite(b""))
    phone.request(message("ACK", to_tag=phone.our_tag(), body=body))
    assert len(phone.sent("BYE")) == 1
    phone.finish()
    assert phone.ended.outcome == "failed"


def test_the_same_invite_in_a_new_transaction_gets_the_last_response_again() -> None:
    phone = Phone("echo")
    raw = phone.receive_call()
    before = phone.last(Reply).raw
    phone.request(raw)
    assert phone.last(Reply).raw == before
    assert len(phone.cells) == 1


def test_a_branch_used_for_two_calls_is_refused() -> None:
    phone = Phone("echo")
    phone.receive_call()
    phone.request(invite(Call_ID="other@192.0.2.9"))
    assert phone.statuses[-1] == 482
    assert len(phone.cells) == 1


def test_more_calls_than_allowed_are_busy_and_while_draining_unavailable() -> None:
    phone = Phone(max_calls=1)
    phone.receive_call()
    phone.request(invite(branch="second"))
    assert phone.statuses[-1] == 486
    phone.agent.agent.draining = True
    phone.request(invite(branch="third"))
    assert phone.statuses[-1] == 503
    assert line(phone.last(Reply).raw, "Retry-After") == "5"


def test_an_invite_server_transaction_that_breaks_ends_the_ringing() -> None:
    phone = Phone()
    raw = phone.receive_call()
    phone.failed(phone.all(Reply)[0].key, 503, client=False)
    phone.finish()
    assert phone.ended.outcome == "failed"
    assert not phone.cells
    assert raw


def test_a_second_invite_before_the_first_is_answered_gets_500_with_retry_after() -> None:
    phone = Phone()
    phone.receive_call()
    phone.request(invite(to_tag=phone.our_tag(), cseq=2))
    assert phone.statuses[-1] == 500
    assert 0 <= int(line(phone.last(Reply).raw, "Retry-After")) <= 10
    assert phone.state == "RINGING"


def test_the_duration_given_with_the_answer_ends_the_call() -> None:
    phone = Phone()
    phone.receive_call()
    answer(phone, duration=5.0)
    phone.request(message("ACK", to_tag=phone.our_tag()))
    phone.wait(5)
    assert len(phone.sent("BYE")) == 1
    phone.finish()
    assert (phone.ended.outcome, phone.ended.by, phone.ended.talking) == ("answered", "local", 5.0)


def test_all_that_a_call_leaves_behind_is_one_event() -> None:
    phone = Phone("echo")
    phone.receive_call()
    phone.request(message("ACK", to_tag=phone.our_tag()))
    phone.request(message("BYE", to_tag=phone.our_tag(), cseq=2))
    assert phone.statuses == [180, 200, 200]
    assert phone.all(Close)
    assert not phone.reports(CallEnded)
    phone.finish()
    ended = phone.ended
    assert (ended.outcome, ended.by, ended.packets_sent, ended.packets_received, ended.packets_lost) == (
        *("answered", "remote"),
        *(10, 20, 1),
    )
    assert (ended.jitter, ended.round_trip, ended.burst, ended.mos) == (2.5, 0.04, 1.0, 4.2)


def test_a_call_in_which_nothing_was_heard_tells_no_mos() -> None:
    phone = Phone("echo")
    phone.receive_call()
    phone.request(message("BYE", to_tag=phone.call.tag, cseq=2))
    phone._did(phone.agent.calls.session_closed(phone.session, Totals(100), *phone.clock))
    assert phone.ended.mos is None
    assert not phone.cells
    assert not phone.all(Send)
    assert phone.agent.calls.number == 0


def test_totals_that_do_not_come_do_not_hold_up_the_end() -> None:
    phone = Phone("echo")
    phone.receive_call()
    phone.request(message("ACK", to_tag=phone.our_tag()))
    phone.request(message("BYE", to_tag=phone.our_tag(), cseq=2))
    phone.wait(2)
    assert phone.ended.packets_sent == 0
    assert not phone.cells


def test_media_lost_while_it_rings_refuses_the_call() -> None:
    phone = Phone()
    phone.receive_call()
    phone.lost(phone.session)
    assert phone.statuses == [180, 503]
    assert phone.ended.outcome == "failed"
    assert not phone.cells


def multipart(*parts: tuple[str, bytes], subtype: str = "mixed") -> dict[str, object]:
    pieces = [b"--b\r\n%s\r\n\r\n%s\r\n" % (head.encode(), body) for head, body in parts]
    return {"body": b"".join(pieces) + b"--b--", "Content_Type": f"multipart/{subtype};boundary=b"}


OFFERED = ("Content-Type: application/sdp", OFFER)


@pytest.mark.parametrize(
    "body",
    [
        multipart(OFFERED),
        multipart(("Content-Type: text/plain\r\nContent-Disposition: render;handling=optional", b"hello"), OFFERED),
        multipart(("Content-Type: text/plain", b"hello"), OFFERED, subtype="alternative"),
        {"body": OFFER, "Content_Type": "application/sdp;charset=utf-8"},
        {"body": OFFER, "Content_Disposition": "session"},
        {"body": OFFER, "Content_Encoding": "identity"},
    ],
)
def test_an_offer_among_other_bodies_is_found(body: dict[str, object]) -> None:
    phone = Phone("echo")
    phone.receive_call(message("INVITE", **body))  # type: ignore[arg-type]
    assert phone.statuses == [180, 200]
    assert phone.started().port == 7000


@pytest.mark.parametrize(
    "body",
    [
        multipart(("Content-Type: application/isup", b"x"), OFFERED),
        {"body": OFFER, "Content_Type": "text/plain"},
        {"body": OFFER, "Content_Encoding": "gzip"},
        {"body": OFFER, "Content_Disposition": "early-session"},
        {"body": OFFER, "Content_Disposition": "x-unknown;handling=required"},
    ],
)
def test_a_body_that_must_be_understood_and_is_not_is_415_with_what_is(body: dict[str, object]) -> None:
    phone = Phone("echo")
    phone.request(message("INVITE", **body))  # type: ignore[arg-type]
    assert phone.statuses == [415]
    assert line(phone.last(Reply).raw, "Accept") == "application/sdp"
    assert line(phone.last(Reply).raw, "Accept-Encoding") == "identity"
    assert not phone.cells


def test_a_body_that_may_be_passed_over_is_none() -> None:
    phone = Phone("echo")
    phone.receive_call(message("INVITE", body=OFFER, Content_Disposition="x-unknown;handling=optional"))
    assert phone.statuses == [180, 200]
    assert phone.last_response().body.startswith(b"v=0")
    assert not phone.all(Start)  # the 2xx holds our offer


@pytest.mark.parametrize("header", ["Max_Forwards", "Contact", "Require", "Content_Type"])
def test_a_malformed_header_that_is_needed_is_400_wherever_it_stands(header: str) -> None:
    phone = Phone("echo")
    phone.request(invite(**{header: ";;"}))
    assert phone.statuses == [400]
    phone.receive_call()
    phone.request(message("BYE", to_tag=phone.our_tag(), cseq=2, **{header: ";;"}))
    assert phone.statuses[-1] == 400
