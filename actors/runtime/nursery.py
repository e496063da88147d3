"""The supervisor's loop: tends children, whatever they are made of, from their start to their end."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import structlog

from actors.runtime import channel
from actors.runtime.child import Child
from actors.runtime.errors import LaunchError
from actors.runtime.prologue import EX_SOFTWARE
from actors.runtime.restart import History, Intensity, Verdict, decide
from actors.runtime.runner import Run

OVERSLEPT = 1.0  # seconds late after which the supervisor blames itself, not its children
LOOK = 1.0  # seconds between two turns at most: the children's deadlines alone are too far apart to see it oversleep

log = structlog.get_logger("supervisor")


class Nursery:
    """Tends `children` until all have stopped.

    Args:
        children: top-down.
        launch: starts one life of a child.
        intensity: how many deaths of one child are answered at once.
        on_ready: called once every child has been ready.
        on_reload: reads the configuration again: why it cannot be used, or who is to be started anew.
        on_turn: called in each turn of the loop, once a second at least, with the monotonic time.

    Attributes:
        failure: one line on why it gave up; empty if it did not.
        exit_code: 0 after an ordered stop, 1 after kill_all(), 70 when it gave up.
        stopping: whether the end has begun.
    """

    def __init__(
        self,
        children: Sequence[Child],
        launch: Callable[[Child], Run],
        intensity: Intensity,
        on_ready: Callable[[], None],
        on_reload: Callable[[], tuple[str, tuple[str, ...]]],
        on_turn: Callable[[float], None],
    ) -> None:
        self.failure = ""
        self.exit_code = 0
        self.stopping = False
        self._children = children
        self._launch = launch
        self._intensity = intensity
        self._on_ready = on_ready
        self._on_reload = on_reload
        self._on_turn = on_turn
        self._was_ready = False
        self._drain = True
        self._selector = selectors.DefaultSelector()

    def watch(self, fd: int, readable: Callable[[], None]) -> None:
        """Call `readable` in the loop while `fd` is readable."""
        self._selector.register(fd, selectors.EVENT_READ, lambda _mask: readable())

    def unwatch(self, fd: int) -> None:
        """Undo watch(), before `fd` is closed."""
        self._selector.unregister(fd)

    def tend(self) -> None:
        """Start all children, without one waiting for another (pipes need no order), and see them through."""
        for child in self._children:
            if not self.stopping:
                self._start(child)
        while any(child.state != "stopped" for child in self._children):
            self._turn()

    def close(self) -> None:
        """Leave no child behind, also after an error of ours."""
        self._selector.close()
        for child in self._children:
            run = child.run
            if run is None:
                continue
            if run.kill():
                with selectors.DefaultSelector() as selector:
                    selector.register(run.death, selectors.EVENT_READ)
                    selector.select()
            run.close()

    def stop(self, *, drain: bool) -> None:
        """Begin to stop, layer by layer from the last."""
        if self.stopping:
            return
        log.info("stopping", drain=drain)
        self.stopping = True
        self._drain = drain
        self._stop_next()

    def renew(self, names: Sequence[str]) -> None:
        """End these children and start them at once, with what they are given now. Their journals keep what is up."""
        for child in self._children:
            if child.name in names and child.run is not None and not self.stopping:
                child.renewed = True
                if not child.run.kill():  # a thread: it ends in order, and leaves its work to its successor
                    child.run.end.send(channel.Stop(drain=False))
                    self._poll_as_needed(child.run)

    def kill_all(self) -> None:
        """End at once."""
        self.stopping = True
        self.exit_code = 1
        for child in self._children:
            if child.run is None:
                child.turn("stopped", None)
                continue
            child.turn("stopping", None)
            if not child.run.kill():
                self._abandon(child)

    # The loop.

    def _turn(self) -> None:
        """Wait for the next event or deadline and handle what is there: messages first, they move deadlines."""
        began = time.monotonic()
        planned = min((child.deadline for child in self._children if child.deadline is not None), default=None)
        if planned is not None:
            planned = min(planned, began + LOOK)
        timeout = None if planned is None else max(0.0, planned - began)
        events = self._selector.select(timeout)
        now = time.monotonic()
        self._on_turn(now)
        if planned is not None and now - planned > OVERSLEPT:
            log.warning("overslept", seconds=round(now - planned, 1))
            for child in self._children:
                if child.state in {"starting", "ready"}:
                    child.deadline = now + child.patience
        known = self._selector.get_map()
        for key, mask in events:
            if known.get(key.fd) is key:  # an event of this same round may have closed it, and opened another
                key.data(mask)
        for child in self._children:
            if child.deadline is not None and child.deadline <= now:
                self._expire(child)

    def _expire(self, child: Child) -> None:
        """The deadline of the child's state is past."""
        child.deadline = None
        run = child.run
        if run is None:
            self._start(child)
            return
        killed = run.kill()
        if child.state == "stopping":
            log.warning("did not stop in time", child=child.name, killed=killed)
            if not killed:
                self._abandon(child)
            return
        log.error("hung", child=child.name, killed=killed, seconds=child.patience)
        child.turn("hung", None)
        child.killed_as = "hang" if killed else ""

    # A child's life.

    def _start(self, child: Child) -> None:
        child.epoch += 1
        child.starts += 1
        child.killed_as = child.words = ""
        child.renewed = False
        child.serving = False
        try:
            run = self._launch(child)
        except LaunchError as error:
            child.words = str(error)
            self._judge(child, f"exit:{EX_SOFTWARE}")
            return
        child.run = run
        child.turn("starting", time.monotonic() + child.startup)
        self._selector.register(run.death, selectors.EVENT_READ, partial(self._on_death, child))
        self._selector.register(run.end, selectors.EVENT_READ, partial(self._on_channel, child))
        self._poll_as_needed(run)

    def _on_death(self, child: Child, _mask: int) -> None:
        """It has ended, for certain: only here may a successor start."""
        run = child.run
        assert run is not None
        self._read(child, run)  # deposits in flight are the successor's
        child.last_death = child.killed_as or run.how_it_ended()
        stopped = child.state == "stopping"
        self._part(child, run)
        if stopped:
            child.turn("stopped", None)
            log.info("stopped", child=child.name, how=child.last_death)
            self._stop_next()
        elif child.renewed:
            log.info("renewed", child=child.name)
            child.last_death = ""
            self._start(child)
        else:
            self._judge(child, child.last_death)

    def _part(self, child: Child, run: Run) -> None:
        self._selector.unregister(run.death)
        if run.end.fileno() in self._selector.get_map():
            self._selector.unregister(run.end)
        run.close()
        child.run = None

    def _judge(self, child: Child, how: str) -> None:
        now = time.monotonic()
        decision = decide(child.restart, how, child.history, self._intensity, now)
        child.history = decision.history
        log.warning("died", child=child.name, how=how, then=decision.verdict.value, words=child.words)
        if decision.verdict is Verdict.START:
            child.turn("waiting", now + decision.delay)
            if not decision.delay:
                self._start(child)
            return
        child.turn("stopped", None)
        if decision.verdict is Verdict.GIVE_UP and not self.stopping:
            self.failure = f"{child.name} never became ready: {child.words.strip().rpartition(chr(10))[2] or how}"
            self.exit_code = EX_SOFTWARE
            self.stop(drain=False)
        elif self.stopping:
            self._stop_next()
        else:
            self._see_if_all_are_ready()

    def _abandon(self, child: Child) -> None:
        """A thread that does not stop is left to itself."""
        assert child.run is not None
        self._part(child, child.run)
        child.turn("stopped", None)
        self._stop_next()

    def _stop_next(self) -> None:
        """Order the last layer that still runs to stop, all its children at once; the others are still supervised."""
        layer = ""
        for child in reversed(self._children):
            if child.state == "stopped":
                continue
            if layer and child.layer != layer:
                return
            if child.run is None:
                child.turn("stopped", None)
                continue
            layer = child.layer
            if child.state != "stopping":
                child.turn("stopping", time.monotonic() + child.shutdown)
                child.run.end.send(channel.Stop(self._drain))
                self._poll_as_needed(child.run)

    # What a child says.

    def _on_channel(self, child: Child, mask: int) -> None:
        run = child.run
        assert run is not None
        if mask & selectors.EVENT_WRITE:
            run.end.flush()
        if mask & selectors.EVENT_READ:
            self._read(child, run)
        self._poll_as_needed(run)

    def _poll_as_needed(self, run: Run) -> None:
        """Poll for writing only while orders wait for the child to read."""
        key = self._selector.get_map().get(run.end.fileno())
        if key is None:
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if run.end.pending else 0)
        if key.events != wanted:
            self._selector.modify(run.end, wanted, key.data)

    def _read(self, child: Child, run: Run) -> None:
        try:
            messages, ended = run.end.receive()
        except msgspec.MsgspecError as error:
            child.words = f"what it said makes no sense: {error}"
            run.kill()
            return
        for message, fd in messages:
            self._take(child, run, message, fd)
        if messages:
            self._heard(child)
        if ended and run.end.fileno() in self._selector.get_map():
            self._selector.unregister(run.end)  # its death follows, or its silence is noticed

    def _heard(self, child: Child) -> None:
        """Any message is a heartbeat. A thread may come back from a hang; a process was killed for it."""
        if child.state == "hung" and not child.killed_as:
            child.turn("ready" if child.serving else "starting", None)
        if child.state in {"starting", "ready"}:
            child.deadline = time.monotonic() + child.patience

    def _take(self, child: Child, run: Run, message: channel.FromChild, fd: int | None) -> None:
        match message:
            case channel.Beat(figures):
                child.figures = figures
            case channel.Deposit(token, note):
                if fd is None:
                    log.error("no room for a descriptor", child=child.name, token=token)
                else:
                    child.store.put(token, fd, note)
            case channel.Withdraw(token):
                child.store.drop(token)
            case channel.HandOver(tokens, to):
                self._hand_over(child, tokens, to)
            case channel.Ready():
                self._on_child_ready(child)
            case channel.Hello(pid, threads, missing):
                log.debug("born", child=child.name, pid=pid, threads=threads, not_preloaded=missing)
            case channel.LastWords(text):
                child.words = text
            case _:
                self._asked(run, message)

    def _hand_over(self, child: Child, tokens: tuple[str, ...], to: str) -> None:
        """Let another child have descriptors of this one, now if it runs and at each of its starts."""
        other = next((one for one in self._children if one.name == to), None)
        if other is None:
            log.error("nobody to hand descriptors over to", child=child.name, to=to)
            return
        moved = child.store.move(tokens, other.store)
        if moved and other.run is not None:
            other.run.end.hand_over(moved)
            self._poll_as_needed(other.run)

    def _asked(self, run: Run, message: channel.FromChild) -> None:
        """It asks something of the whole service."""
        match message:
            case channel.AskTree(ref):
                run.end.send(channel.Tree(ref, tuple(one.status for one in self._children)))
            case channel.AskReload(ref):
                error, names = self._on_reload()
                own = [child.name for child in self._children if child.run is run]
                self.renew([name for name in names if name not in own])
                # Whoever hears this speaks with the new ones from now on.
                run.end.send(channel.Reloaded(ref, error, names))
                self.renew([name for name in names if name in own])
            case channel.AskStop():
                self.stop(drain=True)

    def _on_child_ready(self, child: Child) -> None:
        child.serving = True
        child.history = History(child.history.deaths, was_ready=True)
        if child.state in {"starting", "hung"} and not child.killed_as:
            child.turn("ready", time.monotonic() + child.heartbeat)
        log.info("ready", child=child.name, epoch=child.epoch)
        self._see_if_all_are_ready()

    def _see_if_all_are_ready(self) -> None:
        if not self._was_ready and all(child.history.was_ready or child.state == "stopped" for child in self._children):
            self._was_ready = True
            self._on_ready()
