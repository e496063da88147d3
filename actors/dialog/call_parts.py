"""What a call is made of: its part in media, the INVITE in hand, early dialogs, changes, timers, transfers, forks."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from actors.dialog.attempt import Attempt
from actors.dialog.call_commands import PlaceCall
from actors.dialog.dialog_state import Dialog
from actors.sip.offer_answer import Carrier, Exchange, Negotiated
from actors.sip.offer_answer import State as Turn
from actors.sip.vocabulary import TransactionKey


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
        muted: sound, when we send silence, or rtp, when we send nothing; empty for neither. The peer is not told.
        outside: the application brings and receives the descriptions; there is no session, and `draft` is what it gave.
        chosen: the process is where another call's audio is, or was: else it follows from the call's tag.
        bridged: the other calls of its bridge.
        codecs: the names of what it was placed with, none for the service's own.
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
    muted: str = ""
    outside: bool = False
    chosen: bool = False
    bridged: tuple[str, ...] = ()
    codecs: tuple[str, ...] = ()

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
        early_media: it holds our offer, and audio flows once the PRACK has answered it.
    """

    rseq: int
    raw: bytes
    interval: float
    early_media: bool = False


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
        after: seconds of ringing after which the caller has us answer by ourselves, negative where it may not.
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
    after: float = -1.0


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
        then: what is wanted after it, empty for nothing else.
        refresh: it is for the session timer only.
        update: it is an UPDATE, without a description but for the application's.
        tries: how often it met a 491.
        rseq: the number of its last reliable response that was taken, 0 before any.
        sdp: what the application offers by it; empty for none of its own.
        asks: it holds no description: the application wants the peer's offer.
        taken: that came in a reliable response.
        early: the remote tag of the early dialog that it is sent in, empty where there is one dialog.
        acknowledges: of a PRACK with an offer, the CSeq and RSeq numbers of its RAck.
    """

    attempt: Attempt | None
    direction: str
    refresh: bool = False
    update: bool = False
    tries: int = 0
    rseq: int = 0
    then: str = ""
    sdp: bytes = b""
    asks: bool = False
    taken: bool = False
    early: str = ""
    acknowledges: tuple[int, int] | None = None

    @property
    def offers(self) -> bool:
        """Whether it holds a description."""
        return bool(self.sdp) or not (self.update or self.asks)

    @property
    def told(self) -> bool:
        """Whether it is the application's: it hears what comes of it."""
        return bool(self.sdp) or self.asks

    @property
    def answered_in(self) -> Carrier:
        """The response that holds the answer to its offer."""
        if self.acknowledges:
            return Carrier.PRACK_SUCCESS
        return Carrier.UPDATE_SUCCESS if self.update else Carrier.SUCCESS

    @property
    def waiting(self) -> Change:
        """It before it is sent again, for what is wanted by now."""
        if not self.then:
            return msgspec.structs.replace(self, attempt=None, rseq=0, taken=False, acknowledges=None)
        return Change(None, self.then, tries=self.tries)


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


class Wanted(msgspec.Struct, frozen=True, array_like=True):
    """A request in the dialog that the application wants sent; they go one after another.

    Attributes:
        request: the id by which the application knows it, empty for a key pressed.
        method: empty for a pause.
        headers: more header lines.
        content_type: of the body.
        body: empty for none.
        pause: seconds to wait in place of a request.
        attempt: the request on its way, None while it waits for its turn.
    """

    request: str
    method: str
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = ""
    body: bytes = b""
    pause: float = 0.0
    attempt: Attempt | None = None


class Inquiry(msgspec.Struct, frozen=True, array_like=True):
    """A request of the peer in the dialog that the application is to answer.

    Attributes:
        request: the id by which the application knows it.
        key: its server transaction.
        seq: its CSeq number.
        response: a 200 to it, of which its answer is made.
        refusal: what it gets if the application does not answer.
        status: of the refusal.
        deadline: when that is.
        order: of a REFER, the call that it asks for.
        silent: of a REFER, no NOTIFY is wanted.
    """

    request: str
    key: TransactionKey
    seq: int
    response: bytes
    refusal: bytes
    status: int
    deadline: float
    order: PlaceCall | None = None
    silent: bool = False


class Offer(msgspec.Struct, frozen=True, array_like=True):
    """An offer of the peer that the application is to answer, or the offer that the peer wants of it.

    Attributes:
        offer: the id by which the application knows it.
        carrier: the message that holds it.
        seq: its CSeq number; of a response, that of our INVITE.
        deadline: when nobody has answered it.
        key: its server transaction, None where it came in a response.
        response: a 200 to it without a description, of which its answer is made.
        refusal: the 488 that it gets where nobody answers, and of which another refusal is made.
        target: the peer's, once its request is answered; empty where it stays.
        timer: the session timer likewise.
        early: the remote tag of the early dialog that it came in, empty where there is one dialog.
        rseq: the number of the reliable response that holds it.
        headers: of the 2xx that holds it, what control is told of them.
    """

    offer: str
    carrier: Carrier
    seq: int
    deadline: float
    key: TransactionKey | None = None
    response: bytes = b""
    refusal: bytes = b""
    target: str = ""
    timer: SessionTimer | None = None
    early: str = ""
    rseq: int = 0
    headers: tuple[tuple[str, str], ...] = ()


class Fork(msgspec.Struct, frozen=True, array_like=True):
    """A 2xx of another fork: it is acknowledged and hung up.

    Attributes:
        remote_tag: the To tag of that 2xx.
        ack, bye: its two requests.
    """

    remote_tag: str
    ack: Attempt
    bye: Attempt


class Totals(NamedTuple):
    """What media told of a call's audio at its end: see CallEnded."""

    sent: int = 0
    received: int = 0
    lost: int = 0
    jitter: float = 0.0
    round_trip: float = 0.0
    burst: float = 0.0
    mos: float = 0.0


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """What the shard of a call has to know to judge who wants its place (RFC 3891 s3).

    Attributes:
        shard: its number.
        call_id, from_tag: of the call's dialog, as the Replaces names them.
        early_only: whether only a call that is not answered may be replaced.
    """

    shard: int
    call_id: str
    from_tag: str
    early_only: bool


class Outcome(NamedTuple):
    """How a call ended: see CallEnded."""

    outcome: str
    status: int
    reason: str
    by: str
    cause: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    contacts: tuple[str, ...] = ()
