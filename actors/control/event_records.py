"""The events: those of the dialog layer with their number in the log, and control's own. See ``records``."""

from typing import Any, NamedTuple


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
    """A call in; `route` is the name of that of the configuration which it took, empty for none.

    Attributes:
        media: ``service``, or ``application`` for a signalling-only call.
        sdp: the peer's offer of a signalling-only call; empty where our answer is to make one.
    """

    seq: int
    call: str
    remote: str
    local: str
    display_name: str
    time: float
    account: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    route: str = ""
    media: str = "service"
    sdp: str = ""


class CallProgressed(NamedTuple):
    """A provisional response came (call out) or was sent (call in).

    Attributes:
        sdp: of a signalling-only call out, the early answer in it.
        fork: of a signalling-only call out, the To tag of the early dialog: one a branch of the INVITE.
    """

    seq: int
    call: str
    status: int
    reason: str
    time: float
    headers: tuple[tuple[str, str], ...] = ()
    sdp: str = ""
    fork: str = ""


class CallAnswered(NamedTuple):
    """The call is up.

    Attributes:
        encoding, clock_rate: of the audio; empty and 0 for a signalling-only call.
        sdp: of a signalling-only call, the peer's description, be it answer or offer.
    """

    seq: int
    call: str
    encoding: str
    clock_rate: int
    time: float
    headers: tuple[tuple[str, str], ...] = ()
    sdp: str = ""


class CallOffered(NamedTuple):
    """The peer of a signalling-only call offers a session: AnswerOffer within 10 s, or it gets 488 (UPDATE 504).

    Attributes:
        offer: its id.
        sdp: the offer; empty where one of ours is asked for: the peer's re-INVITE holds none (method INVITE), or a
            PRACK of ours may (no method). That goes without one where none is made.
        method: of the request that holds it: INVITE, UPDATE or PRACK; empty for a response to an INVITE without an
            offer, which cannot be refused: without an answer the call ends.
        fork: of a call out that is not up, the To tag of the early dialog; else empty.
    """

    seq: int
    call: str
    offer: str
    sdp: str
    method: str
    time: float
    fork: str = ""


class CallOfferAnswered(NamedTuple):
    """The peer of a signalling-only call has answered an offer of ours after the first, or refused it.

    Attributes:
        status: of its final response; 200 where the answer came otherwise.
        sdp: the answer; empty where it refused, and what was agreed before stands.
    """

    seq: int
    call: str
    status: int
    reason: str
    sdp: str
    time: float


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


class CallBridged(NamedTuple):
    """The peer of the call hears those of `others`, and is heard by them."""

    seq: int
    call: str
    others: tuple[str, ...]
    time: float


class CallUnbridged(NamedTuple):
    """The call is in no bridge any more; or could not come into one, for this `reason`."""

    seq: int
    call: str
    reason: str
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
        request: where a client decides, its id for Respond: 202 follows it; anything else, or silence, refuses it.
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
    """Something about a call that people should know; `kind` is one word."""

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
