"""A peer whose clock or sequence numbers wrap, jump or begin anew is heard again within half a second (FAULTS 52)."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.media.pieces import FRAME
from tests.media.rig import Phone, Rig

VOICE = b"\x11" * FRAME


def echoed(rig: Rig, phone: Phone, port: int, ticks: int) -> list[bool]:
    """Whether the phone heard itself, tick by tick."""
    heard = []
    for _ in range(ticks):
        phone.say(VOICE, port)
        rig.step()
        heard += [packet.payload == VOICE for packet in phone.heard()]
    return heard


@pytest.mark.parametrize("jump", [1 << 31, -(1 << 31), (1 << 31) - FRAME, 1 << 24, -(1 << 24), -8000, 8000])
@pytest.mark.parametrize("numbers", [0, 1, 1 << 15, -(1 << 15), 3000, -3000])
def test_fault_52_sound_goes_on_after_any_jump_of_clock_and_numbers(tmp_path: Path, jump: int, numbers: int) -> None:
    with Rig(tmp_path) as rig:
        phone = rig.phone()
        port = rig.call("a", phone)
        rig.engine.echo("a")
        assert all(echoed(rig, phone, port, 40)[10:])
        phone.timestamp += jump
        phone.sequence += numbers
        heard = echoed(rig, phone, port, 60)
        assert len(heard) == 60, "the loop goes on"
        assert all(heard[25:])
        assert rig.engine.sessions["a"].peer.strangers == 0


@pytest.mark.parametrize(("sequence", "timestamp"), [(65_530, 0xFFFFFFFF - 3 * FRAME), (0, 0), (65_535, 0xFFFFFFFF)])
def test_fault_52_a_wrap_of_either_is_nothing(tmp_path: Path, sequence: int, timestamp: int) -> None:
    with Rig(tmp_path) as rig:
        phone = rig.phone()
        phone.sequence, phone.timestamp = sequence, timestamp
        port = rig.call("a", phone)
        rig.engine.echo("a")
        assert all(echoed(rig, phone, port, 60)[10:])
        source = rig.engine.sessions["a"].peer.source
        assert source is not None
        assert source.lost == 0
