"""A call's audio in another program: what the peer says is heard there, what is written there the peer hears."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from actors.control.async_client import AsyncClient
from actors.control.audio import Audio, AudioEnded, Heard
from actors.control.client import Client, CommandRefused
from actors.control.tapping import Mark
from tests.chaos.killing import calling, next_event
from tests.live.rtp import RtpPeer
from tests.live.service import ROOT, Service, running
from tests.live.sound import RATE, pitch, tone
from tests.live.speech import decoded, encoded, same, speech, speech_and_codes

pytestmark = pytest.mark.live

SECONDS = 3.0
QUIET = b"\xff" * 160
LEVEL = 300


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    # Patient: the machine of the tests is loaded, and the test's own peer may be late by far more than 40 ms.
    with running("--answer", "ring", config="[media]\njitter = 300\n") as started:
        yield started
        assert started.stop() == 0


@contextmanager
def up(service: Service, folder: Path, peer: RtpPeer) -> Iterator[tuple[Client, Any]]:
    """A call of SIPp, its audio with `peer`, answered by a client; it must end as its scenario says."""
    with (
        Client(service.run_dir, patience=20.0) as client,
        client.events(topics=["Call*"]) as events,
        calling(folder / "sipp", service, "udp", "call_and_wait", peer.port) as process,
    ):
        call = client.calls[next_event(events, "CallReceived", []).call]
        call.answer()
        peer.wait_for(1)
        peer.target = peer.packets[0].source
        yield client, call
        with suppress(CommandRefused):  # the test has hung up
            call.hangup()
        assert process.wait(timeout=30) == 0
        next_event(events, "CallEnded", [])


def frames(audio: Audio, count: int) -> list[Heard]:
    found = []
    for _ in range(count):
        frame = audio.receive(10.0)
        assert frame is not None
        found.append(frame)
    return found


def sound(found: list[Heard]) -> Any:
    return np.frombuffer(b"".join(frame.data for frame in found), np.int16)


def wait_past(peer: RtpPeer, mark: Mark) -> None:
    """Wait until a packet behind the mark has come: on a loaded machine the peer lags behind what the service says."""
    while (peer.packets[-1].timestamp - mark.timestamp) & 0xFFFFFFFF not in range(1, 1 << 31):
        peer.wait_for(1)


def said_of(peer: RtpPeer) -> list[bytes]:
    """What the peer heard, but for silence."""
    return [packet.payload for packet in peer.packets if packet.payload != QUIET]


def test_another_program_hears_what_the_peer_says_and_is_heard(service: Service, tmp_path: Path) -> None:
    said = speech(SECONDS)
    around = np.zeros(RATE, np.int16)
    with (
        RtpPeer(encoded(np.concatenate((said, around)), "PCMU")) as peer,
        up(service, tmp_path, peer) as (_, call),
        call.audio(8000) as audio,
        call.audio(48_000, speak=False) as other,
    ):
        audio.write(tone(700.0, 2.0).tobytes())
        mark = audio.mark()
        found = frames(audio, round((2 * SECONDS + 3) * 50))
        assert mark.played
        assert audio.played == audio.written == 2 * RATE
        assert [frame.seq for frame in found] == list(range(len(found)))
        assert audio.lost == 0
        assert same(sound(found), said)
        wide = sound(frames(other, 90))  # they waited: two seconds of them, the last
        assert len(wide) == 90 * 960
        wait_past(peer, mark)
        heard = decoded(b"".join(said_of(peer)), "PCMU")
        assert len(heard) == 2 * RATE
        assert abs(pitch(heard) - 700.0) < 1.0
        (timestamp,) = {packet.timestamp for packet in peer.packets if packet.timestamp == mark.timestamp}
        assert timestamp == [packet for packet in peer.packets if packet.payload != QUIET][-1].timestamp


def test_a_flush_cuts_where_it_says_and_writing_goes_on_behind_it(service: Service, tmp_path: Path) -> None:
    said, codes = speech_and_codes(5.0)
    with RtpPeer() as peer, up(service, tmp_path, peer) as (_, call), call.audio(8000, hear=False) as audio:
        audio.write(said[: 2 * RATE].tobytes())
        mark = audio.mark()
        while len(said_of(peer)) < 5:
            peer.wait_for(1)
        audio.write(said[2 * RATE : 2 * RATE + 800].tobytes())
        cut = audio.flush()
        assert (cut.written, mark.cut, mark.played) == (2 * RATE + 800, True, False)
        assert 0 < cut.at < 2 * RATE
        audio.write(said[3 * RATE : 4 * RATE].tobytes())
        end = audio.mark()
        assert audio.wait(end, 20.0)
        wait_past(peer, end)
        assert b"".join(said_of(peer)) == codes[: cut.at] + codes[3 * RATE : 4 * RATE]
        last = next(packet for packet in peer.packets if packet.payload == codes[cut.at - 160 : cut.at])
        assert (last.timestamp + 160) & 0xFFFFFFFF == cut.timestamp


def test_a_kill_of_the_media_process_leaves_a_counted_gap_and_nothing_written_is_lost(
    service: Service, tmp_path: Path
) -> None:
    said, codes = speech_and_codes(4.0)
    with (
        RtpPeer(encoded(tone(400.0, 1.0), "PCMU")) as peer,
        up(service, tmp_path, peer) as (_, call),
        call.audio(8000) as audio,
    ):
        audio.write(said[: 2 * RATE].tobytes())
        before = frames(audio, 25)
        os.kill(service.pid("media-0"), signal.SIGKILL)
        audio.write(said[2 * RATE :].tobytes(), 20.0)
        mark = audio.mark()
        assert audio.wait(mark, 20.0)
        found = [*before, *frames(audio, 90)]
        assert audio.exact
        assert audio.lost > 0
        assert audio.lost == sum(frame.lost for frame in found)
        assert np.abs(sound(found[-20:])).max() > LEVEL
        wait_past(peer, mark)
        heard = said_of(peer)
        whole = [codes[at : at + 160] for at in range(0, len(codes), 160)]
        places = [heard.index(frame) for frame in whole if frame in heard]
        assert places == list(range(len(heard)))
        # What counts as played and was not sent yet when the process died: one frame at most.
        assert len(heard) >= len(whole) - 1


def test_a_tap_ends_with_its_call_one_speaks_and_strangers_are_refused(service: Service, tmp_path: Path) -> None:
    with RtpPeer() as peer:
        with up(service, tmp_path, peer) as (client, call):
            socket = service.run_dir / "audio-0"
            assert stat.S_IMODE(socket.stat().st_mode) == 0o600
            audio = call.audio()
            with pytest.raises(CommandRefused, match="another tap speaks"):
                call.audio()
            with pytest.raises(CommandRefused, match="rate is one of"):
                call.audio(11_025)
            client.hangup(client.calls.place("sip:nobody@127.0.0.1:9").id)  # another call is nothing to it
            assert len(frames(audio, 5)) == 5
            call.hangup()
            assert len(list(audio)) < 1000
            assert audio.ended == "the audio of the call is over"
            with pytest.raises(AudioEnded):
                audio.write(bytes(2))
        with Client(service.run_dir, patience=0.3) as client, pytest.raises(CommandRefused, match="no call nobody"):
            client.calls["nobody"].audio()


def test_who_wants_the_audio_of_no_call_is_told_at_once(service: Service) -> None:
    hour = 3600.0  # the patience is for the audio of calls that there are
    with Client(service.run_dir, patience=hour) as client, pytest.raises(CommandRefused) as refused:
        client.calls["nobody"].audio()
    assert refused.value.code == "no_such_call"

    async def ask() -> None:
        async with AsyncClient(service.run_dir, patience=hour) as client, client.calls["nobody"].audio():
            pass

    with pytest.raises(CommandRefused) as refused:
        asyncio.run(ask())
    assert refused.value.code == "no_such_call"


def test_tasks_of_asyncio_hear_and_speak_at_once(service: Service, tmp_path: Path) -> None:
    async def talk(call: str) -> tuple[int, bool]:
        async with (
            AsyncClient(service.run_dir, patience=20.0) as client,
            client.calls[call].audio(16_000) as audio,
            client.calls[call].audio(8000, speak=False) as other,
        ):

            async def speak() -> bool:
                for at in range(0, 48_000, 8000):
                    await audio.write(tone(900.0, 3.0, 16_000)[at : at + 8000].tobytes())
                return await audio.wait(audio.mark())

            task = asyncio.create_task(speak())
            heard = 0
            async for frame in other:
                heard += bool(np.abs(np.frombuffer(frame.data, np.int16)).max() > LEVEL)
                if task.done():
                    break
            await audio.write(bytes(64_000))
            cut = await audio.flush()
            assert 48_000 <= cut.at < cut.written == 80_000
            return heard, task.result()

    with RtpPeer(encoded(tone(400.0, 1.0), "PCMU")) as peer, up(service, tmp_path, peer) as (_, call):
        heard, played = asyncio.run(talk(call.id))
        assert played
        assert heard > 50
        samples = decoded(b"".join(said_of(peer))[:16_000], "PCMU")
        assert abs(pitch(samples) - 900.0) < 2.0


def test_the_echo_bot_is_cut_off_at_the_very_sample_when_the_caller_talks(tmp_path: Path) -> None:
    said = speech(1.0)
    quiet = np.zeros(RATE, np.int16)
    # It says it back half a second after each pause; and is cut off about half a second later.
    conversation = np.concatenate((quiet[: RATE // 2], said, quiet, said, quiet, quiet, quiet))
    words = (sys.executable, "examples/echo_bot.py", "--rate", "8000")
    with (
        running("--answer", "workers", config="[media]\njitter = 100\n") as service,
        RtpPeer(encoded(conversation, "PCMU")) as peer,
        bot(*words, "--run-dir", str(service.run_dir)) as lines,
        calling(tmp_path / "sipp", service, "udp", "call_and_wait", peer.port) as process,
        Client(service.run_dir) as client,
    ):
        peer.wait_for(1)
        peer.target = peer.packets[0].source
        found = re.fullmatch(r"cut off after (\d+) samples\n", lines.readline())
        assert found is not None
        peer.wait_for(10)
        client.hangup(client.calls()[0].call)
        assert process.wait(timeout=30) == 0
    said_back = said_of(peer)
    packets = [packet.payload for packet in peer.packets]
    begin = packets.index(said_back[0])
    assert packets[begin : begin + len(said_back)] == said_back  # without a hole
    assert len(said_back) * 160 == int(found[1])
    assert 0 < int(found[1]) < len(said)


@contextmanager
def bot(*words: str) -> Iterator[IO[str]]:
    """A program that says that it is ready, and what it says then."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process.stdout
        finally:
            process.kill()
