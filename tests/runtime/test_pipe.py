"""Pipes over real ZeroMQ sockets: both transports, successors, malformed and large frames, delayed acknowledgements."""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from actors.runtime.envelope import BODY_LIMIT, BodyTooLarge, encode_body
from actors.runtime.journal import Changes, Journal
from actors.runtime.link import Deliver
from actors.runtime.mailbox import clock
from actors.runtime.pipe import ACK_LIMIT, Pipe

PATIENCE = 5.0


class End:
    """An end of a pipe with a journal, turned by the test."""

    def __init__(self, folder: Path, name: str, peer: str, scheme: str, epoch: int) -> None:
        self.journal = Journal(folder / f"{name}.mdb", epoch=epoch)
        self.changes = Changes()
        self.heard: list[Any] = []
        self.pipe = Pipe.restore(
            zmq.Context.instance(),
            self.journal,
            peer=peer,
            epoch=epoch,
            inward=f"{scheme}://{folder}/{name}.{peer}",
            outward=f"{scheme}://{folder}/{peer}.{name}",
            accepted=bytes | int,
        )
        self.pipe.start(clock())

    def tell(self, *values: bytes | int, journalled: bool = True) -> None:
        for value in values:
            body = encode_body(value)
            seq = self.pipe.tell(body, journalled=journalled)
            if journalled:
                self.changes.sent.append((self.pipe.peer, seq, body))

    def turn(self, limit: int = 256) -> None:
        self.pipe.pump(limit)
        for effect in self.pipe.take(clock()):
            if isinstance(effect, Deliver):
                self.heard += [self.pipe.decode(body) for body in effect.bodies]
        self.commit()

    def commit(self) -> None:
        self.pipe.collect(self.changes)
        self.journal.commit(self.changes)
        self.pipe.flush(clock())

    def close(self) -> None:
        self.pipe.close()
        self.journal.close()


Make = Callable[[str, str, int], End]


@pytest.fixture(params=["ipc", "inproc"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    ends: list[End] = []

    def made(name: str, peer: str, epoch: int = 1) -> End:
        ends.append(End(tmp_path, name, peer, request.param, epoch))
        return ends[-1]

    yield made
    for end in ends:
        if not end.pipe._pull.closed:
            end.close()


def until(condition: Callable[[], bool], *ends: End) -> None:
    limit = clock() + PATIENCE
    while not condition():
        assert clock() < limit, [end.heard[-3:] for end in ends]
        select.select([end.pipe.fd for end in ends], [], [], 0.005)
        for end in ends:
            end.turn()


def test_what_is_told_before_the_peer_exists_arrives_in_order(make: Make) -> None:
    left = make("left", "right", 1)
    left.tell(1, 2, 3)
    left.commit()
    right = make("right", "left", 1)
    until(lambda: right.heard == [1, 2, 3], left, right)
    right.tell(b"answer")
    until(lambda: left.heard == [b"answer"] and not left.pipe.waiting and not right.pipe.waiting, left, right)


def test_a_successor_of_the_receiver_goes_on_where_it_had_committed(make: Make) -> None:
    left, right = make("left", "right", 1), make("right", "left", 1)
    left.tell(1, 2)
    until(lambda: right.heard == [1, 2], left, right)
    right.close()
    left.tell(3, 4, journalled=False)
    left.commit()
    successor = make("right", "left", 2)
    until(lambda: successor.heard == [3, 4], left, successor)


def test_a_successor_of_the_sender_sends_what_is_in_its_outbox_and_skips_the_volatile(make: Make) -> None:
    left, right = make("left", "right", 1), make("right", "left", 1)
    until(lambda: left.pipe.link.sender.is_open, left, right)
    left.tell(1)
    left.tell(2, journalled=False)
    left.tell(3)
    left.pipe.collect(left.changes)
    left.journal.commit(left.changes)  # and is killed before it sends
    left.close()
    successor = make("left", "right", 2)
    successor.tell(4)
    until(lambda: right.heard == [1, 3, 4], successor, right)


def test_an_acknowledgement_is_delayed_but_not_beyond_a_number_of_envelopes(make: Make) -> None:
    left, right = make("left", "right", 1), make("right", "left", 1)
    until(lambda: left.pipe.link.sender.is_open and right.pipe.link.sender.is_open, left, right)
    left.tell(*range(ACK_LIMIT - 1))
    left.commit()
    until(lambda: len(right.heard) == ACK_LIMIT - 1, right)
    assert right.pipe.link.receiver.owes in (0, ACK_LIMIT - 1), "it waits, or its time was up"
    assert right.pipe.deadline <= clock() + 0.2
    until(lambda: not left.pipe.waiting, left, right)


def test_frames_and_bodies_that_are_none_are_counted_and_dropped(make: Make) -> None:
    left, right = make("left", "right", 1), make("right", "left", 1)
    for junk in (b"", b"\xc1", b"\x93\x01\x00", b"junk" * 100, msgspec.msgpack.encode([1, 0, [[99, 1]]])):
        left.pipe._push.send(junk)
    until(lambda: right.pipe.malformed == 5, right)
    left.tell(7)
    until(lambda: right.heard == [7], left, right)


def test_large_envelopes_travel_in_several_frames_and_none_is_larger_than_a_pipe_carries(make: Make) -> None:
    left, right = make("left", "right", 1), make("right", "left", 1)
    left.tell(*(b"%d" % n * 100_000 for n in range(20)), b"x" * (BODY_LIMIT - 100))
    until(lambda: len(right.heard) == 21, left, right)
    assert [value[:1] for value in right.heard[:10]] == [b"%d" % n for n in range(10)]
    with pytest.raises(BodyTooLarge):
        encode_body(b"x" * BODY_LIMIT)


def test_pump_stops_at_its_limit_and_says_so(make: Make) -> None:
    left, right = make("left", "right", 1), make("right", "left", 1)
    until(lambda: left.pipe.link.sender.is_open and right.pipe.link.sender.is_open, left, right)
    for value in range(50):
        left.tell(value)
        left.commit()
    until(lambda: len(right.heard) >= 1, right)
    while len(right.heard) < 50:
        before = len(right.heard)
        right.turn(limit=5)
        assert len(right.heard) - before <= 5
    assert right.heard == list(range(50))


def test_one_by_one_gives_each_envelope_with_its_own_mark(make: Make) -> None:
    left, right = make("left", "right", 1), make("right", "left", 1)
    until(lambda: left.pipe.link.sender.is_open and right.pipe.link.sender.is_open, left, right)
    left.tell(1, 2, 3)
    left.commit()
    marks: list[int] = []
    limit = clock() + PATIENCE
    while len(marks) < 3:
        assert clock() < limit
        right.pipe.pump(100)
        marks += [right.pipe.link.receiver.mark for _ in right.pipe.take(clock(), one_by_one=True)]
    assert marks == [1, 2, 3]
