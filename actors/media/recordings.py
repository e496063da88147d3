"""The recordings of a process: begun, ended in the background, failed, and the closed sessions that wait for one."""

from __future__ import annotations

from pathlib import Path

from actors.media.disk import Disk, Recorder
from actors.media.events import Record, RecordFailed
from actors.media.peer import MAX_DATAGRAM
from actors.media.pieces import FRAME
from actors.media.ring import Ring
from actors.media.session import Session
from actors.runtime.machine import Event

# What a kill would lose is kept: the frames of this many ticks, the packets of as much time, 80 ms of G.711 each.
_KEPT = 64
_PACKET = 4 * FRAME


class Recordings:
    """Ties sessions to what the disk thread says.

    Args:
        disk: where recordings go.
        folder: where what is not on disk yet is kept over a kill.
    """

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk = disk
        self._folder = folder
        self._sessions: dict[str, Session] = {}
        self._waiting: dict[str, tuple[Session, int]] = {}
        # Their end did not fit the disk's queue; it is handed over again every tick.
        self._unended: list[Recorder] = []

    @property
    def busy(self) -> bool:
        """Something is to be settled, though no session may be left."""
        return bool(self._waiting or self._unended)

    def begin(self, session: Session, record: Record, *, start: int, append: bool = False, anew: bool = True) -> None:
        """Record `session` from tick `start` on.

        Args:
            session: whose peer is recorded.
            record: the file, and which sides.
            start: the tick of its first frame.
            append: go on with a predecessor's file.
            anew: forget the frames a predecessor had not written yet.
        """
        path, both = record.path, record.sides != "peer"
        name = f"{session.key} {start} {path}"
        kept = self._folder / str(session.pair.slot)
        rate = session.rate
        room = (FRAME if session.voice is None else rate // 50 * 2) * (1 + both)
        frames = Ring(kept.with_suffix(".frames"), entries=_KEPT, room=room, anew=anew)
        session.recorder = Recorder(
            self._disk, name, path, start=start, append=append, ring=frames, rate=rate, sides=record.sides
        )
        packet = _PACKET if session.voice is None else MAX_DATAGRAM
        session.peer.kept = Ring(kept.with_suffix(".packets"), entries=_KEPT, room=packet, anew=anew)
        self._sessions[name] = session
        session.touch()

    def end(self, session: Session, tick: int) -> None:
        """Hand over what is left and end the file; nothing happens without a recording."""
        recorder, kept = session.recorder, session.peer.kept
        session.recorder = session.peer.kept = None
        if kept is not None:
            kept.remove()
        if recorder is not None and not recorder.close(tick):
            self._unended.append(recorder)

    def wait(self, session: Session, until: int) -> None:
        """`session` is closed and wants to hear when its file is ended, at tick `until` at the latest."""
        self._waiting[session.key] = (session, until)

    def fail(self, session: Session, error: str, tick: int) -> list[tuple[str, Event]]:
        """Give up a recording; the call goes on."""
        recorder = session.recorder
        if recorder is None:
            return []
        self.end(session, tick)
        return [(session.key, RecordFailed(session.key, recorder.path, error))]

    def settle(self, tick: int) -> tuple[list[tuple[str, Event]], list[Session]]:
        """Hear from the disk: recordings that failed, and the sessions whose wait is over."""
        self._unended = [recorder for recorder in self._unended if not recorder.close(tick)]
        events: list[tuple[str, Event]] = []
        outcomes = self._disk.outcomes
        while outcomes:
            outcome = outcomes.popleft()
            session = self._sessions.get(outcome.key)
            if session is None:
                continue
            if not outcome.error:
                del self._sessions[outcome.key]
            elif session.recorder is not None and session.recorder.key == outcome.key:
                events += self.fail(session, outcome.error, tick)
            elif session.key in self._waiting:
                path = outcome.key.split(" ", 2)[2]
                events.append((session.key, RecordFailed(session.key, path, outcome.error)))
        if not self._waiting:
            return events, []
        recorded = {session.key for session in self._sessions.values()}
        over = [session for session, until in self._waiting.values() if session.key not in recorded or tick >= until]
        for session in over:
            del self._waiting[session.key]
        return events, over
