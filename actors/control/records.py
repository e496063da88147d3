"""The records of the control API: commands, results, events and frames, as named tuples.

Named tuples, so that a client needs nothing but pyzmq and msgpack. How they look on the wire: see ``protocol``.
"""

from typing import Any, NamedTuple

from actors.control import messaging, playing
from actors.control.messaging import InCall, Notify, Publish, Respond, Send, TellWaiting, Unpublish, Unwatch, Watch
from actors.control.playing import Play, Playback, Record


class Treatment(NamedTuple):
    """What is done with the audio of a call once it is up; paths are absolute. Empty strings: nothing.

    Attributes:
        device: `IN:OUT`, the sound devices that the call speaks and is heard through, by name or number; either may be
            left out for the configured one.
    """

    echo: bool = False
    play: str = ""
    loop: bool = False
    record: str = ""
    hang_up_after_play: bool = False
    device: str = ""


class Hello(NamedTuple):
    """Ask who answers; the result is a Welcome."""


class Place(NamedTuple):
    """Place a call; the result is Placed.

    Attributes:
        uri: the SIP URI to call.
        caller: the From URI, empty for the service's own.
        ring_timeout: seconds until an unanswered call is cancelled, 0 for the service's own.
        duration: seconds after the answer until we hang up, 0 for no limit.
        headers: more header lines for the INVITE, (name, value).
        on_owner_lost: what becomes of the call when this client is gone: ``hangup``, ``keep`` or seconds (see Claim).
        account: the address-of-record of the account to call by, empty for none.
        follow: go where a 3xx says; else it ends the call, and CallEnded names the contacts.
        late_offer: the INVITE holds no offer: the peer makes one in its 2xx.
        session_expires: seconds of the session timer to ask for (RFC 4028), 0 for the service's own.
    """

    uri: str
    caller: str = ""
    treatment: Treatment = Treatment()
    ring_timeout: float = 0.0
    duration: float = 0.0
    headers: tuple[tuple[str, str], ...] = ()
    account: str = ""
    on_owner_lost: str = "keep"
    follow: bool = True
    late_offer: bool = False
    session_expires: int = 0


class Answer(NamedTuple):
    """Answer a ringing call in, with more header lines for the 200."""

    call: str
    treatment: Treatment = Treatment()
    duration: float = 0.0
    headers: tuple[tuple[str, str], ...] = ()


class Progress(NamedTuple):
    """Send a provisional response of 180 to 189 to a ringing call in; with `early_media` audio flows from then on."""

    call: str
    status: int = 183
    early_media: bool = True
    treatment: Treatment = Treatment()


class Reject(NamedTuple):
    """Refuse a call in with a final status of 300 to 699; `contacts` are the URIs that a 3xx sends the caller to."""

    call: str
    status: int = 486
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    contacts: tuple[str, ...] = ()


class HangUp(NamedTuple):
    """End a call in whatever state it is, with more header lines for a BYE, such as a Reason."""

    call: str
    headers: tuple[tuple[str, str], ...] = ()


class Hold(NamedTuple):
    """Hold the peer of a call that is up. CallHoldChanged tells when it is held."""

    call: str


class Resume(NamedTuple):
    """Take the peer off hold."""

    call: str


class Mute(NamedTuple):
    """Send the peer of a call silence (`sound`), nothing at all (`rtp`), or what is said again (`none`)."""

    call: str
    what: str = "sound"


class Transfer(NamedTuple):
    """Send the peer of a call that is up elsewhere; CallTransferProgressed tells how it goes. Then the call ends.

    Attributes:
        target: the URI that the peer is to call; empty where `replaces` says it.
        replaces: a call of ours that is up, whose place the peer is to take.
        follow: have the peer tell how it goes.
    """

    call: str
    target: str = ""
    replaces: str = ""
    follow: bool = True


class Claim(NamedTuple):
    """Have a call for this client alone: others are refused with already_claimed where they answer or reject it.

    Attributes:
        worker: what this client calls itself, for people.
        on_owner_lost: what becomes of the call when this client is gone: ``hangup``, ``keep`` (another may claim it) or
            seconds in which another may claim it before it is hung up.
    """

    call: str
    worker: str = ""
    on_owner_lost: str = "hangup"


class Release(NamedTuple):
    """Give a claimed call back: another may claim it."""

    call: str


class Dtmf(NamedTuple):
    """Press keys in a call: 0-9, A-D, * and #; a comma waits half a second.

    Attributes:
        duration: of each key, in milliseconds.
        by: how they go: ``rtp`` (as telephone events), ``relay`` or ``dtmf`` (as an INFO each, with a body of
            application/dtmf-relay or application/dtmf).
    """

    call: str
    digits: str
    duration: int = 160
    by: str = "rtp"


