"""The commands for calls: what input each is, what may be wrong with it, and that it is carried out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actors.dialog import call_answers, call_invite
from actors.dialog.call import Call, Input, State, info, replace
from actors.dialog.call_cells import HEXADECIMAL, CallCells
from actors.dialog.call_commands import (
    AlterPlayback,
    AnswerCall,
    AnswerOffer,
    BridgeCall,
    HangUp,
    HoldCall,
    ListCalls,
    MuteCall,
    OfferSession,
    PlaceCall,
    PlayAudio,
    ProgressCall,
    RecordAudio,
    RejectCall,
    ResumeCall,
    SendDigits,
    TransferCall,
    UnbridgeCall,
)
from actors.dialog.call_events import CallMuteChanged
from actors.dialog.call_parts import Media
from actors.dialog.call_requests import MAX_WANTED, unfit, unfit_answer, wanted_of
from actors.dialog.call_table import CALL
from actors.dialog.call_transfer import target_of
from actors.dialog.effects import Press, Report, Steer, TellShard
from actors.dialog.events import CommandDone
from actors.dialog.negotiation import started
from actors.dialog.request_events import AnswerRequest, SendInCall
from actors.dialog.shard_events import AskTarget, TargetTold
from actors.dialog.usage import Command, failure
from actors.runtime.machine import Effects
from actors.sip import LocalProtocolError, RemoteProtocolError
from actors.sip import uri as uris
from actors.sip.grammar import header_line
from actors.sip.offer_answer import Carrier

Order = (
    AnswerCall | ProgressCall | RejectCall | HangUp | HoldCall | ResumeCall | OfferSession | AnswerOffer | TransferCall
)

ORDERS: dict[Any, Input] = {
    AnswerCall: Input.ANSWER,
    ProgressCall: Input.PROGRESS,
    RejectCall: Input.REJECT,
    HangUp: Input.HANG_UP,
    HoldCall: Input.MODIFY,
    ResumeCall: Input.MODIFY,
    OfferSession: Input.OFFER,
    AnswerOffer: Input.ANSWER_OFFER,
    TransferCall: Input.TRANSFER,
}
UNACKNOWLEDGED = ("bad_state", "the offer of the peer, in its 2xx, is to be answered first")
MUTES = ("sound", "rtp", "none")


def wrong(command: Order, call: Call) -> tuple[str, str] | None:
    """What is wrong with a command in itself, or with its time: a code and words."""
    text = _ill_made(command)
    if text:
        return "bad_value", text
    if isinstance(command, ProgressCall) and call.invitation is not None and call.invitation.reliable is not None:
        return "bad_state", "the last reliable response waits for its PRACK"
    if isinstance(command, TransferCall) and call.transfer is not None:
        return "bad_state", "a transfer is under way"
    if isinstance(command, TransferCall) and _unacknowledged(call):
        return UNACKNOWLEDGED
    if isinstance(command, TransferCall) and call.locked is not None:
        return "bad_state", "another call takes its place"
    return call_answers.unfit(command, call)


def _unacknowledged(call: Call) -> bool:
    """Whether the peer's 2xx waits for the answer to its offer, and so for its ACK."""
    return call.offer is not None and call.offer.carrier is Carrier.SUCCESS


def _ill_made(command: Order) -> str:
    """What of a command may not be sent, in words; empty where all may."""
    lines: tuple[tuple[str, str], ...] = getattr(command, "headers", ())
    try:
        for name, value in lines:
            call_invite.check_name(name)
            header_line(name, value)
        for contact in command.contacts if isinstance(command, RejectCall) else ():
            uris.parse(contact)
    except (LocalProtocolError, RemoteProtocolError) as error:
        return str(error)
    if isinstance(command, RejectCall) and not (300 <= command.status <= 699 and command.reason.isprintable()):
        return "a status is 300 to 699, a reason one line"
    if isinstance(command, ProgressCall) and not 180 <= command.status <= 189:
        return "a status is 180 to 189"
    return ""


