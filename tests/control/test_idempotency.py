"""Idempotency keys: a command is fresh once, its repetitions wait for its reply or get it."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from actors.control.idempotency import Pending, Remembered, Reply, Settled, Verdict, answered, digest_of, judge
from actors.control.records import Drain, HangUp, Place, Treatment

DIGEST = digest_of(HangUp("a"))


def test_a_command_is_fresh_then_pending_then_settled() -> None:
    assert judge(None, DIGEST) is Verdict.FRESH
    pending = Pending(DIGEST, ("dialog-0",), Reply(), 5.0)
    assert judge(pending, DIGEST) is Verdict.PENDING
    settled = answered(pending, "dialog-0", None)
    assert judge(settled, DIGEST) is Verdict.SETTLED
    assert settled == Settled(DIGEST, Reply())


def test_another_command_under_the_same_key_is_told_apart() -> None:
    assert judge(Settled(DIGEST, Reply()), digest_of(HangUp("b"))) is Verdict.CONFLICT
    assert digest_of(Drain(True)) != digest_of(Drain(False))
    assert digest_of(Place("sip:a", treatment=Treatment(echo=True))) != digest_of(Place("sip:a"))
    assert digest_of(Place("sip:a")) == digest_of(Place("sip:a"))


def test_a_command_to_all_shards_is_settled_when_all_have_answered_and_fails_when_one_does() -> None:
    cell: Pending | Settled = Pending(DIGEST, ("dialog-0", "dialog-1", "dialog-2"), Reply(), 5.0)
    for peer, failure in (("dialog-2", None), ("dialog-0", Reply(code="busy", message="no")), ("dialog-1", None)):
        assert isinstance(cell, Pending)
        cell = answered(cell, peer, failure)
    assert cell == Settled(DIGEST, Reply(code="busy", message="no"))


def test_an_answer_of_a_shard_that_was_not_asked_changes_nothing() -> None:
    pending = Pending(DIGEST, ("dialog-0",), Reply(), 5.0)
    assert answered(pending, "dialog-1", None) == pending


@given(st.lists(st.binary(min_size=1, max_size=2)), st.integers(1, 10))
def test_no_more_keys_are_remembered_than_the_limit_and_the_youngest_are(keys: list[bytes], limit: int) -> None:
    remembered = Remembered(limit)
    kept: list[bytes] = []
    for key in keys:
        kept = [*(k for k in kept if k != key), key]
        forgotten = remembered.add(key)
        assert forgotten == kept[: max(0, len(kept) - limit)]
        kept = kept[-limit:]


def test_cells_survive_their_journal() -> None:
    cell = Pending(DIGEST, ("dialog-0",), Reply(), 5.0, begins="abc")
    decoder = msgspec.msgpack.Decoder(Pending | Settled)
    assert decoder.decode(msgspec.msgpack.encode(cell)) == cell
    settled = Settled(DIGEST, Reply(b"\x80", "busy", "no", "uri"))
    assert decoder.decode(msgspec.msgpack.encode(settled)) == settled
