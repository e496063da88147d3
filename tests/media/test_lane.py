"""The fast lane: what a session does as a row of the matrix is what it would have done by itself, by both wires."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.media import wire
from actors.media.audio_events import Mark, Open, Write
from actors.media.events import Play
from actors.media.lane import Lane
from actors.media.outlet import Outlet, Parcel
from actors.media.record import Records
from actors.media.session import Session
from actors.media.snapshot import BEHIND, FAST, ROW
from actors.media.snapshot import row as snapshot
from actors.media.taps import Ears, Taps
from actors.media.uring import Uring, UringError
from tests.live.sound import tone, write_wav
from tests.media.rig import PCMA, PCMU, Phone, Rig, received, udp

WIRES = ("ring", "sockets")


@pytest.fixture(params=WIRES)
def by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to the kernel, where this one has both."""
    if request.param == "sockets":
        monkeypatch.setattr("actors.media.lane.open_wire", wire.SocketWire)
    else:
        try:
            Uring().close()
        except UringError as error:
            pytest.skip(f"the kernel has no io_uring for us: {error}")
    return str(request.param)


class Alone(Lane):
    """No session is taken in."""

    def admit(self, session: Session, tick: int) -> bool:  # noqa: ARG002 - whatever it is
        return False


def talk(rig: Rig, phone: Phone, port: int, ticks: int) -> None:
    for _ in range(ticks):
        phone.say(bytes((phone.sequence & 0x7F,)) * 160, port)
        rig.step()


def in_lane(rig: Rig, key: str) -> bool:
    return dict.__getitem__(rig.engine.sessions, key).place >= 0


def state(rig: Rig, key: str) -> dict[str, Any]:
    """All that a session knows of its streams."""
    session = rig.engine.sessions[key]
    peer, buffer, source = session.peer, session.peer.buffer, session.peer.source
    assert buffer is not None
    assert source is not None
    known = {name: getattr(buffer, name) for name in buffer.__slots__ if name not in ("_frames", "_margins")}
    known["frames"] = sorted(position - buffer._cursor for position in buffer._frames)
    known["margins"] = list(buffer._margins)
    known |= {name: getattr(source, name) for name in source.__slots__}
    names = ("heard", "malformed", "unknown", "strangers", "invalid", "ssrc", "spoken", "learnt")
    known |= {name: getattr(peer, name) for name in names}
    names = ("sequence", "next_timestamp", "packets", "octets", "generation", "reports", "report_due", "plays")
    known |= {name: getattr(session, name) for name in names}
    known["position"] = None if session.player is None else session.player.position
    session.touch()
    row = snapshot(session, rig.engine.floor.tick)
    known["row"] = row[:59] + row[61:]  # without the phone's port
    return known


class Trouble:
    """What may happen to a call in a tick besides the next packet; each with its chance in a thousand."""

    def __init__(self, rig: Rig, phone: Phone, port: int, music: str, chance: random.Random, key: str = "a") -> None:
        self.rig, self.phone, self.port, self.music, self.chance = rig, phone, port, music, chance
        self.other = rig.phone(ssrc=0xCAFE)
        self.held: list[bytes] = []
        self.kinds = [
            (10, self.lost),
            (10, self.twice),
            (5, lambda: phone.say(bytes(80), port)),
            (3, lambda: phone.say(bytes(160), port, payload_type=8)),
            (2, self.jump),
            (5, lambda: self.other.say(bytes(160), port)),
            (3, lambda: rig.engine.echo(key)),
            (3, lambda: rig.engine.play(key, Play(key, music))),
            (2, lambda: rig.engine.press(key, "1", 60)),
            (2, self.oversleep),
            (
                4,
                lambda: phone.rtcp.sendto(b"\x80\xc9\x00\x01" + phone.ssrc.to_bytes(4, "big"), ("127.0.0.1", port + 1)),
            ),
        ]

    def lost(self) -> None:
        self.phone.sequence += 1
        self.phone.timestamp += 160

    def twice(self) -> None:
        self.phone.say(bytes(160), self.port)
        self.phone.sequence -= 1
        self.phone.timestamp -= 160

    def report(self) -> None:
        """An empty receiver report."""
        self.phone.rtcp.sendto(struct.pack(">BBHI", 0x80, 201, 1, self.phone.ssrc), ("127.0.0.1", self.port + 1))

    def jump(self) -> None:
        self.phone.timestamp += 1600

    def oversleep(self) -> None:
        self.rig.now += 0.02 * self.chance.randrange(2, 40)

    def happen(self) -> None:
        for weight, kind in self.kinds:
            if self.chance.random() * 1000 < weight:
                kind()

    def speak(self, payload: bytes) -> None:
        """The next packet, which may come together with the one after it."""
        self.held.append(payload)
        if self.chance.random() > 0.05:
            for each in self.held:
                self.phone.say(each, self.port)
            self.held.clear()


