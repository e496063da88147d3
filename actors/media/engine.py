"""What a media process does when it is asked: sessions prepared, started, played to, recorded and closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from actors.media.disk import Disk
from actors.media.events import Play, Record, SessionClosed, StartSession
from actors.media.facts import Facts
from actors.media.filters import Filter
from actors.media.floor import Floor, tick_of
from actors.media.jitter import TARGET
from actors.media.line import Line
from actors.media.loader import Loader
from actors.media.network import Network
from actors.media.pacing import Pacing
from actors.media.plays import Plays
from actors.media.record import Records
from actors.media.reports import closed, farewell
from actors.media.restoring import Rows, adopt, leave, restore
from actors.media.session import TICKS, Session
from actors.media.snapshot import row
from actors.media.sockets import Ports
from actors.runtime.machine import Event

# A closed session waits at most so many ticks for its recording to be ended.
_CLOSING = 75


class Engine:
    """Every session of a media process.

    Args:
        ports: where they receive.
        records: the mapped rows, a slot a port pair.
        disk: where recordings go.
        loader: reads what is played.
        token: gives random 32-bit numbers.
        target: the playout delay that streams begin with, in samples.
        inband: keys are sought in the sound of peers that take no telephone events.
        talk: it is told when peers begin and end to speak.
        suppress: pauses are not sent to peers that take comfort noise.
        network: a bad one, simulated for what comes to every session; None for none.
        process: a user's filter that every session goes through; None for none.
        phase: seconds by which ticks are behind those of other processes: below a tick's, the same after a restart.

    Attributes:
        floor: the sessions, and what they share.
        sessions: those that have ports.
    """

    def __init__(
        self,
        ports: Ports,
        records: Records,
        disk: Disk,
        loader: Loader,
        token: Callable[[], int],
        target: int = TARGET,
        *,
        inband: bool = False,
        talk: bool = False,
        suppress: bool = False,
        network: Network | None = None,
        process: Filter | None = None,
        phase: float = 0.0,
    ) -> None:
        self._phase = phase  # the clock of all that is below is so much behind
        self.floor = Floor(
            ports,
            records,
            disk,
            token,
            target,
            inband=inband,
            talk=talk,
            suppress=suppress,
            network=network,
            process=process,
        )
        self.sessions = self.floor.sessions
        self._plays = Plays(self.floor, loader)
        self._pacing = Pacing(self.floor, self._plays)

    def take_events(self) -> list[tuple[str, Event]]:
        """What happened to sessions since the last time, as (session, event)."""
        floor = self.floor
        happened, floor.events = floor.events, []
        return happened

    @property
    def skipped(self) -> int:
        """Ticks overslept and not made good."""
        return self._pacing.skipped

    # What the dialog asks for.

    def prepare(self, key: str, now: float, call: str = "") -> Session | None:
        """Make a session of `call` and take its ports; None when none are left."""
        floor = self.floor
        pair = floor.ports.take()
        if pair is None:
            return None
        session = floor.make(key, pair, call)
        # Both copies, so that the slot tells of no earlier session: what cannot be read later is then surely spoiled.
        body = row(session, 0)
        for generation in (1, 2):
            floor.records.write(pair.slot, generation, body)
        session.generation = 2
        if not floor.busy:
            floor.tick = tick_of(now - self._phase)
        floor.watch(session)
        return session

    def start(self, key: str, start: StartSession, now: float) -> None:
        """Apply what was negotiated.

        Raises:
            ValueError: the format to send in is not one we have, or SRTP cannot be had: nothing is sent by it.
        """
        session = self.sessions[key]
        if not session.started:
            session.report_due = now - self._phase + self.floor.interval(session)
        protected = session.srtp is not None
        session.apply(start)
        self.floor.bridges.changed()
        if session.srtp is not None and not protected:
            self.floor.srtp.begin(session, session.srtp)
        self.floor.wake(session)

    def play(self, key: str, play: Play) -> None:
        """Play a file from its start, in place of what was played before or behind it. Failure is an event."""
        self._plays.play(self.sessions[key], play)

    def stop(self, key: str) -> None:
        """Play nothing any more, nor what waits."""
        self._plays.stop(self.sessions[key])

    def pause(self, key: str, paused: bool) -> None:
        """Hold what is played where it is, or go on with it."""
        self.sessions[key].paused = paused

    def seek(self, key: str, position: float) -> None:
        """Go on with what is played at `position` seconds."""
        self._plays.seek(self.sessions[key], position)

    def record(self, key: str, record: Record, now: float) -> None:
        """Record into a file from the next tick on, in place of an earlier recording, which is ended."""
        session = self.sessions[key]
        self.floor.recordings.end(session, self.floor.tick + 1)
        if record.path:
            self.floor.recordings.begin(session, record, start=max(self.floor.tick, tick_of(now - self._phase)) + 1)
        self.floor.wake(session)

    def press(self, key: str, keys: str, duration: int) -> None:
        """Press keys, each for `duration` milliseconds, after those still to be pressed."""
        session = self.sessions[key]
        session.press(keys, duration)
        self.floor.wake(session)

    def echo(self, key: str) -> None:
        """Send the peer what it sends."""
        session = self.sessions[key]
        session.echo = True
        self.floor.wake(session)

    def connect(self, key: str, line: Line) -> None:
        """Let the session speak and be heard through the sound device."""
        session = self.sessions[key]
        session.line = line
        self.floor.wake(session)

    def bridge(self, key: str, other: str, *, keys: bool = False) -> None:
        """Put a session into the bridge of another, or with it into a new one.

        Args:
            key: the session; it leaves any bridge that it is in.
            other: the one it is to hear, and to be heard by.
            keys: of a new bridge, keys pressed by the peer of any are pressed in all others.
        """
        floor = self.floor
        session, beside = self.sessions[key], self.sessions[other]
        if beside.member is None:
            floor.join(beside, floor.name(), keys=keys)
        there = beside.member
        assert there is not None
        if session.member is None or session.member.bridge != there.bridge:
            floor.join(session, there.bridge, keys=there.keys)
        floor.tell_bridge(there.bridge)

    def part(self, key: str) -> None:
        """Take a session out of its bridge."""
        self.floor.part(self.sessions[key])

    def bridge_of(self, key: str) -> tuple[str, bool] | None:
        """The name of a session's bridge, and whether keys pass there; None while it is in none."""
        session = self.sessions.get(key)
        member = None if session is None else session.member
        return None if member is None else (member.bridge, member.keys)

    def beside(self, key: str) -> tuple[str, ...]:
        """The other sessions of a session's bridge."""
        session = self.sessions[key]
        members = () if session.member is None else self.floor.bridges[session.member.bridge]
        return tuple([each.session.key for each in members if each.session is not session])

    def of_call(self, call: str) -> Session | None:
        """The session of a call that was prepared last."""
        found = next((each for each in reversed(self.sessions.values()) if each.call == call), None)
        return None if found is None else self.sessions[found.key]

    def tapped(self, session: Session) -> None:
        """Somebody hears or speaks: serve it every tick from the next one on."""
        self.floor.wake(session)

    def close(self, key: str, now: float, wall: float) -> SessionClosed | None:
        """Say BYE and give the ports back. None while a recording is being ended: then an event tells."""
        session = self.sessions[key]
        packet = farewell(session, now - self._phase, wall)
        if packet is not None:
            self.floor.send_control(session, packet)
        waits = session.recorder is not None
        if session.peer.buffer is not None and waits:
            # What was said before the end and waits for its time is of the recording.
            held = session.peer.buffer.held
            self._pacing.let_pass(session, held, self.floor.tick)
            self.floor.release(session, held)
        else:
            self.floor.release(session)
        if waits:
            self.floor.recordings.wait(session, self.floor.tick + _CLOSING)
            return None
        return closed(session)

    def finish(self) -> None:
        """The process stops: hand all that was recorded to the disk, and let go of the files being played."""
        for session in self.sessions.values():
            if session.player is not None:
                session.player.close()
            self.floor.recordings.end(session, self.floor.tick + 1)
        self.floor.lane.close()

    def leave(self, key: str) -> Rows | None:
        """Let go of a session for another process; None while a recording is being ended: then an event tells."""
        return leave(self.floor, self.sessions[key])

    def adopt(self, key: str, facts: Facts, rows: Rows, now: float) -> bool:
        """Go on with a session of another process; False while its ports are not here, or it is ahead by a tick.

        Raises:
            ValueError: it cannot go on.
        """
        return adopt(self.floor, self._plays, key, facts, rows, now - self._phase)

    def restore(self, sessions: Mapping[str, Facts], now: float) -> dict[str, str]:
        """Take a predecessor's sessions up where their records say; the next tick is due at once.

        Returns:
            The sessions that are lost, and why: nothing of them is used.
        """
        return restore(self.floor, self._plays, sessions, now - self._phase)

    # The tick.

    def next_wake(self) -> float | None:
        """When the next tick is due; None while there is nothing to do."""
        return (self.floor.tick + 1) / TICKS + self._phase if self.floor.busy else None

    def tick(self, now: float, wall: float) -> None:
        """Do what is due.

        Args:
            now: seconds of CLOCK_BOOTTIME.
            wall: seconds since 1970, for the NTP times of RTCP.
        """
        self._pacing.tick(now - self._phase, wall)
