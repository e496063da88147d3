"""FAULTS 75 and 76: kill -9 of each actor in each phase of a call, over UDP and TCP, and the call goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.killing import ACTORS, ENDERS, PHASES, faults, run_cell
from tests.live.service import Service, running

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """One service for all cells of a worker: what a cell left behind would show in the next."""
    with running("--answer", "ring") as started:
        yield started
        assert started.stop() == 0, "\n".join(started.lines[-20:])


@pytest.mark.parametrize("again", [1, 2])
@pytest.mark.parametrize("ender", ENDERS)
@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("actor", ACTORS)
def test_a_call_survives_a_kill(
    service: Service, tmp_path: Path, actor: str, phase: str, transport: str, ender: str, again: int
) -> None:
    outcome = run_cell(service, tmp_path, actor, phase, transport, ender)
    assert faults(outcome, actor) == [], f"round {again}"