def scenario(seed: int, path: Path, music: str, *, alone: bool) -> tuple[dict[str, Any], list[bytes], list[str]]:
    """Ticks of a stream that is mostly as it should be, with all that may happen to it."""
    chance = random.Random(seed)
    heard: list[bytes] = []
    told: list[str] = []
    with Rig(path) as rig:
        if alone:
            rig.engine.floor.lane = Alone(rig.records, len(rig.ports))
        phone = rig.phone()
        trouble = Trouble(rig, phone, rig.call("a", phone, chance.choice((PCMU, PCMA))), music, chance)
        for tick in range(900):
            if tick > 60:
                trouble.happen()
            trouble.speak(chance.randbytes(160) if tick % 7 else b"\xff" * 160)
            told += [f"{tick} {event}" for event in rig.step() if "127.0.0.1" not in str(event)]
            heard += received(phone.rtp) + received(phone.rtcp)
        return state(rig, "a"), heard, told


@pytest.mark.parametrize("seed", range(3))
def test_a_row_does_what_its_session_would_have_done(by: str, tmp_path: Path, seed: int) -> None:
    assert by in WIRES
    music = str(write_wav(tmp_path / "music.wav", tone(300.0, 3.0)))
    lane = scenario(seed, tmp_path / "lane", music, alone=False)
    lone = scenario(seed, tmp_path / "alone", music, alone=True)
    assert lane[0] == lone[0]
    assert lane[2] == lone[2]
    assert lane[1] == lone[1]


def conference(seed: int, path: Path, music: str, *, alone: bool) -> tuple[list[Any], list[list[bytes]], list[str]]:
    """The same in three calls that hear each other most of the time."""
    chance = random.Random(seed)
    keys = "abc"
    heard: list[list[bytes]] = [[], [], []]
    told: list[str] = []
    rows = 0
    with Rig(path) as rig:
        if alone:
            rig.engine.floor.lane = Alone(rig.records, len(rig.ports))
        calls = []
        for key in keys:
            phone = rig.phone()
            calls.append(Trouble(rig, phone, rig.call(key, phone, chance.choice((PCMU, PCMA))), music, chance, key))
        changes = {
            30: lambda: rig.engine.bridge("a", "b"),
            200: lambda: rig.engine.bridge("c", "a"),
            450: lambda: rig.engine.part("b"),
            500: lambda: rig.engine.bridge("b", "c"),
        }
        for tick in range(700):
            if tick in changes:
                changes[tick]()
            for call in calls:
                if tick > 60 and tick % 100 < 60:
                    call.happen()
                call.speak(chance.randbytes(160) if tick % 7 else b"\xff" * 160)
            told += [f"{tick} {event}" for event in rig.step() if "127.0.0.1" not in str(event)]
            rows += sum(
                in_lane(rig, key) and dict.__getitem__(rig.engine.sessions, key).member is not None for key in keys
            )
            for call, came in zip(calls, heard, strict=True):
                came.extend(received(call.phone.rtp) + received(call.phone.rtcp))
        assert alone or rows > 300
        return [state(rig, key) for key in keys], heard, told


