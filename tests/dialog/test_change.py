"""Calls that change while they are up: hold, resume, glare, UPDATE (RFC 3261 section 14, RFC 3264 s8.4, RFC 3311)."""

from __future__ import annotations

import re

import pytest

from actors.dialog.call_commands import AnswerCall, HangUp, HoldCall, ListCalls, ResumeCall, Treatment
from actors.dialog.call_events import CallHoldChanged, CallNoticed
from actors.dialog.effects import Find, Reply, Send, SendAck, Start
from actors.dialog.events import CommandDone
from actors.sip import parse
from tests.dialog.phone import BAD_OFFER, FAR, NEAR, OFFER, Phone, answer_to, invite, line, message

HELD = OFFER + b"a=sendonly\r\n"
NOWHERE = OFFER.replace(b"c=IN IP4 192.0.2.9", b"c=IN IP4 0.0.0.0")


def caller(**order: object) -> Phone:
    """A call out that is up."""
    phone = Phone()
    key = phone.place_call(**order)  # type: ignore[arg-type]
    phone.response(answer_to(sent(phone, "INVITE"), 200, body=OFFER), key)
    return phone


def callee(raw: bytes | None = None) -> Phone:
    """A call in that is up."""
    phone = Phone("echo")
    phone.receive_call(raw)
    phone.request(message("ACK", to_tag=phone.call.tag))
    assert phone.state == "CONFIRMED"
    return phone


def sent(phone: Phone, method: str) -> bytes:
    raw: bytes = [effect.raw for effect in phone.all(Send) if effect.key.method == method][-1]
    return raw


def respond(phone: Phone, method: str, status: int, **more: object) -> None:
    send = [effect for effect in phone.all(Send) if effect.key.method == method][-1]
    tag = parse(send.raw).head.to_tag or "callee"
    phone.response(answer_to(send.raw, status, tag=tag, **more), send.key)  # type: ignore[arg-type]


def hold(phone: Phone) -> None:
    phone.command(HoldCall("h", phone.call.call))


def resume(phone: Phone) -> None:
    phone.command(ResumeCall("r", phone.call.call))


def answer_of(body: bytes, direction: bytes) -> bytes:
    return body + b"a=" + direction + b"\r\n"


@pytest.mark.parametrize("make", [caller, callee])
def test_hold_and_resume_are_re_invites_that_change_the_direction(make: object) -> None:
    phone = make()  # type: ignore[operator]
    hold(phone)
    first = parse(sent(phone, "INVITE"))
    assert b"a=sendonly\r\n" in first.body
    assert first.head.to_tag
    assert str(first.contact)
    assert phone.state == "MODIFYING"
    assert not phone.reports(CallHoldChanged)
    respond(phone, "INVITE", 200, body=answer_of(OFFER, b"recvonly"))
    assert phone.state == "CONFIRMED"
    assert phone.sent("ACK")[-1].cseq.number == first.head.cseq
    assert (phone.reports(CallHoldChanged)[-1].local, phone.reports(CallHoldChanged)[-1].remote) == (True, False)
    assert phone.started().direction == "sendonly"
    resume(phone)
    second = parse(sent(phone, "INVITE"))
    assert b"a=sendrecv\r\n" in second.body
    assert second.head.cseq == first.head.cseq + 1
    versions = [int(body.split(b"o=- ")[1].split(b" ")[1]) for body in (first.body, second.body)]
    assert versions[1] == versions[0] + 1
    respond(phone, "INVITE", 200, body=OFFER)
    assert (phone.reports(CallHoldChanged)[-1].local, phone.started().direction) == (False, "sendrecv")


@pytest.mark.parametrize("offer", [HELD, NOWHERE])
def test_the_peer_holds_us_by_direction_or_by_the_old_address_and_resumes(offer: bytes) -> None:
    phone = callee()
    phone.request(message("INVITE", to_tag=phone.call.tag, cseq=2, body=offer))
    assert phone.statuses[-1] == 200
    assert phone.reports(CallHoldChanged)[-1].remote
    assert not phone.started().sends
    assert phone.started().host == "192.0.2.9"  # nothing goes there, but media is given an address
    phone.request(message("ACK", to_tag=phone.call.tag, cseq=2))
    phone.request(message("INVITE", to_tag=phone.call.tag, cseq=3, body=OFFER))
    assert not phone.reports(CallHoldChanged)[-1].remote
    assert phone.started().direction == "sendrecv"


