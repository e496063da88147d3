"""A session moves from one media process to another: nothing is used twice, nothing is lost, whoever is restarted."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from actors.media import events, rtp
from actors.media.actor import MediaActor
from actors.media.events import (
    Bridged,
    CloseSession,
    DigitReceived,
    Echo,
    ExpectSession,
    JoinBridge,
    MoveSession,
    PrepareSession,
    Protection,
    Record,
    SessionClosed,
    SessionExported,
    SessionLost,
    SessionPrepared,
    TakeSession,
)
from actors.media.pieces import FRAME
from actors.media.pool import Pool
from actors.media.settings import MediaSettings
from actors.media.srtp import Srtp
from actors.runtime.channel import Descriptor, HandOver
from actors.runtime.mailbox import clock
from tests.media.rig import EVENTS, Phone, received, udp
from tests.runtime.harness import Harness

HOST = "127.0.0.1"
DIALOG = "dialog-0"
VOICE = b"\x21" * FRAME


def ports_in_a_row(count: int) -> list[socket.socket]:
    """Sockets on so many ports, one after the other, the first one even."""
    for _ in range(1000):
        first = udp(HOST)
        port, found = first.getsockname()[1], [first]
        with contextlib.suppress(OSError):  # somebody else has one: the next try finds others
            for more in range(1, 0 if port % 2 else count):
                found.append(udp(HOST, port + more))  # noqa: PERF401 - those before one that fails are to be closed
        if len(found) == count:
            return found
        for each in found:
            each.close()
    raise AssertionError("no free ports in a row")


class House:
    """Two media processes, and the test as their dialog shard and supervisor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sockets = ports_in_a_row(8)
        first = self.sockets[0].getsockname()[1]
        self.pool = Pool(first, first + 7, 2)
        self.store: list[dict[str, int]] = [
            {f"rtp:{sock.getsockname()[1]}": sock.fileno() for sock in self.sockets[at : at + 4]} for at in (0, 4)
        ]
        self.epochs = [0, 0]
        self.actors: list[Harness] = []
        self.stack = ExitStack()
        self.phone = Phone(HOST)
        self.port = 0  # that the phone speaks to
        self.actors = [self.begin(number) for number in (0, 1)]

    def begin(self, number: int) -> Harness:
        self.epochs[number] += 1
        harness = Harness(
            MediaActor,
            f"media-{number}",
            MediaSettings(pool=self.pool),
            peers={DIALOG: events.ToDialog},
            tmp_path=self.path / str(number),
            epoch=self.epochs[number],
            descriptors={token: Descriptor(os.dup(fd), b"") for token, fd in self.store[number].items()},
        )
        self.stack.enter_context(harness)
        return harness

    def restart(self, number: int) -> None:
        self.actors[number].stop()
        self.supervise()
        self.actors[number] = self.begin(number)

    def supervise(self) -> int:
        """Do what actors asked the supervisor for; how many descriptors went from one to the other."""
        moved = 0
        for number, it in enumerate(self.actors):
            if it.supervisor._end.fileno() >= 0:
                it.reports += it.supervisor.receive()[0]
            for report, _ in it.reports:
                if isinstance(report, HandOver):
                    to = int(report.to.partition("-")[2])
                    gone = {
                        token: self.store[number].pop(token) for token in report.tokens if token in self.store[number]
                    }
                    self.store[to] |= gone
                    moved += len(gone)
                    if self.actors[to].supervisor._end.fileno() >= 0 and gone:
                        self.actors[to].supervisor.hand_over({t: Descriptor(fd, b"") for t, fd in gone.items()})
            it.reports = [each for each in it.reports if not isinstance(each[0], HandOver)]
        return moved

    def expect(self, number: int, kind: type[Any]) -> Any:
        """The next thing of this kind that the dialog shard is told."""
        it = self.actors[number]
        inbox = it.peers[DIALOG].inbox
        while True:
            it.wait_for(lambda: self.supervise() < 0 or bool(inbox), f"{kind.__name__} of media-{number}")
            event = inbox.popleft()
            if isinstance(event, kind):
                return event

    def prepare(self, number: int, session: str, **more: Any) -> int:
        it = self.actors[number]
        it.send(DIALOG, PrepareSession(session, HOST, f"call-{session}"))
        port = self.port = it.expect(DIALOG, SessionPrepared).port
        start = self.phone.start(session)
        it.send(DIALOG, replace(start, **more), Echo(session))
        it.settle()
        return port

    def hear(self, *, until: int) -> list[rtp.Packet]:
        """What the phone hears, until so many packets came."""
        heard: list[rtp.Packet] = []
        end = clock() + 5
        while len(heard) < until:
            assert clock() < end, f"{len(heard)} packets came"
            self.turn()
            heard += self.phone.heard()
        return heard

    def turn(self) -> None:
        """20 ms pass, in which the phone says something: nobody sends silence to who is silent."""
        self.phone.say(VOICE, self.port)
        for it in self.actors:
            it.wait_for(lambda: True, "nothing")
        self.supervise()
        select.select([], [], [], 0.02)

    def close(self) -> None:
        self.stack.close()
        self.phone.close()
        for each in self.sockets:
            each.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