@pytest.mark.parametrize("seed", range(2))
def test_rows_in_a_bridge_hear_and_say_what_their_sessions_would_have_done(by: str, tmp_path: Path, seed: int) -> None:
    assert by in WIRES
    music = str(write_wav(tmp_path / "music.wav", tone(300.0, 3.0)))
    lane = conference(seed, tmp_path / "lane", music, alone=False)
    lone = conference(seed, tmp_path / "alone", music, alone=True)
    assert lane[0] == lone[0]
    assert lane[2] == lone[2]
    assert lane[1] == lone[1]


def test_a_call_of_two_that_are_bridged_runs_in_rows(by: str, tmp_path: Path) -> None:
    assert by in WIRES
    with Rig(tmp_path) as rig:
        phones = {key: rig.phone() for key in "ab"}
        ports = {key: rig.call(key, phone) for key, phone in phones.items()}
        rig.engine.bridge("a", "b")
        for _ in range(30):
            for key, phone in phones.items():
                phone.say(bytes((ord(key),)) * 160, ports[key])
            rig.step()
        assert in_lane(rig, "a")
        assert in_lane(rig, "b")
        assert phones["a"].heard()[-1].payload == b"b" * 160
        assert phones["b"].heard()[-1].payload == b"a" * 160
        rig.engine.part("a")
        for _ in range(10):
            for key, phone in phones.items():
                phone.say(bytes((ord(key),)) * 160, ports[key])
            rig.step()
        assert in_lane(rig, "a")
        assert phones["a"].heard()[-1].payload == b"\xff" * 160


class Program:
    """Another program, which hears a call at two rates and speaks now and then."""

    def __init__(self, rig: Rig, chance: random.Random, place: int) -> None:
        self.ears, self.outlet, self.chance = Ears(), Outlet(), chance
        session = rig.engine.sessions["a"]
        self.taps = session.taps = Taps(session, self.ears, lambda _kept: None)
        assert self.taps.open(Open("t", "a", 8000, place=place), self.outlet, None)
        assert self.taps.open(Open("wide", "a", 16_000, speak=False, place=2 * place), self.outlet, None)
        rig.engine.tapped(session)

    def speak(self) -> None:
        speaker = self.taps.speaker
        assert speaker is not None
        what = self.chance.random()
        if what < 0.02:
            self.taps.flush(speaker.written)
        elif what < 0.05:
            speaker.mark(Mark("t", str(what), speaker.written))
        elif what < 0.8:
            samples = self.chance.randbytes(2 * self.chance.choice((160, 160, 160, 40, 400)))
            speaker.write(Write("t", speaker.written, samples))

    def came(self) -> list[Parcel]:
        self.ears.deliver()
        return self.outlet.parcels()


def tapped(seed: int, path: Path, place: int, *, alone: bool) -> tuple[dict[str, Any], list[Any], list[bytes]]:
    """The same, while another program hears and speaks."""
    chance = random.Random(seed)
    with Rig(path) as rig:
        if alone:
            rig.engine.floor.lane = Alone(rig.records, len(rig.ports))
        phone = rig.phone()
        trouble = Trouble(rig, phone, rig.call("a", phone), "", chance)
        trouble.kinds = [each for each in trouble.kinds if each[1] in (trouble.lost, trouble.twice, trouble.oversleep)]
        talk(rig, phone, trouble.port, 30)
        program, got, heard = Program(rig, chance, place), [], []
        for _ in range(500):
            program.speak()
            trouble.happen()
            trouble.speak(chance.randbytes(160))
            rig.step()
            got.append(program.came())
            heard += received(phone.rtp)
        return state(rig, "a"), got, heard


