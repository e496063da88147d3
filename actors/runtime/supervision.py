"""The supervisor: takes the run directory, opens sockets, runs a tree of children, and stops them in order."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from actors.runtime.channel import ChildStatus
from actors.runtime.child import Child
from actors.runtime.context import Context
from actors.runtime.descriptors import SocketSpec, Store, by_address, descriptor_limit, open_sockets
from actors.runtime.errors import LaunchError, StartupError
from actors.runtime.forkserver import ForkServer
from actors.runtime.logs import PLAIN, Logs
from actors.runtime.nursery import Nursery
from actors.runtime.prctl import be_subreaper, is_subreaper
from actors.runtime.prologue import Birth
from actors.runtime.restart import Intensity, Restart
from actors.runtime.rundir import FORKS, RunDirectory, check_pipe_paths
from actors.runtime.runner import Run, start_process, start_thread
from actors.runtime.signals import Signals
from actors.runtime.systemd import Systemd

log = structlog.get_logger("supervisor")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """One line of the tree: what runs, and how it is restarted and stopped.

    Attributes:
        name: the actor's name; what stands before the dash is its layer, whose children are stopped together.
        start: a module-level function ``main(context)``, or its name as ``module:function``.
        restart: when it is started again.
        shutdown: seconds it is given to end once ordered to.
        heartbeat: seconds of silence after which it counts as hung.
        startup: as heartbeat, until it is ready.
        settings: picklable; the context's settings.
        peers: the names of the actors it has links with.
        sockets: what is opened for it before any child starts.
        logs: what it writes, in a process of its own.
    """

    name: str
    start: str | Callable[[Context], None]
    restart: Restart = Restart.PERMANENT
    shutdown: float = 5.0
    heartbeat: float = 5.0
    startup: float = 30.0
    settings: Any = None
    peers: tuple[str, ...] = ()
    sockets: tuple[SocketSpec, ...] = ()
    logs: Logs = PLAIN

    @property
    def entry(self) -> str:
        """`start` as ``module:function``.

        Raises:
            ValueError: it is not a function that another process could import.
        """
        entry = self.start if isinstance(self.start, str) else f"{self.start.__module__}:{self.start.__qualname__}"
        if entry.startswith("__main__:") or "<" in entry or ":" not in entry:
            raise ValueError(f"{self.name}: start={entry!r} is not a function of an importable module")
        return entry

    def child(self) -> Child:
        """It, before its first start."""
        return Child(self.name, Restart(self.restart), self.shutdown, self.heartbeat, self.startup)


class Supervisor:
    """Runs a tree of children.

    Args:
        specs: top-down: they are started in this order, without waiting for each other, and stopped in reverse.
        run_dir: for sockets and journals of this boot, best in tmpfs; locked for one service.
        state_dir: for what outlives a reboot.
        placement: ``process``, or ``thread`` for the same children as threads of this program.
        intensity: how many deaths of one child are answered at once.
        on_ready: called in the supervisor's thread once every child is ready for the first time.
        reread: gives the specs anew, for a reload: those whose settings or sockets differ are started again with them.
            It raises StartupError where they cannot be had. SIGHUP asks for it too, where stdin is no terminal.
        systemd: the service manager, where there is one.
        sockets: bound by the caller, who keeps its own ends; each serves as the listener or RTP port of its address.

    Attributes:
        addresses: the token of each listener and RTP port, and the address it really has.
        failure: one line on why the service gave up; empty if it did not.
        descriptor_limit: how many descriptors a process may hold.

    Raises:
        ValueError: two children have one name, or a start is not importable.
    """

    def __init__(
        self,
        specs: Iterable[ChildSpec],
        run_dir: Path,
        state_dir: Path,
        placement: str = "process",
        *,
        intensity: Intensity = Intensity(),  # noqa: B008 - immutable
        on_ready: Callable[[Supervisor], None] | None = None,
        reread: Callable[[], Iterable[ChildSpec]] | None = None,
        systemd: Systemd | None = None,
        sockets: Iterable[socket.socket] = (),
    ) -> None:
        self.addresses: dict[str, str] = {}
        self.failure = ""
        self.descriptor_limit = 0
        specs = tuple(specs)
        self._specs = {spec.name: spec for spec in specs}
        if len(self._specs) < len(specs):
            raise ValueError("two children have the same name")
        self._entries = {spec.name: spec.entry for spec in specs}
        self._children = [spec.child() for spec in specs]
        self._run_dir = run_dir.absolute()
        self._state_dir = state_dir.absolute()
        self._processes = placement == "process"
        self._intensity = intensity
        self._on_ready = on_ready
        self._reread = reread
        self._systemd = systemd or Systemd({})
        self._given = tuple(sockets)
        self._reaped_before = False
        self._server: ForkServer | None = None
        self._watched = (0, -1)  # the fork server whose death we poll: its pid, our duplicate of its pidfd
        self._settled = threading.Event()  # ready, or ended
        self._thread: threading.Thread | None = None
        self._signals = Signals()
        self._requests: list[bool] = []
        self._wake_lock = threading.Lock()
        self._wake = (-1, -1)
        self._exit_code = 0

    def run(self) -> int:
        """Run in this thread, the main one, until the service has ended.

        SIGTERM and SIGINT drain it; a second one ends it at once.

        Returns:
            The exit code: 0 after an ordered stop, 1 after a second signal, 70 when it gave up (see `failure`).

        Raises:
            StartupError: it cannot start: a bind error, a second service in the run directory, and the like.
        """
        self._open()
        with self._signals.counted(self._wake[1]):
            self._tend()
        return self._exit_code

    def start(self) -> None:
        """Run in a thread of its own; returns once every child is ready.

        Raises:
            StartupError: it cannot start, or it ended before it was ready.
        """
        self._open()
        self._thread = threading.Thread(target=self._tend, name="supervisor", daemon=True)
        self._thread.start()
        try:
            self._settled.wait()
        except BaseException:  # nobody waits any more: nobody would stop it either
            self.stop(drain=False)
            raise
        if self.failure:
            self.stop()
            raise StartupError(self.failure)

    def stop(self, *, drain: bool = True) -> int:
        """End what start() began; returns the exit code once every child has ended."""
        self.request_stop(drain=drain)
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        return self._exit_code

    def request_stop(self, *, drain: bool = True) -> None:
        """Have the running service stop in order, from any thread, without waiting for it."""
        with self._wake_lock:
            if self._wake[1] >= 0:
                self._requests.append(drain)
                os.write(self._wake[1], b"\0")

    def children(self) -> tuple[ChildStatus, ...]:
        """The state of each child, in the order of the specs; from any thread."""
        return tuple(child.status for child in self._children)

    # The beginning.

    def _open(self) -> None:
        """Take the run directory, launch the fork server, open the sockets."""
        if self._processes:
            links = [(spec.name, peer) for spec in self._specs.values() for peer in spec.peers]
            check_pipe_paths(self._run_dir, [*links, *((peer, name) for name, peer in links)])
        self._directory = RunDirectory(self._run_dir, self._state_dir)
        try:
            self.descriptor_limit = descriptor_limit(raise_it=self._processes)
            if self._processes:
                self._reaped_before = is_subreaper()  # the embedding program's affair, and again when we are done
                be_subreaper(on=True)
                modules = dict.fromkeys(entry.partition(":")[0] for entry in self._entries.values())
                self._server = ForkServer(tuple(modules), self._run_dir / FORKS)
                self._server.launch()  # it imports while we open sockets
            kept = self._systemd.take() | by_address([sock.dup() for sock in self._given])
            for child in self._children:
                child.epoch = self._directory.base_epoch
                open_sockets(child.store, self._specs[child.name].sockets, log.warning, kept)
                self.addresses |= {token: held.note.decode() for token, held in child.store.held.items()}
            for sock in kept.values():  # of listeners that are asked for no more
                sock.close()
        except BaseException:
            self._free()
            raise
        self._deposit()
        self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._nursery = Nursery(
            self._children, self._launch, self._intensity, self._on_all_ready, self._reload, self._systemd.alive
        )

    def _free(self) -> None:
        """Give back what stays over all restarts."""
        for child in self._children:
            child.store.close()
        if self._server is not None:
            self._server.close()
        if self._processes:
            be_subreaper(on=self._reaped_before)
        self._directory.close()

    def _launch(self, child: Child) -> Run:
        spec = self._specs[child.name]
        birth = Birth(
            name=spec.name,
            epoch=child.epoch,
            run_dir=self._run_dir,
            state_dir=self._state_dir,
            settings=spec.settings,
            peers=spec.peers,
            last_death=child.last_death,
            start=self._entries[spec.name],
            preload=self._server.preload if self._server else (),
            interval=min(1.0, spec.heartbeat / 4),
            logs=spec.logs,
        )
        if self._server is None:
            return start_thread(birth, child.store.held)
        try:
            return start_process(birth, child.store.held, self._directory.lock, self._server)
        finally:
            self._watch_fork_server(self._server)

    def _deposit(self) -> None:
        """Have systemd keep every listener and RTP port, so that our own restart loses none."""
        specified = {spec.token for each in self._specs.values() for spec in each.sockets}
        self._systemd.keep(
            held.fd
            for child in self._children
            for token, held in child.store.held.items()
            if token in specified or token.startswith("rtp:")
        )

    def _on_all_ready(self) -> None:
        self._systemd.ready(f"{len(self.addresses)} sockets")
        if self._on_ready is not None:
            self._on_ready(self)
        self._settled.set()

    # The time between.

    def _tend(self) -> None:
        nursery = self._nursery
        nursery.watch(self._wake[0], self._on_wake)
        if self._server is not None:
            self._watch_fork_server(self._server)
        try:
            nursery.tend()
        finally:
            nursery.close()
            self.failure, self._exit_code = nursery.failure, nursery.exit_code
            if not self._settled.is_set():
                self.failure = self.failure or "the service ended before it was ready"
            with self._wake_lock:
                for fd in (*self._wake, self._watched[1]):
                    if fd >= 0:
                        os.close(fd)
                self._wake = (-1, -1)
            self._free()
            self._settled.set()

    def _reload(self) -> tuple[str, tuple[str, ...]]:
        """Take the specs anew: why they cannot be used, or which children differ. Nothing is changed on an error."""
        if self._reread is None or self._nursery.stopping:
            return "this service has nothing to read again", ()
        try:
            specs = {spec.name: spec for spec in self._reread()}
            return "", self._take_specs(specs)
        except StartupError as error:
            return str(error), ()

    def _take_specs(self, specs: dict[str, ChildSpec]) -> tuple[str, ...]:
        def shape(each: dict[str, ChildSpec]) -> list[object]:
            return [(spec.name, spec.entry, spec.peers) for spec in each.values()]

        if shape(specs) != shape(self._specs):
            raise StartupError("other processes than before: that takes a restart of the service")
        changed = {name: spec for name, spec in specs.items() if spec != self._specs[name]}
        opened: dict[str, Store] = {name: Store() for name in changed}
        try:
            for name, spec in changed.items():
                old = set(self._specs[name].sockets)
                open_sockets(opened[name], [each for each in spec.sockets if each not in old], log.warning)
        except BaseException:
            for store in opened.values():
                store.close()
            raise
        for child in self._children:
            if child.name in changed:
                spec = changed[child.name]
                self._exchange(child, self._specs[child.name].sockets, spec.sockets, opened[child.name])
                child.restart = Restart(spec.restart)
                child.shutdown, child.heartbeat, child.startup = spec.shutdown, spec.heartbeat, spec.startup
        self._specs = specs
        self._deposit()
        return tuple(changed)

    def _exchange(self, child: Child, old: tuple[SocketSpec, ...], new: tuple[SocketSpec, ...], opened: Store) -> None:
        """Let go of the sockets that are no longer asked for, hold those that were opened."""
        for spec in set(old) - set(new):
            for token in (spec.token, f"rtp:{spec.port + 1}") if spec.kind == "rtp" else (spec.token,):
                child.store.drop(token)
                self.addresses.pop(token, None)
        for token, held in opened.held.items():
            child.store.put(token, held.fd, held.note)
            self.addresses[token] = held.note.decode()

    def _on_wake(self) -> None:
        os.read(self._wake[0], 4096)
        while self._requests:
            self._nursery.stop(drain=self._requests.pop(0))
        if self._signals.reloads:
            self._signals.reloads = 0
            self._systemd.reloading()
            error, names = self._reload()
            log.info("reloaded", children=names, error=error)
            self._nursery.renew(names)
            self._systemd.ready(error or "reloaded")
        if self._signals.stops:
            self._systemd.stopping()
            self._nursery.stop(drain=True)
        if self._signals.stops > 1:
            self._nursery.kill_all()

    def _watch_fork_server(self, server: ForkServer) -> None:
        """Poll for the death of the present fork server: its children live on, but the next start needs one."""
        pid, fd = self._watched
        if server.pid == pid:
            return
        if fd >= 0:
            self._nursery.unwatch(fd)
            os.close(fd)
        self._watched = (0, -1)
        if server.pid:
            try:
                fd = os.dup(server.death)
            except OSError as error:  # the next start tries again, and sees by itself if it is gone
                log.warning("the fork server is not watched", error=str(error))
                return
            self._watched = (server.pid, fd)
            self._nursery.watch(fd, self._on_fork_server_death)

    def _on_fork_server_death(self) -> None:
        assert self._server is not None
        log.warning("the fork server died", pid=self._watched[0])
        try:
            self._server.relaunch(eagerly=not self._nursery.stopping)
        except LaunchError as error:  # the next start tries again
            log.warning("there is no fork server", error=str(error))
        self._watch_fork_server(self._server)
