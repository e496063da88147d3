"""A client and a server layer over a wire that a search drives: hypothesis chooses every loss, copy, delay and restart.

Where test_wire.py plays whole calls by chance, this one lets the machines be met in any order and shrinks what breaks
them to the fewest steps. At the end of each run the wire is fair again, and both sides must end.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from actors.runtime.machine import Effect
from actors.sip.vocabulary import TransactionKey
from actors.transaction.cells import MemoryCells
from actors.transaction.effects import Reply, Tell, Transmit
from actors.transaction.events import (
    CancelReceived,
    CancelRequest,
    RequestReceived,
    Respond,
    ResponseReceived,
    SendRequest,
    TransactionFailed,
)
from actors.transaction.layer import Layer
from actors.transaction.machines import Cell
from tests.transaction.messages import FLOWS, TARGETS, client_key, head_of, request, response

SECRET = b"sixteen bytes ok"
STATUSES = st.sampled_from([100, 180, 200, 404, 486, 500])
LIFETIME = 0.4  # seconds a datagram may take: the timers of the RFC stand for a wire that is as quick as T1 says
DELAYS = st.sampled_from([0.05, 0.2, 0.5, 1.0, 3.5, 5.0, 32.0])


class Wire(RuleBasedStateMachine):
    """Two layers, the messages between them, and what their users know."""

    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.transport = "udp"
        self.now = 0.0
        self.layers = {"client": Layer(SECRET), "server": Layer(SECRET)}
        self.flying: list[tuple[str, bytes, float]] = []  # to whom, what, since when; in the order they were sent
        self.sent: dict[TransactionKey, list[int]] = {}  # final outcomes of the client's user
        self.asked: dict[TransactionKey, RequestReceived] = {}
        self.answered: dict[TransactionKey, int] = {}

    @initialize(transport=st.sampled_from(["udp", "tcp"]))
    def choose(self, transport: str) -> None:
        self.transport = transport

    # What users do.

    @rule(target=requests, method=st.sampled_from(["INVITE", "OPTIONS", "BYE"]))
    def ask(self, method: str) -> bytes:
        number = len(self.sent)
        raw = request(method, branch=f"z9hG4bK{number}", call_id=f"call-{number}")
        self.sent[client_key(raw)] = []
        self._do("client", SendRequest(client_key(raw), TARGETS[self.transport], raw))
        return raw

    @rule(raw=requests)
    def cancel(self, raw: bytes) -> None:
        self._do("client", CancelRequest(client_key(raw)))

    @rule(data=st.data(), status=STATUSES)
    def answer(self, data: st.DataObject, status: int) -> None:
        if self.asked:
            self._answer(data.draw(st.sampled_from(sorted(self.asked))), status)

    # What the wire does.

    @rule(data=st.data(), lose=st.booleans(), repeat=st.booleans())
    def carry(self, data: st.DataObject, lose: bool, repeat: bool) -> None:
        """Deliver any datagram, lose it, or deliver it and keep it; of a stream the next message of a direction."""
        if not self.flying:
            return
        if self.transport == "udp":
            index = data.draw(st.integers(0, len(self.flying) - 1))
        else:
            to = data.draw(st.sampled_from(sorted({to for to, _, _ in self.flying})))
            index = next(i for i, (each, _, _) in enumerate(self.flying) if each == to)
            lose = repeat = False
        to, raw, _ = self.flying[index]
        if lose or not repeat:
            del self.flying[index]
        if not lose:
            self._deliver(to, raw)

    @rule(delay=DELAYS)
    def wait(self, delay: float) -> None:
        self._pass(self.now + delay)

    @rule(who=st.sampled_from(["client", "server"]))
    def restart(self, who: str) -> None:
        """The shard was killed: its successor has what the journal gives back."""
        cells, restored = self.layers[who].cells, MemoryCells()
        assert isinstance(cells, MemoryCells)
        for key, value in cells.items():
            copy = msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=Cell)
            restored.put(key, copy, cells._deadlines.get(key))
        self.layers[who] = Layer(SECRET, restored)

    # What must hold at every step.

    @invariant()
    def no_timer_is_forgotten(self) -> None:
        for subject in self.layers.values():
            deadline = subject.next_deadline()
            assert deadline is None or deadline > self.now

    @invariant()
    def no_request_has_two_outcomes(self) -> None:
        for key, outcomes in self.sent.items():
            successes = [status for status in outcomes if status < 300]
            others = [status for status in outcomes if status >= 300]
            if key.method == "INVITE":
                assert len(others) <= 1
            else:
                assert len(others) + len(successes) <= 1

    def teardown(self) -> None:
        """From here on the wire is fair and the users answer: both sides end, and every request had its outcome."""
        for _ in range(2_000):
            for key in sorted(self.asked.keys() - self.answered.keys()):
                self._answer(key, 200)
            if self.flying:
                self._deliver(*self.flying.pop(0)[:2])
                continue
            deadlines = [at for subject in self.layers.values() if (at := subject.next_deadline()) is not None]
            if not deadlines:
                break
            self._pass(min(deadlines))
        for key in [key for key, outcomes in self.sent.items() if not outcomes and key.method == "INVITE"]:
            self._do("client", CancelRequest(key))  # Proceeding has no timer: only its user can end a call that rings
        while deadlines := [at for subject in self.layers.values() if (at := subject.next_deadline()) is not None]:
            self._pass(min(deadlines))
            while self.flying:
                self._deliver(*self.flying.pop(0)[:2])
        assert [len(subject.cells) for subject in self.layers.values()] == [0, 0]
        assert all(self.sent.values()), "a request had no outcome"

    # The hands of all that.

    def _do(self, who: str, command: Any) -> None:
        self._carry_out(who, self.layers[who].send(command, self.now))

    def _answer(self, key: TransactionKey, status: int) -> None:
        asked = self.asked[key]
        if status >= 200:
            if key in self.answered:
                status = self.answered[key]  # a user does not change its mind; a 2xx it may repeat
            self.answered[key] = status
        self._do("server", Respond(key, status, response(asked.raw, status)))

    def _deliver(self, to: str, raw: bytes) -> None:
        self._carry_out(to, self.layers[to].receive(FLOWS[self.transport], head_of(raw), raw, self.now))

    def _pass(self, until: float) -> None:
        while True:
            deadlines = {who: at for who, it in self.layers.items() if (at := it.next_deadline()) is not None}
            who = min(deadlines, key=lambda each: deadlines[each], default="")
            if not who or deadlines[who] > until:
                break
            self.now = deadlines[who]
            self._carry_out(who, self.layers[who].expire(self.now))
        self.now = until
        if self.transport == "udp":
            self.flying = [each for each in self.flying if until - each[2] <= LIFETIME]

    def _carry_out(self, who: str, effects: tuple[Effect, ...]) -> None:
        other = "server" if who == "client" else "client"
        for effect in effects:
            if isinstance(effect, Transmit | Reply):
                assert isinstance(effect, Transmit) == (who == "client")
                self.flying.append((other, effect.raw, self.now))
            else:
                assert isinstance(effect, Tell)
                self._tell(who, effect.event)

    def _tell(self, who: str, event: Any) -> None:
        if isinstance(event, RequestReceived):
            assert event.key not in self.asked, "a request came to the user twice"
            self.asked[event.key] = event
        elif isinstance(event, CancelReceived):
            self._answer(event.key, 487)
        elif isinstance(event, ResponseReceived) and event.head.status >= 200:
            self.sent[event.key].append(event.head.status)
        elif isinstance(event, TransactionFailed) and who == "client":
            self.sent[event.key].append(event.status)
        elif isinstance(event, TransactionFailed):
            self.answered.setdefault(event.key, event.status)


TestWire = Wire.TestCase
TestWire.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
