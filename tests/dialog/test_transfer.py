"""Transfer: REFER in both roles, attended with Replaces, by policy alone (RFC 3515, 3891, 4488, 5589)."""

from __future__ import annotations

from typing import Any

import pytest

from actors.dialog.accounts import Account
from actors.dialog.call_commands import HangUp, TransferCall
from actors.dialog.call_early import MAX_REQUESTS
from actors.dialog.call_events import CallAnswered, CallReceived, CallTransferProgressed, CallTransferRequested
from actors.dialog.effects import Find, Reply, Send
from actors.dialog.events import CommandDone
from actors.dialog.feed_events import SubscriberLeft
from actors.dialog.request_events import AnswerRequest
from actors.sip import Request, parse, sipfrag
from tests.dialog.phone import NEAR, OFFER, Phone, answer_to, invite, line, message
from tests.dialog.test_change import hold, respond, sent

FOLLOW = {"refer": "follow", "refer_hosts": ("192.0.2.7",)}
CAROL = "sip:carol@192.0.2.7"


def up(**settings: object) -> Phone:
    phone = Phone("echo", **settings)
    phone.receive_call()
    phone.request(message("ACK", to_tag=phone.call.tag))
    return phone


def first(phone: Phone) -> str:
    """The tag of the first call."""
    return str(phone.reports(CallReceived)[0].call.partition("-")[0])


def transfer(phone: Phone, target: str = CAROL, **more: object) -> None:
    phone.command(TransferCall("t", phone.reports(CallReceived)[0].call, target, **more))  # type: ignore[arg-type]


def notify(
    phone: Phone, status: int, cseq: int = 2, *, event: str = "refer", body: bytes = b"", state: str = "active"
) -> int:
    fragment = body or b"SIP/2.0 %d Word\r\n" % status
    more = {"Event": event, "Content_Type": "message/sipfrag", "Subscription_State": state}
    phone.request(message("NOTIFY", to_tag=first(phone), cseq=cseq, body=fragment, **more))
    return phone.statuses[-1]


def progress(phone: Phone) -> list[int]:
    return [event.status for event in phone.reports(CallTransferProgressed)]


# We send the REFER.


def test_a_blind_transfer_tells_its_progress_and_hangs_up_at_the_end() -> None:
    phone = up()
    transfer(phone)
    refer = phone.sent("REFER")[0]
    assert refer.get("Refer-To") == f"<{CAROL}>"
    assert refer.get("Referred-By") == "<sip:us@192.0.2.1>"
    assert refer.contact is not None
    respond(phone, "REFER", 202)
    assert progress(phone) == [100]
    assert notify(phone, 100) == 200
    assert notify(phone, 180, 3) == 200
    assert notify(phone, 180, 4, body=b"SIP/2.0 180 Ringing\n") == 200
    assert progress(phone) == [100, 100, 180]
    assert not phone.sent("BYE")
    assert notify(phone, 200, 5) == 200
    assert progress(phone)[-1] == 200
    assert phone.sent("BYE")
    phone.finish()
    assert phone.ended.by == "local"


def test_a_transfer_that_fails_leaves_the_call_up() -> None:
    phone = up()
    transfer(phone)
    respond(phone, "REFER", 202)
    notify(phone, 486)
    assert progress(phone) == [100, 486]
    assert phone.state == "CONFIRMED"
    transfer(phone)
    respond(phone, "REFER", 603)
    assert progress(phone)[-1] == 603
    transfer(phone)
    phone.failed(phone.last(Send).key, 408)
    assert progress(phone)[-1] == 408
    assert phone.state == "CONFIRMED"


@pytest.mark.parametrize("status", [100, 180])
def test_a_peer_that_tells_no_more_how_a_transfer_goes_has_it_fail_and_another_may_be_tried(status: int) -> None:
    phone = up()
    transfer(phone)
    respond(phone, "REFER", 202)
    assert notify(phone, 100) == 200
    assert notify(phone, status, 3, state="terminated;reason=timeout") == 200  # nobody knows where the peer is
    assert progress(phone)[-1] == 408
    assert phone.state == "CONFIRMED"
    assert notify(phone, 200, 4) == 481
    transfer(phone)
    assert len(phone.sent("REFER")) == 2


