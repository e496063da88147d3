"""What control keeps over a reboot, in a real journal."""

from __future__ import annotations

from pathlib import Path

from actors.control.idempotency import Reply, Settled
from actors.control.log import RESERVED
from actors.control.store import Store


def entries(first: int, last: int) -> list[tuple[int, bytes]]:
    return [(number, b"%d" % number) for number in range(first, last + 1)]


def test_events_are_there_again_in_order(tmp_path: Path) -> None:
    store = Store(tmp_path / "control.journal", 1)
    store.save(entries(1, 3), oldest=1, last=3)
    store.save(entries(4, 300), oldest=1, last=300)
    log_id = store.log_id
    store.close()
    again = Store(tmp_path / "control.journal", 2)
    kept = again.load()
    assert kept.events == entries(1, 300)
    assert kept.reserved == 300 + RESERVED
    assert again.log_id == log_id
    again.close()


def test_a_closing_save_leaves_no_gap_in_the_numbers(tmp_path: Path) -> None:
    store = Store(tmp_path / "control.journal", 1)
    store.save(entries(1, 3), oldest=1, last=3, closing=True)
    store.close()
    again = Store(tmp_path / "control.journal", 2)
    assert again.load().reserved == 3
    again.close()


def test_segments_below_the_oldest_event_are_dropped(tmp_path: Path) -> None:
    store = Store(tmp_path / "control.journal", 1)
    for first in range(1, 1_000, 100):
        store.save(entries(first, first + 99), oldest=max(1, first - 150), last=first + 99)
    store.close()
    again = Store(tmp_path / "control.journal", 2)
    assert again.load().events == entries(701, 1_000)
    again.save([], oldest=950, last=1_000)
    again.close()
    third = Store(tmp_path / "control.journal", 3)
    assert third.load().events == entries(901, 1_000)
    third.close()


def test_events_that_trickle_in_share_segments_also_over_a_restart(tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        store = Store(tmp_path / "control.journal", epoch)
        store.load()
        for number in range(epoch * 100 - 99, epoch * 100 + 1):
            store.save(entries(number, number), oldest=1, last=number)
        assert len(store._segments) <= 3
        store.close()
    last = Store(tmp_path / "control.journal", 4)
    assert last.load().events == entries(1, 300)
    last.close()


def test_a_burst_that_outruns_the_log_is_kept_with_the_segment_it_goes_on_with(tmp_path: Path) -> None:
    store = Store(tmp_path / "control.journal", 1)
    store.save(entries(1, 50), oldest=1, last=50)
    store.save(entries(51, 300), oldest=201, last=300)
    store.close()
    again = Store(tmp_path / "control.journal", 2)
    assert again.load().events[-100:] == entries(201, 300)
    again.close()


def test_settled_commands_are_there_again_until_forgotten(tmp_path: Path) -> None:
    store = Store(tmp_path / "control.journal", 1)
    commands = {key: Settled(b"digest", Reply(message=key.decode())) for key in (b"one", b"two")}
    for key, command in commands.items():
        store.settle(key, command)
    store.save([], oldest=1, last=0)
    store.settle(b"one", None)
    store.save([], oldest=1, last=0)
    store.close()
    again = Store(tmp_path / "control.journal", 2)
    assert again.load().commands == {b"two": commands[b"two"]}
    again.close()
