"""A call: the value that is kept in its cell, its states and inputs, and what its actions are given.

One table (call_table.py) holds the edges of calls in and out; the actions stand in call_in.py, call_out.py, call_up.py
(answered calls of both directions) and call_end.py.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec

from actors.dialog.accounts import Account, Accounts
from actors.dialog.attempt import Attempt, AttemptInput, input_of_status
from actors.dialog.dialog_state import Dialog
from actors.dialog.effects import Report
from actors.dialog.events import CallEvent, CallInfo, PlaceCall, Treatment
from actors.dialog.identity import Identity
from actors.dialog.names import Names
from actors.dialog.settings import DialogSettings
from actors.runtime.machine import Machine
from actors.sip import LocalProtocolError, Request, Response
from actors.sip.offer_answer import Exchange, Negotiated
from actors.sip.offer_answer import State as Turn
from actors.sip.sdp_codecs import offered
from actors.sip.vocabulary import Candidate, Flow, Head, TransactionKey

replace = msgspec.structs.replace


class State(IntEnum):
    """The states of a call."""

    NEW = 0
    LOCATING = 1  # out: where to send the INVITE
    PREPARING = 2  # out: media takes ports for our offer
    INVITING = 3  # out: the INVITE is sent
    CANCELLING = 4  # out: given up, the final response is awaited
    RECEIVED = 5  # in: media takes ports for our answer
    RINGING = 6  # in: 180 is sent
    ANSWERED = 7  # our 2xx (to an INVITE or a re-INVITE) waits for its ACK
    LEAVING = 8  # as ANSWERED; a BYE follows the ACK (RFC 3261 s15)
    CONFIRMED = 9
    MODIFYING = 10  # as CONFIRMED; a re-INVITE or UPDATE of ours waits for its answer
    CLOSING = 11  # over; the answer to our BYE or the totals of media are awaited
    LINGERING = 12  # out: over, but other forks may still answer (RFC 3261 s13.2.2.4)
    TERMINATED = 13


class Input(IntEnum):
    """What happens to a call."""

    PLACE = 0  # control places it
    INVITE = 1  # a peer places it
    INVITE_AGAIN = 2  # the same INVITE in a new server transaction: the old one was lost
    REINVITE = 3
    BYE = 4
    ACK = 5
    CANCELLED = 6
    SERVER_FAILED = 7  # the INVITE's server transaction broke
    LOCATED = 8  # next hops for the INVITE
    ROUTED = 9  # next hops for an ACK or a BYE
    PROVISIONAL = 10
    ACCEPTED = 11  # a 2xx to the INVITE, of any fork, new or repeated
    REFUSED = 12  # a final failure of the INVITE's transaction, with or without a response
    BYE_ANSWERED = 13  # or failed; of any fork
    TRANSACTIONS_LOST = 14  # the transaction shard lost all it held
    PREPARED = 15
    MEDIA_LOST = 16  # no ports, or the session broke
    MEDIA_CLOSED = 17
    PLAYED = 18
    UNRECORDED = 19
    ANSWER = 20
    REJECT = 21
    HANG_UP = 22
    # timers
    RETRANSMIT = 23  # the 2xx (s13.3.1.4)
    NO_ACK = 24  # 64*T1 after the 2xx
    MEDIA_LATE = 25  # media did not answer in time
    RUNG_OUT = 26
    EXPIRED = 27  # the INVITE's Expires header (s13.3.1)
    STILL_RINGING = 28  # a 180 every minute (s13.3.1.1)
    TIME_UP = 29  # the call's duration
    GIVE_UP = 30  # what should have ended by itself
    RELIABLE = 31  # the reliable provisional response again (RFC 3262 s3)
    NO_PRACK = 32  # 64*T1 after it
    RETRY = 33  # after a 491 to our re-INVITE (s14.1)
    REFRESH = 34  # the session timer: half of it is over, and it is ours to refresh (RFC 4028 s7.2)
    SESSION_OVER = 35  # nobody refreshed it (RFC 4028 s10)
    # more of the dialog
    UPDATE = 36  # theirs (RFC 3311)
    PRACK = 37  # theirs (RFC 3262)
    REFER = 38  # theirs (RFC 3515)
    NOTIFY = 39  # theirs, of the REFER we sent
    PROGRESS = 40  # control: a provisional response, with early media
    MODIFY = 41  # control: hold, resume
    MODIFIED = 42  # our re-INVITE or UPDATE has its final response, or failed
    TRANSFER = 43  # control: send the peer elsewhere
    REQUEST_DONE = 44  # a PRACK, REFER or NOTIFY of ours has its final response, or failed
    REFERRED = 45  # the call that we placed because the peer referred us came on
    REPLACED = 46  # a new call has taken our place (RFC 3891)


class Media(msgspec.Struct, frozen=True, array_like=True):
    """The call's part in media and in offer/answer.

    Attributes:
        process: the number of the media process.
        session: the id of the session.
        number: how many sessions the call has had.
        asked: the address of ours that the session was asked for.
        host, port: where it receives; port 0 until media said so.
        open: whether it was asked for and has not ended.
        exchange: the offers and answers of the dialog (of a call out that is not answered: before any of them).
        draft: our answer to the peer's open offer, until it is sent.
        drafted: what it comes to.
        agreed: what both came to.
        direction: what we want: sendrecv, or sendonly while we hold the peer.
    """

    process: int = 0
    session: str = ""
    number: int = 0
    asked: str = ""
    host: str = ""
    port: int = 0
    open: bool = False
    exchange: Exchange = Exchange()
    draft: bytes = b""
    drafted: Negotiated | None = None
    agreed: Negotiated | None = None
    direction: str = "sendrecv"

    @property
    def held_by_us(self) -> bool:
        """Whether we hold the peer."""
        return self.direction != "sendrecv"

    @property
    def held_by_peer(self) -> bool:
        """Whether the peer holds us: it takes no sound."""
        return (
            self.agreed is not None and self.exchange.state is Turn.STABLE and not _hears(self.agreed, self.direction)
        )


def _hears(agreed: Negotiated, wanted: str) -> bool:
    return agreed.sends or wanted not in ("sendrecv", "sendonly")


class Reliable(msgspec.Struct, frozen=True, array_like=True):
    """A reliable provisional response of ours that waits for its PRACK (RFC 3262 s3).

    Attributes:
        rseq: its number.
        raw: the response.
        interval: seconds to its next repetition.
    """

    rseq: int
    raw: bytes
    interval: float


class Invitation(msgspec.Struct, frozen=True, array_like=True):
    """The peer's INVITE (or re-INVITE) in hand.

    Attributes:
        key: its server transaction.
        seq: its CSeq number.
        ringing: the 180 to it: every other response is made of it, so that the INVITE need not be kept.
        response: the last response sent, empty before any.
        interval: seconds to the next repetition of a 2xx.
        late: whether the 2xx carries our offer, and the ACK its answer.
        able: the option tags in its Supported and Require of those that matter here.
        rseq: the number of our last reliable provisional response, 0 before any.
        reliable: the one that waits for its PRACK.
        accepting: it is to be answered once the PRACK is there.
        extra: more header lines for the 2xx.
    """

    key: TransactionKey
    seq: int
    ringing: bytes
    response: bytes = b""
    interval: float = 0.0
    late: bool = False
    able: tuple[str, ...] = ()
    rseq: int = 0
    reliable: Reliable | None = None
    accepting: bool = False
    extra: tuple[tuple[str, str], ...] = ()


class Early(msgspec.Struct, frozen=True, array_like=True):
    """An early dialog of a call out.

    Attributes:
        remote_tag: the To tag of its responses.
        exchange: its part in offer and answer (each answers the one offer for itself).
        dialog: made by its first reliable response, None before.
        rseq: the number of its last reliable response that was taken, 0 before any.
    """

    remote_tag: str
    exchange: Exchange
    dialog: Dialog | None = None
    rseq: int = 0


class Change(msgspec.Struct, frozen=True, array_like=True):
    """A re-INVITE or UPDATE of ours (RFC 3261 s14.1, RFC 3311).

    Attributes:
        attempt: the request, None while it waits for its turn after a 491.
        direction: what we want by it.
        refresh: it is for the session timer only.
        update: it is an UPDATE without a description.
        tries: how often it met a 491.
    """

    attempt: Attempt | None
    direction: str
    refresh: bool = False
    update: bool = False
    tries: int = 0


class SessionTimer(msgspec.Struct, frozen=True, array_like=True):
    """The session timer of a call that is up (RFC 4028).

    Attributes:
        interval: seconds that the session lives without a refresh.
        ours: whether we refresh it.
        update: whether the peer takes UPDATE.
        least: the Min-SE of the dialog, 0 where none was told.
    """

    interval: int
    ours: bool
    update: bool
    least: int = 0


class Transfer(msgspec.Struct, frozen=True, array_like=True):
    """A REFER that we sent and whose outcome is awaited, or that we follow (RFC 3515).

    Attributes:
        ours: whether we sent it.
        seq: its CSeq number: the id of its subscription.
        target: the URI.
        told: the last status that was told of it.
        silent: no NOTIFY belongs to it (RFC 4488).
    """

    ours: bool
    seq: int
    target: str
    told: int = 0
    silent: bool = False


class Fork(msgspec.Struct, frozen=True, array_like=True):
    """A 2xx of another fork: it is acknowledged and hung up.

    Attributes:
        remote_tag: the To tag of that 2xx.
        ack, bye: its two requests.
    """

    remote_tag: str
    ack: Attempt
    bye: Attempt


class Outcome(NamedTuple):
    """How a call ended: see CallEnded."""

    outcome: str
    status: int
    reason: str
    by: str
    cause: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    contacts: tuple[str, ...] = ()


class Call(Machine, frozen=True, array_like=True, tag="call"):
    """One call.

    Attributes:
        tag: our local tag, and the key of the cell.
        call: the id that control knows it by.
        inbound: whether the peer placed it.
        remote, local: URIs for people.
        display_name: of a call in, the caller's.
        headers: of a call in, what control is told of its INVITE.
        begun, answered, ended: seconds on the shell's clock, 0 when not yet.
        treatment: what is done with its audio.
        duration: seconds after the answer until we hang up, 0 for no limit.
        order: of a call out, the command.
        media: its media session.
        invitation: the peer's INVITE that waits for an answer or an ACK.
        dialog: the confirmed dialog; of a call in, also the early one.
        attempt: our INVITE.
        ack: our ACK, kept to be repeated.
        bye: our BYE.
        early: the early dialogs of a call out; the one that spoke last is last.
        forks: dialogs of other forks.
        outcome: how it ended.
        announced, told: whether control was told that the call began, that it ended.
        linger: until when 2xx of other forks may come.
        identity: the account it is made by or came for, None where there is none.
        change: our re-INVITE or UPDATE.
        requests: other requests of ours in the dialog that wait for their answers.
        timer: the session timer, None where there is none.
        transfer: the REFER in hand.
        target, targets: where a 3xx sent the call, empty for nowhere, and where else it may go.
        tries: how many INVITEs the call has sent, each with a CSeq of its own.
        interval, least: of a call out, the Session-Expires and Min-SE it asks for.
        on_behalf: the tag of the call whose peer referred us here, empty for none.
        replaces: the tag of the call whose place this one takes once it is answered, empty for none.
        farewell: more header lines for our BYE.
    """

    state: State
    deadlines: tuple[tuple[Input, float], ...]
    tag: str
    call: str
    inbound: bool
    remote: str
    local: str
    begun: float
    display_name: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    answered: float = 0.0
    ended: float = 0.0
    treatment: Treatment = Treatment()
    duration: float = 0.0
    order: PlaceCall | None = None
    media: Media = Media()
    invitation: Invitation | None = None
    dialog: Dialog | None = None
    attempt: Attempt | None = None
    ack: Attempt | None = None
    bye: Attempt | None = None
    early: tuple[Early, ...] = ()
    forks: tuple[Fork, ...] = ()
    outcome: Outcome | None = None
    announced: bool = False
    told: bool = False
    linger: float = 0.0
    identity: Identity | None = None
    change: Change | None = None
    requests: tuple[Attempt, ...] = ()
    timer: SessionTimer | None = None
    transfer: Transfer | None = None
    target: str = ""
    targets: tuple[str, ...] = ()
    tries: int = 0
    interval: int = 0
    least: int = 0
    on_behalf: str = ""
    replaces: str = ""
    farewell: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> bytes:
        """The key of its cell. A call that lingers has another, so that no request finds it and no limit counts it."""
        return lingering(self.tag) if self.state is State.LINGERING else self.tag.encode()


def lingering(tag: str) -> bytes:
    """The key of the cell of a call that lingers."""
    return b"~" + tag.encode()


def _no_random(_: int) -> bytes:
    raise LocalProtocolError("no source of random bytes for SRTP")


class Agent:
    """What every call of a shard shares.

    Args:
        settings: the user agent's.
        names: the maker of tags and branches.
        draining: whether new calls are refused.
    """

    def __init__(self, settings: DialogSettings, names: Names, *, draining: bool = False) -> None:
        self.settings = settings
        self.names = names
        self.draining = draining
        self.accounts = Accounts(settings.accounts)
        self.routes: Callable[[Account], tuple[str, ...]] = lambda _: ()  # which a registration knows (RFC 3608)
        self.located_at: Callable[[Account], tuple[str, ...]] = lambda _: ()  # where its registrar was found
        self.codecs = offered(settings.codecs)
        self.give_up = 64 * settings.t1  # RFC 3261 table 4: what every wait for a peer comes to
        self.answers: dict[tuple[str, bytes, bytes, bytes], tuple[bytes, Negotiated]] = {}  # see negotiation.py
        self.media_wait = 5.0  # media answers in milliseconds, or after its restart
        self.random: Callable[[int], bytes] = _no_random  # gives so many random bytes, for the keys of SRTP


class Asked(NamedTuple):
    """A request, with the server transaction to answer it on."""

    key: TransactionKey
    flow: Flow
    head: Head
    request: Request


class Acknowledged(NamedTuple):
    """An ACK to a 2xx; it is parsed only where its body matters."""

    head: Head
    raw: bytes


class Heard(NamedTuple):
    """What came of a client transaction: a response, or none and the status that stands for it (s8.1.3.1).

    Without a response there is no `head`; one to a BYE is not parsed.
    """

    key: TransactionKey
    status: int
    reason: str
    head: Head | None = None
    response: Response | None = None

    @property
    def attempt_input(self) -> AttemptInput:
        """What it is to an attempt."""
        return AttemptInput.FAILED if self.head is None else input_of_status(self.status)


class Given(NamedTuple):
    """What an action is given beside the call and the time.

    Attributes:
        agent: what all calls share.
        wall: seconds since the Unix epoch, for people.
        what: what the input brought: Asked, Heard, a command, an event of media.
    """

    agent: Agent
    wall: float
    what: Any = None


class Place(NamedTuple):
    """Where a Locate led."""

    ref: str
    candidates: tuple[Candidate, ...]
    reason: str


def tell(event: CallEvent) -> Report:
    """Tell control an event of a call."""
    return Report(event)


def info(call: Call, now: float, wall: float) -> CallInfo:
    """The call as a line of a list."""
    return CallInfo(
        call.call,
        "in" if call.inbound else "out",
        call.state.name.lower(),
        call.remote,
        call.local,
        wall - (now - call.begun),
        wall - (now - call.answered) if call.answered else 0.0,
    )
