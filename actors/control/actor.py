"""The control actor: commands from other processes to the dialog shards, events from those into the log and out."""

from __future__ import annotations

import logging
import secrets
import time
from contextlib import ExitStack
from functools import partial
from typing import Any, ClassVar

import actors.dialog.events as dialog
from actors.control import lines
from actors.control.cells import CALL, CLAIM, TIMER, Claimed, Live, Tick, call_key
from actors.control.chronicle import SAVE_RETRY, Chronicle, Logged
from actors.control.claims import Claims
from actors.control.desk import Desk
from actors.control.front import Front
from actors.control.idempotency import Pending, Reply, Settled
from actors.control.keys import Keys
from actors.control.log import EventLog, head_of
from actors.control.rights import Rights
from actors.control.sockets import CommandDoors, Feed
from actors.control.store import Store
from actors.control.subscriptions import Subscriptions
from actors.dialog import call_events
from actors.runtime.actor import run
from actors.runtime.audit import Audit
from actors.runtime.context import Context
from actors.runtime.doors import AGAIN
from actors.runtime.journal import JournalCorrupt
from actors.runtime.machine import Event
from actors.runtime.mailbox import clock
from actors.runtime.slots import Slots

LAST_WORDS = 1.0  # seconds in which what the dialogs said last may still be on its way


class ServiceStarted(Event, frozen=True):
    """Control's own event: nothing was kept from before."""

    time: float


