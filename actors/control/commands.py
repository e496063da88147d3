"""From the API's commands to the dialog layer's, with every value checked first. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

import actors.dialog.account_events as accounts
import actors.dialog.events as dialog
import actors.dialog.feed_events as feeds
import actors.dialog.publication_events as publications
import actors.dialog.request_events as requests
import actors.dialog.subscription_events as subscriptions
from actors.control.claims import seconds_of
from actors.control.messaging import (
    Begun,
    InCall,
    Notify,
    Publish,
    Respond,
    Send,
    TellWaiting,
    Unpublish,
    Unwatch,
    Watch,
)
from actors.control.playing import ACTIONS, SIDES, Play, Playback, Record
from actors.control.protocol import MAX_FRAME, ProtocolError, pack, plain
from actors.control.records import (
    AccountInfo,
    AccountList,
    Accounts,
    Answer,
    AnswerOffer,
    Bridge,
    CallInfo,
    CallList,
    Calls,
    Claim,
    Command,
    DoNotDisturb,
    Drain,
    Dtmf,
    HangUp,
    Hold,
    Mute,
    Offer,
    Place,
    Progress,
    Register,
    Reject,
    Resume,
    Subscribe,
    Transfer,
    Treatment,
    Unbridge,
    Unregister,
)
from actors.dialog import call_commands, call_events
from actors.sip.sdp_codecs import NAMED

MAX_SECONDS = 1e6
TONE = "tone:"  # before what is played and no file
LIST_BYTES = MAX_FRAME // 4 * 3
LIST_LENGTH = 1_000
TEXT_CUT = 1_000  # characters of a URI in a list
SHOWN = 8  # bindings of an account in a list

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
    if getattr(command, "call", None) == "" and not isinstance(command, Subscribe):
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


def place_call(command: Place, ref: str, call: str, ring_timeout: float) -> call_commands.PlaceCall:
    """The dialog layer's PlaceCall; `ring_timeout` is what holds where the command names none."""
    return call_commands.PlaceCall(
        ref=ref,
        call=call,
        uri=command.uri,
        caller=command.caller,
        treatment=_treatment(command.treatment),
        ring_timeout=command.ring_timeout or ring_timeout,
        duration=command.duration,
        headers=command.headers,
        account=command.account,
        follow=command.follow,
        late_offer=command.late_offer,
        session_expires=command.session_expires,
        media=command.media,
        sdp=_sdp(command.sdp),
        with_call=command.with_call,
        codecs=command.codecs,
        offer_in_prack=command.offer_in_prack,
    )


class Route(NamedTuple):
    """Where a command goes and as what.

    Attributes:
        make: the dialog layer's command, from ours and a reference.
        call: gives the call it is for: its shard gets it. None for a command to every shard.
    """

    make: Callable[[Any, str], dialog.FromControl]
    call: Callable[[Any], str] | None = attrgetter("call")


class Start(NamedTuple):
    """How a command begins something besides a call: it gets an id that leads to its shard.

    Attributes:
        make: the dialog layer's command, from ours, a reference and the id.
        known: the id, where the command is for what is there already; empty where it is not.
        account: gives the account it is by, whose shard it is in; empty for none.
    """

    make: Callable[[Any, str, str], dialog.FromControl]
    known: Callable[[Any], str] = lambda _: ""
    account: Callable[[Any], str] = attrgetter("account")


def _sdp(lines: tuple[str, ...]) -> bytes:
    """A session description, each of whose lines ends with CR LF (RFC 8866 s5)."""
    return "".join([line + "\r\n" for line in lines]).encode()


def _body(lines: tuple[str, ...]) -> bytes:
    return "\r\n".join(lines).encode()


STARTS: dict[type, Start] = {
    Send: Start(
        lambda c, ref, of: requests.SendRequest(
            ref, of, c.method, c.uri, c.account, c.headers, c.content_type, _body(c.body)
        )
    ),
    InCall: Start(
        lambda c, ref, of: requests.SendInCall(ref, c.call, of, c.method, c.headers, c.content_type, _body(c.body)),
        account=attrgetter("call"),  # whose shard it is
    ),
    Watch: Start(lambda c, ref, of: subscriptions.Watch(ref, of, c.uri, c.event, c.account, c.expires, c.accept)),
    Publish: Start(
        lambda c, ref, of: publications.Publish(
            ref, of, c.uri, c.event, c.account, c.expires, c.content_type, _body(c.body)
        ),
        attrgetter("publication"),
    ),
}


def begun(of: str) -> bytes:
    """The result of a command that begins something."""
    return pack(plain(Begun(of)))