class CallOrders(CallCells):
    """Carries out the commands for calls."""

    @property
    def commands(self) -> Mapping[type, Command]:
        """Those for calls."""
        return {
            PlaceCall: self._place,
            ListCalls: self._list,
            SendDigits: self._press,
            PlayAudio: self._steer,
            AlterPlayback: self._steer,
            RecordAudio: self._steer,
            MuteCall: self._mute,
            SendInCall: self._ask,
            **dict.fromkeys(ORDERS, self._decide),
        }

    def _list(self, command: ListCalls, now: float, wall: float) -> Effects:
        calls = [self._cells.get(key) for key in self._cells.keys() if key[0] in HEXADECIMAL]  # noqa: SIM118
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
            owner = self.agent.shard_of(command.replaces) if command.replaces else self.agent.shard
            if owner != self.agent.shard:
                return (TellShard(owner, AskTarget(self.agent.shard, command)),)
            told = self._target(command)
            if told.code:
                return failure(command.ref, told.code, told.text)
            command = told.command
        return (Report(CommandDone(command.ref)), *self._step(call, event, command, now, wall))

    def _target(self, command: TransferCall) -> TargetTold:
        """A transfer whose target is whole: one that replaces a call of this shard names that call's dialog."""
        other = self._of_id(command.replaces) if command.replaces else None
        if command.replaces and (other is None or other.dialog is None or other.state < State.ANSWERED):
            return TargetTold(command, "no_such_call", f"there is no call {command.replaces} that is up")
        try:
            target = target_of(command, None if other is None else other.dialog)
        except RemoteProtocolError:
            return TargetTold(command, "bad_uri", f"{command.target!r} is no URI")
        return TargetTold(replace(command, target=target, replaces=""))

    def _mute(self, command: MuteCall, _now: float, wall: float) -> Effects:
        """Mute a call or unmute it; before it has audio, it is so from its start."""
        call = self._of_id(command.call)
        if call is None:
            return failure(command.ref, "no_such_call", f"there is no call {command.call}")
        if command.what not in MUTES:
            return failure(command.ref, "bad_value", f"{command.what!r} is not sound, rtp or none")
        if call.media.outside:
            return failure(command.ref, *call_answers.NO_MEDIA)
        if call.state >= State.CLOSING:
            return failure(command.ref, "bad_state", f"the call is {call.state.name.lower()}")
        done = Report(CommandDone(command.ref))
        muted = "" if command.what == "none" else command.what
        if muted == call.media.muted:
            return (done,)
        call = replace(call, media=replace(call.media, muted=muted))
        self._cells.put(call.key, call, call.next_deadline)
        effects = (done, Report(CallMuteChanged(call.call, command.what, wall)))
        return effects if call.media.agreed is None else (*effects, *started(call))

    def _press(self, command: SendDigits, now: float, wall: float) -> Effects:
        if command.by != "rtp":
            return self._ask(command, now, wall)
        media = self._audio_of(command)
        if not isinstance(media, Media):
            return media
        press = Press(media.process, media.session, command.digits, command.duration)
        return (Report(CommandDone(command.ref)), press)

    def _ask(self, command: SendInCall | SendDigits, now: float, wall: float) -> Effects:
        """Send a request in a call, or keys as such."""
        call = self._of_id(command.call)
        if call is None:
            return failure(command.ref, "no_such_call", f"there is no call {command.call}")
        if CALL.edge(call.state, Input.ASK) is None:
            return failure(command.ref, "bad_state", f"the call is {call.state.name.lower()}")
        fault = unfit(command)
        if fault:
            return failure(command.ref, "bad_value", fault)
        if _unacknowledged(call):
            return failure(command.ref, *UNACKNOWLEDGED)
        wanted = wanted_of(command)
        if len(call.wanted) + len(wanted) > MAX_WANTED:
            return failure(command.ref, "busy", f"{len(call.wanted)} requests of the call wait for their turn")
        return (Report(CommandDone(command.ref)), *self._step(call, Input.ASK, wanted, now, wall))

    def reply(self, command: AnswerRequest, now: float, wall: float) -> Effects:
        """Answer a request of the peer of a call."""
        call = self._of_id(command.call)
        if call is None:
            return failure(command.ref, "no_such_call", f"there is no call {command.call}")
        inquiry = next((one for one in call.inquiries if one.request == command.request), None)
        if inquiry is None:
            return failure(command.ref, "bad_value", f"no request {command.request} waits for an answer")
        fault = unfit_answer(command, refers=inquiry.order is not None)
        if fault:
            return failure(command.ref, "bad_value", fault)
        if CALL.edge(call.state, Input.REPLY) is None:
            return failure(command.ref, "bad_state", f"the call is {call.state.name.lower()}")
        return (Report(CommandDone(command.ref)), *self._step(call, Input.REPLY, command, now, wall))

    def _steer(self, command: PlayAudio | AlterPlayback | RecordAudio, _now: float, _wall: float) -> Effects:
        media = self._audio_of(command)
        if not isinstance(media, Media):
            return media
        return (Report(CommandDone(command.ref)), Steer(media.process, media.session, command))

    def _audio_of(
        self, command: SendDigits | PlayAudio | AlterPlayback | RecordAudio | BridgeCall | UnbridgeCall
    ) -> Media | Effects:
        """The audio of the call that a command is for, or its refusal."""
        call = self._of_id(command.call)
        if call is None:
            return failure(command.ref, "no_such_call", f"there is no call {command.call}")
        if call.media.outside:
            return failure(command.ref, *call_answers.NO_MEDIA)
        if not call.media.open or call.media.agreed is None:
            return failure(command.ref, "bad_state", "the call has no audio yet")
        return call.media

    def _place(self, command: PlaceCall, now: float, wall: float, process: int | None = None) -> Effects:
        """Place a call; `process` is the media process that it is to be in, None for any."""
        if self.unwilling():
            code = "draining" if self.agent.draining else "busy"
            return failure(command.ref, code, f"no new calls are taken; there are {self.number}")
        if self._of_tag(self._names.tag_of_call_out(command.call)) is not None:
            return failure(command.ref, "bad_value", f"there is a call {command.call} already")
        try:
            call_invite.check_uris(command)
        except LocalProtocolError as error:
            return failure(command.ref, "bad_uri", str(error))
        try:
            call = call_invite.new_call(self.agent, command, now)
        except LocalProtocolError as error:
            return failure(command.ref, "bad_value", str(error))
        if process is not None:
            call = replace(call, media=replace(call.media, process=process, chosen=True))
        limit = self._limit(call, now)
        if limit is not None:
            return failure(command.ref, limit.code, f"{command.account} {limit.text}")
        return (Report(CommandDone(command.ref)), *self._step(call, Input.PLACE, command, now, wall))

    def leave(self, key: bytes, now: float, wall: float) -> Effects:
        """Hang up."""
        return self._step(self._cells.get(key), Input.HANG_UP, None, now, wall)
