"""Control towards its clients: their frames in, checked and counted; replies, refusals and events out."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from actors.control import commands, records
from actors.control.cells import CALL, call_key
from actors.control.checking import check
from actors.control.chronicle import Chronicle
from actors.control.claims import PROBE, Claims, Outcome
from actors.control.desk import Desk
from actors.control.figures import Figures
from actors.control.idempotency import Reply, Settled
from actors.control.protocol import ProtocolError, decode_request, encode_frame, plain, unpack
from actors.control.questions import Answered, Asker, Questions
from actors.control.rights import LOCAL, PRIVILEGED, Denied, Grant, Rights, absent
from actors.control.sockets import CommandDoors, Feed, audio_ports
from actors.control.store import Store
from actors.control.subscriptions import Subscriptions
from actors.runtime import channel
from actors.runtime.actor import LayerActor
from actors.runtime.audit import Audit
from actors.runtime.context import Context
from actors.runtime.doors import Knock
from actors.runtime.machine import Event

FRAMES_A_TURN = 32
STATE_PATIENCE = 5.0  # seconds for the shards to say which calls there are
SUPERVISOR = "supervisor"  # whom the tree is asked of

_OF_SUPERVISOR = frozenset({records.Tree, records.Reload, records.Stats})
_REVOKED = Denied("denied", "this key was revoked")
_NOBODY = Grant("revoked")


class Front(LayerActor):
    """The part of the control actor that clients see. What it works with is opened by the actor's start."""

    claims: Claims
    _audit: Audit
    _chronicle: Chronicle
    _desk: Desk
    _fd: int
    _feed: Feed
    _rights: Rights
    _socket: CommandDoors
    _store: Store
    _subscriptions: Subscriptions

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        shards = (peer for peer in context.peers if peer.startswith("dialog-"))
        self._shards = sorted(shards, key=lambda name: int(name.partition("-")[2]))
        self._questions = Questions(context.epoch)
        self._publish = False  # subscribers may have something to get
        self._calls_by: dict[str, set[str]] = {}  # by the key of the remote client that placed them
        self._figures = Figures()
        self._refuses = False  # the service is stopping
        self._malformed = 0

    @abstractmethod
    def _record(self, event: Event, now: float) -> None:
        """Log an event."""

    @abstractmethod
    def _arm(self, at: float) -> None:
        """Have the timer's cell expire at `at`, or earlier."""

    # From clients

    def _readable(self, now: float) -> bool:
        """One turn of the socket: what was logged goes out, then commands come in."""
        if self._publish:
            self._publish = self._serve()
        moderation = self.mailbox.moderation
        for knock in self._socket.receive(FRAMES_A_TURN):
            moderation.took += 1
            moderation.awaited(now)
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
            if self._socket.still_may(key[0]) and not any(self._socket.send(key[0], frame) for frame in frames):
                more = more or unfinished
            else:
                # Gone, or revoked, or it does not read. If it lives it asks again from where it is.
                self._subscriptions.unsubscribe(key)
        return more

    def _take(self, knock: Knock[Grant], now: float) -> None:
        try:
            request = decode_request(knock.data)
        except ProtocolError as error:
            self._malformed += 1
            if error.request:
                self.refuse((knock.identity, error.request), error.code, error.message, error.field)
            return
        asker, grant = (knock.identity, request.id), knock.grant
        try:
            check(request.body)
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
        self._do(asker, request._replace(body=self._rights.confined(grant, request.body)), grant, now)

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
            refused = self._malformed + self._socket.dropped
            audio = audio_ports(self.context.run_dir) if grant is not LOCAL else ()
            self._reply(asker, [plain(records.Welcome(_version(), self.context.epoch, refused, audio))])
        elif isinstance(body, records.Stats):
            self._ask(asker, body, now + request.within)
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
        yield "calls", self.cells.number(CALL)
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
            reload = isinstance(body, records.Reload)
            self.defer(self.context.channel.ask_reload if reload else self.context.channel.ask_tree, ref)
            return
        for peer in self._shards:
            self.tell(peer, commands.QUESTIONS[type(body)].make(ref))

    def _inform(self, answered: Answered | None) -> None:
        """Answer a question, if everyone has said what they know."""
        if answered is None:
            return
        question = commands.QUESTIONS[answered.kind]
        known = [item for done in answered.answers for item in question.answers(done)]
        parts = [self._with_claims(part) for part in question.parts(known)]
        if answered.kind is records.Subscribe:
            self.defer(self._send_state, answered.asker, parts)
            return
        self._reply(answered.asker, [plain(part) for part in parts])

    def _with_claims(self, part: Any) -> Any:  # noqa: ANN401
        """A list of calls with who has them; any other part of a reply as it is."""
        if not isinstance(part, records.CallList):
            return part
        workers = [(call, self.claims.worker(call.call)) for call in part.calls]
        return records.CallList(
            tuple([call if worker is None else call._replace(claimed=True, worker=worker) for call, worker in workers])
        )

    def tree_told(self, tree: channel.Tree, now: float) -> None:  # noqa: ARG002
        """The supervisor's answer to a question."""
        answered = self._questions.answer(tree.ref, SUPERVISOR, tree)
        if answered is None:
            return
        if answered.kind is records.Stats:
            told = [records.Figure(*figure) for child in tree.children for figure in child.figures]
            self._reply(answered.asker, [plain(part) for part in self._figures.all(self._gauges(), told)])
            return
        shown = len(records.Child._fields)
        children = tuple(records.Child(*msgspec.structs.astuple(child)[:shown]) for child in tree.children)
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
        if isinstance(command, records.Answer | records.Reject) and self.claims.forbids(asker[0], command.call):
            return Reply(code="already_claimed", message="another worker has this call", field="call")
        if isinstance(command, records.Place | records.Answer) and (gone := absent(command)) is not None:
            return Reply(code=gone.code, message=gone.message, field=gone.field)
        if isinstance(command, records.Place):
            denied = self._rights.count(grant, now)
            if denied is None:
                return None
            self._note_down(grant, command, denied)
            return Reply(code=denied.code, message=denied.message)
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

    def _send_state(self, asker: Asker, parts: Sequence[records.CallList | records.AccountList]) -> None:
        for number, part in enumerate(parts):
            calls = part.calls if isinstance(part, records.CallList) else ()
            accounts = part.accounts if isinstance(part, records.AccountList) else ()
            self._send(asker[0], encode_frame(records.State(asker[1], calls, number, part is parts[-1], accounts)))
        self._subscriptions.release(asker)
        self._publish = True
        self.mailbox.again(self._fd)

    def _send(self, identity: bytes, frame: bytes) -> None:
        # To a client that is gone nothing is owed: it asks again under the same key.
        self._socket.send(identity, frame)
        self._look_again()

    def _reaches(self, identity: bytes) -> bool:
        """Whether a client is connected."""
        reached = self._socket.reaches(identity)  # this sends too
        self._look_again()
        return reached

    def _look_again(self) -> None:
        """After a send outside of the socket's own turn: it may have taken the edge that tells of a command."""
        if self._socket.waiting():
            self.mailbox.again(self._fd)


@cache
def _version() -> str:
    try:
        return version("sipactors")
    except PackageNotFoundError:  # a checkout that is not installed
        return "0"
