"""What is checked of a command before anything is done for it: every value that no service could carry out. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from actors.control.claims import seconds_of
from actors.control.messaging import InCall, Publish, Respond, Send, Watch
from actors.control.playing import ACTIONS, SIDES, TONE, Play, Playback, Record
from actors.control.protocol import ProtocolError
from actors.control.records import (
    Answer,
    AnswerOffer,
    Bridge,
    Claim,
    Command,
    DoNotDisturb,
    Dtmf,
    HangUp,
    Mute,
    Place,
    Progress,
    Register,
    Reject,
    Subscribe,
    Transfer,
    Treatment,
    Unregister,
)
from actors.sip.sdp_codecs import NAMED

MAX_SECONDS = 1e6

_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]{1,64}")  # RFC 3261 section 25.1

# What the user agent writes itself (RFC 3261 sections 8.1.1, 12, 20), long and compact forms.
_OURS = re.compile(
    r"(?i)via|v|from|f|to|t|call-id|i|cseq|contact|m|max-forwards|(record-)?route|content-(length|type|disposition|encoding)"
    r"|[lce]|allow|supported|k|(proxy-)?(require|authorization)|user-agent"
)


def check(command: Command) -> None:
    """Refuse what no service could carry out.

    Raises:
        ProtocolError: with the field that is wrong.
    """
    if getattr(command, "call", None) == "" and not isinstance(command, Subscribe | Respond):
        raise ProtocolError("bad_value", "call is empty; calls lists the ids", "call")
    if isinstance(command, Place | Answer):
        _check_seconds(command.duration, "duration")
        _check_treatment(command.treatment)
    if isinstance(command, Answer | Reject | HangUp):
        _check_headers(command.headers)
    if isinstance(command, Place | Claim):
        _check_policy(command.on_owner_lost)
    if type(command) in CHECKS:
        CHECKS[type(command)](command)


def _check_place(command: Place) -> None:
    _check_uri(command.uri, "uri")
    if command.caller:
        _check_uri(command.caller, "caller")
    _check_seconds(command.ring_timeout, "ring_timeout")
    _check_headers(command.headers)
    if not 0 <= command.session_expires <= MAX_SECONDS:
        raise ProtocolError("bad_value", f"session_expires is not between 0 and {MAX_SECONDS:g}", "session_expires")
    if command.media not in ("service", "application"):
        raise ProtocolError("bad_value", f"{command.media!r} is not service or application", "media")
    if command.media == "application" and bool(command.sdp) is command.late_offer:
        raise ProtocolError("bad_value", "a signalling-only call has an sdp, or a late_offer", "sdp")
    if command.offer_in_prack and not command.sdp:
        raise ProtocolError("bad_value", "an offer in the PRACK comes after that of the INVITE", "offer_in_prack")
    if command.sdp and command.media == "service":
        raise ProtocolError("bad_value", "sdp is for media = application", "sdp")
    unknown = [name for name in command.codecs if name not in NAMED]
    if unknown:
        raise ProtocolError("bad_value", f"{unknown[0]!r} is none of {', '.join(NAMED)}", "codecs")
    if command.codecs and command.media == "application":
        raise ProtocolError("bad_value", "codecs are for media = service", "codecs")


def _check_account(command: Register | Unregister) -> None:
    _check_uri(command.account, "account")


def _check_dtmf(command: Dtmf) -> None:
    if not re.fullmatch(r"[0-9A-Da-d*#,]{1,128}", command.digits):
        raise ProtocolError("bad_value", "digits are 1 to 128 of 0-9, A-D, *, # and the comma", "digits")
    if not 40 <= command.duration <= 6000:
        raise ProtocolError("bad_value", "duration is not between 40 and 6000 milliseconds", "duration")
    if command.by not in ("rtp", "relay", "dtmf"):
        raise ProtocolError("bad_value", f"{command.by!r} is not rtp, relay or dtmf", "by")


def _check_reject(command: Reject) -> None:
    if not 300 <= command.status <= 699:
        raise ProtocolError("bad_value", f"status {command.status} is not between 300 and 699", "status")
    for index, contact in enumerate(command.contacts):
        _check_uri(contact, f"contacts[{index}]")


def _check_mute(command: Mute) -> None:
    if command.what not in ("sound", "rtp", "none"):
        raise ProtocolError("bad_value", f"{command.what!r} is not sound, rtp or none", "what")


def _check_bridge(command: Bridge) -> None:
    if not command.other or command.other == command.call:
        raise ProtocolError("bad_value", "other is another call", "other")


def _check_disturb(command: DoNotDisturb) -> None:
    if command.status and not 400 <= command.status <= 699:
        raise ProtocolError("bad_value", f"status {command.status} is neither 0 nor between 400 and 699", "status")


def _check_progress(command: Progress) -> None:
    if not 180 <= command.status <= 189:
        raise ProtocolError("bad_value", f"status {command.status} is not between 180 and 189", "status")
    _check_treatment(command.treatment)


def _check_answer_offer(command: AnswerOffer) -> None:
    if command.status != 200 and not 300 <= command.status <= 699:
        raise ProtocolError("bad_value", f"status {command.status} is neither 200 nor between 300 and 699", "status")


def _check_transfer(command: Transfer) -> None:
    if command.target:
        _check_uri(command.target, "target")
    elif not command.replaces:
        raise ProtocolError("bad_value", "neither target nor replaces says where to", "target")


def _check_target(command: Send | Watch | Publish) -> None:
    _check_uri(command.uri, "uri")
    if command.account:
        _check_uri(command.account, "account")


def _check_send(command: Send) -> None:
    _check_target(command)
    _check_request(command)


def _check_request(command: Send | InCall) -> None:
    if not _TOKEN.fullmatch(command.method):
        raise ProtocolError("bad_value", f"{command.method!r} is no method", "method")
    _check_headers(command.headers)


def _check_respond(command: Respond) -> None:
    if not command.request:
        raise ProtocolError("bad_value", "request is empty; the event has its id", "request")
    if not 200 <= command.status <= 699:
        raise ProtocolError("bad_value", f"status {command.status} is not between 200 and 699", "status")
    _check_headers(command.headers)


def _check_path(path: str, field: str) -> None:
    if path and not path.startswith("/"):
        raise ProtocolError("bad_value", f"{path!r} is not an absolute path", field)


def _check_play(command: Play) -> None:
    if not command.path:
        raise ProtocolError("bad_value", "path is empty", "path")
    if not command.path.startswith(TONE):
        _check_path(command.path, "path")


def _check_playback(command: Playback) -> None:
    if command.action not in ACTIONS:
        raise ProtocolError("bad_value", f"action is none of {', '.join(ACTIONS)}", "action")
    _check_seconds(command.position, "position")


def _check_record(command: Record) -> None:
    _check_path(command.path, "path")
    if command.sides not in SIDES:
        raise ProtocolError("bad_value", f"sides is none of {', '.join(SIDES)}", "sides")


# What is checked of a command besides the types of its fields; here a check is added.
CHECKS: dict[type, Callable[[Any], None]] = {
    Place: _check_place,
    Register: _check_account,
    Unregister: _check_account,
    Send: _check_send,
    InCall: _check_request,
    Respond: _check_respond,
    Watch: _check_target,
    Publish: _check_target,
    Dtmf: _check_dtmf,
    Play: _check_play,
    Playback: _check_playback,
    Record: _check_record,
    Reject: _check_reject,
    Progress: _check_progress,
    AnswerOffer: _check_answer_offer,
    Mute: _check_mute,
    Bridge: _check_bridge,
    DoNotDisturb: _check_disturb,
    Transfer: _check_transfer,
}


def _check_uri(uri: str, field: str) -> None:
    if not re.match(r"(?i)sips?:[^\s<>\"]+\Z", uri):
        raise ProtocolError("bad_uri", f"{uri!r} is not a SIP URI such as sip:alice@192.0.2.1", field)


def _check_seconds(value: float, field: str) -> None:
    if not 0 <= value <= MAX_SECONDS:
        raise ProtocolError("bad_value", f"{field} is not between 0 and {MAX_SECONDS:g} seconds", field)


def _check_policy(policy: str) -> None:
    try:
        seconds_of(policy)
    except ValueError:
        wrong = f"{policy!r} is not hangup, keep or a number of seconds"
        raise ProtocolError("bad_value", wrong, "on_owner_lost") from None


def _check_headers(headers: tuple[tuple[str, str], ...]) -> None:
    for index, (name, _) in enumerate(headers):
        field = f"headers[{index}][0]"
        if not _TOKEN.fullmatch(name):
            raise ProtocolError("bad_value", f"{name!r} is not the name of a header", field)
        if _OURS.fullmatch(name):
            raise ProtocolError("bad_value", f"{name} is written by the service itself", field)


def _check_treatment(treatment: Treatment) -> None:
    if not treatment.play.startswith(TONE):
        _check_path(treatment.play, "treatment.play")
    _check_path(treatment.record, "treatment.record")
    if treatment.echo and treatment.play:
        raise ProtocolError("bad_value", "echo and play exclude each other", "treatment.play")
    if treatment.device and (":" not in treatment.device or not treatment.device.isprintable()):
        raise ProtocolError("bad_value", f"{treatment.device!r} is not IN:OUT, two sound devices", "treatment.device")
    if treatment.device and treatment.echo:
        raise ProtocolError("bad_value", "echo and device exclude each other", "treatment.device")
