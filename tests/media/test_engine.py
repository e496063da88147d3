"""The engine over real sockets, its clock in the test's hand: what goes out, what is heard, and from whom."""

from __future__ import annotations

import itertools
import threading
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from actors.media import floor, rtcp, rtp
from actors.media.actor import phase_of
from actors.media.engine import Engine
from actors.media.events import Play, PlayFinished, Record, RecordFailed, SessionClosed, SessionLost
from actors.media.g711 import Law, decode, encode, transcode
from actors.media.peer import Address, Peer
from actors.media.pieces import FRAME
from actors.media.session import OPENING, Session
from tests.media.rig import PCMA, PCMU, Format, Phone, Rig, corpus, received

SILENCE = b"\xff" * FRAME


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def voice(number: int) -> bytes:
    return bytes(((number * 3) % 200 + 1,)) * FRAME


def talk(rig: Rig, phone: Phone, port: int, ticks: int, *, payload_type: int = 0, first: int = 0) -> list[rtp.Packet]:
    """The phone says a frame before each tick; what it heard."""
    heard = []
    for number in range(first, first + ticks):
        phone.say(voice(number), port, payload_type=payload_type)
        rig.step()
        heard += phone.heard()
    return heard


def wav(path: Path, samples: np.ndarray) -> str:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.astype("<i2").tobytes())
    return str(path)


def test_an_engine_without_sessions_never_wakes(rig: Rig) -> None:
    assert rig.engine.next_wake() is None
    port = rig.call("a", rig.phone())
    assert port % 2 == 0
    assert rig.engine.next_wake() == pytest.approx(rig.now + 0.02)
    assert rig.engine.close("a", rig.now, 0.0) == SessionClosed("a", 0, 0, 0, 0.0)
    assert rig.engine.next_wake() is None


def test_silence_is_sent_a_packet_a_tick_with_numbers_and_time_in_step(rig: Rig) -> None:
    phone = rig.phone()
    rig.call("a", phone)
    rig.step(OPENING)
    heard = phone.heard()
    assert [packet.payload for packet in heard] == [SILENCE] * OPENING
    assert [packet.marker for packet in heard] == [True] + [False] * (OPENING - 1)
    assert len({packet.ssrc for packet in heard}) == 1
    for one, next_one in itertools.pairwise(heard):
        assert (next_one.sequence_number - one.sequence_number) & 0xFFFF == 1
        assert (next_one.timestamp - one.timestamp) & 0xFFFFFFFF == FRAME


def test_a_session_nobody_speaks_to_rests_and_keeps_the_path_open_once_a_second(rig: Rig) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    rig.engine.echo("a")
    rig.step(OPENING)
    phone.heard()
    rig.step(500)
    resting = phone.heard()
    assert 9 <= len(resting) <= 11
    assert all(packet.marker for packet in resting)
    assert (resting[1].timestamp - resting[0].timestamp) & 0xFFFFFFFF == 8000
    assert (resting[-1].sequence_number - resting[0].sequence_number) & 0xFFFF == len(resting) - 1
    heard = talk(rig, phone, port, 20)
    assert len(heard) >= 18
    assert voice(5) in [packet.payload for packet in heard]


@pytest.mark.parametrize(("form", "payload_type"), [(PCMU, 0), (PCMA, 8)])
def test_an_echo_is_bit_for_bit_and_forty_milliseconds_late(rig: Rig, form: Format, payload_type: int) -> None:
    phone = rig.phone()
    port = rig.call("a", phone, form)
    rig.engine.echo("a")
    heard = talk(rig, phone, port, 50, payload_type=payload_type)
    assert {packet.payload_type for packet in heard} == {payload_type}
    payloads = [packet.payload for packet in heard]
    first = payloads.index(voice(0))
    assert payloads[first:] == [voice(number) for number in range(len(payloads) - first)]
    assert first == 2


def test_an_echo_in_the_other_law_is_transcoded(rig: Rig) -> None:
    phone = rig.phone()
    port = rig.call("a", phone, PCMA)
    rig.engine.echo("a")
    heard = talk(rig, phone, port, 10, payload_type=0)
    assert transcode(voice(3), Law.PCMU, Law.PCMA) in [packet.payload for packet in heard]


