"""Sessions brought together: into bridges, and from one media process to another; the part of the actor that does so.

The process that lets go sends nothing more, tells what it knows, and hands the sockets over by the supervisor's store;
the one that takes over goes on as after a restart. Each step is in a journal before anything follows from it, so that
either may be killed between any two of them: what has come waits for the rest, in whatever order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from actors.media import events
from actors.media.commands import Commands, Order
from actors.media.facts import Coming, Facts
from actors.media.held import Held, key_of, name_of
from actors.media.restoring import Rows
from actors.media.tones import PAIRS
from actors.runtime.machine import Event

# Milliseconds of a key that is passed on, at least: what Q.24 has receivers take (RFC 4733 s3.1).
_LEAST_KEY = 40
# Seconds that a session is waited for: a restart of the process that it comes from is far shorter.
PATIENCE = 10.0
# Seconds between two tries, where no tick brings one about.
_AGAIN = 0.01

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[Facts, Rows]).decode


class Moves:
    """Bridges and moves sessions.

    Args:
        held: the sessions.
        hand_over: gives descriptors, by their tokens, to another process through the supervisor.
        commands: presses keys.
        carry_out: carries out a command that waited for a session that has come.
        now: the time.

    Attributes:
        awaited: sessions whose state is here, and whose sockets or time are not yet.
    """

    def __init__(
        self,
        held: Held,
        hand_over: Callable[[tuple[str, ...], str], None],
        commands: Commands,
        carry_out: Callable[[str, Any, float], None],
        now: float,
    ) -> None:
        self._held = held
        self._hand = hand_over
        self._commands = commands
        self._carry_out = carry_out
        self.awaited: set[str] = set()
        self._again = 0.0
        # Ports of other processes that no session has, and until when they may wait.
        self._stray = dict.fromkeys(held.ports.strangers(), now + 2 * PATIENCE)

    @property
    def orders(self) -> Mapping[type[Event], Order]:
        """What carries out each command that is of bridges and moves."""
        return {
            events.JoinBridge: self._on_join,
            events.LeaveBridge: self._on_leave,
            events.ExpectSession: self._on_expect,
            events.MoveSession: self._on_move,
            events.TakeSession: self._on_take,
        }

    def takes_up(self, key: bytes, facts: Facts) -> bool:
        """Whether a predecessor's session is not served here: it comes, or is gone but for its ports."""
        if facts.coming is not None:
            if facts.coming.state:
                self.awaited.add(name_of(key))
        elif facts.exported and facts.moving is not None:
            self._held.defer(self.hand_over, key, facts.port, facts.moving)
        else:
            return False
        return True

    # Bridges.

    def _on_join(self, peer: str, _at: bytes, facts: Facts, message: events.JoinBridge, now: float) -> None:
        other: Facts | None = self._held.cells.get(key_of(message.other))
        if other is not None and other.coming is not None:
            self.wait(
                key_of(message.other), other, events.JoinBridge(message.other, message.session, message.keys), now
            )
            return
        ready = facts.start is not None and other is not None and _stays(other)
        if not ready or message.other == message.session:
            self._held.tell(peer, events.Bridged(message.session, reason="the other call has no audio here"))
            return
        self._held.engine.bridge(message.session, message.other, keys=message.keys)

    def _on_leave(self, _peer: str, _at: bytes, _facts: Facts, message: events.LeaveBridge, _now: float) -> None:
        self._held.engine.part(message.session)

    def pass_on(self, owner: str, event: events.DigitReceived) -> None:
        """Press the key of a peer in the other sessions of its bridge. One that is heard in the sound has passed."""
        if event.method != "rfc4733" or event.digit not in PAIRS:
            return
        for other in self._held.engine.beside(event.session):
            press = events.SendDigits(other, event.digit, max(_LEAST_KEY, event.duration))
            self._commands.press(owner, key_of(other), self._held.cells.get(key_of(other)), press, 0.0)

    # It goes.

    def _on_move(self, _peer: str, key: bytes, facts: Facts, message: events.MoveSession, _now: float) -> None:
        self.let_go(key, facts, message.to)

    def let_go(self, key: bytes, facts: Facts, to: int) -> None:
        """Serve a session no more. One that is recorded is told of by a tick, once its file is ended."""
        self._held.cells.put(key, replace(facts, moving=to))
        self._held.devices.disconnect(name_of(key))
        rows = self._held.engine.leave(name_of(key))
        if rows is not None:
            self.export(key, facts, to, rows)

    def export(self, key: bytes, facts: Facts, to: int, rows: Rows) -> None:
        """Tell what the other process needs to go on with a session; its sockets follow."""
        left = replace(facts, moving=None, bridge=None)
        self._held.tell(facts.owner, events.SessionExported(name_of(key), to, _encode((left, rows))))
        self._held.cells.put(key, replace(facts, moving=to, exported=True))
        self._held.defer(self.hand_over, key, facts.port, to)

    def hand_over(self, key: bytes, port: int, to: int) -> None:
        """The state is on its way for good: the sockets follow."""
        self._hand(self._held.ports.give(port), f"media-{to}")
        self._held.cells.delete(key)

    # It comes.

    def _on_expect(
        self, peer: str, key: bytes, facts: Facts | None, _message: events.ExpectSession, now: float
    ) -> None:
        if facts is None:
            self._held.cells.put(key, Facts(peer, 0, "", 0, coming=Coming()), now + PATIENCE)

    def wait(self, key: bytes, facts: Facts, command: Any, now: float) -> None:  # noqa: ANN401
        """A command for a session that has not come yet is carried out when it has."""
        assert facts.coming is not None
        coming = replace(facts.coming, waiting=(*facts.coming.waiting, command))
        self._held.cells.put(key, replace(facts, coming=coming), now + PATIENCE)

    def _on_take(self, peer: str, key: bytes, facts: Facts | None, message: events.TakeSession, now: float) -> None:
        coming = Coming() if facts is None else facts.coming
        if coming is None:
            return  # it is here
        if facts is None:  # it was given up: whoever waited for it was told
            coming = Coming((events.CloseSession(message.session),))
        self._held.cells.put(key, Facts(peer, 0, "", 0, coming=replace(coming, state=message.state)), now + PATIENCE)
        self.awaited.add(message.session)
        self.arrive(now)

    def ports_given(self, given: Mapping[str, int], now: float) -> None:
        """Sockets of a session that comes, or of ours that are back."""
        for port in self._held.ports.add(given):
            self._stray[port] = now + 2 * PATIENCE
        self.arrive(now)

    def arrive(self, now: float) -> None:
        """Go on with those whose state and sockets are here, from the tick after their last one."""
        self._again = now + _AGAIN
        for session in tuple(self.awaited):
            key = key_of(session)
            facts: Facts | None = self._held.cells.get(key)
            if facts is None or facts.coming is None:
                self.awaited.discard(session)
                continue
            state, rows = _decode(facts.coming.state)
            try:
                if not self._held.engine.adopt(session, state, rows, now):
                    continue
            except ValueError as error:
                self.awaited.discard(session)
                self._held.end(key, facts.owner, events.SessionLost(session, str(error)))
                continue
            self.awaited.discard(session)
            self._stray.pop(state.port, None)
            self._held.cells.put(key, replace(state, owner=facts.owner))
            self._held.go_on(state)
            for command in facts.coming.waiting:
                self._carry_out(facts.owner, command, now)

    def expire(self, key: bytes) -> None:
        """A session has not come: whoever it comes from has lost it."""
        facts: Facts | None = self._held.cells.get(key)
        if facts is not None and facts.coming is not None:
            self.awaited.discard(name_of(key))
            self._held.end(key, facts.owner, events.SessionLost(name_of(key), "it did not come from its media process"))

    @property
    def due(self) -> float | None:
        """When to look again whether a session can go on; None while none has come."""
        return self._again if self.awaited else None

    # Ports that are another's.

    def lead_home(self, now: float) -> None:
        """Give the ports of sessions that came from elsewhere and are over back to whose they are."""
        if not (self._held.ports.leaving or self._stray):
            return
        for port in self._held.ports.leaving:
            self._stray[port] = now
        self._held.ports.leaving.clear()
        for port in [port for port, until in self._stray.items() if until <= now]:
            del self._stray[port]
            self._held.defer(self._send_home, port)

    def _send_home(self, port: int) -> None:
        if self._held.ports.idle(port):
            self._hand(self._held.ports.give(port), f"media-{self._held.ports.home(port)}")


def _stays(facts: Facts) -> bool:
    """A session that was started, and goes neither away nor elsewhere."""
    return facts.start is not None and not facts.closing and facts.moving is None
