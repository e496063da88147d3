"""A call as whoever makes it sees it: one line of what is true of it, and what its keys ask for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from actors.control.audio import Measured
from actors.control.records import (
    CallAnswered,
    CallHoldChanged,
    CallMuteChanged,
    CallProgressed,
    CallTransferProgressed,
    Event,
)
from actors.control.render import span

HELP = "keys: 0-9 * # are pressed, h hold, m mute, t transfer, q hang up"
BAR = 5  # columns of a level meter
_FLOOR = -60.0  # dB: below it a meter is empty
_SHORTEST = 8  # columns of a URI that is cut to make room
_CANCEL, _BACKSPACE, _ENTER = "\x1b", "\x7f\b", "\r\n"
_SEQUENCE = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]")  # what cursor and function keys send


class Wanted(NamedTuple):
    """What a key asks for.

    Attributes:
        verb: dtmf, hold, resume, mute, unmute, transfer or hangup.
        argument: the digit, or the URI to transfer to.
    """

    verb: str
    argument: str = ""


class Telephone:
    """One call.

    Args:
        uri: whom it is with.
        state: how it begins.
        now: seconds.

    Attributes:
        state: in one word or two.
        typed: the target of a transfer as far as it is typed, None while none is.
    """

    def __init__(self, uri: str, state: str, now: float) -> None:
        self.state = state
        self.typed: str | None = None
        self._uri = uri
        self._begun = now
        self._answered = False
        self._held = self._held_by_peer = self._muted = False

    def take(self, event: Event, now: float) -> None:
        """Something happened to the call."""
        if isinstance(event, CallProgressed):
            self.state = "ringing" if event.status == 180 else f"{event.status} {event.reason}"
        elif isinstance(event, CallAnswered):
            self._answered = True
            self.state, self._begun = "talking", now
        elif isinstance(event, CallHoldChanged):
            self._held, self._held_by_peer = event.local, event.remote
            self.state = "held" if event.local else "held by the peer" if event.remote else "talking"
        elif isinstance(event, CallMuteChanged):
            self._muted = event.what != "none"
        elif isinstance(event, CallTransferProgressed):
            self.state = f"transfer: {event.status} {event.reason}"

    # Keys.

    def press(self, keys: str) -> Iterator[Wanted]:
        """What the keys ask for, in order."""
        for key in _SEQUENCE.sub("", keys):
            if (wanted := self._typing(key) if self.typed is not None else self._key(key)) is not None:
                yield wanted

    def _key(self, key: str) -> Wanted | None:
        if key == "q":
            return Wanted("hangup")
        if not self._answered:
            return None
        if key in "0123456789*#ABCD":
            return Wanted("dtmf", key)
        if key == "h":
            return Wanted("resume" if self._held else "hold")
        if key == "m":
            return Wanted("unmute" if self._muted else "mute")
        if key == "t":
            self.typed = ""
        return None

    def _typing(self, key: str) -> Wanted | None:
        typed = self.typed or ""
        if key in _ENTER or key == _CANCEL:
            self.typed = None
            return Wanted("transfer", typed) if typed and key in _ENTER else None
        self.typed = typed[:-1] if key in _BACKSPACE else typed + key if key.isprintable() else typed
        return None

    # The line.

    def line(self, now: float, figures: Measured | None, width: int) -> str:
        """What to show, in at most `width` columns."""
        if self.typed is not None:
            return f"transfer to (Enter: do it, Esc: do not): {self.typed}"[-width:]
        muted = ", muted" if self._muted else ""
        rest = f": {self.state}{muted}, {span(now - self._begun)}"
        if figures is not None:
            rest += "  " + _shown(figures)
        return (_fitted(self._uri, width - len(rest)) + rest)[:width]


def _fitted(uri: str, room: int) -> str:
    """The URI, its scheme and its end left out where there is no room for them."""
    if len(uri) <= room:
        return uri
    short = uri.partition(":")[2] or uri
    room = max(room, _SHORTEST)
    return short if len(short) <= room else f"{short[: room - 2]}.."


def _shown(figures: Measured) -> str:
    loss = 100 * figures.lost / max(1, figures.received + figures.lost)
    mos = f" MOS {figures.mos:.1f}" if figures.mos else ""
    quality = f"{figures.encoding} lost {loss:.1f}% jitter {figures.jitter:.0f} ms{mos}"
    return f"{quality} in {bar(figures.heard)} out {bar(figures.said)}"


def bar(level: float) -> str:
    """A level meter: full at 0 dB, empty at -60."""
    full = round(BAR * min(1.0, max(0.0, 1 - level / _FLOOR)))
    return f"{'#' * full:.<{BAR}}"
