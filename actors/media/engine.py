"""The pacing loop's tick over all sessions of a process: drain sockets, take a frame of each, play, echo, record, send.

Codes stay codes: an echo passes them on bit for bit, a player encodes a second at a time, and a recording is decoded a
half second at a time by its helper thread; nothing here needs samples until sessions are mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from actors.media import player
from actors.media.crossing import Crossing
from actors.media.disk import Disk
from actors.media.events import (
    DigitReceived,
    KeysPressed,
    Noticed,
    Play,
    PlayFinished,
    Record,
    SessionClosed,
    SessionLost,
    StartSession,
)
from actors.media.facts import Facts
from actors.media.jitter import TARGET
from actors.media.lane import Lane, Sessions
from actors.media.line import Line
from actors.media.loader import Loader
from actors.media.network import Network
from actors.media.peer import MAX_DATAGRAM, Address
from actors.media.pieces import FRAME
from actors.media.player import Playing
from actors.media.quality import Heard, mos, rating
from actors.media.record import Records
from actors.media.recordings import Recordings
from actors.media.reports import farewell, report
from actors.media.rtcp import interval, ntp_time
from actors.media.session import TICKS, RecordError, Session
from actors.media.sockets import Ports
from actors.media.srtp_records import SrtpRecords
from actors.media.watching import Watching, delay
from actors.runtime.machine import Event

# An overslept loop makes good at most so many ticks, the one that is due among them; the rest is skipped time.
_CATCH_UP = 3
# Datagrams of one socket in one tick; what is more waits, or is lost in the kernel, to the harm of that session alone.
_ROUNDS = 32
# The size of a compound packet before one was sent, bytes.
_REPORT_SIZE = 100.0
# What a recorded session should have heard while nobody served it is made up for, so many ticks at most.
_MADE_UP = 250
# The second byte of RTCP packets, where RTP has marker and payload type (RFC 5761 section 4).
_CONTROL = frozenset(bytes((number,)) for number in range(192, 224))
# A closed session waits at most so many ticks for its recording to be ended.
_CLOSING = 75


def tick_of(now: float) -> int:
    """The tick that is due at `now`; the margin takes up what floats round away."""
    return int(now * TICKS + 1e-6)


def closed(session: Session) -> SessionClosed:
    """The totals of a session that is over."""
    peer = session.peer
    source = peer.source
    if source is None:
        return SessionClosed(session.key, session.packets, 0, 0, 0.0)
    trip, opinion = peer.round_trip or 0.0, 0.0
    lost = max(0, source.lost)
    burst = max(1.0, lost / source.gaps) if lost and source.gaps else 0.0
    if source.expected > 0 and peer.buffer is not None:
        loss = min(1.0, max(0, source.lost + peer.buffer.late) / source.expected)
        opinion = mos(rating(session.encoding, Heard(loss, max(1.0, burst), delay(peer, peer.buffer))))
    return SessionClosed(session.key, session.packets, source.received, lost, source.jitter / 8, trip, opinion, burst)


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
        network: a bad one, simulated for what comes to every session; None for none.

    Attributes:
        sessions: those that have ports.
        events: what happened to sessions in a tick, as (session, event), for the shell to take.
        send_errors, receive_errors: datagrams the kernel refused, either way.
        skipped: ticks overslept and not made good.
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
        network: Network | None = None,
    ) -> None:
        self._lane = Lane(records, len(ports))
        self.sessions: dict[str, Session] = Sessions(self._lane.leave)
        self.events: list[tuple[str, Event]] = []
        self.send_errors = self.receive_errors = self.skipped = 0
        self._ports = ports
        self._records = records
        self._srtp = SrtpRecords(records.path.with_name("srtp"), len(ports))
        self._loader = loader
        self._token = token
        self._target = target
        self._inband = inband
        self._network = network
        self._active: dict[str, Session] = {}
        self._resting: list[dict[str, Session]] = [{} for _ in range(TICKS)]
        self._sockets: dict[int, tuple[Session, bool]] = {}
        self._recordings = Recordings(disk, records.path.with_name("kept"))
        self._behind: list[tuple[Session, int]] = []
        self._tick = 0

    # What the dialog asks for.

    def prepare(self, key: str, now: float, call: str = "") -> Session | None:
        """Make a session of `call` and take its ports; None when none are left."""
        pair = self._ports.take()
        if pair is None:
            return None
        token = self._token
        session = Session(key, pair, token() << 32 | token(), token, self._target)
        session.inband = self._inband
        session.call = call
        # Both copies, so that the slot tells of no earlier session: what cannot be read later is then surely spoiled.
        row = session.row(0)
        for generation in (1, 2):
            self._records.write(pair.slot, generation, row)
        session.generation = 2
        self._admit(session, now)
        return session

    def _admit(self, session: Session, now: float) -> None:
        if self.next_wake() is None:
            self._tick = tick_of(now)
        self._watch(session)

    def _watch(self, session: Session) -> None:
        """Have what comes to a session's ports."""
        self.sessions[session.key] = session
        self._sockets[session.pair.rtp.fileno()] = (session, False)
        self._sockets[session.pair.rtcp.fileno()] = (session, True)
        if self._network is not None:
            session.crossing = Crossing(self._network)

    def start(self, key: str, start: StartSession, now: float) -> None:
        """Apply what was negotiated.

        Raises:
            ValueError: the format to send in is not one we have, or SRTP cannot be had: nothing is sent by it.
        """
        session = self.sessions[key]
        if not session.started:
            session.report_due = now + self._interval(session)
        protected = session.srtp is not None
        session.apply(start)
        if session.srtp is not None and not protected:
            self._srtp.begin(session, session.srtp)
        self._wake(session)

    def play(self, key: str, play: Play) -> None:
        """Play a file from its start, in place of what was played before or behind it. Failure is an event."""
        session = self.sessions[key]
        if play.queue and session.player is not None:
            session.queue.append(play)
            return
        self.stop(key)
        session.plays = (session.plays + 1) & 0xFFFF
        self._play(session, play)

    def stop(self, key: str) -> None:
        """Play nothing any more, nor what waits."""
        session = self.sessions[key]
        session.queue.clear()
        session.paused = False
        self._stop_playing(session)

    def pause(self, key: str, paused: bool) -> None:
        """Hold what is played where it is, or go on with it."""
        self.sessions[key].paused = paused

    def seek(self, key: str, position: float) -> None:
        """Go on with what is played at `position` seconds."""
        session = self.sessions[key]
        if session.player is not None:
            session.player.seek(int(position * 8000))

    def _play(self, session: Session, play: Play) -> None:
        try:
            session.player = player.play(
                play.path, session.form, self._loader, position=session.position, loop=play.loop
            )
        except ValueError as error:
            self._played_out(session, play.path, str(error))
        self._wake(session)

    def _played_out(self, session: Session, path: str, error: str) -> None:
        """What was played is over: what waits is begun."""
        self._stop_playing(session)
        self.events.append((session.key, PlayFinished(session.key, path, error)))
        if session.queue:
            session.plays = (session.plays + 1) & 0xFFFF
            self._play(session, session.queue.popleft())

    def record(self, key: str, record: Record, now: float) -> None:
        """Record into a file from the next tick on, in place of an earlier recording, which is ended."""
        session = self.sessions[key]
        self._recordings.end(session, self._tick + 1)
        if record.path:
            self._recordings.begin(session, record, start=max(self._tick, tick_of(now)) + 1)
        self._wake(session)

    def press(self, key: str, keys: str, duration: int) -> None:
        """Press keys, each for `duration` milliseconds, after those still to be pressed."""
        session = self.sessions[key]
        session.press(keys, duration)
        self._wake(session)

    def echo(self, key: str) -> None:
        """Send the peer what it sends."""
        session = self.sessions[key]
        session.echo = True
        self._wake(session)

    def connect(self, key: str, line: Line) -> None:
        """Let the session speak and be heard through the sound device."""
        session = self.sessions[key]
        session.line = line
        self._wake(session)

    def of_call(self, call: str) -> Session | None:
        """The session of a call that was prepared last."""
        found = next((each for each in reversed(self.sessions.values()) if each.call == call), None)
        return None if found is None else self.sessions[found.key]

    def tapped(self, session: Session) -> None:
        """Somebody hears or speaks: serve it every tick from the next one on."""
        self._wake(session)

    def close(self, key: str, now: float, wall: float) -> SessionClosed | None:
        """Say BYE and give the ports back. None while a recording is being ended: then an event tells."""
        session = self.sessions[key]
        packet = farewell(session, now, wall)
        if packet is not None:
            self._send_control(session, packet)
        waits = session.recorder is not None
        if session.peer.buffer is not None and waits:
            # What was said before the end and waits for its time is of the recording.
            held = session.peer.buffer.held
            self._pass(session, held, self._tick)
            self._release(session, held)
        else:
            self._release(session)
        if waits:
            self._recordings.wait(session, self._tick + _CLOSING)
            return None
        return closed(session)

    def finish(self) -> None:
        """The process stops: hand all that was recorded to the disk, and let go of the files being played."""
        for session in self.sessions.values():
            if session.player is not None:
                session.player.close()
            self._recordings.end(session, self._tick + 1)
        self._lane.close()

    def restore(self, sessions: Mapping[str, Facts], now: float) -> dict[str, str]:
        """Take a predecessor's sessions up where their records say; the next tick is due at once.

        Returns:
            The sessions that are lost, and why: nothing of them is used.
        """
        lost: dict[str, str] = {}
        self._tick = tick_of(now) - 1
        restored: list[Session] = []
        for key, facts in sessions.items():
            pair = self._ports.claim(facts.port)
            if pair is None:
                lost[key] = f"port {facts.port} is not in the pool any more"
                continue
            session = Session(key, pair, facts.identity, self._token, self._target)
            session.inband = self._inband
            session.call = facts.call
            try:
                self._resume(session, facts)
            except ValueError as error:
                self._ports.release(pair)
                lost[key] = str(error)
                continue
            restored.append(session)
            # Killed in the middle of a tick it may have served some sessions; nobody gets that tick twice.
            self._tick = max(self._tick, session.served)
        for session in restored:
            self._go_on(session, sessions[session.key])
        return lost

    def _resume(self, session: Session, facts: Facts) -> None:
        copies = self._records.read(session.pair.slot)
        if not copies:
            raise RecordError("the record is spoiled")
        if facts.start is not None:
            session.apply(facts.start)
        session.resume(copies[0].body, skip=len(copies) < 2)
        session.generation = copies[0].generation + (len(copies) < 2)
        if session.srtp is not None:
            self._srtp.resume(session, session.srtp)
        session.echo = facts.echo

    def _go_on(self, session: Session, facts: Facts) -> None:
        buffer = session.peer.buffer
        behind = self._tick - session.served
        recorded = facts.record is not None and behind <= _MADE_UP
        if buffer is not None and buffer.cursor is not None and not recorded:
            # The delay stays what it was: what should have been heard meanwhile is over.
            buffer.resume(buffer.cursor + FRAME * behind)
        self._watch(session)
        if facts.play is not None:
            self._go_on_playing(session, facts.play, facts)
        for each in facts.keys:
            session.press(each.digits.upper(), each.duration)
        if session.keys is not None:
            session.keys.resume(session.pressed, session.key_begun)
        if facts.record is not None:
            start = session.recorded_from or self._tick + 1
            made, anew = session.recording_made, not session.recorded_from
            self._recordings.begin(session, facts.record, start=start, append=made, anew=anew)
            if recorded:
                session.peer.refill()
                self._behind.append((session, behind))
        self._wake(session)

    def _go_on_playing(self, session: Session, play: Play, facts: Facts) -> None:
        """Go on where the row says, which may be further in the queue than the journal, or not yet as far."""
        plays = [play, *facts.queued]
        ended = (session.plays - facts.plays) & 0xFFFF
        if ended >= len(plays):
            ended = session.position = 0
            session.plays = facts.plays
        self.events += [(session.key, PlayFinished(session.key, each.path)) for each in plays[:ended]]
        session.queue.extend(plays[ended + 1 :])
        session.paused = facts.paused
        self._play(session, plays[ended])

    # The tick.

    def next_wake(self) -> float | None:
        """When the next tick is due; None while there is nothing to do."""
        if self.sessions or self._recordings.busy:
            return (self._tick + 1) / TICKS
        return None

    def tick(self, now: float, wall: float) -> None:
        """Do what is due.

        Args:
            now: seconds of CLOCK_BOOTTIME.
            wall: seconds since 1970, for the NTP times of RTCP.
        """
        due = tick_of(now)
        if due <= self._tick:
            return
        self._drain(now, wall)
        if self._network is not None:
            self._cross(now, wall)
        for session, ticks in self._behind:
            self._pass(session, ticks, self._tick - ticks)
        self._behind.clear()
        missed = due - self._tick - _CATCH_UP
        if missed > 0:
            self._skip(missed)
        while self._tick < due:
            self._tick += 1
            self._frames(self._tick, now, wall)
        events, over = self._recordings.settle(due + 1)
        self.events += events
        self.events += [(session.key, closed(session)) for session in over]

    def _skip(self, ticks: int) -> None:
        """Let time pass unheard and unsent: the timestamps follow by themselves."""
        self._lane.leave_heard()
        for session in self._active.values():
            if session.place < 0:
                self._pass(session, ticks, self._tick)
        self._lane.skip(ticks)
        self._tick += ticks
        self.skipped += ticks

    def _pass(self, session: Session, ticks: int, after: int) -> None:
        """Let `ticks` after the tick `after` pass in one session; who records or taps it still gets what was said."""
        buffer, recorder, taps = session.peer.buffer, session.recorder, session.taps
        if buffer is None:
            return
        if (recorder is None and taps is None) or ticks > _MADE_UP:
            buffer.skip(ticks)
            return
        for tick in range(after + 1, after + 1 + ticks):
            codes, law = session.hear()
            if recorder is not None:
                recorder.push(tick, codes, law)
            if taps is not None:
                taps.hear(codes, law, tick)

    def _drain(self, now: float, wall: float) -> None:
        """Read what has come, a datagram a socket in turn."""
        if self._lane.eager:
            self._receive(None, now, wall)
        for _ in range(_ROUNDS):
            ready = self._ports.ready()
            if not ready:
                return
            calm: list[Session] = []
            for fd, _mask in ready:
                found = self._sockets.get(fd)
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
            self.receive_errors += 1
        else:
            self._take(session, data, address, now, wall, control=control)

    def _receive(self, sessions: list[Session] | None, now: float, wall: float) -> None:
        """Read a datagram of each of these in the lane, of all where None."""
        for session, data, address in self._lane.receive(sessions, int(now * 8000)):
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
                self._lane.reported(session)
        except Exception as error:  # noqa: BLE001 - as the docstring says
            self._lose(session, error)

    def _cross(self, now: float, wall: float) -> None:
        """Take in what has come through the simulated network."""
        for session in tuple(self.sessions.values()):
            for data, address in () if session.crossing is None else session.crossing.leave(now):
                try:
                    self._hear(session, data, address, now, wall)
                except Exception as error:  # noqa: BLE001 - a session's fault is that session's end
                    self._lose(session, error)
                    break

    def _hear(self, session: Session, data: bytes, address: Address, now: float, wall: float) -> None:
        """Take in one datagram of the RTP port; RTCP may come there, too (RFC 5761 section 4)."""
        peer = session.peer
        control = data[1:2] in _CONTROL and data[1] & 0x7F not in peer.formats
        if session.srtp is not None:
            plain = session.unsealed(data, control=control)
            if plain is None:
                return
            data = plain
        if control:
            peer.accept_control(data, address, now, ntp_time(wall))
        elif peer.accept(data, address, int(now * 8000)):
            if session.resting:
                self._wake(session)
        elif peer.farewell is not None:
            self._wake(session)  # a new SSRC is to be proved as the first was

    def _frames(self, tick: int, now: float, wall: float) -> None:
        arrival = int(now * 8000)
        bucket = self._resting[tick % TICKS]
        self._lane.leave_unusual(tick, arrival)
        alone = [session for session in (*self._active.values(), *bucket.values()) if session.place < 0]
        self.send_errors += self._lane.serve(tick)
        for session in self._lane.due(now):
            self._report(session, now, wall)
            self._lane.reported(session)
        for session in alone:
            try:
                self._serve(session, tick, now, wall)
                if not session.resting and session.may_rest(tick, arrival):
                    self._rest(session)
                else:
                    self._lane.admit(session, tick)
            except Exception as error:  # noqa: BLE001 - as above
                self._lose(session, error)

    def _serve(self, session: Session, tick: int, now: float, wall: float) -> None:
        """One frame of one session: hear, record, and send what is due."""
        peer = session.peer
        codes, law = session.hear()
        taps, recorder = session.taps, session.recorder
        said, form = b"", 0
        destination = peer.destination
        if session.sending and destination is not None:
            payload = None if taps is None and session.player is None else self._said(session, tick)
            if payload is None or session.muted:
                payload = session.frame_to_send(codes, law)
            if taps is not None and taps.meter is not None:
                taps.meter.said.append((payload, session.form))
            if recorder is not None and recorder.sides != "peer":
                said, form = payload, session.form
            self._send(session, payload, tick, destination)
        else:
            self._save(session, tick)
        if recorder is not None and not recorder.push(tick, codes, law, said, form):
            self.events += self._recordings.fail(session, "the disk does not keep up", tick)
        if now >= session.report_due or peer.farewell is not None:
            self._report(session, now, wall)
        if peer.keys is not None or peer.notices or session.detector is not None or taps is not None or session.line:
            self._tell_of(session, tick, codes, law)

    def _send(self, session: Session, payload: bytes, tick: int, destination: Address) -> None:
        """Send the frame of a tick, or the key that is down."""
        keys = session.keys
        packets = self._pressed(session, payload, tick) if keys is not None and keys.busy else None
        if packets is None:
            packets = session.packets_of(payload, tick)
        if session.srtp is not None:
            packets = session.srtp.sealed(packets)
        # Written before anything is sent: what a successor reads as next was not used yet.
        self._save(session, tick)
        for packet in packets:
            try:
                session.pair.rtp.sendto(packet, destination)
            except OSError:
                self.send_errors += 1

    def _tell_of(self, session: Session, tick: int, codes: bytes, law: int) -> None:
        """The peer's keys, and what people should know of it, become events; other programs hear it."""
        peer = session.peer
        if session.taps is not None:
            session.taps.hear(codes, law, tick)
        if session.line is not None:
            session.line.hear(codes, law, session.rate // 1000)
        for key, lasted in session.keys_heard(codes, law):
            self.events.append((session.key, DigitReceived(session.key, key, lasted, "inband")))
        if peer.keys is not None and peer.keys.down:
            peer.pressed += peer.keys.expire(tick)
        if peer.pressed:
            self.events += [(session.key, DigitReceived(session.key, *key, "rfc4733")) for key in peer.pressed]
            peer.pressed.clear()
        if peer.notices:
            self.events += [(session.key, Noticed(session.key, kind, text)) for kind, text in peer.notices]
            peer.notices.clear()

    def _pressed(self, session: Session, payload: bytes, tick: int) -> Sequence[bytes] | None:
        """The packets of a tick in which keys are pressed; None when it is a pause between them."""
        if session.event_type is not None:
            packets = session.key_packets(tick)
        else:
            packets = session.packets_of(session.key_sound(tick) or payload, tick)
        if session.keys is not None and not session.keys.busy:
            self.events.append((session.key, KeysPressed(session.key)))
        return packets

    def _save(self, session: Session, tick: int) -> None:
        session.generation += 1
        self._records.write(session.pair.slot, session.generation, session.row(tick))
        if session.srtp is not None:
            self._srtp.write(session, session.srtp)

    def _said(self, session: Session, tick: int) -> bytes | None:
        """What another program writes, else what is played; None where neither is."""
        payload = None if session.taps is None else session.taps.say(tick)
        if payload is None and session.player is not None and not session.paused:
            return self._played(session, session.player)
        return payload

    def _played(self, session: Session, playing: Playing) -> bytes | None:
        """The player's next frame, of the next file where one is over; None where nothing waits."""
        error = ""
        try:
            payload = playing.frame()
        except OSError as problem:
            payload, error = None, str(problem)
        if payload is None:
            self._played_out(session, playing.path, error)
        return payload

    def _interval(self, session: Session) -> float:
        return interval(session.report_size or _REPORT_SIZE, chance=self._token() / 2**32, initial=not session.reports)

    def _report(self, session: Session, now: float, wall: float) -> None:
        session.report_due = now + self._interval(session)
        session.touch()
        if session.watching is None:
            session.watching = Watching(now)
        session.peer.notices += session.watching.judge(session.peer, session.encoding, now)
        if session.peer.control is not None:
            self._send_control(session, report(session, now, wall))

    def _send_control(self, session: Session, packet: bytes) -> None:
        if session.peer.control is None:
            return
        if session.srtp is not None:
            packet = session.srtp.protect_control(packet)
            self._srtp.write(session, session.srtp)
        try:
            port = session.pair.rtp if session.peer.muxed else session.pair.rtcp
            port.sendto(packet, session.peer.control)
        except OSError:
            self.send_errors += 1

    # Rest and ends.

    def _wake(self, session: Session) -> None:
        """Serve a session every tick; one that was not started has nothing to do yet."""
        if not session.started:
            return
        self._lane.leave(session)
        if session.resting:
            del self._resting[session.pair.slot % TICKS][session.key]
        session.wake(self._tick)
        self._active[session.key] = session

    def _rest(self, session: Session) -> None:
        del self._active[session.key]
        session.rest()
        self._resting[session.pair.slot % TICKS][session.key] = session

    def _stop_playing(self, session: Session) -> None:
        if session.player is not None:
            session.player.close()
            session.player = None
        session.position = 0

    def _lose(self, session: Session, error: BaseException) -> None:
        self._release(session)
        self.events.append((session.key, SessionLost(session.key, f"{type(error).__name__}: {error}")))

    def _release(self, session: Session, more: int = 0) -> None:
        """Take a session out of everything and give its ports back; `more` frames of it were taken in advance."""
        del self.sessions[session.key]
        self._active.pop(session.key, None)
        self._resting[session.pair.slot % TICKS].pop(session.key, None)
        del self._sockets[session.pair.rtp.fileno()], self._sockets[session.pair.rtcp.fileno()]
        self._ports.release(session.pair)
        if session.taps is not None:
            session.taps.close("the audio of the call is over")
            session.taps = None
        if session.player is not None:
            self._stop_playing(session)
        if session.recorder is not None:
            self._recordings.end(session, self._tick + 1 + more)
