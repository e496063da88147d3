"""Comfort noise on the wire: what a peer that pauses sounds like, and what is sent in place of pauses of ours."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from actors.media import rtcp, rtp
from actors.media.codecs import CodecMissingError, find
from actors.media.comfort_noise import read
from actors.media.events import Format, Noticed, SessionClosed, StartSession
from actors.media.g711 import Law, decode, encode
from actors.media.jitter import DRY, REACH, TARGET, JitterBuffer
from actors.media.pieces import FRAME
from tests.media.rig import EVENTS, PCMU, Phone, Rig

CN = Format(13, "CN", 8000)
WIDE = Format(105, "CN", 16000)
L16 = Format(97, "L16", 16000)
G722 = Format(9, "G722", 8000)
VOICE = encode((8000 * np.sin(2 * np.pi * 500 / 8000 * np.arange(FRAME))).astype(np.int16), Law.PCMU).tobytes()
SILENT = b"\xff" * FRAME
DELAY = TARGET // FRAME


def level(samples: NDArray[np.int16]) -> float:
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2) / 32768**2 + 1e-12))


def sound(payloads: list[bytes]) -> NDArray[np.int16]:
    return decode(np.frombuffer(b"".join(payloads), np.uint8), Law.PCMU)


def start(phone: Phone, form: Format = PCMU, noise: Format | None = CN, **more: object) -> StartSession:
    receive = (form, *((noise,) if noise else ()), EVENTS)
    return StartSession("a", phone.host, phone.port, form, receive, "sendrecv", noise=noise, **more)  # type: ignore[arg-type]


class Call:
    """A session with a phone that pauses, its echo what it hears of it."""

    def __init__(
        self, rig: Rig, form: Format = PCMU, noise: Format | None = CN, *, echo: bool = True, key: str = "a"
    ) -> None:
        self.rig, self.phone = rig, rig.phone()
        session = rig.engine.prepare(key, rig.now)
        assert session is not None
        self.port = session.pair.port
        self.started = start(self.phone, form, noise)
        rig.engine.start(key, self.started, rig.now)
        if echo:
            rig.engine.echo(key)
        self.noise = noise
        self.units = form.clock_rate // 50
        self.events: list[object] = []

    def tick(self, payload: bytes = b"", *, payload_type: int | None = None) -> list[rtp.Packet]:
        """20 ms: what the phone says in them, and what comes back."""
        phone = self.phone
        if payload:
            kind = self.started.send.payload_type if payload_type is None else payload_type
            packet = rtp.Packet(kind, phone.sequence & 0xFFFF, phone.timestamp & 0xFFFFFFFF, phone.ssrc, payload)
            phone.rtp.sendto(rtp.build(packet), ("127.0.0.1", self.port))
            phone.sequence += 1
        phone.timestamp += self.units
        self.events += [event for _, event in self.rig.step()]
        return phone.heard()

    def ticks(self, count: int, payload: bytes = b"") -> list[rtp.Packet]:
        return [packet for _ in range(count) for packet in self.tick(payload)]

    def pause(self, ticks: int, payload: bytes = bytes((40,))) -> list[rtp.Packet]:
        """The phone is silent for so many ticks, and says so with the first."""
        assert self.noise is not None
        return [*self.tick(payload, payload_type=self.noise.payload_type), *self.ticks(ticks - 1)]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Rig]:
    """A process that sends no pauses."""
    with Rig(tmp_path, suppress=True) as rig:
        yield rig


# What is heard.


def test_a_pause_of_the_peer_sounds_as_loud_as_it_says_until_it_speaks_on(rig: Rig) -> None:
    """The voice up to the pause, the noise from the pause on, the voice again: nothing in between is silent or lost."""
    call = Call(rig)
    call.ticks(20, VOICE)
    heard = call.pause(100)
    heard += call.ticks(30, VOICE)
    voice = [packet.payload == VOICE for packet in heard]
    assert voice == [True] * DELAY + [False] * 100 + [True] * (30 - DELAY)
    noise = [packet.payload for packet in heard[DELAY : DELAY + 100]]
    assert abs(level(sound(noise)) + 40) < 1
    assert all(abs(level(sound([each])) + 40) < 3 for each in noise)
    assert SILENT not in noise


def test_the_spectrum_of_the_noise_is_the_one_that_was_told(rig: Rig) -> None:
    """A coefficient of -0.9: low frequencies."""
    call = Call(rig)
    call.ticks(20, VOICE)
    heard = call.pause(150, bytes((30, 127 - 114)))[10:]
    power = np.abs(np.fft.rfft(sound([packet.payload for packet in heard]).astype(np.float64))) ** 2
    quarter = len(power) // 4
    assert power[:quarter].sum() > 10 * power[quarter:].sum()


def test_a_change_of_the_noise_is_heard(rig: Rig) -> None:
    """By and by: see the properties of the noise itself."""
    call = Call(rig)
    call.ticks(20, VOICE)
    call.pause(50, bytes((50,)))
    later = call.pause(100, bytes((30,)))[50:]
    assert abs(level(sound([packet.payload for packet in later])) + 30) < 1


def test_a_pause_is_no_loss_and_nothing_of_it_is_concealed(rig: Rig) -> None:
    """Reports, totals and the buffer's counts; the quality is that of a line without loss."""
    call = Call(rig)
    for _ in range(5):
        call.ticks(30, VOICE)
        call.pause(40)
    call.ticks(10, VOICE)
    session = rig.engine.sessions["a"]
    buffer, source = session.peer.buffer, session.peer.source
    assert buffer is not None
    assert source is not None
    assert (buffer.concealed, buffer.late, buffer.jumps, buffer.wild) == (0, 0, 0, 0)
    assert (source.lost, source.gaps, source.received) == (0, 0, 5 * 31 + 9)  # the first one had yet to be proved
    assert source.jitter < 1
    assert session.mender is not None
    assert session.mender.made == 0
    assert not [event for event in call.events if isinstance(event, Noticed)]
    closed = rig.engine.close("a", rig.now, 0.0)
    assert isinstance(closed, SessionClosed)
    assert closed.packets_lost == 0


