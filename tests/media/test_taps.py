"""Taps: what a speaker writes is played once, in order, and cut at the very sample; what listeners get is the frame."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_type_hints

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.media.audio_events import (
    FRAMES_A_SECOND,
    MAX_MESSAGE,
    REQUESTS,
    TOLD,
    VERSION,
    AudioError,
    Closed,
    Flushed,
    Frame,
    Full,
    Mark,
    Marked,
    Open,
    Opened,
    Write,
    decode,
    decode_tick,
    encode,
    encode_tick,
)
from actors.media.audio_frame_events import PLACES, Frames, Played, Writes, frame_head, packed_frame
from actors.media.g711 import Law
from actors.media.g711 import decode as expand
from actors.media.g711 import encode as compress
from actors.media.outlet import Outlet
from actors.media.pieces import FRAME
from actors.media.rtp import MASK
from actors.media.speaker import Kept, Speaker
from actors.media.speech import PROGRESS, Speech
from actors.media.taps import Ears, Taps
from tests.live.sound import pitch, tone
from tests.media.rig import Rig

WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=10)
VALUES = {str: WORDS, int: st.integers(0, 1 << 40), bool: st.booleans(), bytes: st.binary(max_size=50)}
VALUES |= {float: st.floats(allow_nan=False)}


FRAMES = st.builds(Frame, WORDS, st.integers(0, 1 << 40), st.integers(0, MASK), st.binary(max_size=50))


@st.composite
def arrays(draw: st.DrawFn, kind: type) -> object:
    """A record of several taps: an array a field, of as many."""
    count, rate = draw(st.integers(1, 4)), draw(st.sampled_from((8000, 48_000)))
    size = rate // FRAMES_A_SECOND if kind is Frames else draw(st.integers(0, 5))
    values: dict[str, object] = {"rate": rate, "seq": draw(st.integers(0, 1 << 40)), "data": bytes(2 * size * count)}
    values["places"] = draw(st.binary(min_size=2 * count, max_size=2 * count))
    values["timestamps"] = draw(st.binary(min_size=4 * count, max_size=4 * count))
    values["at"] = b"".join(draw(st.integers(0, (1 << 62) - 1)).to_bytes(8, "little") for _ in range(count))
    return kind(**{name: values[name] for name in get_type_hints(kind)})


PLACE = st.integers(-1, PLACES - 1)


def record(kind: type) -> st.SearchStrategy[object]:
    if kind in (Writes, Played, Frames):
        return arrays(kind)
    if kind is Open:
        return st.builds(Open, WORDS, WORDS, st.just(8000), st.booleans(), st.booleans(), VALUES[int], PLACE)
    return st.builds(kind, **{name: VALUES[hint] for name, hint in get_type_hints(kind).items()})


@given(st.lists(st.one_of(*map(record, REQUESTS.values())), max_size=5))
def test_what_a_client_asks_is_read_as_it_was_written(asks: list[object]) -> None:
    assert decode(encode(asks)) == asks  # type: ignore[arg-type]


@given(
    st.lists(st.one_of(*map(record, TOLD.values())), max_size=5),
    st.lists(FRAMES, max_size=5),
    st.lists(record(Frames), max_size=3),
)
def test_what_the_service_says_is_read_as_it_was_written(
    told: list[object], frames: list[object], blocks: list[object]
) -> None:
    packed = [packed_frame(frame_head(each.tap), each.seq, each.timestamp, each.data) for each in frames]  # type: ignore[attr-defined]
    assert decode_tick(encode_tick(told, packed, blocks)) == (told, frames, blocks)  # type: ignore[arg-type]


ANY = st.none() | st.booleans() | st.integers(-9, 1 << 63) | st.floats() | WORDS | st.binary(max_size=9)
ITEMS = st.dictionaries(
    st.sampled_from(["op", "t", "tap", "at", "data", "seq", "v", "places", "place"]), ANY | st.lists(ANY), max_size=5
)
KINDS = st.fixed_dictionaries({"op": st.sampled_from([*REQUESTS, *TOLD]), "t": st.sampled_from([*REQUESTS, *TOLD])})
LISTS = ANY | st.lists(ANY | ITEMS | st.builds(lambda kind, more: {**more, **kind}, KINDS, ITEMS), max_size=4)
MAPS = st.fixed_dictionaries(
    {"v": st.just(VERSION)}, optional=dict.fromkeys(("asks", "told", "frames", "blocks"), LISTS)
)


@given(st.binary(max_size=200) | MAPS.map(msgpack.packb))
def test_bytes_are_a_message_or_an_error_of_ours(data: bytes) -> None:
    try:
        asks = decode(data)
    except AudioError as error:
        assert str(error)  # noqa: PT017 - that it may succeed is the point
    else:
        assert {type(each) for each in asks} <= set(REQUESTS.values())
        assert decode(encode(asks)) == asks
    try:
        told, frames, blocks = decode_tick(data)
    except AudioError as error:
        assert str(error)  # noqa: PT017 - as above
    else:
        assert {type(each) for each in told} <= set(TOLD.values())
        assert {type(each) for each in frames} <= {Frame}
        assert all(each.fits for each in blocks)


def test_what_is_too_long_or_of_another_shape_is_refused() -> None:
    for data in (
        bytes(MAX_MESSAGE + 1),
        encode([Open("", "c")]),
        encode([Write("t" * 65, 0, b"")]),
        encode([Write("t", -1, b"")]),
        encode([Write("t", "0", b"")]),  # type: ignore[arg-type]
        encode([])[:-1],
        encode([Open("t", "c", place=-2)]),
        encode([Open("t", "c", place=65_536)]),
        encode([Writes(b"", b"", b"")]),
        encode([Writes(b"\0\0\1", bytes(8), b"")]),
        encode([Writes(b"\0\0\1\0", bytes(8), b"")]),
        encode([Writes(b"\0\0\1\0", bytes(16), b"\0\0")]),
        encode([Writes(b"\0\0", b"\xff" * 8, b"")]),
    ):
        with pytest.raises(AudioError):
            decode(data)


def numbered(start: int, count: int) -> bytes:
    return (np.arange(start, start + count) % 30_000).astype(np.int16).tobytes()


WRITTEN = st.lists(
    st.tuples(st.integers(-1, 3), st.sampled_from((0, 0, 0, -160, 160)), st.sampled_from((160, 160, 160, 37, 8000))),
    max_size=40,
)


@given(WRITTEN, st.sampled_from((8000, 16_000)))
def test_several_speakers_take_in_and_play_together_what_each_would_alone(
    acts: list[tuple[int, int, int]], rate: int
) -> None:
    """Writes for all of them or for one, as they should be or not; then a tick."""
    together, alone = Speech(rate), Speech(rate)
    ours = [Speaker(str(each), together, Outlet(), place=each) for each in range(4)]
    theirs = [Speaker(str(each), alone, Outlet(), place=each) for each in range(4)]
    at_all = np.array([each.row for each in ours], np.intp)
    chance = np.random.default_rng(len(acts))
    for tick, (which, off, size) in enumerate(acts, 1):
        count = size * rate // 8000
        samples = chance.integers(-9, 9, (4, count), np.int16)
        at = np.array([max(0, each.written + off) for each in theirs])
        if which >= 0:
            ours[which].write(Write("", int(at[which]), samples[which].tobytes()))
            theirs[which].write(Write("", int(at[which]), samples[which].tobytes()))
        else:
            taken = together.write(at_all, at, samples)
            for index, each in enumerate(theirs):
                each.write(Write("", int(at[index]), samples[index].tobytes()))
                if not taken[index]:
                    ours[index].write(Write("", int(at[index]), samples[index].tobytes()))
        went, frames = together.take(at_all, tick, np.full(4, 160 * tick + 160))
        said = dict(zip(np.flatnonzero(went).tolist(), map(np.ndarray.tobytes, frames), strict=True))
        for index, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            if not went[index]:
                said[index] = our.take(160 * tick, 160) or b""
                our.note(due=tick + 1)
            elif our.speech.numbers["ticks"][our.row] >= PROGRESS:
                our.progress()
            assert said[index] == (their.take(160 * tick, 160) or b"")
            assert (our.played, our.written) == (their.played, their.written)
            assert our.outlet.told == their.outlet.told
    assert together.quiet(at_all).tolist() == [each.played == each.written and not each.due for each in ours]


def test_rows_of_speakers_that_left_are_taken_again_and_begin_anew() -> None:
    speech = Speech(8000)
    speakers = [Speaker(str(each), speech, Outlet()) for each in range(5)]
    for each in speakers:
        each.write(Write("", 0, numbered(int(each.tap), 200)))
    speakers[3].end()
    other = Speaker("9", speech, Outlet(), 77)
    assert other.row == speakers[3].row
    assert (other.played, other.written, other.due) == (77, 77, 0)
    assert speakers[4].take(0, 160) == numbered(4, 160)


ACTS = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 900)),
    st.tuples(st.just("again"), st.integers(0, 900)),
    st.tuples(st.just("take"), st.integers(1, 12)),
    st.tuples(st.just("mark"), st.just(0)),
    st.tuples(st.just("flush"), st.just(0)),
)


class Writer:
    """Writes numbered samples to a speaker, and keeps what became of each."""

    def __init__(self) -> None:
        self.outlet = Outlet()
        self.speaker = Speaker("t", Speech(8000), self.outlet)
        self.heard: list[int] = []
        self.cut: list[int] = []
        self.written = self.marks = 0

    def write(self, count: int) -> None:
        self.speaker.write(Write("t", self.written, numbered(self.written, count)))
        self.written = self.speaker.written

    def again(self, count: int) -> None:
        at = max(self.speaker.flushed, self.written - count)
        self.speaker.write(Write("t", at, numbered(at, self.written - at)))

    def mark(self, _: int) -> None:
        self.speaker.mark(Mark("t", f"m{self.marks}", self.written))
        self.marks += 1

    def flush(self, _: int) -> None:
        anew = self.written > self.speaker.flushed
        self.speaker.flush(self.written)
        told = self.outlet.told[-1]
        assert isinstance(told, Flushed)
        if anew:
            self.cut += range(told.at, self.written)
        self.speaker.flush(self.written)
        assert self.outlet.told[-1] == told

    def take(self, ticks: int) -> None:
        for _ in range(ticks):
            at = self.speaker.played
            frame = self.speaker.take(0, FRAME)
            if frame is not None:
                count = self.speaker.played - at
                assert frame == numbered(at, count).ljust(2 * FRAME, b"\0")
                self.heard += range(at, at + count)


@given(st.lists(ACTS, max_size=40))
def test_each_sample_is_played_once_in_order_or_cut_and_every_mark_is_told_once(acts: list[tuple[str, int]]) -> None:
    writer = Writer()
    speaker = writer.speaker
    for act, number in acts:
        getattr(writer, act)(number)
        assert speaker.written == writer.written
        assert speaker.played <= writer.written <= speaker.played + speaker.speech.window
    while speaker.played < writer.written:
        writer.take(1)
    assert writer.heard == sorted(writer.heard)
    assert sorted(writer.heard + writer.cut) == list(range(writer.written))
    told = [told.name for told in writer.outlet.told if isinstance(told, Marked)]
    assert sorted(told) == sorted(f"m{number}" for number in range(writer.marks))


def test_a_writer_that_does_not_wait_is_told_where_to_go_on() -> None:
    outlet = Outlet()
    speaker = Speaker("t", Speech(8000), outlet)
    speaker.write(Write("t", 0, bytes(2 * 20_000)))
    assert outlet.told == [Full("t", 16_000)]
    speaker.write(Write("t", 20_000, bytes(10)))
    assert outlet.told[1:] == [Full("t", 16_000)]
    speaker.take(0, FRAME)
    speaker.write(Write("t", 16_000, bytes(2 * 200)))
    assert outlet.told[2:] == [Full("t", 16_160)]


def test_less_than_a_frame_waits_for_its_rest_unless_a_mark_ends_it() -> None:
    outlet = Outlet()
    speaker = Speaker("t", Speech(8000), outlet)
    speaker.write(Write("t", 0, numbered(0, 100)))
    assert speaker.take(0, FRAME) is None
    speaker.write(Write("t", 100, numbered(100, 100)))
    assert speaker.take(0, FRAME) == numbered(0, FRAME)
    speaker.mark(Mark("t", "end", 200))
    assert speaker.take(FRAME, FRAME) == numbered(FRAME, 40).ljust(320, b"\0")
    assert outlet.told == [Marked("t", "end", 200, False, FRAME)]
    speaker.write(Write("t", 200, bytes(2)))
    assert [speaker.take(0, FRAME) is None for _ in range(6)] == [True] * 5 + [False]


# In the engine.


def heard_by(taps: Taps, outlet: Outlet) -> list[Frame]:
    taps._all.deliver()
    return [decode_tick(encode_tick([], [frame]))[1][0] for frame in outlet.frames]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def tapped(rig: Rig, key: str, kept: list[bytes] | None = None) -> Taps:
    session = rig.engine.sessions[key]
    session.taps = Taps(session, Ears(), (kept if kept is not None else []).append)
    rig.engine.tapped(session)
    return session.taps


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
def test_a_listener_hears_the_peer_and_the_peer_a_speaker_at_any_rate(rig: Rig, rate: int) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    outlet = Outlet()
    taps = tapped(rig, "a")
    assert taps.open(Open("t", "c", rate), outlet, None)
    assert outlet.told == [Opened("t", rate, 2 * rate, 0, True, 0, 0)]
    said = compress(tone(440.0, 1.0), Law.PCMU).tobytes()
    speaker = taps.speaker
    assert speaker is not None
    speaker.write(Write("t", 0, tone(1000.0, 1.0, rate).tobytes()))
    heard = b""
    for tick in range(50):
        phone.say(said[tick * FRAME : (tick + 1) * FRAME], port)
        rig.step()
        heard += b"".join(packet.payload for packet in phone.heard())
    frames = heard_by(taps, outlet)
    assert [frame.seq for frame in frames] == list(range(frames[0].seq, frames[0].seq + 50))
    assert {len(frame.data) for frame in frames} == {2 * rate // 50}
    known = [frame.timestamp for frame in frames if frame.timestamp]
    assert {(after - before) & 0xFFFFFFFF for before, after in itertools.pairwise(known)} == {FRAME}
    sound = np.frombuffer(b"".join(frame.data for frame in frames[10:]), np.int16)
    assert abs(pitch(sound, rate) - 440) < 3
    assert abs(pitch(expand(np.frombuffer(heard[1600:], np.uint8), Law.PCMU)) - 1000) < 3
    assert speaker.played == rate


def test_the_timestamp_of_a_frame_is_that_of_the_packet_it_came_in(rig: Rig) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    outlet = Outlet()
    taps = tapped(rig, "a")
    taps.open(Open("t", "c", 8000, speak=False), outlet, None)
    sent: dict[bytes, int] = {}
    for number in range(20):
        payload = bytes((0x80 + number,)) * FRAME
        sent[expand(np.frombuffer(payload, np.uint8), Law.PCMU).tobytes()] = phone.timestamp & 0xFFFFFFFF
        phone.say(payload, port)
        rig.step()
    heard = [frame for frame in heard_by(taps, outlet) if frame.data in sent]
    assert len(heard) > 10
    assert all(frame.timestamp == sent[frame.data] for frame in heard)


@given(ticks=st.integers(1, 40))
def test_what_the_peer_heard_is_what_the_cut_says(ticks: int) -> None:
    with TemporaryDirectory() as folder, Rig(Path(folder)) as rig:
        phone = rig.phone()
        rig.call("a", phone)
        outlet = Outlet()
        kept: list[bytes] = []
        taps = tapped(rig, "a", kept)
        taps.open(Open("t", "c", 8000, hear=False), outlet, None)
        assert taps.speaker is not None
        said = compress(tone(700.0, 2.0), Law.PCMU)
        taps.speaker.write(Write("t", 0, expand(said, Law.PCMU).tobytes()))
        rig.step(ticks)
        taps.flush(16_000)
        rig.step(5)
        heard = b"".join(packet.payload for packet in phone.heard())
        (flushed,) = [told for told in outlet.told if isinstance(told, Flushed)]
        assert heard == said.tobytes()[: flushed.at] + b"\xff" * (5 * FRAME)
        assert flushed.at == ticks * FRAME
        left = Kept.unpacked(kept[-1])
        assert (left.tap, left.played, left.cut, left.flushed) == ("t", 16_000, flushed.at, 16_000)


@given(st.lists(st.tuples(st.integers(0, 700), st.integers(1, 9), st.booleans()), min_size=1, max_size=8))
def test_at_every_tick_a_successor_would_know_how_far_it_was_played(acts: list[tuple[int, int, bool]]) -> None:
    with TemporaryDirectory() as folder, Rig(Path(folder)) as rig:
        rig.call("a", rig.phone())
        kept: list[bytes] = []
        taps = tapped(rig, "a", kept)
        taps.open(Open("t", "c", 8000, hear=False), Outlet(), None)
        assert taps.speaker is not None
        for count, ticks, flush in acts:
            taps.speaker.write(Write("t", taps.speaker.written, bytes(2 * count)))
            if flush:
                taps.flush(taps.speaker.written)
            for _ in range(ticks):
                rig.step()
                left = Kept.unpacked(kept[-1]).at_rest(rig.engine.floor.tick)
                assert left.played == taps.speaker.played
                assert Kept.unpacked(left.packed()) == left


def test_only_one_speaks_and_others_hear_and_a_closed_session_tells_them(rig: Rig) -> None:
    phone = rig.phone()
    rig.call("a", phone)
    first, second = Outlet(), Outlet()
    taps = tapped(rig, "a")
    assert taps.open(Open("t", "c"), first, None)
    assert not taps.open(Open("u", "c"), second, None)
    assert taps.open(Open("u", "c", speak=False), second, None)
    rig.step(3)
    assert len(heard_by(taps, first)) == len(heard_by(taps, second)) == 3
    rig.engine.close("a", rig.now, 0.0)
    assert isinstance(first.told[-1], Closed)
    assert isinstance(second.told[-1], Closed)


def test_a_speaker_goes_on_where_the_record_says_and_says_so_where_there_is_none(rig: Rig) -> None:
    phone = rig.phone()
    rig.call("a", phone)
    outlet = Outlet()
    kept = Kept(rig.engine.sessions["a"].identity, "t", 16_000, 5_000, 100, 200)
    tapped(rig, "a").open(Open("t", "c", played=4_000), outlet, kept)
    assert outlet.told == [Opened("t", 16_000, 32_000, 5_000, True, 100, 200)]
    for other in (kept._replace(identity=1), kept._replace(tap="u"), None):
        outlet.told.clear()
        tapped(rig, "a").open(Open("t", "c", played=4_000), outlet, other)
        assert outlet.told == [Opened("t", 16_000, 32_000, 4_000, False, 0, 0)]