class Calls(NamedTuple):
    """Ask for every call; the result comes as one or more CallList."""


class Accounts(NamedTuple):
    """Ask for every account; the result comes as one or more AccountList."""


class Register(NamedTuple):
    """Register an account at its registrar, or refresh that now. What becomes of it, AccountChanged tells."""

    account: str


class Unregister(NamedTuple):
    """Remove an account's binding.

    Attributes:
        account: its address-of-record.
        everything: remove all that is bound to it, of other telephones too.
    """

    account: str
    everything: bool = False


class Tree(NamedTuple):
    """Ask for the supervisor's children; the result is a TreeList."""


class DoNotDisturb(NamedTuple):
    """Refuse every call in with `status` (400 to 699) from now on, 0 to let them in again; calls out are placed."""

    status: int = 486


class Drain(NamedTuple):
    """Refuse new calls from now on, or take them again."""

    on: bool = True


class Stats(NamedTuple):
    """Ask what was counted; the result comes as one or more FigureList."""


class Reload(NamedTuple):
    """Read the configuration file again; calls go on. The result is Reloaded; one that is wrong changes nothing."""


class Stop(NamedTuple):
    """Shut the service down in order."""


class Subscribe(NamedTuple):
    """Ask for events, and later give credit for more: the same frame, repeated under the same request id.

    Attributes:
        since: the last event the subscriber has; -1 for those that come from now on.
        window: how many events beyond `since` may be sent before the next Subscribe.
        log: the id of the log that `since` is of, empty when not known.
        idle: nothing has come for a while: what was sent beyond `since` is lost, send it again.
        topics: names of events, or beginnings of names with a star (``Call*``); empty for all.
        call: only events of this call; empty for all.
        state: begin with the calls that there are, in State frames.
    """

    since: int = -1
    window: int = 256
    log: str = ""
    idle: bool = True
    topics: tuple[str, ...] = ()
    call: str = ""
    state: bool = False


class Unsubscribe(NamedTuple):
    """Ask for no more events under this request id."""


Command = (
    Hello
    | Place
    | Answer
    | Reject
    | HangUp
    | Progress
    | Hold
    | Resume
    | Mute
    | Transfer
    | Claim
    | Release
    | Dtmf
    | Calls
    | Accounts
    | Register
    | Unregister
    | Tree
    | Drain
    | DoNotDisturb
    | Stats
    | Reload
    | Stop
    | Subscribe
    | Unsubscribe
    | messaging.Command
    | playing.Command
)


class Request(NamedTuple):
    """A command on its way.

    Attributes:
        id: comes back in the reply; a repeated request keeps it.
        key: the idempotency key, in ASCII: the command takes effect once, however often it is sent. May be empty.
        within: seconds that the reply is waited for.
    """

    id: str
    key: str
    within: float
    body: Command


# Results.


class Welcome(NamedTuple):
    """Who answers: the service's version, the epoch of its control actor, and how many frames that refused by now.

    Attributes:
        audio: the ports of the media processes, where it is asked over TCP: the audio of calls is had there.
    """

    version: str
    epoch: int
    malformed: int = 0
    audio: tuple[int, ...] = ()


class Placed(NamedTuple):
    """The call is begun."""

    call: str


class CallInfo(NamedTuple):
    """One call. Times are seconds since the Unix epoch, 0 when not yet.

    Attributes:
        held: who holds the other: us, peer, both, or empty for nobody.
    """

    call: str
    direction: str
    state: str
    remote: str
    local: str
    since: float
    answered: float
    held: str = ""


class CallList(NamedTuple):
    """A part of the list of calls."""

    calls: tuple[CallInfo, ...]


class AccountInfo(NamedTuple):
    """One account. Times are seconds since the Unix epoch, 0 where there is none.

    Attributes:
        account: its address-of-record.
        state: registering, registered, failing, unregistering or unregistered; static for one that never registers.
        until: when the registrar forgets our Contact.
        since: since when it fails.
        status: why: the SIP status, 0 where none was heard.
        reason: in words.
        contact: the Contact URI that the registrar holds.
        bindings: every Contact that it listed last.
        service_route: the URIs that other requests visit first.
        registrar: which of several, where it is one of `registrars`; empty for the first.
    """

    account: str
    state: str
    until: float
    since: float
    status: int
    reason: str
    contact: str
    bindings: tuple[str, ...] = ()
    service_route: tuple[str, ...] = ()
    registrar: str = ""


class AccountList(NamedTuple):
    """A part of the list of accounts."""

    accounts: tuple[AccountInfo, ...]


class Child(NamedTuple):
    """One child of the supervisor. `since` is seconds since the Unix epoch."""

    name: str
    pid: int
    state: str
    restarts: int
    epoch: int
    since: float