def test_both_can_hold_and_a_peers_offer_does_not_end_our_hold() -> None:
    phone = callee()
    hold(phone)
    respond(phone, "INVITE", 200, body=answer_of(OFFER, b"recvonly"))
    phone.request(message("INVITE", to_tag=phone.call.tag, cseq=2, body=HELD))
    assert b"a=inactive\r\n" in phone.last_response().body
    assert (phone.reports(CallHoldChanged)[-1].local, phone.reports(CallHoldChanged)[-1].remote) == (True, True)


def test_the_codec_can_change_both_ways() -> None:
    phone = callee()
    phone.request(message("INVITE", to_tag=phone.call.tag, cseq=2, body=OFFER.replace(b"AVP 0 8", b"AVP 8")))
    assert phone.started().send.encoding == "PCMA"
    phone.request(message("ACK", to_tag=phone.call.tag, cseq=2))
    hold(phone)
    respond(phone, "INVITE", 200, body=answer_of(OFFER.replace(b"AVP 0 8", b"AVP 0"), b"recvonly"))
    assert phone.started().send.encoding == "PCMU"


@pytest.mark.parametrize(("make", "least", "most"), [(caller, 2.1, 4.0), (callee, 0.0, 2.0)])
def test_after_a_491_the_owner_of_the_call_id_waits_longer(make: object, least: float, most: float) -> None:
    phone = make()  # type: ignore[operator]
    hold(phone)
    before = phone.call.media.agreed
    count = len(phone.sent("INVITE"))
    respond(phone, "INVITE", 491)
    assert phone.state == "CONFIRMED"
    assert phone.call.media.agreed == before
    wait = phone.call.next_deadline - phone.now  # type: ignore[operator]
    assert least <= wait <= most
    phone.wait(wait)
    assert phone.state == "MODIFYING"
    assert len(phone.sent("INVITE")) == count + 1
    respond(phone, "INVITE", 200, body=answer_of(OFFER, b"recvonly"))
    assert phone.reports(CallHoldChanged)[-1].local


def test_glare_does_not_go_on_for_ever() -> None:
    phone = callee()
    hold(phone)
    for _ in range(11):
        respond(phone, "INVITE", 491)
        phone.wait(5)
    assert phone.state == "CONFIRMED"
    assert phone.reports(CallNoticed)[-1].kind == "change_refused"
    assert phone.call.next_deadline is None


def test_a_retry_waits_for_the_ack_to_our_2xx() -> None:
    phone = callee()
    hold(phone)
    respond(phone, "INVITE", 491)
    phone.request(message("INVITE", to_tag=phone.call.tag, cseq=2, body=OFFER))
    assert phone.state == "ANSWERED"
    phone.wait(3)
    assert len(phone.sent("INVITE")) == 1
    phone.request(message("ACK", to_tag=phone.call.tag, cseq=2))
    phone.wait(1.1)
    assert len(phone.sent("INVITE")) == 2


def test_while_ours_is_open_theirs_gets_491_and_an_update_too_but_one_without_an_offer_passes() -> None:
    phone = callee()
    hold(phone)
    phone.request(message("INVITE", to_tag=phone.call.tag, cseq=2, body=OFFER))
    assert phone.statuses[-1] == 491
    phone.request(message("UPDATE", to_tag=phone.call.tag, cseq=3, body=OFFER))
    assert phone.statuses[-1] == 491
    phone.request(message("UPDATE", to_tag=phone.call.tag, cseq=4))
    assert phone.statuses[-1] == 200


@pytest.mark.parametrize("status", [488, 403, 302, 500])
def test_a_refused_change_leaves_the_session_as_it_was(status: int) -> None:
    phone = callee()
    before = phone.call.media.agreed
    starts = len(phone.all(Start))
    hold(phone)
    respond(phone, "INVITE", status)
    assert phone.state == "CONFIRMED"
    assert phone.call.media.agreed == before
    assert phone.call.media.direction == "sendrecv"
    assert len(phone.all(Start)) == starts
    assert phone.reports(CallNoticed)[-1].text.startswith(str(status))
    hold(phone)
    assert phone.state == "MODIFYING"


@pytest.mark.parametrize("status", [408, 481])
def test_a_dialog_that_the_peer_does_not_know_any_more_is_ended(status: int) -> None:
    phone = callee()
    hold(phone)
    respond(phone, "INVITE", status)
    assert phone.sent("BYE")
    phone.finish()
    assert (phone.ended.by, phone.ended.status) == ("error", status)


def test_a_change_that_nobody_answers_ends_the_call() -> None:
    phone = callee()
    hold(phone)
    send = phone.last(Send)
    phone.failed(send.key, 408)
    assert phone.sent("BYE")


