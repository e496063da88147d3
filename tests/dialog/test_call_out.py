"""Calls out: location, candidates, early dialogs, forks, cancelling (RFC 3261 sections 9.1 and 13.2)."""

from __future__ import annotations

import pytest

from actors.dialog.attempt import stamped
from actors.dialog.call_commands import HangUp, ListCalls, Treatment
from actors.dialog.call_events import CallAnswered, CallEnded, CallPlaced, CallProgressed
from actors.dialog.effects import Cancel, Close, Find, Prepare, PutBehind, Report, Send, SendAck, Start, Treat
from actors.dialog.events import CommandDone, CommandFailed
from actors.sip import parse
from actors.sip.vocabulary import Candidate, Target
from tests.dialog.phone import BAD_OFFER, FAR, NEAR, OFFER, WALL, Phone, answer_to, line, place

SIX = Candidate(Target("udp", "2001:db8::9", 5070), "[2001:db8::1]:5060")


def sent_invite(phone: Phone) -> bytes:
    raw: bytes = [effect.raw for effect in phone.all(Send) if effect.key.method == "INVITE"][-1]
    return raw


def respond(phone: Phone, status: int, **more: object) -> None:
    phone.response(answer_to(sent_invite(phone), status, **more), phone.invite_key())  # type: ignore[arg-type]


def answered() -> Phone:
    phone = Phone()
    phone.place_call()
    respond(phone, 180)
    respond(phone, 200, body=OFFER)
    return phone


def hang_up(phone: Phone) -> None:
    phone.command(HangUp("h", "call-1@host"))


def test_the_first_event_of_a_call_out_names_whom_it_calls_and_how() -> None:
    phone = Phone()
    phone.command(place(caller="sip:me@192.0.2.1"))
    first = next(each.event for each in phone.effects if type(each) is Report and type(each.event) is not CommandDone)
    assert first == CallPlaced("call-1@host", "sip:bob@192.0.2.9:5070", "sip:me@192.0.2.1", "", WALL + phone.now)


def test_a_list_tells_our_own_uri_once_the_way_of_a_call_out_is_known() -> None:
    phone = Phone()
    phone.place_call()
    phone.command(ListCalls("l"))
    (info,) = phone.reports(CommandDone)[-1].calls
    assert (info.local, info.remote) == ("sip:sipactors@192.0.2.1:5060", "sip:bob@192.0.2.9:5070")


def test_the_uri_is_located_then_media_prepared_then_the_invite_sent() -> None:
    phone = Phone()
    phone.command(place())
    assert phone.last(Find).uri == "sip:bob@192.0.2.9:5070"
    phone.located(phone.last(Find).ref, NEAR)
    assert phone.last(Prepare).host == "192.0.2.1"
    assert not phone.all(Send)
    phone.prepared(phone.session)
    invite = phone.sent("INVITE")[0]
    assert invite.uri == "sip:bob@192.0.2.9:5070"
    assert invite.call_id == "call-1@host"
    assert invite.max_forwards == 70
    assert str(invite.contact) == "<sip:sipactors@192.0.2.1:5060>"
    assert b"m=audio 16384 RTP/AVP 0 8 101\r\n" in invite.body
    assert phone.last(Send).target == NEAR.target


def test_a_peer_that_alters_our_from_and_its_to_keeps_no_request_of_ours_from_its_way() -> None:
    """A proxy reads the ACK and the BYE, and would not forward what is malformed."""
    phone = Phone()
    key = phone.place_call()
    tags = ("callee", "another")
    for tag in tags:
        answer = answer_to(sent_invite(phone), 200, tag=tag, body=OFFER)
        answer = answer.replace(b"From: <sip:", b"From: <sip:%%").replace(b"To: <sip:", b"To: <sip:%%")
        phone.response(answer, key)
    hang_up(phone)
    (invite,), asked = phone.sent("INVITE"), phone.sent("ACK") + phone.sent("BYE")
    assert len(asked) == 4
    assert {request.get("To") for request in asked} == {f"{invite.get('To')};tag={tag}" for tag in tags}
    assert {request.get("From") for request in asked} == {invite.get("From")}


