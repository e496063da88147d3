"""The log with both its keepers: what a kill or a refusing disk leaves is restored once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from actors.control.chronicle import SAVE_INTERVAL, SAVE_RETRY, Chronicle
from actors.control.log import RESERVED, EventLog
from actors.control.store import Store, StoreError
from actors.dialog.call_events import CallProgressed


class Cells(dict[bytes, Any]):
    """As much of the actor's cells as is used."""

    def put(self, key: bytes, value: Any, deadline: float | None = None) -> None:
        assert deadline is None
        self[key] = value

    def delete(self, key: bytes) -> None:
        self.pop(key, None)

    def keys(self) -> list[bytes]:  # type: ignore[override]
        return list(self)


class FullDisk(Store):
    """A store whose disk refuses while `full`."""

    full = False

    def save(self, *args: Any, **keywords: Any) -> None:
        if self.full:
            raise StoreError("no space left")
        super().save(*args, **keywords)


class House:
    def __init__(self, path: Path, cells: Cells, epoch: int, limit: int = 100) -> None:
        self.cells = cells
        self.store = FullDisk(path / "log.mdb", epoch)
        self.warnings: list[str] = []
        self.chronicle = Chronicle(EventLog(limit), cells, self.store, lambda text, **_: self.warnings.append(text))

    def restore(self, *, same_run: bool) -> None:
        stored = self.store.load()
        self.chronicle.restore(stored.events, stored.reserved, self.cells.get, 10.0, same_run=same_run)

    def add(self, count: int, now: float = 10.0) -> None:
        for _ in range(count):
            self.chronicle.committed(*self.chronicle.record(CallProgressed("c", 180, "Ringing", 1.0)), now)

    @property
    def kept(self) -> list[int]:
        log = self.chronicle.log
        position, numbers = 0, []
        while position < log.last:
            part = log.after(position, log.last, 1, 1)
            if part.events:
                numbers.append(part.last)
            position = part.last
        return numbers


def test_cells_go_when_the_disk_has_their_events(tmp_path: Path) -> None:
    house = House(tmp_path, Cells(), 1)
    house.restore(same_run=True)
    house.add(3, now=10.0)
    assert house.chronicle.save_at == 10.0 + SAVE_INTERVAL
    assert len(house.cells) == 3
    house.chronicle.save(11.0)
    assert not house.cells
    assert house.chronicle.save_at is None
    house.store.close()


def test_after_a_kill_between_save_and_commit_nothing_is_twice(tmp_path: Path) -> None:
    cells = Cells()
    house = House(tmp_path, cells, 1)
    house.restore(same_run=True)
    house.add(3)
    before = Cells(cells)
    house.chronicle.save(11.0)  # its commit of the cells never came
    house.store.close()
    successor = House(tmp_path, before, 2)
    successor.restore(same_run=True)
    assert successor.kept == [1, 2, 3]
    successor.add(1)
    assert successor.kept == [1, 2, 3, 4]
    assert len(before) == 1
    successor.store.close()


def test_in_a_new_run_the_numbers_go_on_above_all_that_may_have_been_used(tmp_path: Path) -> None:
    house = House(tmp_path, Cells(), 1)
    house.restore(same_run=True)
    house.add(2)
    house.chronicle.save(11.0)
    house.add(2)
    house.store.close()
    successor = House(tmp_path, Cells(), 2)
    successor.restore(same_run=False)
    successor.add(1)
    assert successor.kept == [1, 2, 2 + RESERVED + 1]
    successor.store.close()


def test_a_disk_that_refuses_is_warned_of_and_tried_again(tmp_path: Path) -> None:
    house = House(tmp_path, Cells(), 1, limit=10)
    house.restore(same_run=True)
    house.store.full = True
    house.add(25)
    house.chronicle.save(11.0)
    assert house.warnings == ["the event log cannot be saved"]
    assert house.chronicle.save_at == 11.0 + SAVE_RETRY
    assert len(house.cells) == 10  # no more than the log itself keeps
    house.store.full = False
    house.chronicle.save(21.0)
    assert not house.cells
    house.store.close()
    successor = House(tmp_path, Cells(), 2, limit=10)
    successor.restore(same_run=True)
    assert successor.kept == list(range(16, 26))
    successor.store.close()


def test_a_cell_that_cannot_be_believed_is_a_gap_and_no_more(tmp_path: Path) -> None:
    cells = Cells()
    house = House(tmp_path, cells, 1)
    house.restore(same_run=True)
    house.add(3)
    house.store.close()
    broken = sorted(cells)[1]
    successor = House(tmp_path, cells, 2)
    stored = successor.store.load()
    successor.chronicle.restore(
        stored.events, 0, lambda key: None if key == broken else cells[key], 10.0, same_run=True
    )
    assert successor.kept == [1, 3]
    assert broken not in cells
    successor.store.close()
