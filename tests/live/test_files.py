"""Files in a call that is up, over a kill of media: played where they were, and both sides recorded in one file."""

from __future__ import annotations

import os
import signal
import wave
from pathlib import Path

import numpy as np
import pytest

from actors.control.client import Client
from tests.chaos.killing import next_event
from tests.live.baresip import phone
from tests.live.service import running
from tests.live.sound import RATE, pitch, tone, write_wav

pytestmark = pytest.mark.live

OURS, SECOND, THEIRS = 700.0, 900.0, 1150.0  # Hz


def share(samples: np.ndarray, frequency: float) -> float:
    """How much of the pieces of 100 ms is a tone of this frequency."""
    pieces = [samples[at : at + RATE // 10] for at in range(0, len(samples) - RATE // 10, RATE // 10)]
    loud = [piece for piece in pieces if np.abs(piece.astype(float)).mean() > 1000]
    return sum(abs(pitch(piece) - frequency) < 25 for piece in loud) / max(1, len(pieces))


def test_files_go_on_over_a_kill_and_both_sides_are_in_the_recording(tmp_path: Path) -> None:
    first = write_wav(tmp_path / "first.wav", tone(OURS, 2.0))
    second = write_wav(tmp_path / "second.wav", tone(SECOND, 2.0))
    theirs = write_wav(tmp_path / "theirs.wav", tone(THEIRS, 60.0))
    both = tmp_path / "both.wav"
    with (
        running("--answer", "ring") as service,
        phone(tmp_path / "baresip", theirs, codec="PCMU", transport="udp") as peer,
        Client(service.run_dir) as client,
        client.events() as stream,
    ):
        call = client.place(peer.uri)
        peer.event("CALL_INCOMING")
        peer.command("accept")
        next_event(stream, "CallAnswered", [])
        client.record(call, str(both), sides="stereo")
        client.play(call, str(first))
        client.play(call, str(second), queue=True)
        assert next_event(stream, "CallPlayFinished", []).path == str(first)
        os.kill(service.pid("media-0"), signal.SIGKILL)
        assert next_event(stream, "CallPlayFinished", []).path == str(second)
        client.play(call, "tone:none such")
        assert "tone" in next_event(stream, "CallPlayFinished", []).error
        client.hangup(call)
        ended = next_event(stream, "CallEnded", [])
        assert (ended.outcome, ended.by) == ("answered", "local")
        assert service.stop() == 0
    with wave.open(str(both)) as file:
        assert file.getnchannels() == 2
        samples = np.frombuffer(file.readframes(1 << 24), "<i2").reshape(-1, 2)
    assert share(samples[:, 0], THEIRS) > 0.6
    assert share(samples[:, 1], OURS) > 0.25
    assert share(samples[:, 1], SECOND) > 0.2
