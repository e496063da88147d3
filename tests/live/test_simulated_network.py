"""A service with a simulated bad network: baresip's tone comes through it, and the call's totals tell of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.control.client import Client
from tests.chaos.killing import next_event
from tests.live.baresip import phone
from tests.live.service import running
from tests.live.sound import read_wav, tone, write_wav
from tests.live.test_baresip import OURS, THEIRS, answered, is_tone
from tests.live.test_files import share

pytestmark = pytest.mark.live

BAD = "[simulate]\nloss = 10\nburst = 1.5\njitter = 30\nreorder = 2\nseed = 7\n"


def test_a_call_through_a_bad_network_is_heard_and_told_of(tmp_path: Path) -> None:
    said = write_wav(tmp_path / "theirs.wav", tone(THEIRS, 60.0))
    ours = write_wav(tmp_path / "ours.wav", tone(OURS, 4.0))
    recording = tmp_path / "heard.wav"
    with (
        running("--answer", "ring", config=BAD) as service,
        phone(tmp_path / "baresip", said) as peer,
        Client(service.run_dir) as client,
        client.events() as stream,
    ):
        call = answered(service, peer, client, stream, "us", {"play": str(ours), "record": str(recording)}).call
        next_event(stream, "CallPlayFinished", [])
        client.hangup(call)
        ended = next_event(stream, "CallEnded", [])
        assert service.stop() == 0
        assert any("bad_network" in line for line in service.lines)
    assert 0.03 < ended.packets_lost / (ended.packets_lost + ended.packets_received) < 0.25
    assert ended.jitter > 4.0
    assert 1.0 <= ended.mos < 4.0
    assert share(read_wav(recording), THEIRS) > 0.5, "what is lost is concealed"
    assert is_tone(peer.heard(), OURS), "what goes out is not touched"