@pytest.mark.parametrize("body", [b"", BAD_OFFER, b"nonsense"])
def test_a_2xx_without_a_good_answer_gets_ack_then_bye(body: bytes) -> None:
    phone = callee()
    hold(phone)
    respond(phone, "INVITE", 200, body=body)
    assert phone.sent("ACK")
    assert phone.sent("BYE")
    phone.finish()
    assert phone.ended.status == 488


def test_a_repeated_2xx_gets_the_same_ack_and_the_one_of_the_first_invite_none_of_it() -> None:
    phone = caller()
    first = phone.invite_key()
    raw = sent(phone, "INVITE")
    hold(phone)
    respond(phone, "INVITE", 200, body=answer_of(OFFER, b"recvonly"))
    respond(phone, "INVITE", 200, body=answer_of(OFFER, b"recvonly"))
    acks = phone.all(SendAck)
    assert acks[-1] == acks[-2]
    phone.response(answer_to(raw, 200, body=OFFER), first)
    assert len(phone.all(SendAck)) == len(acks)


def test_a_2xx_that_crosses_our_bye_is_acknowledged_and_any_other_answer_is_not() -> None:
    for status, acks in ((200, 1), (488, 0)):
        phone = callee()
        hold(phone)
        phone.command(HangUp("x", phone.call.call))
        respond(phone, "INVITE", status, body=OFFER if status == 200 else b"")
        assert len(phone.sent("ACK")) == acks
        phone.finish()
        assert phone.ended.by == "local"


def test_a_bye_ends_a_call_whose_change_is_open() -> None:
    phone = callee()
    hold(phone)
    phone.request(message("BYE", to_tag=phone.call.tag, cseq=2))
    phone.finish()
    assert phone.ended.by == "remote"


def test_the_duration_runs_on_over_a_change() -> None:
    phone = Phone()
    phone.receive_call()
    phone.command(AnswerCall("a", phone.call.call, Treatment(), 30.0))
    phone.request(message("ACK", to_tag=phone.call.tag))
    hold(phone)
    phone.wait(31)
    assert phone.sent("BYE")


def test_media_that_is_lost_and_files_that_end_during_a_change_are_told() -> None:
    phone = callee()
    hold(phone)
    phone.played(phone.session)
    phone._did(phone.agent.calls.unrecorded(phone.session, "/a.wav", "disk full", *phone.clock))
    phone.lost(phone.session)
    assert phone.sent("BYE")


def test_a_lost_transaction_shard_has_the_change_made_again() -> None:
    phone = callee()
    hold(phone)
    phone._did(phone.agent.transactions_lost(*phone.clock))
    assert phone.state == "CONFIRMED"
    phone.wait(4)
    assert len(phone.sent("INVITE")) == 2
    respond(phone, "INVITE", 200, body=answer_of(OFFER, b"recvonly"))
    assert phone.reports(CallHoldChanged)[-1].local


def test_hold_is_for_a_call_that_is_answered() -> None:
    phone = Phone()
    phone.receive_call()
    hold(phone)
    assert phone.failure().code == "bad_state"


def held_requests(phone: Phone) -> list[bytes]:
    """The direction of each re-INVITE that was sent, the INVITE before them left out."""
    found = [re.search(rb"a=(send\w+)\r\n", each.body) for each in phone.sent("INVITE") if each.head.to_tag]
    return [one[1] for one in found if one is not None]


def test_a_second_hold_changes_nothing_and_succeeds() -> None:
    phone = callee()
    hold(phone)
    hold(phone)
    respond(phone, "INVITE", 200, body=answer_of(OFFER, b"recvonly"))
    hold(phone)
    phone.wait(60.0)
    assert held_requests(phone) == [b"sendonly"]
    assert (len(phone.reports(CommandDone)), len(phone.reports(CallHoldChanged))) == (3, 1)
    resume(phone)
    respond(phone, "INVITE", 200, body=OFFER)
    resume(phone)
    assert held_requests(phone) == [b"sendonly", b"sendrecv"]


def test_a_hold_before_the_ack_goes_once_that_is_there() -> None:
    phone = Phone("echo")
    phone.receive_call()
    assert phone.state == "ANSWERED"
    hold(phone)
    assert held_requests(phone) == []
    phone.request(message("ACK", to_tag=phone.call.tag))
    phone.wait(0.0)
    assert held_requests(phone) == [b"sendonly"]
    assert len(phone.reports(CommandDone)) == 1


