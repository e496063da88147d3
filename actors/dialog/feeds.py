"""Subscriptions to us as cells: for the event packages that the configuration names (RFC 6665 s4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from actors.dialog import dialog_state
from actors.dialog.call import Agent, Asked
from actors.dialog.call_transfer import REFER_EXPIRES, fragment
from actors.dialog.dialog_state import Dialog
from actors.dialog.effects import Reply, Report
from actors.dialog.events import CommandDone
from actors.dialog.feed import FEED, LONGEST, SHORTEST, Feed, Input, State, replace
from actors.dialog.feed_events import Notify, SubscriberLeft, SubscriptionReceived
from actors.dialog.mailbox import PACKAGE
from actors.dialog.reply import allow_events, answer, our_contact, out_of_scope
from actors.dialog.usage import Cells, Command, SenderUsage, failure
from actors.runtime.machine import Effects
from actors.sip import RemoteProtocolError, sipfrag
from actors.sip.grammar import token
from actors.sip.headers import Event
from actors.sip.message_summary import CONTENT_TYPE

DEFAULT = 3600  # seconds, where a SUBSCRIBE asks for none
MAX_FEEDS = 20_000  # of a shard
TEXT = 1_000  # characters of a header that are handed on


class Feeds(SenderUsage[Feed]):
    """The subscriptions to us of one shard."""

    mark: ClassVar = "n"
    methods: ClassVar = frozenset({"SUBSCRIBE"})
    table: ClassVar = FEED
    over: ClassVar = State.OVER

    def __init__(self, agent: Agent, cells: Cells) -> None:
        super().__init__(agent, cells)
        agent.told = self.told

    @property
    def commands(self) -> Mapping[type, Command]:
        """Those for subscriptions to us."""
        return {Notify: self._notify}

    # From others

    def outside(self, asked: Asked, now: float, wall: float) -> Effects:
        """A SUBSCRIBE that begins a subscription."""
        refused = out_of_scope(self.agent, asked) or self._refused(asked) or self._no_room(asked)
        if refused is not None:
            return (refused,)
        request = asked.request
        tag = self.tag("feed", asked.key.branch, asked.key.sent_by)
        seconds = self._seconds(asked)
        account = self.agent.accounts.called(request.uri, str(request.to.uri))
        dialog = dialog_state.of_request(request, asked.head, asked.flow, tag)
        if not dialog.remote_target:
            raise RemoteProtocolError(400, "Missing Contact")
        name = self.agent.names.id_of_call_in(tag)
        user = account.user if account is not None else self.agent.settings.user
        aor = "" if account is None else account.aor
        new = Feed(State.PENDING, (), tag, name, request.get("Event") or "", dialog, user, account=aor)
        if waiting := self.agent.mailbox(aor) if _package(new) == PACKAGE else b"":
            new = replace(new, state=State.ACTIVE, content_type=CONTENT_TYPE, body=waiting)
        told = SubscriptionReceived(
            name,
            str(request.from_.uri),
            request.uri[:TEXT],
            aor,
            new.event[:TEXT],
            ", ".join(request.get_all("Accept"))[:TEXT],
            seconds,
            wall,
        )
        return (
            self._granted(asked, seconds, tag),
            Report(told),
            *self.step(new, "SUBSCRIBED", seconds, now, wall),
        )

    def _refused(self, asked: Asked) -> Reply | None:
        """The refusal of a SUBSCRIBE: 489, 423; None where it gets none."""
        package = asked.request.header(Event)
        if package is None or package.package not in self.agent.settings.packages:
            return answer(self.agent, asked, 489, allow_events(self.agent))
        seconds = asked.request.expires
        if seconds is not None and 0 < seconds < SHORTEST:
            return answer(self.agent, asked, 423, (("Min-Expires", str(SHORTEST)),))
        return None

    def _no_room(self, asked: Asked) -> Reply | None:
        """The refusal of another subscription; who has one keeps it, and above all may end it."""
        if self.agent.draining or self.number >= MAX_FEEDS:
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
        feed = self.cell(asked.head.to_tag)
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
        return (self._granted(asked, seconds, feed.tag), *self.step(feed, "SUBSCRIBED", seconds, now, wall))

    # REFERs outside of calls

    def follow(self, dialog: Dialog, now: float, wall: float) -> Effects:
        """A REFER that is followed begins a subscription to what becomes of it (RFC 3515 s2.4.4)."""
        body = fragment(100, "Trying")
        tag, user, kind = dialog.id.local_tag, self.agent.settings.user, sipfrag.CONTENT_TYPE
        new = Feed(State.ACTIVE, (), tag, "", "refer", dialog, user, content_type=kind, body=body)
        return self.step(new, "SUBSCRIBED", REFER_EXPIRES, now, wall)

    def told(self, tag: str, status: int, reason: str, now: float, wall: float) -> Effects:
        """How the call goes that was placed for it; a final status ends it."""
        over = "noresource" if status >= 200 else ""
        return self.give(tag, "NOTIFY", Notify("", "", sipfrag.CONTENT_TYPE, fragment(status, reason), over), now, wall)

    # From control

    def tell_waiting(self, aor: str, body: bytes, now: float, wall: float) -> Effects:
        """Tell all who subscribed to the mailbox of an account its state."""
        effects: Effects = ()
        for key in [key for key in self.cells.keys() if key[:1] == b"n"]:  # noqa: SIM118 - not a dict
            feed: Feed = self.cells.get(key)
            if feed.account == aor and _package(feed) == PACKAGE:
                effects += self.step(feed, "NOTIFY", Notify("", feed.name, CONTENT_TYPE, body, ""), now, wall)
        return effects

    def _notify(self, command: Notify, now: float, wall: float) -> Effects:
        feed = self.cell(command.subscription.partition("-")[0])
        if feed is None or feed.name != command.subscription or FEED.edge(feed.state, Input.NOTIFY) is None:
            return failure(command.ref, "no_such_subscription", f"there is no subscription {command.subscription}")
        texts = (command.content_type, command.reason)
        if any(not text.isprintable() for text in texts) or (command.reason and token(command.reason) is None):
            return failure(command.ref, "bad_value", "a content type is one line, a reason one word")
        if command.body and not command.content_type:
            return failure(command.ref, "bad_value", "a body without its content type")
        return (Report(CommandDone(command.ref)), *self.step(feed, "NOTIFY", command, now, wall))

    def leave(self, key: bytes, now: float, wall: float) -> Effects:
        """The service stops: tell the subscriber to come again; its answer is not waited for."""
        return self.give(key.decode(), "NOTIFY", Notify("", "", "", b"", "deactivated"), now, wall)

    def news(self, machine: Feed, now: float, wall: float) -> tuple[Feed, Effects]:  # noqa: ARG002
        """Its end."""
        if machine.state is not State.OVER or not machine.name:
            return machine, ()
        return machine, (Report(SubscriberLeft(machine.name, machine.status, machine.reason, wall)),)


def _package(feed: Feed) -> str:
    return feed.event.partition(";")[0].strip().lower()
