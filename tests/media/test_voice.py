"""Sessions of every codec over real sockets: tones echoed, played and recorded, through loss, odd packets and kills."""

from __future__ import annotations

import threading
import wave
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from actors.media import rtp
from actors.media.codecs import Codec, CodecMissingError, find
from actors.media.events import Format, Play, Record, StartSession
from tests.live.sound import pitch, tone, write_wav
from tests.media.rig import EVENTS, PCMU, Phone, Rig

FORMS = {
    "L16": Format(97, "L16", 16000),
    "L16/44100": Format(11, "L16", 44100),
    "G722": Format(9, "G722", 8000),
    "OPUS": Format(96, "opus", 48000, "useinbandfec=1", 2),
    "GSM": Format(3, "GSM", 8000),
}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


class Speaker:
    """A phone that says a tone in a codec, its packets `ptime` long, and hears one."""

    def __init__(self, rig: Rig, form: Format, *, ptime: int = 20, frequency: float = 700.0) -> None:
        try:
            codec = find(form.encoding, form.clock_rate, form.channels)
        except CodecMissingError as error:
            pytest.skip(str(error))
        assert codec is not None
        self.codec: Codec = codec
        self.rig, self.form, self.phone, self.ptime = rig, form, rig.phone(), ptime
        self._encoder, self._decoder = codec.encoder(form.fmtp), codec.decoder()
        self._sound = tone(frequency, 20.0, codec.rate)
        self._said = 0
        self._due = 0.0
        self.packets: list[rtp.Packet] = []

    def start(self, session: str = "a", *, ptime: int = 20, send: Format | None = None) -> StartSession:
        receive = (self.form, PCMU, EVENTS)
        return StartSession(session, "127.0.0.1", self.phone.port, send or self.form, receive, "sendrecv", ptime)

    def call(self, *, ptime: int = 20, send: Format | None = None) -> int:
        session = self.rig.engine.prepare("a", self.rig.now)
        assert session is not None
        self.rig.engine.start("a", self.start(ptime=ptime, send=send), self.rig.now)
        return session.pair.port

    def talk(self, port: int, ticks: int, lost: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        size = self.codec.rate * self.ptime // 1000
        for tick in range(ticks):
            while self._due <= 0:
                payload = self._encoder.encode(self._sound[self._said : self._said + size])
                self._said += size
                if tick in lost:
                    self.phone.sequence += 1
                else:
                    before = self.phone.timestamp
                    self.phone.say(payload, port, payload_type=self.form.payload_type)
                    self.phone.timestamp = before
                self.phone.timestamp += self.codec.clock_rate * self.ptime // 1000
                self._due += self.ptime
            self._due -= 20
            self.rig.step()
            self.packets += self.phone.heard()

    def heard(self) -> np.ndarray:
        # The session rests until the peer is proved; from then on there is no gap.
        steps = [(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(self.packets)]
        begin = max((at + 1 for at, step in enumerate(steps[:10]) if step != steps[-1]), default=0)
        assert set(steps[begin:]) == {steps[-1]}
        return np.concatenate([self._decoder.decode(packet.payload) for packet in self.packets][begin:])


def is_tone(samples: np.ndarray, frequency: float, rate: int) -> bool:
    tail = samples[len(samples) // 3 :].astype(float)
    return abs(pitch(tail, rate) - frequency) < 8 and float(np.sqrt(np.mean(tail**2))) > 1000  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("ptime", [20, 40, 60])
def test_a_tone_comes_back_from_an_echo(rig: Rig, name: str, ptime: int) -> None:
    if name == "L16/44100" and ptime > 20:
        pytest.skip("longer than a datagram that is taken")
    speaker = Speaker(rig, FORMS[name], ptime=ptime)
    port = speaker.call()
    rig.engine.echo("a")
    speaker.talk(port, 60)
    codec = speaker.codec
    assert is_tone(speaker.heard(), 700.0, codec.rate)
    step = (speaker.packets[-1].timestamp - speaker.packets[-2].timestamp) & 0xFFFFFFFF
    assert step == codec.clock_rate // 50
    buffer = rig.engine.sessions["a"].peer.buffer
    assert buffer is not None
    assert buffer.concealed == 0
    assert buffer.late <= 1  # the packet that was held back until the next one proved the source


@pytest.mark.parametrize("ours", [10, 20, 40, 60])
def test_our_packets_are_as_long_as_was_agreed_whatever_theirs_are(rig: Rig, ours: int) -> None:
    speaker = Speaker(rig, FORMS["OPUS"], ptime=60)
    port = speaker.call(ptime=ours)
    rig.engine.echo("a")
    speaker.talk(port, 60)
    assert {speaker.codec.duration(packet.payload) for packet in speaker.packets} == {48 * ours}
    assert is_tone(speaker.heard(), 700.0, 48000)


@pytest.mark.parametrize("name", FORMS)
def test_a_file_is_played_and_the_peer_is_recorded_at_the_codecs_rate(rig: Rig, tmp_path: Path, name: str) -> None:
    speaker = Speaker(rig, FORMS[name])
    port = speaker.call()
    thread = threading.Thread(target=rig.disk.run)
    thread.start()
    rig.engine.record("a", Record("a", str(tmp_path / "theirs.wav")), rig.now)
    rig.engine.play("a", Play("a", str(write_wav(tmp_path / "ours.wav", tone(1150.0, 1.0)))))
    speaker.talk(port, 50)
    rig.engine.close("a", rig.now, 0.0)
    rig.disk.stop()
    thread.join()
    assert is_tone(speaker.heard(), 1150.0, speaker.codec.rate)
    with wave.open(str(tmp_path / "theirs.wav")) as file:
        assert file.getframerate() == speaker.codec.rate
        recorded = np.frombuffer(file.readframes(1 << 24), "<i2")
    assert is_tone(recorded, 700.0, speaker.codec.rate)


def test_a_peer_that_sends_another_codec_than_it_is_sent_is_heard(rig: Rig) -> None:
    speaker = Speaker(rig, FORMS["G722"])
    port = speaker.call(send=PCMU)
    rig.engine.echo("a")
    speaker.talk(port, 60)
    assert {packet.payload_type for packet in speaker.packets} == {0}
    codec = find("PCMU", 8000)
    assert codec is not None
    samples = np.concatenate([codec.decoder().decode(packet.payload) for packet in speaker.packets])
    assert is_tone(samples, 700.0, 8000)


@pytest.mark.parametrize("name", FORMS)
def test_lost_packets_are_concealed_and_the_length_stays(rig: Rig, name: str) -> None:
    speaker = Speaker(rig, FORMS[name])
    port = speaker.call()
    rig.engine.echo("a")
    speaker.talk(port, 80, lost={30, 45, 46, 60})
    heard = speaker.heard()
    frames = np.abs(heard[len(heard) // 4 :].astype(float)).reshape(-1, speaker.codec.rate // 50).max(axis=1)
    assert frames.min() > 1000  # no hole anywhere
    buffer = rig.engine.sessions["a"].peer.buffer
    assert buffer is not None
    assert buffer.concealed == 4


@pytest.mark.parametrize("name", ["G722", "OPUS", "L16/44100"])
def test_a_call_goes_on_over_a_kill(rig: Rig, name: str) -> None:
    speaker = Speaker(rig, FORMS[name])
    port = speaker.call()
    rig.engine.echo("a")
    speaker.talk(port, 40)
    before = speaker.packets[-1]
    facts = rig.facts("a", speaker.phone, echo=True)
    facts = type(facts)(facts.owner, facts.port, facts.host, facts.identity, speaker.start(), echo=True)
    rig.kill()
    rig.begin()
    assert rig.engine.restore({"a": facts}, rig.now) == {}
    speaker.packets.clear()
    speaker.talk(port, 40)
    after = speaker.packets[0]
    assert (after.ssrc, (after.sequence_number - before.sequence_number) & 0xFFFF) == (before.ssrc, 1)
    assert is_tone(speaker.heard(), 700.0, speaker.codec.rate)
    buffer = rig.engine.sessions["a"].peer.buffer
    assert buffer is not None
    assert (buffer.late, buffer.wild) == (0, 0)


def test_packets_of_impossible_lengths_are_dropped_and_counted(rig: Rig) -> None:  # FAULTS 61
    speaker = Speaker(rig, FORMS["OPUS"])
    port = speaker.call()
    rig.engine.echo("a")
    speaker.talk(port, 20)
    session = rig.engine.sessions["a"]
    before = session.peer.malformed
    for payload in (b"\xff\xff", bytes(1400)):
        speaker.phone.say(payload, port, payload_type=96)
        rig.step()
    assert session.peer.malformed == before + 1  # the one without a length; the other is broken, and its length silent
    speaker.talk(port, 60)
    assert rig.engine.sessions["a"] is session
    assert is_tone(speaker.heard(), 700.0, 48000)


def test_a_codec_that_cannot_be_had_is_refused(rig: Rig) -> None:
    phone = Phone()
    session = rig.engine.prepare("a", rig.now)
    assert session is not None
    form = Format(18, "G729", 8000)
    with pytest.raises(ValueError, match="G729/8000 cannot be sent"):
        rig.engine.start("a", StartSession("a", "127.0.0.1", phone.port, form, (form,), "sendrecv"), rig.now)
    phone.close()