@pytest.mark.parametrize(("told", "seconds"), [(False, 32.0), (True, 152.0)])
def test_a_peer_that_takes_a_refer_and_falls_silent_has_the_transfer_fail_and_another_may_be_tried(
    told: bool, seconds: float
) -> None:
    """No NOTIFY at all for 64*T1 (RFC 6665, Timer N), or none for as long as the last one said, and that."""
    phone = up()
    transfer(phone)
    respond(phone, "REFER", 202)
    if told:
        assert notify(phone, 100, state="active;expires=120") == 200
    phone.start()
    phone.wait(seconds - 0.1)
    assert progress(phone)[-1] == 100
    phone.wait(0.2)
    assert progress(phone)[-1] == 408
    assert phone.state == "CONFIRMED"
    transfer(phone)
    respond(phone, "REFER", 202)
    notify(phone, 200, 4)
    assert progress(phone)[-2:] == [100, 200]


def test_a_notify_that_is_faster_than_the_202_says_how_long_is_waited_and_a_second_refer_has_its_own_time() -> None:
    phone = up()
    transfer(phone)
    assert notify(phone, 180, state="active;expires=60") == 200
    respond(phone, "REFER", 202)
    phone.wait(50.0)
    assert notify(phone, 486, 3) == 200
    assert progress(phone)[-1] == 486
    transfer(phone)
    phone.wait(60.0)
    assert progress(phone)[-1] == 486
    respond(phone, "REFER", 202)
    phone.wait(32.1)
    assert progress(phone)[-2:] == [100, 408]


def test_a_transfer_without_a_subscription_hangs_up_when_it_is_accepted() -> None:
    phone = up()
    transfer(phone, follow=False)
    assert phone.sent("REFER")[0].get("Refer-Sub") == "false"
    respond(phone, "REFER", 202)
    assert progress(phone) == [202]
    assert phone.sent("BYE")


def test_a_transfer_that_ends_while_our_2xx_waits_for_its_ack_hangs_up_after_it() -> None:
    for silent in (False, True):
        phone = up()
        transfer(phone, follow=not silent)
        refer = phone.last(Send)
        phone.request(message("INVITE", to_tag=first(phone), cseq=2, body=OFFER))
        assert phone.state == "ANSWERED"
        phone.response(answer_to(refer.raw, 202, tag="peer"), refer.key)
        if not silent:
            notify(phone, 200, 3)
        assert phone.state == "LEAVING"
        phone.request(message("ACK", to_tag=first(phone), cseq=2))
        assert phone.sent("BYE")


@pytest.mark.parametrize(
    ("event", "body", "status"),
    [
        ("presence", b"", 489),
        ("", b"", 489),
        ("refer", b"nonsense", 400),
        ("refer", b"INVITE sip:a@b SIP/2.0\r\n", 400),
    ],
)
def test_a_notify_of_something_else_is_refused(event: str, body: bytes, status: int) -> None:
    phone = up()
    transfer(phone)
    assert notify(phone, 200, event=event, body=body) == status
    assert phone.state == "CONFIRMED"


def test_a_notify_of_no_refer_is_481_and_a_late_one_is_taken() -> None:
    phone = up()
    assert notify(phone, 200) == 481
    transfer(phone)
    phone.command(HangUp("h", phone.call.call))
    assert notify(phone, 200, 3) == 200
    assert phone.state == "CLOSING"


def test_only_one_transfer_at_a_time_and_only_where_it_can_lead() -> None:
    phone = up()
    transfer(phone, "nonsense")
    assert phone.failure().code == "bad_uri"
    transfer(phone, "", replaces="other")
    assert phone.failure().code == "no_such_call"
    transfer(phone)
    transfer(phone)
    assert phone.failure().code == "bad_state"
    assert len(phone.sent("REFER")) == 1


def test_an_attended_transfer_names_the_other_call_as_its_peer_knows_it() -> None:
    phone = up()
    phone.request(invite(branch="two", Call_ID="two@peer", From="<sip:carol@192.0.2.7>;tag=carol"))
    phone.prepared(phone.session)
    other = phone.reports(CallReceived)[1].call
    transfer(phone, "", replaces=other)
    target = phone.sent("REFER")[0].get("Refer-To") or ""
    tag = other.partition("-")[0]
    assert target == f"<sip:alice@192.0.2.9:5070?Replaces=two%40peer%3Bto-tag%3Dcarol%3Bfrom-tag%3D{tag}>"


