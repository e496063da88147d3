"""What becomes of one message that arrived: pure, and the same for datagrams and streams.

It goes up to its shard, is refused with a stateless response, or is dropped and counted. All it costs is one split of
the head, one look at the top Via and one hash: nothing else is read here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from enum import Enum
from typing import overload

from actors.sip.errors import RemoteProtocolError
from actors.sip.scan import scan
from actors.sip.vocabulary import Flow, Head
from actors.transport.admission import Admission, Verdict, creates_state
from actors.transport.events import Received
from actors.transport.refusal import refuse
from actors.transport.route import Listeners, more_vias
from actors.transport.sips import Objection, Sips
from actors.transport.stamp import stamp

RETRY_AFTER = 5  # seconds
_ADMITTED = Verdict.ADMITTED
_S = b"sS"  # of the scheme sips, where that of sip has its colon

Up = tuple[str, Received]


class Wait(Enum):
    """There is no room for the request now: on a stream it may stay unread for a while, which is back-pressure."""

    WAIT = 0


class Reception:
    """Takes messages in.

    Args:
        admission: decides on what creates state.
        listeners: knows our addresses.
        shard_of: the name of the actor that a Call-ID belongs to.
        busy: whether a shard, by its actor's name, has no room for new state.
        sips: the rules of RFC 5630; None for those without a policy of our own.

    Attributes:
        dropped: how many messages were dropped or refused, by reason.
        learnt: called when a peer has told us of another address of ours.
        pings: what our own OPTIONS are known by; while there are some, `answered` is asked of each response's branch.
        answered: whether it belongs to one of them.
        overrun: whether a shard lags so far that not even what is never refused may be put upon it: anybody can send
            that, so it would grow without bound. A datagram is lost then, as on the way, and a stream waits.
    """

    def __init__(
        self,
        admission: Admission,
        listeners: Listeners,
        shard_of: Callable[[str], str],
        busy: Callable[[str], bool],
        sips: Sips | None = None,
    ) -> None:
        self._admission = admission
        self._listeners = listeners
        self._shard_of = shard_of
        self._busy = busy
        self._sips = sips or Sips(any(bound.transport == "tls" for bound in listeners.bound))
        self._sips_required = self._sips.policy == "required"
        self.dropped: Counter[str] = Counter()
        self.learnt: Callable[[], None] = _nothing
        self.pings: Collection[str] = ()
        self.answered: Callable[[str, float], bool] = _of_nobody
        self.overrun: Callable[[str], bool] = _never

    @overload
    def take(self, raw: bytes, flow: Flow, now: float) -> Up | bytes | None: ...

    @overload
    def take(self, raw: bytes, flow: Flow, now: float, *, patient: bool) -> Up | bytes | Wait | None: ...

    def take(self, raw: bytes, flow: Flow, now: float, *, patient: bool = False) -> Up | bytes | Wait | None:
        """Take one message in.

        Args:
            raw: the message, as framed; what follows its body is cut off.
            flow: the way it came.
            now: seconds.
            patient: for want of room above it may wait where it is, rather than be refused. What is never refused
                waits on a stream in any case while its shard is far behind.

        Returns:
            The shard's name and what it is told, or a stateless response to send back, or None if it is dropped, or
            WAIT, which datagrams never get.
        """
        try:
            head, via_start, via_end, body_start, content_length = scan(raw)
        except RemoteProtocolError as error:
            return self.refuse(raw, flow, error)
        if content_length is not None and len(raw) > body_start + content_length:
            raw = raw[: body_start + content_length]  # RFC 3261 section 18.3: what is beyond the body is discarded
        if not head.status:
            return self._request(raw, flow, head, via_start, via_end, now, patient)
        if self._is_astray(raw, head, via_end, body_start) or (self.pings and self.answered(head.branch, now)):
            return None
        if self._listeners.learns and self._listeners.learn(raw, via_start, via_end, flow):
            self.learnt()
        return self._up(self._shard_of(head.call_id), Received(flow, head, raw))

    def _up(self, shard: str, received: Received) -> Up | Wait | None:
        if not self.overrun(shard):
            return shard, received
        if received.flow.reliable:
            return Wait.WAIT
        self.dropped["dropped: the shard is far behind"] += 1
        return None

    def _request(
        self, raw: bytes, flow: Flow, head: Head, via_start: int, via_end: int, now: float, patient: bool
    ) -> Up | bytes | Wait | None:
        """Take a request in."""
        if self._sips_required or raw[len(head.method) + 4] in _S:
            objection = self._sips.objection(raw, head, flow)
            if objection is not None:
                return self._object(raw, flow, head, objection)
        raw = stamp(raw, via_start, via_end, flow.host, flow.port)
        peer = self._shard_of(head.call_id)
        if creates_state(head):
            busy = self._busy(peer)
            if busy and patient:
                return Wait.WAIT
            verdict = self._admission.judge(head, raw, flow.host, now, busy=busy)
            if verdict is not _ADMITTED:
                return self._shed(raw, flow, head, verdict)
        elif head.method == "ACK":
            if self._admission.is_refusal_ack(head):
                return None
        elif (verdict := self._admission.judge_inside(head, flow.host, now)) is not _ADMITTED:
            return self._shed(raw, flow, head, verdict)
        return self._up(peer, Received(flow, head, raw))

    def strayed(self, flow: Flow, now: float) -> None:
        """A request that came this way was answered with 481: there is no such dialog (RFC 3261 section 12.2.2)."""
        self._admission.strayed(flow.host, now)

    def ignores(self, host: str) -> bool:
        """Whether nothing is read of this peer; it is counted."""
        if not self._admission.denied(host):
            return False
        self.dropped["dropped: from a denied network"] += 1
        return True

    def _is_astray(self, raw: bytes, head: Head, via_end: int, body_start: int) -> bool:
        """Whether a response is none of ours; it is counted."""
        if not self._listeners.is_ours(head.sent_by):
            self.dropped["response for another sent-by"] += 1
            return True
        if more_vias(raw, via_end, body_start):
            self.dropped["response with more than one Via"] += 1
            return True
        return False

    def _object(self, raw: bytes, flow: Flow, head: Head, objection: Objection) -> bytes | None:
        self.dropped[objection.reason] += 1
        status, reason, warning = objection
        return refuse(raw, flow, status, self._admission.tag, reason=reason, head=head, warning=warning)

    def _shed(self, raw: bytes, flow: Flow, head: Head, verdict: Verdict) -> bytes | None:
        """Refuse for want of room (RFC 3261 section 21.5.4), or say nothing to who should not even know of us."""
        self.dropped[verdict.value] += 1
        if not verdict.answered:
            return None
        return refuse(raw, flow, 503, self._admission.tag, head=head, retry_after=RETRY_AFTER)

    def refuse(self, raw: bytes, flow: Flow, error: RemoteProtocolError) -> bytes | None:
        """Answer what is malformed where it may be answered, else drop it."""
        self.dropped[error.reason] += 1
        if error.status is None:
            return None
        return refuse(raw, flow, error.status, self._admission.tag, reason=error.reason)


def _of_nobody(_branch: str, _now: float) -> bool:
    """Nobody waits for a response."""
    return False


def _never(_shard: str) -> bool:
    """None lags."""
    return False


def _nothing() -> None:
    """Nobody is told."""
