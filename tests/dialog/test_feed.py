"""Subscriptions to us in virtual time: what is granted, told, refreshed and ended."""

from __future__ import annotations

from typing import Any

import pytest

from actors.dialog.effects import Send
from actors.dialog.events import CommandDone, CommandFailed
from actors.dialog.feed_events import Notify, SubscriberLeft, SubscriptionReceived
from actors.sip import Request, parse
from tests.dialog.phone import Phone, answer_to, message


class Desk(Phone):
    """A phone whose application serves one package."""

    def __init__(self) -> None:
        super().__init__(packages=("presence",))

    def subscribe(self, *, expires: str = "600", cseq: int = 1, tag: str = "", **more: Any) -> int:
        lines = {"Event": "presence", "Expires": expires, "Accept": "application/pidf+xml", **more}
        self.request(message("SUBSCRIBE", to_tag=tag, cseq=cseq, branch=f"s{cseq}{tag}", **lines))
        return self.statuses[-1]

    def tell(self, body: bytes = b"<open/>", reason: str = "", name: str = "") -> Any:
        order = Notify("r", name or self.name, "application/pidf+xml" if body else "", body, reason)
        return self.command(order)[0].event

    @property
    def name(self) -> str:
        event: SubscriptionReceived = self.reports(SubscriptionReceived)[-1]
        return event.subscription

    @property
    def notify(self) -> Request:
        return self.sent("NOTIFY")[-1]

    def accept(self, status: int = 200) -> None:
        sent = [e for e in self.all(Send) if e.key.method == "NOTIFY"][-1]
        self.response(answer_to(sent.raw, status), sent.key)

    @property
    def left(self) -> SubscriberLeft:
        (event,) = self.reports(SubscriberLeft)
        return event  # type: ignore[no-any-return]


def watched() -> Desk:
    desk = Desk()
    assert desk.subscribe() == 200
    desk.accept()
    assert isinstance(desk.tell(), CommandDone)
    desk.accept()
    return desk


def test_a_subscription_is_pending_until_the_application_tells_a_state() -> None:
    desk = Desk()
    assert desk.subscribe() == 200
    assert desk.last_response().expires == 600
    (asked,) = desk.reports(SubscriptionReceived)
    assert (asked.remote, asked.event, asked.expires) == ("sip:alice@192.0.2.9", "presence", 600)
    assert desk.notify.get("Subscription-State") == "pending;expires=600"
    assert desk.notify.get("To") == "<sip:alice@192.0.2.9>;tag=peer"
    assert desk.notify.head.from_tag == desk.our_tag()
    desk.accept()
    desk.tell(b"<open/>")
    assert (desk.notify.get("Subscription-State"), desk.notify.body) == ("active;expires=600", b"<open/>")
    assert desk.notify.cseq.number == 2


def test_states_told_in_a_row_do_not_overtake_each_other_and_the_last_one_arrives() -> None:
    desk = Desk()
    desk.subscribe()
    for body in (b"1", b"2", b"3"):
        desk.tell(body)
    assert len(desk.sent("NOTIFY")) == 1
    desk.accept()
    assert [each.body for each in desk.sent("NOTIFY")] == [b"", b"3"]
    desk.accept()
    assert len(desk.sent("NOTIFY")) == 2


def test_a_refresh_is_granted_and_told_the_state_again() -> None:
    desk = watched()
    desk.wait(500.0)
    assert desk.subscribe(cseq=2, tag=desk.notify.head.from_tag) == 200
    assert (desk.notify.body, desk.notify.get("Subscription-State")) == (b"<open/>", "active;expires=600")
    desk.accept()
    desk.wait(599.0)
    assert not desk.reports(SubscriberLeft)
    desk.wait(2.0)
    assert desk.notify.get("Subscription-State") == "terminated;reason=timeout"
    desk.accept()
    assert desk.left.reason == "timeout"
    assert not desk.cells


def test_expires_0_ends_it() -> None:
    desk = watched()
    assert desk.subscribe(cseq=2, tag=desk.notify.head.from_tag, expires="0") == 200
    assert desk.notify.get("Subscription-State") == "terminated;reason=timeout"
    desk.accept()
    assert desk.left.reason == "timeout"


def test_the_application_ends_it_for_a_reason() -> None:
    desk = watched()
    desk.tell(b"", "rejected")
    assert desk.notify.get("Subscription-State") == "terminated;reason=rejected"
    assert isinstance(desk.tell(), CommandFailed)
    desk.accept()
    assert desk.left.reason == "rejected"


@pytest.mark.parametrize("status", [481, 500, 603])
def test_a_notify_that_fails_ends_it(status: int) -> None:
    desk = watched()
    desk.tell()
    desk.accept(status)
    assert desk.left.status == status
    assert not desk.cells


def test_a_subscriber_that_is_silent_is_given_up() -> None:
    desk = Desk()
    desk.subscribe()
    desk.failed([e for e in desk.all(Send) if e.key.method == "NOTIFY"][-1].key)
    assert desk.left.status == 408


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"Event": "dialog"}, 489),
        ({"Event": ""}, 489),
        ({"expires": "5"}, 423),
        ({"Contact": ""}, 400),
        ({"Require": "x"}, 420),
    ],
)
def test_what_cannot_be_served_is_refused(more: dict[str, Any], status: int) -> None:
    desk = Desk()
    assert desk.subscribe(**more) == status
    assert not desk.cells
    if status == 489:
        assert desk.last_response().get("Allow-Events") == "presence"


@pytest.mark.parametrize("full", [True, False])
def test_who_has_a_subscription_keeps_and_ends_it_while_nobody_else_gets_one(
    monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    desk = watched()
    tag = desk.notify.head.from_tag
    if full:
        monkeypatch.setattr("actors.dialog.feeds.MAX_FEEDS", 1)
    else:
        desk.agent.agent.draining = True
    assert desk.subscribe(cseq=7, Call_ID="another") == 503
    assert desk.subscribe(cseq=2, tag=tag) == 200
    desk.accept()
    assert desk.subscribe(cseq=3, tag=tag, expires="0") == 200
    desk.accept()
    assert desk.left.subscription == desk.name


def test_a_service_without_packages_refuses_all_and_requests_of_no_subscription_get_481() -> None:
    phone = Phone()
    phone.request(message("SUBSCRIBE", Event="presence"))
    assert phone.statuses == [489]
    desk = watched()
    assert desk.subscribe(cseq=2, tag="n0000") == 481
    assert desk.subscribe(cseq=2, tag=desk.notify.head.from_tag, Call_ID="other") == 481
    assert desk.subscribe(cseq=1, tag=desk.notify.head.from_tag) == 500
    assert isinstance(desk.tell(name="n0000-0"), CommandFailed)
    assert isinstance(desk.tell(reason="not one word"), CommandFailed)


def test_a_kill_anywhere_changes_nothing() -> None:
    desk = Desk()
    desk.subscribe()
    desk.start()
    desk.tell()
    desk.start()
    desk.accept()
    desk._did(desk.agent.transactions_lost(*desk.clock))
    assert [each.body for each in desk.sent("NOTIFY")] == [b"", b"<open/>", b"<open/>"]
    desk.start()
    desk.accept()
    desk._did(desk.agent.leave(*desk.clock))
    message_sent = parse(desk.last(Send).raw)
    assert isinstance(message_sent, Request)
    assert message_sent.get("Subscription-State") == "terminated;reason=deactivated"
