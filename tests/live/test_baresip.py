"""baresip calls us and is called by us: a tone is heard at its frequency both ways, and either side may hang up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.control.client import Client
from tests.chaos.killing import next_event
from tests.live.baresip import Baresip, phone
from tests.live.service import Service, running
from tests.live.sound import RATE, Samples, pitch, read_wav, tone, write_wav

pytestmark = pytest.mark.live

OURS, THEIRS = 700.0, 1150.0  # Hz
SECONDS = 1.5
PIECE = RATE // 5


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running("--answer", "ring") as started:
        yield started
        assert all(child["restarts"] == 0 for child in started.tree().values())
        assert started.stop() == 0


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """What baresip says, for longer than any call: at the end of it, it hangs up."""
    return write_wav(tmp_path / "theirs.wav", tone(THEIRS, 60.0))


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """What we say; its end is the event that the call has talked for long enough."""
    return write_wav(tmp_path / "ours.wav", tone(OURS, SECONDS))


def is_tone(samples: Samples, frequency: float) -> bool:
    """Whether a tone of this frequency is nearly all there is in most of what is heard, and for most of SECONDS.

    It is looked at in pieces: where a loaded machine paused, a tone jumps in its phase.
    """
    loud = np.flatnonzero(np.abs(samples) > 1000)
    if len(loud) < 0.7 * SECONDS * RATE:
        return False
    heard = samples[loud[0] : loud[-1] + 1]
    pieces = [heard[at : at + PIECE] for at in range(0, len(heard) - PIECE + 1, PIECE)]
    return sum(_is_pure(piece, frequency) for piece in pieces) >= 0.7 * len(pieces)


def _is_pure(piece: Samples, frequency: float) -> bool:
    spectrum = np.abs(np.fft.rfft(piece * np.hanning(PIECE))) ** 2
    near = np.abs(np.fft.rfftfreq(PIECE, 1 / RATE) - frequency) < 10.0
    return bool(spectrum[near].sum() > 0.99 * spectrum.sum() and abs(pitch(piece) - frequency) < 5.0)


def answered(service: Service, peer: Baresip, client: Client, stream: Any, caller: str, files: dict[str, Any]) -> Any:
    """Have one side call the other, who answers; our event that says so."""
    if caller == "baresip":
        transport = "tcp" if peer.uri.endswith("tcp") else "udp"
        host, port = service.addresses[transport]
        peer.command("dial", f"sip:service@{host}:{port}")  # it puts the transport of its account behind
        received = next_event(stream, "CallReceived", [])
        assert received.remote.startswith("sip:phone@127.0.0.1")
        peer.event("CALL_RINGING")
        call = str(received.call)
        client.answer(call, **files)
    else:
        call = client.place(peer.uri, **files)
        peer.event("CALL_INCOMING")
        assert next_event(stream, "CallProgressed", []).status == 180
        peer.command("accept")
    event = next_event(stream, "CallAnswered", [])
    assert event.call == call
    peer.event("CALL_ESTABLISHED")
    return event


@pytest.mark.parametrize(
    ("caller", "ender", "transport", "codec"),
    [
        ("baresip", "baresip", "udp", "PCMU"),
        ("baresip", "us", "tcp", "PCMA"),
        ("us", "baresip", "tcp", "PCMU"),
        ("us", "us", "udp", "PCMA"),
    ],
)
def test_both_sides_hear_the_others_tone_and_the_call_ends(
    service: Service, tmp_path: Path, ours: Path, theirs: Path, caller: str, ender: str, transport: str, codec: str
) -> None:
    file = tmp_path / "heard.wav"
    with (
        phone(tmp_path / "baresip", theirs, codec=codec, transport=transport) as peer,
        Client(service.run_dir) as client,
        client.events() as stream,
    ):
        event = answered(service, peer, client, stream, caller, {"play": str(ours), "record": str(file)})
        assert (event.encoding, event.clock_rate) == (codec, 8000)
        call = event.call
        assert [listed.call for listed in client.calls()] == [call]
        next_event(stream, "CallPlayFinished", [])
        if ender == "us":
            client.hangup(call)
        else:
            peer.command("hangup")
        ended = next_event(stream, "CallEnded", [])
        peer.event("CALL_CLOSED")
        assert (ended.outcome, ended.by) == ("answered", "local" if ender == "us" else "remote")
        assert ended.packets_lost == 0
        assert client.calls() == []
    assert is_tone(read_wav(file), THEIRS)
    assert is_tone(peer.heard(), OURS)


def test_baresip_may_give_up_while_it_rings_here(service: Service, tmp_path: Path, theirs: Path) -> None:
    with (
        phone(tmp_path / "baresip", theirs) as peer,
        Client(service.run_dir) as client,
        client.events() as stream,
    ):
        host, port = service.addresses["udp"]
        peer.command("dial", f"sip:service@{host}:{port}")
        peer.event("CALL_RINGING")
        peer.command("hangup")
        ended = next_event(stream, "CallEnded", [])
        assert (ended.outcome, ended.status, ended.by) == ("cancelled", 487, "remote")


def test_we_may_refuse_baresip(service: Service, tmp_path: Path, theirs: Path) -> None:
    with (
        phone(tmp_path / "baresip", theirs) as peer,
        Client(service.run_dir) as client,
        client.events() as stream,
    ):
        host, port = service.addresses["udp"]
        peer.command("dial", f"sip:service@{host}:{port}")
        client.reject(next_event(stream, "CallReceived", []).call, 603)
        assert "603" in peer.event("CALL_CLOSED")["param"]
        assert next_event(stream, "CallEnded", []).outcome == "rejected"


@pytest.mark.parametrize("ender", ["baresip", "us"])
def test_either_side_may_end_a_call_that_rings_at_baresip(
    service: Service, tmp_path: Path, theirs: Path, ender: str
) -> None:
    with (
        phone(tmp_path / "baresip", theirs) as peer,
        Client(service.run_dir) as client,
        client.events() as stream,
    ):
        call = client.place(peer.uri)
        peer.event("CALL_INCOMING")
        assert next_event(stream, "CallProgressed", []).status == 180
        if ender == "us":
            client.hangup(call)
        else:
            peer.command("hangup")
        ended = next_event(stream, "CallEnded", [])
        peer.event("CALL_CLOSED")
        assert (ended.outcome, ended.by) == (("cancelled", "local") if ender == "us" else ("busy", "remote"))
