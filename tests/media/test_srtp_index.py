"""Indexes of SRTP: guessed as RFC 3711 has it, told apart in a window, kept in a row."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from actors.media.srtp_index import SIZE, STEP, STREAMS, WINDOW, Row, Window, fingerprint, unpack, way


def filled(indexes: list[int]) -> Window:
    window = Window()
    for index in indexes:
        window.add(index)
    return window


@given(st.integers(0x8001, 2**48 - 0x8000), st.integers(-0x7FFF, 0x7FFF))
def test_an_index_less_than_half_a_turn_away_is_guessed(highest: int, away: int) -> None:
    index = max(0, highest + away)
    assert Window(highest, 1).guess(index & 0xFFFF) == index


@given(st.integers(-1, 0x8000), st.integers(0, 0xFFFF))
def test_no_counter_below_zero_is_guessed(highest: int, sequence_number: int) -> None:
    assert Window(highest, 1).guess(sequence_number) == sequence_number


@given(st.lists(st.integers(0, 400), max_size=80), st.integers(0, 400))
def test_an_index_is_fresh_once_and_while_it_can_be_told(indexes: list[int], index: int) -> None:
    window = filled(indexes)
    told = not indexes or index > max(indexes) - WINDOW
    assert window.fresh(index) == (index not in indexes and told)
    window.add(index)
    assert not window.fresh(index)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=80))
def test_the_window_lists_what_has_come(indexes: list[int]) -> None:
    window = filled(indexes)
    assert window.indexes() == sorted({index for index in indexes if index > max(indexes) - WINDOW})
    assert Window(window.highest, window.seen).indexes() == window.indexes()


STREAM = st.tuples(
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**48),
    st.integers(1, 2**64 - 1),
    st.integers(-1, 2**31),
    st.integers(0, 2**64 - 1),
)


@given(st.lists(STREAM, max_size=7), st.integers(0, 2**48), st.integers(0, 2**31))
def test_a_row_comes_back_with_the_newest_streams(
    streams: list[tuple[int, int, int, int, int]], index: int, control: int
) -> None:
    row = Row(2**64 - 1, b"12345678", b"ABCDEFGH", b"abcdefgh", 2**32 - 1, index, control, tuple(streams))
    data = row.pack()
    assert len(data) == SIZE
    assert unpack(data) == row._replace(streams=tuple(streams[-STREAMS:]))


@given(st.integers(0, 2**24))
def test_the_way_back_is_short_and_ends_below_its_target(target: int) -> None:
    indexes = [0, *way(target)]
    assert all(0 <= after - before <= STEP for before, after in itertools.pairwise(indexes))
    assert indexes[-1] == max(0, target - 1)
    assert len(indexes) <= target // STEP + 2


def test_a_fingerprint_tells_keys_and_suites_apart_and_holds_nothing_of_the_key() -> None:
    key = bytes(range(30))
    prints = {fingerprint(suite, data) for suite in ("A", "B") for data in (key, key[::-1])}
    assert len(prints) == 4
    assert all(len(each) == 8 and each not in key for each in prints)