@pytest.mark.parametrize(
    "more",
    [
        {"Session_Expires": "soon"},
        {"Session_Expires": "90", "Allow": "(,"},
        {"Record_Route": "<sip:@@@>"},
        {"Record_Route": "<"},
    ],
)
def test_a_2xx_of_which_a_part_cannot_be_read_is_one_all_the_same(more: dict[str, str]) -> None:
    """It gets its ACK (RFC 3261 s13.2.2.4): dropped, it left the callee off the hook and the call ringing."""
    phone = Phone()
    phone.place_call()
    respond(phone, 200, body=OFFER, **more)
    assert len(phone.sent("ACK")) == 1
    assert phone.state == "CONFIRMED"


def test_the_caller_and_more_headers_are_the_clients_to_give() -> None:
    phone = Phone()
    phone.place_call(caller="sip:me@example.com", headers=(("Subject", "hello"),))
    invite = phone.sent("INVITE")[0]
    assert str(invite.from_.uri) == "sip:me@example.com"
    assert invite.get("Subject") == "hello"


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"uri": "nonsense"}, "bad_uri"),
        ({"uri": "tel:+123"}, "bad_uri"),
        ({"uri": "sip:a@b?Replaces=x"}, "bad_uri"),
        ({"caller": "me"}, "bad_uri"),
        ({"headers": (("Via", "x"),)}, "bad_value"),
        ({"headers": (("Subject", "a\r\nVia: b"),)}, "bad_value"),
        ({"headers": (("Sub ject", "a"),)}, "bad_value"),
        ({"call": "a b\r\n"}, "bad_value"),
    ],
)
def test_what_may_not_be_sent_fails_the_command_and_nothing_else_happens(order: dict[str, object], code: str) -> None:
    phone = Phone()
    phone.command(place(**order))
    assert len(phone.effects) == 1
    assert phone.failure().code == code
    assert not phone.cells


def test_an_id_in_use_a_full_and_a_draining_shard_fail_the_command() -> None:
    phone = Phone(max_calls=1)
    phone.place_call()
    phone.command(place(call="other"))
    assert phone.failure().code == "busy"
    phone = Phone()
    phone.place_call()
    phone.command(place())
    assert phone.failure().code == "bad_value"
    phone.agent.agent.draining = True
    phone.command(place(call="third"))
    assert phone.failure().code == "draining"


def test_no_next_hop_means_unreachable() -> None:
    phone = Phone()
    phone.command(place())
    phone.located(phone.last(Find).ref)
    assert (phone.ended.outcome, phone.ended.reason) == ("unreachable", "no such host")
    assert not phone.cells


def test_no_ports_fails_the_call() -> None:
    phone = Phone()
    phone.command(place())
    phone.located(phone.last(Find).ref, NEAR)
    phone.refused(phone.session)
    assert phone.ended.outcome == "failed"
    assert not phone.all(Close)
    assert not phone.cells


def test_a_2xx_is_acknowledged_and_the_call_is_up() -> None:
    phone = answered()
    assert phone.state == "CONFIRMED"
    ack = phone.sent("ACK")[0]
    assert ack.uri == "sip:bob@192.0.2.9:5070"
    assert (ack.cseq.number, ack.cseq.method, ack.to.tag) == (1, "ACK", "callee")
    assert phone.last(SendAck).target == NEAR.target
    assert [event.status for event in phone.reports(CallProgressed)] == [180]
    assert phone.reports(CallAnswered)[0].encoding == "PCMU"
    assert phone.last(Treat).echo
    assert parse(sent_invite(phone)).head.branch != ack.head.branch


def test_a_repeated_2xx_gets_the_same_ack_again() -> None:
    phone = answered()
    respond(phone, 200, body=OFFER)
    first, second = phone.all(SendAck)
    assert first == second
    assert len(phone.reports(CallAnswered)) == 1