def test_a_lost_packet_is_bridged_in_an_echo(rig: Rig) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    rig.engine.echo("a")
    tone = (8000 * np.sin(2 * np.pi * 200 * np.arange(40 * FRAME) / 8000)).astype(np.int16)
    codes = encode(tone, Law.PCMU).tobytes()
    heard = []
    for number in range(40):
        if number == 20:
            phone.sequence += 1
            phone.timestamp += FRAME
        else:
            phone.say(codes[number * FRAME : (number + 1) * FRAME], port)
        rig.step()
        heard += phone.heard()
    samples = decode(np.frombuffer(b"".join(packet.payload for packet in heard), np.uint8), Law.PCMU)
    begin = int(np.flatnonzero(np.abs(samples) > 1000)[0])
    loudness = np.abs(samples[begin : begin + 30 * FRAME].reshape(-1, FRAME)).max(axis=1)
    assert loudness.min() > 6000


def test_telephone_events_and_unknown_formats_are_skipped(rig: Rig) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    rig.engine.echo("a")
    talk(rig, phone, port, 5)
    for payload_type in (101, 96):
        phone.say(b"\x05\x0a\x03\xc0", port, payload_type=payload_type)
        phone.timestamp -= 4  # an event takes none of the audio's time
    heard = talk(rig, phone, port, 10, first=5)
    assert all(packet.payload in [SILENCE, *(voice(n) for n in range(20))] for packet in heard)
    peer = rig.engine.sessions["a"].peer
    assert peer.unknown == 1
    assert peer.source is not None
    assert peer.source.lost == 1  # the packet of an unknown format is no packet of this stream


def test_direction_decides_who_speaks_and_who_is_heard(rig: Rig) -> None:
    phone = rig.phone()
    port = rig.call("a", phone, direction="recvonly")
    rig.engine.echo("a")
    assert talk(rig, phone, port, 10) == []
    rig.engine.start("a", phone.start("a", direction="sendonly"), rig.now)
    assert {packet.payload for packet in talk(rig, phone, port, 10)} == {SILENCE}
    rig.engine.start("a", phone.start("a", direction="inactive"), rig.now)
    assert talk(rig, phone, port, 10) == []
    rig.engine.start("a", phone.start("a"), rig.now)
    assert voice(2) in {packet.payload for packet in talk(rig, phone, port, 10)}


@pytest.mark.parametrize("host", ["0.0.0.0", "phone.example.net", "224.0.0.1", "::1"])
def test_where_nothing_can_be_reached_nothing_is_sent(rig: Rig, host: str) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    start = phone.start("a")
    rig.engine.start("a", type(start)("a", host, phone.port, PCMU, (PCMU,), "sendrecv"), rig.now)
    assert talk(rig, phone, port, 5) == []
    assert rig.engine.floor.send_errors == 0


@pytest.mark.parametrize(("ptime", "sizes"), [(10, [80] * 24), (30, [240] * 8), (40, [320] * 6), (60, [480] * 4)])
def test_packets_are_as_long_as_was_agreed(rig: Rig, tmp_path: Path, ptime: int, sizes: list[int]) -> None:
    phone = rig.phone()
    rig.call("a", phone, ptime=ptime)
    samples = np.arange(4000, dtype=np.int16) * 8
    rig.engine.play("a", Play("a", wav(tmp_path / "a.wav", samples)))
    rig.step(12)
    heard = phone.heard()
    assert [len(packet.payload) for packet in heard] == sizes
    assert b"".join(packet.payload for packet in heard) == encode(samples, Law.PCMU).tobytes()[:1920]
    for one, next_one in itertools.pairwise(heard):
        assert (next_one.timestamp - one.timestamp) & 0xFFFFFFFF == len(one.payload)
    assert [packet.marker for packet in heard] == [True] + [False] * (len(heard) - 1)


def test_a_file_is_played_to_its_end_and_then_told(rig: Rig, tmp_path: Path) -> None:
    phone = rig.phone()
    rig.call("a", phone)
    samples = (np.sin(np.arange(8000 * 2 + 50) / 3) * 9000).astype(np.int16)
    path = wav(tmp_path / "a.wav", samples)
    rig.engine.play("a", Play("a", path))
    assert rig.step(101) == []
    assert rig.step() == [("a", PlayFinished("a", path, ""))]
    sent = b"".join(packet.payload for packet in phone.heard())
    assert sent[: len(samples)] == encode(samples, Law.PCMU).tobytes()
    assert set(sent[len(samples) :]) == {0xFF}


