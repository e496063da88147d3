"""The scheduling policy of an actor's process."""

from __future__ import annotations

import os
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from actors.runtime.actor import LayerActor, run
from tests.runtime.harness import context_for


class Batched(LayerActor):
    """Says at its start how it is scheduled, and ends."""

    def started(self) -> None:
        self.context.settings.send(os.sched_getscheduler(0))
        self.finish()


class Exact(Batched):
    """As Batched, with a time to keep."""

    def next_wake(self) -> float | None:
        return None


def _serve(kind: type[LayerActor], pipe: Connection, folder: Path, policy: int, placement: str) -> None:
    os.sched_setscheduler(0, policy, os.sched_param(0))
    context, end, _ = context_for("actor", (), folder, settings=pipe, placement=placement)
    run(kind, context)
    end.close()


@pytest.mark.parametrize(
    ("kind", "policy", "placement", "expected"),
    [
        (Batched, os.SCHED_OTHER, "process", os.SCHED_BATCH),
        (Batched, os.SCHED_IDLE, "process", os.SCHED_IDLE),
        (Batched, os.SCHED_OTHER, "thread", os.SCHED_OTHER),
        (Exact, os.SCHED_OTHER, "process", os.SCHED_OTHER),
    ],
)
def test_an_actor_works_in_batches_unless_it_keeps_time_or_somebody_chose_otherwise(
    tmp_path: Path, kind: type[LayerActor], policy: int, placement: str, expected: int
) -> None:
    context = get_context("forkserver")
    ours, theirs = context.Pipe()
    child = context.Process(target=_serve, args=(kind, theirs, tmp_path, policy, placement))
    child.start()
    theirs.close()
    assert ours.recv() == expected
    child.join()
    child.close()
    ours.close()
