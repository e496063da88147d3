"""A Pykka inbox with one door: pipes, sockets, the channel, deadlines and puts of other threads in one epoll."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from pykka._envelope import Envelope

from actors.runtime.link import NEVER
from actors.runtime.moderation import Moderation
from actors.runtime.pipe import Pipe

PIPE_LIMIT = 256  # envelopes of one pipe a turn
EXACT = 0.001  # seconds before an exact deadline from which it is slept to: epoll knows milliseconds only
LONGEST = 1.0  # seconds between turns at most, for the heartbeat

Readable = Callable[[float], bool]
Writable = Callable[[float], None]


def clock() -> float:
    """Seconds since boot, suspend included: what `now` means everywhere."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Batch:
    """What one turn has to do.

    Attributes:
        now: the second it was made.
        pipes: those with frames read.
        readable: callbacks of sockets that can be read; one that returns True is called again next turn.
        writable: callbacks of sockets that can be written.
    """

    __slots__ = ("now", "pipes", "readable", "writable")

    def __init__(self, now: float) -> None:
        self.now = now
        self.pipes: list[Pipe] = []
        self.readable: list[tuple[int, Readable]] = []
        self.writable: list[Writable] = []


class Mailbox:
    """The inbox of one actor. Only :meth:`put` and :meth:`empty` may be called from other threads.

    Attributes:
        deadline: gives the second at which the next turn is due at the latest; a millisecond late is in time.
        exact: gives a second that must be met to some ten microseconds, None where there is no such work.
        moderation: how busy the actor is, and the pause that lets batches form.
    """

    def __init__(self) -> None:
        self.deadline: Callable[[], float] = _never
        self.exact: Callable[[], float | None] | None = None
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._local: deque[Envelope[Any]] = deque()
        self._pipes: dict[int, Pipe] = {}
        self._watched: dict[int, tuple[Readable, Writable | None, int]] = {}
        self._hot_pipes: dict[int, None] = {}  # dicts for their order: served in turn
        self._hot: dict[int, None] = {}
        self.moderation = Moderation(clock(), time.thread_time())
        self._closing = threading.Lock()

    # Pykka's protocol

    def put(self, envelope: Envelope[Any]) -> None:
        """Hand in a message of this process: a stop, a call by proxy."""
        with self._closing:
            self._local.append(envelope)
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)

    def empty(self) -> bool:
        """Whether no local message waits; pipes and sockets are not spoken of."""
        return not self._local

    def get(self) -> Envelope[Any]:
        """Wait for the next turn: one local message, or all that pipes, sockets and deadlines have for it."""
        if self._local:
            return self._local.popleft()
        self.moderation.turned(clock(), time.thread_time())
        events = self._poll()
        now = clock()
        batch = Batch(now)
        pipes = self._hot_pipes
        self._hot_pipes = {}
        hot = self._hot
        self._hot = {}
        for fd, event in events:
            if fd in self._pipes:
                pipes[fd] = None
            elif fd == self._wake:
                os.eventfd_read(self._wake)
            else:
                self._sort(fd, event, hot, batch)
        for fd in pipes:
            pipe = self._pipes[fd]
            if pipe.pump(PIPE_LIMIT):
                self._hot_pipes[fd] = None
            batch.pipes.append(pipe)
        for fd in hot:
            if fd in self._watched:
                batch.readable.append((fd, self._watched[fd][0]))
        return Envelope(batch)

    def _sort(self, fd: int, event: int, hot: dict[int, None], batch: Batch) -> None:
        watched = self._watched.get(fd)
        if watched is None:
            return
        writable = watched[1]
        if event & ~select.EPOLLOUT:  # errors and hang-ups show when it is read
            hot[fd] = None
        if event & select.EPOLLOUT and writable is not None:
            batch.writable.append(writable)

    # Sources

    def add_pipe(self, pipe: Pipe) -> None:
        """Listen to a pipe. What came before is read in the next turn."""
        self._pipes[pipe.fd] = pipe
        self._epoll.register(pipe.fd, select.EPOLLIN)
        self._hot_pipes[pipe.fd] = None  # its descriptor only tells of news

    def watch(self, fd: int, readable: Readable, writable: Writable | None = None, *, edge: bool = False) -> None:
        """Call `readable(now)` in each turn in which `fd` can be read, `writable(now)` in which it can be written.

        Watching a descriptor again replaces what was asked before: with `writable` None it is no longer polled for
        writing. `readable` returns True when it stopped at a limit of its own with more to read. With `edge` it is
        only called on news, so it must read until there is nothing or return True.
        """
        mask = select.EPOLLIN | select.EPOLLRDHUP
        mask |= select.EPOLLET if edge else 0
        mask |= select.EPOLLOUT if writable is not None else 0
        before = self._watched.get(fd)
        self._watched[fd] = (readable, writable, mask)
        if before is None:
            self._epoll.register(fd, mask)
        elif before[2] != mask:
            self._epoll.modify(fd, mask)

    def unwatch(self, fd: int) -> None:
        """Forget a descriptor, before it is closed."""
        if self._watched.pop(fd, None) is not None:
            self._hot.pop(fd, None)
            self._epoll.unregister(fd)

    def watches(self, fd: int, readable: Readable) -> bool:
        """Whether `fd` is still watched by this very callback: an earlier one of the same turn may have closed it."""
        watched = self._watched.get(fd)
        return watched is not None and watched[0] == readable

    def again(self, fd: int) -> None:
        """Serve a watched descriptor in the next turn, news or not."""
        if fd in self._watched:
            self._hot[fd] = None

    # Waiting

    def _poll(self) -> list[tuple[int, int]]:
        if self._hot_pipes or self._hot:
            return self._epoll.poll(0)
        exact = None if self.exact is None else self.exact()
        if exact is not None:
            return self._poll_exactly(exact, clock())
        pause = self.moderation.pause
        if pause:
            self.moderation.rested = True
            time.sleep(pause)  # a batch forms meanwhile, and most often no second wait is needed
        return self._epoll.poll(max(min(self.deadline() - clock(), LONGEST), 0))

    def _joined(self, events: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Let a batch form: what came, and what comes within the pause."""
        self.moderation.rested = True
        time.sleep(self.moderation.pause)
        merged = dict(events)  # an edge that was seen is not seen again
        for fd, event in self._epoll.poll(0):
            merged[fd] = merged.get(fd, 0) | event
        return list(merged.items())

    def _poll_exactly(self, exact: float, now: float) -> list[tuple[int, int]]:
        """Wait for events until the millisecond before `exact`, then sleep the rest."""
        left = exact - now
        if left > EXACT:
            timeout = min(left - EXACT, self.deadline() - now, LONGEST)  # epoll rounds it up by less than EXACT
            events = self._epoll.poll(max(timeout, 0))
            left = exact - clock()
            if events and 0.0 < self.moderation.pause < left - EXACT:
                return self._joined(events)
            if events or left > EXACT:
                return events  # for a deadline, or the time is not near
        if left > 0:
            time.sleep(left)
        return self._epoll.poll(0)

    def close(self) -> None:
        """Free the descriptors; what is put after it stays for Pykka to refuse."""
        with self._closing:
            os.close(self._wake)
            self._wake = -1
        self._epoll.close()


def _never() -> float:
    return NEVER
