"""The audio of calls over TCP: with a key of the right role as on the service's own machine, without it not at all."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from actors.control.async_client import AsyncClient
from actors.control.audio import Audio
from actors.control.client import Client, CommandRefused
from actors.control.keys import Keys
from actors.control.rights import Role
from tests.chaos.killing import kill, next_event
from tests.live.itself import PATIENCE, House, call_to_itself, loud
from tests.live.sound import RATE, pitch, tone

pytestmark = pytest.mark.live


def remote(house: House, key: Path) -> Client:
    return Client(address=house.address, key=key, patience=PATIENCE)


def hears_itself(audio: Audio, hertz: float) -> None:
    """Speak for a second, and hear that come back."""
    audio.write(tone(hertz, 1.0).tobytes())
    mark = audio.mark()
    heard = np.zeros(0, np.int16)
    while not mark.done or abs(pitch(loud(heard)[-RATE // 2 :]) - hertz) > 2.0:
        frame = audio.receive(PATIENCE)
        assert frame is not None
        heard = np.concatenate((heard, np.frombuffer(frame.data, np.int16)))
        assert len(heard) < 10 * RATE, "what was written does not come back"
    assert mark.played


def test_a_key_of_the_role_media_hears_and_speaks_over_a_kill_of_control_and_of_media(tmp_path: Path) -> None:
    with call_to_itself(tmp_path) as house:
        key = house.key("bot", Role.MEDIA)
        with (
            remote(house, key) as client,
            client.events(0, topics=["Call*"]) as events,
            client.calls[house.call].audio(8000) as audio,
        ):
            assert next_event(events, "CallAnswered", [])
            hears_itself(audio, 500.0)
            kill(house.owner, "media-0")
            hears_itself(audio, 700.0)
            kill(house.owner, "control")
            hears_itself(audio, 900.0)
            assert audio.exact
            with pytest.raises(CommandRefused, match="may not do this"):
                client.hangup(house.call)
            assert client.dtmf(house.call, "1") is None
            audio.write(tone(500.0, 1.0).tobytes())
            cut = audio.flush(PATIENCE)
            assert cut.at < cut.written

        async def awaited() -> None:
            async with (
                AsyncClient(address=house.address, key=key, patience=PATIENCE) as client,
                client.calls[house.call].audio(8000) as audio,
            ):
                await audio.write(tone(500.0, 0.2).tobytes())
                assert await audio.wait(audio.mark())
                assert await audio.receive() is not None

        asyncio.run(awaited())


def test_who_may_only_observe_is_refused_a_calls_audio_and_written_down(tmp_path: Path) -> None:
    with call_to_itself(tmp_path) as house:
        with remote(house, house.key("eye", Role.OBSERVE)) as client:
            assert [call.call for call in client.calls()].count(house.call) == 1
            with pytest.raises(CommandRefused) as caught:
                client.calls[house.call].audio(speak=False)
            assert caught.value.code == "denied"
        lines = (house.service.state_dir / "audit.log").read_text(encoding="ascii").splitlines()
        told = json.loads(lines[-1])
        assert (told["client"], told["op"], told["outcome"], told["call"]) == ("eye", "Audio", "denied", house.call)


def test_a_key_that_is_revoked_hears_no_more(tmp_path: Path) -> None:
    with call_to_itself(tmp_path) as house:
        key = house.key("bot", Role.CONTROL)
        with remote(house, key) as client, client.calls[house.call].audio(8000) as audio:
            hears_itself(audio, 500.0)
            Keys(house.service.state_dir / "keys").revoke("bot")
            while audio.receive(PATIENCE) is not None:
                pass
            assert "may not hear" in audio.ended