def test_the_ack_goes_by_the_record_route_in_reverse() -> None:
    phone = Phone()
    phone.place_call()
    routes = "<sip:192.0.2.31:5080;lr>, <sip:192.0.2.30:5090;lr>"
    respond(phone, 200, body=OFFER, Record_Route=routes, contact="<sip:bob@10.0.0.1>")
    ack = phone.sent("ACK")[0]
    assert ack.uri == "sip:bob@10.0.0.1"
    assert [str(route.uri) for route in ack.route] == ["sip:192.0.2.30:5090;lr", "sip:192.0.2.31:5080;lr"]
    assert phone.last(SendAck).target == Target("udp", "192.0.2.30", 5090)


def test_a_next_hop_by_name_is_located_before_the_ack_and_kept() -> None:
    phone = Phone()
    phone.place_call()
    respond(phone, 200, body=OFFER, contact="<sip:bob@pc.example.com>")
    assert not phone.all(SendAck)
    find = phone.last(Find)
    assert find.uri == "sip:bob@pc.example.com"
    respond(phone, 200, body=OFFER)
    assert not phone.all(SendAck)
    phone.located(find.ref, FAR)
    assert phone.last(SendAck).target == FAR.target
    respond(phone, 200, body=OFFER)
    assert len(phone.all(SendAck)) == 2


def test_the_next_candidate_gets_a_new_branch_and_the_same_everything_else() -> None:
    phone = Phone()
    key = phone.place_call(NEAR, FAR)
    phone.failed(key, 408)
    assert phone.last(PutBehind).target == NEAR.target
    first, second = phone.sent("INVITE")
    assert phone.last(Send).target == FAR.target
    assert first.head.branch != second.head.branch
    assert (first.head.call_id, first.head.cseq, first.head.from_tag) == (
        *(second.head.call_id, second.head.cseq),
        second.head.from_tag,
    )
    respond(phone, 503)
    phone.finish()
    assert (phone.ended.outcome, phone.ended.status) == ("unreachable", 503)


def test_a_candidate_in_another_family_gets_a_session_of_its_own() -> None:
    phone = Phone()
    key = phone.place_call(SIX, NEAR)
    six = phone.session
    assert b"c=IN IP6 2001:db8::1" not in sent_invite(phone)  # media said where it receives
    phone.failed(key, 503)
    assert phone.last(Close).session == six
    assert phone.last(Prepare).host == "192.0.2.1"
    assert phone.session != six
    phone.closed(six)
    phone.prepared(phone.session)
    assert phone.last(Send).target == NEAR.target
    respond(phone, 200, body=OFFER)
    assert phone.state == "CONFIRMED"


def test_after_a_provisional_a_failed_transaction_tries_nobody_else() -> None:
    phone = Phone()
    key = phone.place_call(NEAR, FAR)
    respond(phone, 180)
    phone.failed(key, 503)
    phone.finish()
    assert len(phone.sent("INVITE")) == 1
    assert phone.ended.outcome == "unreachable"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (486, "busy"),
        (600, "busy"),
        (603, "rejected"),
        (404, "rejected"),
        (401, "rejected"),
        (302, "rejected"),
        (480, "no_answer"),
        (408, "no_answer"),
        (487, "cancelled"),
        (500, "failed"),
        (503, "unreachable"),
    ],
)
def test_a_final_response_decides_the_outcome(status: int, outcome: str) -> None:
    phone = Phone()
    phone.place_call()
    respond(phone, status)
    phone.finish()
    assert (phone.ended.outcome, phone.ended.status) == (outcome, status)
    assert not phone.cells


def test_early_media_is_heard_the_latest_wins_and_the_confirmed_one_stays() -> None:
    phone = Phone()
    phone.place_call()
    respond(phone, 183, body=OFFER, tag="one")
    assert phone.started().port == 7000
    respond(phone, 183, body=OFFER.replace(b"7000", b"7002"), tag="two")
    assert phone.started().port == 7002
    respond(phone, 183, body=OFFER, tag="one")
    assert phone.started().port == 7002  # nothing new
    respond(phone, 200, tag="one")
    assert phone.started().port == 7000
    assert len(phone.all(Start)) == 3


