"""A predecessor's sessions taken up where their records say, after a restart of the process."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from actors.media.facts import Facts
from actors.media.floor import Floor, tick_of
from actors.media.pacing import MADE_UP
from actors.media.pieces import FRAME
from actors.media.plays import Plays
from actors.media.session import Session
from actors.media.snapshot import RecordError, resume, row, served
from actors.media.speaker import Kept
from actors.runtime.machine import Event

# Ticks that the end of a recording is waited for.
_ENDING = 75


def restore(floor: Floor, plays: Plays, sessions: Mapping[str, Facts], now: float) -> dict[str, str]:
    """Take a predecessor's sessions up where their records say; the next tick is due at once.

    Returns:
        The sessions that are lost, and why: nothing of them is used.
    """
    lost: dict[str, str] = {}
    floor.tick = tick_of(now) - 1
    restored: list[Session] = []
    for key, facts in sessions.items():
        pair = floor.ports.claim(facts.port)
        if pair is None:
            lost[key] = f"port {facts.port} is not in the pool any more"
            continue
        session = floor.make(key, pair, facts.call, facts.identity)
        try:
            _resume(floor, session, facts)
        except ValueError as error:
            floor.ports.release(pair)
            lost[key] = str(error)
            continue
        restored.append(session)
        # Killed in the middle of a tick it may have served some sessions; nobody gets that tick twice.
        floor.tick = max(floor.tick, session.served)
    for session in restored:
        _go_on(floor, plays, session, sessions[session.key])
    for name in floor.bridges:
        if len(left := floor.bridges[name]) == 1:  # who was with it is lost, or had not joined yet
            floor.part(floor.sessions[left[0].session.key])
    return lost


class Rows(msgspec.Struct, frozen=True, array_like=True):
    """What is written down of a session with each packet.

    Attributes:
        session: its row.
        srtp: that of SRTP, empty without it.
        spoken: how far what a program wrote for its peer was played, empty where none did.
    """

    session: bytes
    srtp: bytes = b""
    spoken: bytes = b""


class Left(Event, frozen=True):
    """A session that was recorded is let go of, and its file is ended. It stays inside media."""

    session: str
    rows: Rows


def leave(floor: Floor, session: Session) -> Rows | None:
    """Serve a session no more, without a word to its peer: another process goes on with it.

    Returns:
        What that one needs; None while a recording is being ended: then an event holds it.
    """
    protected = session.srtp
    sealed = b"" if protected is None else protected.row(session.identity)
    kept = Kept.read(floor.spoken, session.pair.slot)
    spoken = b"" if kept is None or kept.identity != session.identity else kept.at_rest(floor.tick).packed()
    rows = Rows(row(session, floor.tick), sealed, spoken)
    recorded = session.recorder is not None
    floor.release(session, moves=True)
    if not recorded:
        return rows
    floor.moving[session.key] = Left(session.key, rows)
    floor.recordings.wait(session, floor.tick + _ENDING)
    return None


def adopt(floor: Floor, plays: Plays, key: str, facts: Facts, rows: Rows, now: float) -> bool:
    """Go on with a session that another process let go of; False while its ports are not here, or its tick is not.

    Raises:
        ValueError: it cannot go on.
    """
    if not floor.busy:
        floor.tick = max(floor.tick, tick_of(now))
    if served(rows.session) > floor.tick:
        return False  # the other process is ahead by a part of a tick: no tick is served twice
    pair = floor.ports.claim(facts.port)
    if pair is None:
        return False
    session = floor.make(key, pair, facts.call, facts.identity)
    for generation in (1, 2):
        floor.records.write(pair.slot, generation, rows.session)
        if rows.spoken:
            floor.spoken.write(pair.slot, generation, rows.spoken)
    if rows.srtp:
        floor.srtp.put(pair.slot, rows.srtp)
    try:
        _resume(floor, session, facts)
    except ValueError:
        floor.ports.release(pair)
        raise
    session.recording_made = facts.record is not None  # the other process has ended its part of the file
    _go_on(floor, plays, session, facts)
    return True


def _resume(floor: Floor, session: Session, facts: Facts) -> None:
    copies = floor.records.read(session.pair.slot)
    if not copies:
        raise RecordError("the record is spoiled")
    if facts.start is not None:
        session.apply(facts.start)
    resume(session, copies[0].body, skip=len(copies) < 2)
    session.generation = copies[0].generation + (len(copies) < 2)
    if session.srtp is not None:
        floor.srtp.resume(session, session.srtp)
    session.echo = facts.echo


def _go_on(floor: Floor, plays: Plays, session: Session, facts: Facts) -> None:
    buffer = session.peer.buffer
    behind = floor.tick - session.served
    recorded = facts.record is not None and behind <= MADE_UP
    if buffer is not None and buffer.cursor is not None and not recorded:
        # The delay stays what it was: what should have been heard meanwhile is over.
        buffer.resume(buffer.cursor + FRAME * behind, pausing=buffer.pausing)
    floor.watch(session)
    if facts.play is not None:
        plays.go_on(session, facts.play, facts)
    for each in facts.keys:
        session.press(each.digits.upper(), each.duration)
    if session.keys is not None:
        session.keys.resume(session.pressed, session.key_begun)
    if facts.bridge is not None:
        name, passes = facts.bridge
        floor.join(session, name, keys=passes)
    if facts.record is not None:
        start = session.recorded_from or floor.tick + 1
        made, anew = session.recording_made, not session.recorded_from
        floor.recordings.begin(session, facts.record, start=start, append=made, anew=anew)
        if recorded:
            session.peer.refill()
            floor.behind.append((session, behind))
    floor.wake(session)
