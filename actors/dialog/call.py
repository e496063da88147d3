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
from actors.dialog.call_commands import PlaceCall, Treatment
from actors.dialog.call_events import CallEvent, CallInfo
from actors.dialog.call_parts import (
    Change,
    Claim,
    Early,
    Fork,
    Inquiry,
    Invitation,
    Media,
    Offer,
    Outcome,
    SessionTimer,
    Transfer,
    Wanted,
)
from actors.dialog.dialog_state import Dialog
from actors.dialog.effects import Report
from actors.dialog.identity import Identity
from actors.dialog.limits import Limits, alone
from actors.dialog.names import Names
from actors.dialog.settings import Answer, DialogSettings
from actors.runtime.machine import Effects, Machine
from actors.sip import LocalProtocolError, Request, Response
from actors.sip.offer_answer import Negotiated
from actors.sip.sdp_codecs import Codec, offered
from actors.sip.vocabulary import Candidate, Flow, Head, TransactionKey

replace = msgspec.structs.replace
METHODS = (  # that are understood
    *("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "PRACK", "UPDATE", "INFO", "REFER"),
    *("NOTIFY", "MESSAGE", "SUBSCRIBE"),
)


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
    RESERVED = 47  # the shard of the call whose place we want has kept it for us, or refuses
    UNRESERVED = 48  # timer: it has not said so in time
    MODIFY_PROGRESS = 49  # a provisional response to our re-INVITE
    ANSWER_ASKED = 50  # timer: the time after which the caller asked us to answer by ourselves
    ASK = 51  # control: requests of the application's own
    PAUSED = 52  # timer: the pause between two of them is over
    ASKED = 53  # a request of theirs that the application answers
    REPLY = 54  # control: its answer
    UNREPLIED = 55  # timer: there is none
    # of signalling-only calls
    ANSWER_OFFER = 56  # control: its answer to an offer of the peer
    OFFER_LATE = 57  # timer: there is none
    OFFER_CANCELLED = 58  # the re-INVITE that holds it was cancelled
    OFFER = 59  # control: an offer of its own
    OFFER_DUE = 60  # timer: that may go out in an early dialog now
    UNTOLD = 61  # timer: no NOTIFY tells any more what became of our REFER


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
        claim: where another shard holds the call that `replaces` names, what it is asked; None where it is here.
        locked: the shard and the tag of the call that is about to take the place of this one, None for none.
        route: of a call in, the name of the one it took, empty for none.
        wanted: requests that the application wants sent in the dialog; the first is on its way.
        inquiries: requests of the peer that the application is to answer.
        offer: of a signalling-only call, the peer's offer that the application is to answer.
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
    claim: Claim | None = None
    locked: tuple[int, str] | None = None
    wanted: tuple[Wanted, ...] = ()
    inquiries: tuple[Inquiry, ...] = ()
    route: str = ""
    offer: Offer | None = None

    @property
    def key(self) -> bytes:
        """The key of its cell. A call that lingers has another, so that no request finds it and no limit counts it."""
        return lingering(self.tag) if self.state is State.LINGERING else self.tag.encode()


def lingering(tag: str) -> bytes:
    """The key of the cell of a call that lingers."""
    return b"~" + tag.encode()


def _no_random(_: int) -> bytes:
    raise LocalProtocolError("no source of random bytes for SRTP")


class Formats(NamedTuple):
    """What is offered, and what is answered where it is offered."""

    offered: tuple[Codec, ...]
    taken: tuple[Codec, ...]


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
        self.shard = 0  # the number of ours
        self.shard_of: Callable[[str], int] = lambda _: 0  # whose the dialogs and calls with this id are
        self.limits = Limits(alone())  # of the calls of accounts
        self.allow = ("Allow", ", ".join(dict.fromkeys((*METHODS, *settings.methods))))
        self.refusal = 0  # the status that every call in is refused with: do not disturb
        self.accounts = Accounts(settings.accounts, settings.former)
        self.routes: Callable[[Account], tuple[str, ...]] = lambda _: ()  # which a registration knows (RFC 3608)
        self.located_at: Callable[[Account], tuple[str, ...]] = lambda _: ()  # where its registrar was found
        # Tells the subscription that a REFER outside of calls began how its call goes: Feeds does it.
        self.told: Callable[[str, int, str, float, float], Effects] = lambda *_: ()
        self.mailbox: Callable[[str], bytes] = lambda _: b""  # the state of the mailbox of an account (RFC 3842)
        self.routed = {route.name: route.answer for route in settings.incoming}
        self._formats = self._named(settings.codecs)
        self.give_up = 64 * settings.t1  # RFC 3261 table 4: what every wait for a peer comes to
        self.answers: dict[tuple[str, bytes, bytes, bytes], tuple[bytes, Negotiated]] = {}  # see negotiation.py
        self.media_wait = 5.0  # media answers in milliseconds, or after its restart
        self.random: Callable[[int], bytes] = _no_random  # gives so many random bytes, for the keys of SRTP

    def formats(self, call: Call) -> Formats:
        """What a call offers and takes."""
        return self._named(call.media.codecs) if call.media.codecs else self._formats

    def _named(self, names: tuple[str, ...]) -> Formats:
        return Formats(offered(names, noise=self.settings.comfort_noise), offered(names, noise=True))

    def answer(self, call: Call) -> Answer:
        """What becomes of a call in."""
        return self.routed.get(call.route, self.settings.answer)

    def is_peer(self, account: Account, address: str) -> bool:
        """Whether `address` is a host of an account: one it names, or one that its registrar was found at."""
        return address in (*account.hosts, *self.located_at(account))


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


HELD = {(False, False): "", (True, False): "us", (False, True): "peer", (True, True): "both"}


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
        HELD[call.media.held_by_us, call.media.held_by_peer],
    )