def test_a_bad_answer_in_a_provisional_is_no_answer() -> None:
    phone = Phone()
    phone.place_call()
    respond(phone, 183, body=BAD_OFFER)
    assert not phone.all(Start)
    respond(phone, 200, body=OFFER)
    assert phone.state == "CONFIRMED"


@pytest.mark.parametrize("body", [BAD_OFFER, b"", b"nonsense"])
def test_a_bad_answer_in_the_2xx_gets_ack_then_bye(body: bytes) -> None:
    phone = Phone()
    phone.place_call()
    respond(phone, 200, body=body)
    assert len(phone.sent("ACK")) == len(phone.sent("BYE")) == 1
    phone.finish()
    assert phone.ended.outcome == "failed"


def test_a_2xx_of_another_fork_gets_ack_and_bye_and_the_call_goes_on() -> None:
    phone = answered()
    respond(phone, 200, body=OFFER, tag="other")
    assert [ack.to.tag for ack in phone.sent("ACK")] == ["callee", "other"]
    bye = phone.sent("BYE")[0]
    assert (bye.to.tag, bye.cseq.number) == ("other", 2)
    respond(phone, 200, body=OFFER, tag="other")
    assert len(phone.sent("ACK")) == 3
    assert len(phone.sent("BYE")) == 1
    phone.finish()
    assert phone.state == "CONFIRMED"


def test_a_fork_with_a_bad_answer_is_passed_over_while_another_may_answer() -> None:
    phone = Phone()
    phone.place_call()
    respond(phone, 183, tag="one", Require="100rel", RSeq="1")
    respond(phone, 180, tag="two")
    respond(phone, 200, tag="one", body=BAD_OFFER)
    respond(phone, 200, tag="one", body=BAD_OFFER)
    assert (phone.state, len(phone.sent("ACK")), phone.reports(CallEnded)) == ("INVITING", 2, [])
    assert [line(bytes(bye), "CSeq") for bye in phone.sent("BYE")] == ["3 BYE"]  # after the PRACK
    respond(phone, 200, tag="two", body=OFFER)
    assert (phone.state, len(phone.reports(CallAnswered))) == ("CONFIRMED", 1)
    phone.wait(100)
    assert phone.state == "CONFIRMED"


def test_the_last_fork_with_a_bad_answer_ends_the_call() -> None:
    phone = Phone()
    phone.place_call()
    respond(phone, 180, tag="one")
    respond(phone, 180, tag="two")
    respond(phone, 200, tag="one", body=BAD_OFFER)
    respond(phone, 200, tag="two", body=BAD_OFFER)
    phone.finish()
    assert (len(phone.sent("BYE")), phone.ended.outcome, phone.ended.status) == (2, "failed", 488)


@pytest.mark.parametrize("way", ["time", "hang up"])
def test_a_call_whose_only_answer_was_bad_waits_for_other_forks_no_longer_than_they_may_answer(way: str) -> None:
    phone = Phone()
    phone.place_call()
    respond(phone, 180, tag="one")
    respond(phone, 180, tag="two")
    respond(phone, 200, tag="one", body=BAD_OFFER)
    if way == "time":
        phone.wait(31)
        assert phone.state == "INVITING"
        phone.wait(1.1)
    else:
        hang_up(phone)
    phone.finish()
    assert (phone.all(Cancel), phone.ended.outcome) == ([], "failed" if way == "time" else "cancelled")
    phone.wait(100)
    assert phone.calls == []


def test_forks_may_still_answer_after_the_call_is_over() -> None:
    phone = answered()
    hang_up(phone)
    phone.finish()
    assert phone.state == "LINGERING"
    assert phone.agent.calls.number == 0
    respond(phone, 200, body=OFFER, tag="late")
    assert phone.sent("BYE")[-1].to.tag == "late"
    respond(phone, 200, body=OFFER)
    assert phone.sent("ACK")[-1].to.tag == "callee"
    phone.wait(32)
    assert not phone.cells
    assert len(phone.reports(CommandFailed)) == 0