# We get the REFER.


def refer(phone: Phone, target: str = f"<{CAROL}>", cseq: int = 2, **more: str) -> int:
    phone.request(message("REFER", to_tag=first(phone), cseq=cseq, Refer_To=target, **more))
    return phone.statuses[-1]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("", 400),
        ("<<<", 400),
        ("<tel:+900123>", 416),
        ("<file:///etc/passwd>", 416),
        ("<sip:x@192.0.2.7?Replaces=a>", 403),
        ("<sip:x@192.0.2.7?Subject=a>", 403),
        ("<sip:x@192.0.2.7;method=BYE>", 403),
        ("<sips:x@192.0.2.7>", 403),
        ("<sip:x@elsewhere.example>", 403),
    ],
)
def test_what_a_refer_may_not_lead_to_is_never_dialled(target: str, status: int) -> None:
    phone = up(**FOLLOW)
    assert refer(phone, target) == status
    assert not phone.all(Find)
    assert phone.state == "CONFIRMED"
    requested = phone.reports(CallTransferRequested)
    assert [event.placed for event in requested] == ([""] if status != 400 else [])


def test_by_default_every_refer_is_declined() -> None:
    phone = up()
    assert refer(phone) == 603
    phone.request(message("REFER", Refer_To=f"<{CAROL}>", branch="alone"))
    assert phone.statuses[-1] == 603
    phone = up(**FOLLOW)
    phone.request(message("REFER", Refer_To=f"<{CAROL}>", branch="alone"))
    assert phone.statuses[-1] == 603
    phone.request(message("REFER", branch="none"))
    assert phone.statuses[-1] == 400
    assert not phone.all(Find)


def fragments(phone: Phone) -> list[int | None]:
    return [sipfrag.parse(request.body).status for request in phone.sent("NOTIFY")]


def test_a_refer_that_is_followed_tells_how_its_call_goes() -> None:
    phone = up(**FOLLOW)
    assert refer(phone, Referred_By="<sip:alice@192.0.2.9>") == 202
    requested = phone.reports(CallTransferRequested)[0]
    assert (requested.target, requested.referred_by) == (CAROL, "<sip:alice@192.0.2.9>")
    assert fragments(phone) == [100]
    assert phone.sent("NOTIFY")[0].get("Event") == "refer"
    phone.located(phone.last(Find).ref, NEAR)
    phone.prepared(phone.session)
    placed = parse(sent(phone, "INVITE"))
    assert isinstance(placed, Request)
    assert (placed.uri, placed.get("Referred-By")) == (CAROL, "<sip:alice@192.0.2.9>")
    assert requested.placed == placed.call_id
    respond(phone, "NOTIFY", 200)
    raw = sent(phone, "INVITE")
    phone.response(answer_to(raw, 180), phone.invite_key())
    phone.response(answer_to(raw, 180), phone.invite_key())
    phone.response(answer_to(raw, 200, body=OFFER), phone.invite_key())
    assert fragments(phone) == [100, 180, 200]
    assert phone.sent("NOTIFY")[-1].get("Subscription-State") == "terminated;reason=noresource"
    assert len(phone.reports(CallAnswered)) == 2
    assert not [done for done in phone.reports(CommandDone) if not done.ref]


def test_a_target_that_rings_in_every_way_has_no_more_told_than_the_peer_answers_but_for_the_end() -> None:
    phone = up(**FOLLOW)
    assert refer(phone) == 202
    phone.located(phone.last(Find).ref, NEAR)
    phone.prepared(phone.session)
    raw, key = sent(phone, "INVITE"), phone.invite_key()
    for number in range(100):
        phone.response(answer_to(raw, 180 + number % 4), key)
    assert len(fragments(phone)) == MAX_REQUESTS
    phone.response(answer_to(raw, 486), key)
    phone.closed(phone.session)
    assert fragments(phone)[-1] == 486


INTO = "<sip:carol@192.0.2.7?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>"


def test_a_refer_into_the_place_of_another_call_takes_its_replaces_along_where_the_policy_lets_it() -> None:
    """The peer transfers us attended: RFC 5589 s7."""
    phone = up(refer_replaces=True, **FOLLOW)
    assert refer(phone, INTO) == 202
    phone.located(phone.last(Find).ref, NEAR)
    phone.prepared(phone.session)
    placed = parse(sent(phone, "INVITE"))
    assert isinstance(placed, Request)
    assert (placed.uri, placed.get("Replaces")) == (CAROL, "a@b;to-tag=1;from-tag=2")
    assert refer(up(**FOLLOW), INTO) == 403


