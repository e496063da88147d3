"""Sessions as rows of a matrix: what most packets and ticks of a G.711 stream do, for all of them at once. Pure.

A row is a stream in which nothing is out of the ordinary: whole frames of 20 ms, in sequence, of the law and from the
source that is heard, and as many sent. Whatever else comes is not taken here, but told of, and the session does it
itself (see `lane`). The arithmetic is that of `Source.arrived`, `JitterBuffer` and `Session.packets_of`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from actors.media.g711 import ENCODED, SILENCE, TRANSCODED, Law
from actors.media.jitter import DRY, REACH
from actors.media.pieces import FRAME

Indexes = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]

SLOTS = 32  # frames that a row holds
MARGINS = 512  # packets between two judgements of the delay, at most
SECOND = 50  # frames of what is played that are at hand, at most
SILENT, PLAY, ECHO = 0, 1, 2
PACKET = 12 + FRAME
# The frames just played stay, for who must make up the next one.
AHEAD = SLOTS - 4
_REACH = AHEAD * FRAME
_MARKLESS = int.from_bytes(b"\xff\x7f", sys.byteorder)  # of a header's first octets, all but the marker
_MASK = 0xFFFFFFFF

_TRANSCODED = {laws: np.frombuffer(table, np.uint8) for laws, table in TRANSCODED.items()}

_SILENCE = np.array(SILENCE, np.uint8)
_OTHER = {int(Law.PCMU): int(Law.PCMA), int(Law.PCMA): int(Law.PCMU)}

# A number each, of 64 bits: what is heard, how it is held, what is said; `at` and `left` are frames of what is played.
_NUMBERS = (
    *("lead", "peer_ssrc", "law", "transit", "heard"),  # the first two as they stand in a header
    *("end", "max_seq", "received", "margin_count"),  # these rise by the same with every packet
    *("cursor", "window", "taken", "packets", "octets", "generation"),  # and these every tick
    *("first", "dry", "missed", "least", "concealed"),
    *("base", "sequence", "next_timestamp", "payload_type", "send_law"),
    *("kind", "at", "left", "position", "listens", "restable", "awake"),
)
_COMING = slice(_NUMBERS.index("end"), _NUMBERS.index("margin_count") + 1)
_RISING = slice(_NUMBERS.index("cursor"), _NUMBERS.index("generation") + 1)
_LACK = slice(_NUMBERS.index("dry"), _NUMBERS.index("missed") + 1)
_COME = np.array([[FRAME], [1], [1], [1]])
_RISE = np.array([[FRAME], [1], [1], [1], [FRAME], [1]])


class Rows:
    """The matrix.

    Args:
        inbox: a datagram a row, as it came.
        outbox: a datagram a row, to be sent.
        record: a session's record a row.
        fast: the part of it that changes with every packet.
        behind: where in the record that part begins.

    Attributes:
        count: rows in use, the first ones.
        numbers: by name, one a row.
        record: as above.
        codes, have: frames by row and place, and the law of each, 0 for none; those taken last are among them.
        turn: the place of the frames to be taken next; AHEAD of it frames are held, in the rest are those that were.
    """

    def __init__(
        self,
        inbox: npt.NDArray[np.uint8],
        outbox: npt.NDArray[np.uint8],
        record: npt.NDArray[np.uint8],
        fast: np.dtype[Any],
        behind: int,
    ) -> None:
        rows = len(inbox)
        self.count = 0
        self._matrix = np.zeros((len(_NUMBERS), rows), np.int64)
        self.numbers: dict[str, npt.NDArray[np.int64]] = dict(zip(_NUMBERS, self._matrix, strict=True))
        self.jitter = np.zeros(rows)
        self.report_due = np.zeros(rows)
        self.in_time = np.zeros(rows, np.bool_)
        self.codes = np.zeros((rows, SLOTS, FRAME), np.uint8)
        self.have = np.zeros((rows, SLOTS), np.uint8)
        self.turn = 0
        self.margins = np.zeros((rows, MARGINS), np.int32)
        self.played = np.zeros((rows, SECOND, FRAME), np.uint8)
        self.record = record
        self.outbox = outbox
        self._fast = self.record[:, behind : behind + fast.itemsize].view(fast)[:, 0]
        self._lead = inbox[:, :2].view(np.uint16)[:, 0]
        self._sequence, self._timestamp = inbox[:, 2:4].view(">u2")[:, 0], inbox[:, 4:8].view(">u4")[:, 0]
        self._ssrc, self._payload = inbox[:, 8:12].view(np.uint32)[:, 0], inbox[:, 12:PACKET]
        self._head = outbox[:, 1]
        self._out_sequence, self._out_timestamp = outbox[:, 2:4].view(">u2")[:, 0], outbox[:, 4:8].view(">u4")[:, 0]
        self._out_payload = outbox[:, 12:PACKET]
        self._places = np.arange(rows)
        self._kinds: dict[int, Indexes] = {}
        self._usual: tuple[Flags | None, Flags | None] | None = None  # who listens, who may rest: None for nobody
        self._lacking = False  # some row had nothing when frames were taken last
        self._all = (
            self.jitter,
            self.report_due,
            self.in_time,
            self.codes,
            self.have,
            self.margins,
            self.played,
        )

    def move(self, row: int, to: int) -> None:
        """Let what is in a row be in another; what it has to send is the wire's."""
        self._matrix[:, to] = self._matrix[:, row]
        for each in (*self._all, self.record):
            each[to] = each[row]

    def fill(self, row: int, known: Mapping[str, int]) -> None:
        """Give a row all its numbers."""
        self._matrix[:, row] = [known[name] for name in _NUMBERS]

    def known(self, row: int) -> dict[str, int]:
        """The numbers of a row by name."""
        return dict(zip(_NUMBERS, self._matrix[:, row].tolist(), strict=True))

    def changed(self) -> None:
        """Rows came, went, or say something else."""
        self._kinds.clear()
        self._usual = None
        self._lacking = True  # as one that came may have been

    def of(self, name: str) -> npt.NDArray[np.int64]:
        """A number of each row that is in use."""
        return self.numbers[name][: self.count]

    def saying(self, kind: int) -> Indexes:
        """The rows that say this."""
        found = self._kinds.get(kind)
        if found is None:
            found = self._kinds[kind] = np.flatnonzero(self.of("kind") == kind)
        return found

    # What comes.

    def arrive(self, rows: Indexes | None, usual: Flags, arrival: int) -> Indexes:
        """Take in a datagram of each of `rows`; those whose datagram is not the next frame are given back.

        Args:
            rows: that received one; None for all that are in use, in their order.
            usual: it is as long as the packets here are, and from who is heard.
            arrival: when, in timestamp units of the local clock.
        """
        numbers = self.numbers
        # All of them are looked at in place, some are gathered.
        here: slice | Indexes = slice(0, self.count) if rows is None else rows
        at = self._places[: self.count] if rows is None else rows
        due, count = numbers["end"][here], numbers["margin_count"][here]
        margin = due - numbers["cursor"][here]
        good = (
            usual
            & (self._lead[here] & _MARKLESS == numbers["lead"][here])
            & (self._ssrc[here] == numbers["peer_ssrc"][here])
            & (self._sequence[here] == numbers["max_seq"][here] + 1)
            & (self._timestamp[here] == due & _MASK)
            & (margin < _REACH)
            & (count < MARGINS)
        )
        if self._lacking:
            good &= numbers["dry"][here] < DRY
        strange: Indexes = at[:0]
        if not good.all():
            strange, at = at[~good], at[good]
            here = at
            due, count, margin = due[good], count[good], margin[good]
        self.margins[at, count] = margin
        self._estimate(here, (arrival - due) & _MASK)
        numbers["heard"][here] = arrival
        places = (margin // FRAME + self.turn) % SLOTS
        self.have[at, places] = numbers["law"][here]
        self.codes[at, places] = self._payload[here]
        self.in_time[here] = True
        self._matrix[_COMING, here] += _COME  # the last, for `due` and `count` may be views
        return strange

    def _estimate(self, here: slice | Indexes, transit: npt.NDArray[np.int64]) -> None:
        """The interarrival jitter (RFC 3550 A.8)."""
        before = self.numbers["transit"]
        difference = (transit - before[here]) & _MASK
        difference = np.minimum(difference, (1 << 32) - difference)
        jitter = self.jitter[here]
        self.jitter[here] = jitter + (difference - jitter) / 16.0
        before[here] = transit

    # A tick.

    def unusual(self, tick: int, quiet: int) -> Indexes:
        """The rows whose sessions serve this tick themselves.

        Who listens to them would hear a gap, nothing is left of what they play, or nothing was heard since `quiet`, so
        that they may rest.
        """
        if self._usual is None:
            listens, restable = self.of("listens") != 0, self.of("restable") != 0
            self._usual = listens if listens.any() else None, restable if restable.any() else None
        listening, resting = self._usual
        found = np.zeros(self.count, np.bool_)
        if listening is not None:
            found |= (self.have[: self.count, self.turn] == 0) & listening
        if len(self.saying(PLAY)):
            found |= (self.of("kind") == PLAY) & (self.of("left") == 0)
        if resting is not None:
            found |= (self.of("heard") < quiet) & resting & (self.of("awake") <= tick)
        return found.nonzero()[0]

    def begin_window(self, row: int) -> None:
        """The delay was judged, and stays as it is."""
        numbers = self.numbers
        numbers["window"][row], numbers["least"][row], numbers["margin_count"][row] = -1, REACH, 0

    def advance(self) -> None:
        """Take a frame of each."""
        count = self.count
        cursor, end, least = self.of("cursor"), self.of("end"), self.of("least")
        np.minimum(least, end - cursor, out=least)
        law = self.have[:count, self.turn]
        self._lacking = not law.all()
        if self._lacking:
            over = end <= cursor
            lack = self._matrix[_LACK, :count]
            lack[:] = np.where((over, law == 0), lack + 1, 0)
            self.of("concealed")[:] += (law == 0) & ~over & (cursor >= self.of("first"))
        else:
            self._matrix[_LACK, :count] = 0
        self._matrix[_RISING, :count] += _RISE
        np.maximum(end, cursor, out=end)
        self.in_time[:count] = False
        self.have[:count, (self.turn + AHEAD) % SLOTS] = 0
        self.turn = (self.turn + 1) % SLOTS

    def skip(self, frames: int) -> None:
        """Let so many pass unheard."""
        count = self.count
        cursor, end = self.of("cursor"), self.of("end")
        ahead = (np.arange(SLOTS) - self.turn) % SLOTS  # frames from the cursor to each place
        self.have[:count, (ahead < frames) | (ahead >= AHEAD)] = 0
        self.turn = (self.turn + frames) % SLOTS
        cursor += frames * FRAME
        self.of("missed")[:] += frames
        np.maximum(end, cursor, out=end)

    def compose(self, tick: int) -> None:
        """The packet of a tick in each row; `advance` has counted it as sent."""
        count = self.count
        timestamp = (self.of("base") + FRAME * tick) & _MASK
        following, sequence = self.of("next_timestamp"), self.of("sequence")
        # The first packet after a pause begins a talkspurt (RFC 3551 section 4.1).
        self._head[:count] = (timestamp != following) * 0x80 | self.of("payload_type")
        self._out_sequence[:count] = sequence
        self._out_timestamp[:count] = timestamp
        self._speak()
        sequence += 1
        sequence &= 0xFFFF
        np.bitwise_and(timestamp + FRAME, _MASK, out=following)

    def _speak(self) -> None:
        rows = self.saying(PLAY)
        if len(rows):
            at = self.numbers["at"]
            self._out_payload[rows] = self.played[rows, at[rows]]
            at[rows] += 1
            self.numbers["left"][rows] -= 1
            self.numbers["position"][rows] += FRAME
        rows = self.saying(ECHO)
        if len(rows):
            heard = self.codes[rows, self.turn - 1]
            law = self.numbers["send_law"][rows]
            other = law != self.have[rows, self.turn - 1]
            for wanted in np.unique(law[other]).tolist():
                which = other & (law == wanted)
                heard[which] = _TRANSCODED[_OTHER[wanted], wanted][heard[which]]
            self._out_payload[rows] = heard

    def frames(self, rows: Indexes) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """The frames that were taken last of these rows, the law of each, and its timestamp."""
        cursor = self.numbers["cursor"][rows]
        return self.codes[rows, self.turn - 1], self.have[rows, self.turn - 1], (cursor - FRAME) & _MASK

    def say(self, rows: Indexes, samples: npt.NDArray[np.int16]) -> None:
        """Say these samples in these rows, 20 ms each, in place of what was composed."""
        words, laws = samples.view(np.uint16), self.numbers["send_law"][rows]
        law = int(laws[0])
        if (laws == law).all():
            self._out_payload[rows] = ENCODED[law].take(words)
            return
        for law in set(laws.tolist()):
            which = laws == law
            self._out_payload[rows[which]] = ENCODED[law].take(words[which])

    def pass_on(self, rows: Indexes, payloads: Sequence[bytes | None]) -> None:
        """Say these codes in these rows in place of what was composed, silence for None."""
        self._out_payload[rows] = _SILENCE[self.numbers["send_law"][rows]][:, None]
        said = [at for at, payload in enumerate(payloads) if payload is not None]
        codes = b"".join([payload for payload in payloads if payload is not None])
        self._out_payload[rows[said]] = np.frombuffer(codes, np.uint8).reshape(-1, FRAME)

    def hush(self, rows: Indexes) -> None:
        """Say nothing in these rows but what they say otherwise."""
        silent = rows[self.numbers["kind"][rows] == SILENT]
        if len(silent):
            self._out_payload[silent] = _SILENCE[self.numbers["send_law"][silent]][:, None]

    def keep(self, tick: int) -> None:
        """Let the records be as of `tick`."""
        fast, count = self._fast, self.count
        fast["tick"][:count] = tick
        for name in ("sequence", "next_timestamp", "packets", "octets", "position", "heard", "max_seq", "received"):
            fast[name][:count] = self.of(name)
        fast["cursor"][:count] = self.of("cursor") & _MASK
        fast["transit"][:count] = self.of("transit")
        fast["jitter"][:count] = self.jitter[:count]
