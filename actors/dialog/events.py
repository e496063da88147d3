"""What the user agent tells its user (control) and accepts from it.

Every command carries a `ref`; each is answered by exactly one CommandDone or CommandFailed with that `ref`.
`call` is the id of a call: chosen by control for a call out (it makes it hash to the right shard), by the dialog for a
call in. It is also the Call-ID of the SIP dialog for a call out.
"""

from __future__ import annotations

from actors.dialog.account_events import AccountCommand, AccountEvent, AccountInfo
from actors.dialog.feed_events import FeedCommand, FeedEvent
from actors.dialog.publication_events import PublicationCommand, PublicationEvent
from actors.dialog.request_events import RequestCommand, RequestEvent
from actors.dialog.subscription_events import SubscriptionCommand, SubscriptionEvent
from actors.runtime.machine import Event


class Treatment(Event, frozen=True):
    """What is done with the audio of a call once it is up. Empty strings: nothing."""

    echo: bool = False
    play: str = ""
    loop: bool = False
    record: str = ""
    hang_up_after_play: bool = False
    device: str = ""


# Commands, from control.


class PlaceCall(Event, frozen=True):
    """Place a call. CommandDone means it is begun; what becomes of it, events tell.

    Attributes:
        uri: the SIP URI to call.
        caller: the From URI, empty for the service's own.
        ring_timeout: seconds until an unanswered call is cancelled.
        duration: seconds after the answer until we hang up, 0 for no limit.
        headers: more header lines for the INVITE, (name, value).
        account: the address-of-record of the account it is made by, empty for none.
        follow: go where a 3xx says; else it ends the call, and CallEnded names the contacts.
        late_offer: the INVITE holds no offer: the peer makes one in its 2xx.
        session_expires: seconds of the session timer to ask for (RFC 4028), 0 for the service's own.
        media: ``service``, or ``application`` where that brings and receives the SDP: a signalling-only call.
        sdp: of a signalling-only call, its offer; empty where the peer is to make one (`late_offer`).
        with_call: another call, in whose media process its audio is to be, as they will be bridged; empty for none.
        codecs: those of the call, as the configuration names them, the most liked first; none for the service's own.
    """

    ref: str
    call: str
    uri: str
    caller: str
    treatment: Treatment
    ring_timeout: float
    duration: float
    headers: tuple[tuple[str, str], ...]
    account: str = ""
    follow: bool = True
    late_offer: bool = False
    session_expires: int = 0
    media: str = "service"
    sdp: bytes = b""
    with_call: str = ""
    codecs: tuple[str, ...] = ()


class AnswerCall(Event, frozen=True):
    """Answer a ringing call in, with more header lines for the 200.

    Attributes:
        sdp: of a signalling-only call, its answer, or its offer where the INVITE held none; empty where a provisional
            response held it already.
        with_call: as in PlaceCall.
    """

    ref: str
    call: str
    treatment: Treatment
    duration: float
    headers: tuple[tuple[str, str], ...] = ()
    sdp: bytes = b""
    with_call: str = ""


class ProgressCall(Event, frozen=True):
    """Send a provisional response of 180 to 189 to a call in.

    With `early_media` it holds our answer: media flows by `treatment` before the call is answered. To a peer that can
    do reliable responses such a one is sent reliably (RFC 3262). That of a signalling-only call holds the answer `sdp`,
    if it is not empty.
    """

    ref: str
    call: str
    status: int = 183
    early_media: bool = True
    treatment: Treatment = Treatment()
    sdp: bytes = b""


class RejectCall(Event, frozen=True):
    """Refuse a call in with a final status of 300 to 699; `contacts` are the URIs that a 3xx sends the caller to."""

    ref: str
    call: str
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()
    contacts: tuple[str, ...] = ()


class HangUp(Event, frozen=True):
    """End a call in whatever state it is: BYE (with more header lines, such as a Reason), CANCEL or a refusal."""

    ref: str
    call: str
    headers: tuple[tuple[str, str], ...] = ()


class HoldCall(Event, frozen=True):
    """Hold the peer of a call that is up: it is sent no sound of ours but what is played, and takes none from it."""

    ref: str
    call: str


class ResumeCall(Event, frozen=True):
    """Take the peer off hold."""

    ref: str
    call: str


class OfferSession(Event, frozen=True):
    """Offer the peer of a signalling-only call that is up another session; CallOfferAnswered tells what it says.

    Attributes:
        sdp: the offer.
        update: by UPDATE (RFC 3311), which may be answered only at once; else by re-INVITE.
    """

    ref: str
    call: str
    sdp: bytes
    update: bool = False


class AnswerOffer(Event, frozen=True):
    """Answer the offer of a signalling-only call's peer that CallOffered told of, or make the one that it asked for.

    Attributes:
        offer: its id.
        sdp: the answer, or our offer.
        status: 200, or 300 to 699: a request is refused with it, and what it would have changed stays as it is. An
            offer in a response cannot be refused: that ends the call.
    """

    ref: str
    call: str
    offer: str
    sdp: bytes = b""
    status: int = 200


