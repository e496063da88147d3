"""The records of calls: what is asked of them, and what is answered. See ``records``."""

from typing import NamedTuple


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
        media: ``service``, or ``application`` for a signalling-only call: the client brings and receives the SDP.
        sdp: of a signalling-only call, its offer line by line; empty with `late_offer`.
        with_call: another call, in whose media process its audio is to be, as they will be bridged; empty for none.
        codecs: those of the call, as the configuration names them, the most liked first; none for the service's own.
        offer_in_prack: of a signalling-only call with an `sdp`: CallOffered asks for one in the PRACK to its answer.
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
    media: str = "service"
    sdp: tuple[str, ...] = ()
    with_call: str = ""
    codecs: tuple[str, ...] = ()
    offer_in_prack: bool = False


class Answer(NamedTuple):
    """Answer a ringing call in, with more header lines for the 200.

    Attributes:
        sdp: of a signalling-only call, its answer line by line, its offer where the INVITE held none; empty where a
            provisional response held it already.
        with_call: as in Place.
    """

    call: str
    treatment: Treatment = Treatment()
    duration: float = 0.0
    headers: tuple[tuple[str, str], ...] = ()
    sdp: tuple[str, ...] = ()
    with_call: str = ""


class Progress(NamedTuple):
    """Send a provisional response of 180 to 189 to a ringing call in; with `early_media` audio flows from then on.

    Attributes:
        sdp: of a signalling-only call, its early answer line by line; empty for a response without one.
    """

    call: str
    status: int = 183
    early_media: bool = True
    treatment: Treatment = Treatment()
    sdp: tuple[str, ...] = ()


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


class Offer(NamedTuple):
    """Offer the peer of a signalling-only call another session. CallOfferAnswered tells what it says.

    Attributes:
        sdp: the offer, line by line; none to ask for the peer's own, by a re-INVITE without one.
        update: by UPDATE, which the peer answers at once or refuses; else by re-INVITE. The only way before the answer.
        fork: of a call out that is not answered, the early dialog; empty for the one that spoke last.
    """

    call: str
    sdp: tuple[str, ...] = ()
    update: bool = False
    fork: str = ""


class AnswerOffer(NamedTuple):
    """Answer the offer that CallOffered told of, or make the one that it asked for, within 10 s.

    Attributes:
        offer: its id.
        sdp: the description, line by line; empty to refuse.
        status: 200, or 300 to 699 to refuse. An offer without a method cannot be refused: that ends the call.
    """

    call: str
    offer: str
    sdp: tuple[str, ...] = ()
    status: int = 200


class Mute(NamedTuple):
    """Send the peer of a call silence (`sound`), nothing at all (`rtp`), or what is said again (`none`)."""

    call: str
    what: str = "sound"


class Bridge(NamedTuple):
    """Let the peers of two calls hear each other: the call joins the bridge of `other`, or begins one with it.

    CallBridged tells it of both, and of all others where there are more. The call leaves any bridge that it was in.

    Attributes:
        keys: keys that one peer presses are pressed in the other calls, too; of a new bridge.
    """

    call: str
    other: str
    keys: bool = False


class Unbridge(NamedTuple):
    """Take a call out of its bridge; CallUnbridged tells it."""

    call: str


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


class Placed(NamedTuple):
    """The call is begun."""

    call: str


class CallInfo(NamedTuple):
    """One call. Times are seconds since the Unix epoch, 0 when not yet.

    Attributes:
        held: who holds the other: us, peer, both, or empty for nobody.
        claimed: a worker has it.
        worker: what that one calls itself.
    """

    call: str
    direction: str
    state: str
    remote: str
    local: str
    since: float
    answered: float
    held: str = ""
    claimed: bool = False
    worker: str = ""


class CallList(NamedTuple):
    """A part of the list of calls."""

    calls: tuple[CallInfo, ...]
