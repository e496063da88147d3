"""A telephone on a terminal: a call through sound devices is heard both ways while its keys are typed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.control.client import Client, EventStream
from tests.chaos.killing import next_event
from tests.live.programs import Program, program
from tests.live.service import Service, running
from tests.live.sound import Samples, tone, write_wav
from tests.live.sound_card import RATE, SoundCard, plugged_in, sounds, wait_for

pytestmark = pytest.mark.live

SOUND = '[sound]\nenabled = true\ninput = "micmon"\noutput = "spk"\n'
FOLLOWS = '[calls]\nrefer = "follow"\nrefer_hosts = ["127.0.0.1"]\n'  # a REFER of ours
PATIENCE = 40.0
PEER, WE = 700, 1200  # Hz
QUIET = 50
LINE = r"talking, \d+ s  PCMU lost \d+\.\d% jitter \d+ ms MOS \d\.\d in #+\.* out #+\.*"


@pytest.fixture
def card(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundCard]:
    """A sound card into whose microphone somebody speaks."""
    with plugged_in(tmp_path_factory.mktemp("snd"), monkeypatch) as made, made.speaking(tone(WE, 1, RATE)):
        yield made


class Room:
    """Both ends of a conversation: the card on which our telephone sounds, and what the peer hears of us."""

    def __init__(self, card: SoundCard, client: Client, call: str) -> None:
        self._card = card
        self._peer = client.calls[call]

    def _card_has(self) -> Samples:
        return self._card.hear(0.6)[-RATE // 3 :]  # what was in its buffers before does not count

    def _peer_has(self) -> Samples:
        """Half a second of what the peer hears from now on."""
        with self._peer.audio(8000, speak=False) as audio:
            return np.frombuffer(b"".join(frame.data for frame, _ in zip(audio, range(25), strict=False)), np.int16)

    def both_are_heard(self) -> None:
        wait_for(lambda: sounds(self._card_has(), RATE, PEER), "tone of the peer on the card")
        wait_for(lambda: sounds(self._peer_has(), 8000, WE), "tone of the microphone at the peer")

    def neither_is_heard(self) -> None:
        wait_for(lambda: self._card_has().std() < QUIET, "silence on the card")
        self._peer_hears_nothing()

    def the_peer_alone_is_heard(self) -> None:
        self._peer_hears_nothing()
        wait_for(lambda: sounds(self._card_has(), RATE, PEER), "tone of the peer on the card")

    def _peer_hears_nothing(self) -> None:
        wait_for(lambda: self._peer_has().std() < QUIET, "silence at the peer")
        assert self._peer_has().std() < QUIET, "it was a gap and no silence"


def until(events: EventStream, kind: str, **fields: Any) -> Any:
    """Wait until this happens."""
    while True:
        event = next_event(events, kind, [])
        if all(getattr(event, name) == value for name, value in fields.items()):
            return event


@contextmanager
def peer(tmp_path: Path) -> Iterator[tuple[Service, Client, EventStream]]:
    """Whom we talk with."""
    with (
        running("--answer", "ring", base=tmp_path, config=FOLLOWS) as service,
        Client(service.run_dir, patience=PATIENCE) as client,
        client.events() as events,
    ):
        yield service, client, events


def uri(service: Service) -> str:
    host, port = service.addresses["udp"]
    return f"sip:bob@{host}:{port}"


def every_key(phone: Program, room: Room, events: EventStream) -> None:
    """Type the keys of a call that is up, but for `t` and `q`, and see and hear that each does what it says."""
    phone.wait_for("keys: 0-9")
    phone.wait_for(LINE)
    room.both_are_heard()
    phone.type(b"5#")
    assert [until(events, "CallDigitReceived").digit for _ in "5#"] == ["5", "#"]
    phone.type(b"h")
    phone.wait_for(": held, ")
    until(events, "CallHoldChanged", remote=True)
    room.neither_is_heard()
    phone.type(b"h")
    phone.wait_for(": talking, ")
    until(events, "CallHoldChanged", remote=False)
    room.both_are_heard()
    phone.type(b"m")
    phone.wait_for(": talking, muted, ")
    room.the_peer_alone_is_heard()
    phone.type(b"m")
    phone.wait_for(r": talking, \d")
    room.both_are_heard()
    phone.wait_for(LINE)


def test_keys_of_a_call_out_while_sound_flows_both_ways_and_q_hangs_up(card: SoundCard, tmp_path: Path) -> None:
    spoken = write_wav(tmp_path / "peer.wav", tone(PEER, 60))
    with peer(tmp_path) as (service, client, events):
        # No service is ours: the command is one itself.
        with program(None, "call", uri(service), "--device", "phone", terminal=True) as phone:
            call = until(events, "CallReceived").call
            client.answer(call, play=str(spoken), loop=True)
            every_key(phone, Room(card, client, call), events)
            phone.type(b"q")
            phone.wait_for(r"ended by local after \d+ s; .*\r\n")
            assert phone.end() == 0
        until(events, "CallEnded", call=call, by="remote")
        assert service.stop() == 0


def test_keys_of_a_call_in_while_sound_flows_both_ways_and_t_transfers(card: SoundCard, tmp_path: Path) -> None:
    spoken = write_wav(tmp_path / "peer.wav", tone(PEER, 60))
    with (
        peer(tmp_path) as (service, client, events),
        running("--answer", "ring", config=SOUND) as ours,
        Client(ours.run_dir, patience=PATIENCE) as home,
        home.events() as rings,
    ):
        placed = client.place(uri(ours), play=str(spoken), loop=True)
        call = until(rings, "CallReceived").call
        with program(ours, "answer", call[:20], "--device", terminal=True) as phone:
            every_key(phone, Room(card, client, placed), events)
            phone.type(b"t")
            phone.wait_for(r"transfer to \(Enter: do it, Esc: do not\): ")
            phone.type(uri(service).encode() + b"\r")
            asked = until(events, "CallTransferRequested")
            assert asked.target == uri(service)
            client.answer(until(events, "CallReceived").call)
            until(rings, "CallTransferProgressed", call=call, status=200)
            assert phone.end() == 0
            assert "ended by local after" in phone.shown
        assert ours.stop() == 0
