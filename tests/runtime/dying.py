"""An actor that some messages kill, run in a process of its own by the poison tests."""

from __future__ import annotations

import os
import signal
import zlib
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from actors.runtime.actor import LayerActor, run
from actors.runtime.machine import Event
from tests.runtime.harness import context_for

HARMLESS = b"harmless"
DOOMED = b"doomed"
BLIND = b"blind"


class Do(Event, frozen=True):
    key: bytes
    what: str = ""


class Done(Event, frozen=True):
    key: bytes
    times: int


class LeftOut(Event, frozen=True):
    key: bytes
    why: str


class Times(msgspec.Struct, frozen=True, array_like=True):
    times: int


class Dying(LayerActor):
    """Counts what it does to each key; "abort" and "kill" are its end, "late" aborts when the deadline comes.

    So does "overtaken", just behind the deadline of another cell, which is harmless; "unseen" touches no cell before.
    For each cell that there is at a start it defers a function, which aborts where the cell's key is of the DOOMED, and
    before it has touched any where it is of the BLIND.
    """

    accepts = {"user": Do}  # noqa: RUF012
    cell_type = Times

    def started(self) -> None:
        for key in self.cells.keys():  # noqa: SIM118 - not a dict
            self.defer(self._revive, key)

    def _revive(self, key: bytes) -> None:
        if key.startswith(BLIND):
            os.abort()
        self.cells.get(key)
        if key.startswith(DOOMED):
            os.abort()

    def handle(self, peer: str, message: Do, now: float) -> None:
        if message.what == "unseen":
            os.abort()
        times = (self.cells.get(message.key) or Times(0)).times + 1
        if message.what == "abort":
            os.abort()
        if message.what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        self.cells.put(message.key, Times(times), now if message.what in {"late", "overtaken"} else None)
        if message.what == "overtaken":
            self.cells.put(harmless(message.key), Times(0), now - 1.0)
        self.tell(peer, Done(message.key, times))

    def expire(self, key: bytes, now: float) -> None:
        if not key.startswith(HARMLESS):
            os.abort()
        self.cells.put(key, Times(0), now + 3600.0)

    def spoiled(self, key: bytes, cell: Any, error: BaseException, now: float) -> None:  # noqa: ARG002
        self.tell("user", LeftOut(key, type(error).__name__))


def harmless(key: bytes) -> bytes:
    """A key whose number in the poison slot is above that of `key`."""
    return next(other for n in count() if zlib.crc32(other := HARMLESS + b"%d" % n) > zlib.crc32(key))


def serve(tmp_path: str, epoch: int, last_death: str) -> None:
    context, _supervisor, _theirs = context_for(
        "dying", ("user",), Path(tmp_path), epoch=epoch, placement="process", last_death=last_death
    )
    run(Dying, context)
