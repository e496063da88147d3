"""What a child does between its birth and its actor: bind its life to the supervisor's, say hello, wait for go."""

from __future__ import annotations

import faulthandler
import fcntl
import importlib
import multiprocessing.forkserver
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from actors.runtime.channel import Channel
from actors.runtime.context import Context
from actors.runtime.logs import PLAIN, Logs, configure_logs

EX_SOFTWARE = 70  # an actor failed
EX_CONFIG = 78  # the process was not born as it must be
LAST_PRELOADED = "actors.runtime.preloaded"  # by name: to import it is to act
_IMPORTED_BY = os.getpid()


class Birth(NamedTuple):
    """What a child is started with; plain values, since it is pickled on its way to a process.

    Attributes:
        start: ``module:function`` of the actor's main.
        preload: the modules that must have been imported before this process was forked.
        interval: seconds between heartbeats.
        logs: what it writes.
    The others are those of Context.
    """

    name: str
    epoch: int
    run_dir: Path
    state_dir: Path
    settings: Any
    peers: tuple[str, ...]
    last_death: str
    start: str
    preload: tuple[str, ...]
    interval: float
    logs: Logs = PLAIN


def run_child(birth: Birth, end: socket.socket, life: Connection) -> None:
    """Be the child `birth` describes: a process forked from the fork server, from its first line to its end.

    Args:
        birth: who it is.
        end: its end of the channel.
        life: the reading end of a pipe that only the supervisor can write.
    """
    # A fork copies one thread only, so it is the fork server that must have had no other.
    threads = max(len(list(Path("/proc/self/task").iterdir())), getattr(sys.modules.get(LAST_PRELOADED), "THREADS", 1))
    missing = _not_preloaded(birth.preload)
    _die_with_supervisor(life)
    _leave_fork_server()
    _ignore_signals()
    os.umask(0o077)
    configure_logs(birth.logs)
    Path("/proc/self/comm").write_text(birth.name[:15], encoding="utf-8")  # what ps and top show
    channel = Channel(end, interval=birth.interval)
    channel.hello(threads, missing)
    if missing or threads != 1:
        channel.last_words(
            f"not preloaded: {', '.join(map(_why, missing)) or 'none'}; threads in the fork server: {threads}. Modules "
            "must be importable with the supervisor's sys.path, and must not start threads when they are"
        )
        sys.exit(EX_CONFIG)
    channel.await_go()  # the run directory's lock comes with it and stays open: while we live it is not free
    call_main(birth, channel, "process")


def call_main(birth: Birth, channel: Channel, placement: str) -> None:
    """Run the actor; an exception that leaves it is told to the supervisor.

    Raises:
        SystemExit: with the actor's own code, or 70 when an exception left it.
    """
    try:
        main = resolve(birth.start)
        main(
            Context(
                name=birth.name,
                epoch=birth.epoch,
                run_dir=birth.run_dir,
                state_dir=birth.state_dir,
                settings=birth.settings,
                peers=birth.peers,
                channel=channel,
                placement=placement,
                last_death=birth.last_death,
            )
        )
    except SystemExit:
        raise
    except BaseException as error:
        channel.last_words("".join(traceback.format_exception(error)))
        raise SystemExit(EX_SOFTWARE) from error


def resolve(start: str) -> Callable[[Context], None]:
    """The function that ``module:function`` names.

    Raises:
        ImportError: there is no such module.
        AttributeError: it has no such function.
    """
    module, _, path = start.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return found  # type: ignore[no-any-return]


def _not_preloaded(wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The fork server swallows a failing import: see what it left out, this very module included."""
    missing = [name for name in wanted if name not in sys.modules]
    if os.getpid() == _IMPORTED_BY:
        missing.append(__name__)
    return tuple(missing)


def _why(module: str) -> str:
    """A module that is missing and what importing it raises: this process ends anyway, so it may be tried here."""
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - whatever an import raises is the reason
        return f"{module} ({type(error).__name__}: {error})"
    return module


def _die_with_supervisor(life: Connection) -> None:
    """Have the kernel kill this process when the supervisor is gone, whatever it does then.

    PR_SET_PDEATHSIG would speak of the fork server, which this process has to survive. The supervisor holds the only
    writing end of `life` and never writes; so the one event there ever is on it is that end being closed, and for that
    event the kernel is asked to send SIGKILL in place of SIGIO: it needs no thread, no loop that turns, and ends a
    stopped process too.
    """
    fd = life.fileno()
    fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(fd, 0)
    if poll.poll(0):  # it went before we asked
        os._exit(EX_SOFTWARE)


def _leave_fork_server() -> None:
    """Close the inherited end of the pipe that keeps the fork server alive; only the supervisor is to hold it."""
    server: Any = multiprocessing.forkserver._forkserver  # noqa: SLF001
    os.close(server._forkserver_alive_fd)  # noqa: SLF001
    server._forkserver_alive_fd = None  # noqa: SLF001


def _ignore_signals() -> None:
    """Orders come by the channel: what a terminal or service manager sends to the whole group is the supervisor's."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    faulthandler.enable()
