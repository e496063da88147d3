"""Every fuzz target takes its seeds, what fuzzing found, and mutations of both, without atheris."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.run import NAMES
from tests.fuzz.targets import SEEDS, TARGETS

# What fuzzing found, by target: each was an error once.
FINDINGS: dict[str, tuple[bytes, ...]] = {}
INPUTS = [(name, data) for name in NAMES for data in (b"", *SEEDS[name], *FINDINGS.get(name, ()))]


def test_the_runner_names_the_targets_that_there_are() -> None:
    assert list(NAMES) == list(TARGETS) == list(SEEDS)
    assert set(FINDINGS) <= set(NAMES)


@pytest.mark.parametrize(("name", "data"), INPUTS)
def test_seeds_and_findings_keep_the_promises(name: str, data: bytes) -> None:
    TARGETS[name](data)


@settings(deadline=None)
@given(st.sampled_from(INPUTS), st.integers(0, 2000), st.integers(0, 8), st.binary(max_size=8), st.integers(1, 3))
def test_mutations_keep_the_promises(
    chosen: tuple[str, bytes], place: int, gone: int, piece: bytes, times: int
) -> None:
    name, data = chosen
    begin = place % (len(data) + 1)
    TARGETS[name](data[:begin] + piece * times + data[begin + gone :])