def carried(house: House, session: str = "a") -> SessionExported:
    """The session is let go of, and carried to the other process."""
    house.actors[1].send(DIALOG, ExpectSession(session))
    house.actors[0].send(DIALOG, MoveSession(session, 1))
    exported: SessionExported = house.expect(0, SessionExported)
    assert (exported.session, exported.to) == (session, 1)
    return exported


def goes_on(before: list[rtp.Packet], after: list[rtp.Packet]) -> None:
    """One stream: nothing is used twice, and no number is missing."""
    assert {packet.ssrc for packet in after} == {before[-1].ssrc}
    numbers = [packet.sequence_number for packet in before + after]
    assert [(second - first) & 0xFFFF for first, second in pairwise(numbers)] == [1] * (len(numbers) - 1)
    steps = [(second.timestamp - first.timestamp) & 0xFFFFFFFF for first, second in pairwise(before + after)]
    assert min(steps) >= FRAME
    assert all(step % FRAME == 0 for step in steps)


def test_a_session_goes_on_in_the_other_process_and_its_ports_come_home(house: House) -> None:
    port = house.prepare(0, "a")
    before = house.hear(until=5)
    exported = carried(house)
    before += house.phone.heard()
    house.actors[1].send(DIALOG, TakeSession("a", exported.state))
    after = house.hear(until=5)
    goes_on(before, after)
    assert f"rtp:{port}" in house.store[1]
    house.actors[0].settle()
    assert len(house.actors[0].actor.cells) == 0
    house.actors[1].send(DIALOG, CloseSession("a"))
    closed = house.expect(1, SessionClosed)
    assert closed.packets_sent >= len(before + after)
    house.actors[1].wait_for(lambda: house.supervise() or f"rtp:{port}" in house.store[0], "its ports at home")
    for number in (0, 1):  # and all pairs of both can be had again
        for session in "xy":
            house.actors[number].send(DIALOG, PrepareSession(f"{session}{number}", HOST))
            house.expect(number, SessionPrepared)


@pytest.mark.parametrize("step", range(6))
@pytest.mark.parametrize("number", [0, 1])
def test_either_process_may_be_restarted_at_each_step(house: House, step: int, number: int) -> None:
    house.prepare(0, "a")
    house.hear(until=3)
    if step == 0:
        house.restart(number)
    house.actors[1].send(DIALOG, ExpectSession("a"))
    house.actors[1].settle()
    if step == 1:
        house.restart(number)
    before = house.phone.heard()
    house.actors[0].send(DIALOG, MoveSession("a", 1))
    exported = house.expect(0, SessionExported)
    if step == 2:
        house.restart(number)
    before += house.phone.heard()
    house.actors[1].send(DIALOG, TakeSession("a", exported.state))
    if step == 3:
        house.restart(number)
    house.actors[1].settle()
    house.supervise()
    if step == 4:
        house.restart(number)
    after = house.hear(until=5)
    if step == 5:
        house.restart(number)
        after += house.hear(until=5)
    goes_on(before or after[:1], after if before else after[1:])


def test_what_is_told_to_a_session_on_its_way_is_done_when_it_is_there(house: House) -> None:
    house.prepare(0, "a")
    house.prepare(1, "b")
    it = house.actors[1]
    it.send(DIALOG, ExpectSession("a"), JoinBridge("a", "b"))
    house.actors[0].send(DIALOG, MoveSession("a", 1))
    state = house.expect(0, SessionExported).state
    it.send(DIALOG, TakeSession("a", state))
    told = {event.session: event.others for event in (house.expect(1, Bridged), house.expect(1, Bridged))}
    assert told == {"a": ("call-b",), "b": ("call-a",)}
    it.send(DIALOG, CloseSession("a"))
    assert house.expect(1, Bridged) == Bridged("b")


