"""Subscriptions of ours in virtual time: SUBSCRIBE, forked NOTIFYs, refreshes, ends, mailboxes."""

from __future__ import annotations

from typing import Any

import pytest

from actors.dialog.accounts import Account
from actors.dialog.effects import Find, Send
from actors.dialog.events import CommandDone, CommandFailed
from actors.dialog.subscription_events import (
    MessagesWaiting,
    NotifyReceived,
    SubscriptionChanged,
    SubscriptionEnded,
    Unwatch,
    Watch,
)
from actors.sip.credentials import Challenge
from tests.dialog.phone import FLOW, NEAR, Phone, answer_to, line, message
from tests.dialog.registrar import ALICE

SUMMARY = b"Messages-Waiting: yes\r\nMessage-Account: sip:alice@example.com\r\nVoice-Message: 2/8 (0/2)\r\n"


class Watcher(Phone):
    """A phone that subscribes to a mailbox."""

    def watch(self, **more: Any) -> Send:
        """Subscribe; the SUBSCRIBE."""
        wanted = {"uri": "sip:alice@192.0.2.9:5070", "event": "message-summary", **more}
        done = self.command(Watch("r1", "sub-1", **wanted))
        assert isinstance(done[0].event, CommandDone), done
        self.located(self.last(Find).ref, NEAR)
        return self.subscribe()

    def subscribe(self) -> Send:
        """The last SUBSCRIBE."""
        last: Send = [e for e in self.all(Send) if e.key.method == "SUBSCRIBE"][-1]
        return last

    def accept(self, expires: int = 3600) -> None:
        """200 to the last SUBSCRIBE."""
        sent = self.subscribe()
        self.response(answer_to(sent.raw, 200, Expires=str(expires)), sent.key)

    def notify(
        self, state: str = "active;expires=3600", *, peer: str = "peer", cseq: int = 1, body: bytes = b"", **more: Any
    ) -> int:
        """A NOTIFY of the subscription; the status that answers it."""
        first = self.subscribe().raw
        lines = {
            "From": f"<sip:alice@192.0.2.9>;tag={peer}",
            "To": line(first, "From"),
            "Call_ID": line(first, "Call-ID"),
            "Event": "message-summary",
            "Subscription_State": state,
            "Content_Type": "application/simple-message-summary" if body else "",
            **more,
        }
        self.request(message("NOTIFY", cseq=cseq, branch=f"n{peer}{cseq}{len(self.effects)}", body=body, **lines))
        return self.statuses[-1]

    @property
    def changes(self) -> list[str]:
        """The states that were told."""
        return [event.state for event in self.reports(SubscriptionChanged)]

    @property
    def end(self) -> SubscriptionEnded:
        """The one end."""
        (event,) = self.reports(SubscriptionEnded)
        return event  # type: ignore[no-any-return]


def test_a_subscription_is_active_once_its_notify_came_and_says_what_it_said() -> None:
    watcher = Watcher()
    request = watcher.watch()
    assert line(request.raw, "Event") == "message-summary"
    assert line(request.raw, "Accept") == "application/simple-message-summary"
    assert line(request.raw, "Expires") == "3600"
    watcher.accept()
    assert watcher.changes == []
    assert watcher.notify(body=SUMMARY) == 200
    assert watcher.changes == ["active"]
    (told,) = watcher.reports(NotifyReceived)
    assert (told.subscription, told.event, told.state) == ("sub-1", "message-summary", "active")
    (waiting,) = watcher.reports(MessagesWaiting)
    assert (waiting.waiting, waiting.mailbox, waiting.counts) == (
        True,
        "sip:alice@example.com",
        (("voice-message", "2/8"),),
    )


def test_fault_5_a_notify_may_come_before_the_2xx() -> None:
    watcher = Watcher()
    watcher.watch()
    assert watcher.notify() == 200
    watcher.accept()
    watcher.wait(100.0)
    assert watcher.changes == ["active"]


def test_without_a_notify_it_is_tried_again_later() -> None:
    watcher = Watcher()
    watcher.watch()
    watcher.accept()
    watcher.wait(33.0)
    assert watcher.changes == ["retrying"]
    finds = len(watcher.all(Find))
    watcher.wait(61.0)
    assert len(watcher.all(Find)) == finds + 1


def test_a_pending_subscription_becomes_active() -> None:
    watcher = Watcher()
    watcher.watch()
    watcher.accept()
    watcher.notify("pending;expires=600")
    watcher.notify("active;expires=600", cseq=2)
    assert watcher.changes == ["pending", "active"]


