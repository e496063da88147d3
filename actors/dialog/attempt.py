"""One request and its ordered candidates (RFC 3263 section 4.3): a transaction each, until one of them answers.

The owner asks with LOCATE or gives the candidate it knows, and says SEND whenever the attempt has *chosen* one: an
INVITE may first need a media session on another of our addresses. Each candidate gets a new branch; Call-ID, From tag
and CSeq stay. The next one is taken at 503, at a transport failure and when nothing was heard at all. A request that
is too large for UDP goes by TCP first, which is a candidate of its own from then on (RFC 3261 s18.1.1).

The ACK to a 2xx is an attempt without a transaction: it is sent, and sent again when asked (RFC 3261 s13.2.2.4).
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import msgspec

from actors.dialog.effects import Cancel, Find, PutBehind, Send, SendAck
from actors.dialog.names import Names, ref_of
from actors.runtime.machine import Effects, Machine, Row, Table
from actors.sip.vocabulary import Candidate, Target, TransactionKey

STREAM_PATIENCE = 2.0  # seconds to open the connection that only a large request asks for

replace = msgspec.structs.replace


class AttemptState(IntEnum):
    """The states of the figure."""

    NEW = 0
    LOCATING = 1  # the transport looks for next hops
    CHOSEN = 2  # a candidate waits for SEND
    TRYING = 3  # sent, nothing heard
    PROCEEDING = 4  # a provisional response came
    CANCELLED = 5  # no further candidate is tried
    DONE = 6  # a final response came, or there is nothing to wait for
    EXHAUSTED = 7  # no candidate is left


class AttemptInput(IntEnum):
    """What happens to an attempt."""

    LOCATE = 0
    LOCATED = 1
    SEND = 2
    PROVISIONAL = 3
    FINAL = 4  # any but 503
    UNAVAILABLE = 5  # 503: another server may do better
    FAILED = 6  # the transaction timed out or could not send
    CANCEL = 7


class News(NamedTuple):
    """What an input brings with it."""

    names: Names
    candidates: tuple[Candidate, ...] = ()
    status: int = 0
    reason: str = ""
    retry_after: float = 0.0


class Attempt(Machine, frozen=True, array_like=True):
    """One request on its way.

    Attributes:
        tag: of the call.
        name: of the request, unique in its call: part of each branch and of the `ref`.
        method: the request's.
        request: the request whole, but for Via and Contact.
        contact: the user part of our Contact, None for a request that has none.
        uri: the next hop to locate, empty where candidates are given.
        candidates: in the order to try them.
        index: the one in hand.
        key: the transaction in hand.
        status: of an exhausted attempt, what the last candidate failed with; 0 if there was none.
        reason: in words.
        ob: whether requests of the peer in the dialog that it begins are to come by its flow (RFC 5626 s4.3).
    """

    state: AttemptState
    deadlines: tuple[tuple[AttemptInput, float], ...]
    tag: str
    name: str
    method: str
    request: bytes
    contact: str | None
    uri: str
    candidates: tuple[Candidate, ...] = ()
    index: int = 0
    key: TransactionKey | None = None
    status: int = 0
    reason: str = ""
    ob: bool = False

    @property
    def candidate(self) -> Candidate:
        """The candidate in hand."""
        return self.candidates[self.index]

    def candidate_of(self, key: TransactionKey, names: Names) -> Candidate:
        """The candidate that the transaction `key` of this request went to, be it given up since."""
        for index in range(self.index):
            if names.branch(self.tag, self.name, index) == key.branch:
                return self.candidates[index]
        return self.candidate

    @property
    def ref(self) -> str:
        """What our Locate carries."""
        return ref_of(self.tag, self.name)

    @property
    def over(self) -> bool:
        """Whether nothing more is to come."""
        return self.state >= AttemptState.DONE


def stamped(request: bytes, candidate: Candidate, branch: str, contact: str | None, *, ob: bool = False) -> bytes:
    """`request` with Via (RFC 3261 s8.1.1.7, rport: RFC 3581) and, unless None, Contact (s8.1.1.8) put on top.

    Over TLS the peer may send requests of its own back on the connection (RFC 5923 s8.1). A registration's flow is kept
    alive as often as the next hop asks (RFC 6223 s4.2.2).
    """
    target, sent_by = candidate[:2]
    more = ";alias" if target.transport == "tls" else ""
    more += ";keep" if request.startswith(b"REGISTER ") else ""
    lines = f"Via: SIP/2.0/{target.transport.upper()} {sent_by};rport;branch={branch}{more}\r\n"
    if contact is not None:
        secure = b"sips:" in request and _is_secure(request)
        lines += f"Contact: {contact_value(contact, sent_by, target.transport, secure=secure, ob=ob)}\r\n"
    head = request.index(b"\r\n") + 2
    return b"".join((request[:head], lines.encode(), request[head:]))


def _is_secure(request: bytes) -> bool:
    """Whether the Request-URI or the top Route is a SIPS URI: our Contact is one, too (s8.1.1.8, RFC 5630 s5.1.1)."""
    head = request.partition(b"\r\n\r\n")[0]
    return head.partition(b" ")[2][:5].lower() == b"sips:" or head.partition(b"\r\nRoute: ")[2][:6] == b"<sips:"


def contact_value(user: str, sent_by: str, transport: str, *, secure: bool = False, ob: bool = False) -> str:
    """Our Contact where the peer reaches us at `sent_by` (RFC 3261 s8.1.1.8, 12.1.1).

    RFC 5630 s3.1.4 would not have `transport=tls` in a SIP URI; but without it the peer would speak UDP to a TLS port.
    """
    more = ";ob" if ob else ""  # RFC 5626 s4.3
    if secure:
        return f"<sips:{user}@{sent_by}{more}>"
    return f"<sip:{user}@{sent_by}{'' if transport == 'udp' else f';transport={transport}'}{more}>"


# Actions


def _ask(attempt: Attempt, _: News, __: float) -> tuple[Attempt, Effects]:
    return attempt, (Find(attempt.ref, attempt.uri),)


def _take(attempt: Attempt, news: News, _: float) -> tuple[Attempt, Effects]:
    if not news.candidates:
        reason = news.reason or "no next hop"
        return replace(attempt, state=AttemptState.EXHAUSTED, status=503, reason=reason), ()
    return replace(attempt, state=AttemptState.CHOSEN, candidates=news.candidates, index=0), ()


def _send(attempt: Attempt, news: News, _: float) -> tuple[Attempt, Effects]:
    candidate = attempt.candidate
    branch = news.names.branch(attempt.tag, attempt.name, attempt.index)
    raw = stamped(attempt.request, candidate, branch, attempt.contact, ob=attempt.ob)
    if candidate.above and len(raw) > candidate.above:
        attempt = _streamed(attempt)
        candidate = attempt.candidate
        raw = stamped(attempt.request, candidate, branch, attempt.contact, ob=attempt.ob)
    if attempt.method == "ACK":
        return replace(attempt, state=AttemptState.DONE), (SendAck(candidate.target, raw),)
    key = TransactionKey(branch, "", attempt.method)
    return replace(attempt, state=AttemptState.TRYING, key=key), (Send(key, candidate.target, raw),)


def _streamed(attempt: Attempt) -> Attempt:
    """Put the way by TCP before a UDP candidate that the request is too large for; by UDP it goes if that fails."""
    before, here, after = (
        attempt.candidates[: attempt.index],
        attempt.candidate,
        attempt.candidates[attempt.index + 1 :],
    )
    _, host, port, *_ = here.target
    stream = Candidate(Target("tcp", host, port, patience=STREAM_PATIENCE), here.streamed)
    return replace(attempt, candidates=(*before, stream, here._replace(above=0, streamed=""), *after))


def _next(attempt: Attempt, news: News, _: float) -> tuple[Attempt, Effects]:
    return _onward(attempt, news, attempt.index + 1)


def _next_server(attempt: Attempt, news: News, _: float) -> tuple[Attempt, Effects]:
    """It answered: another way to the same server would meet the same answer."""
    here = attempt.candidate.target[1:3]
    index = attempt.index + 1
    while index < len(attempt.candidates) and attempt.candidates[index].target[1:3] == here:
        index += 1
    return _onward(attempt, news, index)


def _onward(attempt: Attempt, news: News, index: int) -> tuple[Attempt, Effects]:
    failed = PutBehind(attempt.candidate.target, news.retry_after)
    if index < len(attempt.candidates):
        return replace(attempt, state=AttemptState.CHOSEN, index=index, key=None), (failed,)
    return replace(attempt, state=AttemptState.EXHAUSTED, status=news.status, reason=news.reason), (failed,)


def _give_up(attempt: Attempt, news: News, _: float) -> tuple[Attempt, Effects]:
    return replace(attempt, status=news.status, reason=news.reason), ()


def _cancel(attempt: Attempt, _: News, __: float) -> tuple[Attempt, Effects]:
    assert attempt.key is not None
    return attempt, (Cancel(attempt.key),)


def _repeat(attempt: Attempt, news: News, now: float) -> tuple[Attempt, Effects]:
    if attempt.method != "ACK":
        return attempt, ()
    if attempt.candidate.target.reliable and attempt.index + 1 < len(attempt.candidates):
        attempt = replace(attempt, index=attempt.index + 1)  # nobody says whether the connection could be opened
    return _send(attempt, news, now)


S = AttemptState
I = AttemptInput  # noqa: E741 - as in the table's columns

ATTEMPT: Table[Attempt] = Table(
    "attempt",
    states=S,
    inputs=I,
    rows=(
        Row(S.NEW, I.LOCATE, S.LOCATING, (_ask,)),
        Row(S.NEW, I.LOCATED, (S.CHOSEN, S.EXHAUSTED), (_take,)),
        Row(S.NEW, I.CANCEL, S.DONE),
        Row(S.LOCATING, I.LOCATED, (S.CHOSEN, S.EXHAUSTED), (_take,)),
        Row(S.LOCATING, I.CANCEL, S.DONE),
        Row(S.CHOSEN, I.SEND, (S.TRYING, S.DONE), (_send,)),
        Row(S.CHOSEN, I.CANCEL, S.DONE),
        Row(S.TRYING, I.PROVISIONAL, S.PROCEEDING),
        Row(S.TRYING, I.FINAL, S.DONE),
        Row(S.TRYING, I.UNAVAILABLE, (S.CHOSEN, S.EXHAUSTED), (_next_server,)),
        Row(S.TRYING, I.FAILED, (S.CHOSEN, S.EXHAUSTED), (_next,)),
        Row(S.TRYING, I.CANCEL, S.CANCELLED, (_cancel,)),
        Row(S.PROCEEDING, I.FINAL, S.DONE),
        Row(S.PROCEEDING, I.UNAVAILABLE, (S.CHOSEN, S.EXHAUSTED), (_next_server,)),
        Row(S.PROCEEDING, I.FAILED, S.EXHAUSTED, (_give_up,)),  # it was there: no other server would do better
        Row(S.PROCEEDING, I.CANCEL, S.CANCELLED, (_cancel,)),
        Row(S.CANCELLED, I.FINAL, S.DONE),
        Row(S.CANCELLED, I.UNAVAILABLE, S.DONE),
        Row(S.CANCELLED, I.FAILED, S.EXHAUSTED, (_give_up,)),
        Row(S.DONE, I.SEND, S.DONE, (_repeat,)),
    ),
    ignored={
        S.NEW: {I.SEND, I.PROVISIONAL, I.FINAL, I.UNAVAILABLE, I.FAILED},
        S.LOCATING: {I.LOCATE, I.SEND, I.PROVISIONAL, I.FINAL, I.UNAVAILABLE, I.FAILED},
        S.CHOSEN: {I.LOCATE, I.LOCATED, I.PROVISIONAL, I.FINAL, I.UNAVAILABLE, I.FAILED},
        S.TRYING: {I.LOCATE, I.LOCATED, I.SEND},
        S.PROCEEDING: {I.LOCATE, I.LOCATED, I.SEND, I.PROVISIONAL},
        S.CANCELLED: {I.LOCATE, I.LOCATED, I.SEND, I.PROVISIONAL, I.CANCEL},
        S.DONE: set(I) - {I.SEND},
        S.EXHAUSTED: set(I),
    },
    timers={},
)


def step(attempt: Attempt, event: AttemptInput, news: News, now: float) -> tuple[Attempt, Effects]:
    """Give an input to an attempt."""
    return ATTEMPT.step(attempt, event, news, now)


def begin(attempt: Attempt, hop: Candidate | None, names: Names, now: float) -> tuple[Attempt, Effects]:
    """Send a new attempt to the hop it knows, or have its `uri` located."""
    if hop is None:
        return step(attempt, I.LOCATE, News(names), now)
    attempt, _ = step(attempt, I.LOCATED, News(names, (hop,)), now)
    return step(attempt, I.SEND, News(names), now)


def advance(attempt: Attempt, event: AttemptInput, news: News, now: float) -> tuple[Attempt, Effects]:
    """Give an input to an attempt that needs nobody's leave: whatever candidate it chooses is sent to at once."""
    attempt, effects = step(attempt, event, news, now)
    if attempt.state is S.CHOSEN:
        attempt, more = step(attempt, I.SEND, News(news.names), now)
        effects += more
    return attempt, effects


def input_of_status(status: int) -> AttemptInput:
    """The input that a response with this status is."""
    if status < 200:
        return I.PROVISIONAL
    return I.UNAVAILABLE if status == 503 else I.FINAL
