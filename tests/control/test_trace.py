"""What the ladder is made of: steps of the shards, told as missing where they are; messages with their direction."""

from __future__ import annotations

from typing import Any

import pytest

from actors.control.trace import Watch, step_of


def told(number: int, *, step: dict[str, Any] | None = None, shard: str = "transaction-0") -> dict[str, Any]:
    return {"shard": shard, "number": number, "transition": step}


def texts(*messages: dict[str, Any]) -> list[str]:
    watch = Watch()
    return [each for message in messages for each in watch.take(message) if isinstance(each, str)]


STEP: dict[str, Any] = {"any": 1}


def test_steps_in_a_row_miss_nothing_wherever_they_begin() -> None:
    """Another has looked on before us: our first step is not the shard's."""
    assert texts(told(0), told(12, step=STEP), told(13, step=STEP)) == ["watching transaction-0"]


def test_who_looks_on_after_us_takes_nothing_away() -> None:
    assert texts(told(0), told(12, step=STEP), told(0), told(13, step=STEP)) == ["watching transaction-0"]


def test_a_shard_that_begins_anew_counts_anew() -> None:
    assert texts(told(0), told(12, step=STEP), told(0), told(1, step=STEP)) == ["watching transaction-0"]


def test_what_is_missing_is_counted_by_shard() -> None:
    other = "transaction-1"
    assert texts(
        told(1, step=STEP), told(1, step=STEP, shard=other), told(4, step=STEP), told(2, step=STEP, shard=other)
    ) == ["2 steps of transaction-0 are missing"]


ACK = (
    b"ACK sip:b@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nFrom: <sip:a@h>;tag=1\r\n"
    b"To: <sip:b@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n"
)


@pytest.mark.parametrize(
    ("event", "outward", "peer"), [("SEND", True, "<sip:b@h>;tag=2"), ("RECEIVE", False, "192.0.2.1")]
)
def test_an_ack_that_belongs_to_no_transaction_is_a_rung_too(event: str, outward: bool, peer: str) -> None:
    step = step_of({"machine": "", "event": event, "before": "", "after": "", "message": ACK, "time": 1.0}, 0.0)
    assert step is not None
    assert (step.outward, step.line, step.peer, step.repeated) == (outward, "ACK sip:b@192.0.2.9", peer, False)