def test_it_is_refreshed_in_the_dialog_before_it_lapses_for_hours() -> None:
    watcher = Watcher()
    first = watcher.watch()
    watcher.accept()
    watcher.notify("active;expires=600", Contact="<sip:box@192.0.2.9:5070>")
    for round_ in range(20):
        before = len(watcher.all(Send))
        watcher.wait(600 * 0.8 + 1)
        (refresh,) = watcher.all(Send)[before:]
        assert refresh.raw.startswith(b"SUBSCRIBE sip:box@192.0.2.9:5070 SIP/2.0\r\n")
        assert line(refresh.raw, "To") == "<sip:alice@192.0.2.9>;tag=peer"
        assert line(refresh.raw, "CSeq") == f"{round_ + 2} SUBSCRIBE"
        assert line(refresh.raw, "Call-ID") == line(first.raw, "Call-ID")
        watcher.accept(600)
    assert set(watcher.changes) == {"active"}


def test_forked_notifies_are_each_a_dialog_with_refreshes_of_its_own() -> None:
    watcher = Watcher()
    watcher.watch()
    watcher.accept()
    assert [watcher.notify("active;expires=100", peer=peer) for peer in ("a", "b")] == [200, 200]
    before = len(watcher.all(Send))
    watcher.wait(81.0)
    assert {line(e.raw, "To").rpartition("=")[2] for e in watcher.all(Send)[before:]} == {"a", "b"}
    watcher.notify("terminated;reason=noresource", peer="a", cseq=2)
    assert not watcher.reports(SubscriptionEnded)
    watcher.notify("terminated;reason=noresource", peer="b", cseq=2)
    assert watcher.end.reason == "noresource"


@pytest.mark.parametrize(
    ("reason", "again"),
    [
        ("deactivated", 6.0),
        ("timeout", 6.0),
        ("probation;retry-after=90", 91.0),
        ("giveup", 61.0),
        ("rejected", None),
        ("noresource", None),
        ("invariant", None),
        ("unheard-of", None),
    ],
)
def test_the_reason_of_the_last_notify_says_what_follows(reason: str, again: float | None) -> None:
    watcher = Watcher()
    first = watcher.watch()
    watcher.accept()
    watcher.notify()
    watcher.notify(f"terminated;reason={reason}", cseq=2)
    if again is None:
        assert watcher.end.reason == reason
        assert not watcher.cells
        return
    assert watcher.changes[-1] == "retrying"
    finds = len(watcher.all(Find))
    watcher.wait(again)
    assert len(watcher.all(Find)) == finds + 1
    watcher.located(watcher.last(Find).ref, NEAR)
    assert line(watcher.subscribe().raw, "Call-ID") != line(first.raw, "Call-ID")


@pytest.mark.parametrize("status", [403, 404, 489, 603])
def test_a_refusal_ends_it(status: int) -> None:
    watcher = Watcher()
    request = watcher.watch()
    watcher.response(answer_to(request.raw, status), request.key)
    assert watcher.end.status == status
    assert not watcher.cells


def test_423_is_asked_again_with_what_the_notifier_wants() -> None:
    watcher = Watcher()
    request = watcher.watch(expires=60)
    watcher.response(answer_to(request.raw, 423, Min_Expires="300"), request.key)
    assert line(watcher.subscribe().raw, "Expires") == "300"
    again = watcher.subscribe()
    watcher.response(answer_to(again.raw, 423, Min_Expires="600"), again.key)
    assert watcher.end.status == 423


def test_an_account_answers_the_notifiers_challenge() -> None:
    watcher = Watcher(accounts=(ALICE,))
    request = watcher.watch(uri="sip:alice@example.com", account=ALICE.aor)
    assert line(request.raw, "From").startswith("<sip:alice@example.com>;tag=s")
    asked = str(Challenge("example.com", "n1", "MD5", ("auth",)))
    watcher.response(answer_to(request.raw, 401, WWW_Authenticate=asked), request.key)
    assert "response=" in line(watcher.subscribe().raw, "Authorization")


def test_a_refresh_that_finds_nothing_begins_anew() -> None:
    watcher = Watcher()
    watcher.watch()
    watcher.accept()
    watcher.notify("active;expires=100")
    watcher.wait(81.0)
    refresh = watcher.subscribe()
    watcher.response(answer_to(refresh.raw, 481), refresh.key)
    assert watcher.changes[-1] == "retrying"


