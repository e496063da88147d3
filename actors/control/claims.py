"""Who among many workers has a call, and what becomes of it when that worker is gone. Pure.

A call is claimed by a connection, known by an identity that its client keeps over restarts of ours. A call that waits
for a worker has a cell too, with a deadline: nobody claims it in time and it is refused or hung up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import actors.dialog.events as dialog
from actors.control.cells import CLAIM, Claimed, claim_key
from actors.control.idempotency import Reply
from actors.dialog import call_commands
from actors.runtime.machine import Event

PROBE = 0.5  # seconds between two looks for the owners of calls
GONE = 1.0  # seconds without an owner's connection after which it is lost: control may have been restarted
KEEP = -1.0  # seconds that stand for ever
UNCLAIMED = 480  # RFC 3261 section 21.4.18: nobody here takes it now


class CallClaimed(Event, frozen=True):
    """Control's own event: a worker has the call."""

    call: str
    worker: str
    time: float


class CallReleased(Event, frozen=True):
    """Control's own event: the call has no worker any more; `reason` is released or lost."""

    call: str
    worker: str
    reason: str
    time: float


class Outcome(NamedTuple):
    """What the actor is to do: messages to shards, events to log."""

    messages: tuple[tuple[str, dialog.FromControl], ...] = ()
    events: tuple[Event, ...] = ()


NOTHING = Outcome()


def seconds_of(policy: str) -> float:
    """``hangup``, ``keep`` or a number of seconds, as seconds.

    Raises:
        ValueError: it is none of them.
    """
    if policy in {"hangup", "keep"}:
        return 0.0 if policy == "hangup" else KEEP
    seconds = float(policy)
    if not 0 <= seconds <= 1e6:
        raise ValueError(policy)
    return seconds


