"""Subscriptions of ours as cells, and NOTIFYs: of them, and of mailboxes that tell without being asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from actors.dialog.accounts import Account
from actors.dialog.call import Agent, Asked, Heard, Place
from actors.dialog.effects import Report
from actors.dialog.events import CommandDone
from actors.dialog.outgoing import body_of
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
from actors.dialog.subscription_table import SUBSCRIPTION, Given, step
from actors.dialog.usage import Command, Usage, failure
from actors.runtime.machine import Effects
from actors.sip import LocalProtocolError, RemoteProtocolError, Request, Response, parse, uri
from actors.sip import message_summary as summary
from actors.sip.headers import Event
from actors.sip.vocabulary import Head, TransactionKey

MAX_SUBSCRIPTIONS = 20_000  # of a shard
MAILBOX = "message-summary"


class Subscriptions(Usage):
    """The subscriptions of one shard."""

    mark: ClassVar = "s"
    methods: ClassVar = frozenset({"NOTIFY"})

    @property
    def commands(self) -> Mapping[type, Command]:
        """Those for subscriptions."""
        return {Watch: self._watch, Unwatch: self._unwatch}

    def _tag(self, subscription: str) -> str:
        return self.mark + self.agent.names.token("subscription", subscription)

    def _watch(self, command: Watch, now: float, wall: float) -> Effects:
        tag = self._tag(command.subscription)
        if self.cells.get(tag.encode()) is not None:
            return failure(command.ref, "bad_value", f"there is a subscription {command.subscription} already")
        if sum(key[:1] == b"s" for key in self.cells.keys()) >= MAX_SUBSCRIPTIONS:  # noqa: SIM118 - not a dict
            return failure(command.ref, "busy", "there are too many subscriptions")
        try:
            _check(command, self.agent)
        except LocalProtocolError as error:
            return failure(command.ref, "bad_value", str(error))
        new = Subscription(State.WAITING, (), tag, command, "", expires=command.expires)
        after, effects = step(new, Input.RETRY, Given(self.agent, wall), now)
        return (Report(CommandDone(command.ref)), *effects, *self._keep(after, now, wall))

    def _unwatch(self, command: Unwatch, now: float, wall: float) -> Effects:
        subscription: Subscription | None = self.cells.get(self._tag(command.subscription).encode())
        if subscription is None:
            return failure(command.ref, "no_such_subscription", f"there is no subscription {command.subscription}")
        return (Report(CommandDone(command.ref)), *self._step(subscription, Input.END, None, now, wall))

    # NOTIFY

    def inside(self, asked: Asked, now: float, wall: float) -> Effects:
        """A NOTIFY of a subscription of ours; it may come before the 2xx to the SUBSCRIBE (RFC 6665 s4.1.2.4)."""
        refusal = out_of_scope(self.agent, asked)
        if refusal is not None:
            return (refusal,)
        subscription: Subscription | None = self.cells.get(asked.head.to_tag.encode())
        if subscription is None or asked.head.method != "NOTIFY":
            return (answer(self.agent, asked, 481),)
        if SUBSCRIPTION.edge(subscription.state, Input.NOTIFIED) is None:
            return (answer(self.agent, asked, 481),)
        effects = self._mailbox(asked.request, subscription.order.subscription, subscription.order.account, wall)
        return self._step(subscription, Input.NOTIFIED, asked, now, wall) + effects

    def outside(self, asked: Asked, now: float, wall: float) -> Effects:  # noqa: ARG002
        """A NOTIFY that nobody asked for: taken of a mailbox at a host of the account it is for (as Asterisk sends)."""
        refusal = out_of_scope(self.agent, asked)
        if refusal is not None:
            return (refusal,)
        request = asked.request
        account = self.agent.accounts.called(request.uri, str(request.to.uri))
        package = request.header(Event)
        if account is None or package is None or package.package != MAILBOX or not self._is_peer(account, asked):
            return (answer(self.agent, asked, 481),)  # RFC 6665 s4.1.3
        waiting = self._mailbox(request, "", account.aor, wall)
        kind, text = body_of(request)
        event = NotifyReceived("", account.aor, str(request.from_.uri), MAILBOX, "active", kind, text, wall)
        return (answer(self.agent, asked, 200), Report(event), *waiting)

    def _is_peer(self, account: Account, asked: Asked) -> bool:
        """Whether a request came from a host of an account: by its address, or one its name was located at."""
        return asked.flow.host in (*account.hosts, *self.agent.located_at(account))

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

    # What happens to ours

    def response(self, tag: str, key: TransactionKey, head: Head, raw: bytes, now: float, wall: float) -> Effects:
        """Take a response to a SUBSCRIBE."""
        try:
            message = parse(raw)
        except RemoteProtocolError:
            return ()  # as if it had not come: the transaction's own timers decide
        assert isinstance(message, Response)
        return self._give(tag, Input.HEARD, Heard(key, head.status, message.reason, head, message), now, wall)

    def failed(self, tag: str, key: TransactionKey, status: int, reason: str, now: float, wall: float) -> Effects:
        """A SUBSCRIBE ended without a final response."""
        return self._give(tag, Input.HEARD, Heard(key, status, reason), now, wall)

    def located(self, tag: str, place: Place, now: float, wall: float) -> Effects:
        """The next hops that a SUBSCRIBE may take."""
        return self._give(tag, Input.LOCATED, place, now, wall)

    def transactions_lost(self, key: bytes, now: float, wall: float) -> Effects:
        """The transaction shard lost all it held."""
        return self._give(key.decode(), Input.LOST, None, now, wall)

    def leave(self, key: bytes, now: float, wall: float) -> Effects:
        """The service stops: end it at the notifier; its last NOTIFY is not waited for."""
        return self._give(key.decode(), Input.END, None, now, wall)

    def expire(self, key: bytes, now: float, wall: float) -> Effects:
        """A refresh is due, or something did not come."""
        subscription: Subscription | None = self.cells.get(key)
        if subscription is None:
            return ()
        after, effects = SUBSCRIPTION.expire(subscription, now, Given(self.agent, wall))
        return effects + self._keep(after, now, wall)

    def _give(self, tag: str, event: Input, what: Any, now: float, wall: float) -> Effects:  # noqa: ANN401
        subscription: Subscription | None = self.cells.get(tag.encode())
        return () if subscription is None else self._step(subscription, event, what, now, wall)

    def _step(self, subscription: Subscription, event: Input, what: Any, now: float, wall: float) -> Effects:  # noqa: ANN401
        after, effects = step(subscription, event, Given(self.agent, wall, what), now)
        return effects if after is subscription else effects + self._keep(after, now, wall)

    def _keep(self, after: Subscription, now: float, wall: float) -> Effects:
        """Store what a step made of a subscription, and tell control what is new."""
        key, order = after.tag.encode(), after.order
        if after.state is State.OVER:
            self.cells.delete(key)
            return (Report(SubscriptionEnded(order.subscription, after.status, after.reason, wall)),)
        until = round(wall + after.until - now, 3) if after.branches else 0.0
        name = {State.WAITING: "retrying", State.ACTIVE: after.reason or "active"}.get(after.state, "")
        told = (name, after.until)
        effects: Effects = ()
        if name and told != after.told:
            after = replace(after, told=told)
            reason = after.reason if after.state is State.WAITING else ""
            effects = (Report(SubscriptionChanged(order.subscription, name, until, after.status, reason, wall)),)
        self.cells.put(key, after, after.next_deadline)
        return effects


def _check(command: Watch, agent: Agent) -> None:
    """Check a command.

    Raises:
        LocalProtocolError: it cannot be sent.
    """
    if command.account and agent.accounts.get(command.account) is None:
        raise LocalProtocolError(f"there is no account {command.account}")
    try:
        parsed = uri.parse(command.uri)
        event = Event.parse(command.event)
    except RemoteProtocolError as error:
        raise LocalProtocolError(f"{command.uri!r} or {command.event!r} cannot be read") from error
    if not parsed.is_sip or parsed.headers or not event.package:
        raise LocalProtocolError(f"{command.uri!r} is no SIP URI that can be subscribed to")
    if not 0 <= command.expires <= 86_400:
        raise LocalProtocolError("expires is not between 0 and 86400 seconds")
    Request.build("SUBSCRIBE", command.uri, (("Event", command.event), ("Accept", ", ".join(command.accept) or "*/*")))