def test_a_refresh_without_an_answer_is_tried_again_until_it_lapses() -> None:
    watcher = Watcher()
    watcher.watch()
    watcher.accept()
    watcher.notify("active;expires=100")
    tries = 0
    for _ in range(12):
        before = len(watcher.all(Send))
        watcher.wait(10.0)
        for sent in watcher.all(Send)[before:]:
            tries += 1
            watcher.failed(sent.key)
    assert 2 <= tries <= 5
    assert watcher.changes[-1] == "retrying"


def test_unwatch_ends_it_with_the_last_notify() -> None:
    watcher = Watcher()
    watcher.watch()
    watcher.accept()
    watcher.notify()
    watcher.command(Unwatch("r2", "sub-1"))
    assert line(watcher.subscribe().raw, "Expires") == "0"
    watcher.accept(0)
    assert not watcher.reports(SubscriptionEnded)
    assert watcher.notify("terminated;reason=timeout", cseq=2, body=SUMMARY) == 200
    assert watcher.end.reason == "timeout"
    assert not watcher.cells


def test_unwatch_gives_up_on_a_notifier_that_is_silent() -> None:
    watcher = Watcher()
    watcher.watch()
    watcher.accept()
    watcher.notify()
    watcher.command(Unwatch("r2", "sub-1"))
    watcher.wait(33.0)
    assert watcher.end.reason == "timeout"


def test_a_fetch_ends_with_its_one_notify() -> None:
    watcher = Watcher()
    watcher.watch(expires=0)
    watcher.accept(0)
    watcher.notify("terminated;reason=timeout", body=SUMMARY)
    assert watcher.end.reason == "timeout"
    assert len(watcher.reports(MessagesWaiting)) == 1


def test_notifies_of_nobodys_subscription_get_481() -> None:
    watcher = Watcher()
    watcher.watch()
    watcher.accept()
    watcher.notify()
    assert watcher.notify(peer="x", Call_ID="other") == 481
    assert watcher.notify(cseq=2, Event="presence") == 481
    assert watcher.notify(cseq=1) == 500, "RFC 3261 section 12.2.2"
    watcher.request(message("NOTIFY", to_tag="s0000", cseq=9, Event="message-summary"))
    assert watcher.statuses[-1] == 481


def test_fault_33_a_summary_that_is_malformed_gets_400_and_an_unsolicited_one_481() -> None:
    watcher = Watcher()
    watcher.watch()
    watcher.accept()
    huge = b"Messages-Waiting: yes\r\nMessage-Account: sip:" + b"a" * 10_000 + b"@b\r\n"
    assert watcher.notify(body=huge) == 400
    assert not watcher.reports(NotifyReceived)
    watcher.request(message("NOTIFY", Event="message-summary", body=SUMMARY))
    assert watcher.statuses[-1] == 481


def test_a_mailbox_at_a_host_of_the_account_may_tell_without_being_asked() -> None:

    box = Account(aor="sip:us@192.0.2.9", register=False)
    phone = Phone(accounts=(box,))
    raw = message("NOTIFY", Event="message-summary", body=SUMMARY, Content_Type="application/simple-message-summary")
    phone.request(raw)
    assert phone.statuses == [200]
    assert phone.reports(MessagesWaiting)[0].account == box.aor
    phone.request(raw.replace(b"NOTIFY1", b"other"), FLOW._replace(host="198.51.100.1"))
    assert phone.statuses == [200, 481]


def test_a_kill_anywhere_changes_nothing() -> None:
    watcher = Watcher()
    watcher.watch()
    watcher.start()
    watcher.accept()
    watcher.start()
    watcher.notify("active;expires=100")
    watcher.start()
    watcher.wait(81.0)
    watcher.start()
    watcher.accept(100)
    watcher.command(Unwatch("r2", "sub-1"))
    watcher.start()
    watcher.accept(0)
    watcher.notify("terminated;reason=timeout", cseq=2)
    assert watcher.end.reason == "timeout"


@pytest.mark.parametrize(
    "wrong", [{"uri": "tel:1"}, {"event": ""}, {"event": "a b"}, {"expires": -1}, {"account": "sip:x@y"}]
)
def test_what_cannot_be_asked_is_refused(wrong: dict[str, Any]) -> None:
    phone = Phone()
    wanted: dict[str, Any] = {"uri": "sip:a@b", "event": "presence", **wrong}
    (outcome,) = phone.command(Watch("r", "s", **wanted))
    assert isinstance(outcome.event, CommandFailed)
    assert isinstance(phone.command(Unwatch("r", "s"))[0].event, CommandFailed)
    assert not phone.cells
