"""Commands that change something, each once: from a client to the dialog shards and the reply back. Pure.

A command's cell and what it sends to the shards are in one commit, and the client repeats a command under its
idempotency key until it is answered: a kill at any instant loses none and doubles none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

import actors.dialog.events as dialog
from actors.control import commands, records
from actors.control.cells import CALL, PENDING, SETTLED, Live, call_key
from actors.control.idempotency import (
    REMEMBER,
    Pending,
    Remembered,
    Reply,
    Settled,
    Verdict,
    answered,
    digest_of,
    judge,
)
from actors.control.protocol import pack, plain
from actors.control.questions import Asker
from actors.control.rights import Grant
from actors.runtime.machine import Event

REF = "!"  # begins the reference of a command, as ? that of a question


class House(Protocol):
    """What the desk needs of the actor it is in."""

    cells: Any

    def tell(self, peer: str, message: Event, *, journalled: bool = True) -> None:
        """Send a message to a shard with the commit."""

    def busy(self, peer: str) -> bool:
        """Whether a shard should get no new work."""

    def refuse(self, asker: Asker, code: str, message: str, field: str = "") -> None:
        """Tell a client that its command has no effect."""

    def reply(self, asker: Asker, reply: Reply) -> None:
        """Tell a client what its command came to."""

    def settle(self, key: bytes, command: Settled | None, now: float) -> None:
        """Keep a settled command over a reboot too, or forget it."""

    def began(self, call: str, worker: bytes, command: records.Place, grant: Grant) -> None:
        """A client places a call."""

    def over(self, call: str) -> None:
        """Forget a call."""

    def at_once(self, asker: Asker, command: records.Command, grant: Grant, now: float) -> Reply | None:
        """What control itself makes of a command, None where a shard is to carry it out."""


class Desk:
    """All commands under way and remembered.

    Args:
        house: the actor.
        shards: the names of the dialog shards.
        shard_of: the number of the shard that a call's id belongs to.
        token: makes random text, 24 characters of hex.
        ring_timeout: seconds, where a command says none.
    """

    def __init__(
        self,
        house: House,
        shards: Sequence[str],
        shard_of: Callable[[str], int],
        token: Callable[[], str],
        ring_timeout: float,
    ) -> None:
        self._house = house
        self._cells = house.cells
        self._shards = shards
        self._shard_of = shard_of
        self._token = token
        self._ring_timeout = ring_timeout
        self._last_shard = 0  # that got a call
        self._waiters: dict[bytes, list[Asker]] = {}  # by idempotency key
        self._pending: set[bytes] = set()
        self._remembered = Remembered()

    def restore(self, settled: dict[bytes, Settled] | None, now: float) -> None:
        """Take up what is in the cells; and `settled`, of the state directory, where this is a new run."""
        for key in self._cells.keys():  # noqa: SIM118 - not a dict
            if key[:1] == PENDING:
                self._pending.add(key[1:])
            elif key[:1] == SETTLED:
                self._remembered.add(key[1:])
        for name, command in (settled or {}).items():
            self._cells.put(SETTLED + name, command, now + REMEMBER)
            self._remembered.add(name)

    def close(self) -> list[Asker]:
        """Everyone who waits for a reply."""
        return [asker for askers in self._waiters.values() for asker in askers]

    # From clients

    def take(self, asker: Asker, request: records.Request, grant: Grant, now: float) -> None:
        """A command that changes something: once, whatever its client repeats."""
        name = request.key or self._token()
        key = name.encode()
        digest = digest_of(request.body)
        kept = self._cells.get(PENDING + key) or self._cells.get(SETTLED + key)
        match judge(kept, digest):
            case Verdict.CONFLICT:
                self._house.refuse(asker, "key_reused", "another command has this idempotency key", "key")
            case Verdict.SETTLED:
                self._house.reply(asker, kept.reply)
            case Verdict.PENDING:
                waiters = self._waiters.setdefault(key, [])
                if asker not in waiters:
                    waiters.append(asker)
            case Verdict.FRESH:
                reply = self._house.at_once(asker, request.body, grant, now)
                if reply is None:
                    self._begin(asker, name, request, grant, now)
                else:
                    self._settle(key, Settled(digest, reply), now)
                    self._house.reply(asker, reply)

    def _begin(self, asker: Asker, name: str, request: records.Request, grant: Grant, now: float) -> None:
        body, deadline = request.body, now + request.within
        begins, result = "", b"\x80"
        messages: list[tuple[str, dialog.FromControl]]
        if isinstance(body, records.Place):
            # An account's calls are where its registration is, which knows their way.
            owner = self._slot(body.account) if body.account else self._free_shard()
            if owner is None or self._house.busy(owner):
                self._house.refuse(asker, "busy", "the service has too much to do; try again in a moment")
                return
            begins = commands.new_call_id(lambda call: self._slot(call) == owner, self._token)
            self._house.began(begins, asker[0], body, grant)
            result = pack(plain(records.Placed(begins)))
            messages = [(owner, commands.place_call(body, REF + name, begins, self._ring_timeout))]
        elif (start := commands.STARTS.get(type(body))) is not None:
            of, account = start.known(body), start.account(body)
            owner = self._slot(of or account) if of or account else self._free_shard()
            if owner is None or self._house.busy(owner):
                self._house.refuse(asker, "busy", "the service has too much to do; try again in a moment")
                return
            of = of or commands.new_call_id(lambda name: self._slot(name) == owner, self._token)
            result = commands.begun(of)
            messages = [(owner, start.make(body, REF + name, of))]
        else:
            route = commands.ROUTES[type(body)]
            peers = self._shards if route.call is None else (self._owner(route.call(body)),)
            messages = [(peer, route.make(body, REF + name)) for peer in peers]
        key, waiting = name.encode(), tuple(peer for peer, _ in messages)
        self._cells.put(PENDING + key, Pending(digest_of(body), waiting, Reply(result), deadline, begins), deadline)
        if begins:
            self._cells.put(call_key(begins), Live(begins, waiting[0], grant.name))
        for peer, message in messages:
            self._house.tell(peer, message)
        self._pending.add(key)
        self._waiters[key] = [asker]

    def _slot(self, call: str) -> str:
        return self._shards[self._shard_of(call)]

    def _owner(self, call: str) -> str:
        live = self._cells.get(call_key(call))
        return self._slot(call) if live is None else str(live.owner)

    def _free_shard(self) -> str | None:
        """The next shard in turn that is not busy."""
        for _ in self._shards:
            self._last_shard = (self._last_shard + 1) % len(self._shards)
            peer = self._shards[self._last_shard]
            if not self._house.busy(peer):
                return peer
        return None

    # From the shards

    def conclude(self, peer: str, ref: str, failure: Reply | None, now: float) -> None:
        """`peer` has answered the command `ref`; once all have, its clients get the reply."""
        key = ref.removeprefix(REF).encode()
        pending = self._cells.get(PENDING + key)
        if pending is None:
            return  # forgotten by age
        cell = answered(pending, peer, failure)
        if isinstance(cell, Pending):
            self._cells.put(PENDING + key, cell, now + REMEMBER if cell.overdue else cell.deadline)
            return
        self._cells.delete(PENDING + key)
        if cell.reply.code and pending.begins:
            self._house.over(pending.begins)
        self._settle(key, cell, now)
        for asker in self._waiters.pop(key, ()):
            self._house.reply(asker, cell.reply)
        self._pending.discard(key)

    def _settle(self, key: bytes, cell: Settled, now: float) -> None:
        """Keep a command and its reply, and forget the oldest for it."""
        self._cells.put(SETTLED + key, cell, now + REMEMBER)
        for old in self._remembered.add(key):
            self._cells.delete(SETTLED + old)
            self._house.settle(old, None, now)
        self._house.settle(key, cell, now)

    def concerned(self) -> list[bytes]:
        """The cells that a shard may have a part in: commands under way before calls, as a failed one ends its own."""
        calls = [key for key in self._cells.keys() if key[:1] == CALL]  # noqa: SIM118 - not a dict
        return [*(PENDING + key for key in self._pending), *calls]

    def lose(self, key: bytes, peer: str, lost: Reply, now: float) -> str:
        """A shard has forgotten everything: fail its command, or forget its call, and return that one's id."""
        cell = self._cells.get(key)
        if isinstance(cell, Pending) and peer in cell.waiting:
            self.conclude(peer, REF + key[1:].decode(), lost, now)
        elif isinstance(cell, Live) and cell.owner == peer:
            self._house.over(cell.call)
            return cell.call
        return ""

    # Time

    def expire(self, key: bytes, now: float) -> None:
        """A command takes too long, or one is old enough to be forgotten."""
        cell = self._cells.get(key)
        name = key[1:]
        if isinstance(cell, Pending) and not cell.overdue:
            self._cells.put(key, msgspec.structs.replace(cell, overdue=True), now + REMEMBER)
            for asker in self._waiters.pop(name, ()):
                late = "the call's part of the service did not answer in time; it may yet do it"
                self._house.refuse(asker, "timeout", late)
            return
        if isinstance(cell, Pending) and cell.begins:
            self._house.over(cell.begins)
        self._cells.delete(key)
        self._pending.discard(name)
        self._remembered.discard(name)
        self._house.settle(name, None, now)
