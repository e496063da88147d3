"""The process that children are forked from: multiprocessing's fork server, preloaded, watched and made anew."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.forkserver
import os
import select
import signal
import sys
import threading
import time
import types
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from actors.runtime.errors import LaunchError
from actors.runtime.prologue import LAST_PRELOADED, run_child
from actors.runtime.rundir import MAX_SOCKET_PATH

CONTEXT = multiprocessing.get_context("forkserver")
_LIBRARIES = ("zmq", "msgspec", "lmdb", "numpy", "structlog", "pykka")
_RELAUNCH_INTERVAL = 1.0  # seconds between two launches that nobody asked for
_LISTENER = len("/listener-12345678")
_QUICK = 2.0  # seconds for a start by a fork server that has done one: it takes 10 ms, unless it was stopped


_turns = threading.RLock()  # what a launch sets for a moment (environment, __main__) is the whole program's
_sharing: list[ForkServer] = []  # those of this program that may yet start a child
_loaded: tuple[int, frozenset[str]] = (0, frozenset())  # the pid of the fork server that we launched, what it preloads


class ForkServer:
    """Starts processes. There is one fork server in a program, whoever asks for it, and the last one ends it.

    Each is used by one thread; several of a program take turns.

    Args:
        modules: what to preload besides the libraries all actors use. None of them may start a thread, open LMDB or
            load a sound driver when it is imported.
        folder: where its socket is, which a killed program leaves behind and the next one with this folder takes away.
        patience: seconds for the first start by a fork server, which waits for all imports; later ones get two.
    """

    def __init__(self, modules: tuple[str, ...], folder: Path, patience: float = 20.0) -> None:
        self._patience = patience
        self._proven = 0  # the pid of the fork server that has started a child already
        self.preload = (*_LIBRARIES, run_child.__module__, *modules, LAST_PRELOADED)
        self._folder = folder
        # That of one that we share with others of this program may be here, too.
        server: Any = multiprocessing.forkserver._forkserver  # noqa: SLF001
        self._sweep(but=server._forkserver_address)  # noqa: SLF001
        self.pid = 0
        self.death = -1  # its pidfd: readable once it has ended; -1 while there is none
        self._launched = 0.0

    def launch(self) -> None:
        """See that it runs. It imports in the background: the first start waits until it is done.

        Raises:
            LaunchError: the kernel has no process or no descriptors for it.
        """
        try:
            with _turns, _launch_conditions(self._folder):
                self._launch()
        except OSError as error:
            raise LaunchError(f"no fork server could be started: {error}") from error

    def _launch(self) -> None:
        """Make one that preloads what all who share it need, where there is none that does."""
        global _loaded  # noqa: PLW0603 - as the fork server itself, it is one a program
        if self not in _sharing:
            _sharing.append(self)
        self._follow()
        if self.pid and (self.pid != _loaded[0] or not _loaded[1].issuperset(self.preload)):
            self._kill()  # by another's modules: the next one has those of both
        modules = dict.fromkeys(module for each in _sharing for module in each.preload if module != LAST_PRELOADED)
        CONTEXT.set_forkserver_preload([*modules, LAST_PRELOADED])
        multiprocessing.forkserver.ensure_running()
        before = self.pid
        self._follow()
        if self.pid != before or self.pid != _loaded[0]:
            _loaded = (self.pid, frozenset((*modules, LAST_PRELOADED)))

    def relaunch(self, *, eagerly: bool) -> None:
        """It has died: `eagerly` make a new one before it is needed, but not one that dies as soon as it is made.

        Raises:
            LaunchError: as for :meth:`launch`.
        """
        self._forget()
        if eagerly and time.monotonic() - self._launched > _RELAUNCH_INTERVAL:
            self.launch()

    def start(self, process: BaseProcess) -> None:
        """Start `process`.

        Raises:
            LaunchError: the fork server died on the way or did not answer. Whoever calls must close what ties
                the process to life, as it may have been forked all the same; a second try has a new fork server.
        """
        self.launch()
        patience = min(self._patience, _QUICK) if self.pid == self._proven else self._patience
        watchdog = threading.Timer(patience, self._kill)  # it may be stopped, and start() would wait for ever
        watchdog.start()
        try:
            with _turns, _launch_conditions(self._folder):
                self._launch()  # another may have ended it, or made it anew, meanwhile
                process.start()
        except (OSError, EOFError) as error:
            self._follow()
            self._kill()
            raise LaunchError(f"the fork server failed: {error!r}") from error
        finally:
            watchdog.cancel()
            self._follow()  # it may have been made anew on the way
        self._proven = self.pid

    def close(self) -> None:
        """End it, unless another service of this program needs it and its socket stays."""
        if self in _sharing:
            _sharing.remove(self)
        address: str = multiprocessing.forkserver._forkserver._forkserver_address or ""  # type: ignore[attr-defined]  # noqa: SLF001
        stays = bool(_sharing) and Path(address).parent != self._folder
        if not stays:
            self._kill()
        self._forget()
        self._sweep(but=address if stays else None)

    def _sweep(self, but: str | None = None) -> None:
        """Take away sockets at which nobody listens."""
        for path in self._folder.glob("listener-*"):
            if str(path) != but:
                path.unlink(missing_ok=True)

    def _follow(self) -> None:
        # The pid is kept in a private attribute; a test of ours holds multiprocessing to it.
        server: Any = multiprocessing.forkserver._forkserver  # noqa: SLF001
        pid: int | None = server._forkserver_pid  # noqa: SLF001
        if pid is not None and (pid != self.pid or self.death < 0):
            self._forget()
            # We are its parent and only the next launch reaps it, so the pid cannot be another process's.
            self.pid, self.death = pid, os.pidfd_open(pid)
            self._launched = time.monotonic()

    def _forget(self) -> None:
        if self.death >= 0:
            os.close(self.death)
            self.death, self.pid = -1, 0

    def _kill(self) -> None:
        """End it and wait until it has ended, so that the next launch sees that it is gone."""
        if self.death < 0:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.death, signal.SIGKILL)
        poll = select.poll()
        poll.register(self.death, select.POLLIN)
        poll.poll(1000)


@contextlib.contextmanager
def _launch_conditions(folder: Path) -> Iterator[None]:
    """What must hold while multiprocessing makes a fork server or a child.

    - Its temporary directory is `folder`, where a socket's path has room for it: one of its own would stay.

    - PYTHONPATH holds our sys.path and the package's root: the fork server's own sys.path is not ours, and it is silent
      about a module it does not find.
    - OpenBLAS makes no threads when numpy is imported: a process with threads must not be forked.
    - ``__main__`` is empty: its file would be run again in each child, and in the fork server.
    """
    root = str(Path(__file__).resolve().parents[2])
    paths = dict.fromkeys([root, *(str(Path(entry).resolve()) for entry in sys.path)])
    wanted = {"PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"}
    kept = {name: os.environ.get(name) for name in wanted}
    # As multiprocessing.util.get_temp_dir has it; a test of ours holds multiprocessing to it.
    config: dict[str, Any] = multiprocessing.current_process()._config  # type: ignore[attr-defined]  # noqa: SLF001
    before = config.get("tempdir")
    if len(os.fsencode(folder)) + _LISTENER <= MAX_SOCKET_PATH:
        folder.mkdir(mode=0o700, exist_ok=True)
        config["tempdir"] = str(folder)
    main = sys.modules["__main__"]
    os.environ.update(wanted)
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        config["tempdir"] = before
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
