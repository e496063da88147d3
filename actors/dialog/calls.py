"""Calls as cells: leads what comes from below, beside and above to the call it is for.

A step that raises has changed nothing: a cell is put back only after its table has given the next machine and all
effects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

from actors.dialog import call_in, call_out, dialog_state
from actors.dialog.attempt import begin
from actors.dialog.authentication import CHALLENGES
from actors.dialog.call import (
    Acknowledged,
    Agent,
    Asked,
    Call,
    Given,
    Heard,
    Input,
    Outcome,
    State,
    info,
    lingering,
    replace,
)
from actors.dialog.call import Place as Located
from actors.dialog.call_account import read
from actors.dialog.call_change import MOVED, moved
from actors.dialog.call_end import ending
from actors.dialog.call_orders import ORDERS, Order, wrong
from actors.dialog.call_table import CALL, expire, step
from actors.dialog.call_transfer import Progress, judged, target_of
from actors.dialog.call_up import Finished
from actors.dialog.effects import Cancel, Find, Place, Press, Reply, Report
from actors.dialog.events import (
    CallAnswered,
    CallDigitReceived,
    CallEnded,
    CallNoticed,
    CallProgressed,
    CommandDone,
    ListCalls,
    PlaceCall,
    SendDigits,
    TransferCall,
)
from actors.dialog.messages import received
from actors.dialog.names import ref_of, tag_of_session
from actors.dialog.negotiation import closed
from actors.dialog.reply import answer, options, out_of_scope
from actors.dialog.usage import Cells, Command, Usage, failure
from actors.runtime.machine import Effects
from actors.sip import LocalProtocolError, RemoteProtocolError, Response, parse
from actors.sip.headers import Replaces
from actors.sip.vocabulary import Head, TransactionKey

LINGERING = lingering("")
INSIDE = {  # what a request in a dialog is to its call
    "INVITE": Input.REINVITE,
    "BYE": Input.BYE,
    "UPDATE": Input.UPDATE,
    "PRACK": Input.PRACK,
    "REFER": Input.REFER,
    "NOTIFY": Input.NOTIFY,
}
KEYS = {"application/dtmf-relay": "Signal=", "application/dtmf": ""}  # the bodies of an INFO that is a key pressed
DIGITS = frozenset("0123456789ABCD*#")  # keys, RFC 4733 s3.2
_DIGITS = frozenset(b"0123456789abcdef")  # what the tag of a call begins with


class Calls(Usage):
    """All calls of one shard.

    Args:
        agent: what all usages share.
        cells: where calls are kept, among others.
    """

    methods: ClassVar = frozenset({"INVITE", "OPTIONS", "REFER"})

    def __init__(self, agent: Agent, cells: Cells) -> None:
        super().__init__(agent, cells)
        self._names = agent.names
        self._cells = cells
        self.number = 0
        self._used: Counter[str] | None = None  # calls of each account, counted when a limit asks for it
        self.count()

    def count(self) -> None:
        """Count the calls afresh, without a look into their cells."""
        self.number = sum(1 for key in self._cells.keys() if key[0] in _DIGITS)  # noqa: SIM118
        self._used = None

    @property
    def commands(self) -> Mapping[type, Command]:
        """Those for calls."""
        return {
            PlaceCall: self._place,
            ListCalls: self._list,
            SendDigits: self._press,
            **dict.fromkeys(ORDERS, self._decide),
        }

    # From the transaction layer.

    def outside(self, asked: Asked, now: float, wall: float) -> Effects:
        """Begin a call, or say whether one could begin."""
        refusal = out_of_scope(self.agent, asked)
        if refusal is not None:
            return (refusal,)
        if asked.head.method == "INVITE":
            return self._invited(asked, now, wall)
        if asked.head.method == "REFER":  # it would make calls that nobody here asked for
            return (answer(self.agent, asked, judged(asked, self.agent.settings)[1] or 603),)
        none = 480 if self.agent.settings.answer.mode == "none" else 200
        return (options(self.agent, asked, self._unwilling() or none),)

    def _invited(self, asked: Asked, now: float, wall: float) -> Effects:
        tag = self._names.tag_of_invite(asked.key)
        call = self._cells.get(tag.encode())
        if call is not None:
            return self._invited_again(call, asked, now, wall)
        status = self._unwilling()
        if status:
            return (answer(self.agent, asked, status, (("Retry-After", "5"),) if status == 503 else ()),)
        call = call_in.new_call(self.agent, asked, tag, now)
        if self._full(call):
            return (answer(self.agent, asked, 486),)
        if not asked.request.look and asked.request.get("Replaces") is not None:
            status, replaced = self._replaced(asked)
            if replaced is None:
                return (answer(self.agent, asked, status),)
            call = replace(call, replaces=replaced.tag, treatment=replaced.treatment)
        return self._step(call, Input.INVITE, asked, now, wall)

    def _replaced(self, asked: Asked) -> tuple[int, Call | None]:
        """The call whose place an INVITE wants, or the status to refuse it with (RFC 3891 s3).

        Raises:
            RemoteProtocolError: 400, its Replaces is malformed, or a Join stands beside it.
        """
        named = asked.request.header(Replaces)
        assert named is not None
        if asked.request.get("Join") is not None:
            raise RemoteProtocolError(400, "Replaces beside Join")
        call: Call | None = self._cells.get(named.to_tag.encode("utf-8", "replace"))
        dialog = call.dialog if call is not None else None
        if call is None or dialog is None or dialog.id[::2] != (named.call_id, named.from_tag):
            return 481, None
        if not self.agent.settings.replaces:
            return 403, None
        if call.state in (State.CLOSING, State.LEAVING):
            return 603, None
        if call.state < State.ANSWERED:
            return 481, None  # an early dialog that we did not begin
        return (486, None) if named.early_only else (0, call)

    def _unwilling(self) -> int:
        """The status that a new call is refused with, 0 if it is not."""
        if self.agent.draining:
            return 503
        return 486 if self.number >= self.agent.settings.max_calls else 0

    def _invited_again(self, call: Call, asked: Asked, now: float, wall: float) -> Effects:
        invitation = call.invitation
        known = call.dialog is not None and call.dialog.id.call_id == asked.head.call_id
        if known and invitation is not None and invitation.seq == asked.head.cseq:
            return self._step(call, Input.INVITE_AGAIN, asked, now, wall)
        return (answer(self.agent, asked, 482),)  # a branch used twice, which s8.1.1.7 forbids

    def inside(self, asked: Asked, now: float, wall: float) -> Effects:
        """Have the call whose dialog it is answer a request."""
        head = asked.head
        call = self._of_dialog(head)
        if call is None:
            return (answer(self.agent, asked, 481),)  # s12.2.2
        refusal = out_of_scope(self.agent, asked)
        if refusal is not None:
            return (refusal,)
        dialog = call.dialog
        if dialog is not None:
            if head.cseq < dialog.remote_seq or (head.method == "INVITE" and head.cseq == dialog.remote_seq):
                return (answer(self.agent, asked, 500),)  # s12.2.2: out of order
            call = replace(call, dialog=replace(dialog, remote_seq=head.cseq))
        event = INSIDE.get(head.method)
        if event is None:
            self._cells.put(call.key, call, call.next_deadline)
            return (options(self.agent, asked, 200),) if head.method == "OPTIONS" else self._told(call, asked, wall)
        if CALL.edge(call.state, event) is None:
            return (answer(self.agent, asked, 481),)
        return self._step(call, event, asked, now, wall)

    def _told(self, call: Call, asked: Asked, wall: float) -> Effects:
        """A MESSAGE; or an INFO: a key pressed (RFC 2976 had no more of it), or nothing that we know."""
        request = asked.request
        if asked.head.method == "MESSAGE":
            account = "" if call.identity is None else call.identity.aor
            return received(self.agent, asked, wall, account=account, call=call.call)
        if not request.body:
            return (answer(self.agent, asked, 200),)
        content = request.content_type
        mark = None if content is None else KEYS.get(content.name)
        if mark is None:
            return (answer(self.agent, asked, 415, (("Accept", ", ".join(KEYS)),)),)
        lines = [line.replace(" ", "") for line in request.body.decode("latin-1").splitlines()]
        digit = next((line.removeprefix(mark) for line in lines if line.startswith(mark) and line), "")
        if digit not in DIGITS:
            return (answer(self.agent, asked, 400),)
        length = next((line[9:] for line in lines if line.startswith("Duration=")), "")
        duration = int(length) if length.isdecimal() and len(length) < 6 else 0
        event = CallDigitReceived(call.call, digit, duration, "info", wall)
        return (answer(self.agent, asked, 200), Report(event))

    def _of_dialog(self, head: Head) -> Call | None:
        """The call whose dialog, early ones included, a request from the peer names."""
        call: Call | None = self._cells.get(head.to_tag.encode())
        if call is None:
            return None
        if call.dialog is not None:
            _, _, remote_tag = call.dialog.id
            return call if call.dialog.id.call_id == head.call_id and remote_tag == head.from_tag else None
        early = any(one.remote_tag == head.from_tag for one in call.early)
        return call if early and call.call == head.call_id else None

    def cancelled(self, key: TransactionKey, now: float, wall: float) -> Effects:
        """The INVITE of the server transaction `key` was cancelled."""
        call = self._cells.get(self._names.tag_of_invite(key).encode())
        return () if call is None else self._step(call, Input.CANCELLED, None, now, wall)

    def acknowledged(self, head: Head, raw: bytes, now: float, wall: float) -> Effects:
        """Take the ACK to a 2xx; one of no dialog is dropped."""
        call = self._of_dialog(head)
        return () if call is None else self._step(call, Input.ACK, Acknowledged(head, raw), now, wall)

    def response(self, tag: str, key: TransactionKey, head: Head, raw: bytes, now: float, wall: float) -> Effects:
        """Take a response to a request of a call."""
        call = self._of_tag(tag)
        if call is None:
            return ()
        status = head.status
        if key.method == "BYE":
            challenge = read(raw) if status in CHALLENGES and call.identity is not None else None
            return self._step(call, Input.BYE_ANSWERED, Heard(key, status, "", head, challenge), now, wall)
        if head.from_tag != call.tag or head.call_id != _call_id(call):
            return ()
        event = self._meaning(call, key, status)
        if event is None:
            return ()
        try:
            message = parse(raw)
            assert isinstance(message, Response)
            return self._step(call, event, Heard(key, status, message.reason, head, message), now, wall)
        except RemoteProtocolError:
            return ()  # what cannot be read makes no dialog; if it matters, it comes again

    @staticmethod
    def _meaning(call: Call, key: TransactionKey, status: int) -> Input | None:
        """What a response is to its call; None where it is of a candidate that was given up, or provisional."""
        change = call.change
        if change is not None and change.attempt is not None and change.attempt.key == key:
            return Input.MODIFIED if status >= 200 else None
        if key.method != "INVITE":
            return Input.REQUEST_DONE if status >= 200 else None
        if 200 <= status < 300:
            return Input.ACCEPTED
        if call.attempt is None or call.attempt.key != key:
            return None
        return Input.PROVISIONAL if status < 200 else Input.REFUSED

    def failed(self, tag: str, key: TransactionKey, status: int, reason: str, now: float, wall: float) -> Effects:
        """A request of a call ended without a final response."""
        call = self._of_tag(tag)
        if call is None:
            return ()
        heard = Heard(key, status, reason)
        if key.method == "BYE":
            return self._step(call, Input.BYE_ANSWERED, heard, now, wall)
        event = self._meaning(call, key, status)
        return () if event is None else self._step(call, event, heard, now, wall)

    def unanswered(self, key: TransactionKey, now: float, wall: float) -> Effects:
        """The INVITE of the server transaction `key` can no longer be answered."""
        call = self._cells.get(self._names.tag_of_invite(key).encode())
        return () if call is None else self._step(call, Input.SERVER_FAILED, None, now, wall)

    def transactions_lost(self, key: bytes, now: float, wall: float) -> Effects:
        """The transaction shard lost all it held: what was in flight has failed, calls that are up live on."""
        return self._step(self._cells.get(key), Input.TRANSACTIONS_LOST, None, now, wall)

    # From the transport.

    def located(self, tag: str, place: Located, now: float, wall: float) -> Effects:
        """The next hops that a request of a call may take."""
        call = self._of_tag(tag)
        if call is None:
            return ()
        if place.ref == ref_of(tag, MOVED):
            return self._moved(call, place, now, wall)
        invite = call.attempt is not None and call.attempt.ref == place.ref
        return self._step(call, Input.LOCATED if invite else Input.ROUTED, place, now, wall)

    def network_changed(self, key: bytes, gone: frozenset[str], now: float, wall: float) -> Effects:  # noqa: ARG002
        """A dialog that began from an address that is gone finds its way afresh, and says so to its peer."""
        call = self._cells.get(key)
        if not isinstance(call, Call) or call.dialog is None or call.dialog.path.local_host not in gone:
            return ()
        dialog = replace(call.dialog, path=call.dialog.path.lost())
        call = replace(call, dialog=dialog)
        self._cells.put(key, call, call.next_deadline)
        if CALL.edge(call.state, Input.RETRY) is None:
            return ()
        return (Find(ref_of(call.tag, MOVED), dialog_state.next_uri(dialog)),)

    def _moved(self, call: Call, place: Located, now: float, wall: float) -> Effects:
        """The peer of such a dialog can be reached: a re-INVITE tells it where we are now."""
        if not place.candidates or call.dialog is None or CALL.edge(call.state, Input.RETRY) is None:
            return ()
        call = moved(call, call.dialog, place.candidates[0])
        self._cells.put(call.key, call, call.next_deadline)
        return self._step(call, Input.RETRY, None, now, wall)

    # From media.

    def prepared(self, session: str, host: str, port: int, now: float, wall: float) -> Effects:
        """A session receives at host:port."""
        return self._media(session, Input.PREPARED, (host, port), now, wall)

    def session_refused(self, session: str, reason: str, now: float, wall: float) -> Effects:
        """A session could not be had; or it stands, but cannot do what was asked of it, and is closed."""
        call = self._cells.get(tag_of_session(session).encode())
        if call is None or call.media.session != session:
            return ()
        effects = closed(call) if call.media.port else ()
        return effects + self._step(call, Input.MEDIA_LOST, reason, now, wall)

    def session_lost(self, session: str, reason: str, now: float, wall: float) -> Effects:
        """A session is gone."""
        return self._media(session, Input.MEDIA_LOST, reason, now, wall)

    def session_closed(self, session: str, totals: tuple[int, int, int], now: float, wall: float) -> Effects:
        """A session is over: packets sent, received, lost."""
        return self._media(session, Input.MEDIA_CLOSED, totals, now, wall)

    def played(self, session: str, path: str, error: str, now: float, wall: float) -> Effects:
        """A file was played to its end, or could not be."""
        return self._media(session, Input.PLAYED, Finished(path, error), now, wall)

    def unrecorded(self, session: str, path: str, error: str, now: float, wall: float) -> Effects:
        """A recording broke."""
        return self._media(session, Input.UNRECORDED, Finished(path, error), now, wall)

    def pressed(self, session: str, digit: str, duration: int, method: str, wall: float) -> Effects:
        """The peer pressed a key."""
        call = self._of_session(session)
        return () if call is None else (Report(CallDigitReceived(call.call, digit, duration, method, wall)),)

    def noticed(self, session: str, kind: str, text: str, wall: float) -> Effects:
        """Media saw something that people should know."""
        call = self._of_session(session)
        return () if call is None else (Report(CallNoticed(call.call, kind, text, wall)),)

    def _of_session(self, session: str) -> Call | None:
        """The call of a session; None when it is over, or the session was of an earlier candidate."""
        call: Call | None = self._cells.get(tag_of_session(session).encode())
        return call if call is not None and call.media.session == session else None

    def _media(self, session: str, event: Input, what: object, now: float, wall: float) -> Effects:
        call = self._of_session(session)
        return () if call is None else self._step(call, event, what, now, wall)

    def media_lost(self, process: int, now: float, wall: float) -> Effects:
        """A media process lost all its sessions: their calls end."""
        effects: Effects = ()
        for key in list(self._cells.keys()):
            call = self._cells.get(key)
            if isinstance(call, Call) and call.media.open and call.media.process == process:
                reason = "the media process lost its sessions"
                effects += self._step(call, Input.MEDIA_LOST, reason, now, wall)
        return effects

    # From control.

    def _list(self, command: ListCalls, now: float, wall: float) -> Effects:
        calls = [self._cells.get(key) for key in self._cells.keys() if key[0] in _DIGITS]  # noqa: SIM118
        return (Report(CommandDone(command.ref, tuple(info(call, now, wall) for call in calls))),)

    def _decide(self, command: Order, now: float, wall: float) -> Effects:
        call = self._of_id(command.call)
        if call is None:
            return failure(command.ref, "no_such_call", f"there is no call {command.call}")
        event = ORDERS[type(command)]
        if CALL.edge(call.state, event) is None:
            return failure(command.ref, "bad_state", f"the call is {call.state.name.lower()}")
        fault = wrong(command, call)
        if fault is not None:
            return failure(command.ref, *fault)
        if isinstance(command, TransferCall):
            other = self._of_id(command.replaces) if command.replaces else None
            if command.replaces and (other is None or other.dialog is None or other.state < State.ANSWERED):
                return failure(command.ref, "no_such_call", f"there is no call {command.replaces} that is up here")
            try:
                target = target_of(command, None if other is None else other.dialog)
            except RemoteProtocolError:
                return failure(command.ref, "bad_uri", f"{command.target!r} is no URI")
            command = replace(command, target=target)
        return (Report(CommandDone(command.ref)), *self._step(call, event, command, now, wall))

    def _press(self, command: SendDigits, _now: float, _wall: float) -> Effects:
        call = self._of_id(command.call)
        if call is None:
            return failure(command.ref, "no_such_call", f"there is no call {command.call}")
        media = call.media
        if not media.open or media.agreed is None:
            return failure(command.ref, "bad_state", "the call has no audio yet")
        press = Press(media.process, media.session, command.digits, command.duration)
        return (Report(CommandDone(command.ref)), press)

    def _place(self, command: PlaceCall, now: float, wall: float) -> Effects:
        if self._unwilling():
            code = "draining" if self.agent.draining else "busy"
            return failure(command.ref, code, f"no new calls are taken; there are {self.number}")
        if self._of_tag(self._names.tag_of_call_out(command.call)) is not None:
            return failure(command.ref, "bad_value", f"there is a call {command.call} already")
        try:
            call_out.check_uris(command)
        except LocalProtocolError as error:
            return failure(command.ref, "bad_uri", str(error))
        try:
            call = call_out.new_call(self.agent, command, now)
        except LocalProtocolError as error:
            return failure(command.ref, "bad_value", str(error))
        if self._full(call):
            return failure(command.ref, "busy", f"{command.account} has as many calls as it may")
        return (Report(CommandDone(command.ref)), *self._step(call, Input.PLACE, command, now, wall))

    def _of_id(self, call_id: str) -> Call | None:
        """The call that control knows by this id."""
        for tag in self._names.tags_of_call(call_id):
            call: Call | None = self._cells.get(tag.encode("utf-8", "replace"))
            if call is not None and call.call == call_id:
                return call
        return None

    def leave(self, key: bytes, now: float, wall: float) -> Effects:
        """Hang up."""
        return self._step(self._cells.get(key), Input.HANG_UP, None, now, wall)

    # Time and trouble.

    def expire(self, key: bytes, now: float, wall: float) -> Effects:
        """Fire the timers of one call that are due."""
        call = self._cells.get(key)
        if call is None:
            return ()
        after, effects = expire(call, Given(self.agent, wall), now)
        self._keep(after, call)
        return effects + self._beside(after, call, effects, now, wall) if after.on_behalf else effects

    def abandon(self, call: Call, now: float, wall: float) -> Effects:
        """Say goodbye for a call whose cell is lost to us: to its peer, its media session and control."""
        effects = closed(call)
        invitation = call.invitation
        up = (State.ANSWERED, State.LEAVING, State.CONFIRMED, State.MODIFYING)
        if call.state in (State.RECEIVED, State.RINGING) and invitation is not None:
            effects += (Reply(invitation.key, 500, call_in.response(invitation.ringing, 500)),)
        elif call.dialog is not None and call.state in up:
            seq = call.dialog.local_seq + 1
            bye, hop = dialog_state.attempt(call.dialog, "bye", "BYE", dialog_state.request(call.dialog, "BYE", seq))
            effects += begin(bye, hop, self._names, now)[1] if hop is not None else ()
        elif call.state is State.INVITING and call.attempt is not None and call.attempt.key is not None:
            effects += (Cancel(call.attempt.key),)
        if call.announced and not call.told:
            over = replace(call, ended=now, outcome=call.outcome or Outcome("failed", 0, "internal error", "error"))
            effects += (ending(over, Given(self.agent, wall), now),)
        return effects

    # Cells.

    def _of_tag(self, tag: str) -> Call | None:
        key = tag.encode()
        call: Call | None = self._cells.get(key)
        return call if call is not None else self._cells.get(LINGERING + key)

    def _step(self, call: Call, event: Input, what: object, now: float, wall: float) -> Effects:
        after, effects = step(call, event, Given(self.agent, wall, what), now)
        self._keep(after, call)
        if effects and type(effects[-1]) is Place:
            return effects[:-1] + self._refer(effects[-1], now, wall)
        if after.on_behalf or after.replaces:
            return effects + self._beside(after, call, effects, now, wall)
        return effects

    def _refer(self, place: Place, now: float, wall: float) -> Effects:
        """Place the call that the peer of another asked for; or tell it that none could be placed."""
        order = place.order
        if not self._unwilling():
            call = replace(call_out.new_call(self.agent, order, now), on_behalf=place.tag)
            return self._step(call, Input.PLACE, order, now, wall)
        old = self._cells.get(place.tag.encode())
        return self._step(old, Input.REFERRED, Progress(503, "Service Unavailable"), now, wall)

    def _beside(self, after: Call, before: Call, effects: Effects, now: float, wall: float) -> Effects:
        """What a step of one call is to another: the call whose place it takes, the one that it was referred by."""
        more: Effects = ()
        if after.replaces and before.state < State.ANSWERED <= after.state < State.CLOSING:
            old = self._cells.get(after.replaces.encode())
            if old is not None:  # else it has hung up meanwhile, and the new call lives alone
                more += self._step(old, Input.REPLACED, None, now, wall)
        if after.on_behalf:
            old = self._cells.get(after.on_behalf.encode())
            for event in (effect.event for effect in effects if type(effect) is Report):
                progress = _progress_of(event)
                if old is not None and progress is not None:
                    more += self._step(old, Input.REFERRED, progress, now, wall)
                    old = self._cells.get(after.on_behalf.encode())
        return more

    def _use(self, call: Call, change: int) -> None:
        if self._used is not None and call.identity is not None:
            self._used[call.identity.aor] += change

    def _full(self, call: Call) -> bool:
        """Whether the account of a new call has as many calls here as it may."""
        account = None if call.identity is None else self.agent.accounts.get(call.identity.aor)
        if account is None or not account.max_calls:
            return False
        if self._used is None:
            calls = [self._cells.get(key) for key in self._cells.keys() if key[0] in _DIGITS]  # noqa: SIM118
            self._used = Counter(each.identity.aor for each in calls if each.identity is not None)
        return self._used[account.aor] >= account.max_calls

    def _keep(self, after: Call, before: Call) -> None:
        """Store what a step made of a call."""
        if after is before:
            return
        gone = after.state >= State.LINGERING
        if before.state is State.NEW:
            self.number += not gone
            self._use(after, int(not gone))
        elif gone and before.state is not after.state:
            self._cells.delete(before.key)
            self.number -= before.state is not State.LINGERING
            self._use(before, -int(before.state is not State.LINGERING))
        if after.state is not State.TERMINATED:
            self._cells.put(after.key, after, after.next_deadline)


def _call_id(call: Call) -> str:
    """The Call-ID of a call's dialog."""
    return call.dialog.id.call_id if call.dialog is not None else call.call


def _progress_of(event: object) -> Progress | None:
    """What the peer that referred us is told of an event of the call."""
    if isinstance(event, CallProgressed):
        return Progress(event.status, event.reason)
    if isinstance(event, CallAnswered):
        return Progress(200, "OK")
    if isinstance(event, CallEnded):
        return Progress(event.status if event.status >= 300 else 503, event.reason)
    return None
