"""The fast lane: sessions whose streams run as nearly all do go on as rows of a matrix, until anything is unusual.

A session is either in the lane or serves its ticks itself, never both: what it knows is lent to a row when it is
calm, and taken back before anybody looks at it, when its report is due or when something comes that is not simply the
next packet. So all rules stand once, in `session`, `peer` and `jitter`; the lane knows only the way things usually go.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from actors.media.g711 import SILENCE
from actors.media.jitter import WINDOW
from actors.media.mend import Mender
from actors.media.peer import MAX_DATAGRAM, Address
from actors.media.pieces import FRAME, Calm
from actors.media.record import Records
from actors.media.rows import ECHO, MARGINS, PACKET, PLAY, SECOND, SILENT, SLOTS, Rows
from actors.media.rtcp import shares
from actors.media.rtp import HEADER
from actors.media.session import QUIET, Session
from actors.media.snapshot import BEHIND, FAST, ROW, slow_row
from actors.media.snapshot import row as snapshot
from actors.media.speaking import Speaking
from actors.media.taps import Hearing
from actors.media.wire import open_wire

# Ticks that a session serves itself after a packet that was not the next one: a bad stream does not go to and fro.
_REST = 5
_MOST = 65_536  # rows, which is what ports there are
_MARGINS_LEFT = MARGINS // 2


def _signed(number: int) -> int:
    """64 bits as they stand in a row."""
    return number - (1 << 64) if number >> 63 else number


class Lane:
    """The sessions that are rows.

    Args:
        records: where their mapped rows are.
        rows: how many there can be.

    Attributes:
        sessions: by row.
    """

    def __init__(self, records: Records, rows: int) -> None:
        self.sessions: list[Session] = []
        self._tick = 0
        # Taps, found anew when rows change.
        self._taps: tuple[Hearing, Speaking] | None = None
        self._records = records
        self._wire = open_wire(max(1, min(rows, _MOST)), MAX_DATAGRAM, PACKET)
        self._rows = Rows(self._wire.inbox, self._wire.outbox, ROW, FAST, BEHIND)
        self._slots = np.zeros(len(self._wire.inbox), np.intp)

    @property
    def eager(self) -> bool:
        """Sockets may be asked without knowing that they have something."""
        return self._wire.eager and bool(self.sessions)

    # In and out.

    def admit(self, session: Session, tick: int) -> bool:
        """Take a session that has served `tick` in, if nothing of it is unusual."""
        peer = session.peer
        source, buffer, address, destination = peer.source, peer.buffer, peer.locked, peer.destination
        if (
            tick < session.calm_from
            or source is None
            or source.probation
            or source.transit is None
            or buffer is None
            or address is None
            or destination is None
            or len(self.sessions) >= len(self._slots)
            or not session.calm
        ):
            return False
        calm = buffer.lend()
        if calm is None or len(calm.margins) > _MARGINS_LEFT or calm.end - calm.cursor > (SLOTS - 4) * FRAME:
            return False
        row = len(self.sessions)
        rows, numbers = self._rows, self._rows.numbers
        self.sessions.append(session)
        rows.count = row + 1
        session.place = row
        self._slots[row] = session.pair.slot
        self._wire.put(row, session.pair.rtp, address, destination)
        self._hold(row, calm)
        player = None if session.paused else session.player
        for name, value in (
            ("peer_ssrc", source.ssrc),
            ("peer_type", next(number for number, law in peer.formats.items() if law == peer.spoken)),
            ("law", peer.spoken),
            ("max_seq", source.max_seq),
            ("received", source.received),
            ("transit", source.transit),
            ("heard", peer.heard),
            ("base", session.base),
            ("sequence", session.sequence),
            ("next_timestamp", session.next_timestamp),
            ("payload_type", session.payload_type),
            ("packets", session.packets),
            ("octets", session.octets),
            ("send_law", session.law),
            ("kind", PLAY if player is not None else ECHO if session.echo else SILENT),
            ("at", 0),
            ("left", 0),
            ("taken", 0),
            ("listens", session.echo or session.taps is not None),
            ("restable", session.player is None and session.taps is None),
            ("generation", session.generation),
            ("awake", session.awake_until),
        ):
            numbers[name][row] = value
        rows.jitter[row] = source.jitter
        rows.report_due[row] = session.report_due
        session.touch()
        rows.record[row] = np.frombuffer(snapshot(session, tick), np.uint8)
        at = session.position if session.player is None else session.player.position
        numbers["position"][row] = _signed(session.plays << 48 | at)
        packet = self._wire.outbox[row]
        packet[:12] = np.frombuffer(HEADER.pack(0x80, session.payload_type, 0, 0, peer.ssrc), np.uint8)
        packet[12:] = SILENCE[session.law]
        self._changed()
        return True

    def _changed(self) -> None:
        """Rows came, went, or moved."""
        self._rows.changed()
        self._taps = None

    def _hold(self, row: int, calm: Calm) -> None:
        """Give a row what the session's buffer holds."""
        rows, numbers = self._rows, self._rows.numbers
        for name, value in (
            ("cursor", calm.cursor),
            ("end", calm.end),
            ("first", calm.first),
            ("dry", calm.dry),
            ("window", calm.window),
            ("least", calm.least),
            ("concealed", 0),
            ("margin_count", len(calm.margins)),
        ):
            numbers[name][row] = value
        rows.margins[row, : len(calm.margins)] = calm.margins
        rows.in_time[row] = calm.in_time
        rows.have[row] = 0
        for position, (codes, law) in calm.frames.items():
            place = position // FRAME % SLOTS
            rows.have[row, place] = rows.laws[row, place] = law
            rows.codes[row, place] = np.frombuffer(codes, np.uint8)

    def leave(self, session: Session) -> None:
        """Give a session back all that its row knows; one that is not in the lane stays as it is."""
        row = session.place
        if row < 0:
            return
        session.place = -1
        self._give_back(session, row)
        last = len(self.sessions) - 1
        moved = self.sessions.pop()
        if row != last:
            self.sessions[row] = moved
            moved.place = row
            self._rows.move(last, row)
            self._wire.move(last, row)
            self._slots[row] = self._slots[last]
        self._rows.count = last
        self._changed()

    def _tell(self, session: Session, row: int) -> dict[str, int]:
        """Tell a session what it sent, and whom it heard; all that its row knows."""
        known = self._rows.known(row)
        session.sequence, session.next_timestamp = known["sequence"], known["next_timestamp"]
        session.packets, session.octets = known["packets"], known["octets"]
        session.generation = known["generation"]
        session.peer.heard = known["heard"]
        source = session.peer.source
        if source is not None:
            source.max_seq, source.received = known["max_seq"], known["received"]
            source.transit, source.jitter = known["transit"], float(self._rows.jitter[row])
        return known

    def _give_back(self, session: Session, row: int) -> None:
        rows, buffer = self._rows, session.peer.buffer
        known = self._tell(session, row)
        session.touch()
        if session.player is not None:
            session.player.passed(known["at"])
        if buffer is None:
            return
        cursor, codes, have = known["cursor"], rows.codes[row], rows.have[row]
        begin = cursor // FRAME
        buffer.take_back(
            Calm(
                cursor,
                known["end"],
                known["first"],
                known["dry"],
                known["window"],
                known["least"],
                bool(rows.in_time[row]),
                rows.margins[row, : known["margin_count"]].tolist(),
                {
                    cursor + (place - begin) % SLOTS * FRAME: (codes[place].tobytes(), int(have[place]))
                    for place in np.flatnonzero(have).tolist()
                },
            )
        )
        buffer.concealed += known["concealed"]
        if known["listens"]:
            if session.mender is None:
                session.mender = Mender()
            for back in range(min(3, known["taken"]), 0, -1):
                place = (begin - back) % SLOTS
                session.mender.remember(codes[place].tobytes(), int(rows.laws[row, place]))

    # What comes.

    def receive(self, sessions: list[Session] | None, arrival: int) -> list[tuple[Session, bytes, Address]]:
        """Read a datagram of each of these, of all where None; what is unusual comes back, its session out.

        RTCP comes back, too, and its session stays.

        Args:
            sessions: those that have something; one that is not in the lane any more waits.
            arrival: now, in timestamp units of the local clock.
        """
        if sessions is None:
            rows = np.arange(len(self.sessions))
        else:
            rows = np.array([session.place for session in sessions if session.place >= 0], np.intp)
        sizes, same = self._wire.receive(rows)
        came = sizes > 0
        strange = self._rows.arrive(rows[came], (same & (sizes == PACKET))[came], arrival)
        if not len(strange):
            return []
        lengths = dict(zip(rows.tolist(), sizes.tolist(), strict=True))
        found = [
            (self.sessions[row], self._wire.inbox[row, : lengths[row]].tobytes(), self._wire.address(row))
            for row in strange.tolist()
        ]
        for session, data, _ in found:
            if not shares(data, session.peer.formats):
                self.leave(session)
                session.calm_from = self._tick + _REST
        return found

    # A tick.

    def leave_unusual(self, tick: int, arrival: int) -> None:
        """Let those go that are to serve this tick themselves."""
        if not self.sessions:
            return
        self._refill()
        unusual = self._rows.unusual(tick, arrival - QUIET)
        for row in np.flatnonzero(self._rows.of("window") >= WINDOW - 1).tolist():
            unusual[row] |= not self._content(row)
        for session in [self.sessions[row] for row in np.flatnonzero(unusual).tolist()]:
            self.leave(session)

    def _content(self, row: int) -> bool:
        """Judge the delay of a row; False where it is to change."""
        rows, buffer = self._rows, self.sessions[row].peer.buffer
        margins = rows.margins[row, : int(rows.numbers["margin_count"][row])].tolist()
        level = int(min(rows.numbers["least"][row], rows.numbers["end"][row] - rows.numbers["cursor"][row]))
        if buffer is None or not buffer.content(margins, level):
            return False
        rows.begin_window(row)
        return True

    def _refill(self) -> None:
        """Lay out a second more of what is played, where the last one is over."""
        rows, numbers = self._rows, self._rows.numbers
        playing = rows.saying(PLAY)
        for row in playing[numbers["left"][playing] == 0].tolist():
            player = self.sessions[row].player
            if player is None:
                continue
            player.passed(int(numbers["at"][row]))
            ahead = player.ahead()[: SECOND * FRAME]
            frames = len(ahead) // FRAME
            numbers["at"][row], numbers["left"][row] = 0, frames
            numbers["position"][row] = _signed(self.sessions[row].plays << 48 | player.position)
            rows.played[row, :frames] = np.frombuffer(ahead, np.uint8).reshape(-1, FRAME)

    # Taps.

    def _tapped(self) -> tuple[Hearing, Speaking]:
        """Those that other programs hear, and those that they may speak in."""
        tapped = [(row, session.taps) for row, session in enumerate(self.sessions) if session.taps is not None]
        rows, taps = [row for row, _ in tapped], [taps for _, taps in tapped]
        self._taps = Hearing(rows, taps), Speaking(rows, taps)
        return self._taps

    def _speak(self, speaking: Speaking, tick: int) -> None:
        """What other programs write goes before what is said otherwise."""
        for rows, samples in speaking.say(tick, self._rows.numbers["base"]):
            if samples is None:
                self._rows.hush(rows)
            else:
                self._rows.say(rows, samples)

    # Reports.

    def due(self, now: float) -> list[Session]:
        """The sessions whose report is due; they know what they sent and heard, and stay."""
        found = np.flatnonzero(self._rows.report_due[: len(self.sessions)] <= now).tolist()
        for row in found:
            self._tell(self.sessions[row], row)
        return [self.sessions[row] for row in found]

    def reported(self, session: Session) -> None:
        """A report of a session, or one about it, came or went: its record has it. With news to tell it leaves."""
        row = session.place
        if row < 0:
            return
        if not session.calm:
            self.leave(session)
            return
        self._rows.report_due[row] = session.report_due
        self._rows.record[row, :BEHIND] = np.frombuffer(slow_row(session), np.uint8)

    def skip(self, ticks: int) -> None:
        """Let time pass unheard and unsent; who is listened to has left before (see `leave_heard`)."""
        self._rows.skip(ticks)

    def leave_heard(self) -> None:
        """Let those go whose sound somebody hears: what they miss is made up for them, or kept."""
        for session in [self.sessions[row] for row in np.flatnonzero(self._rows.of("listens")).tolist()]:
            self.leave(session)

    def serve(self, tick: int) -> int:
        """Hear a frame of each, keep what a successor must know, and send; how many datagrams the kernel refused."""
        self._tick = tick
        count = len(self.sessions)
        if not count:
            return 0
        rows = self._rows
        rows.advance()
        hearing, speaking = self._taps or self._tapped()
        if len(hearing.rows):
            hearing.give(*rows.frames(hearing.rows), tick)
        rows.compose(tick)
        self._speak(speaking, tick)
        bodies = rows.keep(tick)
        # Written before anything is sent: what a successor reads as next was not used yet.
        self._records.write_rows(self._slots[:count], rows.of("generation"), bodies)
        return self._wire.send(count)

    def close(self) -> None:
        """Let go of the sockets' batches; the sessions are done with."""
        self._wire.close()


class Sessions(dict[str, Session]):
    """Those of a process by key; who looks at one finds it out of the lane, with all that it knows."""

    def __init__(self, leave: Callable[[Session], None]) -> None:
        super().__init__()
        self._leave = leave

    def __getitem__(self, key: str) -> Session:
        """The session, out of the lane."""
        session = super().__getitem__(key)
        self._leave(session)
        return session