def test_a_forking_storm_is_capped() -> None:
    phone = Phone()
    phone.place_call()
    for number in range(40):
        respond(phone, 183, body=OFFER, tag=f"early{number}")
    assert len(phone.call.early) == 16
    for number in range(40):
        respond(phone, 200, body=OFFER, tag=f"fork{number}")
    assert len(phone.call.forks) == 16


def test_hanging_up_before_the_invite_leaves_nothing() -> None:
    phone = Phone()
    phone.command(place())
    hang_up(phone)
    assert phone.ended.outcome == "cancelled"
    assert not phone.cells
    assert phone.located("unknown ref", NEAR) == []


def test_hanging_up_while_it_rings_cancels() -> None:
    phone = Phone()
    key = phone.place_call()
    respond(phone, 180)
    hang_up(phone)
    assert phone.last(Cancel).key == key
    assert phone.state == "CANCELLING"
    respond(phone, 487)
    phone.finish()
    assert (phone.ended.outcome, phone.ended.status, phone.ended.by) == ("cancelled", 487, "local")


def test_a_cancelled_invite_tries_no_other_candidate() -> None:
    phone = Phone()
    key = phone.place_call(NEAR, FAR)
    hang_up(phone)
    phone.failed(key, 408)
    phone.finish()
    assert len(phone.sent("INVITE")) == 1
    assert phone.ended.outcome == "cancelled"


def test_nobody_answers_in_time() -> None:
    phone = Phone()
    phone.place_call(ring_timeout=30.0)
    respond(phone, 180)
    phone.wait(30)
    assert phone.all(Cancel)
    respond(phone, 487)
    phone.finish()
    assert (phone.ended.outcome, phone.ended.by) == ("no_answer", "local")


def test_without_a_final_response_the_cancelled_call_ends_and_a_late_2xx_gets_ack_and_bye() -> None:
    phone = Phone()
    phone.place_call()
    respond(phone, 180)
    hang_up(phone)
    phone.wait(64)
    phone.finish()
    assert phone.ended.outcome == "cancelled"
    assert phone.state == "LINGERING"
    respond(phone, 200, body=OFFER)
    assert phone.sent("ACK")
    assert phone.sent("BYE")
    phone.wait(40)
    assert not phone.cells


@pytest.mark.parametrize("by", ["us", "the time to ring"])
def test_a_call_to_somebody_silent_ends_soon_and_a_late_2xx_gets_ack_and_bye(by: str) -> None:
    phone = Phone()
    key = phone.place_call(ring_timeout=30.0)
    if by == "us":
        hang_up(phone)
    else:
        phone.wait(30)
    assert phone.last(Cancel).key == key  # the transaction holds it back until somebody is heard (s9.1)
    phone.wait(2.1)
    phone.finish()
    assert phone.ended.outcome == ("cancelled" if by == "us" else "no_answer")
    assert phone.state == "LINGERING"
    respond(phone, 200, body=OFFER)
    assert phone.sent("ACK")
    assert phone.sent("BYE")
    phone.wait(40)
    assert not phone.cells


def test_the_duration_ends_the_call_with_bye() -> None:
    phone = Phone()
    phone.place_call(duration=5.0)
    respond(phone, 200, body=OFFER)
    phone.wait(5)
    bye = phone.sent("BYE")[0]
    assert (bye.uri, bye.cseq.number, bye.to.tag) == ("sip:bob@192.0.2.9:5070", 2, "callee")
    phone.finish()
    assert (phone.ended.outcome, phone.ended.talking) == ("answered", 5.0)


def test_the_end_of_a_file_may_end_the_call() -> None:
    phone = Phone()
    phone.place_call(treatment=Treatment(play="/tmp/a.wav", hang_up_after_play=True))
    respond(phone, 200, body=OFFER)
    phone.played(phone.session)
    assert phone.sent("BYE")


