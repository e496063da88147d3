"""The processes of a running service as /proc shows them: who lives, who lived twice, what they hold."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

_DEAD = "ZX"  # a zombie runs nothing and holds nothing
_SAMPLE = 0.005  # seconds between two looks at /proc


class Process(NamedTuple):
    """One process; `started` tells it from a later one with the same pid."""

    pid: int
    parent: int
    name: str
    started: int


def process(pid: int | str) -> Process | None:
    """The living process `pid`, stopped or not; None if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    head, _, rest = text.rpartition(")")
    fields = rest.split()
    if fields[0] in _DEAD:
        return None
    return Process(int(pid), int(fields[1]), head.partition("(")[2], int(fields[19]))


def family(supervisor: int) -> list[Process]:
    """The supervisor, and behind it all that descends from it."""
    entries = os.listdir("/proc")  # noqa: PTH208 - many times a second
    everyone = [each for entry in entries if entry.isdigit() and (each := process(entry))]
    members = {supervisor}
    while grown := {each.pid for each in everyone if each.parent in members} - members:
        members |= grown
    found = [each for each in everyone if each.pid in members]
    return sorted(found, key=lambda each: each.pid != supervisor)  # /proc is by number, and numbers begin anew


def fork_server(supervisor: int, actors: Iterable[str]) -> int:
    """Wait until a service has a fork server (a killed one is made anew); its pid."""
    end = time.monotonic() + 30.0
    named = frozenset(actors)
    while time.monotonic() < end:
        for each in family(supervisor):
            # Those it forks have its command line until they end, but take their actor's name.
            if each.name not in named and b"forkserver import main" in _command_line(each.pid):
                return each.pid
    raise AssertionError("there is no fork server")


def _command_line(pid: int) -> bytes:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def descriptors(supervisor: int) -> dict[str, int]:
    """How many descriptors each process of a service holds, by the process's name and pid."""
    return {f"{each.name} {each.pid}": len(list(Path(f"/proc/{each.pid}/fd").iterdir())) for each in family(supervisor)}


def links(pid: int) -> set[str]:
    """What the descriptors of a process lead to; one that is closed meanwhile leads nowhere."""
    found = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(str(each.readlink()))
    return found


def memory(supervisor: int) -> int:
    """PSS over all processes of a service, bytes."""
    total = 0
    for each in family(supervisor):
        rollup = Path(f"/proc/{each.pid}/smaps_rollup").read_text(encoding="ascii")
        total += next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
    return total


@contextlib.contextmanager
def followed(pids: Iterable[int]) -> Iterator[Callable[[float], list[int]]]:
    """Hold the processes by pidfd; yields a function that waits for their ends and tells who has not ended in time."""
    held = {os.pidfd_open(pid): pid for pid in pids}

    def wait(timeout: float) -> list[int]:
        poll = select.poll()
        alive = dict(held)
        for fd in alive:
            poll.register(fd, select.POLLIN)
        while alive and (ended := poll.poll(timeout * 1000)):
            for fd, _ in ended:
                poll.unregister(fd)
                del alive[fd]
        return list(alive.values())

    try:
        yield wait
    finally:
        for fd in held:
            os.close(fd)


def kill(pid: int) -> None:
    """`kill -9` a process and wait until it has ended, so that nothing it does comes after this."""
    with followed([pid]) as wait:
        os.kill(pid, signal.SIGKILL)
        assert wait(30.0) == []


class Census:
    """Looks at a service's processes all the time, and notes who lived beside another of the same name.

    Attributes:
        twice: what was seen of two of one actor alive at once; must stay empty.
        lives: name -> every pid that was seen under it.
    """

    def __init__(self, supervisor: int, names: Iterable[str]) -> None:
        self.twice: list[str] = []
        self.lives: dict[str, set[int]] = defaultdict(set)
        self._supervisor = supervisor
        self._names = frozenset(names)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._over.wait(_SAMPLE):
            self.look()

    def look(self) -> None:
        """Take one sample."""
        named = defaultdict(list)
        for each in family(self._supervisor):
            if each.name in self._names:
                named[each.name].append(each)
                self.lives[each.name].add(each.pid)
        for name, found in named.items():
            # One may have ended before the other was looked at: both still alive now were alive at once.
            if len(found) > 1 and len([each for each in found if process(each.pid) == each]) > 1:
                self.twice.append(f"{name}: {found}")


def newborn(supervisor: int, known: set[int], ended: Callable[[], bool]) -> int:
    """Wait for a process of the service that is not among `known`; its pid, at the first sight of it."""
    while not ended():
        for each in family(supervisor):
            if each.pid not in known:
                return each.pid
    raise AssertionError("no new process came")
