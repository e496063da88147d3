"""A call takes the place of one in another shard: reserved, then committed or released, whoever is restarted between.

Two shards on one table. What one tells the other waits in a queue, as in a pipe, and is taken once; before each word
either shard may be started again from its cells.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.dialog.call_commands import AnswerCall, HangUp, TransferCall, Treatment
from actors.dialog.call_events import CallAnswered, CallReceived
from actors.dialog.effects import Send, TellShard
from actors.dialog.events import CommandDone
from actors.dialog.shard_events import BetweenShards, CommitReplace, ReleaseReplace, ReplaceReserved, ReserveReplace
from tests.dialog.phone import NEAR, OFFER, Phone, answer_to, invite, message

OLD, NEW = 0, 1
CAROL: dict[str, Any] = {"branch": "new", "Call_ID": "new@peer", "From": "<sip:carol@h>;tag=carol"}
DAVE: dict[str, Any] = {"branch": "third", "Call_ID": "new-third@peer", "From": "<sip:dave@h>;tag=dave"}

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(BetweenShards).decode


class Shard(Phone):
    """One of two user agents: calls and dialogs whose id begins with `new` are of the second."""

    number = OLD

    def start(self) -> None:
        super().start()
        self.agent.agent.shard = self.number
        self.agent.agent.shard_of = lambda key: NEW if key.startswith("new") else OLD

    def word(self, word: Any) -> list[Any]:
        return self._did(self.agent.word(word, *self.clock))


class Second(Shard):
    number = NEW


class Pair:
    """Both shards, and the words on their way from one to the other."""

    def __init__(self, mode: str = "echo", **more: Any) -> None:
        self.shards = (Shard(mode, **{"replaces": True, **more}), Second(mode, **{"replaces": True, **more}))
        self.old, self.new = self.shards
        self._read = [0, 0]
        self.ways: tuple[deque[bytes], deque[bytes]] = (deque(), deque())  # to the old one's shard, to the new one's
        self.words: list[Any] = []

    def collect(self) -> None:
        for number, shard in enumerate(self.shards):
            for effect in shard.effects[self._read[number] :]:
                if type(effect) is TellShard:
                    assert effect.shard != number
                    self.ways[effect.shard].append(_encode(effect.word))
                    self.words.append(effect.word)
            self._read[number] = len(shard.effects)

    def carry(self, number: int) -> bool:
        """Hand one word to a shard; whether there was one."""
        self.collect()
        if not self.ways[number]:
            return False
        self.shards[number].word(_decode(self.ways[number].popleft()))
        return True

    def settle(self, *, restarted: tuple[int, ...] = ()) -> None:
        """Hand over all words; the shards of these numbers are started again before each."""
        more = True
        while more:
            for number in restarted:
                self.shards[number].start()
            more = self.carry(OLD) or self.carry(NEW)

    def up(self) -> None:
        """The call whose place is wanted."""
        self.old.receive_call()
        self.old.request(message("ACK", to_tag=self.tag))

    @property
    def tag(self) -> str:
        return str(self.old.reports(CallReceived)[0].call.partition("-")[0])

    def replacing(self, **more: str) -> None:
        named: dict[str, Any] = {"Replaces": f"one@192.0.2.9;to-tag={self.tag};from-tag=peer", **CAROL, **more}
        self.new.request(invite(**named))


def pair(**more: Any) -> Pair:
    it = Pair(**more)
    it.up()
    return it


@pytest.mark.parametrize("restarted", [(), (OLD,), (NEW,), (OLD, NEW)])
def test_a_call_takes_the_place_of_one_in_another_shard(restarted: tuple[int, ...]) -> None:
    it = pair()
    it.replacing()
    it.new.prepared(it.new.session)
    assert it.new.statuses == []  # neither rung nor answered before it is reserved
    it.settle(restarted=restarted)
    assert it.new.statuses[-1] == 200
    assert it.new.call.state.name == "ANSWERED"
    assert it.new.call.treatment.echo
    assert [bye.head.call_id for bye in it.old.sent("BYE")] == ["one@192.0.2.9"]
    assert [type(word) for word in it.words] == [ReserveReplace, ReplaceReserved, CommitReplace]


def test_it_is_answered_at_once_with_the_treatment_of_the_other_whatever_the_policy_for_calls_is() -> None:
    it = Pair("ring")
    it.old.receive_call()
    it.old.command(AnswerCall("a", it.old.call.call, Treatment(play="/tmp/b.wav"), 0.0))
    it.old.request(message("ACK", to_tag=it.tag))
    it.replacing()
    it.new.prepared(it.new.session)
    it.settle()
    assert it.new.statuses == [180, 200]
    assert it.new.call.treatment.play == "/tmp/b.wav"
    assert it.old.sent("BYE")


@pytest.mark.parametrize(
    ("policy", "named", "status"),
    [
        ({"replaces": False}, "one@192.0.2.9;to-tag={tag};from-tag=peer", 403),
        ({}, "one@192.0.2.9;to-tag=none;from-tag=peer", 481),
        ({}, "one@192.0.2.9;to-tag={tag};from-tag=other", 481),
        ({}, "two@192.0.2.9;to-tag={tag};from-tag=peer", 481),
        ({}, "one@192.0.2.9;to-tag={tag};from-tag=peer;early-only", 486),
    ],
)
def test_the_shard_of_the_call_judges_who_takes_its_place(policy: dict[str, Any], named: str, status: int) -> None:
    it = pair(**policy)
    it.replacing(Replaces=named.format(tag=it.tag))
    it.new.prepared(it.new.session)
    it.settle()
    assert it.new.statuses == [status]
    assert it.old.state == "CONFIRMED"
    assert it.old.call.locked is None
    it.new.finish()
    assert it.new.calls == []


def test_only_one_at_a_time_takes_the_place_of_a_call() -> None:
    it = pair()
    it.replacing()
    it.new.prepared(it.new.session)
    it.carry(OLD)
    it.replacing(**DAVE)
    it.new.prepared(it.new.session)
    it.carry(OLD)
    assert [word.status for word in it.words if type(word) is ReplaceReserved] == [0]
    it.settle()
    assert [word.status for word in it.words if type(word) is ReplaceReserved] == [0, 491]
    assert sorted(set(it.new.statuses)) == [180, 200, 491]
    assert len(it.old.sent("BYE")) == 1


def test_a_call_that_is_kept_for_another_is_replaced_by_none_here_and_not_transferred() -> None:
    it = pair()
    it.replacing()
    it.new.prepared(it.new.session)
    it.carry(OLD)
    it.old.request(invite(**{**CAROL, "Replaces": f"one@192.0.2.9;to-tag={it.tag};from-tag=peer"}))
    assert it.old.statuses[-1] == 491
    it.old.command(TransferCall("t", it.old.call.call, "sip:carol@192.0.2.7"))
    assert it.old.failure().code == "bad_state"


@pytest.mark.parametrize("restarted", [(), (OLD,), (NEW,)])
@pytest.mark.parametrize("reserved_first", [True, False])
def test_a_new_call_that_is_cancelled_releases_the_other(restarted: tuple[int, ...], reserved_first: bool) -> None:
    it = pair()
    it.replacing()
    it.new.prepared(it.new.session)
    if reserved_first:
        it.carry(OLD)
        assert it.old.call.locked is not None
    raw = invite(**{**CAROL, "Replaces": "any"})
    it.new.cancel(raw)
    it.settle(restarted=restarted)
    assert it.new.statuses == [487]
    assert it.old.state == "CONFIRMED"
    assert it.old.call.locked is None
    assert type(it.words[-1]) in (ReleaseReplace, ReplaceReserved)


def test_if_the_other_hangs_up_meanwhile_the_new_call_lives_alone() -> None:
    it = pair()
    it.replacing()
    it.new.prepared(it.new.session)
    it.carry(OLD)
    it.old.request(message("BYE", to_tag=it.tag, cseq=2))
    it.old.finish()
    it.settle()
    assert it.new.call.state.name == "ANSWERED"
    assert not it.old.sent("BYE")
    assert it.old.calls == []


def test_without_a_word_of_the_other_shard_the_call_is_refused_and_nothing_stays_locked() -> None:
    it = pair()
    it.replacing()
    it.new.prepared(it.new.session)
    it.new.wait(6.0)
    assert it.new.statuses == [503]
    it.settle()
    assert it.old.call.locked is None


def test_a_call_that_broke_releases_the_other() -> None:
    it = pair()
    it.replacing()
    it.new.prepared(it.new.session)
    it.carry(OLD)
    broken = it.new.call
    it.new.effects += it.new.agent.abandon(broken.key, broken, *it.new.clock)
    it.settle()
    assert it.old.call.locked is None


def test_a_shard_that_lost_all_it_held_keeps_no_call_locked_and_has_none_to_replace() -> None:
    it = pair()
    it.replacing()
    it.new.prepared(it.new.session)
    it.carry(OLD)
    it.old.effects += it.old.agent.shard_lost(NEW, *it.old.clock)
    assert it.old.call.locked is None
    it.new.effects += it.new.agent.shard_lost(OLD, *it.new.clock)
    assert it.new.statuses == [481]


# The other role: the peer of a call of ours is sent into the place of one in another shard.


def _up_out(phone: Phone, call: str) -> None:
    """A call out that is up."""
    key = phone.place_call(NEAR, call=call)
    sent = phone.last(Send)
    phone.response(answer_to(sent.raw, 200, body=OFFER), key)


@pytest.mark.parametrize("restarted", [(), (OLD,), (NEW,), (OLD, NEW)])
def test_the_peer_of_a_call_is_sent_into_the_place_of_one_in_another_shard(restarted: tuple[int, ...]) -> None:
    it = pair()
    _up_out(it.new, "new-1@host")
    call = it.old.call.call
    assert it.old.command(TransferCall("t", call, replaces="new-1@host"))
    assert not it.old.reports(CommandDone)
    it.settle(restarted=restarted)
    assert [done.ref for done in it.old.reports(CommandDone)] == ["t"]
    refer_to = it.old.sent("REFER")[0].get("Refer-To")
    tag = it.new.call.tag
    assert refer_to == f"<sip:bob@192.0.2.9:5070?Replaces=new-1%40host%3Bto-tag%3Dcallee%3Bfrom-tag%3D{tag}>"


def test_a_transfer_into_the_place_of_no_call_fails_and_one_whose_call_ended_meanwhile_too() -> None:
    it = pair()
    call = it.old.call.call
    it.old.command(TransferCall("t", call, replaces="new-1@host"))
    it.settle()
    assert (it.old.failure().ref, it.old.failure().code) == ("t", "no_such_call")
    _up_out(it.new, "new-1@host")
    it.old.command(TransferCall("u", call, replaces="new-1@host"))
    it.old.command(HangUp("h", call))
    it.settle()
    assert (it.old.failure().ref, it.old.failure().code) == ("u", "bad_state")
    assert not it.old.sent("REFER")


STEPS = st.lists(
    st.sampled_from(["prepare", "to old", "to new", "cancel", "bye", "hang up", "wait", "again", "old", "new"]),
    max_size=14,
)


@given(steps=STEPS)
@settings(max_examples=150, deadline=None)
def test_whatever_happens_in_between_one_call_is_up_in_that_place_and_none_is_locked(steps: list[str]) -> None:
    it = pair()
    it.replacing()
    raw = invite(**{**CAROL, "Replaces": "any"})
    for step in steps:
        _do(it, step, raw)
    it.settle()
    for shard in it.shards:
        shard.wait(1.0)
    it.settle()
    assert all(call.locked is None or call.state.name in ("CLOSING", "LEAVING") for call in it.old.calls)
    answered = bool(it.new.reports(CallAnswered))
    assert answered == any(type(word) is CommitReplace for word in it.words)
    if answered:
        assert not [call for call in it.old.calls if call.state.name == "CONFIRMED"]


def _do(it: Pair, step: str, raw: bytes) -> None:
    if step == "prepare":
        it.new.prepared(it.new.session)
    elif step in ("to old", "to new"):
        it.carry(OLD if step == "to old" else NEW)
    elif step == "cancel":
        it.new.cancel(raw)
    elif step == "bye":
        it.old.request(message("BYE", to_tag=it.tag, cseq=2))
    elif step == "hang up":
        it.old.command(HangUp("h", it.old.reports(CallReceived)[0].call))
    elif step == "wait":
        it.new.wait(2.0)
    elif step == "again":
        it.replacing(**DAVE)
    else:
        (it.old if step == "old" else it.new).start()
