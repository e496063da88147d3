"""A tap of a client's, told of what the media processes say: how it ends, and how it goes on elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from actors.control.audio_lines import FOUND, Lines
from actors.control.paths import Where
from actors.control.tapping import Tap
from actors.media.audio_events import (
    Closed,
    Flush,
    Leave,
    Mark,
    Open,
    Opened,
    Progress,
    Refused,
    Request,
    Write,
    decode,
    encode_tick,
)

WINDOW = 16_000


class Process:
    """A media process, played by the test."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], path: Path) -> None:
        self.socket = context.socket(zmq.ROUTER)
        self.socket.bind(f"ipc://{path}")
        self.client = b""

    def asked(self) -> list[Request]:
        """What comes next."""
        assert self.socket.poll(5000)
        self.client, data = self.socket.recv_multipart()
        return decode(data)

    def tell(self, *told: Opened | Refused | Closed) -> None:
        self.socket.send_multipart([self.client, encode_tick(told, ())])


class House:
    """Two of them, and a client."""

    def __init__(self, path: Path) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.processes = [Process(self.context, path / f"audio-{number}") for number in (0, 1)]
        self.lines = Lines(self.context, Where("here", f"ipc://{path}/control", None, 1.0, ""), ())
        self.here, self.there = sorted(self.lines.find(), key=lambda line: line.address)
        self.tap = self.here.add(Open("", "c", 8000))
        self.here.send([self.tap.open()])
        assert [type(each) for each in self.processes[0].asked()] == [Open]
        self.tell(0, Opened(self.tap.token, 8000, WINDOW, 0, True, 0, 0))

    def tell(self, number: int, *told: Opened | Refused | Closed) -> None:
        self.processes[number].tell(*told)
        line = (self.here, self.there)[number]
        end = time.monotonic() + 5
        while not line.read():
            assert time.monotonic() < end
            line.socket.poll(100)

    def moved(self) -> tuple[Open, Open]:
        """The call moves; what both processes are asked then."""
        self.tell(0, Closed(self.tap.token, "the audio of the call moved", True))
        assert self.processes[0].asked() == [Leave(self.tap.token)]
        assert not self.lines.seek(0.0)
        asked = [process.asked() for process in self.processes]
        (first,), (second,) = asked
        assert isinstance(first, Open)
        assert isinstance(second, Open)
        return first, second

    def close(self) -> None:
        self.lines.close()
        for process in self.processes:
            process.socket.close(linger=0)
        self.context.term()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


def test_it_goes_on_where_the_call_is_and_writes_what_was_not_played(house: House) -> None:
    tap = house.tap
    tap.write(bytes(range(200)) * 4)
    mark = tap.mark()
    tap.take(Progress(tap.token, 100))
    first, second = house.moved()
    assert {first.hear, first.speak, second.hear, second.speak} == {False}  # they only look for it
    assert tap.token not in (first.tap, second.tap)
    house.tell(0, Refused(first.tap, "no_such_call", "not here"))
    assert not house.lines.seek(0.0)
    house.tell(1, Opened(second.tap, 8000, 0, 0, True, 0, 0))
    assert house.lines.seek(0.0)
    assert house.lines.line_of(tap, house.here) is house.there
    left, opened = house.processes[1].asked()
    assert left == Leave(second.tap)
    assert opened == Open(tap.token, "c", 8000, played=100, place=tap.place)
    house.tell(1, Opened(tap.token, 8000, WINDOW, 150, True, 0, 0))
    house.there.flush()
    written, marked = house.processes[1].asked()
    assert written == Write(tap.token, 150, (bytes(range(200)) * 4)[300:])
    assert marked == Mark(tap.token, mark.name, 400)
    assert tap.exact
    assert not tap.closed


def test_a_flush_that_was_not_answered_is_asked_again_there(house: House) -> None:
    house.tap.write(bytes(800))
    house.tap.flush()
    _, second = house.moved()
    house.tell(1, Opened(second.tap, 8000, 0, 0, True, 0, 0))
    assert house.lines.seek(0.0)
    house.processes[1].asked()
    house.tell(1, Opened(house.tap.token, 8000, WINDOW, 0, True, 0, 0))
    house.there.flush()
    assert house.processes[1].asked() == [Flush(house.tap.token, 400)]


def test_one_whose_process_was_restarted_and_has_no_such_call_is_sought_too(house: House) -> None:
    house.tell(0, Refused(house.tap.token, "no_such_call", "not here"))
    assert house.tap.adrift
    assert house.lines.seeking


def test_one_that_is_nowhere_is_over_in_the_end_and_its_marks_are_cut(house: House) -> None:
    mark = house.tap.mark()
    first, second = house.moved()
    for number, each in enumerate((first, second)):
        house.tell(number, Refused(each.tap, "no_such_call", "not here"))
    assert not house.lines.seek(FOUND - 0.001)
    assert house.lines.seek(FOUND)
    assert house.tap.closed == "the audio of the call moved, and is nowhere"
    assert mark.cut
    assert not house.lines.seeking


def test_one_that_may_not_be_had_there_is_over_and_says_why(house: House) -> None:
    _, second = house.moved()
    house.tell(1, Refused(second.tap, "denied", "this key may not"))
    assert house.lines.seek(0.0)
    assert "this key may not" in house.tap.closed


def test_one_that_is_left_while_it_is_sought_is_not_opened_again(house: House) -> None:
    _, second = house.moved()
    house.tap.leave()
    house.tell(1, Opened(second.tap, 8000, 0, 0, True, 0, 0))
    assert house.lines.seek(0.0)
    assert not house.lines.seeking
    assert house.processes[1].asked() == [Leave(second.tap)]
    assert not house.there.taps


def test_the_end_of_the_call_is_the_end_of_it() -> None:
    tap = Tap(Open("t", "c", 8000))
    tap.take(Opened("t", 8000, WINDOW, 0, True, 0, 0))
    tap.take(Closed("t", "the audio of the call is over"))
    tap.take(Closed("t", "the audio of the call moved", True))
    assert tap.closed == "the audio of the call is over"
    assert not tap.adrift
