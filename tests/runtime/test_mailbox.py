"""The mailbox: one door for local puts, sockets, pipes and deadlines, fair to each."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import pytest
from pykka._envelope import Envelope

from actors.runtime.mailbox import Batch, Mailbox, clock


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    made = Mailbox()
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    yield ours, theirs
    ours.close()
    theirs.close()


def turn(mailbox: Mailbox) -> Batch:
    """One turn, its callbacks called as an actor does."""
    batch = mailbox.get().message
    assert isinstance(batch, Batch)
    for writable in batch.writable:
        writable(batch.now)
    for fd, readable in batch.readable:
        if mailbox.watches(fd, readable) and readable(batch.now):
            mailbox.again(fd)
    return batch


def test_a_put_of_another_thread_wakes_it(mailbox: Mailbox) -> None:
    thread = threading.Thread(target=mailbox.put, args=(Envelope("hello"),))
    thread.start()
    batch = mailbox.get().message
    message = mailbox.get().message if isinstance(batch, Batch) else batch
    thread.join()
    assert message == "hello"
    assert mailbox.empty()


def test_empty_speaks_of_local_puts_only(mailbox: Mailbox, pair: tuple[socket.socket, socket.socket]) -> None:
    mailbox.watch(pair[0].fileno(), lambda _: False)
    pair[1].send(b"x")
    assert mailbox.empty()
    mailbox.put(Envelope("x"))
    assert not mailbox.empty()


def test_a_source_that_stopped_at_its_limit_is_served_again_and_the_others_in_between(mailbox: Mailbox) -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    order: list[int] = []

    def reader(number: int, limit: int) -> bool:
        pairs[number][0].recv(1)
        order.append(number)
        return order.count(number) < limit

    for number, (ours, theirs) in enumerate(pairs):
        mailbox.watch(ours.fileno(), lambda _, n=number: reader(n, 3), edge=True)  # type: ignore[misc]
        theirs.send(b"xxx")
    for _ in range(3):
        turn(mailbox)
    assert sorted(order[:2]) == sorted(order[2:4]) == sorted(order[4:]) == [0, 1]
    for ours, theirs in pairs:
        ours.close()
        theirs.close()


def test_writable_is_called_while_it_is_asked_for(mailbox: Mailbox, pair: tuple[socket.socket, socket.socket]) -> None:
    calls: list[float] = []
    fd = pair[0].fileno()
    mailbox.watch(fd, lambda _: False, calls.append)
    turn(mailbox)
    mailbox.watch(fd, lambda _: False)
    mailbox.deadline = lambda: clock() + 0.002
    turn(mailbox)
    assert len(calls) == 1


def test_a_source_that_is_unwatched_by_another_of_the_same_turn_is_not_called(mailbox: Mailbox) -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    called: list[int] = []

    def close_both(number: int) -> bool:
        called.append(number)
        for ours, _ in pairs:
            mailbox.unwatch(ours.fileno())
        return True

    for number, (ours, theirs) in enumerate(pairs):
        mailbox.watch(ours.fileno(), lambda _, n=number: close_both(n))  # type: ignore[misc]
        theirs.send(b"x")
    turn(mailbox)
    assert len(called) == 1
    mailbox.deadline = clock
    assert turn(mailbox).readable == []
    for ours, theirs in pairs:
        ours.close()
        theirs.close()


def test_a_hang_up_is_told_as_readable(mailbox: Mailbox, pair: tuple[socket.socket, socket.socket]) -> None:
    seen: list[bytes] = []
    mailbox.watch(pair[0].fileno(), lambda _: bool(seen.append(pair[0].recv(1))))
    pair[1].close()
    turn(mailbox)
    assert seen == [b""]


@pytest.mark.parametrize("exact", [False, True])
def test_it_never_turns_before_its_deadline(mailbox: Mailbox, exact: bool) -> None:
    for wait in (0.0003, 0.0012, 0.0105):
        due = clock() + wait
        if exact:
            mailbox.exact = lambda due=due: due  # type: ignore[misc]
        else:
            mailbox.deadline = lambda due=due: due  # type: ignore[misc]
        while turn(mailbox).now < due:
            assert exact is False or clock() < due


def test_a_far_exact_deadline_does_not_hold_up_a_near_ordinary_one(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.runtime.mailbox.LONGEST", 1e6)  # else it would turn sooner by itself
    mailbox.exact = lambda: clock() + 1e6  # held up by this it would never turn again
    due = clock() + 0.005
    mailbox.deadline = lambda: due
    while turn(mailbox).now < due:
        pass


@pytest.mark.parametrize("edge", [False, True])
@pytest.mark.parametrize("exact", [False, True])
def test_a_busy_mailbox_that_pauses_for_batches_loses_no_event(mailbox: Mailbox, edge: bool, exact: bool) -> None:
    reading, writing = os.pipe2(os.O_NONBLOCK)
    got: list[bytes] = []
    mailbox.watch(reading, lambda _: bool(got.append(os.read(reading, 1))), edge=edge)
    if exact:
        mailbox.exact = lambda: clock() + 100.0
    paused = 0
    for number in range(200):
        os.write(writing, b"%c" % number)
        turn(mailbox)
        work_until = clock() + 0.0005
        while clock() < work_until:
            pass  # the load from which pauses follow
        paused += mailbox.moderation.pause > 0
    assert paused, "it never was busy enough to pause"
    assert got == [b"%c" % number for number in range(200)]
    os.close(reading)
    os.close(writing)
