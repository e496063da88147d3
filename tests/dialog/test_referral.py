"""A REFER outside of calls: the application decides, and who names a call of ours may ask (RFC 3515, 4538)."""

from __future__ import annotations

from typing import Any

import pytest

from actors.dialog import referrals
from actors.dialog.call import Call
from actors.dialog.call_events import CallReceived
from actors.dialog.effects import Find, Reply, Send
from actors.dialog.request_events import AnswerRequest, ReferReceived
from tests.dialog.phone import Phone, message
from tests.dialog.test_replace_across import NEW, OLD, pair
from tests.dialog.test_transfer import CAROL, FOLLOW, GATE, alone, answered_notifys, first, line, up

ASK: dict[str, Any] = {**FOLLOW, "refer": "ask", "accounts": (GATE,)}


def sent(phone: Phone, **more: str) -> int:
    """Send a REFER; how many requests are answered after it."""
    phone.request(message("REFER", **{"Refer_To": f"<{CAROL}>", "branch": "alone", "Call_ID": "alone@far", **more}))
    return len(phone.statuses)


def calls(phone: Phone) -> list[Call]:
    return [cell for cell in phone.calls if isinstance(cell, Call)]


def asked(phone: Phone) -> ReferReceived:
    (event,) = phone.reports(ReferReceived)
    return event


def of(phone: Phone, text: str = "{call};local-tag={local};remote-tag={remote}", **more: str) -> str:
    """The Target-Dialog of its call."""
    return text.format(**{"call": "one@192.0.2.9", "local": first(phone), "remote": "peer", **more})


def test_the_application_follows_it_with_202_though_the_shard_is_killed_meanwhile() -> None:
    phone = Phone(**ASK)
    assert sent(phone, Referred_By="<sip:alice@192.0.2.9>") == 0
    event = asked(phone)
    assert (event.target, event.referred_by, event.remote) == (CAROL, "<sip:alice@192.0.2.9>", "sip:alice@192.0.2.9")
    assert (event.request, event.call, bool(event.placed)) == (event.placed, "", True)
    assert not phone.all(Find)
    phone.start()
    phone.command(AnswerRequest("a", "", event.request, 202))
    assert phone.statuses == [202]
    assert line(phone.last(Reply).raw, "Contact") == "<sip:sipactors@192.0.2.1:5060>"
    assert answered_notifys(phone) == [("active", 100)]
    assert [call.call for call in calls(phone)] == [event.placed]
    phone.wait(10.0)
    assert phone.statuses == [202]
    phone.command(AnswerRequest("b", "", event.request, 202))
    assert phone.failure().code == "bad_value"


def test_it_refuses_it_in_its_own_words_or_by_silence() -> None:
    phone = Phone(**ASK)
    sent(phone)
    for status in (200, 180, 700):
        phone.command(AnswerRequest("a", "", asked(phone).request, status))
        assert phone.failure().code == "bad_value"
    phone.command(AnswerRequest("a", "", asked(phone).request, 480, "Not now", (("Retry-After", "9"),), "", b"later"))
    reply = phone.last(Reply).raw
    assert reply.startswith(b"SIP/2.0 480 Not now\r\n")
    assert (line(reply, "Retry-After"), reply.endswith(b"\r\n\r\nlater")) == ("9", True)
    assert not phone.cells
    sent(phone, branch="another")
    phone.wait(5.0)
    assert phone.statuses == [480, 603]
    assert not phone.all(Find)
    assert not phone.all(Send)
    assert not phone.cells


def test_no_notify_is_sent_where_none_is_wanted() -> None:
    phone = Phone(**ASK)
    sent(phone, Refer_Sub="false")
    phone.command(AnswerRequest("a", "", asked(phone).request, 202))
    assert line(phone.last(Reply).raw, "Refer-Sub") == "false"
    assert len(calls(phone)) == 1
    assert not phone.all(Send)


def test_one_that_comes_again_is_asked_about_once_and_followed_once() -> None:
    phone = Phone(**ASK)
    sent(phone)
    sent(phone)
    event = asked(phone)
    phone.command(AnswerRequest("a", "", event.request, 202))
    sent(phone)
    assert phone.statuses == [202, 202]
    assert len(calls(phone)) == 1
    assert asked(phone) == event


