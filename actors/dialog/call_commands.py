"""What the user agent takes for calls; taken and answered as all of :mod:`actors.dialog.events`."""

from __future__ import annotations

from actors.runtime.machine import Event


class Treatment(Event, frozen=True):
    """What is done with the audio of a call once it is up. Empty strings: nothing."""

    echo: bool = False
    play: str = ""
    loop: bool = False
    record: str = ""
    hang_up_after_play: bool = False
    device: str = ""


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
        offer_in_prack: of a signalling-only call with an `sdp`: the PRACK to an early answer may hold another offer
            (RFC 3262 s5), for which CallOffered asks.
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
    offer_in_prack: bool = False


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
    """Offer the peer of a signalling-only call another session; CallOfferAnswered tells what it says.

    Before the call is answered it goes by UPDATE, where the first offer has its answer already (RFC 3311 s5.1).

    Attributes:
        sdp: the offer; empty to have the peer make one, by a re-INVITE without a description: CallOffered tells it.
        update: by UPDATE (RFC 3311), which may be answered only at once; else by re-INVITE.
        fork: of a call out that is not up, the To tag of the early dialog; empty for the one that spoke last.
    """

    ref: str
    call: str
    sdp: bytes
    update: bool = False
    fork: str = ""


class AnswerOffer(Event, frozen=True):
    """Answer the offer of a signalling-only call's peer that CallOffered told of, or make the one that it asked for.

    Attributes:
        offer: its id.
        sdp: the answer, or our offer; empty where our PRACK is to hold none.
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


CallCommand = (
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
)
