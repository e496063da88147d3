"""Frames between a session and the sound device: their datagrams, and a session's end of the line."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.media.g711 import Law, encode
from actors.media.line import RATES, Frame, Line, pack, unpack
from tests.media.rig import Rig


def sound(khz: int, value: int = 1000) -> bytes:
    return np.full(20 * khz, value, np.int16).tobytes()


@given(st.text(max_size=200), st.sampled_from(sorted(RATES)), st.booleans())
def test_a_frame_comes_out_as_it_went_in(session: str, khz: int, silent: bool) -> None:
    frame = Frame(session, khz, b"" if silent else sound(khz))
    assert unpack(pack(frame)) == frame


@given(st.binary(max_size=2000))
def test_what_is_no_frame_is_none(data: bytes) -> None:
    frame = unpack(data)
    assert frame is None or pack(frame) == data


def test_codes_are_passed_on_as_samples_and_silence_as_nothing() -> None:
    sent: list[bytes] = []
    line = Line("a", sent.append)
    line.hear(encode(np.full(160, 1000, np.int16), Law.PCMA).tobytes(), Law.PCMA, 8)
    line.hear(sound(16), 16, 16)
    line.hear(b"", 0, 8)
    line.hear(sound(16), 16, 48)  # the codec has just changed
    frames = [unpack(data) for data in sent]
    assert [frame and (frame.khz, len(frame.samples)) for frame in frames] == [(8, 320), (16, 640), (8, 0), (48, 0)]
    assert frames[0] is not None
    assert abs(int(np.frombuffer(frames[0].samples, np.int16)[0]) - 1000) < 40


def test_a_peer_is_heard_with_its_first_sound_and_not_before() -> None:
    line = Line("a", lambda _: None)
    line.hear(b"", 0, 8)
    assert not line.heard
    line.hear(sound(16), 16, 16)
    line.hear(b"", 0, 16)
    assert line.heard


def test_two_frames_wait_at_most_and_the_newest_do() -> None:
    line = Line("a", lambda _: None)
    for value in (1, 2, 3):
        line.take(Frame("a", 8, sound(8, value)))
    assert [line.say(8), line.say(8), line.say(8)] == [sound(8, 2), sound(8, 3), None]


def test_a_frame_of_another_rate_is_not_said() -> None:
    line = Line("a", lambda _: None)
    line.take(Frame("a", 16, sound(16)))
    assert line.say(8) is None


def test_whom_we_hold_does_not_hear_the_microphone(tmp_path: Path) -> None:
    line = Line("a", lambda _: None)
    with Rig(tmp_path) as rig:
        phone = rig.phone()
        port = rig.call("a", phone)
        rig.engine.connect("a", line)
        said = []
        for held in (False, True, False):
            rig.engine.start("a", replace(phone.start("a"), held=held), rig.now)
            for _ in range(5):
                line.take(Frame("a", 8, sound(8, 5000)))
                phone.say(b"\xff" * 160, port)
                rig.step()
            said += [packet.payload != b"\xff" * 160 for packet in phone.heard()]
    assert said == [True] * 5 + [False] * 5 + [True] * 5


def test_fault_72_the_clock_of_rtp_runs_on_while_the_card_is_gone_and_after(tmp_path: Path) -> None:
    line, loud = Line("a", lambda _: None), sound(8, 5000)
    with Rig(tmp_path) as rig:
        phone = rig.phone()
        port = rig.call("a", phone)
        rig.engine.connect("a", line)
        heard = []
        for tick in range(90):
            if not 30 <= tick < 60:  # it is gone in between
                line.take(Frame("a", 8, loud))
            phone.say(b"\xff" * 160, port)
            rig.step()
            heard += phone.heard()
    assert len(heard) == 90
    for one, after in itertools.pairwise(heard):
        assert (after.sequence_number - one.sequence_number) & 0xFFFF == 1
        assert (after.timestamp - one.timestamp) & 0xFFFFFFFF == 160
    assert len({packet.ssrc for packet in heard}) == 1
    said = [packet.payload != b"\xff" * 160 for packet in heard]
    assert said == [True] * 30 + [False] * 30 + [True] * 30
