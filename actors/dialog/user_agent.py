"""The user agent without its shell: leads what comes from below, beside and above to the usage it is for.

Messages, commands and time in, effects out; nothing here touches a pipe or a clock. What a usage is, and how one is
added, tells :mod:`actors.dialog.usage`.
"""

from __future__ import annotations

from actors.dialog.account_events import ListAccounts
from actors.dialog.call import Agent, Asked, Place
from actors.dialog.call_commands import ListCalls
from actors.dialog.calls import Calls
from actors.dialog.effects import Reply, Report
from actors.dialog.events import CommandDone, DoNotDisturb, Drain, FromControl, ListState
from actors.dialog.feeds import Feeds
from actors.dialog.guard import Guard
from actors.dialog.mailboxes import Mailboxes
from actors.dialog.names import Names, tag_of_branch, tag_of_ref
from actors.dialog.out_of_dialog import OutOfDialog
from actors.dialog.peers import Peers
from actors.dialog.publications import Publications
from actors.dialog.referrals import Referrals
from actors.dialog.registrations import Registrations
from actors.dialog.reply import answer, out_of_scope, refusal
from actors.dialog.request_events import AnswerRequest
from actors.dialog.settings import DialogSettings
from actors.dialog.shard_events import BetweenShards
from actors.dialog.subscriptions import Subscriptions
from actors.dialog.usage import Cells, Command, Keys, Usage, chosen
from actors.runtime.machine import Effects
from actors.sip import RemoteProtocolError, Request, parse
from actors.sip.build import build_refusal
from actors.sip.vocabulary import Candidate, Flow, Head, TransactionKey


