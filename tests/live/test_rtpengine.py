"""Audio through rtpengine, which Kamailio puts between two of our services: tones both ways, and hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actors.control.client import Client
from actors.sip import sdp
from actors.transaction.observing import observing
from tests.chaos.killing import next_event
from tests.live import rtpengine
from tests.live.service import running
from tests.live.sound import RATE, Samples, read_wav, tone, write_wav
from tests.live.test_baresip import is_tone
from tests.live.test_rtcp_mux import invitation

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(bool(rtpengine.missing()), reason=f"needs the Debian package {rtpengine.missing()}"),
]

WEST, EAST, MUSIC, LATER = 700.0, 1150.0, 1400.0, 900.0  # Hz
SECONDS = 2.5  # so that a gap or two in the time of a machine that stands still are a small part of a tone


def loud(samples: Samples) -> Samples:
    """A recording from its first sound to its last."""
    found = np.flatnonzero(np.abs(samples) > 1000)
    return samples[found[0] : found[-1] + 1]


def test_tones_go_both_ways_before_and_after_a_hold(tmp_path: Path) -> None:
    west_says = write_wav(tmp_path / "west.wav", tone(WEST, SECONDS))
    east_says = write_wav(tmp_path / "east.wav", tone(EAST, SECONDS))
    music = write_wav(tmp_path / "music.wav", tone(MUSIC, SECONDS))
    later = write_wav(tmp_path / "later.wav", tone(LATER, SECONDS))
    heard = {side: tmp_path / f"{side}-heard.wav" for side in ("west", "east")}
    patient = "[media]\njitter = 200\n"
    with running("--answer", "ring", config=patient) as west, running("--answer", "ring", config=patient) as east:
        routes = {"east": "sip:east@{}:{}".format(*east.addresses["udp"])}
        with (
            rtpengine.relay(tmp_path, routes) as (proxy, ports),
            Client(west.run_dir) as calling,
            Client(east.run_dir) as called,
            calling.events() as here,
            called.events() as there,
            observing(east.run_dir) as steps,
        ):
            call = calling.place(proxy.uri("east"), play=str(west_says), record=str(heard["west"]))
            incoming = next_event(there, "CallReceived", []).call
            called.answer(incoming, play=str(east_says), record=str(heard["east"]))
            (offer, _) = [sdp.parse(body) for body in invitation(steps)]
            assert offer.media[0].port in ports, "the audio goes another way"
            next_event(here, "CallPlayFinished", [])
            next_event(there, "CallPlayFinished", [])
            calling.hold(call)
            assert next_event(here, "CallHoldChanged", []).local
            assert next_event(there, "CallHoldChanged", []).remote
            calling.play(call, str(music))
            next_event(here, "CallPlayFinished", [])
            calling.resume(call)
            assert not next_event(here, "CallHoldChanged", []).local
            assert not next_event(there, "CallHoldChanged", []).remote
            calling.play(call, str(later))
            called.play(incoming, str(later))
            next_event(here, "CallPlayFinished", [])
            next_event(there, "CallPlayFinished", [])
            calling.hangup(call)
            ended = [next_event(stream, "CallEnded", []) for stream in (here, there)]
        assert [event.outcome for event in ended] == ["answered"] * 2
        assert all(event.packets_received > 100 for event in ended)
        assert all(event.packets_lost < 10 for event in ended)
    sound = loud(read_wav(heard["east"]))
    assert any(is_tone(sound[at : at + RATE * 3 // 2], MUSIC) for at in range(0, len(sound), RATE // 10))
    for side, first in (("west", EAST), ("east", WEST)):
        sound = loud(read_wav(heard[side]))
        size = round((SECONDS - 0.2) * RATE)
        assert is_tone(sound[:size], first)
        assert is_tone(sound[-size:], LATER)
