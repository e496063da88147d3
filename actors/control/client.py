"""The blocking client of the control API: typed commands that take effect once, and the stream of events.

It needs pyzmq and msgpack, no more. A client belongs to one thread; nothing is ever called back. It finds its service
by the run directory, reconnects by itself, and repeats a command under the same idempotency key until it is answered,
so that a restart of the service's control actor neither loses nor doubles one::

    with Client("/run/user/1000/sipactors") as client, client.events() as events:
        call = client.calls.place("sip:bob@192.0.2.4", play="/srv/hello.wav")
        for event in events:
            ...
        call.hangup()
"""

import os
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import zmq

from actors.control import verbs
from actors.control.api import Blocking, Commands
from actors.control.asking import FIRST_REPEAT, Exchange, Wish
from actors.control.connecting import dealer
from actors.control.errors import CommandRefused, ControlError, NoService, TimedOut
from actors.control.paths import Where, default_run_dir, locate
from actors.control.protocol import MAX_FRAME, ProtocolError, decode_frame, encode_request
from actors.control.reading import LAST_QUIET, QUIET, Following, Lost, Reader
from actors.control.records import Event, Frame, Request

if TYPE_CHECKING:  # read when audio is first asked for
    from actors.control.audio import Audio
    from actors.control.audio_lines import Lines

__all__ = [
    "Client",
    "CommandRefused",
    "ControlError",
    "EventStream",
    "Lost",
    "NoService",
    "TimedOut",
    "default_run_dir",
]

PATIENCE = 5.0  # seconds a command is waited for, where the caller does not say

R = TypeVar("R")


class Line:
    """One DEALER socket to the service and the patience with it."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", where: Where) -> None:
        self.socket = dealer(context, where.address, where.key, kind=b"c", max_message=MAX_FRAME, slowest=50)
        self.socket.connect(where.address)

    def send(self, request: Request) -> None:
        try:
            self.socket.send(encode_request(request), zmq.NOBLOCK)
        except zmq.Again:
            return  # the queue to an absent service is full of what is repeated here anyway
        except ProtocolError as error:
            raise CommandRefused(error.code, error.message, error.field) from None

    def receive(self, patience: float) -> Frame | None:
        """The next frame, None when none comes within `patience` seconds."""
        if not self.socket.poll(max(0, round(patience * 1000))):
            return None
        try:
            return decode_frame(self.socket.recv_multipart()[-1])
        except ProtocolError as error:
            raise ControlError(f"the service sent what this client does not understand: {error}") from None


class Client(Commands[Blocking]):
    """A connection to one service. Its commands raise CommandRefused, TimedOut or NoService.

    Args:
        run_dir: the service's run directory; see :func:`default_run_dir`.
        address: ``tcp://HOST:PORT`` of a service on another machine, instead of `run_dir`.
        key: the file that ``sipactors keys new`` made, for `address`.
        patience: seconds that a command is waited for.

    Attributes:
        service: who answered.

    Raises:
        NoService: none answers there.
    """

    def __init__(
        self,
        run_dir: str | os.PathLike[str] | None = None,
        *,
        address: str = "",
        key: str | os.PathLike[str] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.where = locate(run_dir, address, key)
        self._patience = patience
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._line = Line(self._context, self.where)
        self._streams: list[EventStream] = []
        self._lines: Lines | None = None
        try:
            self.service = self._see_through(verbs.hello(), self.where.patience)
        except BaseException as error:
            self.close()
            if isinstance(error, TimedOut):
                raise NoService(self.where.nobody) from None
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and every stream of events. Calls go on."""
        for stream in list(self._streams):
            stream.close()
        if self._lines is not None:
            self._lines.close()
        self._line.socket.close()
        self._context.term()

    def events(
        self,
        since: int | None = None,
        *,
        log: str = "",
        topics: Iterable[str] = (),
        call: str = "",
        state: bool = False,
    ) -> "EventStream":
        """The events after number `since`, or from now on; the subscription stands when this returns.

        Args:
            since: the number of the last event that you have; 0 for all that are kept.
            log: the id of the log that `since` is of (EventStream.log), if it was kept.
            topics: names of events, or beginnings of names with a star (``Call*``); empty for all.
            call: only events of this call.
            state: begin with the calls and accounts that there are (EventStream.state and accounts).
        """
        return EventStream(self, Reader(os.urandom(8).hex(), since, log, topics=topics, call=call, state=state))

    def _grant(self, wish: Wish[Any]) -> Any:  # noqa: ANN401
        return self._see_through(wish, self._patience)

    def _tap(self, call: str, rate: int, *, hear: bool, speak: bool) -> "Audio":
        from actors.control.audio import Audio  # noqa: PLC0415 - most clients do without
        from actors.control.audio_lines import Lines  # noqa: PLC0415 - as above

        if self._lines is None:
            self._lines = Lines(self._context, self.where, self.service.audio)
        return Audio(self._lines, self.calls, call, rate, hear=hear, speak=speak, patience=self._patience)

    def _see_through(self, wish: Wish[R], patience: float) -> R:
        """Send a wish until its whole reply has come."""
        now = time.monotonic()
        exchange = Exchange(wish, os.urandom(16).hex(), patience, now)
        while now < exchange.ends:
            if exchange.due(now):
                self._line.send(exchange.request)
            if exchange.take(self._line.receive(exchange.wait(now))):
                return exchange.result()
            now = time.monotonic()
        raise TimedOut(f"the service in {self.where} does not answer within {patience:g} s; see: sipactors ps")