class UserAgent:
    """All usages of one shard.

    In all methods `now` is seconds on the clock of the cells' deadlines, `wall` seconds since the Unix epoch. `keys`
    names the cells to look at, None all: a shell looks at one in a step, so that one that breaks stops no other.

    Args:
        settings: the user agent's.
        names: the maker of tags, with the shard's secret.
        cells: where everything is kept.
        draining: whether new calls are refused.

    Attributes:
        calls: the usage that most of it is about; the events of media go to it at once.
    """

    def __init__(self, settings: DialogSettings, names: Names, cells: Cells, *, draining: bool = False) -> None:
        self.agent = Agent(settings, names, draining=draining)
        self._names = names
        self._cells = cells
        self._guard = Guard(self.agent, cells)
        self.calls = Calls(self.agent, cells)
        self.registrations = Registrations(self.agent, cells)
        feeds = Feeds(self.agent, cells)
        others = tuple([kind(self.agent, cells) for kind in (OutOfDialog, Subscriptions, Publications, Peers)])
        mailboxes = Mailboxes(self.agent, cells, feeds)
        referrals = self._referrals = Referrals(self.agent, cells, self.calls, feeds)
        # Here a usage is added.
        ours: tuple[Usage, ...] = (self.calls, self.registrations, self._guard)
        usages = (*ours, *others, feeds, mailboxes, referrals)
        self._usages = usages
        self._marked = {usage.mark: usage for usage in usages}
        self._methods = {method: usage for usage in usages for method in usage.methods}
        self._commands = {kind: order for usage in usages for kind, order in usage.commands.items()}
        self._words: dict[type, Command] = {**self.calls.between, **referrals.between}
        self._commands[AnswerRequest] = self._reply
        self._commands[Drain] = self._drain
        self._commands[DoNotDisturb] = self._refuse
        self._commands[ListState] = self._list

    def begin(self, now: float, wall: float) -> Effects:
        """Plan what is to be done unasked; once, at the start of the shard."""
        effects: Effects = ()
        for usage in self._usages:
            effects += usage.begin(now, wall)
        return effects

    def renewed(self, now: float, wall: float, keys: Keys = None) -> Effects:
        """A reload has removed or changed accounts."""
        effects: Effects = ()
        for key in chosen(self._cells, keys):
            effects += self._of_key(key).renewed(key, now, wall)
        return effects

    def _of(self, tag: str) -> Usage:
        """The usage that a tag is of."""
        return self._marked.get(tag[:1], self.calls)

    def _of_key(self, key: bytes) -> Usage:
        return self._marked.get(chr(key[0]), self.calls)

    # From the transaction layer.

    def request(self, key: TransactionKey, flow: Flow, head: Head, raw: bytes, now: float, wall: float) -> Effects:
        """Answer a request that began a server transaction, or let a usage answer it."""
        try:
            message = parse(raw)
            assert isinstance(message, Request)
        except RemoteProtocolError as error:
            status = error.status or 400
            built = build_refusal(raw, status, to_tag=self._names.tag_of_invite(key))
            return (Reply(key, status, built),) if built else ()
        asked = Asked(key, flow, head, message)
        try:
            message.validate()
            if head.to_tag:
                return self._of(head.to_tag).inside(asked, now, wall)
            refused = self._guard.refusal(asked, now)
            if refused is not None:
                return (refused,)
            usage = self._methods.get(head.method)
            if usage is not None:
                return usage.outside(asked, now, wall)
            # A BYE without a tag, for one, names no dialog (RFC 3261 s15.1.2).
            return (out_of_scope(self.agent, asked) or answer(self.agent, asked, 481),)
        except RemoteProtocolError as error:  # a header or a body that is needed is malformed or not understood
            return (refusal(self.agent, asked, error),)

    def cancelled(self, key: TransactionKey, now: float, wall: float, tag: str = "") -> Effects:
        """The INVITE of the server transaction `key` was cancelled; `tag` is ours where it is a re-INVITE."""
        return self.calls.cancelled(key, now, wall, tag)

    def acknowledged(self, head: Head, raw: bytes, now: float, wall: float) -> Effects:
        """Take the ACK to a 2xx."""
        return self._of(head.to_tag).acknowledged(head, raw, now, wall)

    def response(self, key: TransactionKey, head: Head, raw: bytes, now: float, wall: float) -> Effects:
        """Take a response to a request of ours."""
        tag = tag_of_branch(key.branch)
        return self._of(tag).response(tag, key, head, raw, now, wall)

    def failed(
        self, key: TransactionKey, status: int, reason: str, now: float, wall: float, *, client: bool
    ) -> Effects:
        """A transaction ended without a final response (client), or can no longer be answered (server)."""
        if not client:
            return self.calls.unanswered(key, now, wall)
        tag = tag_of_branch(key.branch)
        return self._of(tag).failed(tag, key, status, reason, now, wall)

    def transactions_lost(self, now: float, wall: float, keys: Keys = None) -> Effects:
        """The transaction shard lost all it held."""
        effects: Effects = ()
        for key in chosen(self._cells, keys):
            effects += self._of_key(key).transactions_lost(key, now, wall)
        return effects

    # From the transport.

    def located(self, ref: str, candidates: tuple[Candidate, ...], reason: str, now: float, wall: float) -> Effects:
        """The next hops that a request of ours may take."""
        tag = tag_of_ref(ref)
        return self._of(tag).located(tag, Place(ref, candidates, reason), now, wall)

    def flow_dead(self, owner: str, token: str, now: float, wall: float) -> Effects:
        """The way that a cell of ours had kept alive is dead; without a `token` there was none any more."""
        return self._of(owner).flow_dead(owner, token, now, wall)

    def network_changed(self, gone: frozenset[str], now: float, wall: float, keys: Keys = None) -> Effects:
        """Addresses of ours are gone."""
        effects: Effects = ()
        for key in chosen(self._cells, keys):
            effects += self._of_key(key).network_changed(key, gone, now, wall)
        return effects

    # From control.

    def command(self, command: FromControl, now: float, wall: float) -> Effects:
        """Carry out a command. Exactly one CommandDone or CommandFailed is among the effects."""
        return self._commands[type(command)](command, now, wall)

    def _drain(self, command: Drain, _now: float, _wall: float) -> Effects:
        self.agent.draining = command.on
        return (Report(CommandDone(command.ref)),)

    def _refuse(self, command: DoNotDisturb, _now: float, _wall: float) -> Effects:
        self.agent.refusal = command.status
        return (Report(CommandDone(command.ref)),)

    def _reply(self, command: AnswerRequest, now: float, wall: float) -> Effects:
        usage = self.calls if command.call else self._referrals
        return usage.reply(command, now, wall)

    def _list(self, command: ListState, now: float, wall: float) -> Effects:
        both = (ListCalls(command.ref), ListAccounts(command.ref))
        told = [effect for each in both for effect in self.command(each, now, wall)]
        done = [effect.event for effect in told if isinstance(effect, Report) and isinstance(effect.event, CommandDone)]
        calls = tuple([call for each in done for call in each.calls])
        return (Report(CommandDone(command.ref, calls, tuple([line for each in done for line in each.accounts]))),)

    def leave(self, now: float, wall: float, keys: Keys = None) -> Effects:
        """End every call and what else is to be ended in order, and take no new call."""
        self.agent.draining = True
        effects: Effects = ()
        for key in chosen(self._cells, keys):
            effects += self._of_key(key).leave(key, now, wall)
        return effects

    @property
    def idle(self) -> bool:
        """Whether no call is left, and no registration to be removed."""
        return not self.calls.number and self.registrations.idle

    # From other dialog shards.

    def word(self, word: BetweenShards, now: float, wall: float) -> Effects:
        """Another shard tells what concerns a call of its own and one of ours."""
        return self._words[type(word)](word, now, wall)

    def shard_lost(self, shard: int, now: float, wall: float, keys: Keys = None) -> Effects:
        """Another dialog shard lost all it held."""
        return self.calls.shard_lost(shard, now, wall, keys)

    # Time and trouble.

    def expire(self, key: bytes, now: float, wall: float) -> Effects:
        """Fire the timers of one cell that are due."""
        return self._of_key(key).expire(key, now, wall)

    def forget(self, key: bytes, now: float, wall: float) -> Effects:
        """End what stood on a cell of which nothing but its key is left."""
        return self._of_key(key).forget(key, now, wall)

    def abandon(self, key: bytes, cell: object, now: float, wall: float) -> Effects:
        """Say goodbye for a cell that is lost to us."""
        return self._of_key(key).abandon(cell, now, wall)
