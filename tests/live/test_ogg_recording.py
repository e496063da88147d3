"""A call is recorded as Opus in Ogg: it can be heard while it grows, and goes on over a kill of media."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("soundfile", reason="pip install 'sipactors[files]'")

import soundfile

from actors.control.client import Client
from actors.media.codecs import CodecMissingError, opus
from tests.chaos.killing import kill, next_event, wait_restarted
from tests.live.baresip import phone
from tests.live.itself import loud
from tests.live.service import running
from tests.live.sound import RATE, tone, write_wav
from tests.live.test_baresip import OURS, THEIRS, answered, is_tone

pytestmark = pytest.mark.live


def test_both_sides_are_recorded_over_a_kill_and_can_be_heard_meanwhile(tmp_path: Path) -> None:
    try:
        opus.library()
    except CodecMissingError as error:
        pytest.skip(str(error))
    said = write_wav(tmp_path / "theirs.wav", tone(THEIRS, 60.0))
    ours = write_wav(tmp_path / "ours.wav", tone(OURS, 2.0))
    recording = tmp_path / "both.ogg"
    with (
        running("--answer", "ring") as service,
        phone(tmp_path / "baresip", said) as peer,
        Client(service.run_dir) as client,
        client.events() as stream,
    ):
        call = answered(service, peer, client, stream, "us", {}).call
        client.record(call, str(recording), sides="stereo")
        client.play(call, str(ours))
        next_event(stream, "CallPlayFinished", [])
        # It grows each half second, by a thread that may be late: most of what was played is in it by then.
        while len(meanwhile := soundfile.read(recording, always_2d=True)[0]) <= 1.5 * RATE:
            stream.receive(0.1)
        before, _ = kill(client, "media-0")
        wait_restarted(client, "media-0", before)
        client.play(call, str(ours))
        next_event(stream, "CallPlayFinished", [])
        client.hangup(call)
        next_event(stream, "CallEnded", [])
    samples, rate = soundfile.read(recording, dtype="int16", always_2d=True)
    assert rate == 8000
    assert len(samples) > len(meanwhile) > rate
    theirs, mine = samples[:, 0], samples[:, 1]
    assert is_tone(loud(theirs), THEIRS)
    assert is_tone(mine[: len(meanwhile)], OURS)
    assert is_tone(loud(mine[len(meanwhile) :]), OURS)  # the end of the first is far from the second on a slow machine
    assert np.abs(theirs).max() < 20_000
