"""Message-waiting told by us (RFC 3842): to those who subscribed, and to phones that never did."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.dialog.accounts import Account, Secret
from actors.dialog.effects import Find, Send
from actors.dialog.events import CommandDone, CommandFailed
from actors.dialog.feed_events import Notify, TellWaiting
from actors.dialog.subscription_events import MessagesWaiting
from actors.sip import Request
from actors.sip import message_summary as summary
from actors.sip.credentials import Challenge
from tests.dialog.phone import FAR, Phone, answer_to, line, message

change = msgspec.structs.replace
LAMP = "sip:desk@192.0.2.10:5070"
OURS = Account(aor="sip:us@192.0.2.1", registrar="sip:192.0.2.1", register=False)
SUMMARY = "application/simple-message-summary"


class House(Phone):
    """A phone that is a mailbox to others."""

    def __init__(self, **account: Any) -> None:
        super().__init__(accounts=(change(OURS, **account),), packages=("message-summary", "presence"))
        self._did(self.agent.begin(*self.clock))

    def tell(self, *counts: str, account: str = OURS.aor, **more: Any) -> Any:
        """Say how many messages wait."""
        named = tuple(("voice-message", count) for count in counts)
        waiting = any(not count.startswith("0") for count in counts)
        return self.command(TellWaiting("r", account, waiting, named, **more))[0].event

    def subscribe(self, event: str = "message-summary", number: int = 1, **more: str) -> None:
        """Somebody subscribes; the NOTIFY that follows is accepted."""
        lines = {"Event": event, "Expires": "600", "Call_ID": f"s{number}", **more}
        self.request(message("SUBSCRIBE", branch=f"s{number}", **lines))
        self.accept()

    def located_lamp(self) -> None:
        """The phone with the lamp is found."""
        self.located(self.last(Find).ref, FAR)

    def accept(self, status: int = 200, **headers: str) -> None:
        """The last NOTIFY is answered."""
        sent = self.last(Send)
        self.response(answer_to(sent.raw, status, **headers), sent.key)

    @property
    def notify(self) -> Request:
        """The last NOTIFY."""
        return self.sent("NOTIFY")[-1]

    @property
    def told(self) -> list[str]:
        """The counts in every NOTIFY with a body."""
        bodies = [request.body for request in self.sent("NOTIFY") if request.body]
        return [str(summary.parse(body).counts["voice-message"]) for body in bodies]


# To subscribers


def test_subscribers_are_told_and_who_comes_later_is_told_at_once() -> None:
    house = House()
    house.subscribe()
    assert house.notify.get("Subscription-State") == "pending;expires=600"
    house.subscribe("presence", 2)
    assert isinstance(house.tell("2/8"), CommandDone)
    house.accept()
    assert (house.notify.head.call_id, house.notify.get("Content-Type")) == ("s1", SUMMARY)
    assert house.notify.get("Subscription-State") == "active;expires=600"
    assert summary.parse(house.notify.body) == summary.Summary(
        waiting=True, account=OURS.aor, counts={"voice-message": summary.Count(2, 8)}
    )
    house.start()
    house.subscribe(number=3)
    assert house.notify.get("Subscription-State") == "active;expires=600"
    assert house.told == ["2/8", "2/8"]
    house.tell("0/10", mailbox="sip:box@example.com")
    told = {request.head.call_id: summary.parse(request.body) for request in house.sent("NOTIFY")[-2:]}
    assert set(told) == {"s1", "s3"}
    assert all(not each.waiting and each.account == "sip:box@example.com" for each in told.values())


def test_an_application_may_still_tell_one_subscriber_something_else() -> None:
    house = House()
    house.tell("1/0")
    house.subscribe()
    name = house.agent.agent.names.id_of_call_in(house.notify.head.from_tag)
    order = Notify("n", name, SUMMARY, b"Messages-Waiting: no\r\n", "")
    assert isinstance(house.command(order)[0].event, CommandDone)
    assert summary.parse(house.notify.body).waiting is False


# To phones that never subscribed


def lamp(**account: Any) -> House:
    return House(waiting_to=(LAMP,), **account)


def test_a_phone_of_the_configuration_is_told_without_a_subscription() -> None:
    house = lamp()
    house.tell("2/8")
    house.located_lamp()
    sent = house.notify
    assert (sent.uri, str(sent.from_.uri), str(sent.to.uri), sent.head.to_tag) == (LAMP, OURS.aor, LAMP, "")
    assert (sent.get("Event"), sent.get("Subscription-State")) == ("message-summary", "terminated")
    assert summary.parse(sent.body).counts == {"voice-message": summary.Count(2, 8)}
    house.accept()
    house.wait(10_000.0)
    assert house.told == ["2/8"]


def test_a_service_of_ours_at_the_other_end_takes_it() -> None:
    house = lamp()
    house.tell("2/8")
    house.located_lamp()
    raw = house.last(Send).raw.replace(b"sip:desk@", b"sip:alice@")
    there = Phone(accounts=(Account(aor="sip:alice@192.0.2.9", registrar="sip:192.0.2.9"),))
    there.request(raw)
    assert there.statuses == [200]
    (waiting,) = there.reports(MessagesWaiting)
    assert (waiting.waiting, waiting.mailbox, waiting.counts) == (True, OURS.aor, (("voice-message", "2/8"),))


def test_states_told_in_a_row_do_not_overtake_each_other_and_the_last_one_arrives() -> None:
    house = lamp()
    house.tell("1/0")
    house.tell("2/0")
    house.located_lamp()
    house.start()
    house.accept()
    assert house.told == ["2/0"], "what was not sent yet is not sent any more"
    for count in ("3/0", "4/0", "5/0"):
        house.tell(count)
        if count == "3/0":
            house.located_lamp()
    house.accept()
    house.located_lamp()
    house.accept()
    assert house.told == ["2/0", "3/0", "5/0"]
    assert [request.cseq.number for request in house.sent("NOTIFY")] == [1, 2, 3]


def test_a_phone_that_does_not_answer_is_told_later_over_a_kill_and_one_that_does_not_want_it_is_not() -> None:
    house = lamp()
    house.tell("1/0")
    house.located_lamp()
    house.failed(house.last(Send).key)
    house.start()
    house.wait(31.0)
    house.located_lamp()
    house._did(house.agent.transactions_lost(*house.clock))
    house.wait(61.0)
    house.located(house.last(Find).ref)
    house.wait(121.0)
    house.located_lamp()
    house.accept(489)
    finds = len(house.all(Find))
    house.wait(100_000.0)
    assert len(house.all(Find)) == finds
    house.tell("2/0")
    house.located_lamp()
    assert house.told[-1] == "2/0"


def test_a_challenge_is_answered_and_an_answer_that_never_comes_is_given_up() -> None:
    house = lamp(secret=Secret("wonderland"), username="us", peers=("192.0.2.10",))
    house.tell("1/0")
    house.located_lamp()
    asked = str(Challenge("desk", "n1", "MD5", ("auth",)))
    house.accept(401, WWW_Authenticate=asked)
    assert "response=" in line(house.last(Send).raw, "Authorization")
    finds = len(house.all(Find))
    house.wait(300.0)
    assert len(house.all(Find)) > finds


# What may not be told, and by whom


@pytest.mark.parametrize(
    ("account", "counts", "code"),
    [("sip:nobody@192.0.2.1", ("1/0",), "no_such_account"), (OURS.aor, ("many",), "bad_value")],
)
def test_what_cannot_be_told_is_refused(account: str, counts: tuple[str, ...], code: str) -> None:
    refused = House().tell(*counts, account=account)
    assert isinstance(refused, CommandFailed)
    assert refused.code == code
    assert House().tell("1/0\r\nX: y").code == "bad_value"


def test_only_the_shard_of_the_account_tells_a_phone_and_every_shard_its_subscribers() -> None:
    house = lamp()
    house.agent.agent.names._ours = lambda _: False
    house.tell("1/0")
    assert not house.all(Find)


def test_what_is_no_longer_configured_is_forgotten() -> None:
    house = lamp()
    house.tell("1/0")
    assert len(house.cells) == 2
    house.settings = change(house.settings, accounts=(OURS,))
    house.start()
    house._did(house.agent.begin(*house.clock))
    assert len(house.cells) == 1
    house.settings = change(house.settings, accounts=())
    house.start()
    house._did(house.agent.begin(*house.clock))
    assert not house.cells


# Whatever happens

STEPS = st.lists(
    st.one_of(st.integers(0, 99), st.sampled_from(["200", "503", "408", "silence", "nowhere", "lost", "kill", "wait"])),
    max_size=20,
)


class Lamp(House):
    """A mailbox with a phone that answers when it is told to."""

    def __init__(self) -> None:
        self.done = 0
        super().__init__(waiting_to=(LAMP,))

    def answers(self, how: str) -> None:
        """All that was sent, or asked to be located, since the last time is answered."""
        while self.done < len(self.effects):
            effect = self.effects[self.done]
            self.done += 1
            if isinstance(effect, Find):
                self.located(effect.ref, *(() if how == "nowhere" else (FAR,)))
            elif isinstance(effect, Send) and how == "silence":
                self.failed(effect.key)
            elif isinstance(effect, Send):
                self.response(answer_to(effect.raw, int(how) if how.isdigit() else 200), effect.key)


@given(STEPS)
def test_whatever_happens_the_last_state_arrives_once_the_phone_answers(steps: list[int | str]) -> None:
    house, told = Lamp(), []
    for step in steps:
        match step:
            case int():
                told.append(f"{step}/0")
                house.tell(told[-1])
            case "kill":
                house.start()
            case "lost":
                house._did(house.agent.transactions_lost(*house.clock))
            case "wait":
                house.wait(60.0)
            case _:
                house.answers(step)
    for _ in range(200):  # longer than any wait for another try
        house.answers("200")
        house.wait(10.0)
    assert house.told[-1:] == told[-1:]
    assert not house.cells.deadlines
    numbers = [request.cseq.number for request in house.sent("NOTIFY")]
    assert numbers == sorted(set(numbers)), "no number is used twice"
