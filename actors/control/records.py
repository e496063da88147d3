"""The records of the control API: commands, results, events and frames, as named tuples, and the tables of them all.

Named tuples, so that a client needs nothing but pyzmq and msgpack. How they look on the wire: see ``protocol``. Those
of one subject are in a file of its own; they are all had from here.
"""

from typing import Any, NamedTuple

from actors.control import messaging, playing
from actors.control.call_records import (
    Answer,
    AnswerOffer,
    Bridge,
    CallInfo,
    CallList,
    Calls,
    Claim,
    Dtmf,
    HangUp,
    Hold,
    Mute,
    Offer,
    Place,
    Placed,
    Progress,
    Reject,
    Release,
    Resume,
    Transfer,
    Treatment,
    Unbridge,
)
from actors.control.event_records import (
    AccountChanged,
    CallAnswered,
    CallBridged,
    CallClaimed,
    CallDigitReceived,
    CallEnded,
    CallHoldChanged,
    CallMuteChanged,
    CallNoticed,
    CallOfferAnswered,
    CallOffered,
    CallPlaced,
    CallPlayFinished,
    CallProgressed,
    CallReceived,
    CallRecordFailed,
    CallReleased,
    CallTransferProgressed,
    CallTransferRequested,
    CallUnbridged,
    PeerChanged,
    ServiceStarted,
    UnknownEvent,
)
from actors.control.messaging import InCall, Notify, Publish, Respond, Send, TellWaiting, Unpublish, Unwatch, Watch
from actors.control.playing import Play, Playback, Record
from actors.control.service_records import (
    AccountInfo,
    AccountList,
    Accounts,
    Child,
    DoNotDisturb,
    Drain,
    Figure,
    FigureList,
    Hello,
    Nothing,
    Register,
    Reload,
    Reloaded,
    Stats,
    Stop,
    Subscribe,
    Tree,
    TreeList,
    Unregister,
    Unsubscribe,
    Welcome,
)

__all__ = [
    "COMMANDS",
    "EVENTS",
    "FRAMES",
    "AccountChanged",
    "AccountInfo",
    "AccountList",
    "Accounts",
    "Answer",
    "AnswerOffer",
    "Bridge",
    "Bye",
    "CallAnswered",
    "CallBridged",
    "CallClaimed",
    "CallDigitReceived",
    "CallEnded",
    "CallHoldChanged",
    "CallInfo",
    "CallList",
    "CallMuteChanged",
    "CallNoticed",
    "CallOfferAnswered",
    "CallOffered",
    "CallPlaced",
    "CallPlayFinished",
    "CallProgressed",
    "CallReceived",
    "CallRecordFailed",
    "CallReleased",
    "CallTransferProgressed",
    "CallTransferRequested",
    "CallUnbridged",
    "Calls",
    "Child",
    "Claim",
    "Command",
    "DoNotDisturb",
    "Done",
    "Drain",
    "Dtmf",
    "Event",
    "Events",
    "Figure",
    "FigureList",
    "Frame",
    "Gap",
    "HangUp",
    "Hello",
    "Hold",
    "Mute",
    "Nothing",
    "Notify",
    "Offer",
    "PeerChanged",
    "Ping",
    "Place",
    "Placed",
    "Play",
    "Playback",
    "Progress",
    "Publish",
    "Record",
    "Refused",
    "Register",
    "Reject",
    "Release",
    "Reload",
    "Reloaded",
    "Request",
    "Resume",
    "Send",
    "ServiceStarted",
    "State",
    "Stats",
    "Stop",
    "Subscribe",
    "Subscribed",
    "Transfer",
    "Treatment",
    "Tree",
    "TreeList",
    "Unbridge",
    "UnknownEvent",
    "Unpublish",
    "Unregister",
    "Unsubscribe",
    "Unwatch",
    "Watch",
    "Welcome",
]


Command = (
    Hello
    | Place
    | Answer
    | Reject
    | HangUp
    | Progress
    | Hold
    | Resume
    | Offer
    | AnswerOffer
    | Mute
    | Bridge
    | Unbridge
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


Event = (
    ServiceStarted
    | CallPlaced
    | CallReceived
    | CallProgressed
    | CallAnswered
    | CallOffered
    | CallOfferAnswered
    | CallEnded
    | CallClaimed
    | CallReleased
    | CallPlayFinished
    | CallRecordFailed
    | CallDigitReceived
    | CallNoticed
    | CallHoldChanged
    | CallMuteChanged
    | CallBridged
    | CallUnbridged
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

    `last` is how far the log has been read: there is nothing more for this subscription up to it. `after` is where the
    frame before ended: who has not got so far has lost one with its connection, and subscribes again, idle, from there.
    """

    id: str
    events: tuple[dict[str, Any], ...]
    last: int = 0
    after: int = 0


class State(NamedTuple):
    """A part of the calls and accounts that there are, before the events of the subscription `id`.

    It is as new as the first event that follows or newer: an event may tell again what it says.
    """

    id: str
    calls: tuple[CallInfo, ...]
    part: int = 0
    last: bool = True
    accounts: tuple[AccountInfo, ...] = ()


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
    "offer": Offer,
    "answer_offer": AnswerOffer,
    "mute": Mute,
    "bridge": Bridge,
    "unbridge": Unbridge,
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
        CallOffered,
        CallOfferAnswered,
        CallEnded,
        CallClaimed,
        CallReleased,
        CallPlayFinished,
        CallRecordFailed,
        CallDigitReceived,
        CallNoticed,
        CallHoldChanged,
        CallMuteChanged,
        CallBridged,
        CallUnbridged,
        CallTransferProgressed,
        CallTransferRequested,
        AccountChanged,
        PeerChanged,
        *messaging.EVENTS,
    )
}