@pytest.mark.parametrize(("seed", "place"), [(0, -1), (1, -1), (2, 7), (3, 7)])
def test_a_row_is_heard_and_spoken_in_as_its_session_would_have_been(
    by: str, tmp_path: Path, seed: int, place: int
) -> None:
    assert by in WIRES
    lane = tapped(seed, tmp_path / "lane", place, alone=False)
    lone = tapped(seed, tmp_path / "alone", place, alone=True)
    assert lane == lone


def test_a_stream_that_runs_is_a_row_and_one_that_falters_is_not(by: str, tmp_path: Path) -> None:
    assert by in WIRES
    with Rig(tmp_path) as rig:
        phone = rig.phone()
        port = rig.call("a", phone)
        talk(rig, phone, port, 3)
        assert in_lane(rig, "a")
        phone.sequence += 1
        talk(rig, phone, port, 1)
        assert not in_lane(rig, "a")
        talk(rig, phone, port, 6)
        assert in_lane(rig, "a")


def test_reports_on_the_port_of_rtp_are_heard_and_leave_a_row_where_it_is(by: str, tmp_path: Path) -> None:
    assert by in WIRES
    with Rig(tmp_path) as rig:
        phone = rig.phone()
        port = rig.call("a", phone)
        talk(rig, phone, port, 3)
        peer = rig.engine.floor.sessions.get("a").peer  # type: ignore[union-attr]
        phone.rtp.sendto(struct.pack(">BBHI", 0x80, 201, 1, phone.ssrc), ("127.0.0.1", port))
        talk(rig, phone, port, 2)
        assert in_lane(rig, "a")
        assert peer.control_heard > 0
        stranger = rig.phone(ssrc=7)
        stranger.rtp.sendto(struct.pack(">BBHI", 0x80, 201, 1, 7), ("127.0.0.1", port))
        talk(rig, phone, port, 1)
        assert in_lane(rig, "a")
        assert peer.invalid == 1


def test_who_looks_at_a_session_finds_what_its_row_knew(by: str, tmp_path: Path) -> None:
    assert by in WIRES
    with Rig(tmp_path) as rig:
        phone = rig.phone()
        port = rig.call("a", phone)
        talk(rig, phone, port, 20)
        assert in_lane(rig, "a")
        source = rig.engine.sessions["a"].peer.source
        assert source is not None
        assert source.received == 19  # from the second on, which proved it
        assert not in_lane(rig, "a")


def test_rows_close_up_when_a_session_leaves_and_the_others_go_on(by: str, tmp_path: Path) -> None:
    assert by in WIRES
    with Rig(tmp_path) as rig:
        phones = {key: rig.phone(ssrc=number) for number, key in enumerate("abcd", 1)}
        ports = {key: rig.call(key, phone) for key, phone in phones.items()}
        for key in phones:
            rig.engine.echo(key)

        def round_of(keys: str, content: Callable[[str], bytes]) -> dict[str, set[bytes]]:
            for _ in range(12):
                for key in keys:
                    phones[key].say(content(key) * 160, ports[key])
                rig.step()
            return {key: {packet.payload[:1] for packet in phones[key].heard()[-5:]} for key in keys}

        assert round_of("abcd", str.encode) == {key: {key.encode()} for key in "abcd"}
        assert all(in_lane(rig, key) for key in "abcd")
        rig.engine.close("a", rig.now, rig.now)
        assert round_of("bcd", str.encode) == {key: {key.encode()} for key in "bcd"}
        rig.engine.close("c", rig.now, rig.now)
        assert round_of("bd", str.encode) == {key: {key.encode()} for key in "bd"}


def test_a_kill_in_the_lane_uses_no_sequence_number_twice(by: str, tmp_path: Path) -> None:
    assert by in WIRES
    with Rig(tmp_path) as rig:
        phone = rig.phone()
        port = rig.call("a", phone)
        talk(rig, phone, port, 30)
        assert in_lane(rig, "a")
        facts = rig.facts("a", phone)
        talk(rig, phone, port, 10)
        before = phone.heard()
        rig.kill()
        rig.begin()
        assert rig.engine.restore({"a": facts}, rig.now) == {}
        talk(rig, phone, port, 30)
        after = phone.heard()
        assert in_lane(rig, "a")
        numbers = [packet.sequence_number for packet in (*before, *after)]
        assert len(set(numbers)) == len(numbers)
        assert len({packet.ssrc for packet in (*before, *after)}) == 1
        assert (after[0].timestamp - before[-1].timestamp) % 160 == 0


