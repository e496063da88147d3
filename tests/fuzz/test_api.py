"""The API of a running service takes any frames, and nobody on it notices; ``make fuzz`` does it for longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.api import fuzz, wrong_in
from tests.live.service import running

pytestmark = pytest.mark.live

ROUNDS = 10


def test_wrong_frames_on_the_sockets_of_commands_and_audio_cost_nobody_anything(tmp_path: Path) -> None:
    rounds = iter(range(ROUNDS))
    with (tmp_path / "log").open("w+b") as log, running("--answer", "echo", log=log) as service:
        assert fuzz(service, 1, lambda: next(rounds, None) is not None) == 400 * ROUNDS
        assert service.stop() == 0
        log.seek(0)
        assert wrong_in(log.read()) == []