class TreeList(NamedTuple):
    """The supervisor's children."""

    children: tuple[Child, ...]


class Figure(NamedTuple):
    """Something counted: `name`, and where there are several, the `label` that tells them apart and which it is `of`.

    A name that ends with ``_total`` only grows, but for a new start of the control actor.
    """

    name: str
    label: str
    of: str
    value: float


class FigureList(NamedTuple):
    """A part of what was counted."""

    figures: tuple[Figure, ...]


class Reloaded(NamedTuple):
    """The configuration was read again: the names of the processes that are started anew with it."""

    children: tuple[str, ...]


class Nothing(NamedTuple):
    """The command took effect and there is no more to say."""


# Events: those of the dialog layer with their number in the log, and control's own.


class ServiceStarted(NamedTuple):
    """Control started with nothing kept from before (a new start of the service): older calls are over."""

    seq: int
    time: float


class CallPlaced(NamedTuple):
    """A call out is begun, by a command or by a REFER that was followed: the first event of such a call.

    Attributes:
        remote: the URI that is called.
        local: the From URI; empty for the service's own.
        account: that it is made by, empty for none.
    """

    seq: int
    call: str
    remote: str
    local: str
    account: str
    time: float


class CallReceived(NamedTuple):
    """A call in."""

    seq: int
    call: str
    remote: str
    local: str
    display_name: str
    time: float
    account: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class CallProgressed(NamedTuple):
    """A provisional response came (call out) or was sent (call in)."""

    seq: int
    call: str
    status: int
    reason: str
    time: float
    headers: tuple[tuple[str, str], ...] = ()


class CallAnswered(NamedTuple):
    """The call is up."""

    seq: int
    call: str
    encoding: str
    clock_rate: int
    time: float
    headers: tuple[tuple[str, str], ...] = ()


class CallEnded(NamedTuple):
    """The last event of a call. `ringing` and `talking` in seconds; the counts are RTP packets; `cause` is by Q.850.

    Attributes:
        jitter: of the peer's packets at the end, milliseconds (RFC 3550 s6.4.1).
        round_trip: seconds, by RTCP; 0 where it was not measured.
        burst: how many packets were lost together in the mean; 0 where none was.
        mos: how the peer sounded here (ITU-T G.107), 1 to 4.5; null where nothing was heard.
    """

    seq: int
    call: str
    outcome: str
    status: int
    reason: str
    by: str
    ringing: float
    talking: float
    time: float
    packets_sent: int = 0
    packets_received: int = 0
    packets_lost: int = 0
    cause: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    contacts: tuple[str, ...] = ()
    jitter: float = 0.0
    round_trip: float = 0.0
    burst: float = 0.0
    mos: float | None = None


class CallHoldChanged(NamedTuple):
    """Whether we hold the peer (`local`), and whether it holds us (`remote`)."""

    seq: int
    call: str
    local: bool
    remote: bool
    time: float


class CallMuteChanged(NamedTuple):
    """What of ours the peer is not sent: `sound`, `rtp` or `none`."""

    seq: int
    call: str
    what: str
    time: float


class CallTransferProgressed(NamedTuple):
    """How a transfer goes: 100 at first, a final status is the last."""

    seq: int
    call: str
    status: int
    reason: str
    time: float


class CallTransferRequested(NamedTuple):
    """The peer asked us to call `target`; `placed` is the call that does so, empty where it was refused.

    Attributes:
        request: where a client decides, its id for Respond: a 2xx follows it; anything else, or silence, refuses it.
            `placed` is the call that there will be. Empty where nobody is asked.
    """

    seq: int
    call: str
    target: str
    referred_by: str
    placed: str
    time: float
    request: str = ""


class CallClaimed(NamedTuple):
    """A worker has the call."""

    seq: int
    call: str
    worker: str
    time: float


class CallReleased(NamedTuple):
    """The call has no worker any more: it was released by it, or it was lost (`reason`)."""

    seq: int
    call: str
    worker: str
    reason: str
    time: float


class CallPlayFinished(NamedTuple):
    """A file was played to its end, or could not be."""

    seq: int
    call: str
    path: str
    error: str
    time: float


class CallRecordFailed(NamedTuple):
    """A recording stopped before its call did."""

    seq: int
    call: str
    path: str
    error: str
    time: float


class CallDigitReceived(NamedTuple):
    """The peer pressed a key for `duration` milliseconds; `method` is rfc4733, inband or info."""

    seq: int
    call: str
    digit: str
    duration: int
    method: str
    time: float


class CallNoticed(NamedTuple):
    """Something about a call's audio that people should know; `kind` is one word."""

    seq: int
    call: str
    kind: str
    text: str
    time: float


