"""What a session tells of its peer: silence, bad sound and better, another SSRC, jumps of its clock."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.media.events import Noticed
from actors.media.pieces import FRAME
from tests.media.rig import Phone, Rig

VOICE = b"\x11" * FRAME


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def talk(rig: Rig, phone: Phone, port: int, ticks: int, *, loss: float = 0.0) -> list[str]:
    """The kinds of what is noticed while the phone talks."""
    chance = random.Random(5)
    kinds = []
    for _ in range(ticks):
        if chance.random() < loss:
            phone.sequence += 1
            phone.timestamp += FRAME
        else:
            phone.say(VOICE, port)
        kinds += [event.kind for _, event in rig.step() if isinstance(event, Noticed)]
    return kinds


def quiet(rig: Rig, ticks: int) -> list[str]:
    return [event.kind for _, event in rig.step(ticks) if isinstance(event, Noticed)]


def test_a_peer_that_falls_silent_is_told_once_and_again_when_it_is_heard(rig: Rig) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    assert talk(rig, phone, port, 500) == []
    assert quiet(rig, 900) == []
    assert quiet(rig, 900) == ["media_timeout"]
    assert quiet(rig, 900) == []
    assert talk(rig, phone, port, 600) == ["media_resumed"]


def test_a_peer_that_never_speaks_is_told_too_and_one_on_hold_is_not(rig: Rig) -> None:
    rig.call("a", rig.phone())
    rig.call("b", rig.phone(), direction="sendonly")
    assert quiet(rig, 2500) == ["media_timeout"]


def test_bad_sound_is_told_and_that_it_is_good_again(rig: Rig) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    assert talk(rig, phone, port, 800) == []
    assert talk(rig, phone, port, 900, loss=0.3) == ["quality_low"]
    assert talk(rig, phone, port, 1200) == ["quality_restored"]
    closed = rig.engine.close("a", rig.now, 0.0)
    assert closed is not None
    assert 1.0 < closed.mos < 4.4


def test_another_format_of_the_peers_is_told(rig: Rig) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    assert talk(rig, phone, port, 100) == []
    for _ in range(100):
        phone.say(b"\x55" * FRAME, port, payload_type=8)
        told = [event.kind for _, event in rig.step() if isinstance(event, Noticed)]
        if told:
            break
    assert told == ["payload_type_changed"]
    assert talk(rig, phone, port, 100) == ["payload_type_changed"]


def test_another_ssrc_and_a_jump_of_the_clock_are_told(rig: Rig) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    talk(rig, phone, port, 100)
    quiet(rig, 10)
    phone.ssrc ^= 1
    assert talk(rig, phone, port, 100) == ["ssrc_changed"]
    phone.timestamp += 8000 * 60
    assert talk(rig, phone, port, 600) == ["timestamp_jumped"]
