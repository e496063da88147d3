"""One command of a client from its first sending to its reply, without a socket. Pure: both clients are its shells."""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from actors.control.errors import CommandRefused, TimedOut
from actors.control.protocol import read
from actors.control.records import Command, Done, Frame, Nothing, Refused, Request

FIRST_REPEAT = 0.2  # seconds until a command is sent again under the same key
LAST_REPEAT = 1.0

R = TypeVar("R")


class Wish(NamedTuple, Generic[R]):
    """What a client wants of the service.

    Attributes:
        command: what is sent.
        part: the record that each part of the reply is.
        made: what the caller gets of all the parts.
        key: the idempotency key, empty for a new one.
    """

    command: Command
    part: type[Any]
    made: Callable[[list[Any]], R]
    key: str = ""


def none(_parts: list[Nothing]) -> None:
    """The result of a command that says nothing but that it took effect."""


class Exchange(Generic[R]):
    """A wish on its way: sent at once, repeated until its whole reply has come, or its time is over.

    Args:
        wish: what is wanted.
        token: random, new for each.
        patience: seconds until it is given up.
        now: seconds.

    Attributes:
        request: what to send whenever `due`.
        ends: the second at which it is given up.
    """

    def __init__(self, wish: Wish[R], token: str, patience: float, now: float) -> None:
        self.request = Request(token[:16], wish.key or token, patience, wish.command)
        self.ends = now + patience
        self._wish = wish
        self._repeat = now
        self._pause = FIRST_REPEAT
        self._parts: list[Any] = []

    def due(self, now: float) -> bool:
        """Whether the request is to be sent (again) now; answers yes once each time."""
        if now < self._repeat:
            return False
        self._repeat, self._pause = now + self._pause, min(2 * self._pause, LAST_REPEAT)
        return True

    def wait(self, now: float) -> float:
        """Seconds until it is due again or given up, 0 when that is past."""
        return max(min(self._repeat, self.ends) - now, 0.0)

    def take(self, frame: Frame | None) -> bool:
        """Whether the reply is whole with this frame; one of another request changes nothing.

        Raises:
            CommandRefused: the service refused it.
            TimedOut: the service says that the command's part of it did not answer.
            ProtocolError: the reply is not what was asked for.
        """
        if isinstance(frame, Done) and frame.id == self.request.id:
            # Parts come in order; a repeated request starts them over.
            self._parts = [*self._parts[: frame.part], read(self._wish.part, frame.result)]
            return frame.last and len(self._parts) == frame.part + 1
        if isinstance(frame, Refused) and frame.id == self.request.id:
            if frame.code == "timeout":
                raise TimedOut(frame.message)
            raise CommandRefused(frame.code, frame.message, frame.field)
        return False

    def result(self) -> R:
        """What the caller gets, once `take` said that the reply is whole."""
        return self._wish.made(self._parts)
