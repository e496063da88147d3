"""Subscriptions to us as cells: for the event packages that the configuration names (RFC 6665 s4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from actors.dialog import dialog_state
from actors.dialog.call import Asked, Heard, Place
from actors.dialog.effects import Reply, Report
from actors.dialog.events import CommandDone
from actors.dialog.feed import FEED, LONGEST, SHORTEST, Feed, Given, Input, State, replace, step
from actors.dialog.feed_events import Notify, SubscriberLeft, SubscriptionReceived
from actors.dialog.reply import answer, our_contact, out_of_scope
from actors.dialog.usage import Command, Usage, failure
from actors.runtime.machine import Effects
from actors.sip import RemoteProtocolError, Response, parse
from actors.sip.grammar import token
from actors.sip.headers import Event
from actors.sip.vocabulary import Head, TransactionKey

DEFAULT = 3600  # seconds, where a SUBSCRIBE asks for none
MAX_FEEDS = 20_000  # of a shard
TEXT = 1_000  # characters of a header that are handed on


class Feeds(Usage):
    """The subscriptions to us of one shard."""

    mark: ClassVar = "n"
    methods: ClassVar = frozenset({"SUBSCRIBE"})

    @property
    def commands(self) -> Mapping[type, Command]:
        """Those for subscriptions to us."""
        return {Notify: self._notify}

    # From others

    def outside(self, asked: Asked, now: float, wall: float) -> Effects:
        """A SUBSCRIBE that begins a subscription."""
        refused = out_of_scope(self.agent, asked) or self._refused(asked)
        if refused is not None:
            return (refused,)
        request = asked.request
        tag = self.mark + self.agent.names.token("feed", asked.key.branch, asked.key.sent_by)
        seconds = self._seconds(asked)
        account = self.agent.accounts.called(request.uri, str(request.to.uri))
        dialog = dialog_state.of_request(request, asked.head, asked.flow, tag)
        if not dialog.remote_target:
            raise RemoteProtocolError(400, "Missing Contact")
        name = self.agent.names.id_of_call_in(tag)
        user = account.user if account is not None else self.agent.settings.user
        new = Feed(State.PENDING, (), tag, name, request.get("Event") or "", dialog, user)
        told = SubscriptionReceived(
            name,
            str(request.from_.uri),
            request.uri[:TEXT],
            "" if account is None else account.aor,
            new.event[:TEXT],
            ", ".join(request.get_all("Accept"))[:TEXT],
            seconds,
            wall,
        )
        return (
            self._granted(asked, seconds, tag),
            Report(told),
            *self._step(new, Input.SUBSCRIBED, seconds, now, wall),
        )

    def _refused(self, asked: Asked) -> Reply | None:
        """The refusal of a SUBSCRIBE: 489, 423, 503; None where it gets none."""
        packages = self.agent.settings.packages
        package = asked.request.header(Event)
        if package is None or package.package not in packages:
            return answer(self.agent, asked, 489, (("Allow-Events", ", ".join(packages)),) if packages else ())
        seconds = asked.request.expires
        if seconds is not None and 0 < seconds < SHORTEST:
            return answer(self.agent, asked, 423, (("Min-Expires", str(SHORTEST)),))
        many = sum(key[:1] == b"n" for key in self.cells.keys()) >= MAX_FEEDS  # noqa: SIM118 - not a dict
        if self.agent.draining or many:
            return answer(self.agent, asked, 503, (("Retry-After", "5"),))
        return None

    def _seconds(self, asked: Asked) -> int:
        seconds = asked.request.expires
        return min(DEFAULT if seconds is None else seconds, LONGEST)

    def _granted(self, asked: Asked, seconds: int, tag: str) -> Reply:
        headers = (our_contact(self.agent, asked), ("Expires", str(seconds)))
        return answer(self.agent, asked, 200, headers, tag=tag)

    def inside(self, asked: Asked, now: float, wall: float) -> Effects:
        """A SUBSCRIBE that refreshes or ends."""
        feed: Feed | None = self.cells.get(asked.head.to_tag.encode())
        head = asked.head
        known = feed is not None and feed.dialog.id[::2] == (head.call_id, head.from_tag)
        if feed is None or not known or head.method != "SUBSCRIBE" or FEED.edge(feed.state, Input.SUBSCRIBED) is None:
            return (answer(self.agent, asked, 481),)
        refused = out_of_scope(self.agent, asked) or self._refused(asked)
        if refused is not None:
            return (refused,)
        if head.cseq <= feed.dialog.remote_seq:
            return (answer(self.agent, asked, 500),)  # RFC 3261 s12.2.2
        target = dialog_state.target_of(asked.request) or feed.dialog.remote_target
        feed = replace(feed, dialog=replace(feed.dialog, remote_seq=head.cseq, remote_target=target))
        seconds = self._seconds(asked)
        return (self._granted(asked, seconds, feed.tag), *self._step(feed, Input.SUBSCRIBED, seconds, now, wall))

    # From control

    def _notify(self, command: Notify, now: float, wall: float) -> Effects:
        feed: Feed | None = self.cells.get(command.subscription.partition("-")[0].encode("utf-8", "replace"))
        if feed is None or feed.name != command.subscription or FEED.edge(feed.state, Input.NOTIFY) is None:
            return failure(command.ref, "no_such_subscription", f"there is no subscription {command.subscription}")
        texts = (command.content_type, command.reason)
        if any(not text.isprintable() for text in texts) or (command.reason and token(command.reason) is None):
            return failure(command.ref, "bad_value", "a content type is one line, a reason one word")
        if command.body and not command.content_type:
            return failure(command.ref, "bad_value", "a body without its content type")
        return (Report(CommandDone(command.ref)), *self._step(feed, Input.NOTIFY, command, now, wall))

    # What happens

    def response(self, tag: str, key: TransactionKey, head: Head, raw: bytes, now: float, wall: float) -> Effects:
        """Take a response to a NOTIFY."""
        try:
            message = parse(raw)
        except RemoteProtocolError:
            return ()  # as if it had not come: the transaction's own timers decide
        assert isinstance(message, Response)
        return self._give(tag, Input.HEARD, Heard(key, head.status, message.reason, head, message), now, wall)

    def failed(self, tag: str, key: TransactionKey, status: int, reason: str, now: float, wall: float) -> Effects:
        """A NOTIFY ended without a final response."""
        return self._give(tag, Input.HEARD, Heard(key, status, reason), now, wall)

    def located(self, tag: str, place: Place, now: float, wall: float) -> Effects:
        """The next hops that a NOTIFY may take."""
        return self._give(tag, Input.LOCATED, place, now, wall)

    def transactions_lost(self, key: bytes, now: float, wall: float) -> Effects:
        """The transaction shard lost all it held."""
        return self._give(key.decode(), Input.LOST, None, now, wall)

    def leave(self, key: bytes, now: float, wall: float) -> Effects:
        """The service stops: tell the subscriber to come again; its answer is not waited for."""
        return self._give(key.decode(), Input.NOTIFY, Notify("", "", "", b"", "deactivated"), now, wall)

    def expire(self, key: bytes, now: float, wall: float) -> Effects:
        """It has lapsed, or its last NOTIFY is not answered."""
        feed: Feed | None = self.cells.get(key)
        if feed is None:
            return ()
        after, effects = FEED.expire(feed, now, Given(self.agent, wall))
        return effects + self._keep(after, wall)

    def _give(self, tag: str, event: Input, what: Any, now: float, wall: float) -> Effects:  # noqa: ANN401
        feed: Feed | None = self.cells.get(tag.encode())
        return () if feed is None else self._step(feed, event, what, now, wall)

    def _step(self, feed: Feed, event: Input, what: Any, now: float, wall: float) -> Effects:  # noqa: ANN401
        after, effects = step(feed, event, Given(self.agent, wall, what), now)
        return effects + self._keep(after, wall)

    def _keep(self, feed: Feed, wall: float) -> Effects:
        """Store what a step made of it, and tell control its end."""
        if feed.state is State.OVER:
            self.cells.delete(feed.tag.encode())
            return (Report(SubscriberLeft(feed.name, feed.status, feed.reason, wall)),)
        self.cells.put(feed.tag.encode(), feed, feed.next_deadline)
        return ()
