"""Calls in their cells: a step that raises has changed nothing, and what one call is to another is told beside it."""

from __future__ import annotations

from actors.dialog import call_invite, dialog_state
from actors.dialog.attempt import begin
from actors.dialog.call import Agent, Call, Given, Input, State, lingering, replace
from actors.dialog.call_end import ending, unanswered
from actors.dialog.call_events import CallAnswered, CallEnded, CallProgressed
from actors.dialog.call_parts import Outcome
from actors.dialog.call_table import expire, step
from actors.dialog.call_transfer import Progress
from actors.dialog.call_waiting import withdrawn
from actors.dialog.effects import Cancel, Close, Place, Reply, Report, TellShard
from actors.dialog.limits import Limit, count, limited
from actors.dialog.names import session_id
from actors.dialog.negotiation import closed
from actors.dialog.pace import RATE, Pace
from actors.dialog.reply import refusing
from actors.dialog.shard_events import CommitReplace, ReleaseReplace
from actors.dialog.usage import Cells, Usage
from actors.runtime.machine import Effects

LINGERING = lingering("")
HEXADECIMAL = frozenset(b"0123456789abcdef")  # what the tag of a call begins with
_MARKS = tuple([bytes((digit,)) for digit in HEXADECIMAL])
SESSIONS = 2  # of media that a call may have had: one, and one more where its peer is of another family of addresses
LATE = 2.0  # seconds after which a refresh is one of many that a pause has put off, and waits for its turn