def test_what_is_lost_of_the_voice_before_a_pause_is_concealed_all_the_same(rig: Rig) -> None:
    """A frame that came with neither sound nor a word of a pause."""
    call = Call(rig)
    call.ticks(20, VOICE)
    call.phone.sequence += 1
    call.tick()
    call.ticks(3, VOICE)
    call.pause(30)
    call.ticks(10, VOICE)
    session = rig.engine.sessions["a"]
    assert session.peer.buffer is not None
    assert session.mender is not None
    assert session.peer.buffer.concealed == session.mender.made == 1
    assert session.peer.source is not None
    assert session.peer.source.lost == 1


def test_packets_lost_behind_a_pause_are_lost(rig: Rig) -> None:
    """The sequence numbers tell, and the report has it."""
    call = Call(rig)
    call.ticks(20, VOICE)
    call.pause(30)
    call.ticks(10, VOICE)
    call.phone.sequence += 2
    call.ticks(2)
    call.ticks(10, VOICE)
    session = rig.engine.sessions["a"]
    assert session.peer.source is not None
    assert session.peer.source.lost == 2
    assert session.mender is not None
    assert session.mender.made == 2


def test_a_peer_that_pauses_for_long_is_not_gone(rig: Rig) -> None:
    """Half a minute with a payload every two seconds: no event, and the noise is heard to the end."""
    call = Call(rig)
    call.ticks(20, VOICE)
    heard = [packet for _ in range(15) for packet in call.pause(100)]
    assert not [event for event in call.events if isinstance(event, Noticed)]
    assert abs(level(sound([packet.payload for packet in heard[-100:]])) + 40) < 1


def test_what_is_not_negotiated_is_not_heard(rig: Rig) -> None:
    """It is a payload type like any other that nobody agreed on."""
    call = Call(rig, noise=None)
    call.ticks(20, VOICE)
    call.tick(bytes((30,)), payload_type=13)
    heard = call.ticks(20)[10:]
    assert {packet.payload for packet in heard} == {SILENT}
    assert rig.engine.sessions["a"].peer.unknown == 1