def test_a_loop_goes_on_and_another_file_takes_its_place(rig: Rig, tmp_path: Path) -> None:
    phone = rig.phone()
    rig.call("a", phone)
    first = wav(tmp_path / "a.wav", np.full(320, 5000, np.int16))
    rig.engine.play("a", Play("a", first, loop=True))
    assert rig.step(50) == []
    assert SILENCE not in [packet.payload for packet in phone.heard()]
    rig.engine.play("a", Play("a", wav(tmp_path / "b.wav", np.full(160, -5000, np.int16))))
    rig.step(2)
    code = encode(np.array([-5000], np.int16), Law.PCMU).tobytes()
    assert [packet.payload for packet in phone.heard()] == [code * FRAME, SILENCE]


def test_an_empty_loop_and_a_file_that_is_none_are_over_at_once(rig: Rig, tmp_path: Path) -> None:
    phone = rig.phone()
    rig.call("a", phone)
    rig.engine.play("a", Play("a", wav(tmp_path / "a.wav", np.zeros(0)), loop=True))
    assert len(rig.step()) == 1
    rig.engine.play("a", Play("a", str(tmp_path / "none.wav")))
    ((_, event),) = rig.step()
    assert isinstance(event, PlayFinished)
    assert "No such file" in event.error


def recording(rig: Rig) -> threading.Thread:
    thread = threading.Thread(target=rig.disk.run)
    thread.start()
    return thread


def written(rig: Rig, thread: threading.Thread) -> None:
    rig.disk.stop()
    thread.join()


def samples_of(path: Path) -> np.ndarray:
    with wave.open(str(path)) as found:
        return np.frombuffer(found.readframes(1 << 24), "<i2")


def test_a_recording_holds_what_was_said_with_silence_in_its_gaps(rig: Rig, tmp_path: Path) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    thread = recording(rig)
    rig.engine.record("a", Record("a", str(tmp_path / "a.wav")), rig.now)
    talk(rig, phone, port, 40)
    phone.timestamp += 25 * FRAME
    rig.step(25)
    talk(rig, phone, port, 40, first=40)
    assert rig.engine.close("a", rig.now, 0.0) is None
    assert rig.engine.next_wake() is not None
    written(rig, thread)
    ((key, event),) = rig.step()
    assert key == "a"
    assert isinstance(event, SessionClosed)
    assert event.packets_received == 79
    assert rig.engine.next_wake() is None
    codes = b"".join(voice(number) for number in range(40)), b"".join(voice(number) for number in range(40, 80))
    spoken = [decode(np.frombuffer(each, np.uint8), Law.PCMU) for each in codes]
    expected = np.concatenate([spoken[0], np.zeros(25 * FRAME, np.int16), spoken[1]])
    made_up = slice(40 * FRAME, 43 * FRAME)  # 60 ms of what was said go on, and fall
    samples = samples_of(tmp_path / "a.wav")
    start = int(np.flatnonzero(samples)[0])
    heard = samples[start:].copy()
    assert heard[made_up].any()
    heard[made_up] = 0
    assert np.array_equal(heard, expected)  # what waited for its time at the end, too
    assert len(samples) == 107 * FRAME


def test_a_capture_of_real_speech_is_recorded_sample_for_sample(rig: Rig, tmp_path: Path) -> None:
    pcap = corpus("captures", "g711a.pcap").read_bytes()
    packets, at = [], 24
    while at < len(pcap):
        length = int.from_bytes(pcap[at + 8 : at + 12], "little")
        packets.append(pcap[at + 16 + 42 : at + 16 + length])
        at += 16 + length
    phone = rig.phone()
    port = rig.call("a", phone)
    thread = recording(rig)
    rig.engine.record("a", Record("a", str(tmp_path / "a.wav")), rig.now)
    due = rtp.parse(packets[0]).timestamp
    for data in packets:  # of 30 ms each
        while rtp.parse(data).timestamp > due:
            rig.step()
            due += FRAME
        phone.rtp.sendto(data, ("127.0.0.1", port))
    rig.step(10)
    rig.engine.close("a", rig.now, 0.0)
    written(rig, thread)
    source = decode(np.frombuffer(b"".join(rtp.parse(data).payload for data in packets), np.uint8), Law.PCMA)
    samples = samples_of(tmp_path / "a.wav")
    assert any(np.array_equal(samples[lag : lag + len(source)], source) for lag in range(5 * FRAME))


