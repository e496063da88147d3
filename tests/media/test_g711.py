"""G.711 against ITU-T's own vectors, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.media.g711 import SILENCE, Law, decode, encode, is_quiet, patch, transcode
from tests.media.rig import corpus

ALL = np.arange(256, dtype=np.uint8)


@pytest.mark.parametrize(("law", "suffix"), [(Law.PCMU, "u"), (Law.PCMA, "a")])
def test_every_sample_of_the_itu_sweep_has_its_code_and_back(law: Law, suffix: str) -> None:
    folder = corpus("vectors", "g711", "test_data")
    samples = np.fromfile(folder / "sweep.src", "<i2")
    codes = np.fromfile(folder / f"sweep-r.{suffix}", "<i2").astype(np.uint8)
    decoded = np.fromfile(folder / f"sweep-r.{suffix}-{suffix}", "<i2")
    assert np.array_equal(encode(samples, law), codes)
    assert np.array_equal(decode(codes, law), decoded)


@pytest.mark.parametrize(
    ("law", "sample", "code"),
    [
        (Law.PCMU, 0, 0xFF),
        (Law.PCMU, 32767, 0x80),
        (Law.PCMU, -32768, 0x00),
        (Law.PCMA, 0, 0xD5),
        (Law.PCMA, 32767, 0xAA),
        (Law.PCMA, -32768, 0x2A),
        (Law.PCMA, -1, 0x55),
    ],
)
def test_the_ends_and_the_middle_of_the_scale(law: Law, sample: int, code: int) -> None:
    assert encode(np.array([sample], np.int16), law)[0] == code


@pytest.mark.parametrize("law", list(Law))
def test_a_matrix_is_decoded_and_encoded_at_once(law: Law) -> None:
    matrix = np.stack([ALL, ALL[::-1]])
    samples = decode(matrix, law)
    assert samples.shape == (2, 256)
    again = encode(samples, law)
    # mu-law has two zeros, of which one comes back.
    assert np.array_equal(decode(again, law), samples)


def test_a_law_passes_to_itself_bit_for_bit_and_to_the_other_as_close_as_it_can() -> None:
    codes = ALL.tobytes()
    assert transcode(codes, Law.PCMU, Law.PCMU) is codes
    for law, wanted in ((Law.PCMU, Law.PCMA), (Law.PCMA, Law.PCMU)):
        there = np.frombuffer(transcode(codes, law, wanted), np.uint8)
        assert np.array_equal(there, encode(decode(ALL, law), wanted))


def test_a_frame_is_quiet_below_36_db_and_not_above() -> None:
    for law in Law:
        for level, quiet in ((0, True), (300, True), (2000, False), (-2000, False)):
            codes = encode(np.full(160, level, np.int16), law).tobytes()
            assert is_quiet(codes, law) is quiet
        assert is_quiet(b"", law)


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 2)), min_size=1, max_size=160))
def test_a_patched_frame_has_silence_where_nothing_came(samples: list[tuple[int, int]]) -> None:
    patched, whole = patch(bytes(code for code, _ in samples), bytes(law for _, law in samples))
    laws = {law for _, law in samples} - {0}
    assert whole == (laws.pop() if len(laws) == 1 else Law.PCMU)
    for (code, law), given_code in zip(samples, patched, strict=True):
        expected = transcode(bytes([code]), law, whole)[0] if law else SILENCE[whole]
        assert given_code == expected