class ControlActor(Front):
    """The API's end in the service: commands go over the desk; what the shards tell is logged once and read by many."""

    accepts: ClassVar = {"dialog": dialog.ToControl}
    cell_type: ClassVar = Pending | Settled | Logged | Live | Claimed | Tick

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._tick_at: float | None = None
        self._held = ExitStack()
        self._leave_by: float | None = None  # we stop, and wait for the ends of calls
        self._tells_all = self.log.is_enabled_for(logging.DEBUG)

    # Life

    def started(self) -> None:
        """Restore what was kept, then bind the socket."""
        try:
            self._open_all()
        except BaseException:
            self._held.close()
            raise

    def _open_all(self) -> None:
        context = self.context
        self._store = Store(context.state_dir / "journal" / f"{self.name}-log.mdb", context.epoch)
        self._held.callback(self._store.close)
        log = EventLog(context.settings.max_events)
        self._chronicle = Chronicle(log, self.cells, self._store, self.log.warning)
        self._subscriptions = Subscriptions(log, self._store.log_id)
        self.claims = Claims(self.cells, context.settings.unclaimed_after, self._owner, context.settings.worker_routes)
        self._desk = Desk(
            self,
            self._shards,
            Slots(len(self._shards)).shard,
            partial(secrets.token_hex, 12),
            context.settings.ring_timeout,
        )
        self._restore()
        settings = context.settings
        self._keys = Keys(context.state_dir / "keys")
        self._audit = Audit(context.state_dir / "audit.log")
        self._rights = Rights(settings.folders, lambda name: len(self._calls_by.get(name, ())))
        self._socket = CommandDoors(context.run_dir, settings.listen, self._keys, clock)
        self._held.callback(self._socket.close)
        self._feed = Feed(context.run_dir)
        self._held.callback(self._feed.close)
        self.mailbox.watch(self._feed.fileno(), self._listeners_changed)
        self.mailbox.again(self._feed.fileno())
        self._fd = self._socket.filenos()[0]
        self.mailbox.watch(self._fd, self._readable)
        self._watch_remote(clock())
        if self._socket.missing:
            self.log.warning("nobody is served on other machines yet", error=self._socket.missing)
        self.mailbox.again(self._fd)

    def _watch_remote(self, now: float) -> None:
        """Serve the door for other machines, or try again to open it."""
        remote = self._socket.remote
        if remote is not None:
            self.log.info("listening", address=remote.address)
            self.mailbox.watch(remote.fileno(), self._readable)
            self.mailbox.again(remote.fileno())
            for fd in remote.filenos_of_comers():
                self.mailbox.watch(fd, self._asked_in)
        elif self._socket.missing:
            self._arm(now + AGAIN)

    def _restore(self) -> None:
        now = clock()
        log_id = self._store.log_id.encode()
        same_run = self.kept(b"log") == log_id
        stored = self._store.load()
        self._chronicle.restore(stored.events, stored.reserved, self._believed, now, same_run=same_run)
        self.claims.restore()
        for key in self.cells.keys():  # noqa: SIM118 - not a dict
            if key[:1] == CALL and (live := self._believed(key)) is not None and live.by:
                self._calls_by.setdefault(live.by, set()).add(live.call)
        self._desk.restore(None if same_run else stored.commands, now)
        if not same_run:
            self.keep(b"log", log_id)
            self._record(ServiceStarted(time.time()), now)
        self._arm(now)

    def _owner(self, call: str) -> str | None:
        live = self.cells.get(call_key(call))
        return None if live is None else str(live.owner)

    def _believed(self, key: bytes) -> Any:  # noqa: ANN401
        try:
            return self.cells.get(key)
        except JournalCorrupt:
            return None

    def _arm(self, at: float) -> None:
        """Have :meth:`expire` called for the timer's cell at `at`, or earlier. A step of its own, so never undone."""
        if self._tick_at is None or at < self._tick_at:
            self.cells.put(TIMER, Tick(), at)
            self._tick_at = at

    def _tick(self, now: float) -> None:
        """Save the log when it is time; tell those whose question took too long."""
        self._tick_at = None
        if self._chronicle.save_at is not None and self._chronicle.save_at <= now:
            self._chronicle.save(now)
        for asker in self._questions.expire(now):
            self.refuse(asker, "timeout", "not every part of the service answered in time")
        if self.claims.watched:
            self._carry_out(self.claims.probe(self._reaches, now, time.time()), now)
        for at in (self._chronicle.save_at, self._questions.next_deadline):
            if at is not None:
                self._arm(at)
        if self._socket.missing:
            self._socket.open_remote()
            self._watch_remote(now)
        self._socket.forget_all_but({key[0] for key in self._subscriptions.keys()})  # noqa: SIM118 - not a dict
        self._leave_in_time(now)

    def spoiled(self, key: bytes, cell: Any, error: BaseException, now: float) -> None:  # noqa: ANN401, ARG002
        """A step raised. The timer goes on; what else was lost, its client repeats."""
        if key == TIMER:
            self._tick_at = None
            self._arm(now + SAVE_RETRY)

    def stopping(self, drain: bool, now: float) -> None:
        """Tell every client that this is the end, and go, once the end of each call is known.

        The dialogs have ended their calls and themselves by now, but our pipes may not have read their last words yet.
        """
        self._refuses = True
        for asker in [*self._desk.close(), *self._questions.close()]:
            self.refuse(asker, "stopping", "the service is stopping")
        self._leave_by = now + LAST_WORDS if drain else now
        self._leave_in_time(now)

    def _leave_in_time(self, now: float) -> None:
        if self._leave_by is None:
            return
        if now < self._leave_by and self.cells.number(CALL):
            self.defer(self._arm, self._leave_by)
            return
        self._leave_by = None
        self.defer(self._say_farewell)
        self.finish()

    def _say_farewell(self) -> None:
        """After the commit of all events: what is logged goes out, then the last word."""
        while self._serve():
            pass
        for (identity, _), frame in self._subscriptions.farewell():
            self._socket.send(identity, frame)

    def on_stop(self) -> None:
        """Save the log and let the last frames leave."""
        self._chronicle.save(clock(), closing=True)
        super().on_stop()
        self._held.close()

    def on_failure(self, kind: Any, value: BaseException | None, trace: Any) -> None:  # noqa: ANN401
        """Free the socket and the store: in a thread, a successor in this process takes them."""
        super().on_failure(kind, value, trace)
        self._held.close()

    # From the dialog shards

    def handle(self, peer: str, message: Event, now: float) -> None:
        """One message of a shard: an answer to a command or a question, or an event."""
        if isinstance(message, dialog.CommandDone):
            if self._questions.holds(message.ref):
                self._inform(self._questions.answer(message.ref, peer, message))
            else:
                self._desk.conclude(peer, message.ref, None, now)
        elif isinstance(message, dialog.CommandFailed):
            self._desk.conclude(peer, message.ref, Reply(code=message.code, message=message.message), now)
        else:
            self._note(peer, message, now)
            self._figures.count(message)
            self._record(message, now)
            if self._tells_all or type(message) in lines.TROUBLE:
                self.log.log(lines.level(message), type(message).__name__, **lines.fields(message))
            self._leave_in_time(now)

    def _note(self, peer: str, event: Event, now: float) -> None:
        """Keep who owns a call from its first event to its last."""
        if isinstance(event, call_events.CallReceived):
            self.cells.put(call_key(event.call), Live(event.call, peer))
            self.claims.received(event.call, now, event.route)
        elif isinstance(event, call_events.CallPlaced):
            if self.cells.get(call_key(event.call)) is None:  # by a REFER: no command of a client began it
                self.cells.put(call_key(event.call), Live(event.call, peer))
        elif isinstance(event, call_events.CallEnded):
            self.over(event.call)
        elif self.claims.watched and isinstance(event, call_events.CallAnswered):
            self.claims.answered(event.call)

    def _record(self, event: Event, now: float) -> None:
        number, data = self._chronicle.record(event)
        self.defer(self._committed, number, data, now)

    def _committed(self, number: int, data: bytes, now: float) -> None:
        self._chronicle.committed(number, data, now)
        if self._feed.listened_to:
            head = head_of(data)
            self._feed.publish(f"{head.type} {head.call}".encode("utf-8", "replace"), data)
        if self._chronicle.save_at is not None and self._tick_at != self._chronicle.save_at:
            self._arm(self._chronicle.save_at)
        if not self._publish and len(self._subscriptions):
            self._publish = True
            self.mailbox.again(self._fd)  # what is logged in one turn goes out together in the next

    def expire(self, key: bytes, now: float) -> None:
        """A command takes too long, one is old enough to be forgotten, or it is time to save."""
        if key == TIMER:
            self._tick(now)
        elif key[:1] == CLAIM:
            self._carry_out(self.claims.expire(key), now)
        else:
            self._desk.expire(key, now)

    def peer_reset(self, peer: str, now: float) -> None:
        """A shard has lost all it held: its commands fail and its calls are over."""
        lost = Reply(code="lost", message=f"{peer} has lost what it held; ask again")
        for key in self._desk.concerned():
            self.defer(self._lose, key, peer, lost, now)  # each a step of its own: one that breaks stops no other
        for asker in self._questions.lose(peer):
            self.refuse(asker, lost.code, lost.message)

    def _lose(self, key: bytes, peer: str, lost: Reply, now: float) -> None:
        call = self._desk.lose(key, peer, lost, now)
        if call:
            self._record(_lost(call), now)


def _lost(call: str) -> call_events.CallEnded:
    return call_events.CallEnded(
        call=call,
        outcome="failed",
        status=0,
        reason="its part of the service lost what it held",
        by="error",
        ringing=0.0,
        talking=0.0,
        time=time.time(),
    )


def main(context: Context) -> None:
    """Run the control actor until it is stopped."""
    run(ControlActor, context)
