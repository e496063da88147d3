"""Sessions brought together: into bridges, and from one media process to another; the part of the actor that does so.

The process that lets go sends nothing more, tells what it knows, and hands the sockets over by the supervisor's store;
the one that takes over goes on as after a restart. Each step is in a journal before anything follows from it, so that
either may be killed between any two of them: what has come waits for the rest, in whatever order.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from actors.media import events
from actors.media.engine import Engine
from actors.media.facts import Coming, Facts
from actors.media.restoring import Rows
from actors.media.sockets import Ports
from actors.media.tones import PAIRS
from actors.runtime.actor import LayerActor
from actors.runtime.context import Context
from actors.runtime.machine import Event

# Milliseconds of a key that is passed on, at least: what Q.24 has receivers take (RFC 4733 s3.1).
_LEAST_KEY = 40
# Seconds that a session is waited for: a restart of the process that it comes from is far shorter.
PATIENCE = 10.0
# Seconds between two tries, where no tick brings one about.
_AGAIN = 0.01

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[Facts, Rows]).decode


class Moves(LayerActor):
    """Bridges and moves sessions. The rest of the actor holds them."""

    _engine: Engine
    _ports: Ports

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._coming: set[str] = set()  # whose state is here, and whose sockets or time are not yet
        self._again = 0.0
        self._stray: dict[int, float] = {}  # ports of other processes that no session has, and until when they may wait

    # What the rest of the actor gives.

    def _end(self, key: bytes, owner: str, event: Event) -> None:
        raise NotImplementedError

    def _disconnect(self, session: str) -> None:
        raise NotImplementedError

    def _on_digits(self, peer: str, key: bytes, facts: Facts, message: events.SendDigits, now: float) -> None:
        raise NotImplementedError

    def _went_on(self, facts: Facts) -> None:
        """A session that was another's goes on here."""
        raise NotImplementedError

    # Bridges.

    def _on_join(self, peer: str, _at: bytes, facts: Facts, message: events.JoinBridge, now: float) -> None:
        other: Facts | None = self.cells.get(key_of(message.other))
        if other is not None and other.coming is not None:
            self._wait(
                key_of(message.other), other, events.JoinBridge(message.other, message.session, message.keys), now
            )
            return
        ready = other is not None and not other.closing and other.start is not None and facts.start is not None
        if not ready or message.other == message.session:
            self.tell(peer, events.Bridged(message.session, reason="the other call has no audio here"))
            return
        self._engine.bridge(message.session, message.other, keys=message.keys)

    def _on_leave(self, _peer: str, _at: bytes, _facts: Facts, message: events.LeaveBridge, _now: float) -> None:
        self._engine.part(message.session)

    def _pass_on(self, owner: str, event: events.DigitReceived) -> None:
        """Press the key of a peer in the other sessions of its bridge. One that is heard in the sound has passed."""
        if event.method != "rfc4733" or event.digit not in PAIRS:
            return
        for other in self._engine.beside(event.session):
            press = events.SendDigits(other, event.digit, max(_LEAST_KEY, event.duration))
            self._on_digits(owner, key_of(other), self.cells.get(key_of(other)), press, 0.0)

    # It goes.

    def _on_move(self, _peer: str, key: bytes, facts: Facts, message: events.MoveSession, _now: float) -> None:
        self._let_go(key, facts, message.to)

    def _let_go(self, key: bytes, facts: Facts, to: int) -> None:
        """Serve a session no more. One that is recorded is told of by a tick, once its file is ended."""
        self.cells.put(key, replace(facts, moving=to))
        self._disconnect(name_of(key))
        rows = self._engine.leave(name_of(key))
        if rows is not None:
            self._export(key, facts, to, rows)

    def _export(self, key: bytes, facts: Facts, to: int, rows: Rows) -> None:
        left = replace(facts, moving=None, bridge=None)
        self.tell(facts.owner, events.SessionExported(name_of(key), to, _encode((left, rows))))
        self.cells.put(key, replace(facts, moving=to, exported=True))
        self.defer(self._hand_over, key, facts.port, to)

    def _hand_over(self, key: bytes, port: int, to: int) -> None:
        """The state is on its way for good: the sockets follow."""
        self.context.channel.hand_over(self._ports.give(port), f"media-{to}")
        self.cells.delete(key)

    # It comes.

    def _on_expect(
        self, peer: str, key: bytes, facts: Facts | None, _message: events.ExpectSession, now: float
    ) -> None:
        if facts is None:
            self.cells.put(key, Facts(peer, 0, "", 0, coming=Coming()), now + PATIENCE)

    def _wait(self, key: bytes, facts: Facts, command: Any, now: float) -> None:  # noqa: ANN401
        """A command for a session that has not come yet is carried out when it has."""
        assert facts.coming is not None
        coming = replace(facts.coming, waiting=(*facts.coming.waiting, command))
        self.cells.put(key, replace(facts, coming=coming), now + PATIENCE)

    def _on_take(self, peer: str, key: bytes, facts: Facts | None, message: events.TakeSession, now: float) -> None:
        coming = Coming() if facts is None else facts.coming
        if coming is None:
            return  # it is here
        if facts is None:  # it was given up: whoever waited for it was told
            coming = Coming((events.CloseSession(message.session),))
        self.cells.put(key, Facts(peer, 0, "", 0, coming=replace(coming, state=message.state)), now + PATIENCE)
        self._coming.add(message.session)
        self._arrive(now)

    def descriptors_given(self, tokens: tuple[str, ...], now: float) -> None:
        """Sockets of a session that comes, or of ours that are back."""
        held = self.context.channel.descriptors
        for port in self._ports.add({token: held[token].fd for token in tokens}):
            self._stray[port] = now + 2 * PATIENCE
        self._arrive(now)

    def _arrive(self, now: float) -> None:
        """Go on with those whose state and sockets are here, from the tick after their last one."""
        self._again = now + _AGAIN
        for session in tuple(self._coming):
            key = key_of(session)
            facts: Facts | None = self.cells.get(key)
            if facts is None or facts.coming is None:
                self._coming.discard(session)
                continue
            state, rows = _decode(facts.coming.state)
            try:
                if not self._engine.adopt(session, state, rows, now):
                    continue
            except ValueError as error:
                self._coming.discard(session)
                self._end(key, facts.owner, events.SessionLost(session, str(error)))
                continue
            self._coming.discard(session)
            self._stray.pop(state.port, None)
            self.cells.put(key, replace(state, owner=facts.owner))
            self._went_on(state)
            for command in facts.coming.waiting:
                self.handle(facts.owner, command, now)

    def expire(self, key: bytes, now: float) -> None:  # noqa: ARG002
        """A session has not come: whoever it comes from has lost it."""
        facts: Facts | None = self.cells.get(key)
        if facts is not None and facts.coming is not None:
            self._coming.discard(name_of(key))
            self._end(key, facts.owner, events.SessionLost(name_of(key), "it did not come from its media process"))

    def next_wake(self) -> float | None:
        """The next tick's deadline; sooner where a session waits to go on."""
        due = self._engine.next_wake()
        if not self._coming:
            return due
        return self._again if due is None else min(due, self._again)

    # Ports that are another's.

    def _lead_home(self, now: float) -> None:
        """Give the ports of sessions that came from elsewhere and are over back to whose they are."""
        for port in self._ports.leaving:
            self._stray[port] = now
        self._ports.leaving.clear()
        for port in [port for port, until in self._stray.items() if until <= now]:
            del self._stray[port]
            self.defer(self._send_home, port)

    def _send_home(self, port: int) -> None:
        if self._ports.idle(port):
            self.context.channel.hand_over(self._ports.give(port), f"media-{self._ports.home(port)}")


def key_of(session: str) -> bytes:
    """The key of a session's cell."""
    return session.encode("utf-8", "surrogateescape")


def name_of(key: bytes) -> str:
    """The session of a cell."""
    return key.decode("utf-8", "surrogateescape")
