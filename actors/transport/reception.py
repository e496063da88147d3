"""What becomes of one message that arrived: pure, and the same for datagrams and streams.

It goes up to its shard, is refused with a stateless response, or is dropped and counted. All it costs is one split of
the head, one look at the top Via and one hash: nothing else is read here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from actors.sip.errors import RemoteProtocolError
from actors.sip.scan import scan
from actors.sip.vocabulary import Flow, Head
from actors.transport.admission import Admission
from actors.transport.events import Received
from actors.transport.refusal import refuse
from actors.transport.route import Listeners, more_vias
from actors.transport.stamp import stamp

RETRY_AFTER = 5  # seconds

Up = tuple[str, Received]


class Reception:
    """Takes messages in.

    Args:
        admission: decides on what creates state.
        listeners: knows our addresses.
        shard_of: the name of the actor that a Call-ID belongs to.
        busy: whether a shard, by its actor's name, has no room for new state.

    Attributes:
        dropped: how many messages were dropped or refused, by reason.
    """

    def __init__(
        self,
        admission: Admission,
        listeners: Listeners,
        shard_of: Callable[[str], str],
        busy: Callable[[str], bool],
    ) -> None:
        self._admission = admission
        self._listeners = listeners
        self._shard_of = shard_of
        self._busy = busy
        self.dropped: Counter[str] = Counter()

    def take(self, raw: bytes, flow: Flow, now: float) -> Up | bytes | None:
        """Take one message in.

        Args:
            raw: the message, as framed; what follows its body is cut off.
            flow: the way it came.
            now: seconds.

        Returns:
            The shard's name and what it is told, or a stateless response to send back, or None if it is dropped.
        """
        try:
            head, via_start, via_end, body_start, content_length = scan(raw)
        except RemoteProtocolError as error:
            return self.refuse(raw, flow, error)
        if content_length is not None and len(raw) > body_start + content_length:
            raw = raw[: body_start + content_length]  # RFC 3261 section 18.3: what is beyond the body is discarded
        if head.status:
            if not self._listeners.is_ours(head.sent_by):
                self.dropped["response for another sent-by"] += 1
                return None
            if more_vias(raw, via_end, body_start):
                self.dropped["response with more than one Via"] += 1
                return None
        else:
            raw = stamp(raw, via_start, via_end, flow.host, flow.port)
        peer = self._shard_of(head.call_id)
        if not head.status:
            if not head.to_tag:
                if head.method not in {"ACK", "CANCEL"} and not self._admission.admit(
                    head, flow.host, now, busy=self._busy(peer)
                ):
                    return self._overload(raw, flow, head)
            elif head.method == "ACK" and self._admission.is_refusal_ack(head):
                return None
        return peer, Received(flow, head, raw)

    def _overload(self, raw: bytes, flow: Flow, head: Head) -> bytes | None:
        """Refuse for want of room (RFC 3261 section 21.5.4)."""
        self.dropped["refused for load"] += 1
        return refuse(raw, flow, 503, self._admission.tag, head=head, retry_after=RETRY_AFTER)

    def refuse(self, raw: bytes, flow: Flow, error: RemoteProtocolError) -> bytes | None:
        """Answer what is malformed where it may be answered, else drop it."""
        self.dropped[error.reason] += 1
        if error.status is None:
            return None
        return refuse(raw, flow, error.status, self._admission.tag, reason=error.reason)
