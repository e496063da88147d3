"""The jitter buffer: G.711 codes held by timestamp, from which one frame is taken every tick.

Frames lie on a grid that the cursor steps over. The usual packet is one frame on the grid and is held as it came; any
other is cut along the grid, and a frame of which a part is still missing keeps a mark for each of its samples.

Playout follows the local clock: the cursor moves one frame at every take, whether or not anything is there, so that
timing is kept through loss and silence. It is set anew ("anchored") only at the start, at a new talkspurt that does
not fit, when packets stay late for several ticks on end, and when the numbers jump. A clean stream, even one that comes
a few milliseconds early or late, is passed on sample for sample.

The delay adapts to what is measured: of all packets of five seconds it is known how long before their time they came.
When more than two of a hundred come too late the delay grows, when nearly all come far too early it shrinks; so a clock
that drifts is followed, too. A frame is added or left out where it is quiet, or after a while anywhere.

Where the peer says that it pauses (comfort noise, RFC 3389), nothing is missing from there to its next sound.
"""

from __future__ import annotations

from actors.media.g711 import is_quiet, patch
from actors.media.pieces import FRAME, MARKS, Calm, Partial, Several

# The buffer reaches this far ahead of the cursor, about a second.
REACH = 8192
TARGET = 2 * FRAME
MAX_TARGET = 10 * FRAME

_HALF = 1 << 31
_MODULUS = (1 << 32) - 1
_NOTHING = (b"", 0)


# How long the buffer is dry before a packet that does not fit starts a new talkspurt.
DRY = 10
# How many ticks in a row bring only late packets before the delay is held to have risen for good.
_LATE = 3
# The delay is judged once in so many ticks; a frame of it is dropped when it never fell below this much over
# the target.
WINDOW = 250
_EXCESS = 4 * FRAME
# Of so many packets one may come too late, or less than the guard before its time.
_RARE = 50
_GUARD = FRAME // 2
# A quiet frame is waited for so many ticks.
_WAIT = 150


