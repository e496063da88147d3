"""The pacing loop's tick over all sessions of a process: drain sockets, take a frame of each, play, echo, record, send.

Codes stay codes: an echo passes them on bit for bit, a player encodes a second at a time, and a recording is decoded a
half second at a time by its helper thread; nothing here needs samples until somebody hears them.
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.media.activity import Activity
from actors.media.events import DigitReceived, KeysPressed, Noticed
from actors.media.floor import Floor, tick_of
from actors.media.intake import Intake
from actors.media.outgoing import frame_to_send, key_as_event, key_packets, key_sound, packets_of
from actors.media.peer import Address
from actors.media.plays import Plays
from actors.media.reports import closed
from actors.media.session import TICKS, Session

# An overslept loop makes good at most so many ticks, the one that is due among them; the rest is skipped time.
_CATCH_UP = 3
# What a recorded session should have heard while nobody served it is made up for, so many ticks at most.
MADE_UP = 250


def heard(session: Session) -> tuple[bytes, int]:
    """What a session hears; when its peer begins and ends to speak is told where somebody wants to know."""
    return session.hear() if session.activity is None else _attentive(session, session.activity)


def _attentive(session: Session, activity: Activity) -> tuple[bytes, int]:
    codes, law = session.hear()
    buffer = session.peer.buffer
    pausing = buffer is not None and buffer.pausing  # then it is noise of our own making
    session.peer.notices += activity.hear(codes, 0 if pausing else law)
    return codes, law


class Pacing:
    """Serves the sessions of a process.

    Args:
        floor: the sessions.
        plays: what they play.

    Attributes:
        skipped: ticks overslept and not made good.
    """

    def __init__(self, floor: Floor, plays: Plays) -> None:
        self.skipped = 0
        self._floor = floor
        self._plays = plays
        self._intake = Intake(floor)

    def tick(self, now: float, wall: float) -> None:
        """Do what is due.

        Args:
            now: seconds of CLOCK_BOOTTIME.
            wall: seconds since 1970, for the NTP times of RTCP.
        """
        due = tick_of(now)
        if due <= self._floor.tick:
            return
        self._intake.drain(now, wall)
        self._intake.cross(now, wall)
        for session, ticks in self._floor.behind:
            self.let_pass(session, ticks, self._floor.tick - ticks)
        self._floor.behind.clear()
        missed = due - self._floor.tick - _CATCH_UP
        if missed > 0:
            self._skip(missed)
        while self._floor.tick < due:
            self._floor.tick += 1
            self._frames(self._floor.tick, now, wall)
        events, over = self._floor.recordings.settle(due + 1)
        self._floor.events += events
        moving = self._floor.moving
        self._floor.events += [
            (each.key, moving.pop(each.key) if each.key in moving else closed(each)) for each in over
        ]

    def _skip(self, ticks: int) -> None:
        """Let time pass unheard and unsent: the timestamps follow by themselves."""
        self._floor.lane.leave_heard()
        for session in self._floor.active.values():
            if session.place < 0:
                self.let_pass(session, ticks, self._floor.tick)
        self._floor.lane.skip(ticks)
        self._floor.tick += ticks
        self.skipped += ticks

    def let_pass(self, session: Session, ticks: int, after: int) -> None:
        """Let `ticks` after the tick `after` pass in one session; who records or taps it still gets what was said."""
        buffer, recorder, taps = session.peer.buffer, session.recorder, session.taps
        if buffer is None:
            return
        if (recorder is None and taps is None) or ticks > MADE_UP:
            buffer.skip(ticks)
            return
        for tick in range(after + 1, after + 1 + ticks):
            codes, law = session.hear()
            if recorder is not None:
                recorder.push(tick, codes, law)
            if taps is not None:
                taps.hear(codes, law, tick)

    def _frames(self, tick: int, now: float, wall: float) -> None:
        arrival = int(now * 8000)
        bucket = self._floor.resting[tick % TICKS]
        self._floor.lane.leave_unusual(tick, arrival)
        alone = [session for session in (*self._floor.active.values(), *bucket.values()) if session.place < 0]
        self._floor.lane.hear(tick)
        lost = self._mix() if self._floor.bridges else []
        self._floor.send_errors += self._floor.lane.say(tick)
        for session, _ in lost:
            alone.remove(session)
        for session in self._floor.lane.due(now):
            self._floor.report(session, now, wall)
            self._floor.lane.reported(session)
        for session in alone:
            try:
                self._serve(session, tick, now, wall)
                if not session.resting and session.may_rest(tick, arrival):
                    self._floor.rest(session)
                else:
                    self._floor.lane.admit(session, tick)
            except Exception as error:  # noqa: BLE001 - a session's fault is that session's end
                lost.append((session, error))
        for session, why in lost:
            self._floor.lose(session, why)

    def _mix(self) -> list[tuple[Session, Exception]]:
        """What the peers of those in bridges say in this tick becomes what the others say; whose step raised."""
        lost: list[tuple[Session, Exception]] = []
        for name in self._floor.bridges:
            for member in self._floor.bridges[name]:
                session = self._floor.active.get(member.session.key)
                if session is None:
                    member.hear(b"", 0)
                elif session.place < 0:
                    try:
                        member.hear(*heard(session))
                    except Exception as error:  # noqa: BLE001 - a session's fault is that session's end
                        member.hear(b"", 0)
                        lost.append((session, error))
        self._floor.bridges.mix()
        return lost

    def _serve(self, session: Session, tick: int, now: float, wall: float) -> None:
        """One frame of one session: hear, record, and send what is due."""
        peer = session.peer
        member = session.member
        codes, law = heard(session) if member is None else (member.heard, member.form)
        taps, recorder = session.taps, session.recorder
        said, form = b"", 0
        destination = peer.destination
        if session.sending and destination is not None:
            payload = None if taps is None and session.player is None else self._plays.said(session, tick)
            if payload is None or session.muted:
                payload = frame_to_send(session, codes, law)
            if session.filtered is not None:
                codes, law, payload = session.through(session.filtered, codes, law, payload)
            if taps is not None and taps.meter is not None:
                taps.meter.said.append((payload, session.form))
            if recorder is not None and recorder.sides != "peer":
                said, form = payload, session.form
            self._send(session, payload, tick, destination)
        else:
            if session.filtered is not None:
                codes, law, _ = session.through(session.filtered, codes, law, session.silence)
            self._floor.save(session, tick)
        if recorder is not None and not recorder.push(tick, codes, law, said, form):
            self._floor.events += self._floor.recordings.fail(session, "the disk does not keep up", tick)
        if now >= session.report_due or peer.farewell is not None:
            self._floor.report(session, now, wall)
        if peer.keys is not None or peer.notices or session.detector is not None or taps is not None or session.line:
            self._tell_of(session, tick, codes, law)

    def _send(self, session: Session, payload: bytes, tick: int, destination: Address) -> None:
        """Send the frame of a tick, or the key that is down."""
        keys = session.keys
        packets = self._pressed(session, payload, tick) if keys is not None and keys.busy else None
        if packets is None:
            packets = packets_of(session, payload, tick)
        if session.srtp is not None:
            packets = session.srtp.sealed(packets)
        # Written before anything is sent: what a successor reads as next was not used yet.
        self._floor.save(session, tick)
        for packet in packets:
            try:
                session.pair.rtp.sendto(packet, destination)
            except OSError:
                self._floor.send_errors += 1

    def _tell_of(self, session: Session, tick: int, codes: bytes, law: int) -> None:
        """The peer's keys, and what people should know of it, become events; other programs hear it."""
        peer = session.peer
        if session.taps is not None:
            session.taps.hear(codes, law, tick)
        if session.line is not None:
            session.line.hear(codes, law, session.rate // 1000)
        for key, lasted in () if session.detector is None else session.detector.hear(codes, law):
            self._floor.events.append((session.key, DigitReceived(session.key, key, lasted, "inband")))
        if peer.keys is not None and peer.keys.down:
            peer.pressed += peer.keys.expire(tick)
        if peer.pressed:
            self._floor.events += [(session.key, DigitReceived(session.key, *key, "rfc4733")) for key in peer.pressed]
            peer.pressed.clear()
        if peer.notices:
            self._floor.events += [(session.key, Noticed(session.key, kind, text)) for kind, text in peer.notices]
            peer.notices.clear()

    def _pressed(self, session: Session, payload: bytes, tick: int) -> Sequence[bytes] | None:
        """The packets of a tick in which keys are pressed; None when it is a pause between them."""
        packets: Sequence[bytes] | None
        if key_as_event(session):
            packets = key_packets(session, tick)
        else:
            packets = packets_of(session, key_sound(session, tick) or payload, tick)
        if session.keys is not None and not session.keys.busy:
            self._floor.events.append((session.key, KeysPressed(session.key)))
        return packets