# Every command that changes something but Place, which begins a call. Here a command is added.
ROUTES: dict[type, Route] = {
    Answer: Route(
        lambda c, ref: call_commands.AnswerCall(
            ref, c.call, _treatment(c.treatment), c.duration, c.headers, sdp=_sdp(c.sdp), with_call=c.with_call
        )
    ),
    Reject: Route(lambda c, ref: call_commands.RejectCall(ref, c.call, c.status, c.reason, c.headers, c.contacts)),
    HangUp: Route(lambda c, ref: call_commands.HangUp(ref, c.call, c.headers)),
    Progress: Route(
        lambda c, ref: call_commands.ProgressCall(
            ref, c.call, c.status, c.early_media, _treatment(c.treatment), sdp=_sdp(c.sdp)
        )
    ),
    Hold: Route(lambda c, ref: call_commands.HoldCall(ref, c.call)),
    Resume: Route(lambda c, ref: call_commands.ResumeCall(ref, c.call)),
    Offer: Route(lambda c, ref: call_commands.OfferSession(ref, c.call, _sdp(c.sdp), c.update, c.fork)),
    AnswerOffer: Route(lambda c, ref: call_commands.AnswerOffer(ref, c.call, c.offer, _sdp(c.sdp), c.status)),
    Bridge: Route(lambda c, ref: call_commands.BridgeCall(ref, c.call, c.other, c.keys)),
    Unbridge: Route(lambda c, ref: call_commands.UnbridgeCall(ref, c.call)),
    Mute: Route(lambda c, ref: call_commands.MuteCall(ref, c.call, c.what)),
    Transfer: Route(lambda c, ref: call_commands.TransferCall(ref, c.call, c.target, c.replaces, c.follow)),
    Dtmf: Route(lambda c, ref: call_commands.SendDigits(ref, c.call, c.digits, c.duration, c.by)),
    Respond: Route(
        lambda c, ref: requests.AnswerRequest(
            ref, c.call, c.request, c.status, c.reason, c.headers, c.content_type, _body(c.body)
        )
    ),
    Play: Route(lambda c, ref: call_commands.PlayAudio(ref, c.call, c.path, c.loop, c.queue)),
    Playback: Route(lambda c, ref: call_commands.AlterPlayback(ref, c.call, c.action, c.position)),
    Record: Route(lambda c, ref: call_commands.RecordAudio(ref, c.call, c.path, c.sides)),
    # The shard of an account is that of its address-of-record, as that of a call is that of its id.
    Register: Route(lambda c, ref: accounts.RegisterAccount(ref, c.account), attrgetter("account")),
    Unregister: Route(lambda c, ref: accounts.UnregisterAccount(ref, c.account, c.everything), attrgetter("account")),
    Unwatch: Route(lambda c, ref: subscriptions.Unwatch(ref, c.subscription), attrgetter("subscription")),
    Notify: Route(
        lambda c, ref: feeds.Notify(ref, c.subscription, c.content_type, _body(c.body), c.reason),
        attrgetter("subscription"),
    ),
    TellWaiting: Route(lambda c, ref: feeds.TellWaiting(ref, c.account, c.waiting, c.counts, c.mailbox), call=None),
    Unpublish: Route(lambda c, ref: publications.Unpublish(ref, c.publication), attrgetter("publication")),
    DoNotDisturb: Route(lambda c, ref: dialog.DoNotDisturb(ref, c.status), call=None),
    Drain: Route(lambda c, ref: dialog.Drain(ref, c.on), call=None),
}


class Question(NamedTuple):
    """A command that changes nothing and is answered by every shard.

    Attributes:
        make: the dialog layer's question, from a reference.
        answers: what of a CommandDone answers it.
        parts: the records of the reply, made of all answers.
    """

    make: Callable[[str], dialog.FromControl]
    answers: Callable[[dialog.CommandDone], Iterable[Any]]
    parts: Callable[[Sequence[Any]], Sequence[Any]]


def _treatment(treatment: Treatment) -> call_commands.Treatment:
    return call_commands.Treatment(*treatment)


def new_call_id(belongs: Callable[[str], bool], token: Callable[[], str]) -> str:
    """A Call-ID that `belongs` to the shard it is for: `token` makes random ones; one in as many as shards does."""
    while not belongs(call := token()):
        pass
    return call


def call_lists(calls: Sequence[call_events.CallInfo]) -> list[CallList]:
    """`calls` in parts that each fit a frame; one empty part when there are none."""
    infos = [
        CallInfo(
            call.call,
            call.direction,
            call.state,
            call.remote[:TEXT_CUT],
            call.local[:TEXT_CUT],
            call.since,
            call.answered,
            call.held,
        )
        for call in calls
    ]
    return [CallList(tuple(part)) for part in _split(infos)]


def account_lists(listed: Sequence[accounts.AccountInfo]) -> list[AccountList]:
    """`listed` in parts that each fit a frame; one empty part when there are none."""
    infos = [
        AccountInfo(
            each.account,
            each.state,
            each.until,
            each.since,
            each.status,
            each.reason[:TEXT_CUT],
            each.contact,
            tuple([binding[:TEXT_CUT] for binding in each.bindings[:SHOWN]]),
            tuple([route[:TEXT_CUT] for route in each.service_route[:SHOWN]]),
            each.registrar,
        )
        for each in listed
    ]
    return [AccountList(tuple(part)) for part in _split(infos)]


I = TypeVar("I", CallInfo, AccountInfo)  # noqa: E741 - an info


def _split(infos: Iterable[I]) -> list[list[I]]:
    parts: list[list[I]] = [[]]
    size, held = 0, 1
    for info in infos:
        length, maps = len(pack(plain(info))), 1 + sum(isinstance(field, tuple) for field in info)
        if size + length > LIST_BYTES or held + maps > LIST_LENGTH:
            parts.append([])
            size, held = 0, 1
        parts[-1].append(info)
        size += length
        held += maps
    return parts


def _state_of(done: dialog.CommandDone) -> Iterable[call_events.CallInfo | accounts.AccountInfo]:
    return (*done.calls, *done.accounts)


def state_lists(known: Sequence[call_events.CallInfo | accounts.AccountInfo]) -> list[CallList | AccountList]:
    """What a late joiner is told, in parts that each fit a frame; one empty part when there is nothing."""
    lines = [each for each in known if isinstance(each, accounts.AccountInfo)]
    calls = call_lists([each for each in known if isinstance(each, call_events.CallInfo)])
    return [*calls, *(account_lists(lines) if lines else [])]


# Here a question is added.
QUESTIONS: dict[type, Question] = {
    Calls: Question(call_commands.ListCalls, attrgetter("calls"), call_lists),
    Accounts: Question(accounts.ListAccounts, attrgetter("accounts"), account_lists),
    Subscribe: Question(dialog.ListState, _state_of, state_lists),
}
