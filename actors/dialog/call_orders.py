"""The commands for a call that is there: what input each is, and what may be wrong with it."""

from __future__ import annotations

from typing import Any

from actors.dialog import call_out
from actors.dialog.call import Call, Input
from actors.dialog.events import AnswerCall, HangUp, HoldCall, ProgressCall, RejectCall, ResumeCall, TransferCall
from actors.sip import LocalProtocolError, RemoteProtocolError
from actors.sip import uri as uris
from actors.sip.grammar import header_line

Order = AnswerCall | ProgressCall | RejectCall | HangUp | HoldCall | ResumeCall | TransferCall

ORDERS: dict[Any, Input] = {
    AnswerCall: Input.ANSWER,
    ProgressCall: Input.PROGRESS,
    RejectCall: Input.REJECT,
    HangUp: Input.HANG_UP,
    HoldCall: Input.MODIFY,
    ResumeCall: Input.MODIFY,
    TransferCall: Input.TRANSFER,
}


def wrong(command: Order, call: Call) -> tuple[str, str] | None:
    """What is wrong with a command in itself, or with its time: a code and words."""
    text = _ill_made(command)
    if text:
        return "bad_value", text
    if isinstance(command, ProgressCall) and call.invitation is not None and call.invitation.reliable is not None:
        return "bad_state", "the last reliable response waits for its PRACK"
    if isinstance(command, TransferCall) and call.transfer is not None:
        return "bad_state", "a transfer is under way"
    return None


def _ill_made(command: Order) -> str:
    """What of a command may not be sent, in words; empty where all may."""
    lines: tuple[tuple[str, str], ...] = getattr(command, "headers", ())
    try:
        for name, value in lines:
            call_out.check_name(name)
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