@pytest.mark.parametrize("status", [200, 481, 408, 500])
def test_any_final_response_to_our_bye_ends_the_call(status: int) -> None:
    phone = answered()
    hang_up(phone)
    phone.closed(phone.session)
    assert phone.ended.outcome == "answered"
    phone.response(answer_to(phone.last(Send).raw, status), phone.bye_key())
    assert phone.state == "LINGERING"


def test_an_unanswered_bye_ends_the_call_too() -> None:
    phone = answered()
    hang_up(phone)
    phone.closed(phone.session)
    phone.failed(phone.bye_key(), 408)
    assert phone.state == "LINGERING"


def test_a_2xx_without_contact_is_acknowledged_at_the_request_uri() -> None:
    phone = Phone()
    phone.place_call()
    respond(phone, 200, body=OFFER, contact="<sip:@@@>")
    assert phone.sent("ACK")[0].uri == "sip:bob@192.0.2.9:5070"
    assert phone.state == "CONFIRMED"


def test_responses_that_are_not_ours_change_nothing() -> None:
    phone = Phone()
    key = phone.place_call()
    before = dict(phone.cells)
    raw = answer_to(sent_invite(phone), 200, body=OFFER)
    phone.response(raw.replace(b"Call-ID: call-1", b"Call-ID: call-2"), key)
    phone.response(raw, key._replace(branch="z9hG4bKguess"))
    phone.response(answer_to(sent_invite(phone), 486), key._replace(branch=key.branch[:-1] + "x"))
    assert phone.cells == before


def test_on_a_stream_requests_of_the_dialog_go_to_the_contact() -> None:
    stream = Candidate(Target("tcp", "192.0.2.9", 5070), "192.0.2.1:5060")
    phone = Phone()
    phone.place_call(stream)
    assert line(sent_invite(phone), "Contact") == "<sip:sipactors@192.0.2.1:5060;transport=tcp>"
    respond(phone, 200, body=OFFER, contact="<sip:bob@192.0.2.9:5070;transport=tcp>")
    assert phone.last(SendAck).target == stream.target


def test_next_hops_by_name_are_located_for_each_request_of_each_fork() -> None:
    phone = Phone()
    phone.place_call()
    respond(phone, 200, body=OFFER, contact="<sip:bob@one.example>")
    respond(phone, 200, body=OFFER, contact="<sip:bob@two.example>", tag="other")
    hang_up(phone)
    finds = phone.all(Find)[1:]
    assert [find.uri for find in finds] == ["sip:bob@one.example", *["sip:bob@two.example"] * 2, "sip:bob@one.example"]
    assert len({find.ref for find in finds}) == 4
    for find in finds:
        phone.located(find.ref, NEAR, FAR)
    assert [message.to.tag for message in phone.sent("ACK")] == ["callee", "other"]
    assert [message.to.tag for message in phone.sent("BYE")] == ["other", "callee"]
    fork_bye, own_bye = (sent for sent in phone.all(Send) if sent.key.method == "BYE")
    phone.failed(fork_bye.key, 503)
    phone.response(answer_to(own_bye.raw, 503), own_bye.key)
    assert [sent.target for sent in phone.all(Send)][-2:] == [FAR.target, FAR.target]
    phone.finish()
    assert phone.state == "LINGERING"


def test_a_bye_that_finds_no_way_ends_the_call() -> None:
    phone = Phone()
    phone.place_call()
    respond(phone, 200, body=OFFER, contact="<sip:bob@one.example>")
    hang_up(phone)
    phone.closed(phone.session)
    assert phone.state == "CLOSING"
    phone.located(phone.last(Find).ref)
    assert phone.state == "LINGERING"


def test_a_bye_of_which_nothing_is_heard_any_more_does_not_keep_the_call() -> None:
    phone = Phone()
    phone.place_call()
    respond(phone, 200, body=OFFER)
    hang_up(phone)
    phone.closed(phone.session)
    phone.wait(60)
    assert not phone.cells
    assert phone.ended.outcome == "answered"


