"""One call takes the place of another (RFC 3891), in one shard or across two.

Across two it is done in two steps. The shard of the new call asks that of the old one to reserve it (`ReserveReplace`);
that one checks tags, state and right, and locks the call, so that no second one takes its place. After the 2xx of the
new call comes the `CommitReplace`, or the `ReleaseReplace` when it ends without one. Each word is in the journal with
the cell that it follows from, so neither a lost nor a repeated one is thought of here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from actors.dialog.call import Asked, Call, Input, State, replace
from actors.dialog.call_cells import HEXADECIMAL
from actors.dialog.call_orders import CallOrders
from actors.dialog.call_parts import Claim
from actors.dialog.effects import TellShard
from actors.dialog.shard_events import (
    AskTarget,
    CommitReplace,
    ReleaseReplace,
    ReplaceReserved,
    ReserveReplace,
    TargetTold,
)
from actors.dialog.usage import Keys, chosen, failure
from actors.runtime.machine import Effects
from actors.sip import RemoteProtocolError
from actors.sip.headers import Replaces

LOCKED = 491  # another call is about to take its place: pending, as RFC 3261 s21.4.27 has it


class CallReplaces(CallOrders):
    """Judges who may take the place of a call of this shard, and carries it out."""

    @property
    def between(self) -> Mapping[type, Callable[[Any, float, float], Effects]]:
        """What other dialog shards tell us of calls that replace each other."""
        return {
            ReserveReplace: self._reserve,
            ReplaceReserved: self._reserved,
            CommitReplace: self._commit,
            ReleaseReplace: self._release,
            AskTarget: self._tell_target,
            TargetTold: self._go_on,
        }

    def _replacing(self, call: Call, asked: Asked) -> tuple[int, Call]:
        """The new call, that knows whose place it wants; or the status to refuse it with (RFC 3891 s3).

        Raises:
            RemoteProtocolError: 400, its Replaces is malformed, or a Join stands beside it.
        """
        named = asked.request.header(Replaces)
        assert named is not None
        if asked.request.get("Join") is not None:
            raise RemoteProtocolError(400, "Replaces beside Join")
        owner = self.agent.shard_of(named.call_id)
        if owner != self.agent.shard:
            claim = Claim(owner, named.call_id, named.from_tag, named.early_only)
            return 0, replace(call, replaces=named.to_tag, claim=claim)
        status, old = self._replaceable(named)
        if old is None:
            return status, call
        return 0, replace(call, replaces=old.tag, treatment=old.treatment)

    def _replaceable(self, named: Replaces | ReserveReplace) -> tuple[int, Call | None]:
        """The call that is named, or the status to refuse who wants its place."""
        call: Call | None = self._cells.get(named.to_tag.encode("utf-8", "replace"))
        dialog = call.dialog if call is not None else None
        if call is None or dialog is None or dialog.id[::2] != (named.call_id, named.from_tag):
            return 481, None
        if not self.agent.settings.replaces:
            return 403, None
        if call.state in (State.CLOSING, State.LEAVING):
            return 603, None
        if call.state < State.ANSWERED:
            return 481, None  # an early dialog that we did not begin
        if named.early_only:
            return 486, None
        return (LOCKED, None) if call.locked else (0, call)

    # The shard of the old call.

    def _reserve(self, ask: ReserveReplace, _now: float, _wall: float) -> Effects:
        status, call = self._replaceable(ask)
        if call is None:
            return (TellShard(ask.shard, ReplaceReserved(ask.by, status)),)
        self._cells.put(call.key, replace(call, locked=(ask.shard, ask.by)), call.next_deadline)
        return (TellShard(ask.shard, ReplaceReserved(ask.by, 0, call.treatment)),)

    def _commit(self, word: CommitReplace, now: float, wall: float) -> Effects:
        call = self._locked(word)
        return () if call is None else self._step(call, Input.REPLACED, None, now, wall)

    def _release(self, word: ReleaseReplace, _now: float, _wall: float) -> Effects:
        call = self._locked(word)
        if call is not None:
            self._cells.put(call.key, replace(call, locked=None), call.next_deadline)
        return ()

    def _locked(self, word: CommitReplace | ReleaseReplace) -> Call | None:
        """The call that is kept for the one that speaks; None where it has ended meanwhile."""
        call: Call | None = self._cells.get(word.call.encode("utf-8", "replace"))
        return call if call is not None and call.locked == (word.shard, word.by) else None

    # The shard of a call that is to be sent into the place of another, and that of the other.

    def _tell_target(self, ask: AskTarget, _now: float, _wall: float) -> Effects:
        return (TellShard(ask.shard, self._target(ask.command)),)

    def _go_on(self, told: TargetTold, now: float, wall: float) -> Effects:
        """The target of a transfer is whole; its call may have come on meanwhile, and is looked at afresh."""
        if told.code:
            return failure(told.command.ref, told.code, told.text)
        return self._decide(told.command, now, wall)

    # The shard of the new call.

    def _reserved(self, word: ReplaceReserved, now: float, wall: float) -> Effects:
        call: Call | None = self._cells.get(word.by.encode())
        return () if call is None else self._step(call, Input.RESERVED, word, now, wall)

    def shard_lost(self, shard: int, now: float, wall: float, keys: Keys = None) -> Effects:
        """Another dialog shard lost all it held: its calls are gone, and what it wanted of ours is void."""
        effects: Effects = ()
        for key in [key for key in chosen(self._cells, keys) if key[0] in HEXADECIMAL]:
            call: Call = self._cells.get(key)
            if call.locked is not None and call.locked[0] == shard:
                self._cells.put(key, replace(call, locked=None), call.next_deadline)
            elif call.claim is not None and call.claim.shard == shard:
                effects += self._step(call, Input.RESERVED, ReplaceReserved(call.tag, 481), now, wall)
        return effects