@pytest.mark.parametrize("more", ["&Subject=a", "&Replaces=b%3Bto-tag%3D1%3Bfrom-tag%3D2", "&Route=x"])
def test_a_refer_takes_nothing_else_along(more: str) -> None:
    phone = up(refer_replaces=True, **FOLLOW)
    assert refer(phone, INTO.replace(">", f"{more}>")) == 403
    assert not phone.all(Find)


ASK: dict[str, Any] = {"refer": "ask", "refer_hosts": ("*",)}


def test_the_application_may_decide_on_a_refer() -> None:
    phone = up(**ASK)
    before = len(phone.statuses)
    refer(phone, Referred_By="<sip:alice@192.0.2.9>")
    (asked,) = phone.reports(CallTransferRequested)
    assert (len(phone.statuses), asked.target, asked.referred_by) == (before, CAROL, "<sip:alice@192.0.2.9>")
    phone.command(AnswerRequest("a", asked.call, asked.request, 200))
    assert (phone.failure().code, len(phone.statuses)) == ("bad_value", before), "202 is what not every client may say"
    phone.command(AnswerRequest("a", asked.call, asked.request, 202))
    assert phone.statuses[-1] == 202
    assert line(phone.last(Reply).raw, "Contact") == "<sip:sipactors@192.0.2.1:5060>"
    assert fragments(phone) == [100]
    phone.located(phone.last(Find).ref, NEAR)
    phone.prepared(phone.session)
    placed = parse(sent(phone, "INVITE"))
    assert (placed.get("Call-ID"), placed.get("Referred-By")) == (asked.placed, "<sip:alice@192.0.2.9>")
    phone.wait(10.0)
    assert 603 not in phone.statuses


def test_a_refer_that_the_application_refuses_or_forgets_leads_nowhere() -> None:
    phone = up(**ASK)
    refer(phone)
    phone.command(AnswerRequest("a", phone.call.call, phone.call.inquiries[0].request, 486, "Not now"))
    assert phone.statuses[-1] == 486
    refer(phone, cseq=3)
    phone.wait(5.0)
    assert phone.statuses[-1] == 603
    assert not phone.all(Find)
    assert not phone.sent("NOTIFY")


def test_the_application_is_not_asked_where_the_policy_says_no_and_follows_one_at_a_time() -> None:
    phone = up(**ASK)
    assert refer(phone, "<tel:+900123>") == 416
    assert phone.reports(CallTransferRequested)[-1].request == ""
    for cseq in (3, 4):
        refer(phone, cseq=cseq)
    for inquiry in phone.calls[0].inquiries:
        phone.command(AnswerRequest("a", phone.reports(CallTransferRequested)[-1].call, inquiry.request, 202))
    assert phone.statuses[-2:] == [202, 491]


def test_the_call_of_a_refer_may_fail_or_never_begin() -> None:
    phone = up(**FOLLOW)
    refer(phone)
    phone.located(phone.last(Find).ref, NEAR)
    phone.prepared(phone.session)
    phone.response(answer_to(sent(phone, "INVITE"), 486), phone.invite_key())
    assert fragments(phone) == [100]
    phone.closed(phone.session)
    assert fragments(phone) == [100, 486]
    phone = up(**FOLLOW)
    refer(phone)
    phone.located(phone.last(Find).ref)
    assert fragments(phone) == [100, 503]
    phone = up(max_calls=1, **FOLLOW)
    assert refer(phone) == 202
    assert fragments(phone) == [100, 503]
    assert phone.state == "CONFIRMED"


def test_the_call_of_a_refer_that_nobody_answers_is_told_by_its_timer() -> None:
    phone = up(ring_timeout=5.0, **FOLLOW)
    refer(phone)
    phone.wait(6)
    assert fragments(phone)[0] == 100
    assert len(fragments(phone)) == 2


