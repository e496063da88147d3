"""Two actors in processes of their own, killed at random moments: every message takes effect exactly once, in order."""

from __future__ import annotations

import os
import random
import select
import shutil
import tempfile
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import lmdb
import msgspec
import pytest

from tests.runtime import counting

TOTAL = 2000
KILLS = 10
PATIENCE = 60.0
PEER = {"left": "right", "right": "left"}


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="kills-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    yield made
    shutil.rmtree(made)


def read(folder: Path, name: str, cell: bytes) -> object:
    """A cell of a journal that another process has open."""
    with (
        lmdb.open(str(folder / "run" / "journal" / f"{name}.mdb"), subdir=False, readonly=True) as journal,
        journal.begin() as txn,
    ):
        value = txn.get(b"c" + cell)
    return None if value is None else msgspec.msgpack.decode(value[13:])


class Pair:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.epoch = 0
        self.living: dict[str, BaseProcess] = {}
        self.spawn = get_context("forkserver")
        self.spawn.set_forkserver_preload(["tests.runtime.counting"])

    def start(self, name: str) -> None:
        self.epoch += 1
        process = self.spawn.Process(
            target=counting.serve, args=(name, PEER[name], str(self.folder), self.epoch, TOTAL), daemon=True
        )
        process.start()
        self.living[name] = process

    def kill(self, name: str) -> None:
        process = self.living.pop(name)
        process.kill()
        process.join()
        process.close()

    def heard(self, name: str) -> object:
        path = self.folder / "run" / "journal" / f"{name}.mdb"
        return read(self.folder, name, b"heard") if path.exists() and path.stat().st_size else None

    def wait(self, seconds: float) -> None:
        """Let them run; an end that nobody asked for is a failure."""
        ready, _, _ = select.select([process.sentinel for process in self.living.values()], [], [], seconds)
        assert not ready, "an actor ended by itself"


def test_every_message_takes_effect_exactly_once_in_order_over_random_kills(folder: Path) -> None:
    chance = random.Random(os.environ.get("KILL_SEED", "20"))
    pair = Pair(folder)
    for name in PEER:
        pair.start(name)
    for _ in range(KILLS):
        pair.wait(chance.uniform(0.02, 0.25))
        for name in chance.choice((("left",), ("right",), ("left", "right"))):
            pair.kill(name)
            pair.start(name)
    left = PATIENCE
    while left > 0 and not all(pair.heard(name) == [TOTAL, True] for name in PEER):
        pair.wait(0.1)
        left -= 0.1
    for name in PEER:
        assert pair.heard(name) == [TOTAL, True]
    pair.wait(0.3)  # nothing more arrives: a repeated message would be a number too many
    for name in PEER:
        assert pair.heard(name) == [TOTAL, True]
        pair.kill(name)
