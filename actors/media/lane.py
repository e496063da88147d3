"""The fast lane: sessions whose streams run as nearly all do go on as rows of a matrix, until anything is unusual.

A session is either in the lane or serves its ticks itself, never both: what it knows is lent to a row when it is
calm, and taken back before anybody looks at it, when its report is due or when something comes that is not simply the
next packet. So all rules stand once, in `session`, `peer` and `jitter`; the lane knows only the way things usually go.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from actors.media.bridge import Member
from actors.media.jitter import WINDOW
from actors.media.lending import give_back, lend, loan_of, place_played, tell
from actors.media.peer import MAX_DATAGRAM, Address
from actors.media.pieces import FRAME
from actors.media.record import Records
from actors.media.rows import PACKET, PLAY, SECOND, Indexes, Rows
from actors.media.rtcp import shares
from actors.media.session import QUIET, Session
from actors.media.snapshot import BEHIND, FAST, slow_row
from actors.media.speaking import Speaking
from actors.media.taps import Hearing
from actors.media.wire import open_wire

# Ticks that a session serves itself after a packet that was not the next one: a bad stream does not go to and fro.
_REST = 5
_MOST = 65_536  # rows, which is what ports there are


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
        # Taps, and those in bridges with their rows, found anew when rows change.
        self._taps: tuple[Hearing, Speaking] | None = None
        self._members: tuple[Indexes, list[Member]] | None = None
        self._records = records
        self._wire = open_wire(max(1, min(rows, _MOST)), MAX_DATAGRAM, PACKET)
        self._sheet = records.sheet(len(self._wire.inbox))
        self._rows = Rows(self._wire.inbox, self._wire.outbox, self._sheet.bodies, FAST, BEHIND)
        self._slots = np.zeros(len(self._wire.inbox), np.intp)

    @property
    def eager(self) -> bool:
        """Sockets may be asked without knowing that they have something."""
        return self._wire.eager and bool(self.sessions)

    # In and out.

    def admit(self, session: Session, tick: int) -> bool:
        """Take a session that has served `tick` in, if nothing of it is unusual."""
        loan = loan_of(session, tick) if len(self.sessions) < len(self._slots) else None
        if loan is None:
            return False
        row = session.place = len(self.sessions)
        self.sessions.append(session)
        self._rows.count = row + 1
        self._slots[row] = session.pair.slot
        self._wire.put(row, session.pair.rtp, loan.address, loan.destination)
        lend(self._rows, row, session, loan, tick)
        self._changed()
        return True

    def _changed(self) -> None:
        """Rows came, went, or moved."""
        self._rows.changed()
        self._taps = self._members = None

    def leave(self, session: Session) -> None:
        """Give a session back all that its row knows; one that is not in the lane stays as it is."""
        row = session.place
        if row < 0:
            return
        session.place = -1
        give_back(self._rows, row, session)
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

    # What comes.

    def receive(self, sessions: list[Session] | None, arrival: int) -> list[tuple[Session, bytes, Address]]:
        """Read a datagram of each of these, of all where None; what is unusual comes back, its session out.

        RTCP comes back, too, and its session stays.

        Args:
            sessions: those that have something; one that is not in the lane any more waits.
            arrival: now, in timestamp units of the local clock.
        """
        rows = np.arange(len(self.sessions))
        if sessions is not None:
            rows = np.array([session.place for session in sessions if session.place >= 0], np.intp)
        sizes, same = self._wire.receive(len(rows) if sessions is None else rows)
        usual = same & (sizes == PACKET)
        if sessions is None and usual.all():
            strange = self._rows.arrive(None, usual, arrival)
        else:
            came = sizes > 0
            strange = self._rows.arrive(rows[came], usual[came], arrival) if usual.any() else rows[came]
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
        unusual = dict.fromkeys(self._rows.unusual(tick, arrival - QUIET).tolist())
        for row in (self._rows.of("window") >= WINDOW - 1).nonzero()[0].tolist():
            if not self._content(row):
                unusual[row] = None
        for session in [self.sessions[row] for row in unusual]:
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
            numbers["position"][row] = place_played(self.sessions[row], player.position)
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

    # Bridges.

    def _bridged(self) -> tuple[Indexes, list[Member]]:
        """The rows whose sessions are in bridges, and their places there."""
        if self._members is None:
            found = [(row, each.member) for row, each in enumerate(self.sessions) if each.member is not None]
            self._members = np.array([row for row, _ in found], np.intp), [member for _, member in found]
        return self._members

    # Reports.

    def due(self, now: float) -> list[Session]:
        """The sessions whose report is due; they know what they sent and heard, and stay."""
        found = (self._rows.report_due[: len(self.sessions)] <= now).nonzero()[0].tolist()
        for row in found:
            tell(self._rows, row, self.sessions[row])
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

    def hear(self, tick: int) -> None:
        """Hear a frame of each; who is in a bridge has it for the others."""
        self._tick = tick
        if not self.sessions:
            return
        rows = self._rows
        rows.advance()
        hearing, _ = self._taps or self._tapped()
        if len(hearing.rows):
            hearing.give(*rows.frames(hearing.rows), tick)
        places, members = self._bridged()
        if members:
            codes, laws, _ = rows.frames(places)
            for member, heard, law in zip(members, codes, laws.tolist(), strict=True):
                member.hear(heard.tobytes(), law)

    def say(self, tick: int) -> int:
        """Keep what a successor must know, and send what is due; how many datagrams the kernel refused."""
        count = len(self.sessions)
        if not count:
            return 0
        rows = self._rows
        rows.compose(tick)
        _, speaking = self._taps or self._tapped()
        self._speak(speaking, tick)
        places, members = self._bridged()
        if members:
            rows.pass_on(places, [member.payload for member in members])
        rows.keep(tick)
        # Written before anything is sent: what a successor reads as next was not used yet.
        self._records.write_rows(self._slots[:count], rows.of("generation"), self._sheet)
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
