"""The mapped record: written in turn, torn anywhere, kept over a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.media.record import COPY, Records

SIZE = 100


def opened(path: Path, slots: int = 3) -> Records:
    return Records(path / "sessions", slots, SIZE)


def test_the_newest_copy_is_read_first_and_the_one_before_it_stays(tmp_path: Path) -> None:
    records = opened(tmp_path)
    assert records.read(1) == []
    for generation in (1, 2, 3):
        records.write(1, generation, bytes([generation]) * SIZE)
    assert [(copy.generation, copy.body[0]) for copy in records.read(1)] == [(3, 3), (2, 2)]
    assert records.read(0) == records.read(2) == []
    records.close()


def test_a_successor_reads_what_was_written_before_the_kill(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.write(2, 7, b"x" * SIZE)
    second = opened(tmp_path)  # the first is not closed: it was killed
    assert second.read(2)[0].body == b"x" * SIZE
    first.close()
    second.close()


def test_a_file_of_another_shape_is_begun_anew(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.write(0, 1, b"x" * SIZE)
    first.close()
    second = opened(tmp_path, slots=4)
    assert second.read(0) == []
    second.close()
    (tmp_path / "sessions").write_bytes(b"noise")
    third = opened(tmp_path)
    assert third.read(0) == []
    third.close()
    assert (tmp_path / "sessions").stat().st_mode & 0o777 == 0o600


def test_a_body_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fit"):
        Records(tmp_path / "sessions", 1, COPY)


def test_a_copy_torn_at_any_byte_is_not_believed_and_the_other_is(tmp_path: Path) -> None:
    records = opened(tmp_path, slots=1)
    records.write(0, 4, bytes(range(SIZE)))
    records.write(0, 5, bytes(range(1, SIZE + 1)))
    start = records._map.find(bytes(range(1, SIZE + 1)))
    before = records._map[start : start + COPY]
    records.write(0, 7, bytes(range(2, SIZE + 2)))
    after = records._map[start : start + COPY]
    length = SIZE + 8 + 4
    for torn in range(1, length):
        if before[torn:length] == after[torn:length]:
            continue  # nothing was missing: that copy is whole
        records._map[start : start + COPY] = after[:torn] + before[torn:]
        assert [copy.generation for copy in records.read(0)] == [4], torn
    records.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=SIZE, max_size=SIZE), st.integers(0, SIZE + 11), st.integers(1, 255))
def test_a_flipped_byte_is_found(tmp_path: Path, body: bytes, at: int, flip: int) -> None:  # FAULTS 78
    records = opened(tmp_path, slots=1)
    records.write(0, 6, body)
    records._map[64 + at] ^= flip
    assert all(copy.generation != 6 for copy in records.read(0))
    records.close()
