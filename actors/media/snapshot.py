"""A session as bytes, for its mapped record, and back: what must outlive a kill between two packets. Pure.

Most of it changes with every packet, the rest seldom: that part is packed again when something touched it, and twice a
second for what nobody tells of.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from actors.media.comfort_noise import MOST
from actors.media.jitter import JitterBuffer
from actors.media.rtp import MASK, Source
from actors.media.session import Session

# Parts of the row that change without being told of are at most this old, in ticks.
_SLOW_TICKS = 25
_NO_SOURCE = Source(0, 0)
# The player's position stands in 48 bits of the row, how many files were begun above it.
_POSITION = (1 << 48) - 1
# What seldom changes: identity, base, flags, locked host, port, flow, scope; reports, prior packets twice, report
# due, report size; recorder start; lsr, lsr_at; target; the source's ssrc
# and both priors; what was said of the noise of pauses, and of which rate.
_SLOW = struct.Struct(f"<QIB46sHIIIQQdfQIdHIqq{MOST + 2}pH")
# What may change with a packet: ssrc, tick, sequence, next timestamp, packets, octets, player position; flags, heard,
# cursor; the source's base, max, cycles, received, jitter, transit; the unwrapped timestamp; keys
# pressed, timestamp of the one that is down.
_FAST = struct.Struct("<IQHIQQQBqIHHIQdIqHI")
_LEARNT, _COLLIDED, _LOCKED, _LEFT, _SOURCE, _RECORDED = 1, 2, 4, 8, 16, 32
_TRANSIT, _CURSOR, _KEY, _PAUSING, _SUPPRESSING = 1, 2, 4, 8, 16
ROW = _SLOW.size + _FAST.size
# The same part of a row as the fast lane writes it, and where it begins.
BEHIND = _SLOW.size
FAST = np.dtype(
    [
        *(("ssrc", "<u4"), ("tick", "<u8"), ("sequence", "<u2"), ("next_timestamp", "<u4"), ("packets", "<u8")),
        *(("octets", "<u8"), ("position", "<u8"), ("flags", "u1"), ("heard", "<i8"), ("cursor", "<u4")),
        *(("base_seq", "<u2"), ("max_seq", "<u2"), ("cycles", "<u4"), ("received", "<u8"), ("jitter", "<f8")),
        *(("transit", "<u4"), ("unwrapped", "<i8"), ("pressed", "<u2"), ("key_begun", "<u4")),
    ]
)


class RecordError(ValueError):
    """A session's record is missing, torn twice or another's: the session cannot go on."""


def row(session: Session, tick: int) -> bytes:
    """The session as of `tick`, for the mapped record."""
    peer = session.peer
    source, buffer, player = peer.source, peer.buffer, session.player
    if tick >= session.slow_until or source is not session.slow_source or peer.locked is not session.slow_locked:
        session.slow = slow_row(session)
        session.slow_source = source
        session.slow_locked = peer.locked
        session.slow_until = tick + _SLOW_TICKS
    flags = cursor = 0
    if buffer is not None and (at := buffer.cursor) is not None:
        flags, cursor = _CURSOR | _PAUSING * buffer.pausing, at
    if session.suppressor is not None:
        flags |= _SUPPRESSING * session.suppressor.pausing
    pressed = begun = 0
    if (keys := session.keys) is not None and keys.busy:
        pressed = keys.pressed
        if keys.begun is not None:
            flags, begun = flags | _KEY, keys.begun
    if source is None:
        source = _NO_SOURCE
    elif source.transit is not None:
        flags |= _TRANSIT
    return session.slow + _FAST.pack(
        peer.ssrc,
        tick,
        session.sequence,
        session.next_timestamp,
        session.packets,
        session.octets,
        session.plays << 48 | (session.position if player is None else player.position),
        flags,
        peer.heard,
        cursor,
        source.base_seq,
        source.max_seq,
        source.cycles & MASK,
        source.received,
        source.jitter,
        source.transit or 0,
        peer.unwrapped,
        pressed,
        begun,
    )


def slow_row(session: Session) -> bytes:
    """The part of the row that seldom changes, as it is now."""
    peer = session.peer
    source, buffer, recorder = peer.source or _NO_SOURCE, peer.buffer, session.recorder
    flags = _LEARNT * peer.learnt | _COLLIDED * peer.collided | _LEFT * peer.left
    host, port, flow, scope = "", 0, 0, 0
    if peer.locked is not None:
        flags |= _LOCKED
        host, port = peer.locked[:2]
        flow, scope = peer.locked[2:] or (0, 0)
    if recorder is not None and recorder.made:
        flags |= _RECORDED
    if peer.source is not None:
        flags |= _SOURCE
    return _SLOW.pack(
        session.identity,
        session.base,
        flags,
        host.encode(),
        port,
        flow,
        scope,
        session.reports,
        *session.packets_prior,
        session.report_due,
        session.report_size,
        0 if recorder is None else recorder.start,
        peer.lsr,
        peer.lsr_at,
        0 if buffer is None else buffer.target,
        source.ssrc,
        source.expected_prior,
        source.received_prior,
        *(peer.noise or (b"", 0)),
    )


def served(body: bytes) -> int:
    """The tick of a row."""
    return int(_FAST.unpack_from(body, _SLOW.size)[1])


def resume(session: Session, body: bytes, *, skip: bool) -> None:
    """Go on from a row of a predecessor; what was negotiated is to be applied again before.

    Args:
        session: which goes on.
        body: the row.
        skip: the newer copy is torn, so that the packets after this row may have been sent.

    Raises:
        RecordError: the row is another session's.
    """
    identity, base, flags, host, port, flow, scope, *slow = _SLOW.unpack_from(body)
    if identity != session.identity:
        raise RecordError("the record is another session's")
    _resume_slow(session, base, flags, slow)
    if flags & _LOCKED:
        address = (host.rstrip(b"\0").decode(), port)
        peer = session.peer
        peer.take_up((*address, flow, scope) if session.pair.v6 else address, learnt=bool(flags & _LEARNT))
    fast = _FAST.unpack_from(body, _SLOW.size)
    moving = fast[7]
    _resume_fast(session, fast)
    if skip:
        # At most one tick's packets follow a row: of 10 ms there are two.
        session.sequence = (session.sequence + 2) & 0xFFFF
    _resume_buffer(session, slow[8], fast[9], moving)
    if flags & _SOURCE:
        session.peer.source = _source(slow[9:12], fast[10:-3], timed=bool(moving & _TRANSIT))


def _resume_slow(session: Session, base: int, flags: int, slow: list[Any]) -> None:
    """What seldom changes, but for the address."""
    peer = session.peer
    session.base = base
    peer.collided, peer.left = bool(flags & _COLLIDED), bool(flags & _LEFT)
    session.reports, *prior, session.report_due, session.report_size, recorded_from, peer.lsr, peer.lsr_at = slow[:8]
    session.packets_prior = (prior[0], prior[1])
    session.recorded_from = recorded_from
    session.recording_made = bool(flags & _RECORDED)
    peer.noise = (slow[12], slow[13]) if slow[12] else None


def _resume_fast(session: Session, fast: tuple[Any, ...]) -> None:
    """What may change with a packet, but for the buffer and the source."""
    peer = session.peer
    peer.ssrc, session.served, session.sequence, session.next_timestamp = fast[:4]
    session.packets, session.octets, position = fast[4:7]
    session.plays, session.position = position >> 48, position & _POSITION
    moving, peer.heard = fast[7:9]
    peer.unwrapped, session.pressed, begun = fast[-3:]
    session.key_begun = begun if moving & _KEY else None


def _resume_buffer(session: Session, target: int, cursor: int, moving: int) -> None:
    """Where the peer is heard, and whether it, or we, pause."""
    peer = session.peer
    if target and peer.listening:
        peer.buffer = JitterBuffer(target)
        if moving & _CURSOR:
            peer.buffer.resume(cursor, pausing=bool(moving & _PAUSING))
    if session.suppressor is not None and moving & _SUPPRESSING:
        session.suppressor.pause()


def _source(slow: list[int], fast: tuple[float, ...], *, timed: bool) -> Source:
    """The peer's stream as a row tells it."""
    source = Source(slow[0], int(fast[0]))
    source.restart(int(fast[0]))
    source.expected_prior, source.received_prior = slow[1:]
    source.max_seq, source.cycles, source.received = map(int, fast[1:4])
    source.jitter = fast[4]
    source.transit = int(fast[5]) if timed else None
    return source