def test_nobody_is_answered_whose_transaction_is_lost() -> None:
    phone = Phone(**ASK)
    sent(phone)
    phone.agent.transactions_lost(*phone.clock)
    assert not phone.cells
    phone.command(AnswerRequest("a", "", asked(phone).request, 202))
    assert (phone.failure().code, calls(phone)) == ("bad_value", [])


def test_only_so_many_wait_at_once_and_none_while_the_service_drains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(referrals, "MOST", 1)
    phone = Phone(**ASK)
    sent(phone)
    sent(phone, branch="another")
    assert phone.statuses == [503]
    assert phone.last_response().get("Retry-After") == "5"
    phone.wait(5.0)
    phone.agent.agent.draining = True
    assert alone(phone, branch="third") == 503


def test_a_call_that_no_longer_finds_room_is_told_by_a_notify() -> None:
    phone = Phone(**{**ASK, "max_calls": 1})
    sent(phone)
    phone.receive_call()
    phone.command(AnswerRequest("a", "", asked(phone).request, 202))
    assert answered_notifys(phone) == [("active", 100), ("terminated", 503)]
    assert len(calls(phone)) == 1


# RFC 4538


def test_a_stranger_that_names_a_call_of_ours_is_as_good_as_its_peer() -> None:
    phone = up(**FOLLOW)
    assert "tdialog" in (phone.last_response().get("Supported") or "")
    assert alone(phone, Call_ID="alone@far", Target_Dialog=of(phone), Require="tdialog") == 202
    event = asked(phone)
    assert (event.call, event.request) == (phone.reports(CallReceived)[0].call, "")
    assert event.placed in [call.call for call in calls(phone)]


@pytest.mark.parametrize(
    "named",
    [
        {"local": "none"},
        {"remote": "other"},
        {"call": "two@192.0.2.9"},
        {"local": "peer", "remote": "{first}"},  # as the sender sees it, which is not what s3 says
        {"text": "{call};local-tag={local}"},
        {"text": "{call};remote-tag={remote}"},
    ],
)
def test_one_that_names_none_of_ours_is_as_any_stranger(named: dict[str, str]) -> None:
    phone = up(**FOLLOW)
    known = {name: text.replace("{first}", first(phone)) for name, text in named.items()}
    assert alone(phone, Call_ID="alone@far", Target_Dialog=of(phone, **known)) == 603
    assert not phone.reports(ReferReceived)
    trunk = up(accounts=(GATE,), **FOLLOW)
    assert alone(trunk, Call_ID="alone@far", Target_Dialog=of(trunk, **known)) == 202, "it is to be ignored (s4)"
    assert asked(trunk).call == ""


def test_a_call_that_only_rings_has_a_dialog_to_be_named_too() -> None:
    phone = Phone(**FOLLOW)
    phone.receive_call()
    assert alone(phone, Call_ID="alone@far", Target_Dialog=of(phone)) == 202


@pytest.mark.parametrize("restarted", [(), (OLD,), (NEW,), (OLD, NEW)])
@pytest.mark.parametrize(("remote", "statuses"), [("peer", [202]), ("other", [603])])
def test_the_call_may_be_in_another_shard(restarted: tuple[int, ...], remote: str, statuses: list[int]) -> None:
    it = pair(**FOLLOW)
    sent(it.new, Call_ID="new@far", Target_Dialog=of(it.old, local=it.tag, remote=remote))
    assert it.new.statuses == []
    it.settle(restarted=restarted)
    assert it.new.statuses == statuses
    told = [event.call for event in it.new.reports(ReferReceived)]
    assert told == [call.call for call in calls(it.old) if statuses == [202]]
    assert len(calls(it.new)) == len(told)


@pytest.mark.parametrize(("more", "status"), [({}, 603), ({"accounts": (GATE,)}, 202)])
def test_a_shard_that_does_not_answer_knows_of_no_call(more: dict[str, Any], status: int) -> None:
    it = pair(**FOLLOW, **more)
    sent(it.new, Call_ID="new@far", Target_Dialog=of(it.old, local=it.tag))
    it.new.wait(5.0)
    assert it.new.statuses == [status]
    it.settle()
    assert it.new.statuses == [status], "a late word changes nothing"
