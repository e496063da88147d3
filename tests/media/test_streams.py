"""The audio channel's socket: who does not read loses frames and nothing else, who is gone is forgotten."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq

from actors.media.audio_doors import AudioDoors
from actors.media.audio_events import (
    MAX_MESSAGE,
    AudioError,
    Closed,
    Flush,
    Flushed,
    Frame,
    Full,
    Leave,
    Mark,
    Marked,
    Measure,
    Measured,
    Open,
    Opened,
    Progress,
    Refused,
    Request,
    Told,
    Write,
    decode_tick,
    encode,
    encode_tick,
)
from actors.media.audio_frame_events import Frames, Played, Writes, frame_head, packed_frame
from actors.media.g711 import Law
from actors.media.g711 import encode as compress
from actors.media.meter import SILENT
from actors.media.outlet import Outlet
from actors.media.streams import MAX_TOLD, Streams
from actors.runtime.mailbox import clock
from tests.media.rig import Phone, Rig

PATIENCE = 5_000  # milliseconds


class House:
    """An engine with its end of the channel, and clients of it."""

    def __init__(self, path: Path) -> None:
        self.rig = Rig(path)
        self.path = path
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.clients: list[Client] = []
        self.begin()

    def begin(self) -> None:
        engine = self.rig.engine
        doors = AudioDoors(self.path / "audio-0", "", self.path / "keys", clock)
        self.streams = Streams(doors, engine.floor.spoken, engine.of_call, engine.tapped, lambda *_: None)
        self.streams.settle(engine.sessions.values())

    def call(self, key: str, phone: Phone) -> None:
        self.rig.call(key, phone)
        self.rig.engine.sessions[key].call = f"call-{key}"

    def client(self, **options: int) -> Client:
        self.clients.append(Client(self, options))
        return self.clients[-1]

    def step(self, ticks: int = 1) -> None:
        for _ in range(ticks):
            self.rig.step()
            self.streams.tick()

    def written(self, keys: str) -> list[int]:
        """How much was written for these sessions."""
        taps = [self.rig.engine.floor.sessions.get(key) for key in keys]
        speakers = [each.taps.speaker for each in taps if each is not None and each.taps is not None]
        return [-1 if each is None else each.written for each in speakers]

    def serve(self, until: Callable[[], bool]) -> None:
        """Receive until it is so."""
        for _ in range(PATIENCE // 10):
            while self.streams.receive(0.0):
                pass
            if until():
                return
            zmq.select([*self.streams.filenos()], [], [], 0.01)
        raise AssertionError("it did not come to be")

    def close(self) -> None:
        for client in self.clients:
            client.socket.close(linger=0)
        self.context.term()
        self.streams.close()
        self.rig.__exit__(None, None, None)


class Client:
    def __init__(self, house: House, options: dict[str, int]) -> None:
        self.house = house
        self.socket = house.context.socket(zmq.DEALER)
        for name, value in options.items():
            self.socket.setsockopt(getattr(zmq, name), value)
        self.socket.connect(f"ipc://{house.path}/audio-0")
        self.told: list[Told] = []
        self.frames: list[Frame] = []
        self.blocks: list[Frames] = []

    def ask(self, *asks: Request) -> None:
        self.socket.send(encode(asks))

    def read(self, patience: int = 0) -> None:
        while self.socket.poll(patience):
            told, frames, blocks = decode_tick(self.socket.recv())
            self.told += told
            self.frames += frames
            self.blocks += blocks
            patience = 0

    def heard(self, tap: str | int) -> list[tuple[int, int, bytes]]:
        """The frames of a tap, or of a place."""
        if isinstance(tap, str):
            return [(each.seq, each.timestamp, each.data) for each in self.frames if each.tap == tap]
        blocks = [(block.seq, each) for block in self.blocks for each in block.each()]
        return [(seq, stamp, data) for seq, (place, stamp, data) in blocks if place == tap]

    def asked(self, *asks: Request) -> Told:
        """Ask, and wait for what is told first, but for progress."""
        before = len(self.told)
        self.ask(*asks)

        def answers() -> list[Told]:
            self.read()
            return [told for told in self.told[before:] if not isinstance(told, Progress)]

        self.house.serve(lambda: bool(answers()))
        return answers()[0]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


def test_the_socket_is_for_its_user_alone_and_a_call_that_is_not_there_is_refused(house: House) -> None:
    assert stat.S_IMODE((house.path / "audio-0").stat().st_mode) == 0o600
    client = house.client()
    refused = client.asked(Open("t", "nobody"))
    assert isinstance(refused, Refused)
    assert refused.code == "no_such_call"
    house.call("a", house.rig.phone())
    refused = client.asked(Open("t", "call-a", 44_100))
    assert isinstance(refused, Refused)
    assert refused.code == "bad_value"


def test_who_asks_is_told_how_the_call_goes_and_how_loud_both_sides_are(house: House) -> None:
    phone = house.rig.phone()
    house.call("a", phone)
    client = house.client()
    assert isinstance(client.asked(Open("t", "call-a", hear=False)), Opened)

    def measured() -> Measured:
        told = client.asked(Measure("t"))
        assert isinstance(told, Measured)
        return told

    assert measured()[:5] == ("t", "PCMU", 0, 0, 0)
    assert (measured().heard, measured().said) == (SILENT, SILENT)
    half = compress(np.full(160, 16_384, np.int16), Law.PCMU).tobytes()
    written = np.full(8_000, 1_638, np.int16).tobytes()  # 26 dB below full scale
    client.ask(Write("t", 0, written))
    speaker = house.rig.engine.sessions["a"].taps
    house.serve(lambda: speaker is not None and speaker.speaker is not None and speaker.speaker.written == 8_000)
    for n in range(20):
        if n != 10:
            phone.say(half, house.rig.engine.sessions["a"].pair.port)
        else:
            phone.sequence += 1
            phone.timestamp += 160
        house.step()
    now = measured()
    assert (now.sent, now.received, now.lost) == (20, 18, 1)  # the first one is on probation
    assert now.heard == pytest.approx(-6.0, abs=0.2)
    assert now.said == pytest.approx(-26.0, abs=0.3)
    assert 1.0 < now.mos <= 4.5
    house.step(20)
    assert measured().heard == SILENT


def test_who_does_not_read_loses_frames_by_their_numbers_and_nothing_it_is_told(house: House) -> None:
    house.call("a", house.rig.phone())
    slow, quick = house.client(RCVHWM=1, RCVBUF=4096), house.client()
    assert isinstance(slow.asked(Open("s", "call-a", 48_000)), Opened)
    assert isinstance(quick.asked(Open("q", "call-a", 8_000, speak=False)), Opened)
    slow.ask(Write("s", 0, bytes(2 * 960)), Mark("s", "m", 960))
    speaker = house.rig.engine.sessions["a"].taps
    house.serve(lambda: speaker is not None and speaker.speaker is not None and speaker.speaker.written == 960)
    for _ in range(600):
        house.step()
        quick.read(PATIENCE)
    assert house.streams.lost > 0
    assert [frame.seq for frame in quick.frames] == list(range(quick.frames[0].seq, quick.frames[0].seq + 600))
    for _ in range(2000):  # it reads again: what is told it has been kept
        house.step()
        quick.read(PATIENCE)
        slow.read(20)
        if slow.frames[-1].seq == quick.frames[-1].seq:
            break  # nothing is on its way any more, so every loss lies between two frames
    assert slow.frames[-1].seq == quick.frames[-1].seq
    assert [told for told in slow.told if isinstance(told, Marked)] != []
    numbers = [frame.seq for frame in slow.frames]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] - numbers[0] + 1 - len(numbers) == house.streams.lost


def test_who_is_gone_is_forgotten_and_another_may_speak(house: House) -> None:
    house.call("a", house.rig.phone())
    first, second = house.client(), house.client()
    first.asked(Open("f", "call-a"))
    assert isinstance(second.asked(Open("s", "call-a")), Refused)
    first.socket.close(linger=0)

    def forgotten() -> bool:
        house.step()
        return house.rig.engine.sessions["a"].taps is None

    house.serve(forgotten)
    assert isinstance(second.asked(Open("s", "call-a")), Opened)
    second.ask(Leave("s"))
    house.serve(lambda: house.rig.engine.sessions["a"].taps is None)


def test_a_flush_is_answered_at_once_and_the_end_of_the_session_is_told(house: House) -> None:
    house.call("a", house.rig.phone())
    client = house.client()
    client.asked(Open("t", "call-a", 8_000, hear=False))
    client.ask(Write("t", 0, bytes(2 * 8_000)))
    house.serve(lambda: (taps := house.rig.engine.sessions["a"].taps) is not None and taps.speaker.written == 8_000)  # type: ignore[union-attr]
    house.step(7)
    client.read(PATIENCE)
    flushed = client.asked(Flush("t", 8_000))
    assert isinstance(flushed, Flushed)
    assert (flushed.at, flushed.to) == (7 * 160, 8_000)
    house.rig.engine.close("a", house.rig.now, 0.0)
    house.streams.tick()
    client.read(PATIENCE)
    assert isinstance(client.told[-1], Closed)


def test_noise_is_dropped_and_what_speaks_of_no_tap_changes_nothing(house: House) -> None:
    house.call("a", house.rig.phone())
    client = house.client()
    for data in (b"", b"\x80", b"\xc1", bytes(200), encode([])[:-1]):
        client.socket.send(data)
    client.ask(Write("x", 0, b"12"), Mark("x", "m", 0), Flush("x", 5), Leave("x"))
    assert isinstance(client.asked(Open("t", "call-a")), Opened)
    assert house.streams.dropped == 5
    with pytest.raises(AudioError):
        decode_tick(bytes(MAX_MESSAGE + 1))


def test_who_never_reads_what_it_is_told_is_given_up(house: House) -> None:
    house.call("a", house.rig.phone())
    client = house.client(RCVHWM=1, RCVBUF=4096)
    client.asked(Open("t", "call-a", 48_000))
    total = 0
    while house.rig.engine.sessions["a"].taps is not None:
        house.step(20)
        client.ask(*(Mark("t", f"{total}-{n}", 0) for n in range(200)))
        total += 200
        assert total < 100 * MAX_TOLD

        def taken() -> bool:
            return not house.streams.waiting()

        house.serve(taken)


def test_a_successor_knows_how_far_written_audio_was_played(house: House) -> None:
    phone = house.rig.phone()
    house.call("a", phone)
    client = house.client()
    client.asked(Open("t", "call-a", 8_000, hear=False))
    client.ask(Write("t", 0, bytes(2 * 8_000)))
    house.serve(lambda: (taps := house.rig.engine.sessions["a"].taps) is not None and taps.speaker.written == 8_000)  # type: ignore[union-attr]
    house.step(9)
    facts = house.rig.facts("a", phone, call="call-a")
    client.socket.close(linger=0)
    house.streams.close()
    house.rig.kill()
    house.rig.now += 0.06
    house.rig.begin()
    assert house.rig.engine.restore({"a": facts}, house.rig.now) == {}
    house.begin()
    house.step(3)
    opened = house.client().asked(Open("t", "call-a", 8_000, hear=False, played=160))
    assert opened == Opened("t", 8_000, 16_000, 9 * 160, True, 0, 0)


def test_taps_with_places_are_heard_written_to_and_told_of_in_one_go(house: House) -> None:
    client, other = house.client(), house.client()
    phones = {key: house.rig.phone(ssrc=number) for number, key in enumerate("abc", 1)}
    for key, phone in phones.items():
        house.call(key, phone)
        assert isinstance(client.asked(Open(f"t-{key}", f"call-{key}", 8000, place=300 + ord(key))), Opened)
        assert isinstance(other.asked(Open(f"o-{key}", f"call-{key}", 8000, speak=False)), Opened)
    places = b"".join((300 + ord(key)).to_bytes(2, "little") for key in "cab")
    samples = b"".join(np.full(160, 100 * number, np.int16).tobytes() for number in range(3))
    for tick in range(20):
        for phone, key in zip(phones.values(), "abc", strict=True):
            phone.say(key.encode() * 160, house.rig.engine.sessions[key].pair.port)
        client.ask(Writes(places, (160 * tick).to_bytes(8, "little") * 3, samples))
        house.serve(lambda at=160 * tick + 160: house.written("abc") == [at] * 3)  # type: ignore[misc]
        house.step()

    def newest(each: Client, tap: str | int) -> int:
        each.read()
        return max((seq for seq, _, _ in each.heard(tap)), default=0)

    last = house.rig.engine.floor.tick
    house.serve(lambda: newest(client, 300 + ord("b")) == newest(other, "o-b") == last)
    for key in "abc":
        assert client.heard(300 + ord(key)) == other.heard(f"o-{key}")[-len(client.heard(300 + ord(key))) :]
    assert not client.frames
    assert not other.blocks
    for number, key in enumerate("cab"):
        said = [packet.payload for packet in phones[key].heard()]
        assert compress(np.full(160, 100 * number, np.int16), Law.PCMU).tobytes() in said
    assert {place: at for told in client.told if isinstance(told, Played) for place, at in told.each()} == {
        300 + ord(key): 3200 for key in "abc"
    }
    assert not [told for told in client.told if isinstance(told, Progress)]
    client.ask(Flush("t-a", 3200))
    assert isinstance(client.asked(Writes(places, (4000).to_bytes(8, "little") * 3, samples)), Flushed)
    full = {Full(f"t-{key}", 3200) for key in "abc"}
    house.serve(lambda: client.read() is None and {told for told in client.told if isinstance(told, Full)} == full)  # type: ignore[func-returns-value]


def test_a_place_is_one_taps_alone_until_it_leaves_and_what_is_written_to_no_tap_is_dropped(house: House) -> None:
    client, phone = house.client(), house.rig.phone()
    house.call("a", phone)
    house.call("b", phone)
    assert isinstance(client.asked(Open("t", "call-a", 8000, place=5)), Opened)
    assert isinstance(client.asked(Open("t", "call-a", 8000, place=5)), Opened)
    refused = client.asked(Open("u", "call-b", 8000, place=5))
    assert isinstance(refused, Refused)
    assert refused.code == "bad_value"
    client.ask(Writes(b"\5\0\6\0\5\0", bytes(16) + (160).to_bytes(8, "little"), bytes(3 * 320)))
    house.serve(lambda: house.written("a") == [320])
    client.ask(Leave("t"))
    assert isinstance(client.asked(Open("u", "call-b", 8000, place=5)), Opened)
    client.ask(Writes(b"\5\0", bytes(8), bytes(320)))
    house.serve(lambda: house.written("b") == [160])


def test_two_programs_with_the_same_token_both_hear(house: House) -> None:
    house.call("a", house.rig.phone())
    one, two = house.client(), house.client()
    for each in (one, two):
        assert isinstance(each.asked(Open("t", "call-a", 8000, speak=False)), Opened)
    house.step(5)
    for each in (one, two):
        each.read(PATIENCE)
        assert each.frames
    assert isinstance(two.asked(Leave("t"), Measure("t"), Open("u", "call-a", 8000, speak=False)), Opened)
    one.frames.clear()
    house.step(5)
    one.read(PATIENCE)
    assert one.frames
    house.rig.engine.close("a", house.rig.now, 0.0)
    house.step()
    one.read(PATIENCE)
    assert isinstance(one.told[-1], Closed)


def test_a_tap_that_is_opened_on_another_connection_speaks_there_and_its_last_one_is_told(house: House) -> None:
    house.call("a", house.rig.phone())
    one, two = house.client(), house.client()
    assert isinstance(one.asked(Open("t", "call-a", 8000, place=1)), Opened)
    assert isinstance(one.asked(Write("t", 0, bytes(3200)), Mark("t", "begin", 0)), Marked)
    assert isinstance(two.asked(Open("t", "call-a", 8000)), Opened)
    house.step()
    one.read(PATIENCE)
    assert isinstance(one.told[-1], Closed)
    one.ask(Write("t", 1600, bytes(3200)), Mark("t", "m", 0))
    marked = two.asked(Mark("t", "mine", 0))
    assert isinstance(marked, Marked)
    assert marked.name == "mine"
    one.socket.close(linger=0)
    for _ in range(PATIENCE):
        house.step()
        if len(house.streams._clients) == 1:
            break
    assert isinstance(two.asked(Mark("t", "still", 0)), Marked)
    taps = house.rig.engine.sessions["a"].taps
    assert taps is not None
    assert taps.speaker is not None
    assert taps.speaker.written == 1600


def test_a_tap_that_is_opened_again_is_as_it_was_opened_last(house: House) -> None:
    house.call("a", house.rig.phone())
    house.call("b", house.rig.phone())
    client = house.client()
    assert isinstance(client.asked(Open("t", "call-a", 8000)), Opened)
    wide = client.asked(Open("t", "call-a", 16_000))
    assert isinstance(wide, Opened)
    assert (wide.rate, wide.window) == (16_000, 32_000)
    house.step(3)
    client.read(PATIENCE)
    assert {len(frame.data) for frame in client.frames} == {640}
    listener = client.asked(Open("t", "call-a", 16_000, speak=False))
    assert isinstance(listener, Opened)
    assert listener.window == 0
    other = house.client()
    assert isinstance(other.asked(Open("o", "call-a", 8000, hear=False)), Opened)
    assert isinstance(client.asked(Open("t", "call-b", 8000)), Opened)
    taps = house.rig.engine.sessions["a"].taps
    assert taps is not None
    assert not taps.listeners


def test_more_frames_than_a_message_holds_come_in_several() -> None:
    outlet = Outlet()
    places = b"".join(each.to_bytes(2, "little") for each in range(300))
    outlet.block(8, 48_000, places[:6], bytes(12), bytes(3 * 1920))
    outlet.block(7, 48_000, places, bytes(1200), bytes(300 * 1920))
    outlet.told += [Marked("t" * 64, "\N{SNOWMAN}" * 64, 1 << 60, False, 1)] * 300
    outlet.frames += [packed_frame(frame_head("t" * 64), 1, 1, bytes(1920))] * 100
    parcels = outlet.parcels()
    messages = [encode_tick(each.told, each.frames, each.blocks) for each in parcels]
    assert max(map(len, messages)) <= MAX_MESSAGE
    read = [decode_tick(each) for each in messages]
    assert [block.seq for each in read for block in each.blocks] == [7] * 10 + [8]
    assert b"".join(block.places for each in read for block in each.blocks) == places + places[:6]
    assert sum(len(each.told) for each in read) == 300
    assert sum(len(each.frames) for each in read) == 100
    assert sum(each.sounds for each in parcels) == 100 + 303
    assert outlet.empty
