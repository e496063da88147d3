"""The few responses that the transaction layer makes itself: 100, 200 to a CANCEL, 481, 482, 500 and 503."""

from __future__ import annotations

from hashlib import blake2b

from actors.sip import RemoteProtocolError, Request, parse
from actors.sip.vocabulary import Head


def trying(request: bytes) -> bytes:
    """The 100 to a request, without a To tag (RFC 3261 section 17.2.1); as `answer` else."""
    return answer(request, 100)


def answer(request: bytes, status: int, to_tag: str = "", headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    """A response without a body (section 8.2.6); `to_tag` is set where the request has none.

    Returns:
        The bytes; none at all where the request is such that it cannot be answered.
    """
    try:
        message = parse(request)
    except RemoteProtocolError:
        return b""
    if not isinstance(message, Request):
        return b""
    return bytes(message.response(status, to_tag=to_tag or None, headers=headers))


def to_tag_of(response: bytes) -> str:
    """The To tag of one of our own responses, empty if it has none."""
    return parse(response).head.to_tag if response else ""


TAG_LENGTH = 24  # of a stateless tag, in characters


def stateless_tag(head: Head, secret: bytes) -> str:
    """The To tag of an answer that leaves no machine behind (section 8.2.7).

    It is made of what a repeated request and the ACK have in common, so that a repeated request gets the same answer
    and the ACK is known. Without `secret` nobody can make one.
    """
    text = f"{head.call_id}\0{head.from_tag}\0{head.cseq}\0{head.branch}"
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=TAG_LENGTH // 2, key=secret).hexdigest()
