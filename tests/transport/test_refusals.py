"""Each refusal is counted by its reason, and the counts can be read by others and survive a kill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.transport.actor import TransportActor
from actors.transport.counters import Counters
from actors.transport.events import Locate, Received
from tests.transport.wired import DIALOG, SHARD, Service, request


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    made.close()


def _counts(service: Service) -> dict[str, int]:
    found = list(service.tmp_path.rglob("counters/transport.json"))
    counts: dict[str, int] = json.loads(found[0].read_text(encoding="utf-8")) if found else {}
    return counts


def test_what_is_dropped_is_written_down_by_reason_and_goes_on_over_a_kill(service: Service) -> None:
    for epoch in (1, 2):
        with service.harness(epoch) as it, service.udp() as peer:
            peer.send(b"nonsense\r\n\r\n")
            peer.send(request(epoch))
            it.expect(SHARD, Received)
            it.wait_for(lambda: not list(it.actor.cells.keys()), "the counters")
            assert _counts(service)["Malformed start line"] == epoch
            service.store(it)


def test_counters_that_cannot_be_written_stop_nothing(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(TransportActor, "_counters_path", tmp_path / "file" / "transport.json")
    with service.harness() as it, service.udp() as peer:
        peer.send(b"nonsense\r\n\r\n")
        peer.send(request(1))
        it.expect(SHARD, Received)
        it.wait_for(lambda: not list(it.actor.cells.keys()), "the counters")
        service.store(it)


def test_what_is_counted_in_a_step_that_breaks_stops_no_later_counting(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with service.harness() as it, service.udp() as peer:

        def count_and_break(*_: object) -> None:
            it.actor._reception.dropped["before a fault of ours"] += 1
            raise ZeroDivisionError

        monkeypatch.setattr(it.actor._finder, "find", count_and_break)
        it.send(DIALOG, Locate("1", "sip:x@192.0.2.1"))
        it.settle()
        peer.send(b"nonsense\r\n\r\n")
        # A stranger on this machine may send to this port as well, and what it sent is counted beside.
        it.wait_for(lambda: {"before a fault of ours", "Malformed start line"} <= _counts(service).keys(), "both")
        counts = _counts(service)
        assert (counts["before a fault of ours"], counts["Malformed start line"]) == (1, 1)
        service.store(it)


@pytest.mark.parametrize("text", ["", "no json", '{"a": "b"}', "[1]"])
def test_what_a_predecessor_left_unreadable_counts_from_nought(tmp_path: Path, text: str) -> None:
    path = tmp_path / "counters.json"
    path.write_text(text, encoding="utf-8")
    counters = Counters()
    counters.read(path)
    assert counters == {}


def test_each_change_is_told_and_what_was_written_is_read_again(tmp_path: Path) -> None:
    told = []
    counters = Counters()
    counters.changed = lambda: told.append(dict(counters))
    counters["a"] += 1
    counters["b"] += 2
    assert told == [{"a": 1}, {"a": 1, "b": 2}]
    counters.write(tmp_path / "x" / "counters.json")
    again = Counters()
    again.read(tmp_path / "x" / "counters.json")
    assert again == {"a": 1, "b": 2}
