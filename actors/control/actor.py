"""The control actor: commands from other processes to the dialog shards, events from those into the log and out."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar

import msgspec

import actors.dialog.events as dialog
from actors.control import commands, records
from actors.control.audit import Audit
from actors.control.cells import CALL, CLAIM, TIMER, Claimed, Live, Tick, call_key
from actors.control.chronicle import SAVE_RETRY, Chronicle, Logged
from actors.control.claims import PROBE, Claims, Outcome
from actors.control.desk import Desk
from actors.control.doors import Doors, Knock
from actors.control.figures import Figures
from actors.control.idempotency import Pending, Reply, Settled
from actors.control.keys import Keys
from actors.control.log import EventLog, head_of
from actors.control.protocol import ProtocolError, decode_request, encode_frame, plain, unpack
from actors.control.questions import Answered, Asker, Questions
from actors.control.rights import PRIVILEGED, Denied, Grant, Rights
from actors.control.sockets import Feed
from actors.control.store import Store
from actors.control.subscriptions import Subscriptions
from actors.runtime import channel
from actors.runtime.actor import LayerActor, run
from actors.runtime.context import Context
from actors.runtime.journal import JournalCorrupt
from actors.runtime.machine import Event
from actors.runtime.mailbox import clock
from actors.runtime.slots import Slots

FRAMES_A_TURN = 32
HURRY = 0.05  # seconds after a command in which no batch is waited for: its client may send another
STATE_PATIENCE = 5.0  # seconds for the shards to say which calls there are
LAST_WORDS = 1.0  # seconds in which what the dialogs said last may still be on its way
SUPERVISOR = "supervisor"  # whom the tree is asked of


_OF_SUPERVISOR = frozenset({records.Tree, records.Reload})
_REVOKED = Denied("denied", "this key was revoked")
_NOBODY = Grant("revoked")


class ServiceStarted(Event, frozen=True):
    """Control's own event: nothing was kept from before."""

    time: float


