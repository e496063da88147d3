"""Subscribers: resumption, credit, and bounded memory for slow ones."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.control.log import EventLog
from actors.control.protocol import decode_frame, pack
from actors.control.records import Bye, Events, Frame, Gap, Refused, Subscribe, Subscribed
from actors.control.subscriptions import MAX_SUBSCRIBERS, MAX_WINDOW, Subscriptions

KEY = (b"peer", "1")


class House:
    """A log and its subscribers."""

    def __init__(self, limit: int = 100, log_id: str = "log") -> None:
        self.log = EventLog(limit)
        self.subscriptions = Subscriptions(self.log, log_id)

    def add(self, count: int = 1) -> None:
        for _ in range(count):
            number = self.log.last + 1
            self.log.append(number, pack({"seq": number}))

    def subscribe(self, since: int = -1, window: int = 10, log: str = "", *, idle: bool = True) -> list[Frame]:
        return [decode_frame(data) for data in self.subscriptions.subscribe(KEY, Subscribe(since, window, log, idle))]

    def fed(self) -> list[Frame]:
        frames: list[Frame] = []
        more = True
        while more:
            part, more = self.subscriptions.feed(KEY)
            frames += [decode_frame(data) for data in part]
        return frames

    def numbers(self) -> list[int]:
        return [event["seq"] for frame in self.fed() if isinstance(frame, Events) for event in frame.events]


@pytest.fixture
def house() -> House:
    return House()


def test_a_subscriber_without_a_position_gets_what_comes_from_now_on(house: House) -> None:
    house.add(3)
    assert house.subscribe() == [Subscribed("1", 3, 3, "log")]
    assert house.numbers() == []
    house.add(2)
    assert house.numbers() == [4, 5]
    assert house.numbers() == []


def test_now_stays_the_moment_it_was_first_asked(house: House) -> None:
    house.add(3)
    house.subscribe()
    house.add(2)
    assert house.subscribe() == [Subscribed("1", 3, 5, "log")]
    assert house.numbers() == [4, 5]


def test_a_subscriber_gets_no_more_than_it_asked_for_until_it_asks_again(house: House) -> None:
    house.add(30)
    house.subscribe(0, window=10)
    assert house.numbers() == list(range(1, 11))
    assert house.subscribe(8, window=10, idle=False) == []
    assert house.numbers() == list(range(11, 19))


def test_credit_beyond_what_was_sent_is_no_credit(house: House) -> None:
    house.add(30)
    house.subscribe(0, window=10)
    house.subscribe(25, window=10, idle=False)
    assert house.numbers() == list(range(1, 11))
    house.subscribe(0, window=10**9)
    assert house.subscriptions._subscribers[KEY].limit == MAX_WINDOW


def test_an_idle_subscriber_gets_again_what_it_has_not_seen(house: House) -> None:
    house.add(5)
    house.subscribe(0)
    assert house.numbers() == [1, 2, 3, 4, 5]
    house.subscribe(2)
    assert house.numbers() == [3, 4, 5]


def test_a_subscriber_that_the_log_has_outrun_is_told_what_it_missed() -> None:
    house = House(limit=10)
    house.subscribe(0, window=3)
    house.add(25)
    assert house.fed()[0] == Gap("1", 0, 16, "outran")
    assert house.subscriptions._subscribers[KEY].position == 18


def test_a_number_of_another_log_is_void() -> None:
    house = House(log_id="new")
    house.add(4)
    assert house.subscribe(2, log="old") == [Subscribed("1", 0, 4, "new"), Gap("1", 2, 1, "new_log")]
    assert house.numbers() == [1, 2, 3, 4]
    assert house.subscribe(5000) == [Subscribed("1", 0, 4, "new"), Gap("1", 5000, 1, "new_log")]


def test_subscribers_are_bounded(house: House) -> None:
    for number in range(MAX_SUBSCRIBERS):
        house.subscriptions.subscribe((b"peer", str(number + 10)), Subscribe())
    assert isinstance(house.subscribe()[0], Refused)
    house.subscriptions.unsubscribe((b"peer", "10"))
    assert isinstance(house.subscribe()[0], Subscribed)


def test_one_subscriber_gets_a_bounded_part_of_a_turn() -> None:
    house = House(limit=10_000)
    for number in range(1, 1_001):
        house.log.append(number, pack({"seq": number, "x": "y" * 1_000}))
    house.subscribe(0, window=1_000)
    frames, more = house.subscriptions.feed(KEY)
    assert more
    assert all(len(frame) < 65_536 for frame in frames)
    assert len(frames) == 8


def test_a_farewell_goes_to_everyone(house: House) -> None:
    house.subscribe()
    assert [(key, decode_frame(frame)) for key, frame in house.subscriptions.farewell()] == [(KEY, Bye("1"))]
    assert len(house.subscriptions) == 0
    assert house.fed() == []


class ResumingReader(RuleBasedStateMachine):
    """A reader over a line that loses frames, of a service that restarts, sees each event once and in order."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House(limit=15)
        self.position = 0
        self.line: list[Frame] = []
        self.house.subscribe(0, 6)

    @rule(count=st.integers(1, 8))
    def log(self, count: int) -> None:
        self.house.add(count)

    @rule()
    def send(self) -> None:
        self.line += self.house.fed()

    @rule()
    def lose_and_notice(self) -> None:
        self.line.clear()
        self.house.subscribe(self.position, 6)

    @rule()
    def restart(self) -> None:
        self.line.clear()
        self.house.subscriptions = Subscriptions(self.house.log, "log")
        self.house.subscribe(self.position, 6, "log")

    @rule(count=st.integers(1, 4))
    def read(self, count: int) -> None:
        for frame in self.line[:count]:
            if isinstance(frame, Gap):
                assert frame.after <= self.position or frame.next - 1 <= self.position
                self.position = max(self.position, frame.next - 1)
            elif isinstance(frame, Events):
                for event in frame.events:
                    if event["seq"] > self.position:
                        assert event["seq"] == self.position + 1
                        self.position = event["seq"]
        del self.line[:count]
        self.house.subscribe(self.position, 6, idle=False)

    @invariant()
    def everything_arrives_in_the_end(self) -> None:
        assert self.position <= self.house.log.last

    def teardown(self) -> None:
        self.house.subscribe(self.position, 6)
        self.line = []
        for _ in range(10):
            self.send()
            self.read(100)
        assert self.position == self.house.log.last


TestResumingReader = ResumingReader.TestCase
TestResumingReader.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
