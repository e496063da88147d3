"""What the user agent tells of calls; told as all of :mod:`actors.dialog.events`."""

from __future__ import annotations

from actors.runtime.machine import Event


class CallInfo(Event, frozen=True):
    """One line of a call list. Times are seconds since the Unix epoch, 0 when not yet."""

    call: str
    direction: str  # "in" or "out"
    state: str  # the state of the call's machine, lower case
    remote: str  # the peer's URI
    local: str
    since: float
    answered: float
    held: str = ""  # "us", "peer" or "both": who holds the other


class CallPlaced(Event, frozen=True):
    """A call out: control placed it, or a REFER that was followed. The first event of such a call.

    Attributes:
        remote: the URI that is called.
        local: the From URI; empty for the service's own, which depends on the way that the INVITE takes.
        account: that it is made by, empty for none.
    """

    call: str
    remote: str
    local: str
    account: str
    time: float


class CallReceived(Event, frozen=True):
    """A call in: an INVITE that began a call.

    Attributes:
        media: ``service``, or ``application`` for a signalling-only call.
        sdp: the peer's offer of a signalling-only call; empty where our answer is to make one.
    """

    call: str
    remote: str
    local: str
    display_name: str
    time: float
    account: str = ""  # that it came for, empty where it is none of ours
    headers: tuple[tuple[str, str], ...] = ()  # of the INVITE: who calls, what for, and X- headers
    route: str = ""  # the name of the route that it took, empty for none
    media: str = "service"
    sdp: str = ""


class CallProgressed(Event, frozen=True):
    """A provisional response came (call out) or was sent (call in); 180 is ringing, 183 with SDP early media.

    Attributes:
        sdp: of a signalling-only call out, the early answer in it.
        fork: of a signalling-only call out, the To tag of the early dialog: one a branch of the INVITE.
    """

    call: str
    status: int
    reason: str
    time: float
    headers: tuple[tuple[str, str], ...] = ()
    sdp: str = ""
    fork: str = ""


class CallAnswered(Event, frozen=True):
    """The call is up: the 2xx came or was sent. Media flows as `encoding` at `clock_rate`.

    Of a signalling-only call both are empty, and `sdp` is the peer's description, be it answer or offer.
    """

    call: str
    encoding: str
    clock_rate: int
    time: float
    headers: tuple[tuple[str, str], ...] = ()
    sdp: str = ""


class CallOffered(Event, frozen=True):
    """The peer of a signalling-only call offers a session: AnswerOffer within 10 s, or it gets 488 (UPDATE 504).

    Attributes:
        offer: its id.
        sdp: the offer; empty where one of ours is asked for: the peer's re-INVITE holds none (method INVITE), or a
            PRACK of ours may (no method). That goes without one where none is made.
        method: of the request that holds it: INVITE, UPDATE or PRACK; empty for a response to an INVITE without an
            offer. That one cannot be refused: without an answer the call ends.
        fork: of a call out that is not up, the To tag of the early dialog; else empty.
    """

    call: str
    offer: str
    sdp: str
    method: str
    time: float
    fork: str = ""


class CallOfferAnswered(Event, frozen=True):
    """The peer of a signalling-only call has answered an offer of ours after the first, or refused it.

    Attributes:
        status: of its final response; 200 where the answer came otherwise.
        sdp: the answer; empty where it refused, and what was agreed before stands.
    """

    call: str
    status: int
    reason: str
    sdp: str
    time: float


class CallEnded(Event, frozen=True):
    """The last event of a call, exactly one each.

    Attributes:
        outcome: answered, busy, no_answer, rejected, unreachable, cancelled or failed.
        status: the SIP status that decided it, 0 where none did.
        by: who ended it: local, remote or error.
        ringing, talking: seconds.
        packets_sent, packets_received, packets_lost: RTP totals, 0 before media.
        jitter: of the peer's packets at the end, milliseconds (RFC 3550 s6.4.1).
        round_trip: seconds, by RTCP; 0 where it was not measured.
        burst: how many packets were lost together in the mean; 0 where none was.
        mos: how the peer sounded here (ITU-T G.107), 1 to 4.5; None where nothing was heard.
        cause: by Q.850: the peer's, where a Reason header told it (RFC 3326), else the one that the status stands for
            (RFC 3398 s8.2.6.1), 16 for a call that was hung up.
        headers: of the final response or the BYE.
        contacts: the URIs that a 3xx named.
    """

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


class CallHoldChanged(Event, frozen=True):
    """Whether we hold the peer (`local`), and whether it holds us (`remote`)."""

    call: str
    local: bool
    remote: bool
    time: float


class CallMuteChanged(Event, frozen=True):
    """What of ours the peer is not sent: `sound`, `rtp` or `none`."""

    call: str
    what: str
    time: float


class CallBridged(Event, frozen=True):
    """The peer of the call hears those of `others`, and is heard by them."""

    call: str
    others: tuple[str, ...]
    time: float


class CallUnbridged(Event, frozen=True):
    """The call is in no bridge any more; or could not come into one, for this `reason`."""

    call: str
    reason: str
    time: float


class CallTransferProgressed(Event, frozen=True):
    """How a transfer goes: the status that the peer has had from the target; 100 at first, a final one is the last."""

    call: str
    status: int
    reason: str
    time: float


class CallTransferRequested(Event, frozen=True):
    """The peer asked us to call `target` (REFER); `placed` is the call that does so, empty where it was refused.

    Where the application decides, `request` is its id: AnswerRequest with 202 follows it, with another status, and
    without an answer in 5 s, it is refused. `placed` is the call that there will be.
    """

    call: str
    target: str
    referred_by: str
    placed: str
    time: float
    request: str = ""


class CallPlayFinished(Event, frozen=True):
    """A file was played to its end in a call, or could not be played."""

    call: str
    path: str
    error: str
    time: float


class CallRecordFailed(Event, frozen=True):
    """The recording of a call stopped before its end; the call goes on."""

    call: str
    path: str
    error: str
    time: float


class CallDigitReceived(Event, frozen=True):
    """The peer pressed a key for `duration` ms; `method` says how it came: rfc4733, inband or info."""

    call: str
    digit: str
    duration: int
    method: str
    time: float


class CallNoticed(Event, frozen=True):
    """Something about a call that people should know; the call goes on. `kind` is one word."""

    call: str
    kind: str
    text: str
    time: float


CallEvent = (
    CallPlaced
    | CallReceived
    | CallProgressed
    | CallAnswered
    | CallOffered
    | CallOfferAnswered
    | CallEnded
    | CallHoldChanged
    | CallMuteChanged
    | CallBridged
    | CallUnbridged
    | CallTransferProgressed
    | CallTransferRequested
    | CallPlayFinished
    | CallRecordFailed
    | CallDigitReceived
    | CallNoticed
)