def test_a_recording_that_cannot_be_made_is_told_and_the_call_goes_on(rig: Rig, tmp_path: Path) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    rig.engine.echo("a")
    thread = recording(rig)
    path = str(tmp_path / "no" / "a.wav")
    rig.engine.record("a", Record("a", path), rig.now)
    written(rig, thread)
    ((_, event),) = rig.step()
    assert isinstance(event, RecordFailed)
    assert (event.path, "No such file" in event.error) == (path, True)
    assert voice(2) in [packet.payload for packet in talk(rig, phone, port, 10)]


def test_an_overslept_loop_makes_good_three_ticks_and_skips_the_rest_in_time(rig: Rig) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    rig.engine.echo("a")
    before = talk(rig, phone, port, 10)[-1]
    rig.now += 0.4
    rig.engine.tick(rig.now, 0.0)
    heard = phone.heard()
    assert len(heard) == 3
    assert rig.engine.skipped == 17
    assert [(packet.timestamp - before.timestamp) & 0xFFFFFFFF for packet in heard] == [18 * 160, 19 * 160, 20 * 160]
    assert [packet.marker for packet in heard] == [True, False, False]
    assert (heard[-1].sequence_number - before.sequence_number) & 0xFFFF == 3


def test_a_second_call_of_the_same_tick_does_nothing(rig: Rig) -> None:
    phone = rig.phone()
    rig.call("a", phone)
    rig.step()
    rig.engine.tick(rig.now + 0.01, 0.0)
    assert len(phone.heard()) == 1


def test_no_ports_no_session_and_a_pair_given_back_rests_longest(rig: Rig) -> None:  # FAULTS 73
    ports = []
    for number in range(4):
        session = rig.engine.prepare(f"s{number}", rig.now)
        assert session is not None
        ports.append(session.pair.port)
    assert len(set(ports)) == 4
    assert rig.engine.prepare("more", rig.now) is None
    for number in (2, 0):
        rig.engine.close(f"s{number}", rig.now, 0.0)
    again = rig.engine.prepare("again", rig.now)
    assert again is not None
    assert again.pair.port == ports[2]


def test_what_was_sent_to_the_port_before_is_not_heard(rig: Rig) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    rig.engine.close("a", rig.now, 0.0)
    for number in range(5):
        phone.say(voice(number), port)
    for number in range(3):
        rig.call(f"b{number}", phone)
    assert rig.call("c", phone) == port
    rig.step(3)
    assert rig.engine.sessions["c"].peer.source is None