def test_two_that_come_from_elsewhere_are_bridged_when_both_are_there(house: House) -> None:
    house.prepare(0, "a")
    house.prepare(0, "b")
    it = house.actors[1]
    it.send(DIALOG, ExpectSession("a"), ExpectSession("b"), JoinBridge("a", "b"))
    states = {}
    for session in "ab":
        house.actors[0].send(DIALOG, MoveSession(session, 1))
        states[session] = house.expect(0, SessionExported).state
    for session in "ab":
        it.send(DIALOG, TakeSession(session, states[session]))
    told = {event.session: event.others for event in (house.expect(1, Bridged), house.expect(1, Bridged))}
    assert told == {"a": ("call-b",), "b": ("call-a",)}


def test_one_that_is_going_elsewhere_itself_cannot_be_joined(house: House, tmp_path: Path) -> None:
    house.prepare(0, "a")
    house.prepare(0, "b")
    it = house.actors[0]
    it.send(DIALOG, Record("b", str(tmp_path / "b.wav")))  # it is let go of when its file is ended
    it.send(DIALOG, MoveSession("b", 1), JoinBridge("a", "b"))
    assert house.expect(0, Bridged) == Bridged("a", reason="the other call has no audio here")
    assert house.expect(0, SessionExported).session == "b"
    it.settle()
    assert list(it.actor._engine.sessions) == ["a"]


def test_one_that_is_closed_on_its_way_is_closed_when_it_is_there(house: House) -> None:
    port = house.prepare(0, "a")
    exported = carried(house)
    house.actors[1].send(DIALOG, CloseSession("a"), TakeSession("a", exported.state))
    assert house.expect(1, SessionClosed).session == "a"
    house.actors[1].wait_for(lambda: house.supervise() or f"rtp:{port}" in house.store[0], "its ports at home")


def test_one_that_never_comes_is_lost(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.media.moves.PATIENCE", 0.05)
    house.actors[1].send(DIALOG, ExpectSession("a"))
    assert house.expect(1, SessionLost).session == "a"
    house.actors[1].settle()
    assert len(house.actors[1].actor.cells) == 0


def test_no_index_of_srtp_is_used_twice(house: House) -> None:
    ours, theirs = bytes(range(30)), bytes(range(30, 60))
    house.prepare(0, "a", protection=Protection("AES_CM_128_HMAC_SHA1_80", ours, theirs))

    def raw(count: int) -> list[bytes]:
        found: list[bytes] = []
        end = clock() + 5
        while len(found) < count and clock() < end:
            house.turn()
            found += received(house.phone.rtp)
        return found

    sealed = raw(2)  # then it rests
    exported = carried(house)
    assert ours not in repr(exported).encode()
    house.actors[1].send(DIALOG, TakeSession("a", exported.state))
    sealed += raw(2)
    reader = Srtp(Protection("AES_CM_128_HMAC_SHA1_80", theirs, ours))
    plain = [reader.unprotect(data) for data in sealed]
    assert None not in plain  # a number that came twice would be refused as repeated
    numbers = [int.from_bytes(data[2:4], "big") for data in sealed]
    assert len(set(numbers)) == len(numbers)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize("keys", [True, False])
def test_a_key_that_one_peer_presses_is_pressed_in_the_others_where_it_is_wanted(house: House, keys: bool) -> None:
    ports = {session: house.prepare(1, session, event=EVENTS) for session in "ab"}
    it = house.actors[1]
    it.send(DIALOG, JoinBridge("a", "b", keys))
    house.expect(1, Bridged)
    house.phone.say(VOICE, ports["a"])
    for duration, end in ((160, 0), (1600, 0x80), (1600, 0x80)):
        house.phone.say(struct.pack("!BBH", 5, 10 | end, duration), ports["a"], payload_type=EVENTS.payload_type)
        house.phone.timestamp -= 4  # of the key's beginning, in all of them
    pressed = house.expect(1, DigitReceived)
    assert (pressed.session, pressed.digit, pressed.duration) == ("a", "5", 200)
    house.port = ports["a"]
    heard = house.hear(until=20)
    events_ = [packet.payload for packet in heard if packet.payload_type == EVENTS.payload_type]
    assert bool(events_) == keys
    assert {payload[0] for payload in events_} <= {5}
