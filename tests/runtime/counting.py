"""Two actors that count to each other, each in a process of its own: what the kill test runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from actors.runtime.actor import LayerActor, run
from actors.runtime.machine import Event
from tests.runtime.harness import context_for


class Number(Event, frozen=True):
    value: int


class Heard(msgspec.Struct, frozen=True, array_like=True):
    """All that came from the peer: how many, and whether each was one more than the last."""

    count: int
    in_order: bool


class Counter(LayerActor):
    """Says the numbers 1 to `settings` to its peer, some at a time, and listens to the peer's."""

    accepts = {"left": Number, "right": Number}  # noqa: RUF012
    cell_type = Heard | int

    def started(self) -> None:
        if b"said" not in self.cells:
            self.cells.put(b"said", 0, 1e-9)

    def handle(self, peer: str, message: Number, now: float) -> None:  # noqa: ARG002
        heard = self.cells.get(b"heard") or Heard(0, True)
        self.cells.put(b"heard", Heard(heard.count + 1, heard.in_order and message.value == heard.count + 1))

    def expire(self, key: bytes, now: float) -> None:
        said = self.cells.get(key)
        for value in range(said + 1, min(said + 7, self.context.settings) + 1):
            self.tell(self.context.peers[0], Number(value))
            said = value
        self.cells.put(key, said, None if said == self.context.settings else now + 0.003)

    def spoiled(self, key: bytes, cell: Any, error: BaseException, now: float) -> None:  # noqa: ARG002
        raise error


def serve(name: str, peer: str, tmp_path: str, epoch: int, total: int) -> None:
    context, _supervisor, _theirs = context_for(
        name, (peer,), Path(tmp_path), settings=total, epoch=epoch, placement="process", last_death="kill"
    )
    run(Counter, context)
