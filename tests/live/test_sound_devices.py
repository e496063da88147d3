"""Calls through sound devices, on a virtual card: heard for real, both ways, over kills and a card that goes away."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.control.client import Client
from actors.control.records import CallAnswered, CallInfo, CallNoticed, CallReceived
from tests.live import sipp
from tests.live.processes import kill
from tests.live.service import ROOT, Service, running
from tests.live.sound import pitch, read_wav, tone, write_wav
from tests.live.sound_card import PATIENCE, RATE, SoundCard, plugged_in, sounds, wait_for

pytestmark = pytest.mark.live

SOUND = '[sound]\nenabled = true\ninput = "micmon"\noutput = "spk"\n'
PEER, WE = 700, 1200  # Hz
RING_BACK = 425


@pytest.fixture
def card(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundCard]:
    with plugged_in(tmp_path_factory.mktemp("snd"), monkeypatch) as made:
        yield made


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    """What the peer says."""
    return write_wav(tmp_path / "peer.wav", tone(PEER, 60))


def heard(card: SoundCard) -> bool:
    """The peer's tone is on the card; what was in its buffers before does not count."""
    return sounds(card.hear(0.6)[-RATE // 3 :], RATE, PEER)


def recorded(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 44 and sounds(read_wav(path)[-4000:], 8000, WE)


def uri(service: Service) -> str:
    host, port = service.addresses["udp"]
    return f"sip:peer@{host}:{port}"


def notice(service: Service, kind: str, after: int = 0) -> CallNoticed:
    """Wait for the first event of a kind since number `after`."""
    with Client(service.run_dir) as client, client.events(after) as events:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            event = events.receive(1.0)
            if isinstance(event, CallNoticed) and event.kind == kind:
                return event
    raise AssertionError(f"no {kind}")


def up(service: Service) -> list[CallInfo]:
    with Client(service.run_dir) as client:
        return client.calls()


def place(service: Service, peer: Service, device: str = ":") -> str:
    with Client(service.run_dir) as client, client.events() as events:
        call = client.place(uri(peer), device=device)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if isinstance(events.receive(1.0), CallAnswered):
                return call
    raise AssertionError("not answered")


def test_a_conversation_through_the_card_both_ways(card: SoundCard, spoken: Path, tmp_path: Path) -> None:
    file = tmp_path / "heard.wav"
    with running("--answer", "none", config=SOUND) as service, running("--answer", "ring") as peer:
        with (
            Client(service.run_dir) as client,
            Client(peer.run_dir) as other,
            other.events() as events,
            card.speaking(tone(WE, 1, RATE)),
        ):
            client.place(uri(peer), device=":")
            received = events.receive(PATIENCE)
            assert isinstance(received, CallReceived)
            other.answer(received.call, play=str(spoken), loop=True, record=str(file))
            wait_for(lambda: heard(card), "tone of the peer on the card")
            wait_for(lambda: recorded(file), "tone of the microphone at the peer")
        assert service.stop() == 0


def test_kills_of_the_device_and_of_media_in_a_call_are_a_short_silence(card: SoundCard, spoken: Path) -> None:
    with running("--answer", "none", config=SOUND) as service, running("--answer", f"play:{spoken}") as peer:
        call = place(service, peer)
        wait_for(lambda: heard(card), "tone")
        for name in ("device", "media-0", "device"):
            kill(service.pid(name))
            wait_for(lambda: heard(card), f"tone after a kill of {name}")
        assert [each.call for each in up(service)] == [call]


def test_a_card_that_goes_away_is_told_of_and_opened_again(card: SoundCard, spoken: Path) -> None:
    with running("--answer", "none", config=SOUND) as service, running("--answer", f"play:{spoken}") as peer:
        call = place(service, peer)
        wait_for(lambda: heard(card), "tone")
        card.pull_out()
        lost = notice(service, "device_lost")
        assert lost.call == call
        assert [each.call for each in up(service)] == [call]
        card.plug_in()
        notice(service, "device_back", lost.seq)
        wait_for(lambda: heard(card), "tone after the card came back")


def test_answer_takes_devices_by_name(card: SoundCard, spoken: Path) -> None:
    with running("--answer", "ring", config=SOUND) as service, running("--answer", "none") as peer:
        with Client(peer.run_dir) as other, Client(service.run_dir) as client, client.events() as events:
            other.place(uri(service), play=str(spoken), loop=True)
            received = events.receive(PATIENCE)
            assert isinstance(received, CallReceived)
            done = service.command("answer", received.call, "--device", "micmon:spk")
            assert (done.returncode, done.stderr) == (0, "")
            wait_for(lambda: heard(card), "tone")
        assert notice(service, "device_opened").text == "micmon, spk"


def test_a_device_rings_for_a_call_in_until_it_is_answered(card: SoundCard, spoken: Path) -> None:
    config = SOUND + 'ring = "spk"\n'
    with (
        running("--answer", "ring", config=config) as service,
        running("--answer", "none") as peer,
        Client(peer.run_dir) as other,
        Client(service.run_dir) as client,
        client.events() as events,
    ):
        other.place(uri(service), play=str(spoken), loop=True)
        received = events.receive(PATIENCE)
        assert isinstance(received, CallReceived)
        wait_for(lambda: 435 < pitch(card.hear(0.5), RATE) < 485, "ringing")
        client.answer(received.call, device=":")
        wait_for(lambda: heard(card), "tone of the peer, and no ringing")


def rings_back(card: SoundCard) -> bool:
    """The ring-back tone is on the card within a whole cadence."""
    samples = card.hear(6.5)
    return any(sounds(samples[at : at + RATE // 3], RATE, RING_BACK) for at in range(0, len(samples), RATE // 6))


def test_a_call_out_rings_back_on_its_device_until_early_media_comes_and_over_kills(
    card: SoundCard, spoken: Path
) -> None:
    with (
        running("--answer", "none", config=SOUND) as service,
        running("--answer", "ring") as peer,
        Client(peer.run_dir) as other,
        Client(service.run_dir) as client,
        other.events() as events,
    ):
        client.place(uri(peer), device=":")
        received = events.receive(PATIENCE)
        assert isinstance(received, CallReceived)
        wait_for(lambda: rings_back(card), "ring-back tone")
        for name in ("device", "media-0", "dialog-0"):
            kill(service.pid(name))
        wait_for(lambda: rings_back(card), "ring-back tone after the kills")
        other.progress(received.call, play=str(spoken), loop=True)
        wait_for(lambda: heard(card), "early media")
        assert not rings_back(card)


def test_a_description_alone_lets_it_ring_back_and_an_answer_ends_it(card: SoundCard, tmp_path: Path) -> None:
    with (
        running("--answer", "none", config=SOUND) as service,
        Client(service.run_dir) as client,
        client.events() as events,
        sipp.playing(tmp_path, "../sipp/callee_rings", patience=60) as (host, port),
    ):
        call = client.place(f"sip:tester@{host}:{port}", device=":")
        assert rings_back(card)
        while not isinstance(events.receive(PATIENCE), CallAnswered):
            pass
        notice(service, "device_opened")
        assert not rings_back(card)
        client.hangup(call)


def sipactors(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIPACTORS_")}
    return subprocess.run(
        [sys.executable, "-m", "actors.service", *words],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_call_with_a_device_needs_no_service_beside_it(card: SoundCard, tmp_path: Path) -> None:
    with running("--answer", "echo") as peer:
        words = ("call", uri(peer), "--device", "phone", "--duration", "3", "--json")
        done = sipactors(*words, XDG_RUNTIME_DIR=str(tmp_path), XDG_STATE_HOME=str(tmp_path))
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert [each["text"] for each in told if each["type"] == "CallNoticed"] == ["phone, phone"]
    assert told[-1]["outcome"] == "answered"
    assert card.environment["VSND_DIR"]


def test_devices_lists_the_card_and_a_wrong_name_is_one_line(card: SoundCard) -> None:
    listed = json.loads(sipactors("devices", "--json").stdout)
    assert {"spk", "micmon", "phone"} <= {each["name"] for each in listed}
    assert re.search(r"^\d+ +\d+ +\d+ +\d+ +spk", sipactors("devices").stdout, re.MULTILINE)
    done = sipactors("call", "sip:a@127.0.0.1", "--device", "spk:tin can")
    line = "sipactors: there is no sound output device 'tin can'; see: sipactors devices\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)
    assert card.environment["VSND_DIR"]


# Without PortAudio, and without a card.


@pytest.fixture
def silent(tmp_path: Path) -> dict[str, str]:
    """An environment in which sounddevice finds no PortAudio, and says so as it does."""
    (tmp_path / "sounddevice.py").write_text('raise OSError("PortAudio library not found")\n', encoding="utf-8")
    return {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}


@pytest.mark.parametrize("words", [("devices",), ("call", "sip:a@127.0.0.1", "--device"), ("answer", "x", "--device")])
def test_without_portaudio_a_command_says_so_in_one_line(words: tuple[str, ...], silent: dict[str, str]) -> None:
    done = sipactors(*words, **silent)
    line = "sipactors: PortAudio is not installed: apt-get install libportaudio2\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)


def test_without_portaudio_the_service_runs_and_a_call_goes_on_without_sound(
    silent: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in silent.items():
        monkeypatch.setenv(name, value)
    with running("--answer", "none", config=SOUND) as service, running("--answer", "echo") as peer:
        call = place(service, peer)
        assert "PortAudio is not installed" in notice(service, "device_failed").text
        assert [each.call for each in up(service)] == [call]
        assert service.stop() == 0


def test_a_driver_that_hangs_costs_the_device_its_process_and_the_call_nothing(
    silent: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sounddevice.py").write_text("import time\ntime.sleep(600)\n", encoding="utf-8")
    for name, value in silent.items():
        monkeypatch.setenv(name, value)
    with running("--answer", "none", config=SOUND) as service, running("--answer", "echo") as peer:
        first = service.pid("device")
        call = place(service, peer)
        wait_for(lambda: service.pid("device") not in {0, first}, "successor")
        assert [each.call for each in up(service)] == [call]


def test_a_service_without_sound_says_how_it_gets_it() -> None:
    with running("--answer", "none") as service, running("--answer", "echo") as peer:
        place(service, peer)
        assert "enabled = true" in notice(service, "device_failed").text
        assert "device" not in service.tree()