def test_what_is_wanted_while_a_change_is_open_goes_after_it() -> None:
    phone = callee()
    hold(phone)
    resume(phone)
    respond(phone, "INVITE", 200, body=answer_of(OFFER, b"recvonly"))
    phone.wait(0.0)
    assert held_requests(phone) == [b"sendonly", b"sendrecv"]
    hold(phone)
    resume(phone)
    respond(phone, "INVITE", 200, body=OFFER)
    phone.wait(60.0)
    assert held_requests(phone) == [b"sendonly", b"sendrecv"]


def test_a_refused_hold_needs_no_resume() -> None:
    phone = callee()
    hold(phone)
    resume(phone)
    respond(phone, "INVITE", 488)
    phone.wait(60.0)
    assert held_requests(phone) == [b"sendonly"]


def test_a_change_that_met_a_491_is_made_again_as_it_is_wanted_by_then() -> None:
    phone = callee()
    hold(phone)
    respond(phone, "INVITE", 491)
    resume(phone)
    phone.wait(4.0)
    assert held_requests(phone) == [b"sendonly", b"sendrecv"]
    respond(phone, "INVITE", 491)
    assert len(phone.reports(CommandDone)) == 2


def test_a_list_of_calls_says_who_holds_whom() -> None:
    phone = callee()

    def held() -> str:
        phone.command(ListCalls("l"))
        return str(phone.reports(CommandDone)[-1].calls[0].held)

    assert held() == ""
    hold(phone)
    respond(phone, "INVITE", 200, body=answer_of(OFFER, b"recvonly"))
    assert held() == "us"
    phone.request(message("INVITE", to_tag=phone.call.tag, cseq=2, body=HELD))
    assert held() == "both"
    phone.request(message("ACK", to_tag=phone.call.tag, cseq=2))
    resume(phone)
    respond(phone, "INVITE", 200, body=answer_of(OFFER, b"sendonly"))
    assert held() == "peer"


def test_a_change_by_name_is_located_first() -> None:
    phone = callee(invite(Contact="<sip:alice@peer.example>"))
    hold(phone)
    find = phone.last(Find)
    assert find.uri == "sip:alice@peer.example"
    phone.located(find.ref, NEAR)
    assert phone.sent("INVITE")
    respond(phone, "INVITE", 503)
    assert phone.state == "CONFIRMED"


def test_a_503_takes_the_change_to_the_next_candidate() -> None:
    phone = callee(invite(Contact="<sip:alice@peer.example>"))
    hold(phone)
    phone.located(phone.last(Find).ref, NEAR, FAR)
    respond(phone, "INVITE", 503)
    assert phone.state == "MODIFYING"
    respond(phone, "INVITE", 200, body=answer_of(OFFER, b"recvonly"))
    assert phone.state == "CONFIRMED"


# UPDATE of the peer.


def test_an_update_changes_session_and_target_at_once() -> None:
    phone = callee()
    raw = message("UPDATE", to_tag=phone.call.tag, cseq=2, body=HELD, Contact="<sip:alice@192.0.2.99:5099>")
    phone.request(raw)
    assert phone.statuses[-1] == 200
    assert b"a=recvonly\r\n" in phone.last_response().body
    assert line(phone.last(Reply).raw, "Contact")
    assert phone.reports(CallHoldChanged)[-1].remote
    phone.command(HangUp("x", phone.call.call))
    assert phone.sent("BYE")[0].uri == "sip:alice@192.0.2.99:5099"


@pytest.mark.parametrize(("body", "status"), [(BAD_OFFER, 488), (b"nonsense", 488)])
def test_an_update_that_cannot_be_taken_changes_nothing(body: bytes, status: int) -> None:
    phone = callee()
    before = phone.call.media
    phone.request(message("UPDATE", to_tag=phone.call.tag, cseq=2, body=body))
    assert phone.statuses[-1] == status
    assert phone.call.media == before


def test_an_update_before_our_answer_gets_500_with_retry_after() -> None:
    phone = Phone()
    phone.request(invite())
    tag = phone.call.tag
    phone.request(message("UPDATE", to_tag=tag, cseq=2, body=OFFER))
    assert phone.statuses[-1] == 500
    phone.prepared(phone.session)
    phone.request(message("UPDATE", to_tag=tag, cseq=3, body=OFFER))
    assert phone.statuses[-1] == 500
    assert 0 <= int(line(phone.last(Reply).raw, "Retry-After")) <= 10
    phone.request(message("UPDATE", to_tag=tag, cseq=4))
    assert phone.statuses[-1] == 200


