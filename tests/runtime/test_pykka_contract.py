"""What LayerActor relies on in Pykka 4.5 beyond its documented interface; a new Pykka that differs fails here first."""

from __future__ import annotations

import logging
import queue
from importlib.metadata import version
from typing import Any

import pykka
import pytest
from pykka._envelope import Envelope
from pykka._threading import ThreadingFuture


class Inline(pykka.Actor):
    """An actor of another kind of concurrency: its loop runs in the caller's thread."""

    inbox: queue.Queue[Any]

    def __init__(self, *messages: object, fails: str = "") -> None:
        super().__init__()
        self.fails = fails
        self.told: list[str] = []
        for message in messages:
            self.actor_inbox.put(Envelope(message))

    @staticmethod
    def _create_actor_inbox() -> Any:
        return queue.Queue()

    @staticmethod
    def _create_future() -> Any:
        return ThreadingFuture()

    def _start_actor_loop(self) -> None:
        last.append(self)
        self._actor_loop()

    def on_start(self) -> None:
        self.told.append("start")
        if self.fails == "start":
            raise ValueError

    def on_stop(self) -> None:
        self.told.append("stop")

    def on_failure(self, *_: object) -> None:
        self.told.append("failure")

    def on_receive(self, message: object) -> None:
        self.told.append(f"receive {message}")
        if message == "stop":
            self.stop()
            self.actor_inbox.put(Envelope("never seen"))
        if isinstance(message, BaseException):
            raise message


last: list[Inline] = []


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    last.clear()
    caplog.set_level(logging.CRITICAL, logger="pykka")


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("pykka").split(".")[:2] == ["4", "5"]


def test_start_runs_a_loop_of_our_own_kind_and_returns_when_it_ends() -> None:
    ref = Inline.start("a", "stop")
    assert last[0].told == ["start", "receive a", "receive stop", "stop"]
    assert not ref.is_alive()


def test_an_exception_in_on_start_ends_the_actor_without_on_failure_and_without_raising() -> None:
    Inline.start(fails="start")
    assert last[0].told == ["start"]


def test_an_exception_in_on_receive_is_a_failure_but_start_returns_normally() -> None:
    Inline.start(ValueError("x"))
    assert last[0].told == ["start", "receive x", "failure"]


def test_a_base_exception_in_one_actor_stops_all_actors_of_the_process() -> None:
    other = pykka.ThreadingActor.start()
    Inline.start(SystemExit(3))
    assert "failure" not in last[0].told
    assert not other.is_alive()


def test_at_the_end_what_is_left_in_the_inbox_is_drained_by_empty_and_get() -> None:
    Inline.start("stop")
    assert last[0].actor_inbox.empty()
    assert "receive never seen" not in last[0].told


def test_a_proxy_call_and_an_ask_go_through_the_same_inbox() -> None:
    actor = Inline()
    future = actor.actor_ref.ask("a", block=False)
    actor.actor_ref.tell("stop")
    actor._start_actor_loop()
    assert future.get(timeout=1) is None
    with pytest.raises(pykka.ActorDeadError):
        actor.actor_ref.tell("late")
