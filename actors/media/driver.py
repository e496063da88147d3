"""The thread that opens, watches and opens again the cards of lines: drivers block, and an actor may not."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import NamedTuple

from actors.media import sound
from actors.media.sound import Card, Ringer, SoundError

# Seconds between two looks at the cards; one that was not called back in between is gone.
_LOOK = 0.5
# Looks between two attempts to open a card that is not to be had.
_RETRY = 2


class Wanted(NamedTuple):
    """Which devices a line is to have, empty for the system's default; with a `tone` its output sounds, no more.

    With `cancel` the echo of the output is taken out of the input.
    """

    input: str
    output: str
    tone: str = ""
    cancel: bool = False


class News(NamedTuple):
    """What became of a line's card."""

    session: str
    kind: str
    text: str


class Driver:
    """Has a card for each line that wants one.

    Attributes:
        cards: session -> its card, while it has one.
        news: what happened, for the actor to take; `fd` can be read when there is some.
        seen: when the thread last came round, monotonic seconds: it hangs in a driver where that is long ago.
    """

    def __init__(self) -> None:
        self.cards: dict[str, Card | Ringer] = {}
        self._had: dict[str, Wanted] = {}
        self.news: deque[News] = deque()
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.seen = time.monotonic()
        self._wanted: dict[str, Wanted] = {}
        self._failing: dict[str, int] = {}
        self._lost: set[str] = set()
        self._changed = threading.Event()
        self._ending = False
        self._thread: threading.Thread | None = None

    # The actor's side.

    def want(self, session: str, wanted: Wanted) -> None:
        """Have a card for a line, now and whenever it is lost."""
        self._wanted[session] = wanted
        if self._thread is None:
            self.seen = time.monotonic()
            self._thread = threading.Thread(target=self._run, name="sound", daemon=True)
            self._thread.start()
        self._changed.set()

    def leave(self, session: str) -> None:
        """Close the card of a line."""
        self._wanted.pop(session, None)
        self._changed.set()

    def take(self) -> list[News]:
        """The news since the last time."""
        os.eventfd_read(self.fd)
        return [self.news.popleft() for _ in range(len(self.news))]

    def stop(self, timeout: float) -> None:
        """Close every card, if the drivers allow it in so many seconds."""
        self._wanted.clear()
        self._ending = True
        self._changed.set()
        if self._thread is not None:
            self._thread.join(timeout)

    # The thread.

    def _run(self) -> None:
        sound.hush()
        while not self._ending:
            hurried = self._changed.wait(_LOOK)
            self._changed.clear()
            self.seen = time.monotonic()
            if not hurried:
                self._watch()
            self._settle()

    def _watch(self) -> None:
        """Let go of the cards that are gone."""
        for session, card in tuple(self.cards.items()):
            if not card.alive:
                del self.cards[session]
                self._lost.add(session)
                self._tell(session, "device_lost", f"{card.name}: gone; the call goes on without sound")
                card.close()

    def _settle(self) -> None:
        wanted = dict(self._wanted)
        for session in tuple(self.cards):
            if wanted.get(session) != self._had[session]:
                self.cards.pop(session).close()
        self._lost &= wanted.keys()
        self._had = {session: had for session, had in self._had.items() if session in self.cards}
        self._failing = {session: looks for session, looks in self._failing.items() if session in wanted}
        for session in wanted.keys() - self.cards.keys():
            looks = self._failing.get(session, 0)
            if looks % _RETRY == 0:
                self._open(session, wanted[session], first=looks == 0)
            if session not in self.cards:
                self._failing[session] = looks + 1

    def _open(self, session: str, wanted: Wanted, *, first: bool) -> None:
        try:
            if not self.cards and (session in self._lost or not first):
                sound.anew()  # PortAudio knows only the cards that were there when it started
            card = Ringer(wanted.output, wanted.tone) if wanted.tone else Card(*wanted[:2], cancel=wanted.cancel)
        except SoundError as error:
            if first and session not in self._lost:
                self._tell(session, "device_failed", str(error))
            return
        self._had[session] = wanted
        self.cards[session] = card
        self._failing.pop(session, None)
        if not wanted.tone:
            self._tell(session, "device_back" if session in self._lost else "device_opened", card.name)
        self._lost.discard(session)

    def _tell(self, session: str, kind: str, text: str) -> None:
        self.news.append(News(session, kind, text))
        os.eventfd_write(self.fd, 1)