def test_lost_media_while_it_rings_cancels_and_a_crossing_answer_is_hung_up() -> None:
    phone = Phone()
    phone.place_call()
    respond(phone, 180)
    phone.lost(phone.session)
    assert phone.all(Cancel)
    respond(phone, 200, body=OFFER)
    assert len(phone.sent("BYE")) == 1
    phone.finish()
    assert phone.ended.outcome == "failed"
    assert phone.state == "LINGERING"


def test_after_a_provisional_a_503_still_tries_the_next() -> None:
    phone = Phone()
    phone.place_call(NEAR, FAR)
    respond(phone, 180)
    respond(phone, 503)
    assert phone.last(Send).target == FAR.target


def cancelled_without_media() -> Phone:
    phone = Phone()
    phone.place_call()
    respond(phone, 180)
    hang_up(phone)
    phone.lost(phone.session)
    assert phone.state == "CANCELLING"
    return phone


def test_a_cancelled_call_without_media_ends_with_its_final_response() -> None:
    phone = cancelled_without_media()
    respond(phone, 487)
    assert phone.ended.outcome == "cancelled"
    assert not phone.cells


def test_a_cancelled_call_without_media_or_final_response_lingers() -> None:
    phone = cancelled_without_media()
    phone.wait(64)
    assert phone.ended.outcome == "cancelled"
    assert phone.state == "LINGERING"
    phone.wait(32)
    assert not phone.cells


# TLS


TLS = Candidate(Target("tls", "192.0.2.9", 5061, name="b.example"), "192.0.2.1:5061")
UNSTAMPED = b"INVITE %b SIP/2.0\r\n%bMax-Forwards: 70\r\n\r\n"


def test_over_tls_a_request_offers_its_connection_for_requests_back() -> None:
    raw = stamped(UNSTAMPED % (b"sip:b@b.example", b""), TLS, "z9hG4bKa", "us")
    assert b"\r\nVia: SIP/2.0/TLS 192.0.2.1:5061;rport;branch=z9hG4bKa;alias\r\n" in raw
    assert b"\r\nContact: <sip:us@192.0.2.1:5061;transport=tls>\r\n" in raw


@pytest.mark.parametrize(("uri", "route"), [(b"sips:b@b", b""), (b"sip:b@b", b"Route: <sips:p;lr>\r\n")])
def test_under_a_sips_uri_our_contact_is_one_too(uri: bytes, route: bytes) -> None:
    assert b"\r\nContact: <sips:us@192.0.2.1:5061>\r\n" in stamped(UNSTAMPED % (uri, route), TLS, "z9hG4bKa", "us")


def test_a_sips_uri_deeper_in_a_request_changes_nothing() -> None:
    deep = b"Route: <sip:p;lr>\r\nRoute: <sips:q;lr>\r\n"
    assert b"<sip:us@" in stamped(UNSTAMPED % (b"sip:sips:b@b", deep), TLS, "z9hG4bKa", "us")


def stages(phone: Phone) -> list[str]:
    return [treat.stage for treat in phone.all(Treat)]


def test_the_device_of_a_call_out_is_told_that_it_rings_and_that_it_is_up() -> None:
    phone = Phone()
    phone.place_call(treatment=Treatment(device=":"))
    respond(phone, 100)
    assert stages(phone) == []
    respond(phone, 183, body=OFFER)
    respond(phone, 180)
    respond(phone, 200, body=OFFER)
    assert stages(phone) == ["early", "ringing", ""]


def test_the_device_of_a_call_out_is_quiet_from_its_cancel_on() -> None:
    phone = Phone()
    phone.place_call(treatment=Treatment(device=":"))
    respond(phone, 180)
    hang_up(phone)
    assert stages(phone) == ["ringing", "over"]


def test_a_call_out_without_a_device_tells_media_nothing_of_its_ringing() -> None:
    phone = Phone()
    phone.place_call()
    respond(phone, 180)
    hang_up(phone)
    assert stages(phone) == []


def test_a_180_after_the_cancel_brings_no_ringing_back() -> None:
    phone = Phone()
    phone.place_call(treatment=Treatment(device=":"))
    hang_up(phone)
    respond(phone, 180)
    respond(phone, 180)
    assert stages(phone) == ["over"]
