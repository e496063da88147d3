"""Subscriptions of ours as cells, and NOTIFYs: of them, and of mailboxes that tell without being asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from actors.dialog.call import Asked
from actors.dialog.effects import Report
from actors.dialog.events import CommandDone
from actors.dialog.outgoing import body_of, check_target
from actors.dialog.reply import answer, out_of_scope
from actors.dialog.subscription import Input, State, Subscription, replace
from actors.dialog.subscription_events import (
    MessagesWaiting,
    NotifyReceived,
    SubscriptionChanged,
    SubscriptionEnded,
    Unwatch,
    Watch,
)
from actors.dialog.subscription_table import SUBSCRIPTION
from actors.dialog.usage import Command, OrderedUsage, failure
from actors.runtime.machine import Effects
from actors.sip import LocalProtocolError, Request
from actors.sip import message_summary as summary
from actors.sip.headers import Event

MAILBOX = "message-summary"


class Subscriptions(OrderedUsage[Subscription]):
    """The subscriptions of one shard."""

    mark: ClassVar = "s"
    methods: ClassVar = frozenset({"NOTIFY"})
    table: ClassVar = SUBSCRIPTION
    over: ClassVar = State.OVER
    kind: ClassVar = "subscription"
    most: ClassVar = 20_000

    @property
    def commands(self) -> Mapping[type, Command]:
        """Those for subscriptions."""
        return {Watch: self._watch, Unwatch: self._unwatch}

    def check(self, order: Watch) -> None:
        """Refuse what cannot be sent."""
        check_target(self.agent, order.account, order.uri, order.event)
        if not 0 <= order.expires <= 86_400:
            raise LocalProtocolError("expires is not between 0 and 86400 seconds")
        Request.build("SUBSCRIBE", order.uri, (("Event", order.event), ("Accept", ", ".join(order.accept) or "*/*")))

    def _watch(self, command: Watch, now: float, wall: float) -> Effects:
        tag = self.tag("subscription", command.subscription)
        if self.cell(tag) is not None:
            return failure(command.ref, "bad_value", f"there is a subscription {command.subscription} already")
        if failed := self.unfit(command, None):
            return failed
        new = Subscription(State.WAITING, (), tag, command, "", expires=command.expires)
        return (Report(CommandDone(command.ref)), *self.step(new, "RETRY", None, now, wall))

    def _unwatch(self, command: Unwatch, now: float, wall: float) -> Effects:
        subscription = self.cell(self.tag("subscription", command.subscription))
        if subscription is None:
            return failure(command.ref, "no_such_subscription", f"there is no subscription {command.subscription}")
        return (Report(CommandDone(command.ref)), *self.step(subscription, "END", None, now, wall))

    # NOTIFY

    def inside(self, asked: Asked, now: float, wall: float) -> Effects:
        """A NOTIFY of a subscription of ours; it may come before the 2xx to the SUBSCRIBE (RFC 6665 s4.1.2.4)."""
        refusal = out_of_scope(self.agent, asked)
        if refusal is not None:
            return (refusal,)
        subscription = self.cell(asked.head.to_tag)
        if subscription is None or asked.head.method != "NOTIFY":
            return (answer(self.agent, asked, 481),)
        if SUBSCRIPTION.edge(subscription.state, Input.NOTIFIED) is None:
            return (answer(self.agent, asked, 481),)
        effects = self._mailbox(asked.request, subscription.order.subscription, subscription.order.account, wall)
        return self.step(subscription, "NOTIFIED", asked, now, wall) + effects

    def outside(self, asked: Asked, now: float, wall: float) -> Effects:  # noqa: ARG002
        """A NOTIFY that nobody asked for: taken of a mailbox at a host of the account it is for (as Asterisk sends)."""
        refusal = out_of_scope(self.agent, asked)
        if refusal is not None:
            return (refusal,)
        request = asked.request
        account = self.agent.accounts.called(request.uri, str(request.to.uri))
        package = request.header(Event)
        if (
            account is None
            or package is None
            or package.package != MAILBOX
            or not self.agent.is_peer(account, asked.flow.host)
        ):
            return (answer(self.agent, asked, 481),)  # RFC 6665 s4.1.3
        waiting = self._mailbox(request, "", account.aor, wall)
        kind, text = body_of(request)
        event = NotifyReceived("", account.aor, str(request.from_.uri), MAILBOX, "active", kind, text, wall)
        return (answer(self.agent, asked, 200), Report(event), *waiting)

    @staticmethod
    def _mailbox(request: Request, subscription: str, account: str, wall: float) -> Effects:
        """What the NOTIFY of a mailbox says, typed.

        Raises:
            RemoteProtocolError: 400, its body is malformed or too large.
        """
        package = request.header(Event)
        if package is None or package.package != MAILBOX or not request.body:
            return ()
        found = summary.parse(request.body)
        counts = tuple([(name, f"{count.new}/{count.old}") for name, count in found.counts.items()])
        return (Report(MessagesWaiting(subscription, account, found.waiting, found.account, counts, wall)),)

    def leave(self, key: bytes, now: float, wall: float) -> Effects:
        """The service stops: end it at the notifier; its last NOTIFY is not waited for."""
        return self.give(key.decode(), "END", None, now, wall)

    def news(self, machine: Subscription, now: float, wall: float) -> tuple[Subscription, Effects]:
        """Its end, or what is true of it, where control was told something else."""
        order = machine.order
        if machine.state is State.OVER:
            return machine, (Report(SubscriptionEnded(order.subscription, machine.status, machine.reason, wall)),)
        name = {State.WAITING: "retrying", State.ACTIVE: machine.reason or "active"}.get(machine.state, "")
        told = (name, machine.until)
        if not name or told == machine.told:
            return machine, ()
        until = round(wall + machine.until - now, 3) if machine.branches else 0.0
        reason = machine.reason if machine.state is State.WAITING else ""
        changed = SubscriptionChanged(order.subscription, name, until, machine.status, reason, wall)
        return replace(machine, told=told), (Report(changed),)
