"""What comes to a process's sessions: sockets drained in turns, datagrams given to whom they are for."""

from __future__ import annotations

from actors.media.floor import Floor
from actors.media.peer import MAX_DATAGRAM, Address
from actors.media.rtcp import ntp_time, shares
from actors.media.session import Session

# Datagrams of one socket in one tick; what is more waits, or is lost in the kernel, to the harm of that session alone.
_ROUNDS = 32


class Intake:
    """Reads.

    Args:
        floor: the sessions.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def drain(self, now: float, wall: float) -> None:
        """Read what has come, a datagram a socket in turn."""
        if self._floor.lane.eager:
            self._receive(None, now, wall)
        for _ in range(_ROUNDS):
            ready = self._floor.ports.ready()
            if not ready:
                return
            calm: list[Session] = []
            for fd, _mask in ready:
                found = self._floor.sockets.get(fd)
                if found is None:
                    continue  # lost a moment ago
                session, control = found
                if session.place >= 0 and not control:
                    calm.append(session)
                else:
                    self._read(session, now, wall, control=control)
            if calm:
                self._receive(calm, now, wall)

    def _read(self, session: Session, now: float, wall: float, *, control: bool) -> None:
        """Read one datagram of a session that is not in the lane, or of RTCP."""
        sock = session.pair.rtcp if control else session.pair.rtp
        try:
            data, address = sock.recvfrom(MAX_DATAGRAM)
        except OSError:
            self._floor.receive_errors += 1
        else:
            self._take(session, data, address, now, wall, control=control)

    def _receive(self, sessions: list[Session] | None, now: float, wall: float) -> None:
        """Read a datagram of each of these in the lane, of all where None."""
        for session, data, address in self._floor.lane.receive(sessions, int(now * 8000)):
            self._take(session, data, address, now, wall, control=False)

    def _take(self, session: Session, data: bytes, address: Address, now: float, wall: float, *, control: bool) -> None:
        """Take in one datagram; a session's fault is that session's end, not the process's."""
        try:
            if not control:
                if session.crossing is None:
                    self._hear(session, data, address, now, wall)
                else:
                    session.crossing.enter(data, address, now)
                return
            plain = data if session.srtp is None else session.unsealed(data, control=True)
            if plain is not None:
                session.peer.accept_control(plain, address, now, ntp_time(wall))
                self._floor.lane.reported(session)
        except Exception as error:  # noqa: BLE001 - as the docstring says
            self._floor.lose(session, error)

    def cross(self, now: float, wall: float) -> None:
        """Take in what has come through the simulated network."""
        if self._floor.network is None:
            return
        for session in tuple(self._floor.sessions.values()):
            for data, address in () if session.crossing is None else session.crossing.leave(now):
                try:
                    self._hear(session, data, address, now, wall)
                except Exception as error:  # noqa: BLE001 - a session's fault is that session's end
                    self._floor.lose(session, error)
                    break

    def _hear(self, session: Session, data: bytes, address: Address, now: float, wall: float) -> None:
        """Take in one datagram of the RTP port; RTCP may come there, too (RFC 5761 section 4)."""
        peer = session.peer
        control = shares(data, peer.formats)
        if session.srtp is not None:
            plain = session.unsealed(data, control=control)
            if plain is None:
                return
            data = plain
        if control:
            peer.accept_control(data, address, now, ntp_time(wall))
            self._floor.lane.reported(session)
        elif peer.accept(data, address, int(now * 8000)):
            if session.resting:
                self._floor.wake(session)
        elif peer.farewell is not None:
            self._floor.wake(session)  # a new SSRC is to be proved as the first was