class Claims:
    """Every call that is claimed or waits to be.

    Args:
        cells: the actor's.
        unclaimed_after: seconds that a call in waits for a worker; 0 where calls do not ask for one.
        owner_of: gives the shard of a call that is there, None for one that is not.
        routes: the names of those whose calls ask for a worker.
    """

    def __init__(
        self,
        cells: Any,  # noqa: ANN401
        unclaimed_after: float,
        owner_of: Callable[[str], str | None],
        routes: Iterable[str] = ("",),
    ) -> None:
        self._cells = cells
        self._routes = frozenset(routes)
        self._unclaimed_after = unclaimed_after
        self._owner_of = owner_of
        self._missing: dict[bytes, float] = {}  # owners that cannot be reached, since when
        self._keys: set[bytes] = set()

    def restore(self) -> None:
        """Take up what is in the cells."""
        self._keys = {key for key in self._cells.keys() if key[:1] == CLAIM}  # noqa: SIM118 - not a dict

    def _get(self, call: str) -> Claimed | None:
        key = claim_key(call)
        cell: Claimed | None = self._cells.get(key) if key in self._keys else None
        return cell

    def _put(self, cell: Claimed, deadline: float | None) -> None:
        key = claim_key(cell.call)
        self._cells.put(key, cell, deadline)
        self._keys.add(key)

    def _drop(self, call: str) -> None:
        key = claim_key(call)
        if key in self._keys:
            self._cells.delete(key)
            self._keys.discard(key)

    # The calls

    def begun(self, call: str, worker: bytes, policy: str) -> None:
        """A client placed a call that is to end with it, or to wait for another."""
        if policy != "keep":
            self._put(Claimed(call, worker, "", policy), None)

    def received(self, call: str, now: float, route: str = "") -> None:
        """A call in rings: where workers are asked for, one is to claim it in time."""
        if self._unclaimed_after and route in self._routes:
            self._put(Claimed(call, ringing=True), now + self._unclaimed_after)

    def answered(self, call: str) -> None:
        """The call is up; nobody waits for its first worker any more."""
        cell = self._get(call)
        if cell is None:
            return
        if cell.worker:
            self._put(Claimed(cell.call, cell.worker, cell.name, cell.policy), None)
        elif cell.ringing:
            self._drop(call)

    def ended(self, call: str) -> None:
        """The call is over."""
        self._drop(call)

    # The workers

    def worker(self, call: str) -> str | None:
        """What the worker of a call calls itself, None where it has none."""
        cell = self._get(call)
        return cell.name if cell is not None and cell.worker else None

    def forbids(self, worker: bytes, call: str) -> bool:
        """Whether the call is another worker's to decide on."""
        cell = self._get(call)
        return cell is not None and bool(cell.worker) and cell.worker != worker

    def claim(self, worker: bytes, name: str, call: str, policy: str, wall: float) -> tuple[Reply, Outcome]:
        """A worker wants the call: the first has it."""
        if self._owner_of(call) is None:
            return Reply(code="no_such_call", message=f"there is no call {call}"), NOTHING
        if self.forbids(worker, call):
            return Reply(code="already_claimed", message="another worker has this call"), NOTHING
        before = self._get(call)
        self._put(Claimed(call, worker, name, policy, ringing=before is not None and before.ringing), None)
        return Reply(), Outcome(events=(CallClaimed(call, name, wall),))

    def release(self, worker: bytes, call: str, now: float, wall: float) -> tuple[Reply, Outcome]:
        """A worker gives its call back: another may claim it."""
        cell = self._get(call)
        if cell is None or cell.worker != worker:
            return Reply(code="not_claimed", message="you have not claimed this call"), NOTHING
        self._put(Claimed(call, ringing=cell.ringing), now + self._unclaimed_after if cell.ringing else None)
        return Reply(), Outcome(events=(CallReleased(call, cell.name, "released", wall),))

    @property
    def watched(self) -> bool:
        """Whether there is anyone to look for."""
        return bool(self._keys)

    def probe(self, reaches: Callable[[bytes], bool], now: float, wall: float) -> Outcome:
        """Look for every owner; do for the calls of those who are gone what they said."""
        calls: dict[bytes, list[Claimed]] = {}
        for key in self._keys:
            cell = self._cells.get(key)
            if cell is not None and cell.worker:
                calls.setdefault(cell.worker, []).append(cell)
        self._missing = {worker: self._missing.get(worker, now) for worker in calls if not reaches(worker)}
        outcomes = [
            self._lose(cell, now, wall)
            for worker, since in self._missing.items()
            if now - since >= GONE
            for cell in calls[worker]
        ]
        return Outcome(
            tuple(message for outcome in outcomes for message in outcome.messages),
            tuple(event for outcome in outcomes for event in outcome.events),
        )

    def _lose(self, cell: Claimed, now: float, wall: float) -> Outcome:
        """The owner of a call is gone."""
        released = CallReleased(cell.call, cell.name, "lost", wall)
        seconds = seconds_of(cell.policy)
        if seconds == 0:
            self._drop(cell.call)
            return Outcome(self._end(cell), (released,))
        self._put(
            Claimed(cell.call, b"", "", cell.policy, ringing=cell.ringing), None if seconds == KEEP else now + seconds
        )
        return Outcome((), (released,))

    def expire(self, key: bytes) -> Outcome:
        """Nobody claimed a call in time."""
        cell = self._cells.get(key)
        if cell is None or cell.worker:
            return NOTHING
        self._drop(cell.call)
        return Outcome(self._end(cell))

    def _end(self, cell: Claimed) -> tuple[tuple[str, dialog.FromControl], ...]:
        """End a call, refuse one that still rings. Nobody waits for the answer; a call that is over needs none."""
        owner = self._owner_of(cell.call)
        if owner is None:
            return ()
        ref = f"!unclaimed {cell.call}"
        if cell.ringing:
            return ((owner, call_commands.RejectCall(ref, cell.call, UNCLAIMED, "")),)
        return ((owner, call_commands.HangUp(ref, cell.call)),)