def test_a_session_of_ipv6_is_a_row_too(by: str, tmp_path: Path) -> None:
    assert by in WIRES
    with Rig(tmp_path, host="::1") as rig:
        phone = rig.phone("::1")
        port = rig.call("a", phone)
        for _ in range(5):
            phone.say(b"\x10" * 160, port, host="::1")
            rig.step()
        assert in_lane(rig, "a")
        stranger = rig.phone("::1", ssrc=7)
        stranger.say(b"\x10" * 160, port, host="::1")
        rig.step()
        assert rig.engine.sessions["a"].peer.strangers == 1


def test_many_records_written_at_once_read_as_those_written_one_by_one(tmp_path: Path) -> None:

    records = Records(tmp_path / "r", 4, ROW)
    bodies = np.frombuffer(random.Random(3).randbytes(3 * ROW), np.uint8).reshape(3, ROW)
    sheet = records.sheet(4)
    sheet.bodies[:3] = bodies
    records.write_rows(np.array([3, 0, 2]), np.array([7, 8, 9]), sheet)
    for body, (slot, generation) in zip(bodies, ((3, 7), (0, 8), (2, 9)), strict=True):
        assert records.read(slot) == [(generation, body.tobytes())]
    assert records.read(1) == []
    records.close()


def test_the_lane_writes_the_part_of_a_record_that_the_session_does() -> None:
    assert BEHIND + FAST.itemsize == ROW


def test_without_io_uring_the_sockets_are_served_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_sizes: int) -> None:
        raise UringError(1, "Operation not permitted")

    monkeypatch.setattr(wire, "RingWire", forbidden)
    assert type(wire.open_wire(1, 2048, 172)) is wire.SocketWire


@pytest.mark.parametrize("count", [3, 20])
def test_some_rows_are_asked_as_all_are(by: str, count: int) -> None:
    made = wire.RingWire(20, 2048, 172) if by == "ring" else wire.SocketWire(20, 2048, 172)
    phone, stranger = udp(), udp()
    sockets = [udp() for _ in range(20)]
    for row, sock in enumerate(sockets):
        made.put(row, sock, phone.getsockname(), phone.getsockname())
    made.receive(20)
    rows = np.arange(20)[::-1][:count]
    for row in rows[1:].tolist():
        (stranger if row == 18 else phone).sendto(b"%d" % row, sockets[row].getsockname())
    sizes, same = made.receive(rows)
    assert sizes[0] <= 0
    assert sizes[1:].tolist() == [len(str(row)) for row in rows[1:]]
    assert same[1:].tolist() == [row != 18 for row in rows[1:]]
    assert [bytes(made.inbox[row, :size]) for row, size in zip(rows[1:], sizes[1:], strict=True)] == [
        b"%d" % row for row in rows[1:]
    ]
    assert made.address(18) == stranger.getsockname()
    assert made.address(17) == phone.getsockname()
    made.close()
    for sock in (phone, stranger, *sockets):
        sock.close()


def test_a_batch_may_be_longer_than_the_ring() -> None:
    try:
        ring = Uring()
    except UringError as error:
        pytest.skip(f"the kernel has no io_uring for us: {error}")
    requests = ring.requests(3_000)  # an operation of 0 does nothing
    requests["token"] = np.arange(3_000)
    requests["operation"][1_500] = 255  # there is none of that number
    results = ring.run(requests)
    assert results[1_500] < 0
    assert not results[:1_500].any()
    assert not results[1_501:].any()
    ring.close()
