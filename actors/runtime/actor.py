"""LayerActor, what every layer is: mailbox in, machines step, one journal commit a batch, effects out.

A turn takes a batch: messages of the peers, sockets, deadlines. Each is a step of its own: an exception takes back what
that step told and changed, and quarantines the cell it was in. Then one commit holds all that the batch changed and
told and the marks of what it took; only after it anything leaves, is deferred to, or is acknowledged.
"""

from __future__ import annotations

import gc
import traceback
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import pykka
import structlog
import zmq
from pykka._threading import ThreadingFuture

from actors.runtime import poison
from actors.runtime.cells import Cells
from actors.runtime.channel import Figures, Stop, Stored, Tree
from actors.runtime.context import Context
from actors.runtime.envelope import encode_body
from actors.runtime.journal import KEY_LIMIT, Journal, JournalCorrupt
from actors.runtime.layer import Layer
from actors.runtime.ledger import Ledger
from actors.runtime.link import Deliver
from actors.runtime.machine import Event
from actors.runtime.mailbox import Batch, Mailbox, clock
from actors.runtime.pipe import Pipe
from actors.runtime.quarantine import Quarantine

EX_SOFTWARE = 70
SOFT_WINDOW = 1000  # unacknowledged envelopes above which a peer counts as busy
OVERRUN = 3000  # more, above which even what is never refused is kept from it
EXPIRIES = 256  # deadlines a turn
HOUSEKEEPING = 60.0  # seconds
YOUNG = 10_000  # allocations between collections of the youngest objects
_RESET = b"reset:"  # and a peer: kept while not all is done that the loss of what it held asks for


class ActorFailed(Exception):  # noqa: N818 - says what is, as OSError's kin do
    """The actor cannot go on: its process exits 70 and its supervisor starts another."""


