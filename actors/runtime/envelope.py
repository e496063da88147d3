"""What crosses a pipe, as msgpack: a frame of link items, and inside them the envelopes' bodies, untouched.

An event is encoded once, when it is told; those bytes are what the journal keeps and what a frame carries. The receiver
reads a frame without looking into the bodies, and decodes each once, straight into the type it accepts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

BODY_LIMIT = 4 * 1024 * 1024  # bytes of one envelope
FRAME_SIZE = 256 * 1024  # bytes above which a frame of several envelopes is divided
FRAME_LIMIT = BODY_LIMIT + FRAME_SIZE  # no frame of ours is larger; a larger one ends its connection


class Hello(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """I hold or may yet send `first` to `last`; tell me your mark. `peer` is the journal I believe yours, or empty."""

    journal_id: str
    peer: str
    first: int
    last: int


class Welcome(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The answer to Hello: all up to `mark` has taken effect here."""

    journal_id: str
    mark: int


class Data(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """A run of envelopes numbered from `seq` without a gap. The link does not look into them."""

    seq: int
    bodies: Sequence[msgspec.Raw]


class Ack(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """All up to `mark` has taken effect and is committed."""

    mark: int


class Resume(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Something after `mark` is missing: send from there again."""

    mark: int


class Skip(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """The numbers `first` to `last` hold nothing and never will."""

    first: int
    last: int


Item = Hello | Welcome | Data | Ack | Resume | Skip


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """One ZeroMQ message.

    Attributes:
        epoch: of its sender's start.
        to: the epoch of the start it is meant for, 0 where the sender has not heard of one.
        items: of the link, in order.
    """

    epoch: int
    to: int
    items: list[Item]


class BodyTooLarge(ValueError):  # noqa: N818 - says what is, as OSError's kin do
    """An event takes more bytes than a pipe carries."""


_encode_frame = msgspec.msgpack.Encoder().encode
_decode_frame = msgspec.msgpack.Decoder(Frame).decode
_encode_body = msgspec.msgpack.Encoder().encode


def encode_body(event: Any) -> bytes:  # noqa: ANN401
    """The bytes of one event.

    Raises:
        BodyTooLarge: more than 4 MiB.
        TypeError: it holds what msgpack cannot carry.
    """
    body = _encode_body(event)
    if len(body) > BODY_LIMIT:
        raise BodyTooLarge(f"{type(event).__name__} takes {len(body)} bytes, a pipe carries {BODY_LIMIT}")
    return body


def encode_frames(epoch: int, to: int, items: list[Item]) -> list[bytes]:
    """The items as one frame, or as several where they would make a large one."""
    frame = _encode_frame(Frame(epoch, to, items))
    return [frame] if len(frame) <= FRAME_SIZE else list(_divided(epoch, to, items, frame))


def _divided(epoch: int, to: int, items: list[Item], frame: bytes) -> Iterator[bytes]:
    """The halves of a large frame; one that cannot be divided is itself."""
    if len(items) > 1:
        halves = items[: len(items) // 2], items[len(items) // 2 :]
    else:
        item = items[0]
        if not isinstance(item, Data) or len(item.bodies) == 1:
            yield frame
            return
        middle = len(item.bodies) // 2
        halves = [Data(item.seq, item.bodies[:middle])], [Data(item.seq + middle, item.bodies[middle:])]
    for half in halves:
        yield from encode_frames(epoch, to, half)


def decode_frame(data: bytes) -> Frame | None:
    """The frame, None where the bytes are none."""
    try:
        return _decode_frame(data)
    except msgspec.DecodeError:
        return None


def body_decoder(accepted: Any) -> msgspec.msgpack.Decoder[Any]:  # noqa: ANN401
    """A decoder for the bodies that a peer may send: `accepted` is a union of events."""
    return msgspec.msgpack.Decoder(accepted)