class ControlActor(LayerActor):
    """The API's end in the service: commands go over the desk; what the shards tell is logged once and read by many."""

    accepts: ClassVar = {"dialog": dialog.ToControl}
    cell_type: ClassVar = Pending | Settled | Logged | Live | Claimed | Tick

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        shards = (peer for peer in context.peers if peer.startswith("dialog-"))
        self._shards = sorted(shards, key=lambda name: int(name.partition("-")[2]))
        self._questions = Questions(context.epoch)
        self._tick_at: float | None = None
        self._held = ExitStack()
        self._publish = False  # subscribers may have something to get
        self._calls_by: dict[str, set[str]] = {}  # by the key of the remote client that placed them
        self._figures = Figures()
        self._refuses = False  # the service is stopping
        self._leave_by: float | None = None  # and we wait for the ends of calls
        self._malformed = 0

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
        self.claims = Claims(self.cells, context.settings.unclaimed_after, self._owner)
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
        self._socket = Doors(context.run_dir, settings.listen, self._keys, clock)
        self._held.callback(self._socket.close)
        self._feed = Feed(context.run_dir)
        self._held.callback(self._feed.close)
        self.mailbox.watch(self._feed.fileno(), self._listeners_changed)
        self.mailbox.again(self._feed.fileno())
        self._fd = self._socket.filenos()[0]
        for fd in self._socket.filenos():
            self.mailbox.watch(fd, self._readable)
        if self._socket.remote is not None:
            self.log.info("listening", address=self._socket.remote.address)
            self.mailbox.watch(self._socket.remote.zap_fileno(), self._asked_in)
        self.mailbox.again(self._fd)

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
            self._carry_out(self.claims.probe(self._socket.reaches, now, time.time()), now)
        for at in (self._chronicle.save_at, self._questions.next_deadline):
            if at is not None:
                self._arm(at)
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
        if now < self._leave_by and any(key[:1] == CALL for key in self.cells.keys()):  # noqa: SIM118 - not a dict
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
            self._leave_in_time(now)

    def _note(self, peer: str, event: Event, now: float) -> None:
        """Keep who owns a call from its first event to its last."""
        if isinstance(event, dialog.CallReceived):
            self.cells.put(call_key(event.call), Live(event.call, peer))
            self.claims.received(event.call, now)
        elif isinstance(event, dialog.CallEnded):
            self.over(event.call)
        elif self.claims.watched and isinstance(event, dialog.CallAnswered):
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
        for call in self._desk.lose(peer, lost, now):
            self._record(_lost(call), now)
        for asker in self._questions.lose(peer):
            self.refuse(asker, lost.code, lost.message)

    # From clients

    def _readable(self, now: float) -> bool:
        """One turn of the socket: what was logged goes out, then commands come in."""
        if self._publish:
            self._publish = self._serve()
        for knock in self._socket.receive(FRAMES_A_TURN):
            self.mailbox.moderation.hurry = now + HURRY
            self._take(knock, now)
        return self._publish or self._socket.waiting()

    def _asked_in(self, _: float) -> bool:
        assert self._socket.remote is not None
        self._socket.remote.let_in()
        return False

    def _listeners_changed(self, _: float) -> bool:
        self._feed.hear()
        return False

    def _serve(self) -> bool:
        """Send subscribers what they may have; whether there is more."""
        more = False
        for key in self._subscriptions.keys():  # noqa: SIM118 - not a dict
            frames, unfinished = self._subscriptions.feed(key)
            if self._socket.still_may(key[0]) and all(self._socket.send(key[0], frame) for frame in frames):
                more = more or unfinished
            else:
                # Gone, or revoked, or it does not read. If it lives it asks again from where it is.
                self._subscriptions.unsubscribe(key)
        return more

    def _take(self, knock: Knock, now: float) -> None:
        try:
            request = decode_request(knock.data)
        except ProtocolError as error:
            self._malformed += 1
            if error.request:
                self.refuse((knock.identity, error.request), error.code, error.message, error.field)
            return
        asker, grant = (knock.identity, request.id), knock.grant
        try:
            commands.check(request.body)
        except ProtocolError as error:
            self.refuse(asker, error.code, error.message, error.field)
            return
        denied = _REVOKED if grant is None else self._rights.judge(grant, request.body)
        if grant is None or denied is not None:
            assert denied is not None
            self._note_down(grant or _NOBODY, request.body, denied)
            self.refuse(asker, *denied)
            return
        if type(request.body) in PRIVILEGED:
            self._note_down(grant, request.body, None)
        self._figures.command(type(request.body).__name__.lower())
        self._do(asker, request, grant, now)

    def _note_down(self, grant: Grant, command: records.Command, denied: Denied | None) -> None:
        """Write to the audit log. A disk that refuses is told of, and stops nobody."""
        try:
            outcome, why = (denied.code, denied.message) if denied else ("taken", "")
            self._audit.write(grant.name, type(command).__name__, outcome, why=why, command=plain(command))
        except OSError as error:
            self.log.warning("the audit log cannot be written", error=str(error))

    def _do(self, asker: Asker, request: records.Request, grant: Grant, now: float) -> None:
        body = request.body
        if isinstance(body, records.Subscribe):
            for frame in self._subscriptions.subscribe(asker, body):
                self.defer(self._send, asker[0], frame)
            if body.state:
                self._ask(asker, body, now + STATE_PATIENCE)
            self._publish = True
        elif isinstance(body, records.Unsubscribe):
            self._subscriptions.unsubscribe(asker)
        elif isinstance(body, records.Hello):
            self._reply(
                asker, [plain(records.Welcome(_version(), self.context.epoch, self._malformed + self._socket.dropped))]
            )
        elif isinstance(body, records.Stats):
            self._reply(asker, [plain(part) for part in self._figures.all(self._gauges())])
        elif self._refuses:
            self.refuse(asker, "stopping", "the service is stopping")
        elif isinstance(body, records.Stop):
            self.defer(self.context.channel.ask_stop)
            self._reply(asker, [{}])
        elif isinstance(body, records.Tree | records.Reload) or type(body) in commands.QUESTIONS:
            self._ask(asker, body, now + request.within)
        else:
            self._desk.take(asker, request, grant, now)

    def _gauges(self) -> Iterator[tuple[str, float]]:
        yield "calls", sum(key[:1] == CALL for key in self.cells.keys())  # noqa: SIM118 - not a dict
        yield "subscribers", len(self._subscriptions)
        yield "events_total", self._chronicle.log.last
        yield "malformed_total", self._malformed + self._socket.dropped
        yield "busy_shards", sum(self.busy(peer) for peer in self._shards)

    def _ask(self, asker: Asker, body: records.Command, deadline: float) -> None:
        if self._questions.full:
            self.refuse(asker, "busy", "too many questions are open")
            return
        of = [SUPERVISOR] if type(body) in _OF_SUPERVISOR else self._shards
        ref = self._questions.ask(asker, of, deadline, type(body))
        if ref is None:
            return  # repeated: it will be answered
        self.defer(self._arm, deadline)
        if type(body) in _OF_SUPERVISOR:
            tree = isinstance(body, records.Tree)
            self.defer(self.context.channel.ask_tree if tree else self.context.channel.ask_reload, ref)
            return
        for peer in self._shards:
            self.tell(peer, commands.QUESTIONS[type(body)].make(ref))

    def _inform(self, answered: Answered | None) -> None:
        """Answer a question, if everyone has said what they know."""
        if answered is None:
            return
        question = commands.QUESTIONS[answered.kind]
        known = [item for done in answered.answers for item in question.answers(done)]
        if answered.kind is records.Subscribe:
            self.defer(self._send_state, answered.asker, question.parts(known))
            return
        self._reply(answered.asker, [plain(part) for part in question.parts(known)])

    def tree_told(self, tree: channel.Tree, now: float) -> None:  # noqa: ARG002
        """The supervisor's answer to a question."""
        answered = self._questions.answer(tree.ref, SUPERVISOR, tree)
        if answered is not None:
            children = tuple(records.Child(*msgspec.structs.astuple(child)) for child in tree.children)
            self._reply(answered.asker, [plain(records.TreeList(children))])

    def reloaded(self, answer: channel.Reloaded, now: float) -> None:  # noqa: ARG002
        """The supervisor has read the configuration again, or says what is wrong with it."""
        answered = self._questions.answer(answer.ref, SUPERVISOR, answer)
        if answered is None:
            return
        if answer.error:
            self.refuse(answered.asker, "bad_configuration", answer.error)
        else:
            self._reply(answered.asker, [plain(records.Reloaded(answer.children))])

    # To clients

    def reply(self, asker: Asker, reply: Reply) -> None:
        """Tell a client what its command came to, with the commit."""
        if reply.code:
            self.refuse(asker, reply.code, reply.message, reply.field)
        else:
            self._reply(asker, [unpack(reply.result)])

    def _reply(self, asker: Asker, results: list[dict[str, Any]]) -> None:
        last = len(results) - 1
        for part, result in enumerate(results):
            self.defer(self._send, asker[0], encode_frame(records.Done(asker[1], result, part, part == last)))

    def refuse(self, asker: Asker, code: str, message: str, field: str = "") -> None:
        """Tell a client that its command has no effect, with the commit."""
        self._figures.refused(code)
        self.defer(self._send, asker[0], encode_frame(records.Refused(asker[1], code, message, field)))

    def settle(self, key: bytes, command: Settled | None, now: float) -> None:
        """Keep a settled command over a reboot too, or forget it."""
        self._store.settle(key, command)
        self._chronicle.touch(now)
        self.defer(self._arm, self._chronicle.save_at)

    def began(self, call: str, worker: bytes, command: records.Place, grant: Grant) -> None:
        """A client places a call."""
        self.claims.begun(call, worker, command.on_owner_lost)
        if grant.name:
            self._calls_by.setdefault(grant.name, set()).add(call)

    def over(self, call: str) -> None:
        """Forget a call that is over."""
        self.cells.delete(call_key(call))
        self.claims.ended(call)
        for calls in self._calls_by.values():
            calls.discard(call)

    def at_once(self, asker: Asker, command: records.Command, grant: Grant, now: float) -> Reply | None:
        """What control itself makes of a command: claims, decisions on another's call, calls beyond a key's number."""
        if isinstance(command, records.Place):
            denied = self._rights.count(grant, now)
            if denied is None:
                return None
            self._note_down(grant, command, denied)
            return Reply(code=denied.code, message=denied.message)
        if isinstance(command, records.Answer | records.Reject) and self.claims.forbids(asker[0], command.call):
            return Reply(code="already_claimed", message="another worker has this call", field="call")
        if isinstance(command, records.Claim):
            reply, outcome = self.claims.claim(
                asker[0], command.worker, command.call, command.on_owner_lost, time.time()
            )
        elif isinstance(command, records.Release):
            reply, outcome = self.claims.release(asker[0], command.call, now, time.time())
        else:
            return None
        self._carry_out(outcome, now)
        return reply

    def _carry_out(self, outcome: Outcome, now: float) -> None:
        for event in outcome.events:
            self._record(event, now)
        for peer, message in outcome.messages:
            self.tell(peer, message)
        if self.claims.watched:
            self.defer(self._arm, now + PROBE)

    def _send_state(self, asker: Asker, parts: Sequence[records.CallList]) -> None:
        for number, part in enumerate(parts):
            self._send(asker[0], encode_frame(records.State(asker[1], part.calls, number, part is parts[-1])))
        self._subscriptions.release(asker)
        self._publish = True
        self.mailbox.again(self._fd)

    def _send(self, identity: bytes, frame: bytes) -> None:
        # To a client that is gone nothing is owed: it asks again under the same key.
        self._socket.send(identity, frame)
        if self._socket.waiting():
            self.mailbox.again(self._fd)


def _lost(call: str) -> dialog.CallEnded:
    return dialog.CallEnded(
        call=call,
        outcome="failed",
        status=0,
        reason="its part of the service lost what it held",
        by="error",
        ringing=0.0,
        talking=0.0,
        time=time.time(),
    )


@cache
def _version() -> str:
    try:
        return version("sipactors")
    except PackageNotFoundError:  # a checkout that is not installed
        return "0"


def main(context: Context) -> None:
    """Run the control actor until it is stopped."""
    run(ControlActor, context)