def test_an_update_while_our_2xx_waits_for_its_ack_is_taken_and_while_its_offer_is_open_gets_491() -> None:
    phone = Phone("echo")
    phone.receive_call()
    phone.request(message("UPDATE", to_tag=phone.call.tag, cseq=2, body=HELD))
    assert phone.statuses[-1] == 200
    phone = Phone("echo")
    phone.receive_call(invite(b""))
    phone.request(message("UPDATE", to_tag=phone.call.tag, cseq=2, body=OFFER))
    assert phone.statuses[-1] == 491


def test_an_update_in_an_early_dialog_is_of_that_dialog_alone() -> None:
    phone = Phone()
    phone.place_call()
    for tag in ("one", "two"):
        raw = answer_to(sent(phone, "INVITE"), 183, tag=tag, body=OFFER, Require="100rel", RSeq="1")
        phone.response(raw, phone.invite_key())
    more = {"Call_ID": "call-1@host", "From": "<sip:b@h>;tag=one"}
    held = OFFER.replace(b"7000", b"7100")
    phone.request(message("UPDATE", to_tag=phone.call.tag, cseq=1, body=held, Contact="<sip:new@192.0.2.44>", **more))
    assert phone.statuses[-1] == 200
    assert phone.started().port == 7100
    one, two = (next(e for e in phone.call.early if e.remote_tag == tag) for tag in ("one", "two"))
    assert one.dialog is not None
    assert one.dialog.remote_target == "sip:new@192.0.2.44"
    assert two.dialog is not None
    assert two.dialog.remote_target == "sip:bob@192.0.2.9:5070"
    assert one.exchange.remote == held
    assert two.exchange.remote == OFFER


def test_an_update_of_an_early_dialog_whose_answer_is_open_gets_491() -> None:
    phone = Phone()
    phone.place_call()
    phone.response(answer_to(sent(phone, "INVITE"), 180, tag="one"), phone.invite_key())
    more = {"Call_ID": "call-1@host", "From": "<sip:b@h>;tag=one"}
    phone.request(message("UPDATE", to_tag=phone.call.tag, cseq=1, body=OFFER, **more))
    assert phone.statuses[-1] == 491
    phone.request(message("UPDATE", to_tag=phone.call.tag, cseq=2, **more))
    assert phone.statuses[-1] == 200


def reliably(phone: Phone, rseq: int, body: bytes = b"") -> None:
    """A reliable 183 of the peer to our re-INVITE."""
    respond(phone, "INVITE", 183, body=body, Require="100rel", RSeq=str(rseq))


def test_a_reliable_response_to_our_re_invite_gets_its_prack_once_and_its_answer_counts() -> None:
    phone = callee()
    hold(phone)
    reliably(phone, 7, answer_of(OFFER, b"recvonly"))
    reliably(phone, 7, answer_of(OFFER, b"recvonly"))
    reliably(phone, 9)
    pracks = phone.sent("PRACK")
    seq = parse(sent(phone, "INVITE")).head.cseq
    assert [prack.get("RAck") for prack in pracks] == [f"7 {seq} INVITE"]
    assert pracks[0].head.cseq == seq + 1
    assert phone.reports(CallHoldChanged)[-1].local
    phone.start()
    respond(phone, "PRACK", 200)
    reliably(phone, 8)
    assert len(phone.sent("PRACK")) == 2
    respond(phone, "INVITE", 200)  # no second answer
    assert phone.state == "CONFIRMED"
    assert parse(phone.last(SendAck).raw).head.cseq == seq
    assert phone.started().direction == "sendonly"
    assert len(phone.reports(CallHoldChanged)) == 1


def test_what_a_reliable_response_agreed_on_stands_though_the_re_invite_is_refused() -> None:
    phone = callee()
    hold(phone)
    reliably(phone, 1, answer_of(OFFER, b"recvonly"))
    respond(phone, "INVITE", 500)
    assert phone.state == "CONFIRMED"
    assert phone.started().direction == "sendonly"
    resume(phone)
    assert b"a=sendonly" not in sent(phone, "INVITE")


def test_a_bad_answer_in_a_reliable_response_gets_its_prack_and_the_2xx_decides() -> None:
    phone = callee()
    hold(phone)
    reliably(phone, 1, BAD_OFFER)
    assert phone.sent("PRACK")
    assert not phone.reports(CallHoldChanged)
    respond(phone, "INVITE", 200, body=answer_of(OFFER, b"recvonly"))
    assert phone.reports(CallHoldChanged)[-1].local


def test_an_unreliable_response_to_our_re_invite_changes_nothing() -> None:
    phone = callee()
    hold(phone)
    respond(phone, "INVITE", 183, body=answer_of(OFFER, b"recvonly"))
    assert not phone.sent("PRACK")
    assert phone.state == "MODIFYING"