class JitterBuffer:
    """One stream's buffer. Samples are G.711 codes at 8 kHz; delays are in samples.

    Args:
        target: the playout delay to begin with, as a predecessor left it.

    Attributes:
        target: the playout delay aimed at, at the next anchoring.
        late, duplicates, wild: packets dropped: past their time, there already, or with a timestamp out of all reach.
        concealed: frames of which something was missing when their time came, while the stream ran.
        skipped: frames dropped to shorten the delay.
        jumps: how often the timestamps began anew elsewhere.
        stretched: frames of silence put in to lengthen it.
    """

    __slots__ = (
        "_anchored",
        "_barred",
        "_covered",
        "_cursor",
        "_dry",
        "_end",
        "_first",
        "_floor",
        "_frames",
        "_in_time",
        "_late_run",
        "_least",
        "_margins",
        "_pauses",
        "_played",
        "_stretch",
        "_too_late",
        "_waited",
        "_wild_at",
        "_window",
        "concealed",
        "duplicates",
        "jumps",
        "late",
        "skipped",
        "stretched",
        "target",
        "wild",
    )

    def __init__(self, target: int = TARGET) -> None:
        self.target = self._floor = target
        self.late = self.duplicates = self.wild = self.concealed = self.skipped = self.stretched = self.jumps = 0
        self._margins: list[int] = []  # how long before their time packets came
        self._stretch = 0  # frames to be added, below zero to be left out
        self._waited = 0
        self._frames: dict[int, tuple[bytes, int] | Partial | Several] = {}
        self._pauses: list[int] = []  # where those begin that are not over, in order
        self._covered = 0  # until here reaches what has been taken of packets that cannot be cut
        self._anchored = False
        self._cursor = 0  # timestamp of the next sample to play, not wrapped
        self._end = 0  # that after the newest sample held
        self._first = 0  # that of the first sample since the cursor was set
        self._played = 0  # that of the last frame of which there was something
        self._barred = 0  # what is before this is not played any more: something behind it was
        self._dry = 0
        self._wild_at: int | None = None
        self._in_time = self._too_late = False
        self._late_run = 0
        self._window = 0
        self._least = REACH

    def put(self, timestamp: int, payload: bytes, law: int, whole: int = 0) -> None:
        """Hold a packet's samples until their time comes.

        Args:
            timestamp: of its first sample, 32 bits.
            payload: one code a sample.
            law: which :class:`Law` they are in, or another number for a payload that cannot be cut.
            whole: how many samples such a payload lasts, 0 for the codes of a law.
        """
        size = whole or len(payload)
        if not size:
            return
        if not self._anchored:
            self.anchor(timestamp)
        offset = ((timestamp - self._cursor + _HALF) & _MODULUS) - _HALF
        self._margins.append(offset)
        fits = 0 <= offset <= REACH - size
        if not fits or (self._dry >= DRY and not -FRAME <= offset - self.target <= _EXCESS):
            cut = self._refit(timestamp, offset, size, whole=bool(whole))
            if cut is None:
                return
            payload = payload[cut:]
            size -= cut
            offset = ((timestamp + cut - self._cursor + _HALF) & _MODULUS) - _HALF
        self._wild_at = None
        position = self._cursor + offset
        if position < self._barred:
            self.late += 1
            return
        self._in_time = True
        if position + size > self._end:  # noqa: PLR1730 - max() costs twice as much, at every packet
            self._end = position + size
        if whole:
            self._place(position, offset % FRAME, payload, law)
        elif size != FRAME or offset % FRAME:
            self._scatter(position, offset % FRAME, payload, law)
        elif type(self._frames.get(position)) is tuple:
            self.duplicates += 1
        else:
            self._frames[position] = (payload, law)

    def _place(self, position: int, inside: int, payload: bytes, kind: int) -> None:
        """Hold a payload that cannot be cut at the frame that it begins in."""
        held = self._frames.get(position - inside)
        if held is None:
            held = self._frames[position - inside] = Several()
        elif not isinstance(held, Several) or any(at == inside for at, _, _ in held.packets):
            self.duplicates += 1
            return
        held.packets.append((inside, payload, kind))

    def _scatter(self, position: int, inside: int, payload: bytes, law: int) -> None:
        """Cut a packet along the grid; it begins `inside` a frame."""
        fresh = False
        at = 0
        while at < len(payload):
            piece = payload[at : at + FRAME - inside]
            start = position + at - inside
            held = self._frames.get(start)
            if len(piece) == FRAME and held is None:
                self._frames[start] = (piece, law)
                fresh = True
            elif held is None or isinstance(held, Partial):
                if held is None:
                    held = self._frames[start] = Partial()
                fresh |= held.fill(inside, piece, law)
            at += len(piece)
            inside = 0
        self.duplicates += not fresh

    @property
    def cursor(self) -> int | None:
        """The timestamp that the next frame is taken at, 32 bits; None before the first packet."""
        return self._cursor & _MODULUS if self._anchored else None

    @property
    def held(self) -> int:
        """How many frames from now the last sample held is taken."""
        return max(0, -(-(self._end - self._cursor) // FRAME)) if self._anchored else 0

    def pause(self, timestamp: int | None) -> None:
        """The peer is silent by its own word from `timestamp` on, None for behind all that it said, until it speaks."""
        if not self._anchored:
            if timestamp is None:
                return
            self.anchor(timestamp)
        offset = REACH if timestamp is None else ((timestamp - self._cursor + _HALF) & _MODULUS) - _HALF
        position = self._cursor + offset if -REACH < offset < REACH else self._end
        if not self._pauses or self._end > self._pauses[-1] < position:
            self._pauses.append(position)

    @property
    def pausing(self) -> bool:
        """By its own word the peer is silent in the frame taken last, or falls silent within it."""
        return bool(self._pauses) and self._cursor > self._pauses[0]

    def resume(self, cursor: int, *, pausing: bool = False) -> None:
        """Go on at `cursor`, where a predecessor would be by now: the delay stays as it was, and a pause goes on."""
        self._anchored = True
        self._cursor = self._end = self._first = cursor
        self._played = self._barred = cursor - FRAME
        self._pauses = [cursor - 1] if pausing else []

    def _refit(self, timestamp: int, offset: int, size: int, *, whole: bool) -> int | None:
        """Judge a packet that is late, wild or a new talkspurt: how much to cut off its front, None to drop it all."""
        cut = 0
        if size > REACH // 2:
            self.wild += 1
            return None
        if self._dry >= DRY:
            self.anchor(timestamp)
        elif -REACH < offset < 0:
            cut = size if whole else min(-offset, size)
            if cut == size:
                self.late += 1
                self._too_late = True
                if self._late_run < _LATE - 1 or self._in_time:
                    return None
                behind = ((timestamp - self._played + _HALF) & _MODULUS) - _HALF
                if behind < FRAME:  # something after it was played: a later one will do
                    return None
                self.target = min(self.target + FRAME, MAX_TARGET)
                self.anchor(timestamp)
                self._played = timestamp - behind
                self._barred = self._played + FRAME
                cut = 0
        elif self._follows_wild(timestamp):
            self.jumps += 1
            self.anchor(timestamp)
        else:
            self.wild += 1
            return None
        return cut

    def _follows_wild(self, timestamp: int) -> bool:
        """Appendix A.1's rule for sequence numbers, for timestamps: one alone is wild, a second after it a restart."""
        before, self._wild_at = self._wild_at, timestamp
        return before is not None and (timestamp - before) & _MODULUS <= REACH - self.target

    def anchor(self, timestamp: int) -> None:
        """Play the sample at `timestamp` after the target delay; what was held is dropped."""
        self._anchored = True
        self._first = timestamp
        self._cursor = self._end = timestamp - self.target
        self._played = self._barred = self._cursor - FRAME
        self._frames.clear()
        if self._pauses:
            self._pauses = [self._cursor]
        self._dry = self._late_run = self._window = 0
        self._least = REACH
        self._wild_at = None

    def take(self) -> tuple[bytes, int]:
        """The next frame: its codes and their law, or ``(b"", 0)`` when nothing of it is there."""
        if not self._anchored:
            return _NOTHING
        self._judge(self._end - self._cursor)
        if self._stretch and self._adapted():
            return _NOTHING
        cursor = self._cursor
        self._cursor = cursor + FRAME
        if self._end <= cursor:
            self._dry += 1
            self._end = self._cursor
            return _NOTHING
        self._dry = 0
        held = self._frames.pop(cursor, None)
        if held is not None:
            self._played = cursor
            if type(held) is tuple and not self._pauses:
                return held
        return self._unusual(held, cursor)

    def _unusual(self, held: tuple[bytes, int] | Partial | Several | None, cursor: int) -> tuple[bytes, int]:
        """A frame of which something is missing, or with a pause under way or ahead."""
        concealed, pausing, found = self.concealed, self.pausing, _NOTHING
        if held is not None and self._pauses:
            self._pauses = [each for each in self._pauses if each > cursor]  # it speaks
        if isinstance(held, tuple):
            found = held
        elif isinstance(held, Partial):
            found = self._pieces(held, cursor)
        else:
            self.concealed += cursor >= self._first
        if pausing:
            self.concealed = concealed  # what it did not say is not missing
        return found

    def take_packets(self) -> list[tuple[int, bytes, int]]:
        """The packets that begin within the next frame: (samples into it, payload, kind), in order.

        The codes of a law come as a frame of theirs, at 0.
        """
        cursor = self._cursor
        held = self._frames.get(cursor) if self._anchored else None
        if isinstance(held, Several):
            del self._frames[cursor]
            self._pauses = [each for each in self._pauses if each > cursor]
            concealed = self.concealed
            self.take()
            self._played = cursor
            self.concealed = concealed
            return sorted(held.packets)
        before = self.concealed
        codes, law = self.take()
        if not law and cursor < self._covered:
            self.concealed = before  # it is the rest of a long packet
        return [(0, codes, law)] if law else []

    def cover(self, samples: int) -> None:
        """A packet just taken reaches `samples` beyond the frame it begins in: what it covers is not missing."""
        self._covered = self._cursor + samples

    def following(self) -> bytes | None:
        """The payload of the packet that begins the next frame, where it is there: it may tell of the one before."""
        held = self._frames.get(self._cursor)
        if isinstance(held, Several):
            return held.packets[0][1]
        return None

    def _pieces(self, held: Partial, cursor: int) -> tuple[bytes, int]:
        """A frame that came in pieces, with silence where nothing came."""
        law = held.laws[0]
        if law and held.laws == MARKS[law]:
            return bytes(held.codes), law
        self.concealed += cursor >= self._first
        return patch(held.codes, held.laws)

    def _judge(self, level: int) -> None:
        """Count late ticks, watch the delay, and shorten it by a frame when it has been too long for a whole window."""
        if self._in_time:
            self._late_run = 0
        elif self._too_late:
            self._late_run += 1
        self._in_time = self._too_late = False
        if level < self._least:  # noqa: PLR1730 - as above, at every tick
            self._least = level
        self._window += 1
        if self._window < WINDOW:
            return
        if self._least >= self.target + _EXCESS:
            self.skip(1)
            self.skipped += 1
        self._stretch, before = self._wanted(self._margins), self._stretch
        self._margins.clear()
        if (before > 0) != (self._stretch > 0):
            self._waited = 0
        self._window = 0
        self._least = REACH

    def _wanted(self, margins: list[int]) -> int:
        """How many frames of delay to add: how early packets came, against what is needed (as their jitter was)."""
        if len(margins) < _RARE:
            return self._stretch
        early = sorted(margins)[len(margins) // _RARE]
        if -REACH < early < _GUARD:
            return min((_GUARD - early + FRAME - 1) // FRAME, (MAX_TARGET - self.target) // FRAME)
        return -1 if early > self._floor + FRAME and self.target > self._floor else 0

    def content(self, margins: list[int], least: int) -> bool:
        """Whether a delay that was never below `least`, of packets with these margins, stays as it is."""
        return least < self.target + _EXCESS and not self._wanted(margins)

    def _adapted(self) -> bool:
        """Add a frame here (True: nothing is taken), or leave one out, if it is quiet or long overdue."""
        held = self._frames.get(self._cursor)
        quiet = held is None or (isinstance(held, tuple) and is_quiet(*held))
        self._waited += 1
        if not quiet and self._waited < _WAIT:
            return False
        if self._stretch > 0:
            self._stretch -= 1
            self.target += FRAME
            self.stretched += 1
            return True
        self._stretch += 1
        self.target -= FRAME
        self.skipped += 1
        self.skip(1)
        return False

    def ahead(self, most: int) -> tuple[int, list[tuple[bytes, int]]]:
        """How many frames are missing from the next one on, and the frames behind them that are there, up to `most`.

        Partial frames and packets that cannot be cut count as missing.
        """
        missing = 0
        found: list[tuple[bytes, int]] = []
        position = self._cursor
        while position < self._end and len(found) < most:
            held = self._frames.get(position)
            if isinstance(held, tuple):
                found.append(held)
            elif found:
                break
            else:
                missing += 1
            position += FRAME
        return missing, found

    def lend(self) -> Calm | None:
        """What a matrix of streams goes on with in its stead, until `take_back`; None while anything is unusual."""
        if not self._anchored or self._stretch or self._late_run or self._too_late or self._wild_at is not None:
            return None
        if self._pauses or self._barred > self._cursor:
            return None
        frames: dict[int, tuple[bytes, int]] = {}
        for position, held in self._frames.items():
            if type(held) is not tuple or (position - self._cursor) % FRAME:
                return None
            frames[position] = held
        return Calm(
            self._cursor,
            self._end,
            self._first,
            self._dry,
            (self._cursor - self._played) // FRAME - 1,
            self._window,
            self._least,
            self._in_time,
            self._margins,
            frames,
        )

    def take_back(self, calm: Calm) -> None:
        """Go on with what was lent, as far as it came."""
        self._cursor, self._end, self._first, self._dry, missed, self._window, self._least = calm[:7]
        self._in_time, self._margins = calm.in_time, calm.margins
        self._played = self._cursor - FRAME * (1 + missed)
        self._frames = dict(calm.frames)

    def skip(self, frames: int) -> None:
        """Let `frames` pass unheard: the loop overslept, or the delay is to shrink."""
        if not self._anchored:
            return
        self._cursor += frames * FRAME
        self._end = max(self._end, self._cursor)
        for position in [position for position in self._frames if position < self._cursor]:
            del self._frames[position]
