"""A reader against the subscriptions, with frames lost, sent twice, restarts between and filters: every event once."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors.control.log import EventLog
from actors.control.protocol import decode_frame, encode_frame, pack
from actors.control.reading import Lost, Reader
from actors.control.records import CallInfo, State, Subscribe
from actors.control.subscriptions import Subscriptions

KINDS = ("CallReceived", "CallEnded", "AccountRegistered")
FIELDS: dict[str, dict[str, Any]] = {
    "CallReceived": {"remote": "sip:a", "local": "sip:b", "display_name": "", "time": 1.0},
    "CallEnded": {
        "outcome": "busy",
        "status": 486,
        "reason": "",
        "by": "remote",
        "ringing": 0.0,
        "talking": 0.0,
        "time": 1.0,
    },
    "AccountRegistered": {},
}


class Wire:
    """A service and a reader with frames on their way between them."""

    def __init__(self, limit: int, reader: Reader) -> None:
        self.log = EventLog(limit)
        self.reader = reader
        self.flying: list[bytes] = []
        self.taken: list[Any] = []
        self.restart()

    def restart(self) -> None:
        """Control is killed: the log is kept, subscribers are not."""
        self.service = Subscriptions(self.log, "log")
        self.flying.clear()

    def add(self, kind: str, call: str) -> None:
        number = self.log.last + 1
        fields = FIELDS[kind] | ({"call": call} if kind.startswith("Call") else {})
        self.log.append(number, pack({"seq": number, "type": kind, **fields}))

    def ask(self, *, idle: bool) -> None:
        request = self.reader.subscribe(idle=idle)
        assert isinstance(request.body, Subscribe)
        self.flying += self.service.subscribe((b"peer", request.id), request.body)

    def feed(self) -> None:
        for key in self.service.keys():  # noqa: SIM118 - not a dict
            self.flying += self.service.feed(key)[0]

    def deliver(self) -> None:
        while self.flying:
            self.reader.take(decode_frame(self.flying.pop(0)))
            if self.reader.behind:
                self.ask(idle=True)

    def read(self) -> None:
        while (event := self.reader.next()) is not None:
            self.taken.append(event)
            if self.reader.hungry:
                self.ask(idle=False)

    def do(self, step: str) -> None:
        if step == "lose":
            self.flying.clear()
        elif step == "again":
            self.flying += self.flying
        elif step != "idle":
            getattr(self, step)()
        elif not self.reader.ready:
            self.ask(idle=True)


STEPS = st.lists(
    st.tuples(st.just("add"), st.sampled_from(KINDS), st.sampled_from(["c1", "c2"]), st.integers(1, 200))
    | st.sampled_from([("feed",), ("deliver",), ("lose",), ("again",), ("read",), ("idle",), ("restart",)]),
    max_size=40,
)


ADD = ("add", "CallReceived", "c1", 1)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.sampled_from([(), ("CallEnded",), ("Call*", "Nothing")]), st.sampled_from(["", "c1"]))
@example([ADD, ("feed",), ADD, ("lose",), ("feed",)], (), "")  # a connection breaks, and the next one has what follows
@example([ADD, ("feed",), ADD, ("lose",), ("feed",), ("deliver",)], (), "")
def test_every_event_that_is_wanted_comes_once_in_order_or_is_told_lost(
    steps: list[tuple[Any, ...]], topics: tuple[str, ...], call: str
) -> None:
    wire = Wire(300, Reader("1", 0, "", topics=topics, call=call))
    written: list[tuple[int, str, str]] = []
    wire.ask(idle=True)
    for step in [*steps, ("idle",)]:
        if step[0] == "add":
            _, kind, of, count = step
            for _ in range(count):
                wire.add(kind, of)
                written.append((wire.log.last, kind, of if kind.startswith("Call") else ""))
        else:
            wire.do(step[0])
    quiet = 0
    while quiet < 3:  # as a client: what does not come is asked for again
        before = wire.reader.position
        wire.feed()
        wire.deliver()
        wire.read()
        if wire.reader.position == before:
            quiet += 1
            wire.ask(idle=True)
    assert [event.seq for event in wire.taken if not isinstance(event, Lost)] == _wanted(wire, written, topics, call)
    assert wire.log.last - wire.reader.position < 60  # a filter leaves nobody behind the bounded log


def _wanted(wire: Wire, written: list[tuple[int, str, str]], topics: tuple[str, ...], call: str) -> list[int]:
    lost = [range(event.after + 1, event.next) for event in wire.taken if isinstance(event, Lost)]
    return [
        number
        for number, kind, of in written
        if (not topics or kind in topics or ("Call*" in topics and kind.startswith("Call")))
        and (not call or of == call)
        and not any(number in gap for gap in lost)
    ]


def test_the_state_comes_whole_and_once_though_it_is_asked_for_twice() -> None:
    def info(call: str) -> CallInfo:
        return CallInfo(call, "in", "ringing", "sip:a", "sip:b", 1.0, 0.0)

    wire = Wire(100, Reader("1", -1, "", state=True))
    for _ in range(2):
        wire.ask(idle=True)
    wire.add("CallEnded", "c1")
    wire.feed()
    wire.deliver()
    assert not wire.reader.begun
    assert not wire.reader.ready, "events are held until the state has come"
    for series in range(2):
        for part, name in enumerate("ab"):
            if series == 0 and part == 1:
                wire.flying = [encode_frame(State("1", (info("a"),), 0, last=False))]  # begun afresh
                wire.deliver()
            wire.flying = [encode_frame(State("1", (info(name),), part, last=name == "b"))]
            wire.deliver()
    wire.service.release((b"peer", "1"))
    assert wire.reader.begun
    assert [call.call for call in wire.reader.state or ()] == ["a", "b"]
    wire.feed()
    wire.deliver()
    wire.read()
    assert [event.seq for event in wire.taken] == [1]