def test_a_second_refer_waits_for_the_first_and_one_without_a_subscription_gets_no_notify() -> None:
    phone = up(**FOLLOW)
    assert refer(phone, Refer_Sub="false") == 202
    assert phone.last_response().get("Refer-Sub") == "false"
    assert fragments(phone) == []
    assert refer(phone, cseq=3) == 491
    phone.located(phone.last(Find).ref)
    assert fragments(phone) == []
    assert refer(phone, cseq=4) == 202


def test_a_refer_while_our_2xx_waits_for_its_ack_is_followed_too_and_its_progress_told() -> None:
    phone = Phone("echo", **FOLLOW)
    phone.receive_call()
    assert refer(phone) == 202
    phone.located(phone.last(Find).ref)
    assert fragments(phone) == [100, 503]


def test_a_refer_while_a_change_of_ours_is_open_is_followed() -> None:
    phone = up(**FOLLOW)
    hold(phone)
    assert refer(phone) == 202
    phone.located(phone.last(Find).ref)
    assert fragments(phone) == [100, 503]


def test_the_progress_of_a_call_whose_referrer_is_gone_is_told_to_nobody() -> None:
    phone = up(**FOLLOW)
    refer(phone)
    phone.request(message("BYE", to_tag=first(phone), cseq=3))
    phone.closed(f"{first(phone)}.1")
    phone.located(phone.last(Find).ref)
    assert fragments(phone) == [100]


# Replaces.


def replacing(phone: Phone, **more: str) -> int:
    tag = first(phone)
    wanted = {"Replaces": f"one@192.0.2.9;to-tag={tag};from-tag=peer", **more}
    phone.request(invite(branch="new", Call_ID="new@peer", From="<sip:carol@h>;tag=carol", **wanted))
    return phone.statuses[-1]


def test_a_call_takes_the_place_of_another_where_the_policy_lets_it() -> None:
    phone = up(replaces=True)
    replacing(phone)
    phone.prepared(phone.session)
    assert phone.statuses[-1] == 200
    bye = phone.sent("BYE")[0]
    assert bye.head.call_id == "one@192.0.2.9"
    new = phone.calls[-1]
    assert new.state.name == "ANSWERED"
    assert new.treatment.echo


def test_a_call_that_is_answered_by_hand_elsewhere_is_replaced_after_the_ack_it_waits_for() -> None:
    phone = Phone("echo", replaces=True)
    phone.receive_call()
    replacing(phone)
    phone.prepared(phone.session)
    assert not phone.sent("BYE")
    phone.request(message("ACK", to_tag=first(phone)))
    assert phone.sent("BYE")


def test_a_call_whose_change_is_open_is_replaced_too() -> None:
    phone = up(replaces=True)
    hold(phone)
    replacing(phone)
    phone.prepared(phone.session)
    assert phone.sent("BYE")


def test_if_the_target_hangs_up_meanwhile_the_new_call_lives_alone() -> None:
    phone = up(replaces=True)
    replacing(phone)
    phone.request(message("BYE", to_tag=first(phone), cseq=2))
    phone.closed(f"{first(phone)}.1")
    phone.prepared(phone.session)
    assert phone.statuses[-1] == 200
    assert not phone.sent("BYE")
    assert phone.call.state.name == "ANSWERED"


@pytest.mark.parametrize(
    ("settings", "more", "status"),
    [
        ({}, {}, 403),
        ({"replaces": True}, {"Replaces": "one@192.0.2.9;to-tag=none;from-tag=peer"}, 481),
        ({"replaces": True}, {"Replaces": "one@192.0.2.9;to-tag={tag};from-tag=other"}, 481),
        ({"replaces": True}, {"Replaces": "two@192.0.2.9;to-tag={tag};from-tag=peer"}, 481),
        ({"replaces": True}, {"Replaces": "one@192.0.2.9;to-tag={tag};from-tag=peer;early-only"}, 486),
        ({"replaces": True}, {"Replaces": "nonsense"}, 400),
        ({"replaces": True}, {"Join": "one@192.0.2.9;to-tag={tag};from-tag=peer"}, 400),
    ],
)
def test_what_a_replaces_may_not_do(settings: dict[str, object], more: dict[str, str], status: int) -> None:
    phone = up(**settings)
    filled = {name: value.replace("{tag}", first(phone)) for name, value in more.items()}
    assert replacing(phone, **filled) == status
    assert phone.state == "CONFIRMED"