class EventStream(Following):
    """The events of a service, in order, each once: iterate, or ask with :meth:`receive`.

    It goes on over restarts of the service's control actor. It ends when the service stops or is closed. What the
    service could not keep for a slow reader shows as :class:`Lost`.
    """

    def __init__(self, client: Client, reader: Reader) -> None:
        super().__init__(reader)
        self._client = client
        self._line = Line(client._context, client.where)  # noqa: SLF001 - one unit with its client
        self._pause = QUIET
        self._renewal = 0.0  # when the subscription is renewed, if nothing comes: over many a short wait, too
        client._streams.append(self)  # noqa: SLF001
        try:
            self._begin(client._patience)  # noqa: SLF001
        except BaseException:
            self.close()
            raise

    def _begin(self, patience: float) -> None:
        end = time.monotonic() + patience
        while not self._reader.begun:
            left = end - time.monotonic()
            if left <= 0:
                raise TimedOut(f"the service in {self._client.where} does not answer; see: sipactors ps")
            self._line.send(self._reader.subscribe(idle=True))
            self._reader.take(self._line.receive(min(left, FIRST_REPEAT)))
        self._renewal = time.monotonic() + QUIET

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event | Lost]:
        while (event := self.receive()) is not None:
            yield event

    def receive(self, timeout: float | None = None) -> Event | Lost | None:
        """The next event; None when `timeout` seconds pass without one, or when the stream has `ended`."""
        reader = self._reader
        end = None if timeout is None else time.monotonic() + timeout
        while not reader.ready and not reader.ended:
            if reader.behind:
                self._line.send(reader.subscribe(idle=True))
            now = time.monotonic()
            until = self._renewal if end is None else min(self._renewal, end)
            frame = self._line.receive(max(until - now, 0.0))
            reader.take(frame)
            now = time.monotonic()
            if frame is not None:
                self._renewal = now + self._pause
            elif now >= self._renewal:
                self._line.send(reader.subscribe(idle=True))
                self._pause = min(2 * self._pause, LAST_QUIET)
                self._renewal = now + self._pause
            if end is not None and now >= end and not reader.ready:
                return None  # whatever comes that is no event: the caller has other things to do
        self._pause = QUIET
        event = reader.next()
        if event is not None and reader.hungry:
            self._line.send(reader.subscribe(idle=False))
        return event

    def close(self) -> None:
        """End the subscription."""
        if self._line.socket.closed:
            return
        self._line.send(self._reader.unsubscribe())
        self._line.socket.close()
        self._reader.ended = True
        self._client._streams.remove(self)  # noqa: SLF001