class CallCells(Usage):
    """All calls of one shard, each in its cell.

    Args:
        agent: what all usages share.
        cells: where calls are kept, among others.
    """

    def __init__(self, agent: Agent, cells: Cells) -> None:
        super().__init__(agent, cells)
        self._names = agent.names
        self._cells = cells
        self._pace = Pace(RATE / agent.settings.shards)
        self._used: dict[str, int] | None = None  # calls of the accounts that may have only so many, once counted

    @property
    def number(self) -> int:
        """How many calls there are, but for those that only linger."""
        return sum(map(self._cells.number, _MARKS))

    def recount(self) -> None:
        """A step was undone: what was noted of calls beside their cells is no more to be believed."""
        self._used = None

    def count_used(self) -> dict[str, int]:
        """Count those of each account that may have only so many: what was told of them before a kill may be undone.

        Raises:
            Exception: what a cell that cannot be read raises.
        """
        accounts = [account for account in self.agent.accounts if account.max_calls]
        keys = [key for key in self._cells.keys() if key[0] in HEXADECIMAL] if accounts else ()  # noqa: SIM118
        identities = [identity for key in keys if (identity := self._cells.get(key).identity) is not None]
        used = self._used = count(accounts, [identity.aor for identity in identities])
        for account in accounts:
            self.agent.limits.used(account, used[account.aor])
        return used

    def unwilling(self) -> int:
        """The status that a new call is refused with, 0 if it is not."""
        if self.agent.draining:
            return 503
        return 486 if self.number >= self.agent.settings.max_calls else 0

    def _of_tag(self, tag: str) -> Call | None:
        key = tag.encode()
        call: Call | None = self._cells.get(key)
        return call if call is not None else self._cells.get(LINGERING + key)

    def _of_id(self, call_id: str) -> Call | None:
        """The call that control knows by this id."""
        for tag in self._names.tags_of_call(call_id):
            call: Call | None = self._cells.get(tag.encode("utf-8", "replace"))
            if call is not None and call.call == call_id:
                return call
        return None

    def _step(self, call: Call, event: Input, what: object, now: float, wall: float) -> Effects:
        after, effects = step(call, event, Given(self.agent, wall, what), now)
        self._keep(after, call)
        if effects and type(effects[-1]) is Place:
            return effects[:-1] + self.refer(effects[-1], now, wall)
        if after.on_behalf or after.replaces:
            return effects + self._beside(after, call, effects, now, wall)
        return effects

    def refer(self, place: Place, now: float, wall: float) -> Effects:
        """Place the call that somebody asked for by a REFER; or tell that none could be placed."""
        order = place.order
        if not self.unwilling():
            call = replace(call_invite.new_call(self.agent, order, now), on_behalf=place.tag)
            return self._step(call, Input.PLACE, order, now, wall)
        return self._tell_how(place.tag, Progress(503, "Service Unavailable"), now, wall)

    def _tell_how(self, tag: str, progress: Progress, now: float, wall: float) -> Effects:
        """Tell whoever sent a REFER how its call goes: in the call with this tag, or by the subscription it began."""
        if not tag or ord(tag[0]) not in HEXADECIMAL:
            return self.agent.told(tag, progress.status, progress.reason, now, wall)
        old = self._cells.get(tag.encode())
        return () if old is None else self._step(old, Input.REFERRED, progress, now, wall)

    def _beside(self, after: Call, before: Call, effects: Effects, now: float, wall: float) -> Effects:
        """What a step of one call is to another: the call whose place it takes, the one that it was referred by."""
        more: Effects = ()
        if after.replaces and before.state < State.ANSWERED <= after.state:
            more += self._replaced(after, now, wall)
        if after.on_behalf:
            for event in (effect.event for effect in effects if type(effect) is Report):
                progress = _progress_of(event)
                if progress is not None:
                    more += self._tell_how(after.on_behalf, progress, now, wall)
        return more

    def _replaced(self, new: Call, now: float, wall: float) -> Effects:
        """A call that takes the place of another is answered, or has ended before it was."""
        over = new.state >= State.CLOSING
        if new.claim is not None:
            word = ReleaseReplace if over else CommitReplace
            return (TellShard(new.claim.shard, word(self.agent.shard, new.tag, new.replaces)),)
        old = None if over else self._cells.get(new.replaces.encode())
        # Where it has hung up meanwhile the new call lives alone.
        return () if old is None else self._step(old, Input.REPLACED, None, now, wall)

    def _use(self, call: Call, change: int) -> None:
        """Count a call of an account that may have only so many, or no more."""
        account = None if call.identity is None or not self._used else self.agent.accounts.get(call.identity.aor)
        if account is not None and self._used and account.aor in self._used:
            self._used[account.aor] += change
            self.agent.limits.used(account, self._used[account.aor])

    def _limit(self, call: Call, now: float) -> Limit | None:
        """The limit of its account that a new call is above, None where there is none; a call below it is counted."""
        account = None if call.identity is None else self.agent.accounts.get(call.identity.aor)
        if account is None or not limited(account):
            return None
        used = self.count_used() if self._used is None else self._used
        return self.agent.limits.begin(account, call.tag, used.get(account.aor, 0), now)

    def _keep(self, after: Call, before: Call) -> None:
        """Store what a step made of a call."""
        if after is before:
            return
        gone = after.state >= State.LINGERING
        if before.state is State.NEW:
            self._use(after, int(not gone))
        elif gone and before.state is not after.state:
            self._cells.delete(before.key)
            self._use(before, -int(before.state is not State.LINGERING))
        if after.state is not State.TERMINATED:
            self._cells.put(after.key, after, after.next_deadline)

    def expire(self, key: bytes, now: float, wall: float) -> Effects:
        """Fire the timers of one call that are due."""
        call = self._cells.get(key)
        if call is None:
            return ()
        due = call if call.timer is None else self._in_turn(call, now)
        after, effects = expire(due, Given(self.agent, wall), now)
        self._keep(after, call)
        return effects + self._beside(after, call, effects, now, wall) if after.on_behalf or after.replaces else effects

    def _in_turn(self, call: Call, now: float) -> Call:
        """The call with a refresh that is overdue put off to its turn, which comes before its session would end."""
        timers = dict(call.deadlines)
        if timers.get(Input.REFRESH, now) > now - LATE:
            return call
        timers[Input.REFRESH] = min(self._pace.turn(now), (now + timers[Input.SESSION_OVER]) / 2)
        return replace(call, deadlines=tuple(timers.items()))

    def forget(self, key: bytes, now: float, wall: float) -> Effects:
        """End what stood on a call of which only the tag is left: its media, and what control knows of a call in.

        The id of a call out cannot be had from its tag. What is told of nobody's call tells nobody anything.
        """
        if key[0] not in HEXADECIMAL:
            return ()
        tag = key.decode()
        lost = Call(
            State.CLOSING, (), tag, self._names.id_of_call_in(tag), inbound=True, remote="", local="", begun=now
        )
        lost = replace(lost, ended=now, outcome=Outcome("failed", 0, "its state cannot be read", "error"))
        # Where its session has moved to is not known either; who does not know it has nothing to close.
        processes = range(self.agent.settings.media)
        closes = [Close(each, session_id(tag, number)) for each in processes for number in range(1, SESSIONS + 1)]
        return (*closes, ending(lost, Given(self.agent, wall), now))

    def abandon(self, call: Call, now: float, wall: float) -> Effects:
        """Say goodbye for a call whose cell is lost to us: to its peer, its media session and control."""
        effects = closed(call)
        invitation = call.invitation
        up = (State.ANSWERED, State.LEAVING, State.CONFIRMED, State.MODIFYING)
        if call.state in (State.RECEIVED, State.RINGING) and invitation is not None:
            effects += (Reply(invitation.key, 500, refusing(invitation.ringing, 500)),)
        elif call.dialog is not None and call.state in up:
            seq = call.dialog.local_seq + 1
            bye, hop = dialog_state.attempt(call.dialog, "bye", "BYE", dialog_state.request(call.dialog, "BYE", seq))
            effects += begin(bye, hop, self._names, now)[1] if hop is not None else ()
        elif call.state is State.INVITING and call.attempt is not None and call.attempt.key is not None:
            effects += (Cancel(call.attempt.key),)
        if call.claim is not None and call.state < State.ANSWERED:
            effects += (TellShard(call.claim.shard, ReleaseReplace(self.agent.shard, call.tag, call.replaces)),)
        effects += withdrawn(call, Given(self.agent, wall), now)[1] + unanswered(call, Given(self.agent, wall))
        if call.announced and not call.told:
            over = replace(call, ended=now, outcome=call.outcome or Outcome("failed", 0, "internal error", "error"))
            effects += (ending(over, Given(self.agent, wall), now),)
        return effects


def _progress_of(event: object) -> Progress | None:
    """What the peer that referred us is told of an event of the call."""
    if isinstance(event, CallProgressed):
        return Progress(event.status, event.reason)
    if isinstance(event, CallAnswered):
        return Progress(200, "OK")
    if isinstance(event, CallEnded):
        return Progress(event.status if event.status >= 300 else 503, event.reason)
    return None
