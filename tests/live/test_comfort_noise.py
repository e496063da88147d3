"""Pauses between whole programs: each side hears the other's room and counts no loss, whoever takes comfort noise."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from actors.control.audio import Audio
from actors.control.client import Client
from tests.chaos.killing import next_event
from tests.live import linphone
from tests.live.service import running
from tests.live.sound import RATE, Samples, tone, write_wav

pytestmark = pytest.mark.live
ASKED = "[media]\ncomfort_noise = true\njitter = 100\n"
ROOM = -54.0  # dBov


def room(seconds: float, level: float = ROOM) -> Samples:
    """White noise of this level."""
    chance = np.random.default_rng(5)
    return (chance.standard_normal(int(seconds * RATE)) * 32768 * 10 ** (level / 20)).round().astype(np.int16)


SAID = np.concatenate((room(2.0), tone(700.0, 1.0), room(5.0)))


def levels(samples: Samples) -> list[float]:
    """DBov of each 100 ms."""
    wide = samples[: len(samples) // 800 * 800].astype(np.float64).reshape(-1, 800)
    found: list[float] = (10 * np.log10(np.mean(wide**2, axis=1) / 32768**2 + 1e-12)).tolist()
    return found


def talked(said: Samples, *sides: Audio) -> list[Samples]:
    """What each side hears while all of them say this, written a second ahead."""
    found: list[list[bytes]] = [[] for _ in sides]
    for audio in sides:
        audio.write(said[:RATE].tobytes())
    for at in range(RATE, len(said) + RATE, RATE):
        for audio in sides:
            audio.write(said[at : at + RATE].tobytes(), 20.0)
        for frames, audio in zip(found, sides, strict=True):
            for _ in range(50):
                frame = audio.receive(10.0)
                assert frame is not None
                frames.append(frame.data)
    return [np.frombuffer(b"".join(frames), np.int16) for frames in found]


def test_two_services_hear_one_anothers_rooms_in_a_fraction_of_the_packets() -> None:
    """One asks for it, the other only takes it and has its pauses sent whole: both rooms are as loud as they are."""
    with (
        running(config=ASKED) as here,
        running("--answer", "ring", config="[media]\njitter = 100\n") as there,
        Client(here.run_dir, patience=20.0) as one,
        Client(there.run_dir, patience=20.0) as two,
        one.events(topics=["Call*"]) as told,
        two.events(topics=["Call*"]) as told_there,
    ):
        host, port = there.addresses["udp"]
        call = one.calls.place(f"sip:there@{host}:{port}", codecs=["PCMA", "PCMU"])
        other = two.calls[next_event(told_there, "CallReceived", []).call]
        other.answer()
        assert next_event(told, "CallAnswered", []).encoding == "PCMA"
        with call.audio(8000) as near, other.audio(8000) as far:
            both = talked(SAID, near, far)
        for side in both:
            loud = levels(side)
            assert max(loud) > -20  # the word
            assert sum(abs(each - ROOM) < 2.5 for each in loud[10:]) > 0.7 * len(loud[10:]), loud
        call.hangup()
        ends = [next_event(stream, "CallEnded", []) for stream in (told, told_there)]
        assert [end.packets_lost for end in ends] == [0, 0]
        assert ends[0].packets_sent < 0.6 * ends[1].packets_sent, ends


@pytest.mark.skipif(shutil.which("linphonec") is None, reason="linphonec is not there: the package linphone-cli")
def test_linphonec_takes_none_and_is_sent_the_pauses_whole(tmp_path: Path) -> None:
    """Its answer leaves it out; both rooms are heard, as they were said.

    With `use_cn` in its section [misc] linphonec 5.1 takes it, and crashes before its first packet of sound.
    """
    source = write_wav(tmp_path / "said.wav", np.concatenate((tone(440, 2.0), room(60.0))))
    with (
        running(config=ASKED) as service,
        Client(service.run_dir, patience=20.0) as client,
        client.events(topics=["Call*"]) as events,
        linphone.phone(tmp_path / "phone", source) as phone,
    ):
        call = client.calls.place(phone.uri)
        next_event(events, "CallAnswered", [])
        with call.audio(8000) as audio:
            (near,) = talked(SAID, audio)
        call.hangup()
        ended = next_event(events, "CallEnded", [])
        phone.wait("ended (No error)")
        assert ended.packets_lost == 0
        # What a machine that stood still has left out was never to be sent.
        skipped = sum(figure.value for figure in client.stats() if figure.name == "ticks_skipped_total")
        assert ended.packets_sent + skipped > 45 * len(SAID) / RATE
    for side in (near, phone.heard()):
        assert max(levels(side)) > -20
        assert sum(abs(each - ROOM) < 2.5 for each in levels(side)) > 0.5 * len(levels(side))
