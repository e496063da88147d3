"""Calls as a usage: leads requests, responses and locations to the call they are for."""

from __future__ import annotations

from typing import ClassVar

from actors.dialog import call_in, dialog_state
from actors.dialog.authentication import CHALLENGES
from actors.dialog.call import Acknowledged, Asked, Call, Heard, Input, replace
from actors.dialog.call import Place as Located
from actors.dialog.call_account import read
from actors.dialog.call_bridge import CallBridges
from actors.dialog.call_change import MOVED, moved
from actors.dialog.call_events import CallDigitReceived
from actors.dialog.call_media import CallMedia
from actors.dialog.call_requests import Posed
from actors.dialog.call_table import CALL
from actors.dialog.effects import Find, Report
from actors.dialog.messages import received
from actors.dialog.names import ref_of
from actors.dialog.reply import answer, options, out_of_scope
from actors.runtime.machine import Effects
from actors.sip import RemoteProtocolError, Response, parse
from actors.sip.vocabulary import Head, TransactionKey

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


class Calls(CallMedia, CallBridges):
    """All calls of one shard.

    Args:
        agent: what all usages share.
        cells: where calls are kept, among others.
    """

    methods: ClassVar = frozenset({"INVITE", "OPTIONS"})

    # From the transaction layer.

    def outside(self, asked: Asked, now: float, wall: float) -> Effects:
        """Begin a call, or say whether one could begin."""
        refusal = out_of_scope(self.agent, asked)
        if refusal is not None:
            return (refusal,)
        if asked.head.method == "INVITE":
            return self._invited(asked, now, wall)
        none = 480 if self.agent.settings.answer.mode == "none" else 200
        return (options(self.agent, asked, self.unwilling() or self.agent.refusal or none),)

    def has(self, call_id: str) -> bool:
        """Whether there is a call that control knows by this id."""
        return self._of_id(call_id) is not None

    def named(self, call_id: str, local_tag: str, remote_tag: str) -> str:
        """The id of the call of this shard whose dialog these are, empty where there is none."""
        call: Call | None = self._cells.get(local_tag.encode("utf-8", "replace"))
        if not isinstance(call, Call) or call.dialog is None or call.dialog.id != (call_id, local_tag, remote_tag):
            return ""
        return call.call

    def _invited(self, asked: Asked, now: float, wall: float) -> Effects:
        tag = self._names.tag_of_invite(asked.key)
        call = self._cells.get(tag.encode())
        if call is not None:
            return self._invited_again(call, asked, now, wall)
        status = self.unwilling() or self.agent.refusal
        if status:
            return (answer(self.agent, asked, status, (("Retry-After", "5"),) if status == 503 else ()),)
        call = call_in.new_call(self.agent, asked, tag, now)
        if not asked.request.look and asked.request.get("Replaces") is not None:
            status, call = self._replacing(call, asked)
            if status:
                return (answer(self.agent, asked, status),)
        limit = self._limit(call, now)
        if limit is not None:
            return (answer(self.agent, asked, limit.status, limit.headers),)
        try:
            return self._step(call, Input.INVITE, asked, now, wall)
        except RemoteProtocolError:
            self._use(call, 0)  # the place that was kept for it is free again
            raise

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
            return self._told(call, asked, now, wall)
        if CALL.edge(call.state, event) is None:
            return (answer(self.agent, asked, 481),)
        return self._step(call, event, asked, now, wall)

    def _told(self, call: Call, asked: Asked, now: float, wall: float) -> Effects:
        """A request that is none of the call's machine: one that is answered at once, or by the application."""
        method = asked.head.method
        if method == "OPTIONS":
            return (options(self.agent, asked, 200),)
        if method == "MESSAGE":
            account = "" if call.identity is None else call.identity.aor
            return received(self.agent, asked, wall, account=account, call=call.call)
        return (
            self._informed(call, asked, now, wall)
            if method == "INFO"
            else self._posed(call, Posed(asked, 501), now, wall)
        )

    def _informed(self, call: Call, asked: Asked, now: float, wall: float) -> Effects:
        """An INFO: a key pressed (RFC 2976 had no more of it), or what the application knows, or nothing."""
        request = asked.request
        content = request.content_type if request.body else None
        mark = None if content is None else KEYS.get(content.name)
        if mark is None:
            refusal = (415, (("Accept", ", ".join(KEYS)),)) if request.body else (200,)
            return self._posed(call, Posed(asked, *refusal), now, wall)
        lines = [line.replace(" ", "") for line in request.body.decode("latin-1").splitlines()]
        digit = next((line.removeprefix(mark) for line in lines if line.startswith(mark) and line), "").upper()
        if digit not in DIGITS:
            return (answer(self.agent, asked, 400),)
        length = next((line[9:] for line in lines if line.startswith("Duration=")), "")
        duration = int(length) if length.isdecimal() and len(length) < 6 else 0
        event = CallDigitReceived(call.call, digit, duration, "info", wall)
        return (answer(self.agent, asked, 200), Report(event))

    def _posed(self, call: Call, posed: Posed, now: float, wall: float) -> Effects:
        """Let the application answer a request, where it said that it does and the call is up; else the answer goes."""
        if posed.asked.head.method in self.agent.settings.methods and CALL.edge(call.state, Input.ASKED) is not None:
            return self._step(call, Input.ASKED, posed, now, wall)
        return (answer(self.agent, posed.asked, posed.status, posed.headers),)

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

    def cancelled(self, key: TransactionKey, now: float, wall: float, tag: str = "") -> Effects:
        """The INVITE of the server transaction `key` was cancelled; `tag` is ours where it is a re-INVITE."""
        call = self._cells.get(self._names.tag_of_invite(key).encode())
        if call is not None:
            return self._step(call, Input.CANCELLED, None, now, wall)
        call = self._cells.get(tag.encode("utf-8", "replace")) if tag else None
        if not isinstance(call, Call) or call.offer is None or call.offer.key != key:
            return ()
        return self._step(call, Input.OFFER_CANCELLED, None, now, wall)

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
            return Input.MODIFIED if status >= 200 else Input.MODIFY_PROGRESS
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


def _call_id(call: Call) -> str:
    """The Call-ID of a call's dialog."""
    return call.dialog.id.call_id if call.dialog is not None else call.call
