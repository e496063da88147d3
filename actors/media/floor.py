"""What the parts of a media process share: its sessions, which of them are served, and what they end in.

A session is *active*, served every tick; *resting*, served once a second; or not started yet. An active one may be in
the fast lane.
"""

from __future__ import annotations

from collections.abc import Callable

from actors.media.activity import Activity
from actors.media.bridge import Bridges
from actors.media.crossing import Crossing
from actors.media.disk import Disk
from actors.media.events import Bridged, SessionLost
from actors.media.filters import Filter, Filtered
from actors.media.lane import Lane, Sessions
from actors.media.network import Network
from actors.media.record import Records
from actors.media.recordings import Recordings
from actors.media.reports import report
from actors.media.rtcp import interval
from actors.media.session import TICKS, Session
from actors.media.snapshot import row
from actors.media.sockets import Pair, Ports
from actors.media.speaker import KEPT
from actors.media.srtp_records import SrtpRecords
from actors.media.watching import Watching
from actors.runtime.machine import Event

# The size of a compound packet before one was sent, bytes.
_REPORT_SIZE = 100.0


def tick_of(now: float) -> int:
    """The tick that is due at `now`; the margin takes up what floats round away."""
    return int(now * TICKS + 1e-6)


class Floor:
    """Every session of a process.

    Args:
        ports: where they receive.
        records: the mapped rows, a slot a port pair.
        disk: where recordings go.
        token: gives random 32-bit numbers.
        target: the playout delay that streams begin with, in samples.
        inband: keys are sought in the sound of peers that take no telephone events.
        talk: it is told when peers begin and end to speak.
        suppress: pauses are not sent to peers that take comfort noise.
        network: a bad one, simulated for what comes to every session; None for none.
        process: a user's filter that every session goes through; None for none.

    Attributes:
        sessions: those that have ports.
        active, resting: those that are served, by key; resting ones by the tick of a second, too.
        sockets: descriptor -> session, and whether it is that of RTCP.
        spoken: of what programs wrote for the peers how far it was played, a slot a port pair.
        behind: restored sessions whose recording or taps have some ticks to make good, and how many.
        lane: the sessions that go on as rows.
        bridges: those that hear each other.
        events: what happened to sessions, as (session, event).
        send_errors, receive_errors: datagrams the kernel refused, either way.
        moving: what is to be told of sessions that move, once their recordings are ended.
        tick: the last one that was served.
    """

    def __init__(
        self,
        ports: Ports,
        records: Records,
        disk: Disk,
        token: Callable[[], int],
        target: int,
        *,
        inband: bool,
        talk: bool,
        suppress: bool,
        network: Network | None,
        process: Filter | None,
    ) -> None:
        self.lane = Lane(records, ports.pairs)
        self.bridges = Bridges()
        self.sessions: dict[str, Session] = Sessions(self.lane.leave)
        self.events: list[tuple[str, Event]] = []
        self.send_errors = self.receive_errors = 0
        self.ports = ports
        self.records = records
        self.srtp = SrtpRecords(records.path.with_name("srtp"), len(ports))
        self.spoken = Records(records.path.with_name("spoken"), len(ports), KEPT)
        self.recordings = Recordings(disk, records.path.with_name("kept"))
        self.network = network
        self.inband, self._talk, self._suppress = inband, talk, suppress
        self._process = process
        self.active: dict[str, Session] = {}
        self.resting: list[dict[str, Session]] = [{} for _ in range(TICKS)]
        self.sockets: dict[int, tuple[Session, bool]] = {}
        self.behind: list[tuple[Session, int]] = []
        self.moving: dict[str, Event] = {}
        self.tick = 0
        self._token = token
        self._target = target

    @property
    def busy(self) -> bool:
        """There is something to do in ticks."""
        return bool(self.sessions or self.recordings.busy)

    def make(self, key: str, pair: Pair, call: str, identity: int | None = None) -> Session:
        """A session of `call`, not yet among the others; without an identity it gets a random one."""
        token = self._token
        session = Session(key, pair, token() << 32 | token() if identity is None else identity, token, self._target)
        session.inband, session.suppresses = self.inband, self._suppress
        session.call = call
        return session

    def watch(self, session: Session) -> None:
        """Have what comes to a session's ports."""
        self.sessions[session.key] = session
        self.sockets[session.pair.rtp.fileno()] = (session, False)
        self.sockets[session.pair.rtcp.fileno()] = (session, True)
        if self.network is not None:
            session.crossing = Crossing(self.network)
        if self._talk:
            session.activity = Activity()
        if self._process is not None:
            session.filtered = Filtered(self._process)

    def save(self, session: Session, tick: int) -> None:
        """Write down what a successor must know, as of `tick`."""
        session.generation += 1
        self.records.write(session.pair.slot, session.generation, row(session, tick))
        if session.srtp is not None:
            self.srtp.write(session, session.srtp)

    def interval(self, session: Session) -> float:
        """Seconds until its next report (RFC 3550 section 6.3.1)."""
        return interval(session.report_size or _REPORT_SIZE, chance=self._token() / 2**32, initial=not session.reports)

    def report(self, session: Session, now: float, wall: float) -> None:
        """Send the report that is due, and judge how the session goes."""
        session.report_due = now + self.interval(session)
        session.touch()
        if session.watching is None:
            session.watching = Watching(now)
        session.peer.notices += session.watching.judge(session.peer, session.encoding, now)
        if session.peer.control is not None:
            self.send_control(session, report(session, now, wall))

    def send_control(self, session: Session, packet: bytes) -> None:
        """Send a compound packet of RTCP."""
        if session.peer.control is None:
            return
        if session.srtp is not None:
            packet = session.srtp.protect_control(packet)
            self.srtp.write(session, session.srtp)
        try:
            port = session.pair.rtp if session.peer.muxed else session.pair.rtcp
            port.sendto(packet, session.peer.control)
        except OSError:
            self.send_errors += 1

    # Rest and ends.

    def wake(self, session: Session) -> None:
        """Serve a session every tick; one that was not started has nothing to do yet."""
        if not session.started:
            return
        self.lane.leave(session)
        if session.resting:
            del self.resting[session.pair.slot % TICKS][session.key]
        session.wake(self.tick)
        self.active[session.key] = session

    def rest(self, session: Session) -> None:
        """Serve a session once a second."""
        del self.active[session.key]
        session.rest()
        self.resting[session.pair.slot % TICKS][session.key] = session

    def lose(self, session: Session, error: BaseException) -> None:
        """A step of a session raised: it is over."""
        self.release(session)
        self.events.append((session.key, SessionLost(session.key, f"{type(error).__name__}: {error}")))

    # Bridges.

    def name(self) -> str:
        """The name of a new bridge."""
        return f"{self._token():08x}{self._token():08x}"

    def join(self, session: Session, name: str, *, keys: bool) -> None:
        """Put a session into a bridge, out of any other; it is served every tick from now on."""
        self.part(session)
        self.bridges.join(session, name, keys=keys)
        self.wake(session)

    def part(self, session: Session, *, tell: bool = True) -> None:
        """Take a session out of its bridge, if it is in one; a last one that is left is in none either."""
        if session.member is None:
            return
        name = self.bridges.leave(session)
        if tell:
            self.events.append((session.key, Bridged(session.key)))
        left = self.bridges[name]
        if len(left) == 1:
            self.part(self.sessions[left[0].session.key])
        elif left:
            self.tell_bridge(name)

    def tell_bridge(self, name: str) -> None:
        """Tell each member of a bridge who the others are."""
        members = self.bridges[name]
        for member in members:
            others = tuple([each.session.call for each in members if each is not member])
            self.events.append((member.session.key, Bridged(member.session.key, others)))

    def release(self, session: Session, more: int = 0, *, moves: bool = False) -> None:
        """Take a session out of everything and give its ports back, unless they move with it.

        Args:
            session: which.
            more: frames of it that were taken in advance.
            moves: another process goes on with it.
        """
        self.lane.leave(session)
        del self.sessions[session.key]
        self.part(session, tell=False)
        self.active.pop(session.key, None)
        self.resting[session.pair.slot % TICKS].pop(session.key, None)
        del self.sockets[session.pair.rtp.fileno()], self.sockets[session.pair.rtcp.fileno()]
        if moves:
            self.ports.detach(session.pair)
        else:
            self.ports.release(session.pair)
        if session.taps is not None:
            session.taps.close("the audio of the call moved" if moves else "the audio of the call is over", moved=moves)
            session.taps = None
        session.stop_playing()
        if session.recorder is not None:
            self.recordings.end(session, self.tick + 1 + more)
