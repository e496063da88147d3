"""One actor on its own in another program: each event once, both ways; one that cannot start says why."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from typing import ClassVar

import pytest

from actors.runtime.actor import LayerActor
from actors.runtime.alone import Alone
from actors.runtime.errors import StartupError
from actors.runtime.machine import Event


class Question(Event, frozen=True):
    number: int


class Answer(Event, frozen=True):
    number: int
    square: int


class Squares(LayerActor):
    accepts: ClassVar = {"host": Question}

    def handle(self, peer: str, message: Question, now: float) -> None:  # noqa: ARG002
        self.tell(peer, Answer(message.number, message.number**2))

    def expire(self, key: bytes, now: float) -> None:  # noqa: ARG002
        raise AssertionError(f"nobody armed {key!r}")


class Broken(Squares):
    def started(self) -> None:
        raise RuntimeError("no sound card")


def test_an_actor_alone_answers_this_program() -> None:
    with Alone(Squares, "squares", "host", Answer, settings=None) as squares:
        assert squares.receive(0.0) is None
        for number in range(500):
            squares.tell(Question(number))
        assert [squares.receive(10.0) for _ in range(500)] == [Answer(number, number**2) for number in range(500)]
    assert not squares._folder.exists()


def test_two_of_them_do_not_meet() -> None:
    with (
        Alone(Squares, "squares", "host", Answer, settings=None) as one,
        Alone(Squares, "squares", "host", Answer, settings=None) as other,
    ):
        one.tell(Question(2))
        other.tell(Question(3))
        assert (one.receive(10.0), other.receive(10.0)) == (Answer(2, 4), Answer(3, 9))


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Have this program hold more descriptors than select(2) knows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048:
        pytest.skip(f"no more than {hard} descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(1024)]
    yield
    for fd in held:
        os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("descriptors")
def test_a_program_of_many_descriptors_can_have_one_too() -> None:
    with Alone(Squares, "squares", "host", Answer, settings=None) as squares:
        squares.tell(Question(3))
        assert squares.receive(10.0) == Answer(3, 9)


def test_one_that_cannot_start_says_why_and_leaves_nothing() -> None:
    broken = Alone(Broken, "squares", "host", Answer, settings=None)
    with pytest.raises(StartupError, match="squares: RuntimeError: no sound card"), broken:
        pass
    assert not broken._folder.exists()
