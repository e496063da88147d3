"""Keys in sessions: those of the peer become events, ours are packets or sound, and a kill repeats and loses none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from actors.media import rtp
from actors.media.dtmf import KeyReader, KeySender, keys_of
from actors.media.events import DigitReceived, KeysPressed, Play, PlayFinished, SendDigits, StartSession
from actors.media.g711 import Law, decode, encode
from actors.media.pieces import FRAME
from actors.media.tones import PAIRS, KeyDetector, Tone, samples_of
from tests.media.rig import EVENTS, PCMU, Phone, Rig

VOICE = b"\x11" * FRAME


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def start_of(phone: Phone, *, events: bool = True) -> StartSession:
    receive = (PCMU, EVENTS) if events else (PCMU,)
    return StartSession("a", phone.host, phone.port, PCMU, receive, "sendrecv", 20, EVENTS if events else None)


def call(rig: Rig, phone: Phone, *, events: bool = True) -> int:
    session = rig.engine.prepare("a", rig.now)
    assert session is not None
    rig.engine.start("a", start_of(phone, events=events), rig.now)
    return session.pair.port


def press(phone: Phone, port: int, keys: str, rig: Rig, duration: int = 100) -> list[DigitReceived]:
    """Let the phone press keys as RFC 4733 has it; what the engine said."""
    sender = KeySender(FRAME)
    sender.press(keys, duration)
    told: list[DigitReceived] = []
    while sender.busy:
        event = sender.tick(phone.timestamp & 0xFFFFFFFF)
        if event is None:
            phone.say(VOICE, port)
        else:
            packet = rtp.Packet(101, phone.sequence & 0xFFFF, event.timestamp, phone.ssrc, event.payload, event.marker)
            phone.rtp.sendto(rtp.build(packet), ("127.0.0.1", port))
            phone.sequence += 1
            phone.timestamp += FRAME
        told += [said for _, said in rig.step() if isinstance(said, DigitReceived)]
    return told


def test_keys_of_the_peer_are_events_and_its_voice_goes_on(rig: Rig) -> None:
    phone = rig.phone()
    port = call(rig, phone)
    rig.engine.echo("a")
    for _ in range(5):
        phone.say(VOICE, port)
        rig.step()
    assert press(phone, port, "159#", rig) == [DigitReceived("a", key, 100, "rfc4733") for key in "159#"]
    phone.heard()
    for _ in range(10):
        phone.say(VOICE, port)
        rig.step()
    assert VOICE in [packet.payload for packet in phone.heard()]


def test_keys_of_a_stranger_are_nobodys(rig: Rig) -> None:
    phone, stranger = rig.phone(), rig.phone(ssrc=1)
    port = call(rig, phone)
    for _ in range(5):
        phone.say(VOICE, port)
        rig.step()
    assert press(stranger, port, "1", rig) == []


def heard_keys(packets: list[rtp.Packet]) -> str:
    reader = KeyReader(8000)
    found = []
    for tick, packet in enumerate(packets):
        if packet.payload_type == 101:
            found += reader.take(packet.timestamp, packet.payload, tick)
    return "".join(each.key for each in found)


def test_our_keys_are_packets_with_rising_numbers_in_step_with_the_clock(rig: Rig) -> None:
    phone = rig.phone()
    call(rig, phone)
    rig.step(5)
    before = phone.heard()[-1]
    rig.engine.press("a", "17,D", 100)
    events = rig.step(100)
    packets = phone.heard()
    assert heard_keys(packets) == "17D"
    assert [event for _, event in events] == [KeysPressed("a")]
    numbers = [(packet.sequence_number - before.sequence_number) & 0xFFFF for packet in packets]
    assert numbers == list(range(1, len(packets) + 1))
    assert sum(packet.marker for packet in packets if packet.payload_type == 101) == 3
    assert {packet.ssrc for packet in packets} == {before.ssrc}


@pytest.mark.parametrize("killed", [1, 3, 6, 8, 10, 14, 25])
def test_a_kill_repeats_no_key_and_loses_none(rig: Rig, killed: int) -> None:
    phone = rig.phone()
    port = call(rig, phone)
    rig.engine.echo("a")
    packets = []
    rig.engine.press("a", "12", 160)
    for _ in range(killed):
        phone.say(VOICE, port)
        rig.step()
        packets += phone.heard()
    facts = rig.facts("a", phone)
    facts = type(facts)(
        facts.owner, facts.port, facts.host, facts.identity, start_of(phone), keys=(SendDigits("a", "12", 160),)
    )
    rig.kill()
    rig.begin()
    assert rig.engine.restore({"a": facts}, rig.now) == {}
    for _ in range(40):
        phone.say(VOICE, port)
        rig.step()
        packets += phone.heard()
    assert heard_keys(packets) == "12"
    assert len({packet.sequence_number for packet in packets}) == len(packets)


def test_a_peer_that_takes_no_telephone_events_hears_the_keys(rig: Rig) -> None:
    phone = rig.phone()
    call(rig, phone, events=False)
    rig.step(5)
    phone.heard()
    rig.engine.press("a", "4B*", 100)
    rig.step(60)
    codes = b"".join(packet.payload for packet in phone.heard() if packet.payload_type == 0)
    detector = KeyDetector()
    assert "".join(key for key, _ in detector.hear(decode(np.frombuffer(codes, np.uint8), Law.PCMU))) == "4B*"


def test_only_keys_that_the_peer_names_are_sent_as_events_and_it_hears_the_others(rig: Rig) -> None:
    """RFC 4733 s2.5.1.1: a MUST; 12 to 15 are A to D."""
    phone = rig.phone()
    call(rig, phone)
    start = start_of(phone)
    rig.engine.start("a", replace(start, event=replace(EVENTS, fmtp="0-11,16")), rig.now)
    rig.step(5)
    phone.heard()
    rig.engine.press("a", "1A,#", 100)
    events = rig.step(80)
    packets = phone.heard()
    codes = b"".join(packet.payload for packet in packets if packet.payload_type == 0)
    detector = KeyDetector()
    assert "".join(key for key, _ in detector.hear(decode(np.frombuffer(codes, np.uint8), Law.PCMU))) == "A"
    assert heard_keys(packets) == "1#"
    assert [event for _, event in events] == [KeysPressed("a")]
    numbers = [packet.sequence_number for packet in packets]
    assert numbers == [(numbers[0] + n) & 0xFFFF for n in range(len(numbers))]


@pytest.mark.parametrize(
    ("fmtp", "keys"),
    [
        ("", "0123456789*#ABCD"),
        ("0-15", "0123456789*#ABCD"),
        ("0-15,66,70", "0123456789*#ABCD"),
        ("0-11", "0123456789*#"),
        ("1, 3-4", "134"),
        ("16,255", "F"),
        ("200-255", ""),
        *((malformed, "0123456789*#ABCD") for malformed in ("0-", "15-0", "0-256", "x", "0-15\0", "9" * 5000)),
    ],
)
def test_the_keys_that_parameters_name(fmtp: str, keys: str) -> None:
    assert keys_of(fmtp) == keys


@pytest.mark.parametrize("offered", [True, False])
def test_keys_in_the_sound_are_heard_where_nothing_better_was_offered(tmp_path: Path, offered: bool) -> None:
    with Rig(tmp_path) as rig:
        rig.engine.floor.inband = True
        phone = rig.phone()
        port = call(rig, phone, events=offered)
        told = []
        for key in "1#":
            pair = encode(samples_of(Tone(PAIRS[key]), 0, 5 * FRAME, 8000), Law.PCMU).tobytes()
            for at in range(0, 10 * FRAME, FRAME):
                phone.say((pair + b"\xff" * 5 * FRAME)[at : at + FRAME], port)
                told += [event for _, event in rig.step()]
        assert told == ([] if offered else [DigitReceived("a", key, 100, "inband") for key in "1#"])


def test_a_tone_is_played_until_something_else_is(rig: Rig) -> None:
    phone = rig.phone()
    call(rig, phone)
    rig.engine.play("a", Play("a", "tone:busy"))
    assert rig.step(100) == []
    samples = decode(np.frombuffer(b"".join(packet.payload for packet in phone.heard()), np.uint8), Law.PCMU)
    loud = np.abs(samples[: 100 * FRAME].reshape(-1, 400)).max(axis=1) > 1000  # blocks of 50 ms
    assert loud.tolist() == ([True] * 10 + [False] * 10) * 2
    rig.engine.play("a", Play("a", "tone:no such"))
    ((_, event),) = rig.step()
    assert isinstance(event, PlayFinished)
    assert "'no such' is no tone" in event.error