class LayerActor(pykka.Actor, Layer):
    """The base of every layer's actor; what a subclass gives is described at each member of Layer.

    Args:
        context: who it is and where it lives.

    Attributes:
        cells: the cells; their values must be immutable.
        log: a structlog logger that knows the actor's name.
    """

    cells: Cells

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self.name = context.name
        self.log: structlog.stdlib.BoundLogger = structlog.get_logger(actor=context.name)
        assert isinstance(self.actor_inbox, Mailbox)
        self.mailbox = self.actor_inbox
        self.soft_window = SOFT_WINDOW
        self._in_order = False
        self._finishing = False
        self._pipes: dict[str, Pipe] = {}
        self._housekeeping_at = 0.0

    # What a layer may give more of

    def figures(self) -> Figures:
        """What this actor counts, for who watches the service: name, label, which of those it is, value."""
        pipes = self._pipes.values()
        counted = {
            "cells": len(self.cells),
            "pipe_waiting": max((pipe.waiting for pipe in pipes), default=0),
            "pipe_malformed_total": sum(pipe.malformed for pipe in pipes),
            "pipe_unsent_total": sum(pipe.unsent for pipe in pipes),
        }
        return tuple([(name, "actor", self.name, value) for name, value in counted.items()])

    def stopping(self, drain: bool, now: float) -> None:  # noqa: ARG002
        """Ordered to stop: call :meth:`finish`, with `drain` once what is under way is done."""
        self.finish()

    # What a layer uses

    def tell(self, peer: str, message: Event, *, journalled: bool = True) -> None:
        """Send `message` to `peer` after the commit of this batch, if this step does not fail.

        Args:
            peer: one of ``context.peers``.
            message: of a type that the peer accepts from us.
            journalled: False for what its origin repeats anyway: it is lost when we are killed before it has left.

        Raises:
            KeyError: there is no such peer.
            BodyTooLarge: it takes more than 4 MiB.
        """
        self._ledger.told.append((self._pipes[peer], encode_body(message), journalled))

    def defer(self, function: Callable[..., object], *args: object) -> None:
        """Call `function` after the commit of this batch, as a step of its own, if this step does not fail."""
        self._ledger.deferring.append((function, args))

    def keep(self, name: bytes, value: bytes) -> None:
        """Keep a small value in the journal beside the cells."""
        self._ledger.keeping.append((name, value))

    def kept(self, name: bytes) -> bytes | None:
        """What was kept under `name` last, by this start or an earlier one."""
        return self._ledger.kept(name)

    def busy(self, peer: str) -> bool:
        """Whether new work for `peer` should be refused at the edge: it lags, or our journal can not grow."""
        return self._pipes[peer].waiting > self.soft_window or self._journal.full

    def overrun(self, peer: str) -> bool:
        """Whether `peer` lags so far that no window was of any use: whatever its origin repeats is not for it now."""
        return self._pipes[peer].waiting > self.soft_window + OVERRUN

    def finish(self) -> None:
        """Leave the loop after this batch, with exit code 0."""
        if not self._finishing:
            self._finishing = True
            self.stop()

    # Pykka

    @staticmethod
    def _create_actor_inbox() -> Mailbox:
        return Mailbox()

    @staticmethod
    def _create_future() -> ThreadingFuture[Any]:
        return ThreadingFuture()

    def _start_actor_loop(self) -> None:
        """Run in the calling thread: the main thread of a process, or one of the embedding program's."""
        try:
            self._actor_loop()
        finally:
            self._close()
        if not self._in_order:
            raise SystemExit(EX_SOFTWARE)

    def on_start(self) -> None:
        """Open everything and serve. Pykka reports a failure here to nobody, so the channel hears of it first."""
        try:
            self._open()
            self._started()
            now = clock()
            for peer in self._pipes:
                if self._ledger.kept(_RESET + peer.encode()):
                    self._step(None, self._reset, peer, now)
            self._commit(now)
            for pipe in self._pipes.values():
                self.mailbox.add_pipe(pipe)
            if self.context.placement == "process":
                gc.collect()
                gc.freeze()
                gc.set_threshold(YOUNG, 10, 10)
            self.context.channel.ready()
        except BaseException as error:
            self._last_words(error)
            raise ActorFailed(f"{self.name} could not start") from error

    def _started(self) -> None:
        """Start. A cell that cannot be read and is in the way is out of that of the next start."""
        try:
            self.started()
        except JournalCorrupt as error:
            self._quarantine.failed(error, None, clock())
            self._ledger.commit(clock())
            raise

    def on_stop(self) -> None:
        """Commit what is left; Pykka calls this in an ordered stop only."""
        self._commit(clock())
        self._in_order = True

    def on_failure(self, _type: Any, value: BaseException | None, _traceback: Any) -> None:  # noqa: ANN401
        """Leave last words with the supervisor."""
        if value is not None:
            self._last_words(value)

    def _last_words(self, error: BaseException) -> None:
        self.context.channel.last_words("".join(traceback.format_exception(error)))

    def on_receive(self, message: Any) -> None:  # noqa: ANN401
        """Take a batch. Pykka stops all actors of the process at a BaseException, so it becomes a failure of this one.

        Raises:
            ActorFailed: too many cells were quarantined, or somebody tried to exit.
        """
        try:
            self._turn(message)
        except Exception:
            raise
        except BaseException as error:
            raise ActorFailed(f"{error!r} in {self.name}") from error
        if self._quarantine.giving_up:
            raise ActorFailed(self._quarantine.giving_up)

    # Life

    def _open(self) -> None:
        context = self.context
        folder = context.state_dir if self.durable else context.run_dir
        self._journal = Journal(folder / "journal" / f"{self.name}.mdb", epoch=context.epoch, durable=self.durable)
        self._slot = poison.Slot(context.run_dir / "poison" / self.name, context.last_death)
        self.cells = Cells(self._journal, self.cell_type)
        self._ledger = Ledger(self._journal, self.cells, self._pipes)
        self._quarantine = Quarantine(self.name, self.cells, self._ledger, self._slot, self.spoiled, self.log)
        sockets: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        now = clock()
        for peer in context.peers:
            pipe = self._pipes[peer] = Pipe.restore(
                sockets,
                self._journal,
                peer=peer,
                epoch=context.epoch,
                inward=context.address(peer, self.name),
                outward=context.address(self.name, peer),
                accepted=self.accepts[peer.partition("-")[0]],
            )
            pipe.start(now)
        mailbox = self.mailbox
        mailbox.watch(context.channel.fileno(), self._ordered)
        mailbox.deadline = self._deadline
        if type(self).next_wake is not Layer.next_wake:
            mailbox.exact = self.next_wake
        self._housekeeping_at = now + HOUSEKEEPING

    def _close(self) -> None:
        for pipe in self._pipes.values():
            pipe.close(in_order=self._in_order)
        if self._in_order and self.context.placement == "process":
            zmq.Context.instance().term()  # waits while last words linger: the end of the process would cut them off
        self.mailbox.close()
        if hasattr(self, "_slot"):  # else the start failed before it
            self._slot.close()
        if hasattr(self, "_journal"):
            self._journal.close()

    def _deadline(self) -> float:
        due = self.cells.next_deadline
        for pipe in self._pipes.values():
            due = min(due, pipe.deadline)
        return min(due, self._ledger.flush_at)

    def _ordered(self, now: float) -> bool:
        for order in self.context.channel.receive():
            if isinstance(order, Stop):
                self.stopping(order.drain, now)
            elif isinstance(order, Tree):
                self.tree_told(order, now)
            elif isinstance(order, Stored):
                self.descriptors_given(tuple([token for token, _ in order.entries]), now)
            else:
                self.reloaded(order, now)
        return False

    # A turn

    def _turn(self, batch: Batch) -> None:
        now = batch.now
        mailbox = self.mailbox
        if mailbox.exact is not None:
            due = self.next_wake()
            if due is not None and due <= now:
                self._step(None, self.wake, now)
        if batch.pipes:
            self._drain(batch.pipes, now)
        for writable in batch.writable:
            self._step(None, writable, now)
        for fd, readable in batch.readable:
            if mailbox.watches(fd, readable) and self._step(None, readable, now):
                mailbox.again(fd)
        if self.cells.next_deadline <= now:
            self._expire(now)
        self._commit(now)
        self.context.channel.beat(self.figures)
        self._housekeep(now)

    def _housekeep(self, now: float) -> None:
        if now >= self._housekeeping_at:
            self._housekeeping_at = now + HOUSEKEEPING
            self._journal.housekeep()
        if now >= self._ledger.flush_at:
            self._ledger.flush()

    def _drain(self, pipes: list[Pipe], now: float) -> None:
        """Handle what the pipes have read."""
        for pipe in pipes:
            careful = self._slot.careful
            for effect in pipe.take(now, one_by_one=careful):
                if type(effect) is Deliver:
                    self._deliver(pipe, effect, now)
                else:
                    self._step(None, self._reset, pipe.peer, now)
                    self._commit(now)  # what it says anew comes behind all that its loss costs
                if careful:
                    self._commit(now)

    def _reset(self, peer: str, now: float) -> None:
        """A peer lost all it held; where we are killed before what is deferred for that, a successor does it."""
        self.log.warning("peer_reset", peer=peer)
        self.keep(_RESET + peer.encode(), b"1")
        self.peer_reset(peer, now)
        self.defer(self._reset_done, peer)

    def _reset_done(self, peer: str) -> None:
        self.keep(_RESET + peer.encode(), b"")

    def _deliver(self, pipe: Pipe, run: Deliver, now: float) -> None:
        """The hot path: decode, step, settle each envelope of a run."""
        peer, decode, source, seq = pipe.peer, pipe.decode, pipe.source, run.seq
        handle, settle, slot = self.handle, self._ledger.settle, self._slot
        hold, suspect = slot.hold, slot.suspect
        self.mailbox.moderation.took += len(run.bodies)
        for body in run.bodies:
            hold(source, seq)
            if suspect is not None and self._quarantine.leaves_out(source, seq, now):
                seq += 1
                continue
            try:
                handle(peer, decode(body), now)
            except msgspec.DecodeError as error:
                pipe.malformed += 1
                self._quarantine.failed(error, None, now)
            except Exception as error:  # noqa: BLE001 - whatever a step raises spoils its own cell only
                self._quarantine.failed(error, None, now)
            else:
                settle()
            seq += 1

    def _expire(self, now: float) -> None:
        """Handle what is due. With a suspect one by one: a deadline that was taken is gone with the next commit."""
        slot, left = self._slot, EXPIRIES
        while left and (keys := self.cells.due(now, 1 if slot.careful else left)):
            left -= len(keys)
            for key in keys:
                self._expire_one(key, now)
        overdue = self.cells.next_deadline <= now
        if slot.suspect is not None and slot.suspect[0] == poison.EXPIRE and not overdue:
            self._quarantine.acquit()  # it was overdue when we started, so it was among these

    def _expire_one(self, key: bytes, now: float) -> None:
        slot = self._slot
        number = zlib.crc32(key) + 1
        slot.hold(poison.EXPIRE, number)
        if not slot.careful:
            self._step(key, self.expire, key, now)
        elif not self._quarantine.leaves_out(poison.EXPIRE, number, now):
            slot.note(key)
            self._step(key, self.expire, key, now)
            self._commit(now)

    def _step(self, key: bytes | None, function: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401
        """Do one step; `key` names its cell where that is known beforehand."""
        try:
            result = function(*args)
        except Exception as error:  # noqa: BLE001 - whatever a step raises spoils its own cell only
            self._quarantine.failed(error, key, clock())
            return None
        self._ledger.settle()
        return result

    def _commit(self, now: float) -> None:
        """Commit, then let everything out; again for what deferred functions changed."""
        while deferred := self._ledger.commit(now):
            self._slot.release()
            for function, args in deferred:
                self._do_deferred(function, args, now)
        self._slot.release()

    def _do_deferred(self, function: Callable[..., object], args: tuple[Any, ...], now: float) -> None:
        """One that was in hand at a death, in the start or later, is left out when it is fatal."""
        slot = self._slot
        number, key = poison.deferred(function, args)
        slot.hold(poison.DEFERRED, number)
        if slot.suspect is None:
            self._step(None, function, *args)
        elif not self._quarantine.leaves_out(poison.DEFERRED, number, now):
            suspected = slot.suspect == (poison.DEFERRED, number)
            if suspected:
                slot.note(key[:KEY_LIMIT])  # until it touches one
            self._step(None, function, *args)
            if suspected:
                self._quarantine.acquit()


def run(actor_class: type[LayerActor], context: Context) -> None:
    """Run an actor in this thread until it is stopped in order.

    Raises:
        SystemExit: 70, when it ended in any other way.
    """
    actor_class.start(context)
