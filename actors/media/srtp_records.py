"""The mapped rows of SRTP indexes, beside the sessions': each is written before the packets it speaks of are sent."""

from __future__ import annotations

from pathlib import Path

from actors.media.record import Records
from actors.media.session import Session
from actors.media.snapshot import RecordError
from actors.media.srtp import Srtp
from actors.media.srtp_index import SIZE, Row, unpack

_HALF = 0x8000


class SrtpRecords:
    """The file is made for the first session that is protected.

    Args:
        path: where it is, or will be.
        slots: how many port pairs.
    """

    def __init__(self, path: Path, slots: int) -> None:
        self._path = path
        self._slots = slots
        self._records: Records | None = None

    def _file(self) -> Records:
        if self._records is None:
            self._records = Records(self._path, self._slots, SIZE)
        return self._records

    def begin(self, session: Session, srtp: Srtp) -> None:
        """Write both copies for a session that was not protected before: they tell of no earlier one and of no key.

        Raises:
            OSError: there is no room.
        """
        for srtp.generation in (1, 2):
            self._file().write(session.pair.slot, srtp.generation, Row(session.identity).pack())

    def put(self, slot: int, body: bytes) -> None:
        """Write both copies of a row that another process wrote.

        Raises:
            OSError: there is no room.
        """
        for generation in (1, 2):
            self._file().write(slot, generation, body)

    def write(self, session: Session, srtp: Srtp) -> None:
        """Write the indexes as they are now."""
        srtp.generation += 1
        self._file().write(session.pair.slot, srtp.generation, srtp.row(session.identity))

    def resume(self, session: Session, srtp: Srtp) -> None:
        """Go on behind what a predecessor sent; the session's own row is applied already.

        Raises:
            RecordError: it cannot be told what was sent under this key: it is not used again.
        """
        copies = self._file().read(session.pair.slot)
        row = unpack(copies[0].body) if copies else None
        if row is None or row.identity != session.identity:
            raise RecordError("the SRTP record is spoiled, and its key is not used again")
        torn = len(copies) < 2
        srtp.generation = copies[0].generation + torn
        following = srtp.resume(row, skip=torn)
        if following is not None and row.ssrc == session.peer.ssrc:
            # Both rows are written before a packet is sent; after a kill between them one is ahead.
            ahead = (session.sequence - following) & 0xFFFF
            if ahead >= _HALF:
                session.sequence = following & 0xFFFF