def test_a_session_that_breaks_is_lost_alone(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    phones = [rig.phone(), rig.phone()]
    for key, phone in zip("ab", phones, strict=True):
        rig.call(key, phone)
    row = floor.row

    def broken(session: Session, tick: int) -> bytes:
        if session.key == "a":
            raise ZeroDivisionError("a bug")
        return row(session, tick)

    monkeypatch.setattr(floor, "row", broken)
    assert rig.step() == [("a", SessionLost("a", "ZeroDivisionError: a bug"))]
    rig.step()
    assert phones[0].heard() == []
    assert len(phones[1].heard()) == 2
    assert list(rig.engine.sessions) == ["b"]


def test_reports_tell_what_was_sent_and_heard(rig: Rig) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    rig.engine.echo("a")
    heard = talk(rig, phone, port, 100)
    phone.sequence += 10
    heard += talk(rig, phone, port, 100, first=100)
    compound = [rtcp.parse_compound(data) for data in received(phone.rtcp)]
    assert 1 <= len(compound) <= 3
    report, names = compound[-1]
    assert isinstance(report, rtcp.SenderReport)
    assert report.ssrc == heard[0].ssrc
    assert report.octets == report.packets * FRAME
    seconds = (report.ntp >> 32) - 2_208_988_800
    assert 1_700_001_000 <= seconds <= 1_700_001_010
    (block,) = report.blocks
    assert block.ssrc == phone.ssrc
    assert block.jitter < 8
    assert isinstance(names, rtcp.SourceDescription)
    assert names.chunks[0][0] == report.ssrc
    session = rig.engine.sessions["a"]
    closed = rig.engine.close("a", rig.now, 0.0)
    assert closed == SessionClosed(
        "a", session.packets, 199, 10, pytest.approx(0, abs=1), 0.0, pytest.approx(3.84, abs=0.1), 10.0
    )
    farewell = rtcp.parse_compound(received(phone.rtcp)[-1])
    assert farewell[-1] == rtcp.Bye((report.ssrc,))


def test_the_report_s_timestamp_is_the_clock_s(rig: Rig) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    heard = talk(rig, phone, port, 250)
    report = rtcp.parse_compound(received(phone.rtcp)[0])[0]
    assert isinstance(report, rtcp.SenderReport)
    at = next(p for p in heard if (report.timestamp - p.timestamp) & 0xFFFFFFFF < FRAME)
    assert at.timestamp == report.timestamp


@pytest.mark.parametrize(
    ("more", "trip"), [(0.0, 1 / 65536), (0.009, 1 / 65536), (0.03, None)], ids=["same", "rounded", "lie"]
)
def test_a_near_peer_that_rounds_what_it_held_a_report_for_is_near(rig: Rig, more: float, trip: float | None) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    talk(rig, phone, port, 10)
    peer = rig.engine.sessions["a"].peer
    now = (rtcp.ntp_time(1_700_000_000.0 + rig.now) >> 16) & 0xFFFFFFFF
    # What comes is seen at the next tick, 20 ms from now.
    block = rtcp.ReportBlock(peer.ssrc, 0, 0, 0, 0, now, round((0.020 + more) * 65536))
    phone.rtcp.sendto(rtcp.build([rtcp.ReceiverReport(phone.ssrc, (block,))]), ("127.0.0.1", port + 1))
    rig.step(2)
    assert peer.round_trip == trip


def test_round_trip_is_measured_and_answered(rig: Rig) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    talk(rig, phone, port, 10)
    session = rig.engine.sessions["a"]
    ntp = rtcp.ntp_time(1_700_000_000.0 + rig.now)
    # Our report went out half a second ago, and the phone had it for a quarter.
    lsr = ((ntp >> 16) - (1 << 15)) & 0xFFFFFFFF
    block = rtcp.ReportBlock(session.peer.ssrc, 0, 0, 0, 0, lsr, 1 << 14)
    data = rtcp.build([rtcp.SenderReport(phone.ssrc, ntp, 0, 0, 0, (block,))])
    phone.rtcp.sendto(data, ("127.0.0.1", port + 1))
    rig.step(30)
    assert session.peer.lsr == (ntp >> 16) & 0xFFFFFFFF
    assert session.peer.round_trip == pytest.approx(0.52 - 0.25, abs=0.001)
    rig.step(300)
    block = rtcp.parse_compound(received(phone.rtcp)[-1])[0].blocks[0]  # type: ignore[union-attr]
    assert block.lsr == session.peer.lsr
    assert 0 < block.dlsr < 7 * 65536


def test_a_call_that_never_sent_says_no_bye(rig: Rig) -> None:  # RFC 3550 s6.3.7
    phone = rig.phone()
    rig.call("a", phone)
    rig.engine.close("a", rig.now, 0.0)
    assert received(phone.rtcp) == []


def test_a_v6_pool_serves_both_families(tmp_path: Path) -> None:
    with Rig(tmp_path, host="::") as rig:
        four, six = rig.phone(), rig.phone("::1")
        for key, phone in (("four", four), ("six", six)):
            port = rig.call(key, phone)
            rig.engine.echo(key)
            heard = []
            for number in range(10):
                phone.say(voice(number), port, host=phone.host)
                rig.step()
                heard += phone.heard()
            assert voice(3) in [packet.payload for packet in heard], key
            assert not rig.engine.sessions[key].peer.learnt


def test_counts_go_on_after_a_hold(rig: Rig) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    talk(rig, phone, port, 10)
    start = phone.start("a")
    rig.engine.start("a", type(start)("a", "0.0.0.0", phone.port, PCMU, (PCMU,), "inactive"), rig.now)
    rig.step(50)
    phone.timestamp += 50 * FRAME
    rig.engine.start("a", start, rig.now)
    talk(rig, phone, port, 10)
    closed = rig.engine.close("a", rig.now, 0.0)
    assert closed is not None
    assert (closed.packets_received, closed.packets_lost) == (18, 1)


def test_a_packet_that_breaks_its_session_loses_it_alone(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    phones = [rig.phone(), rig.phone()]
    ports = [rig.call(key, phone) for key, phone in zip("ab", phones, strict=True)]
    accept = Peer.accept

    def broken(self: Peer, data: bytes, address: Address, arrival: int) -> bool:
        if data.endswith(b"bug"):
            raise ZeroDivisionError("a bug")
        return accept(self, data, address, arrival)

    monkeypatch.setattr(Peer, "accept", broken)
    for _ in range(3):
        phones[0].say(b"bug", ports[0])
        phones[1].say(voice(1), ports[1])
    assert rig.step() == [("a", SessionLost("a", "ZeroDivisionError: a bug"))]
    assert len(phones[1].heard()) == 1
    assert rig.engine.sessions["b"].peer.source is not None


def test_a_player_goes_on_in_the_law_agreed_meanwhile(rig: Rig, tmp_path: Path) -> None:
    phone = rig.phone()
    rig.call("a", phone)
    samples = (np.arange(4000) * 8).astype(np.int16)
    rig.engine.play("a", Play("a", wav(tmp_path / "a.wav", samples)))
    rig.step(5)
    rig.engine.start("a", phone.start("a", PCMA), rig.now)
    rig.step(5)
    heard = phone.heard()
    assert [packet.payload_type for packet in heard] == [0] * 5 + [8] * 5
    assert b"".join(p.payload for p in heard[5:]) == encode(samples[800:1600], Law.PCMA).tobytes()


def test_a_disk_that_does_not_answer_delays_the_end_a_second_and_a_half(rig: Rig, tmp_path: Path) -> None:
    rig.call("a", rig.phone())
    rig.engine.record("a", Record("a", str(tmp_path / "a.wav")), rig.now)  # no thread takes the jobs
    rig.step(5)
    assert rig.engine.close("a", rig.now, 0.0) is None
    assert rig.step(73) == []
    assert isinstance(rig.step(3)[0][1], SessionClosed)
    assert rig.engine.next_wake() is None


def test_another_recording_takes_the_place_of_the_first(rig: Rig, tmp_path: Path) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    thread = recording(rig)
    for name in ("a.wav", "b.wav"):
        rig.engine.record("a", Record("a", str(tmp_path / name)), rig.now)
        talk(rig, phone, port, 20)
    rig.engine.finish()
    written(rig, thread)
    lengths = [len(samples_of(tmp_path / name)) // FRAME for name in ("a.wav", "b.wav")]
    assert lengths == [20, 20]


def test_a_muted_session_sends_silence_in_place_of_echo_and_file_and_goes_on_where_they_are(
    rig: Rig, tmp_path: Path
) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    rig.engine.echo("a")
    talk(rig, phone, port, 10)
    rig.engine.start("a", replace(phone.start("a"), muted=True), rig.now)
    muted = talk(rig, phone, port, 10, first=10)
    assert {packet.payload for packet in muted} == {SILENCE}
    tone = np.full(8 * FRAME, 8000, np.int16)
    rig.engine.play("a", Play("a", wav(tmp_path / "a.wav", tone)))
    rig.step(5)
    assert {packet.payload for packet in phone.heard()} == {SILENCE}
    rig.engine.start("a", phone.start("a"), rig.now)
    rig.step(6)
    heard = [packet.payload for packet in phone.heard()]
    assert heard[0] != SILENCE
    assert heard[-1] == SILENCE


def test_a_process_ticks_in_a_phase_of_its_own_and_its_clocks_agree(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        words = iter(range(1, 10_000))
        engine = Engine(rig.ports, rig.records, rig.disk, rig.loader, lambda: next(words), phase=0.015)
        phone = rig.phone()
        assert engine.prepare("a", rig.now) is not None
        engine.start("a", phone.start("a"), rig.now)
        wake = engine.next_wake()
        assert wake is not None
        assert 0 < wake - rig.now <= 0.02
        assert (wake - 0.015) * 50 == pytest.approx(round((wake - 0.015) * 50))
        engine.tick(wake - 0.001, 0.0)
        assert phone.heard() == []
        engine.tick(wake, 0.0)
        assert len(phone.heard()) == 1
        assert engine.next_wake() == pytest.approx(wake + 0.02)
        assert 1.0 < engine.sessions["a"].report_due - (rig.now - 0.015) < 6.0
        engine.floor.lane.close()


def test_processes_have_phases_within_a_tick_that_stay() -> None:
    phases = {phase_of(Path(f"/run/media-{number}/sessions")) for number in range(20)}
    assert len(phases) == 20
    assert all(0 <= phase < 0.02 for phase in phases)
