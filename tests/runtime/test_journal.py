"""The journal: all of a batch or nothing, over kills, corruption, growth and reboots."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from select import select
from tempfile import TemporaryDirectory

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.runtime import journal as journal_module
from actors.runtime.journal import Changes, Journal, JournalCorrupt, JournalFull, StaleEpoch


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "actor.mdb"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    opened = Journal(path, epoch=1)
    yield opened
    opened.close()


def no_room(*_: object) -> None:
    raise OSError(28, "No space left on device")


def write(journal: Journal, **what: object) -> None:
    changes = Changes()
    for name, value in what.items():
        setattr(changes, name, value)
    journal.commit(changes)
    assert not changes, "a commit clears what it wrote"


def test_what_is_committed_is_read_back(journal: Journal) -> None:
    write(journal, cells={b"a": (b"one", 5.0), b"b": (b"two", None)}, meta={b"mark": b"7"}, sent=[("up", 3, b"x")])
    assert journal.cell(b"a") == b"one"
    assert journal.cell(b"c") is None
    assert sorted(journal.keys()) == [b"a", b"b"]
    assert journal.deadlines() == [(5.0, b"a")]
    assert journal.meta(b"mark") == b"7"
    assert journal.outbox("up") == [(3, b"x")]
    assert journal.outbox("u") == [], "a peer whose name begins another's has an outbox of its own"


def test_an_acknowledgement_drops_the_outbox_up_to_its_mark_and_no_other_peers(journal: Journal) -> None:
    write(journal, sent=[("up", n, b"%d" % n) for n in (1, 2, 5, 300)] + [("down", 1, b"d")])
    write(journal, acked={"up": 5})
    assert journal.outbox("up") == [(300, b"300")]
    assert journal.outbox("down") == [(1, b"d")]
    write(journal, acked={"up": 1000})
    assert journal.outbox("up") == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.lists(st.booleans(), max_size=6), st.integers(0, 6)), max_size=12))
def test_an_outbox_holds_what_was_sent_after_the_last_acknowledgement_however_batches_and_gaps_fall(
    batches: list[tuple[list[bool], int]],
) -> None:
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "x.mdb", epoch=1)
        sequence = mark = 0
        model: dict[int, bytes] = {}
        for kept, behind in batches:
            sent = []
            for journalled in kept:
                sequence += 1
                if journalled:
                    sent.append(("up", sequence, b"%d" % sequence * (sequence % 3)))
                    sent.append(("down", sequence, b"d"))
            mark = max(mark, sequence - behind)
            write(journal, sent=list(sent), acked={"up": mark})
            model.update({number: envelope for peer, number, envelope in sent if peer == "up"})
            model = {number: envelope for number, envelope in model.items() if number > mark}
            assert journal.outbox("up") == sorted(model.items())
        journal.close()


def test_a_journal_of_another_format_is_discarded(path: Path) -> None:
    first = Journal(path, epoch=1, durable=True)
    write(first, cells={b"a": (b"one", 5.0)})
    identity = first.journal_id
    first.close()
    with lmdb.open(str(path), subdir=False) as env, env.begin(write=True) as txn:
        txn.put(b"m!format", b"1")
    second = Journal(path, epoch=2, durable=True)
    assert second.journal_id != identity
    assert second.keys() == []
    second.close()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"a", b"b", b"c"]),
            st.one_of(st.none(), st.binary(max_size=20)),
            st.one_of(st.none(), st.floats(min_value=0.001, max_value=1e9)),
        ),
        max_size=30,
    )
)
def test_the_deadlines_always_agree_with_the_cells(steps: list[tuple[bytes, bytes | None, float | None]]) -> None:
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "x.mdb", epoch=1)
        model: dict[bytes, tuple[bytes, float | None]] = {}
        for key, snapshot, deadline in steps:
            write(journal, cells={key: (snapshot, deadline)})
            if snapshot is None:
                model.pop(key, None)
            else:
                model[key] = (snapshot, deadline)
        assert {key: journal.cell(key) for key in list(journal.keys())} == {
            key: value for key, (value, _) in model.items()
        }
        assert journal.deadlines() == sorted((when, key) for key, (_, when) in model.items() if when)
        journal.close()


def test_a_restart_finds_the_same_journal_and_a_stale_start_is_refused(path: Path) -> None:
    first = Journal(path, epoch=1)
    write(first, cells={b"a": (b"one", 5.0)})
    identity = first.journal_id
    first.close()
    second = Journal(path, epoch=2)
    assert (second.journal_id, second.cell(b"a")) == (identity, b"one")
    second.close()
    with pytest.raises(StaleEpoch):
        Journal(path, epoch=1)


def test_a_process_whose_successor_has_begun_can_write_no_more(path: Path) -> None:
    """LMDB refuses a second opening in one process, so the successor is a process of its own."""
    old = Journal(path, epoch=1)
    successor = get_context("spawn").Process(target=_open_once, args=(path, 2))
    successor.start()
    successor.join()
    assert successor.exitcode == 0
    with pytest.raises(StaleEpoch):
        write(old, cells={b"a": (b"late", None)})
    assert old.cell(b"a") is None
    old.close()


def _open_once(path: Path, epoch: int) -> None:
    Journal(path, epoch=epoch).close()


@pytest.mark.parametrize("position", [0, 1, 4, 5, 12, 13, 20])
def test_a_flipped_bit_in_a_snapshot_is_found(path: Path, position: int) -> None:
    journal = Journal(path, epoch=1)
    write(journal, cells={b"a": (b"a snapshot of a cell", 5.0), b"b": (b"sound", None)})
    journal.close()
    with lmdb.open(str(path), subdir=False) as env, env.begin(write=True) as txn:
        value = bytearray(txn.get(b"ca") or b"")
        value[position] ^= 1
        txn.put(b"ca", bytes(value))
    journal = Journal(path, epoch=2)
    with pytest.raises(JournalCorrupt) as caught:
        journal.cell(b"a")
    assert caught.value.key == b"a"
    assert journal.cell(b"b") == b"sound"
    journal.close()


def test_a_truncated_snapshot_is_found(path: Path) -> None:
    journal = Journal(path, epoch=1)
    write(journal, cells={b"a": (b"snapshot", None)})
    journal.close()
    with lmdb.open(str(path), subdir=False) as env, env.begin(write=True) as txn:
        txn.put(b"ca", b"\x01")
    journal = Journal(path, epoch=2)
    with pytest.raises(JournalCorrupt):
        journal.cell(b"a")
    journal.close()


def test_a_file_that_is_no_journal_is_replaced_under_a_new_identity(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\xff" * 20000)
    journal = Journal(path, epoch=1)
    assert journal.keys() == []
    journal.close()


def test_another_boot_discards_the_journal_but_a_durable_one_is_kept_and_all_its_deadlines_are_due(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for durable in (False, True):
        file = path.with_suffix(f".{durable}")
        monkeypatch.setattr(journal_module, "boot_id", lambda: b"one")
        journal = Journal(file, epoch=1, durable=durable)
        identity = journal.journal_id
        write(journal, cells={b"a": (b"kept", 1e9), b"b": (b"quiet", None)})
        journal.close()
        monkeypatch.setattr(journal_module, "boot_id", lambda: b"two")
        journal = Journal(file, epoch=2, durable=durable)
        assert (journal.journal_id == identity) is durable
        assert journal.cell(b"a") == (b"kept" if durable else None)
        assert [(when < 1.0, key) for when, key in journal.deadlines()] == ([(True, b"a")] if durable else [])
        journal.flush()
        journal.close()


def test_it_grows_and_keeps_all(journal: Journal) -> None:
    blob = os.urandom(100_000)
    for n in range(300):
        write(journal, cells={b"%d" % n: (blob, None)})
    assert len(journal.keys()) == 300
    assert journal.cell(b"299") == blob


def test_a_full_disk_fails_closed_and_writes_nothing(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    write(journal, cells={b"old": (b"kept", None)})
    monkeypatch.setattr(os, "posix_fallocate", no_room)
    changes = Changes()
    changes.cells = {b"%d" % n: (bytes(1_000_000), None) for n in range(30)}
    with pytest.raises(JournalFull):
        journal.commit(changes)
    assert journal.full
    assert journal.keys() == [b"old"]
    write(journal, cells={b"small": (b"still fits", None)})
    monkeypatch.undo()
    journal.housekeep()
    assert not journal.full


def test_growth_is_ahead_of_need(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    write(journal, cells={b"%d" % n: (bytes(1_000_000), None) for n in range(13)})
    monkeypatch.setattr(os, "posix_fallocate", no_room)
    journal.housekeep()
    assert journal.full, "three quarters are used and it cannot grow: new calls are refused from here on"


def test_a_journal_that_cannot_grow_takes_new_calls_again_once_half_of_it_is_free(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(journal, cells={b"%d" % n: (bytes(1_000_000), None) for n in range(13)})
    monkeypatch.setattr(os, "posix_fallocate", no_room)
    journal.housekeep()
    write(journal, cells={b"%d" % n: (None, None) for n in range(4)})
    journal.housekeep()
    assert journal.full, "more than half is used"
    write(journal, cells={b"%d" % n: (None, None) for n in range(4, 13)})
    journal.housekeep()
    assert not journal.full
    for n in range(8):  # a page that a commit gave up is used again by the next but one
        write(journal, cells={b"again %d" % n: (bytes(1_000_000), None)})


def test_a_key_that_is_too_long_is_refused_as_a_value_error(journal: Journal) -> None:
    with pytest.raises(ValueError, match="400"):
        write(journal, cells={b"k" * 600: (b"", None)})


def _commit_for_ever(path: Path, epoch: int) -> None:
    journal = Journal(path, epoch=epoch)
    changes = Changes()
    count = int(journal.meta(b"count") or b"0")
    while True:
        count += 1
        changes.cells[b"cell"] = (b"%d" % count, float(count))
        changes.sent.append(("peer", count, b"%d" % count))
        changes.acked["peer"] = max(0, count - 10)
        changes.meta[b"count"] = b"%d" % count
        journal.commit(changes)


def test_kills_in_the_middle_of_commits_leave_every_batch_whole(path: Path) -> None:
    context = get_context("forkserver")
    for epoch in range(1, 16):
        child = context.Process(target=_commit_for_ever, args=(path, epoch))
        child.start()
        assert child.pid
        _wait_for_growth(path, child.sentinel)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        child.close()
    journal = Journal(path, epoch=1000)
    last = int(journal.meta(b"count") or b"0")
    assert last > 0
    assert journal.cell(b"cell") == b"%d" % last
    assert journal.deadlines() == [(float(last), b"cell")]
    assert journal.outbox("peer") == [(n, b"%d" % n) for n in range(max(1, last - 9), last + 1)]
    journal.close()


def _wait_for_growth(path: Path, sentinel: int) -> None:
    """Wait until the child has committed something new: the transaction counter in the file's meta pages moves."""

    def transactions() -> bytes:
        return path.read_bytes()[:8192] if path.exists() else b""

    before = transactions()
    changed = 0
    while changed < 3:
        assert not select([sentinel], [], [], 0.002)[0], "the child died by itself"
        now = transactions()
        changed += now != before
        before = now
