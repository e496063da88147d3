"""Both shards of an attended transfer are killed in its middle: the new call is up, the old one hung up, once each."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest

from actors.control.client import Client
from actors.runtime.slots import Slots
from tests.chaos.killing import children, kill, next_event, wait_restarted
from tests.chaos.test_calls_in_depth import wait_state
from tests.live.peer import Caller
from tests.live.service import Service, running

pytestmark = pytest.mark.live

CONFIG = "[service]\nshards = 2\n[calls]\nreplaces = true\n"
OLD, NEW = "dialog-0", "dialog-1"
_numbers = count(1)


def tag_in(shard: int) -> str:
    """A Call-ID that leads to this shard."""
    return next(tag for tag in (f"c{number}-{os.getpid()}" for number in _numbers) if Slots(2).shard(tag) == shard)


@contextmanager
def both(service: Service) -> Iterator[tuple[Caller, Caller]]:
    """A call that is up in the first shard, and a caller in the second that wants its place."""
    target, tag = service.addresses["udp"], tag_in(0)
    with Caller(target, tag=tag) as old:
        old.invite()
        assert old.final() == 200
        replaces = f"Replaces: {tag};to-tag={old.our_tag()};from-tag={tag}"
        with Caller(target, tag=tag_in(1), headers=(replaces, "Require: replaces")) as new:
            yield old, new


def taken_over(client: Client, events: Any, old: Caller, new: Caller) -> None:
    """Only the new call is left; then it is hung up."""
    old.grant(old.receive("BYE "))
    ended = next_event(events, "CallEnded", [])
    assert (ended.outcome, ended.by) == ("answered", "local")
    client.hangup(wait_state(client, "confirmed"))
    new.grant(new.receive("BYE "))
    next_event(events, "CallEnded", [])


@pytest.mark.parametrize("victims", [(OLD,), (NEW,), (OLD, NEW)])
def test_the_shards_die_while_the_one_asks_the_other_to_reserve(victims: tuple[str, ...]) -> None:
    """The shard of the old call is stopped, so that what it is asked is sure to wait when they die."""
    with (
        running("--answer", "echo", config=CONFIG) as service,
        Client(service.run_dir) as client,
        client.events() as events,
        both(service) as (old, new),
    ):
        owner = children(client)[OLD].pid
        os.kill(owner, signal.SIGSTOP)
        new.invite()
        new.receive("SIP/2.0 100")
        killed = [(name, kill(client, name)[0]) for name in victims]
        if OLD not in victims:
            os.kill(owner, signal.SIGCONT)
        assert new.final() == 200
        for name, before in killed:
            wait_restarted(client, name, before)
        taken_over(client, events, old, new)


def test_the_shards_die_as_the_new_call_is_answered() -> None:
    with (
        running("--answer", "echo", config=CONFIG) as service,
        Client(service.run_dir) as client,
        client.events() as events,
        both(service) as (old, new),
    ):
        new.invite()
        assert new.final() == 200
        killed = [(name, kill(client, name)[0]) for name in (NEW, OLD)]
        for name, before in killed:
            wait_restarted(client, name, before)
        taken_over(client, events, old, new)


def test_the_peer_of_a_call_is_sent_into_the_place_of_one_in_another_shard() -> None:
    with running("--answer", "echo", config=CONFIG) as service, Client(service.run_dir) as client:
        target = service.addresses["udp"]
        with Caller(target, tag=tag_in(0)) as one, Caller(target, tag=tag_in(1)) as two:
            one.invite()
            assert one.final() == 200
            (first,) = client.calls()
            two.invite()
            assert two.final() == 200
            while {call.state for call in client.calls()} != {"confirmed"}:
                pass  # each look is a question to the dialog actors
            (second,) = [call for call in client.calls() if call.call != first.call]
            client.transfer(first.call, replaces=second.call)
            refer = one.receive("REFER ")
            assert f"from-tag%3D{two.our_tag()}>" in refer
            one.grant(refer)
            for call, caller in ((first, one), (second, two)):
                client.hangup(call.call)
                caller.grant(caller.receive("BYE "))
