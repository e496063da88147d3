"""The media process's end of the audio channel: one ROUTER socket for all clients of a door, which never waits.

What clients ask is taken before a tick, so many messages a turn; what they are to be sent leaves behind each tick, one
message a client. A client that does not read loses frames, which it counts by their numbers; what it is told is kept
for it, within a bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import zmq

from actors.media.audio_doors import ROLES, AudioDoors, Listener
from actors.media.audio_events import (
    RATES,
    Ask,
    AudioError,
    Closed,
    Flush,
    Leave,
    Mark,
    Measure,
    Measured,
    Open,
    Refused,
    Request,
    Write,
    decode,
    encode_tick,
)
from actors.media.audio_frame_events import Writes
from actors.media.meter import Meter, level
from actors.media.outlet import Outlet
from actors.media.record import Records
from actors.media.reports import closed
from actors.media.session import Session
from actors.media.speaker import Kept, Speaker
from actors.media.speaking import Spoken, spoken_together
from actors.media.taps import Ears, Taps

MAX_TOLD = 1_024  # of what such a client is to be told: then it is given up
MAX_TAPS = 1_024  # of one client
_TURN = 256  # messages taken in one turn
_QUIET = 2  # ticks without a message after which a client is shown that we live, and shows whether it does


class _Client:
    """One connection.

    Attributes:
        outlet: what it is to be sent.
        taps: by token, whose they are.
        places: by place the token of a tap.
        quiet: ticks since it was sent anything.
        lost: frames left out because it did not read.
    """

    __slots__ = ("_known", "lost", "outlet", "places", "quiet", "taps")

    def __init__(self) -> None:
        self.outlet = Outlet()
        self.taps: dict[str, Session] = {}
        self.places: dict[int, str] = {}
        self.quiet = self.lost = 0
        self._known: tuple[bytes, int, Spoken | None] = (b"", -1, None)

    def speaker(self, tap: str) -> Speaker | None:
        """That of a tap, None where it may not speak, or no more."""
        session = self.taps.get(tap)
        speaker = None if session is None or session.taps is None else session.taps.speaker
        return speaker if speaker is not None and speaker.tap == tap and speaker.outlet is self.outlet else None

    def leave(self, tap: str) -> Session:
        """Forget a tap; whose it was."""
        self.places = {place: each for place, each in self.places.items() if each != tap}
        self._known = (b"", -1, None)
        return self.taps.pop(tap)

    def write(self, writes: Writes, changes: int) -> None:
        """Take what several taps say; `changes` is another number when speakers came or went."""
        if self._known[:2] != (writes.places, changes):
            speakers = [self.speaker(self.places.get(place, "")) for place, _, _ in writes.each()]
            self._known = (writes.places, changes, spoken_together(speakers))
        together = self._known[2]
        taken = None if together is None else together.write(writes)
        if taken is None or not taken.all():
            for index, (place, at, data) in enumerate(writes.each()):
                if taken is None or not taken[index]:
                    tap = self.places.get(place, "")
                    speaker = self.speaker(tap)
                    if speaker is not None:
                        speaker.write(Write(tap, at, data))


class Streams:
    """Every tap of a media process.

    Args:
        doors: where clients come.
        positions: how far written audio was played, a slot a port pair, over restarts.
        find: the session of a call, by the call's id.
        wake: a session is tapped: serve it every tick.
        denied: told of who asked for a call's audio and has no right to it.

    Attributes:
        lost: frames left out because a client did not read.
    """

    def __init__(
        self,
        doors: AudioDoors,
        positions: Records,
        find: Callable[[str], Session | None],
        wake: Callable[[Session], None],
        denied: Callable[[Listener, Open], None],
    ) -> None:
        self.lost = 0
        self._malformed = 0
        self._doors = doors
        self._positions = positions
        self._find = find
        self._wake = wake
        self._denied = denied
        self._ears = Ears()
        self._clients: dict[bytes, _Client] = {}

    @property
    def dropped(self) -> int:
        """Messages that were none, and connections that had no key."""
        return self._malformed + self._doors.dropped

    def filenos(self) -> list[int]:
        """What to poll; edge-triggered."""
        return self._doors.filenos()

    @property
    def tapped(self) -> bool:
        """Somebody hears or speaks."""
        return bool(self._clients)

    def waiting(self) -> bool:
        """Whether there is a message to receive. Ask after every send too: it may have taken the edge with it."""
        return self._doors.waiting()

    def settle(self, sessions: Iterable[Session]) -> None:
        """What a predecessor played in sessions that go on is known by their rows: write it down before the next."""
        for session in sessions:
            kept = Kept.read(self._positions, session.pair.slot)
            if kept is not None and kept.since and kept.identity == session.identity:
                self._keeper(session.pair.slot)(kept.at_rest(session.served).packed())

    def receive(self, _now: float) -> bool:
        """Take what clients ask; True when there is more. What they are told for it leaves at once."""
        touched: dict[bytes, None] = {}
        for identity, data, listener in self._doors.receive(_TURN):
            try:
                asks = decode(data)
            except AudioError:
                self._malformed += 1
                continue
            touched[identity] = None
            client = self._clients.get(identity)
            if client is None:
                client = self._clients[identity] = _Client()
            may = listener is not None and listener.role in ROLES
            for ask in asks:
                if may:
                    self._serve(client, ask)
                elif isinstance(ask, Open):
                    self._deny(client, ask, listener)
        for identity in touched:
            client = self._clients[identity]
            if client.outlet.told:
                self._send(identity, client)
            if not client.taps and identity in self._clients:
                self._forget(identity)
        return self.waiting()

    def tick(self) -> bool:
        """Send what the tick brought; True when there is something to receive."""
        if not self._clients:
            return False
        self._ears.deliver()
        for identity, client in tuple(self._clients.items()):
            if not self._doors.still_may(identity):
                self._gone(identity)  # its key was revoked
                continue
            if client.outlet.empty:
                client.quiet += 1
                if client.quiet < _QUIET:
                    continue
            self._send(identity, client)
        return self.waiting()

    def close(self) -> None:
        """Close it, once what was told has left or LINGER has passed."""
        self.tick()
        self._doors.close()
        self._positions.close()

    # What a client asks.

    def _deny(self, client: _Client, wanted: Open, listener: Listener | None) -> None:
        client.outlet.told.append(Refused(wanted.tap, "denied", "this key may not hear calls, nor speak in them"))
        self._denied(listener or Listener("revoked", ""), wanted)

    def _serve(self, client: _Client, ask: Request) -> None:
        if isinstance(ask, Writes):
            client.write(ask, self._ears.speeches.changes)
            return
        session = client.taps.get(ask.tap)
        taps = None if session is None else session.taps
        if session is not None and taps is None:  # it is over
            client.leave(ask.tap)
        if type(ask) is Write:  # what nearly all of them are
            if (speaker := client.speaker(ask.tap)) is not None:
                speaker.write(ask)
        elif isinstance(ask, Open):
            self._open(client, ask)
        elif session is not None and taps is not None:  # else who opens again after a restart is told where to go on
            self._alter(client, session, taps, ask)

    def _alter(self, client: _Client, session: Session, taps: Taps, ask: Ask) -> None:
        """What is asked of a tap that stands."""
        if isinstance(ask, Leave):
            self._leave(client, ask.tap)
        elif isinstance(ask, Measure):
            self._wake(session)
            client.outlet.told.append(_measured(ask.tap, session, taps))
        elif (speaker := client.speaker(ask.tap)) is None:
            return
        elif isinstance(ask, Mark):
            speaker.mark(ask)
        elif isinstance(ask, Flush):
            taps.flush(ask.to)

    def _open(self, client: _Client, wanted: Open) -> None:
        session = self._find(wanted.call)
        why = ("", "")
        if session is None:
            why = ("no_such_call", f"no call {wanted.call} has its audio here")
        elif wanted.rate not in RATES:
            why = ("bad_value", "rate is one of " + ", ".join(map(str, RATES)))
        elif client.places.get(wanted.place, wanted.tap) != wanted.tap:
            why = ("bad_value", f"place {wanted.place} is that of another tap")
        elif len(client.taps) >= MAX_TAPS and wanted.tap not in client.taps:
            why = ("too_many", f"a connection has {MAX_TAPS} taps at most")
        elif not self._opened(client, session, wanted):
            why = ("taken", "another tap speaks in this call")
        if why[0]:
            client.outlet.told.append(Refused(wanted.tap, *why))

    def _opened(self, client: _Client, session: Session, wanted: Open) -> bool:
        if session.taps is None:
            session.taps = Taps(session, self._ears, self._keeper(session.pair.slot))
        kept = Kept.read(self._positions, session.pair.slot)
        spoke = session.taps.speaker
        before = client.outlet if spoke is None else spoke.outlet
        if not session.taps.open(wanted, client.outlet, kept):
            return False
        if wanted.speak and before is not client.outlet:
            self._oust(session, wanted.tap, before)
        self._move(client, session, wanted.tap)
        client.taps[wanted.tap] = session
        if wanted.place >= 0:
            client.places[wanted.place] = wanted.tap
        self._wake(session)
        return True

    def _oust(self, session: Session, tap: str, outlet: Outlet) -> None:
        """A client comes back on another connection, as its program restarts, or another one uses the same token."""
        for client in self._clients.values():
            if client.outlet is outlet and client.taps.get(tap) is session:
                outlet.told.append(Closed(tap, "the tap was opened on another connection"))
                self._leave(client, tap)

    def _move(self, client: _Client, session: Session, tap: str) -> None:
        """A tap that was in another call leaves that."""
        if client.taps.get(tap, session) is not session:
            self._leave(client, tap)

    def _keeper(self, slot: int) -> Callable[[bytes], None]:
        copies = self._positions.read(slot)
        generation = copies[0].generation if copies else 0

        def keep(body: bytes) -> None:
            nonlocal generation
            generation += 1
            self._positions.write(slot, generation, body)

        return keep

    def _leave(self, client: _Client, tap: str) -> None:
        session = client.leave(tap)
        if session.taps is not None:
            session.taps.leave(tap, client.outlet)
            if session.taps.empty:
                session.taps = None
            self._wake(session)

    # What it is sent.

    def _send(self, identity: bytes, client: _Client) -> None:
        """Send all there is, in as many messages as it takes."""
        outlet = client.outlet
        told, parcels = outlet.told, outlet.parcels()
        client.quiet = 0
        while parcels:
            parcel = parcels[0]
            failed = self._doors.send(identity, encode_tick(parcel.told, parcel.frames, parcel.blocks))
            if failed == zmq.EHOSTUNREACH:
                self._gone(identity)
                return
            if failed:
                break
            told = told[len(parcel.told) :]
            parcels.pop(0)
        lost = sum(parcel.sounds for parcel in parcels)
        client.lost += lost
        self.lost += lost
        outlet.told = told
        if len(told) > MAX_TOLD:
            self._gone(identity)

    def _gone(self, identity: bytes) -> None:
        client = self._forget(identity)
        for tap in tuple(client.taps):
            self._leave(client, tap)

    def _forget(self, identity: bytes) -> _Client:
        self._doors.forget(identity)
        return self._clients.pop(identity)


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
