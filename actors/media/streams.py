"""The media process's end of the audio channel: one ROUTER socket for all clients, which never waits.

What clients ask is taken between ticks, so many messages a turn; what they are to be sent leaves behind each tick, one
message a client. A client that does not read loses frames, which it counts by their numbers; what it is told is kept
for it, within a bound.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import zmq

from actors.media.audio_events import (
    MAX_MESSAGE,
    RATES,
    AudioError,
    Flush,
    Leave,
    Mark,
    Measure,
    Measured,
    Open,
    Refused,
    Request,
    Told,
    Write,
    decode,
    encode_tick,
)
from actors.media.engine import closed
from actors.media.meter import Meter, level
from actors.media.record import Records
from actors.media.session import Session
from actors.media.taps import Ears, Kept, Outlet, Taps

QUEUE = 25  # messages to a client that does not read: half a second; what is more is left out
MAX_TOLD = 1_024  # of what such a client is to be told: then it is given up
MAX_TAPS = 1_024  # of one client
LINGER = 200  # milliseconds that the last messages of a process that stops may take
_TURN = 128  # messages taken in one turn
_BUFFER = 65_536  # bytes of the kernel's, each way: what waits there is late
_QUIET = 2  # ticks without a message after which a client is shown that we live, and shows whether it does


class _Client:
    """One connection.

    Attributes:
        outlet: what it is to be sent.
        taps: by token, whose they are.
        quiet: ticks since it was sent anything.
        lost: frames left out because it did not read.
    """

    __slots__ = ("lost", "outlet", "quiet", "taps")

    def __init__(self) -> None:
        self.outlet = Outlet()
        self.taps: dict[str, Session] = {}
        self.quiet = self.lost = 0


class Streams:
    """Every tap of a media process.

    Args:
        path: of the socket.
        positions: how far written audio was played, a slot a port pair, over restarts.
        find: the session of a call, by the call's id.
        wake: a session is tapped: serve it every tick.

    Attributes:
        dropped: messages that were none, or from nobody.
        lost: frames left out because a client did not read.

    Raises:
        OSError: the socket cannot be bound there.
    """

    def __init__(
        self,
        path: Path,
        positions: Records,
        find: Callable[[str], Session | None],
        wake: Callable[[Session], None],
    ) -> None:
        self.dropped = self.lost = 0
        self._path = path
        self._positions = positions
        self._find = find
        self._wake = wake
        self._ears = Ears()
        self._clients: dict[bytes, _Client] = {}
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        # A send to a client that is gone or does not read fails then, instead of being dropped in silence.
        for option, value in (
            (zmq.ROUTER_MANDATORY, 1),
            (zmq.ROUTER_HANDOVER, 1),
            (zmq.MAXMSGSIZE, MAX_MESSAGE),
            (zmq.SNDHWM, QUEUE),
            (zmq.SNDBUF, _BUFFER),
            (zmq.LINGER, LINGER),
        ):
            self._socket.setsockopt(option, value)
        before = os.umask(0o077)
        try:
            self._socket.bind(f"ipc://{path}")  # libzmq unlinks what a killed predecessor left there
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise OSError(f"{path}: {error}") from error
        finally:
            os.umask(before)
        path.chmod(0o600)

    def fileno(self) -> int:
        """What to poll; edge-triggered."""
        return int(self._socket.getsockopt(zmq.FD))

    def waiting(self) -> bool:
        """Whether there is a message to receive. Ask after every send too: it may have taken the edge with it."""
        return bool(int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)

    def settle(self, sessions: Iterable[Session]) -> None:
        """What a predecessor played in sessions that go on is known by their rows: write it down before the next."""
        for session in sessions:
            copies = self._positions.read(session.pair.slot)
            if copies:
                kept = Kept.unpacked(copies[0].body)
                if kept.since and kept.identity == session.identity:
                    self._keeper(session.pair.slot)(kept.at_rest(session.served).packed())

    def receive(self, _now: float) -> bool:
        """Take what clients ask; True when there is more. What they are told for it leaves at once."""
        touched: dict[bytes, None] = {}
        more = True
        for _ in range(_TURN):
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                more = False
                break
            try:
                asks = decode(parts[-1])
            except AudioError:
                self.dropped += 1
                continue
            touched[parts[0]] = None
            client = self._clients.setdefault(parts[0], _Client())
            for ask in asks:
                self._serve(client, ask)
        for identity in touched:
            client = self._clients[identity]
            if client.outlet.told:
                self._send(identity, client)
            if not client.taps:
                self._clients.pop(identity, None)
        return more or self.waiting()

    def tick(self) -> bool:
        """Send what the tick brought; True when there is something to receive."""
        if not self._clients:
            return False
        self._ears.deliver()
        for identity, client in tuple(self._clients.items()):
            if not client.outlet.frames and not client.outlet.told:
                client.quiet += 1
                if client.quiet < _QUIET:
                    continue
            self._send(identity, client)
        return self.waiting()

    def close(self) -> None:
        """Close it, once what was told has left or LINGER has passed."""
        self.tick()
        self._path.unlink(missing_ok=True)
        self._socket.close()
        self._context.term()
        self._positions.close()

    # What a client asks.

    def _serve(self, client: _Client, ask: Request) -> None:
        session = client.taps.get(ask.tap)
        if session is not None and session.taps is None:  # it is over
            del client.taps[ask.tap]
            session = None
        if isinstance(ask, Open):
            self._open(client, ask)
            return
        if session is None or session.taps is None:
            return  # who opens again after a restart is told where to go on
        if isinstance(ask, Leave):
            self._leave(client, ask.tap)
            return
        if isinstance(ask, Measure):
            client.outlet.told.append(_measured(ask.tap, session, session.taps))
            return
        speaker = session.taps.speaker
        if speaker is None or speaker.tap != ask.tap:
            return
        if isinstance(ask, Write):
            speaker.write(ask)
        elif isinstance(ask, Mark):
            speaker.mark(ask)
        elif isinstance(ask, Flush):
            session.taps.flush(ask.to)

    def _open(self, client: _Client, wanted: Open) -> None:
        session = self._find(wanted.call)
        why = ("", "")
        if session is None:
            why = ("no_such_call", f"no call {wanted.call} has its audio here")
        elif wanted.rate not in RATES:
            why = ("bad_value", "rate is one of " + ", ".join(map(str, RATES)))
        elif len(client.taps) >= MAX_TAPS and wanted.tap not in client.taps:
            why = ("too_many", f"a connection has {MAX_TAPS} taps at most")
        elif not self._opened(client, session, wanted):
            why = ("taken", "another tap speaks in this call")
        if why[0]:
            client.outlet.told.append(Refused(wanted.tap, *why))

    def _opened(self, client: _Client, session: Session, wanted: Open) -> bool:
        if session.taps is None:
            session.taps = Taps(session, self._ears, self._keeper(session.pair.slot))
        copies = self._positions.read(session.pair.slot)
        kept = Kept.unpacked(copies[0].body) if copies else None
        if not session.taps.open(wanted, client.outlet, kept):
            return False
        client.taps[wanted.tap] = session
        self._wake(session)
        return True

    def _keeper(self, slot: int) -> Callable[[bytes], None]:
        copies = self._positions.read(slot)
        generation = copies[0].generation if copies else 0

        def keep(body: bytes) -> None:
            nonlocal generation
            generation += 1
            self._positions.write(slot, generation, body)

        return keep

    def _leave(self, client: _Client, tap: str) -> None:
        session = client.taps.pop(tap)
        if session.taps is not None:
            session.taps.leave(tap)
            if session.taps.empty:
                session.taps = None

    # What it is sent.

    def _send(self, identity: bytes, client: _Client) -> None:
        """Send all there is, in as many messages as it takes."""
        outlet = client.outlet
        told, frames = outlet.told, outlet.frames
        outlet.told, outlet.frames = [], []
        client.quiet = 0
        try:
            for some_told, some_frames in _portions(told, frames):
                self._socket.send_multipart((identity, encode_tick(some_told, some_frames)), zmq.NOBLOCK)
                told = told[len(some_told) :]
                frames = frames[len(some_frames) :]
        except zmq.Again:
            client.lost += len(frames)
            self.lost += len(frames)
            outlet.told = told
            if len(told) > MAX_TOLD:
                self._gone(identity)
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self._gone(identity)

    def _gone(self, identity: bytes) -> None:
        client = self._clients.pop(identity)
        for tap in tuple(client.taps):
            self._leave(client, tap)


def _measured(tap: str, session: Session, taps: Taps) -> Measured:
    """How a session goes; levels from the next tick on, where nobody asked before."""
    if taps.meter is None:
        taps.meter = Meter()
    so_far = closed(session)
    return Measured(
        tap,
        session.encoding,
        so_far.packets_sent,
        so_far.packets_received,
        so_far.packets_lost,
        float(so_far.jitter),
        float(so_far.mos),
        level(taps.meter.heard),
        level(taps.meter.said),
    )


def _portions(told: list[Told], frames: list[bytes]) -> list[tuple[list[Told], list[bytes]]]:
    """What to send in messages that are not too long; one that is empty where there is nothing."""
    most = max(1, MAX_MESSAGE // 2 // max(map(len, frames), default=1))
    portions: list[tuple[list[Told], list[bytes]]] = [(told[:128], frames[:most])]
    portions += [(told[at : at + 128], []) for at in range(128, len(told), 128)]
    portions += [([], frames[at : at + most]) for at in range(most, len(frames), most)]
    return portions