def test_a_replaces_of_a_call_that_ends_or_only_rings_is_refused() -> None:
    phone = up(replaces=True)
    phone.command(HangUp("h", phone.call.call))
    assert replacing(phone) == 603
    phone = Phone(replaces=True)
    phone.receive_call()
    assert replacing(phone) == 481


# A REFER that comes outside of a call.

GATE = Account(aor="sip:gate@192.0.2.9", registrar="sip:192.0.2.9", register=False)


def alone(phone: Phone, **more: str) -> int:
    phone.request(message("REFER", **{"Refer_To": f"<{CAROL}>", "branch": "alone", **more}))
    return phone.statuses[-1]


def answered_notifys(phone: Phone) -> list[tuple[str, int | None]]:
    """What each NOTIFY says; the peer answers those that are on their way."""
    for sent_one in [each for each in phone.all(Send) if each.key.method == "NOTIFY"]:
        phone.response(answer_to(sent_one.raw, 200), sent_one.key)
    found = phone.sent("NOTIFY")
    return [
        ((each.get("Subscription-State") or "").partition(";")[0], sipfrag.parse(each.body).status) for each in found
    ]


def test_a_refer_outside_of_a_call_is_followed_for_a_trunk_and_told_how_it_goes() -> None:
    phone = Phone(accounts=(GATE,), **FOLLOW)
    assert alone(phone, Referred_By="<sip:alice@192.0.2.9>") == 202
    assert answered_notifys(phone) == [("active", 100)]
    assert phone.sent("NOTIFY")[0].get("Event") == "refer"
    phone.located(phone.last(Find).ref, NEAR)
    phone.prepared(phone.session)
    phone.start()
    placed = parse(sent(phone, "INVITE"))
    assert (placed.get("Referred-By"), placed.head.to_tag) == ("<sip:alice@192.0.2.9>", "")
    phone.response(answer_to(bytes(placed), 180), phone.invite_key())
    assert answered_notifys(phone)[-1] == ("active", 180)
    phone.response(answer_to(bytes(placed), 200, body=OFFER), phone.invite_key())
    assert answered_notifys(phone)[-1] == ("terminated", 200)
    answered_notifys(phone)
    assert [call.state.name for call in phone.calls] == ["CONFIRMED"], "the subscription is over, the call goes on"
    assert phone.reports(SubscriberLeft) == []


def test_one_that_fails_tells_why_and_one_that_wants_no_notify_gets_none() -> None:
    phone = Phone(accounts=(GATE,), **FOLLOW)
    alone(phone)
    phone.located(phone.last(Find).ref)
    answered_notifys(phone)
    assert answered_notifys(phone)[-1] == ("terminated", 503)
    answered_notifys(phone)
    assert not phone.cells
    silent = Phone(accounts=(GATE,), **FOLLOW)
    assert alone(silent, Refer_Sub="false") == 202
    assert silent.last_response().get("Refer-Sub") == "false"
    silent.located(silent.last(Find).ref, NEAR)
    silent.prepared(silent.session)
    silent.response(answer_to(sent(silent, "INVITE"), 180), silent.invite_key())
    assert silent.sent("NOTIFY") == []


@pytest.mark.parametrize(
    ("settings", "more", "status"),
    [
        (FOLLOW, {}, 603),
        ({**FOLLOW, "accounts": (GATE,), "refer": "refuse"}, {}, 603),
        ({**FOLLOW, "accounts": (GATE,)}, {"Refer_To": "<sip:x@elsewhere.example>"}, 403),
        ({**FOLLOW, "accounts": (GATE,)}, {"Refer_To": "<tel:+900123>"}, 416),
        ({**FOLLOW, "accounts": (GATE,)}, {"Refer_To": ""}, 400),
        ({**FOLLOW, "accounts": (GATE,)}, {"Contact": ""}, 400),
        ({**FOLLOW, "accounts": (GATE,), "max_calls": 0}, {}, 486),
        ({**FOLLOW, "realm": "here"}, {}, 403),
    ],
)
def test_fault_45_one_outside_of_a_call_leads_nobody_where_the_policy_does_not(
    settings: dict[str, Any], more: dict[str, str], status: int
) -> None:
    """Of who neither proved who it is nor is a trunk, none is followed."""
    phone = Phone(**settings)
    assert alone(phone, **more) == status
    assert not phone.all(Find)
    assert not phone.cells
