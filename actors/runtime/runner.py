"""One life of one child, as a process or as a thread: how it is started, killed, and seen to have ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from multiprocessing.process import BaseProcess
from typing import Protocol

from actors.runtime.channel import Channel, Descriptor, Go
from actors.runtime.errors import LaunchError
from actors.runtime.forkserver import CONTEXT, ForkServer
from actors.runtime.prologue import Birth, call_main, run_child
from actors.runtime.supervisor_end import SupervisorEnd, channel_pair

_STATUS_PATIENCE = 0.25  # seconds for an exit status to be reported; the fork server needs under a millisecond
_STATUS_POLL = 0.001  # seconds
_UNKNOWN = 255  # what multiprocessing says when the fork server died before it could report


class Run(Protocol):
    """One life of a child.

    Attributes:
        pid: of its process.
        end: our end of its channel.
        death: a descriptor that is readable once it has ended; only then may a successor start.
    """

    pid: int
    end: SupervisorEnd
    death: int

    def kill(self) -> bool:
        """End it now, whatever state it is in; False if that cannot be done."""

    def how_it_ended(self) -> str:
        """``kill``, ``signal:11``, ``exit:70`` and so on; to be asked once `death` is readable."""

    def close(self) -> None:
        """Free what this life held here, the channel too."""


def start_process(birth: Birth, held: Mapping[str, Descriptor], lock: int, server: ForkServer) -> ProcessRun:
    """Start a process for `birth`, with a new fork server if the old one fails.

    Args:
        birth: who the child is.
        held: the descriptors it is given.
        lock: the run directory's lock, handed on with the order to go.
        server: where it is forked from.

    Raises:
        LaunchError: two fork servers in a row could not do it, or there are no descriptors left for it.
    """
    try:
        run = _try_start(birth, server)
    except LaunchError:
        run = _try_start(birth, server)
    try:
        run.end.hand_over(held)
        run.end.send(Go(), (lock,))
    except OSError as error:
        run.close()
        raise LaunchError(f"it could not be given its descriptors: {error}") from error
    return run


def start_thread(birth: Birth, held: Mapping[str, Descriptor]) -> ThreadRun:
    """Start a thread for `birth`, which is given the descriptors `held`.

    Raises:
        LaunchError: there are no descriptors left for it, or no threads.
    """
    try:
        return ThreadRun(birth, held)
    except (OSError, RuntimeError) as error:
        raise LaunchError(f"no thread could be started: {error}") from error


def _try_start(birth: Birth, server: ForkServer) -> ProcessRun:
    """Have a process forked that waits for its order to go.

    A process that was forked while this failed is nobody we know. It is harmless: it runs nothing before its order to
    go, which it never gets, and `alive` being closed kills it.
    """
    with contextlib.ExitStack() as ours:
        try:
            with contextlib.ExitStack() as its:
                end, theirs = channel_pair()
                ours.callback(end.close)
                its.callback(theirs.close)
                life, alive = CONTEXT.Pipe(duplex=False)
                ours.callback(alive.close)
                its.callback(life.close)
                process = CONTEXT.Process(target=run_child, args=(birth, theirs, life), name=birth.name, daemon=True)
                server.start(process)
            run = ProcessRun(process, end, alive)
        except OSError as error:
            raise LaunchError(f"no process could be started: {error}") from error
        ours.pop_all()
        return run


class ProcessRun:
    """A child in a process of its own."""

    def __init__(self, process: BaseProcess, end: SupervisorEnd, alive: Connection) -> None:
        self.pid = process.pid or 0
        self.end = end
        self._process = process
        self._alive = alive
        self.death = self._open_pidfd()

    def _open_pidfd(self) -> int:
        """Its pidfd, or something as readable if it is dead already.

        It is the fork server's child, which may have reaped it before we came here, and its pid may be another
        process's by now. But if the other end of the channel is still open after the pidfd was made, then it was not
        reaped before: only it holds that end (and the fork server, until just before it can reap).
        """
        try:
            pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return os.eventfd(1)
        poll = select.poll()
        poll.register(self.end, 0)
        if poll.poll(0):
            os.close(pidfd)
            return os.eventfd(1)
        return pidfd

    def kill(self) -> bool:
        """Send SIGKILL by pidfd, which cannot meet another process."""
        with contextlib.suppress(OSError):  # it has ended
            signal.pidfd_send_signal(self.death, signal.SIGKILL)
        return True

    def how_it_ended(self) -> str:
        """How it ended; ``kill`` when nobody can tell any more."""
        code = self._exit_code()
        if code is None or code == -signal.SIGKILL:
            return "kill"
        return f"signal:{-code}" if code < 0 else f"exit:{code}"

    def _exit_code(self) -> int | None:
        """Its exit code as multiprocessing has it.

        The fork server reports it, unless it is dead: then the child is ours, and the kernel reports it. In between,
        while the fork server is on its way out, neither does; and one that is stopped reports nothing for ever.
        """
        give_up = time.monotonic() + _STATUS_PATIENCE
        while (code := self._reap()) is None and time.monotonic() < give_up:
            wait_for([self._process.sentinel], _STATUS_PATIENCE)
            code = self._process.exitcode
            if code is not None and code != _UNKNOWN:
                return code
            time.sleep(_STATUS_POLL)
        return code

    def _reap(self) -> int | None:
        """Its exit status from the kernel, if it became our own child because the fork server had died before."""
        try:
            result = os.waitid(os.P_PIDFD, self.death, os.WEXITED | os.WNOHANG)
        except OSError:  # it is the fork server's child, or was reaped by it
            return None
        if result is None:
            return None
        return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status

    def close(self) -> None:
        """Free it all; called once it has ended."""
        self.end.close()
        self._alive.close()
        os.close(self.death)
        if self._process.exitcode is not None:  # else the fork server is stopped, and the process not yet reaped
            self._process.close()


class ThreadRun:
    """A child as a thread of this program, with the same channel. It cannot be killed."""

    def __init__(self, birth: Birth, held: Mapping[str, Descriptor]) -> None:
        self.pid = os.getpid()
        self.end, theirs = channel_pair()
        self.death = os.eventfd(0)
        self._how = "exit:70"
        self._thread = threading.Thread(target=self._run, args=(birth, theirs), name=birth.name, daemon=True)
        self._thread.start()
        self.end.hand_over(held)
        self.end.send(Go())

    def _run(self, birth: Birth, theirs: socket.socket) -> None:
        channel = Channel(theirs, interval=birth.interval)
        try:
            channel.await_go()
            call_main(birth, channel, "thread")
            self._how = "exit:0"
        except SystemExit as error:
            self._how = f"exit:{error.code if isinstance(error.code, int) else int(error.code is not None)}"
        finally:
            channel.close()
            os.eventfd_write(self.death, 1)

    def kill(self) -> bool:
        """Python cannot end a thread."""
        return False

    def how_it_ended(self) -> str:
        """How its main function was left."""
        self._thread.join()
        return self._how

    def close(self) -> None:
        """Free it all; of a thread that still runs, only the channel, which it reads as an order to stop."""
        self.end.close()
        if not self._thread.is_alive():
            os.close(self.death)
