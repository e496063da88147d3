"""The mapped ring: what was written before a kill is read after it, and nothing else."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from actors.media.ring import Entry, Ring


def test_the_last_entries_are_read_in_order(tmp_path: Path) -> None:
    ring = Ring(tmp_path / "ring", entries=4, room=8)
    assert ring.read() == []
    for number in range(7):
        ring.write(number, number * 10, 1, bytes((number,)) * number)
    assert ring.read() == [Entry(n, n * 10, 1, bytes((n,)) * n) for n in (3, 4, 5, 6)]
    ring.remove()
    assert not (tmp_path / "ring").exists()


def test_a_successor_reads_what_was_left_unless_it_begins_anew(tmp_path: Path) -> None:
    ring = Ring(tmp_path / "ring", entries=4, room=8)
    ring.write(9, 0xFFFFFFFF, 0xFFFF, b"word")
    ring.close()
    ring = Ring(tmp_path / "ring", entries=4, room=8, anew=False)
    assert ring.read() == [Entry(9, 0xFFFFFFFF, 0xFFFF, b"word")]
    ring.close()
    ring = Ring(tmp_path / "ring", entries=4, room=8)
    assert ring.read() == []
    ring.close()


def test_a_file_of_another_shape_is_begun_anew(tmp_path: Path) -> None:
    ring = Ring(tmp_path / "ring", entries=4, room=8)
    ring.write(1, 0, 0, b"old")
    ring.close()
    ring = Ring(tmp_path / "ring", entries=5, room=8, anew=False)
    assert ring.read() == []
    ring.close()


def test_what_has_no_room_is_not_kept(tmp_path: Path) -> None:
    ring = Ring(tmp_path / "ring", entries=2, room=4)
    ring.write(0, 0, 0, b"12345")
    assert ring.read() == []
    ring.close()


@given(st.integers(0, 27), st.integers(1, 255))
def test_an_entry_that_is_torn_anywhere_is_not_believed_and_its_neighbour_is(at: int, flip: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ring = Ring(Path(folder) / "ring", entries=2, room=8)
        ring.write(2, 5, 6, b"whole678")
        ring.write(3, 5, 6, b"whole678")
        ring._map[ring._stride + at] ^= flip
        assert ring.read() == [Entry(2, 5, 6, b"whole678")]
        ring.close()
