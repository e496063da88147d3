"""Client and server layers over a wire that loses, repeats, delays and reorders, in virtual time: both always end."""

from __future__ import annotations

import heapq
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.runtime.machine import Effect
from actors.transaction.cells import MemoryCells
from actors.transaction.effects import Reply, Tell, Transmit
from actors.transaction.events import (
    AckReceived,
    CancelReceived,
    CancelRequest,
    RequestReceived,
    Respond,
    ResponseReceived,
    SendDirect,
    SendRequest,
    TransactionFailed,
)
from actors.transaction.layer import Layer
from actors.transaction.machines import Cell
from tests.transaction.messages import FLOWS, TARGETS, client_key, head_of, request, response

SECRET = b"sixteen bytes ok"
RING_TIMEOUT = 60.0


class World:
    """Two layers, their users and the wire between them.

    Args:
        chance: decides what the wire and the users do.
        transport: over ``tcp`` the wire keeps what it is given, in order.
        loss: the part of datagrams that is lost; as many are repeated.
    """

    def __init__(self, chance: random.Random, transport: str, loss: float) -> None:
        self.chance = chance
        self.transport = transport
        self.loss = loss if transport == "udp" else 0.0
        self.now = 0.0
        self.agenda: list[tuple[float, int, Any]] = []
        self.count = 0
        self.layers = {"client": Layer(SECRET), "server": Layer(SECRET)}
        self.received: list[str] = []  # of the server's user: the methods of its requests
        self.outcomes: dict[str, list[str]] = {}  # of the client's user: what became of each request
        self.unacknowledged: set[str] = set()

    def at(self, delay: float, action: Any) -> None:
        self.count += 1
        heapq.heappush(self.agenda, (self.now + delay, self.count, action))

    def restart(self, who: str) -> None:
        """The layer dies and its successor finds the cells in their journal."""
        cells, old = MemoryCells(), self.layers[who].cells
        for key, value in old.items():  # type: ignore[attr-defined]
            snapshot = msgspec.msgpack.encode(value)
            cells.put(key, msgspec.msgpack.decode(snapshot, type=Cell), old._deadlines.get(key))  # type: ignore[attr-defined]
        self.layers[who] = Layer(SECRET, cells)

    def carry_out(self, who: str, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            if isinstance(effect, Transmit | Reply):
                self.put_on_wire("server" if who == "client" else "client", effect.raw)
            else:
                assert isinstance(effect, Tell)
                getattr(self, f"tell_{who}")(effect.event)

    def put_on_wire(self, to: str, raw: bytes) -> None:
        copies = 1
        if self.chance.random() < self.loss:
            copies = self.chance.choice([0, 0, 2, 3])
        for _ in range(copies):
            delay = self.chance.choice([0.001, 0.05, 0.3, 2.0]) if self.transport == "udp" else 0.01
            self.at(delay, lambda: self.arrive(to, raw))

    def arrive(self, who: str, raw: bytes) -> None:
        if self.chance.random() < 0.1:
            self.restart(who)
        self.carry_out(who, self.layers[who].receive(FLOWS[self.transport], head_of(raw), raw, self.now))

    def command(self, who: str, command: Any) -> None:
        self.carry_out(who, self.layers[who].send(command, self.now))

    # The client's user.

    def place(self, raw: bytes) -> None:
        key = client_key(raw)
        self.outcomes[key.branch] = []
        self.command("client", SendRequest(key, TARGETS[self.transport], raw))
        if key.method == "INVITE":
            delay = self.chance.choice([0.0, 0.2, 3.0, RING_TIMEOUT, RING_TIMEOUT])
            self.at(delay, lambda: self.command("client", CancelRequest(key)))

    def tell_client(self, event: Any) -> None:
        outcome = self.outcomes[event.key.branch]
        if isinstance(event, TransactionFailed):
            outcome.append(f"failed {event.status}")
        elif event.head.status >= 200:
            assert isinstance(event, ResponseReceived)
            outcome.append(f"{event.head.status}")
            if event.key.method == "INVITE" and event.head.status < 300:
                ack = request("ACK", branch=event.key.branch + "ack", call_id=event.head.call_id, to_tag="to-1")
                self.command("client", SendDirect(TARGETS[self.transport], ack))

    # The server's user.

    def tell_server(self, event: Any) -> None:
        if isinstance(event, RequestReceived):
            self.received.append(event.key.branch)
            self.ask(event)
        elif isinstance(event, CancelReceived):
            invite = request(branch=event.key.branch, call_id=event.head.call_id)
            self.command("server", Respond(event.key, 487, response(invite, 487)))
        elif isinstance(event, AckReceived):
            self.unacknowledged.discard(event.head.call_id)

    def ask(self, event: RequestReceived) -> None:
        """Answer: at once or late, with a 2xx that is repeated until its ACK, or a failure."""
        status, delay = self.chance.choice([200, 200, 486]), self.chance.choice([0.0, 0.1, 1.0, 5.0, 20.0])
        if event.head.method == "INVITE":
            if self.chance.random() < 0.7:
                self.at(delay / 2, lambda: self.respond(event, 180))
            if status == 200:
                self.unacknowledged.add(event.head.call_id)
                self.at(delay, lambda: self.repeat(event, 0.5, self.now))
                return
        self.at(delay, lambda: self.respond(event, status))

    def respond(self, event: RequestReceived, status: int) -> None:
        self.command("server", Respond(event.key, status, response(event.raw, status)))

    def repeat(self, event: RequestReceived, interval: float, since: float) -> None:
        if event.head.call_id in self.unacknowledged and self.now - since < 32.0:
            self.respond(event, 200)
            self.at(interval, lambda: self.repeat(event, min(2 * interval, 4.0), since))

    def run(self) -> None:
        for _ in range(20_000):
            timers = {who: subject.next_deadline() for who, subject in self.layers.items()}
            who, deadline = min(timers.items(), key=lambda pair: (pair[1] is None, pair[1]))
            if self.agenda and (deadline is None or self.agenda[0][0] <= deadline):
                self.now, _, action = heapq.heappop(self.agenda)
                action()
            elif deadline is not None:
                self.now = deadline
                self.carry_out(who, self.layers[who].expire(deadline))
            else:
                return
        pytest.fail("it never ends")


@settings(max_examples=150)
@given(
    chance=st.randoms(use_true_random=False),
    transport=st.sampled_from(["udp", "tcp"]),
    loss=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]),
)
def test_both_sides_end_and_every_request_has_one_outcome(chance: random.Random, transport: str, loss: float) -> None:
    world = World(chance, transport, loss)
    for number, method in enumerate(["INVITE", "INVITE", "OPTIONS", "BYE"]):
        raw = request(method, branch=f"z9hG4bK{number}", call_id=f"call-{number}")
        world.at(chance.choice([0.0, 1.0, 10.0]), lambda raw=raw: world.place(raw))
    world.run()
    for subject in world.layers.values():
        assert len(subject.cells) == 0
        assert subject.next_deadline() is None
        assert subject._index.live == set()
    assert len(set(world.received)) == len(world.received), "a request came to the user twice"
    for outcome in world.outcomes.values():
        assert outcome, "a request had no outcome"
        ends = [word for word in outcome if not word.startswith("2")]
        assert len(ends) <= 1
        assert not ends or ends[0].startswith("failed") or len(outcome) == 1
    if world.loss == 0.0:
        assert len(world.received) == 4
        assert all(not outcome[0].startswith("failed") for outcome in world.outcomes.values())


def test_when_nothing_gets_through_every_request_times_out() -> None:
    world = World(random.Random(1), "udp", 1.0)
    world.chance.choice = lambda options: options[0]  # type: ignore[method-assign, assignment]
    world.place(request(branch="z9hG4bK1"))
    world.place(request("OPTIONS", branch="z9hG4bK2"))
    world.run()
    assert world.outcomes == {"z9hG4bK1": ["failed 408"], "z9hG4bK2": ["failed 408"]}
    assert world.received == []
    assert world.now == 32.0
