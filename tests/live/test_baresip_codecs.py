"""baresip calls us in each codec that it has, some over SRTP: a tone is heard at its frequency and level both ways."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from actors.control.client import Client
from actors.media import srtp
from actors.media.codecs import CodecMissingError, find
from tests.chaos.killing import next_event
from tests.live.baresip import phone
from tests.live.service import running
from tests.live.sound import pitch, tone, write_wav

pytestmark = pytest.mark.live

OURS, THEIRS, SECONDS = 700.0, 1150.0, 1.5


def loud(path: Path) -> tuple[np.ndarray, int]:
    """What is loud in a file, and its rate."""
    with wave.open(str(path)) as file:
        rate = file.getframerate()
        channels = file.getnchannels()
        samples = np.frombuffer(file.readframes(1 << 26), "<i2")[::channels].astype(float)
    above = np.flatnonzero(np.abs(samples) > 1000)
    assert len(above) > 0.5 * SECONDS * rate, "hardly anything is heard"
    return samples[above[0] : above[-1]], rate


def is_tone(path: Path, frequency: float, loudness: float = 0.3) -> None:
    """A tone of this frequency, and loudness of full scale.

    It is looked at in pieces: where a loaded machine paused, a tone jumps in its phase.
    """
    samples, rate = loud(path)
    size = rate // 5
    pieces = [samples[at : at + size] for at in range(0, len(samples) - size, size)]
    good = [abs(pitch(piece, rate) - frequency) < 8 for piece in pieces]  # type: ignore[arg-type]
    assert sum(good) >= 0.7 * len(good)
    level = np.sqrt(2 * np.median([np.mean(piece**2) for piece in pieces])) / 32767
    assert 2 / 3 < level / loudness < 4 / 3


@pytest.mark.parametrize(
    ("name", "theirs", "rate", "module", "secured"),
    [
        ("G722", "G722/16000/1", 16000, "g722.so", True),
        ("opus", "opus/48000/2", 48000, "opus.so", True),
        ("PCMA", "PCMA/8000/1", 8000, "g711.so", True),
        ("L16", "L16/16000/1", 16000, "l16.so", False),
        ("GSM", "GSM/8000/1", 8000, "gsm.so", False),
    ],
)
def test_a_tone_is_heard_both_ways(
    tmp_path: Path, name: str, theirs: str, rate: int, module: str, secured: bool
) -> None:
    if secured and not srtp.installed():
        pytest.skip(srtp.MISSING)
    try:
        find(name, {"opus": 48000, "L16": 16000}.get(name, 8000))
    except CodecMissingError as error:
        pytest.skip(str(error))
    ours = write_wav(tmp_path / "ours.wav", tone(OURS, SECONDS, 48000), 48000)
    channels = int(theirs[-1])  # baresip plays a file only as it is
    said = tmp_path / "theirs.wav"
    with wave.open(str(said), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(np.repeat(tone(THEIRS, 20.0, rate), channels).tobytes())
    recording = tmp_path / "heard.wav"
    config = f'[media]\ncodecs = ["{name}"]\njitter = 200\nsrtp = "{"required" if secured else "off"}"\n'
    modules, account = ((module, "srtp.so"), ";mediaenc=srtp-mand") if secured else ((module,), "")
    with (
        running("--answer", "ring", config=config) as service,
        phone(tmp_path / "baresip", said, codec=theirs, modules=modules, account=account) as peer,
        Client(service.run_dir) as client,
        client.events() as stream,
    ):
        host, port = service.addresses["udp"]
        peer.command("dial", f"sip:service@{host}:{port}")
        call = next_event(stream, "CallReceived", []).call
        client.answer(call, play=str(ours), record=str(recording))
        assert next_event(stream, "CallAnswered", []).encoding.upper() == name.upper()
        next_event(stream, "CallPlayFinished", [])
        client.hangup(call)
        ended = next_event(stream, "CallEnded", [])
        assert ended.packets_received > 40
        peer.event("CALL_CLOSED")
    is_tone(recording, THEIRS)
    (heard,) = (tmp_path / "baresip").glob("dump-*-dec.wav")
    is_tone(heard, OURS)
