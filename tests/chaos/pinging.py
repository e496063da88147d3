"""A steady stream of requests over UDP, each repeated until it is answered, while the service is being killed."""

from __future__ import annotations

import heapq
import itertools
import re
import secrets
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from actors.control.client import Client
from tests.chaos.killing import kill, wait_restarted

LAST = 64.0  # times T1 until a request counts as lost (Timer F)
PATIENCE = 60.0
_BRANCH = re.compile(rb"branch=(z9hG4bK[\w.]+)")


@dataclass
class Asked:
    """One request: how often it was sent, and the status it was answered with, 0 while it is not."""

    raw: bytes
    sent: int = 0
    status: int = 0
    answers: set[bytes] = field(default_factory=set)


class Pinger:
    """Sends `rate` requests a second from a thread, as RFC 3261 s17.1.2 says: OPTIONS and BYEs of unknown dialogs.

    Attributes:
        asked: every request so far, by its branch.
        open: the branches of those that are not answered yet.
    """

    def __init__(self, target: tuple[str, int], *, rate: float, t1: float) -> None:
        self.asked: dict[bytes, Asked] = {}
        self.open: set[bytes] = set()
        self._target = target
        self._interval = 1.0 / rate
        self._t1 = t1
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._own = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._due: list[tuple[float, bytes, float]] = []  # when, branch, the interval after it
        self._ending = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish()
        self._socket.close()

    def finish(self) -> None:
        """Send nothing new, and wait until all is answered or given up."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        numbers = itertools.count(1)
        next_at = time.monotonic()
        while not self._ending.is_set() or self._due:
            now = time.monotonic()
            if not self._ending.is_set() and now >= next_at:
                self._ask(next(numbers), now)
                next_at += self._interval
            while self._due and (self._due[0][0] <= now or self._due[0][1] not in self.open):
                _, branch, interval = heapq.heappop(self._due)
                self._again(branch, interval, now)
            until = next_at if not self._ending.is_set() else now + self._t1
            if self._due:
                until = min(until, self._due[0][0])
            if select.select([self._socket], [], [], max(0.0, until - time.monotonic()))[0]:
                self._hear(self._socket.recv(65_535))

    def _ask(self, number: int, now: float) -> None:
        method = "OPTIONS" if number % 2 else "BYE"
        token = secrets.token_hex(6)
        branch = f"z9hG4bK{number}.{token}"
        to_tag = ";tag=nobody" if method == "BYE" else ""
        lines = (
            f"{method} sip:service@{self._target[0]}:{self._target[1]} SIP/2.0",
            f"Via: SIP/2.0/UDP {self._own};branch={branch}",
            "Max-Forwards: 70",
            f"From: <sip:pinger@{self._own}>;tag={token}",
            f"To: <sip:service@{self._target[0]}>{to_tag}",
            f"Call-ID: {token}@{self._own}",
            f"CSeq: {number} {method}",
            "Content-Length: 0",
        )
        key = branch.encode()
        self.asked[key] = Asked(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.open.add(key)
        self._again(key, self._t1, now)

    def _again(self, branch: bytes, interval: float, now: float) -> None:
        """Send it, and again after `interval`, which doubles until all the time it may take is over."""
        asked = self.asked[branch]
        if branch not in self.open or interval > LAST * self._t1:
            return
        asked.sent += 1
        self._socket.sendto(asked.raw, self._target)
        heapq.heappush(self._due, (now + interval, branch, 2 * interval))

    def _hear(self, raw: bytes) -> None:
        found = _BRANCH.search(raw)
        asked = self.asked.get(found[1]) if found else None
        if asked is None or found is None or int(raw[8:11]) < 200:
            return
        with self._changed:
            asked.status = int(raw[8:11])
            asked.answers.add(raw)
            self.open.discard(found[1])
            self._changed.notify_all()

    def wait_for(self, true: Callable[[], bool]) -> None:
        """Wait until something is true, looking anew at each answer that comes."""
        with self._changed:
            assert self._changed.wait_for(true, PATIENCE), f"{len(self.open)} requests are not answered"

    def repeated_and_open(self) -> int:
        """How many requests were sent again and still have no answer."""
        return sum(1 for branch in list(self.open) if self.asked[branch].sent > 1)

    def answered(self) -> int:
        """How many requests have their answer."""
        return len(self.asked) - len(self.open)


def ping_through_kills(client: Client, pinger: Pinger, kills: int, between: float, actor: str = "transport") -> None:
    """Kill an actor `kills` times under the pinger's load.

    Each time once it is ready again, `between` seconds are over, and nothing that a kill cost is still on its way: so
    that no request can meet two of them.
    """
    for _ in range(kills):
        before, at = kill(client, actor)
        wait_restarted(client, actor, before)
        seen = pinger.answered()
        pinger.wait_for(lambda at=at, seen=seen: time.time() >= at + between and pinger.answered() > seen)
        pinger.wait_for(lambda: not pinger.repeated_and_open())


def broken_promises(pinger: Pinger) -> list[str]:
    """What is not as promised, in words: lost, sent more than twice, answered in two ways."""
    found = []
    for branch, asked in pinger.asked.items():
        expected = 200 if asked.raw.startswith(b"OPTIONS") else 481
        if asked.status != expected:
            found.append(f"{branch.decode()} was answered with {asked.status}, not {expected}")
        if asked.sent > 2:
            found.append(f"{branch.decode()} was sent {asked.sent} times")
        if len(asked.answers) > 1:
            found.append(f"{branch.decode()} got {len(asked.answers)} different answers")
    return found