def test_an_empty_payload_is_dropped_and_counted(rig: Rig) -> None:
    """It does not say how loud."""
    call = Call(rig)
    call.ticks(20, VOICE)
    phone = call.phone
    packet = rtp.Packet(13, phone.sequence & 0xFFFF, phone.timestamp & 0xFFFFFFFF, phone.ssrc, b"")
    phone.rtp.sendto(rtp.build(packet), ("127.0.0.1", call.port))
    phone.sequence += 1
    call.ticks(5)
    assert rig.engine.sessions["a"].peer.malformed == 1


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.binary(min_size=1, max_size=60), st.integers(-(1 << 31), 1 << 31), st.booleans()), max_size=30
    )
)
def test_no_payload_and_no_timestamp_harms_a_session(packets: list[tuple[bytes, int, bool]]) -> None:
    """Comfort noise of any bytes at any time, among frames; the voice is heard afterwards."""
    buffer = JitterBuffer()
    for _ in range(10):
        buffer.put(0, VOICE, Law.PCMU)
    for payload, at, voice in packets:
        read(payload)
        if voice:
            buffer.put(at & 0xFFFFFFFF, VOICE, Law.PCMU)
        else:
            buffer.pause(at & 0xFFFFFFFF)
        buffer.take()
    for _ in range(DRY):
        buffer.take()
    heard = []
    at = buffer.cursor or 0
    for tick in range(REACH // FRAME + 5):  # a pause may have been told of that far ahead
        buffer.put(at + tick * FRAME & 0xFFFFFFFF, VOICE, Law.PCMU)
        heard.append(buffer.take()[0])
    assert heard[-5:] == [VOICE] * 5
    assert not buffer.pausing


def test_a_kill_in_a_pause_leaves_the_pause(rig: Rig) -> None:
    """The noise goes on as it was, and nothing of the pause is made up or counted."""
    call = Call(rig)
    call.ticks(20, VOICE)
    call.pause(50, bytes((35,)))
    facts = rig.facts("a", call.phone, echo=True)
    facts = type(facts)(facts.owner, facts.port, facts.host, facts.identity, call.started, echo=True)
    rig.kill()
    rig.now += 0.06
    rig.begin()
    assert rig.engine.restore({"a": facts}, rig.now) == {}
    call.phone.timestamp += 3 * call.units
    heard = call.ticks(50)
    assert abs(level(sound([packet.payload for packet in heard])) + 35) < 1
    heard = call.ticks(20, VOICE)
    assert [packet.payload for packet in heard[-10:]] == [VOICE] * 10
    session = rig.engine.sessions["a"]
    assert session.peer.buffer is not None
    assert session.peer.buffer.concealed == 0
    assert session.mender is not None
    assert session.mender.made == 0


def test_a_session_whose_peer_pauses_comes_back_into_the_lane(rig: Rig) -> None:
    """In the pause it serves itself, in the speech it is a row as before."""
    call = Call(rig)
    call.ticks(20, VOICE)
    session = rig.engine.floor.active["a"]
    assert session.place >= 0
    call.pause(20)
    assert session.place < 0
    call.ticks(20, VOICE)
    assert session.place >= 0


# Other codecs.


def big_endian(samples: NDArray[np.int16]) -> bytes:
    return samples.astype(">i2").tobytes()


def codec_voice(form: Format) -> tuple[Callable[[bytes], NDArray[np.int16]], bytes]:
    """What decodes what comes back, and 20 ms of a tone."""
    try:
        codec = find(form.encoding, form.clock_rate)
    except CodecMissingError as missing:
        pytest.skip(str(missing))
    assert codec is not None
    turns = np.arange(codec.rate // 50) * 2 * np.pi * 500 / codec.rate
    return codec.decoder().decode, codec.encoder("").encode((8000 * np.sin(turns)).astype(np.int16))


@pytest.mark.parametrize(("form", "noise"), [(L16, WIDE), (G722, CN)])
def test_noise_is_heard_beside_codecs_of_16_khz(rig: Rig, form: Format, noise: Format) -> None:
    """L16 with a clock of its own, G.722 with one that says half of it (section 6.1: the clock, not the sampling)."""
    decoded, voice = codec_voice(form)
    call = Call(rig, form, noise)
    call.ticks(20, voice)
    heard = call.pause(100)[10:]
    samples = np.concatenate([decoded(packet.payload) for packet in heard])
    assert abs(level(samples) + 40) < 1.5
    power = np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2
    upper = power[len(power) // 2 :].sum() / power.sum()
    assert 0.2 < upper < 0.6  # white as it was told, above 4 kHz, too
    heard = call.ticks(20, voice)[10:]
    assert level(np.concatenate([decoded(packet.payload) for packet in heard])) > -20
    session = rig.engine.sessions["a"]
    assert session.peer.buffer is not None
    assert session.peer.buffer.concealed == 0
    assert session.peer.source is not None
    assert session.peer.source.lost == 0


# What is sent.


def test_a_call_with_silence_sends_far_fewer_packets(quiet: Rig) -> None:
    """Half a second of silence, and then two packets a second in place of fifty."""
    call = Call(quiet, echo=False)
    heard = call.ticks(20, VOICE) + call.ticks(500, VOICE)
    frames = [packet for packet in heard if packet.payload_type == 0]
    noise = [packet for packet in heard if packet.payload_type == 13]
    assert len(frames) <= 25
    assert 18 <= len(noise) <= 21
    assert {packet.payload for packet in noise} == {bytes((127,))}
    assert not any(packet.marker for packet in noise)


def test_without_the_setting_a_pause_is_sent_frame_by_frame(rig: Rig) -> None:
    """Comfort noise is taken where it is offered; it is sent where it is asked for."""
    call = Call(rig, echo=False)
    heard = call.ticks(100, VOICE)
    assert {packet.payload_type for packet in heard} == {0}
    assert len(heard) == 100


def test_to_a_peer_that_takes_no_comfort_noise_all_is_sent(quiet: Rig) -> None:
    """Section 5.1: without a payload type it is not used."""
    call = Call(quiet, noise=None, echo=False)
    assert len(call.ticks(100, VOICE)) == 100


def speaking(ticks: int, loud: float = 0.0, seed: int = 2) -> list[bytes]:
    """Frames of a voice where `loud` is above 0, else of a room at -55 dBov."""
    chance = np.random.default_rng(seed)
    samples = chance.standard_normal(ticks * FRAME) * (loud or 32768 * 10 ** (-55 / 20))
    codes = encode(samples.round().astype(np.int16), Law.PCMU).tobytes()
    return [codes[at : at + FRAME] for at in range(0, len(codes), FRAME)]


def echoed(call: Call, frames: list[bytes]) -> list[rtp.Packet]:
    return [packet for frame in frames for packet in call.tick(frame)]


def test_speech_goes_out_with_a_marker_at_once_and_timestamps_that_ran_on(quiet: Rig) -> None:
    """RFC 3551 s4.1; the echo of a room, of a word, and of the room again."""
    call = Call(quiet)
    echoed(call, speaking(150))
    heard = echoed(call, [*speaking(10, 4000.0), *speaking(100)])
    first = next(at for at, packet in enumerate(heard) if packet.payload_type == 0)
    frames = heard[first : first + 10 + 24]
    assert [packet.payload_type for packet in frames] == [0] * 34
    assert [packet.marker for packet in frames] == [True] + [False] * 33
    assert [packet.payload for packet in frames[:10]] == speaking(10, 4000.0)
    assert {packet.payload_type for packet in heard[first + 35 :]} == {13}
    assert np.diff([packet.sequence_number for packet in heard]).tolist() == [1] * (len(heard) - 1)
    base = heard[0].timestamp
    assert all((packet.timestamp - base) % FRAME == 0 for packet in heard)
    spans = [(after.timestamp - before.timestamp) & 0xFFFFFFFF for before, after in itertools.pairwise(heard)]
    assert max(spans) <= 25 * FRAME  # nothing is silent for longer: paths and time-outs see half a second at most
    told = read(heard[-1].payload)
    assert told is not None
    assert abs(told.level + 55) <= 1


def test_reports_count_what_was_sent(quiet: Rig) -> None:
    """A sender report: packets and octets of both kinds, and the clock that ran on."""
    call = Call(quiet, echo=False)
    heard = call.ticks(400)
    reports: list[rtcp.RtcpPacket] = []
    while True:
        try:
            reports += rtcp.parse(call.phone.rtcp.recv(2048))
        except BlockingIOError:
            break
    sender = [each for each in reports if isinstance(each, rtcp.SenderReport)][-1]
    before = [packet for packet in heard if (sender.timestamp - packet.timestamp) & 0xFFFFFFFF < 1 << 31]
    assert sender.packets == len(before)
    assert sender.octets == sum(len(packet.payload) for packet in before)


def test_two_of_ours_hear_one_another_pause(tmp_path: Path) -> None:
    """What one tells is what the other makes: within a decibel and a half of the room."""
    with Rig(tmp_path, suppress=True) as rig:
        one, other = Call(rig), Call(rig, key="b")
        told = [packet for packet in echoed(one, speaking(200)) if packet.payload_type == 13]
        other.ticks(10, VOICE)
        rig.engine.sessions["b"].suppressor = None  # its echo is listened to
        back = other.pause(100, told[-1].payload)[20:]
        assert abs(level(sound([packet.payload for packet in back])) + 55) < 1.5


def test_a_kill_in_a_pause_of_ours_sends_no_silence(quiet: Rig) -> None:
    """The successor tells of the pause at once, and goes on in it."""
    call = Call(quiet, echo=False)
    call.ticks(20, VOICE)
    call.ticks(80, VOICE)
    facts = quiet.facts("a", call.phone)
    facts = type(facts)(facts.owner, facts.port, facts.host, facts.identity, call.started)
    last = quiet.engine.sessions["a"].sequence
    quiet.kill()
    quiet.now += 0.05
    quiet.begin()
    assert quiet.engine.restore({"a": facts}, quiet.now) == {}
    heard = call.ticks(100, VOICE)
    assert {packet.payload_type for packet in heard} == {13}
    assert heard[0].sequence_number == last
    assert 3 <= len(heard) <= 6


@pytest.mark.parametrize(("form", "noise"), [(L16, WIDE), (G722, CN)])
def test_pauses_of_codecs_of_16_khz_are_told_of_on_their_clock(quiet: Rig, form: Format, noise: Format) -> None:
    """Silence of a session that speaks them."""
    _, voice = codec_voice(form)
    call = Call(quiet, form, noise, echo=False)
    heard = call.ticks(200, voice)
    told = [packet for packet in heard if packet.payload_type == noise.payload_type]
    assert len(heard) < 40
    steps = {(after.timestamp - before.timestamp) & 0xFFFFFFFF for before, after in itertools.pairwise(told)}
    assert steps == {25 * call.units}


@pytest.mark.parametrize("ptime", [10, 30, 60])
def test_packets_of_any_length_begin_and_end_pauses(quiet: Rig, ptime: int) -> None:
    """Whole packets, then noise, then whole packets with a marker on the first."""
    call = Call(quiet)
    call.started = start(call.phone, ptime=ptime)
    quiet.engine.start("a", call.started, quiet.now)
    echoed(call, speaking(150))
    heard = echoed(call, [*speaking(30, 4000.0), *speaking(60)])
    frames = [packet for packet in heard if packet.payload_type == 0]
    assert {len(packet.payload) for packet in frames} == {8 * ptime}
    assert [packet.marker for packet in frames] == [True] + [False] * (len(frames) - 1)
    assert heard[-1].payload_type == 13


def test_keys_are_pressed_in_a_pause(quiet: Rig) -> None:
    """RFC 4733 events go out as they do elsewhere."""
    call = Call(quiet, echo=False)
    again = StartSession(
        "a", call.phone.host, call.phone.port, PCMU, (PCMU, CN, EVENTS), "sendrecv", event=EVENTS, noise=CN
    )
    quiet.engine.start("a", again, quiet.now)
    call.ticks(100, VOICE)
    quiet.engine.press("a", "5", 100)
    heard = call.ticks(50, VOICE)
    events = [packet for packet in heard if packet.payload_type == 101]
    assert events[0].marker
    assert {packet.payload[0] for packet in events} == {5}
    assert {packet.payload_type for packet in heard} <= {101, 13}
