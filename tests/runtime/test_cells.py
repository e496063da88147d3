"""Cells: lazy after a restart, dirty once a batch, undone with their step, due once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import lmdb
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.runtime.cells import Cells
from actors.runtime.journal import Changes, Journal, JournalCorrupt
from actors.runtime.link import NEVER


class Value(msgspec.Struct, frozen=True, array_like=True):
    number: int


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cells.mdb"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    opened = Journal(path, epoch=1)
    yield opened
    opened.close()


def commit(journal: Journal, cells: Cells) -> None:
    changes = Changes()
    cells.collect(changes)
    journal.commit(changes)


def test_values_and_deadlines_come_back_after_a_restart(journal: Journal) -> None:
    cells = Cells(journal, Value)
    cells.put(b"a", Value(1), 5.0)
    cells.put(b"b", Value(2))
    cells.settle()
    commit(journal, cells)
    again = Cells(journal, Value)
    assert sorted(again) == [b"a", b"b"]
    assert b"a" in again
    assert again.get(b"a") == Value(1)
    assert again.get(b"c") is None
    assert len(again) == 2
    assert again.due(4.9, 10) == []
    assert again.due(5.0, 10) == [b"a"]
    assert again.due(9.0, 10) == []


def test_a_restart_decodes_nothing(journal: Journal) -> None:
    changes = Changes()
    changes.cells[b"a"] = (b"not msgpack at all \xc1", 5.0)
    journal.commit(changes)
    cells = Cells(journal, Value)
    assert (len(cells), cells.next_deadline) == (1, 5.0)
    with pytest.raises(JournalCorrupt):
        cells.get(b"a")
    cells.undo()
    assert cells.quarantine(b"a") == b"not msgpack at all \xc1"
    commit(journal, cells)
    assert (journal.keys(), journal.deadlines()) == ([], [])


def test_a_snapshot_that_fails_its_checksum_is_quarantined_without_remains(path: Path, journal: Journal) -> None:
    changes = Changes()
    changes.cells[b"a"] = (b"whole", None)
    journal.commit(changes)
    journal.close()
    with lmdb.open(str(path), subdir=False) as env, env.begin(write=True) as txn:
        txn.put(b"ca", txn.get(b"ca")[:-1])
    reopened = Journal(path, epoch=2)
    cells = Cells(reopened, bytes)
    with pytest.raises(JournalCorrupt):
        cells.get(b"a")
    assert cells.quarantine(b"a") is None
    assert b"a" not in cells
    reopened.close()


def test_what_cannot_be_read_is_written_over_and_back_where_the_step_fails(journal: Journal) -> None:
    changes = Changes()
    changes.cells[b"a"] = (b"not msgpack at all \xc1", 5.0)
    journal.commit(changes)
    cells = Cells(journal, Value)
    cells.put(b"a", Value(1), 7.0)
    cells.undo()
    assert (len(cells), cells.number(b"a"), cells.next_deadline) == (1, 1, 5.0)
    with pytest.raises(JournalCorrupt):
        cells.get(b"a")
    cells.put(b"a", Value(2))
    commit(journal, cells)
    assert (len(cells), cells.number(b"a"), Cells(journal, Value).get(b"a")) == (1, 1, Value(2))


def test_a_cell_is_written_once_a_batch_however_often_it_changes(journal: Journal) -> None:
    cells = Cells(journal, Value)
    for number in range(5):
        cells.put(b"a", Value(number), float(number))
        cells.settle()
    changes = Changes()
    cells.collect(changes)
    assert changes.cells == {b"a": (msgspec.msgpack.encode(Value(4)), 4.0)}
    changes.clear()
    cells.collect(changes)
    assert not changes


def test_the_first_touched_cell_is_the_one_its_step_is_about(journal: Journal) -> None:
    cells = Cells(journal, Value)
    seen: list[bytes] = []
    cells.witness = seen.append
    cells.get(b"a")
    cells.put(b"b", Value(1))
    assert (cells.touched, seen) == (b"a", [b"a"])
    cells.settle()
    assert cells.touched is None


def test_a_key_that_the_journal_cannot_hold_is_refused_before_it_is_committed(journal: Journal) -> None:
    with pytest.raises(ValueError, match="400 bytes"):
        Cells(journal, Value).put(b"k" * 401, Value(1))


def test_many_changed_deadlines_do_not_grow_the_heap_without_bound(journal: Journal) -> None:
    cells = Cells(journal, Value)
    for number in range(20_000):
        cells.put(b"a", Value(0), 1000.0 - number / 100)
        cells.settle()
    assert len(cells._heap) < 2000
    assert cells.next_deadline == pytest.approx(800.01)
    cells.delete(b"a")
    assert cells.next_deadline == NEVER


KEYS = st.sampled_from([b"a", b"b", b"bb", b"c"])
OPERATIONS = st.one_of(
    st.tuples(st.just("put"), KEYS, st.integers(0, 9), st.none() | st.integers(1, 9).map(float)),
    st.tuples(st.sampled_from(["delete", "quarantine"]), KEYS),
    st.tuples(st.just("get"), KEYS),
    st.tuples(st.sampled_from(["settle", "undo", "commit", "restart"])),
)


def state(cells: Cells) -> dict[bytes, tuple[Value, float | None]]:
    return {key: (cells.get(key), cells._deadlines.get(key)) for key in cells.keys()}  # noqa: SIM118


@settings(max_examples=150, deadline=None)
@given(operations=st.lists(OPERATIONS, max_size=40))
def test_undo_takes_back_one_step_and_a_restart_all_since_the_commit(operations: list[tuple[object, ...]]) -> None:
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "cells.mdb", epoch=1)
        try:
            cells = Cells(journal, Value)
            now: dict[object, object] = {}
            settled: dict[object, object] = {}
            committed: dict[object, object] = {}
            for name, *arguments in operations:
                if name == "put":
                    key, number, deadline = arguments
                    cells.put(key, Value(number), deadline)  # type: ignore[arg-type]
                    now[key] = (Value(number), deadline)  # type: ignore[arg-type]
                elif name == "delete":
                    cells.delete(arguments[0])  # type: ignore[arg-type]
                    now.pop(arguments[0], None)
                elif name == "quarantine":  # of a step that was undone, and never to be undone itself
                    cells.undo()
                    cells.quarantine(arguments[0])  # type: ignore[arg-type]
                    settled.pop(arguments[0], None)
                    now = dict(settled)
                elif name == "get":
                    assert cells.get(arguments[0]) == now.get(arguments[0], (None,))[0]  # type: ignore[index, arg-type]
                elif name == "undo":
                    cells.undo()
                    now = dict(settled)
                else:
                    cells.settle()
                    settled = dict(now)
                    if name == "commit":
                        commit(journal, cells)
                        committed = dict(settled)
                    elif name == "restart":
                        cells = Cells(journal, Value)
                        now, settled = dict(committed), dict(committed)
                assert set(cells.keys()) == set(now)
                assert cells.number(b"b") == (b"b" in now) + (b"bb" in now)
            assert state(cells) == now
            earliest = min((deadline for _, deadline in now.values() if deadline is not None), default=NEVER)  # type: ignore[misc]
            assert cells.next_deadline == earliest
        finally:
            journal.close()


def restored(journal: Journal) -> Cells:
    """The cells of a successor: b"a" is due at 5, and nothing of it has been decoded."""
    cells = Cells(journal, Value)
    cells.put(b"a", Value(1), 5.0)
    cells.settle()
    commit(journal, cells)
    return Cells(journal, Value)


def test_a_cell_deleted_before_it_was_decoded_comes_back_with_its_deadline(journal: Journal) -> None:
    cells = restored(journal)
    cells.delete(b"a")
    assert b"a" not in cells
    cells.undo()
    assert cells.get(b"a") == Value(1)
    assert cells.next_deadline == 5.0


def test_a_deadline_that_a_step_moved_or_ended_is_as_before_it(journal: Journal) -> None:
    cells = restored(journal)
    for deadline in (9.0, 2.0, None):
        cells.put(b"a", Value(2), deadline)
        cells.undo()
        assert cells.next_deadline == 5.0
    assert cells.due(5.0, 9) == [b"a"]


def test_a_cell_in_quarantine_is_never_due(journal: Journal) -> None:
    cells = restored(journal)
    assert cells.quarantine(b"a") is not None
    assert cells.next_deadline == NEVER
    assert cells.due(9.0, 9) == []


def test_a_deadline_that_fired_is_gone_for_the_successor_too(journal: Journal) -> None:
    cells = restored(journal)
    assert cells.due(5.0, 9) == [b"a"]
    assert cells.get(b"a") == Value(1)  # the step looks at it, and changes nothing
    cells.settle()
    commit(journal, cells)
    again = Cells(journal, Value)
    assert again.next_deadline == NEVER
    assert again.get(b"a") == Value(1)
