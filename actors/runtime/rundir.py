"""The run and state directories: made, locked for one service at a time, and the number of this service start."""

from __future__ import annotations

import fcntl
import os
import select
import stat
import time
from collections.abc import Iterable
from pathlib import Path

from actors.runtime.context import PIPES, pipe_path
from actors.runtime.errors import StartupError

FORKS = "forks"  # the directory of the fork server's socket, in the run directory
MAX_SOCKET_PATH = 107  # bytes of sun_path that Linux takes, without the closing zero
STARTS_OF_A_CHILD = 1_000_000  # epochs between two service starts
_DYING = 300  # milliseconds that a killed supervisor may take to be gone
_LOCK_PATIENCE = 2.0  # seconds for the children of a killed supervisor to be gone; they need milliseconds


class RunDirectoryError(StartupError):
    """The run or state directory cannot be used; the text is one line that says what to do."""


class RunDirectory:
    """Holds the lock of a run directory for as long as this process, and any child it hands `lock` to, lives.

    Args:
        run_dir: made with mode 0700 if it is not there.
        state_dir: as above.

    Attributes:
        lock: the locked descriptor of the run directory. A flock belongs to the open file, not to a process, so it is
            free only when every duplicate is closed: a new supervisor waits until the last child of a killed one is
            gone.
        base_epoch: above every epoch of every earlier start with one of these directories.

    Raises:
        RunDirectoryError: another service has one of them, or a directory is open to others or cannot be written.
    """

    def __init__(self, run_dir: Path, state_dir: Path) -> None:
        for directory in (run_dir, state_dir):
            _make_private(directory)
        self.lock = _take_lock(run_dir, "run directory")
        self._held = [self.lock]
        try:
            if not state_dir.samefile(run_dir):  # two that wrote one log and one set of keys would spoil both
                self._held.append(_take_lock(state_dir, "state directory"))
            (run_dir / PIPES).mkdir(mode=0o700, exist_ok=True)
            self.base_epoch = _next_generation((run_dir, state_dir)) * STARTS_OF_A_CHILD
        except OSError as error:
            self.close()
            raise RunDirectoryError(f"cannot write {error.filename}: {error.strerror}") from error
        except RunDirectoryError:
            self.close()
            raise

    def close(self) -> None:
        """Give the directories free."""
        for lock in self._held:
            os.close(lock)


def check_pipe_paths(run_dir: Path, links: Iterable[tuple[str, str]]) -> None:
    """See that each link's socket path is one the kernel takes.

    Raises:
        RunDirectoryError: a path is longer than 107 bytes.
    """
    for sender, receiver in links:
        path = pipe_path(run_dir, sender, receiver)
        excess = len(os.fsencode(path)) - MAX_SOCKET_PATH
        if excess > 0:
            raise RunDirectoryError(
                f"run directory {run_dir} is too long by {excess} bytes for its sockets: choose a shorter one"
            )


def _make_private(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.stat()
    except OSError as error:
        raise RunDirectoryError(f"cannot make directory {directory}: {error.strerror}") from error
    if status.st_uid != os.geteuid():
        raise RunDirectoryError(f"directory {directory} belongs to user {status.st_uid}: choose another one")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        # Not changed for the user: it may be a directory that others are meant to use, such as /tmp.
        raise RunDirectoryError(f"directory {directory} is open to others (mode {mode:o}): chmod 700 it")


def _take_lock(directory: Path, what: str) -> int:
    path = directory / "lock"
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RunDirectoryError(f"cannot write {path}: {error.strerror}") from error
    give_up = time.monotonic() + _LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(lock, 20, 0).strip()
            if (owner.isdigit() and _lives(int(owner))) or time.monotonic() > give_up:
                os.close(lock)
                raise RunDirectoryError(
                    f"{what} {directory} is in use by another service (pid {owner.decode() or 'unknown'}): "
                    f"stop it, or choose another {what}"
                ) from None
            time.sleep(0.005)
        else:
            os.pwrite(lock, b"%-20d" % os.getpid(), 0)
            return lock


def _lives(pid: int) -> bool:
    """Whether `pid` runs, and goes on to: a zombie does not, nor one that was sent SIGKILL just before."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return not poll.poll(_DYING)
    finally:
        os.close(pidfd)


def _next_generation(directories: Iterable[Path]) -> int:
    """Count this start of the service, in each directory, for either may be lost: the run directory by a reboot."""
    files = [directory / "generation" for directory in directories]
    generation = 1 + max(_read_number(file) for file in files)
    for file in files:
        new = file.with_suffix(".new")
        with new.open("wb") as out:
            out.write(b"%d\n" % generation)
            out.flush()
            os.fsync(out.fileno())
        new.replace(file)
    return generation


def _read_number(file: Path) -> int:
    try:
        text = file.read_bytes().strip()
    except FileNotFoundError:
        return 0
    return int(text) if text.isdigit() else 0
