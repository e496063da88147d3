"""What a session lends to its row of the fast lane, and what it is given back. Pure."""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np

from actors.media.g711 import SILENCE
from actors.media.jitter import WINDOW
from actors.media.mend import Mender
from actors.media.peer import Address
from actors.media.pieces import FRAME, Calm
from actors.media.rows import AHEAD, ECHO, MARGINS, PLAY, SILENT, SLOTS, Rows
from actors.media.rtp import HEADER, Source
from actors.media.session import Session
from actors.media.snapshot import row as snapshot

_MARGINS_LEFT = 32  # of a row when its window is over


class Loan(NamedTuple):
    """What a session has that a row needs.

    Attributes:
        source: whom it hears.
        calm: what its buffer holds.
        address, destination: where it hears from and sends to.
    """

    source: Source
    calm: Calm
    address: Address
    destination: Address


def place_played(session: Session, position: int) -> int:
    """Where it is in the file that it plays, and which file that is, as 64 bits stand in a row."""
    number = session.plays << 48 | position
    return number - (1 << 64) if number >> 63 else number


def loan_of(session: Session, tick: int) -> Loan | None:
    """What a session that has served `tick` can lend; None where anything of it is unusual."""
    peer = session.peer
    source, buffer, address, destination = peer.source, peer.buffer, peer.locked, peer.destination
    if (
        tick < session.calm_from
        or source is None
        or source.probation
        or source.transit is None
        or buffer is None
        or address is None
        or destination is None
        or not session.calm
    ):
        return None
    calm = buffer.lend()
    if calm is None or calm.end - calm.cursor > AHEAD * FRAME:
        return None
    if len(calm.margins) + WINDOW - calm.window + _MARGINS_LEFT > MARGINS:
        return None
    return Loan(source, calm, address, destination)


def lend(rows: Rows, row: int, session: Session, loan: Loan, tick: int) -> None:
    """Let a row go on where the session stands after `tick`."""
    rows.fill(row, _heard(session, loan.source) | _held(loan.calm) | _said(session))
    _hold(rows, row, loan.calm)
    rows.jitter[row] = loan.source.jitter
    rows.report_due[row] = session.report_due
    session.touch()
    rows.record[row] = np.frombuffer(snapshot(session, tick), np.uint8)
    packet = rows.outbox[row]
    packet[:12] = np.frombuffer(HEADER.pack(0x80, session.payload_type, 0, 0, session.peer.ssrc), np.uint8)
    packet[12:] = SILENCE[session.law]


def _heard(session: Session, source: Source) -> dict[str, int]:
    peer = session.peer
    payload_type = next(number for number, law in peer.formats.items() if law == peer.spoken)
    return {
        "lead": int.from_bytes((0x80, payload_type), sys.byteorder),
        "peer_ssrc": int.from_bytes(source.ssrc.to_bytes(4, "big"), sys.byteorder),
        "law": peer.spoken,
        "max_seq": source.max_seq,
        "received": source.received,
        "transit": source.transit or 0,
        "heard": peer.heard,
    }


def _held(calm: Calm) -> dict[str, int]:
    return {
        "cursor": calm.cursor,
        "end": calm.end,
        "first": calm.first,
        "dry": calm.dry,
        "missed": calm.missed,
        "window": calm.window,
        "least": calm.least,
        "concealed": 0,
        "margin_count": len(calm.margins),
    }


def _said(session: Session) -> dict[str, int]:
    player = None if session.paused else session.player
    at = session.position if session.player is None else session.player.position
    return {
        "base": session.base,
        "sequence": session.sequence,
        "next_timestamp": session.next_timestamp,
        "payload_type": session.payload_type,
        "packets": session.packets,
        "octets": session.octets,
        "send_law": session.law,
        "kind": PLAY if player is not None else ECHO if session.echo and session.member is None else SILENT,
        "at": 0,
        "left": 0,
        "position": place_played(session, at),
        "taken": 0,
        "listens": session.echo or session.taps is not None or session.member is not None,
        "restable": session.player is None and session.taps is None and session.member is None,
        "generation": session.generation,
        "awake": session.awake_until,
    }


def _hold(rows: Rows, row: int, calm: Calm) -> None:
    """Give a row what the session's buffer holds."""
    rows.margins[row, : len(calm.margins)] = calm.margins
    rows.in_time[row] = calm.in_time
    rows.have[row] = 0
    for position, (codes, law) in calm.frames.items():
        place = (rows.turn + (position - calm.cursor) // FRAME) % SLOTS
        rows.have[row, place] = law
        rows.codes[row, place] = np.frombuffer(codes, np.uint8)


def tell(rows: Rows, row: int, session: Session) -> dict[str, int]:
    """Tell a session what it sent, and whom it heard; all that its row knows."""
    known = rows.known(row)
    session.sequence, session.next_timestamp = known["sequence"], known["next_timestamp"]
    session.packets, session.octets = known["packets"], known["octets"]
    session.generation = known["generation"]
    session.peer.heard = known["heard"]
    source = session.peer.source
    if source is not None:
        source.max_seq, source.received = known["max_seq"], known["received"]
        source.transit, source.jitter = known["transit"], float(rows.jitter[row])
    return known


def give_back(rows: Rows, row: int, session: Session) -> None:
    """Give a session all that its row knows."""
    buffer = session.peer.buffer
    known = tell(rows, row, session)
    session.touch()
    if session.player is not None:
        session.player.passed(known["at"])
    if buffer is None:
        return
    cursor, codes, have = known["cursor"], rows.codes[row], rows.have[row]
    buffer.take_back(
        Calm(
            cursor,
            known["end"],
            known["first"],
            known["dry"],
            known["missed"],
            known["window"],
            known["least"],
            bool(rows.in_time[row]),
            rows.margins[row, : known["margin_count"]].tolist(),
            {
                cursor + ahead * FRAME: (codes[place].tobytes(), int(have[place]))
                for place in np.flatnonzero(have).tolist()
                if (ahead := (place - rows.turn) % SLOTS) < AHEAD
            },
        )
    )
    buffer.concealed += known["concealed"]
    if known["listens"]:
        if session.mender is None:
            session.mender = Mender()
        for back in range(min(3, known["taken"]), 0, -1):
            session.mender.remember(codes[rows.turn - back].tobytes(), int(have[rows.turn - back]))
