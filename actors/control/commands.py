"""From the API's commands to the dialog layer's, and from its answers to the API's lists. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

import actors.dialog.account_events as accounts
import actors.dialog.events as dialog
import actors.dialog.feed_events as feeds
import actors.dialog.publication_events as publications
import actors.dialog.request_events as requests
import actors.dialog.subscription_events as subscriptions
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
from actors.control.playing import Play, Playback, Record
from actors.control.protocol import MAX_FRAME, pack, plain
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

LIST_BYTES = MAX_FRAME // 4 * 3
LIST_LENGTH = 1_000
TEXT_CUT = 1_000  # characters of a URI in a list
SHOWN = 8  # bindings of an account in a list


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
        ),
        lambda c: c.call or c.request,  # the id of a request outside of calls leads to its shard, as a call's does
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