class MuteCall(Event, frozen=True):
    """Send the peer of a call no sound of ours, or let it hear us again; it is not told, and is still heard.

    Attributes:
        what: `sound`: silence is sent; `rtp`: nothing is sent but RTCP; `none`: what is said is sent again.
    """

    ref: str
    call: str
    what: str = "sound"


class BridgeCall(Event, frozen=True):
    """Let the peers of two calls hear each other: the call joins the bridge of `other`, or begins one with it.

    CallBridged tells it of both, and of all others where there are more. The call leaves any bridge that it was in.

    Attributes:
        keys: keys that one peer presses are pressed in the other calls, too; of a new bridge.
    """

    ref: str
    call: str
    other: str
    keys: bool = False


class UnbridgeCall(Event, frozen=True):
    """Take a call out of its bridge; CallUnbridged tells it."""

    ref: str
    call: str


class TransferCall(Event, frozen=True):
    """Send the peer of a call that is up elsewhere (REFER); CallTransferProgressed tells what comes of it.

    When the peer has got there the call is hung up.

    Attributes:
        target: the URI that the peer is to call; empty where `replaces` says it.
        replaces: a call of ours that is up, whose place the peer is to take (RFC 3891).
        follow: the peer is to tell how it goes; else the call is hung up once it says that it will (RFC 4488).
    """

    ref: str
    call: str
    target: str = ""
    replaces: str = ""
    follow: bool = True


class SendDigits(Event, frozen=True):
    """Press keys in a call that is up: 0-9, A-D, *, #; a comma waits half a second. Each lasts `duration` ms.

    Attributes:
        by: `rtp`: as telephone events, or tones where the peer takes none; `relay` or `dtmf`: as an INFO each, with a
            body of application/dtmf-relay or application/dtmf.
    """

    ref: str
    call: str
    digits: str
    duration: int
    by: str = "rtp"


class PlayAudio(Event, frozen=True):
    """Play a file or a tone in a call with audio: in place of what is played, or behind it (`queue`)."""

    ref: str
    call: str
    path: str
    loop: bool = False
    queue: bool = False


class AlterPlayback(Event, frozen=True):
    """Alter what is played: `action` is pause, resume, seek (to `position`, seconds) or stop."""

    ref: str
    call: str
    action: str
    position: float = 0.0


class RecordAudio(Event, frozen=True):
    """Record a call with audio into `path`, `sides` peer, mixed or stereo; an empty path ends the recording."""

    ref: str
    call: str
    path: str
    sides: str = "peer"


class ListCalls(Event, frozen=True):
    """Ask for every call of the shard; answered by CommandDone with ``calls``: a tuple of CallInfo."""

    ref: str


class ListState(Event, frozen=True):
    """Tell every call and every account, for who joins late."""

    ref: str


class Drain(Event, frozen=True):
    """Refuse new calls with 503 from now on (`on`), or take them again; calls in progress go on."""

    ref: str
    on: bool


class DoNotDisturb(Event, frozen=True):
    """Refuse every call in with `status` (400 to 699) from now on, 0 to let them in again; calls out are placed."""

    ref: str
    status: int


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


class CommandDone(Event, frozen=True):
    """The command `ref` took effect."""

    ref: str
    calls: tuple[CallInfo, ...] = ()
    accounts: tuple[AccountInfo, ...] = ()


class CommandFailed(Event, frozen=True):
    """The command `ref` had no effect.

    `code` is one of no_such_call, bad_state, bad_uri, bad_value, no_media, busy, draining.
    """

    ref: str
    code: str
    message: str


# Events, to control.


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
        sdp: the offer; empty where the peer wants one of ours (a re-INVITE without a description).
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

    Where the application decides, `request` is its id: AnswerRequest with a 2xx follows it, with any other status, and
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


FromControl = (
    PlaceCall
    | AnswerCall
    | ProgressCall
    | RejectCall
    | HangUp
    | HoldCall
    | ResumeCall
    | OfferSession
    | AnswerOffer
    | MuteCall
    | BridgeCall
    | UnbridgeCall
    | TransferCall
    | SendDigits
    | PlayAudio
    | AlterPlayback
    | RecordAudio
    | ListCalls
    | ListState
    | Drain
    | DoNotDisturb
    | AccountCommand
    | RequestCommand
    | SubscriptionCommand
    | PublicationCommand
    | FeedCommand
)
CallEvent = (
    CallPlaced
    | CallReceived
    | CallProgressed
    | CallAnswered
    | CallOffered
    | CallOfferAnswered
    | CallEnded
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
)
ToControl = (
    CommandDone
    | CommandFailed
    | CallEvent
    | AccountEvent
    | RequestEvent
    | SubscriptionEvent
    | PublicationEvent
    | FeedEvent
)