class AccountChanged(NamedTuple):
    """The registration of an account changed; the fields are those of AccountInfo."""

    seq: int
    account: str
    state: str
    until: float
    since: float
    status: int
    reason: str
    contact: str
    time: float
    registrar: str = ""


class PeerChanged(NamedTuple):
    """The peer of an account that is asked now and then (OPTIONS) is reachable, or is no more.

    Attributes:
        status: of its answer; 408 for none, 0 where there is no next hop.
        seconds: that the answer took.
    """

    seq: int
    account: str
    reachable: bool
    status: int
    reason: str
    seconds: float
    time: float


class UnknownEvent(NamedTuple):
    """An event that a newer service sends and this client does not know."""

    seq: int
    type: str
    fields: dict[str, Any]


Event = (
    ServiceStarted
    | CallPlaced
    | CallReceived
    | CallProgressed
    | CallAnswered
    | CallEnded
    | CallClaimed
    | CallReleased
    | CallPlayFinished
    | CallRecordFailed
    | CallDigitReceived
    | CallNoticed
    | CallHoldChanged
    | CallMuteChanged
    | CallTransferProgressed
    | CallTransferRequested
    | AccountChanged
    | PeerChanged
    | messaging.Event
    | UnknownEvent
)


# Frames from the service.


class Done(NamedTuple):
    """The reply to request `id`, or the `part` of it, counted from 0, where not `last`."""

    id: str
    result: dict[str, Any]
    part: int = 0
    last: bool = True


class Refused(NamedTuple):
    """Request `id` had no effect (with code ``timeout``: may have had none). `field` names what is wrong in it."""

    id: str
    code: str
    message: str
    field: str = ""


class Subscribed(NamedTuple):
    """The subscription `id` stands: events after `since` follow. `last` is the last in the log `log` by now."""

    id: str
    since: int
    last: int
    log: str


class Events(NamedTuple):
    """Events of the subscription `id`, in order.

    `last` is how far the log has been read: there is nothing more for this subscription up to it.
    """

    id: str
    events: tuple[dict[str, Any], ...]
    last: int = 0


class State(NamedTuple):
    """A part of the calls that there are, before the events of the subscription `id`.

    It is as new as the first event that follows or newer: an event may tell again what it says.
    """

    id: str
    calls: tuple[CallInfo, ...]
    part: int = 0
    last: bool = True


class Gap(NamedTuple):
    """Events of the subscription `id` are gone: those between `after` and `next`, both of which exclude themselves.

    `reason` is ``outran`` (the log is bounded and the reader was too slow) or ``new_log`` (`after` was a number of
    another log, whose events are all gone).
    """

    id: str
    after: int
    next: int
    reason: str


class Bye(NamedTuple):
    """The service is shutting down; nothing more follows for `id`."""

    id: str


class Ping(NamedTuple):
    """Whoever owns calls gets one now and then: there is nothing to do about it."""

    id: str = ""


Frame = Ping | Done | Refused | Subscribed | State | Events | Gap | Bye

COMMANDS: dict[str, type[Command]] = {
    "hello": Hello,
    "place": Place,
    "answer": Answer,
    "reject": Reject,
    "hangup": HangUp,
    "progress": Progress,
    "hold": Hold,
    "resume": Resume,
    "mute": Mute,
    "transfer": Transfer,
    "claim": Claim,
    "release": Release,
    "dtmf": Dtmf,
    "play": Play,
    "playback": Playback,
    "record": Record,
    "calls": Calls,
    "accounts": Accounts,
    "register": Register,
    "unregister": Unregister,
    "send": Send,
    "request": InCall,
    "respond": Respond,
    "watch": Watch,
    "unwatch": Unwatch,
    "publish": Publish,
    "unpublish": Unpublish,
    "notify": Notify,
    "tell_waiting": TellWaiting,
    "tree": Tree,
    "drain": Drain,
    "disturb": DoNotDisturb,
    "stats": Stats,
    "reload": Reload,
    "stop": Stop,
    "subscribe": Subscribe,
    "unsubscribe": Unsubscribe,
}
FRAMES: dict[str, type[Frame]] = {
    "done": Done,
    "refused": Refused,
    "subscribed": Subscribed,
    "state": State,
    "events": Events,
    "gap": Gap,
    "bye": Bye,
    "ping": Ping,
}
EVENTS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        ServiceStarted,
        CallPlaced,
        CallReceived,
        CallProgressed,
        CallAnswered,
        CallEnded,
        CallClaimed,
        CallReleased,
        CallPlayFinished,
        CallRecordFailed,
        CallDigitReceived,
        CallNoticed,
        CallHoldChanged,
        CallMuteChanged,
        CallTransferProgressed,
        CallTransferRequested,
        AccountChanged,
        PeerChanged,
        *messaging.EVENTS,
    )
}
