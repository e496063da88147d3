"""The asyncio client of the control API: the names of `Client`, awaited; one connection for all of a program's tasks.

::

    async with AsyncClient() as client, client.events(topics=["CallReceived"]) as events:
        async for event in events:
            call = client.calls[event.call]
            await call.claim()
            await call.answer(echo=True)

It needs pyzmq and msgpack, no more; it is used in the event loop it was entered in.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import zmq

from actors.control import verbs
from actors.control.api import Awaiting, Commands
from actors.control.asking import FIRST_REPEAT, Exchange, Wish
from actors.control.client import PATIENCE, Line
from actors.control.errors import ControlError, NoService, TimedOut
from actors.control.paths import locate
from actors.control.protocol import ProtocolError
from actors.control.reading import LAST_QUIET, QUIET, Following, Lost, Reader
from actors.control.records import Event, Frame, Welcome

if TYPE_CHECKING:  # read when audio is first asked for
    from actors.control.async_audio import AsyncAudio, AsyncLines

R = TypeVar("R")


class AsyncClient(Commands[Awaiting]):
    """A connection to one service: enter it. Its commands raise CommandRefused, TimedOut or NoService.

    Args:
        run_dir: the service's run directory; see :func:`actors.control.paths.default_run_dir`.
        address: ``tcp://HOST:PORT`` of a service on another machine, instead of `run_dir`.
        key: the file that ``sipactors keys new`` made, for `address`.
        patience: seconds that a command is waited for.

    Attributes:
        service: who answered, once it is entered.
    """

    service: Welcome

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
        self._waiting: dict[str, tuple[Exchange[Any], asyncio.Future[Any]]] = {}
        self._streams: dict[str, AsyncEventStream] = {}
        self._lines: AsyncLines | None = None

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            NoService: none answers there.
        """
        self._loop = asyncio.get_running_loop()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._line = Line(self._context, self.where)
        self._fd = int(self._line.socket.getsockopt(zmq.FD))
        self._loop.add_reader(self._fd, self._readable)
        try:
            self.service = await self._see_through(verbs.hello(), self.where.patience)
        except BaseException as error:
            self.close()
            if isinstance(error, TimedOut):
                raise NoService(self.where.nobody) from None
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and every stream of events. Calls go on."""
        for stream in list(self._streams.values()):
            stream.close()
        if self._lines is not None:
            self._lines.close()
        self._loop.remove_reader(self._fd)
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
    ) -> "AsyncEventStream":
        """The events after number `since`, or from now on; enter it, then the subscription stands.

        The arguments are those of Client.events.
        """
        return AsyncEventStream(self, Reader(os.urandom(8).hex(), since, log, topics=topics, call=call, state=state))

    def _grant(self, wish: Wish[Any]) -> Any:  # noqa: ANN401
        return self._see_through(wish, self._patience)

    def _tap(self, call: str, rate: int, *, hear: bool, speak: bool) -> "AsyncAudio":
        from actors.control.async_audio import AsyncAudio, AsyncLines  # noqa: PLC0415 - most clients do without

        if self._lines is None:
            self._lines = AsyncLines(self._context, self.where, self.service.audio, self._loop)
        return AsyncAudio(self._lines, self.calls, call, rate, hear=hear, speak=speak, patience=self._patience)

    async def _see_through(self, wish: Wish[R], patience: float) -> R:
        """Send a wish until its whole reply has come."""
        now = self._loop.time()
        exchange = Exchange(wish, os.urandom(16).hex(), patience, now)
        future: asyncio.Future[R] = self._loop.create_future()
        self._waiting[exchange.request.id] = (exchange, future)
        try:
            while now < exchange.ends and not future.done():
                if exchange.due(now):
                    self._send(exchange.request)
                await asyncio.wait([future], timeout=exchange.wait(now))
                now = self._loop.time()
            if future.done():
                return future.result()
        finally:
            del self._waiting[exchange.request.id]
        raise TimedOut(f"the service in {self.where} does not answer within {patience:g} s; see: sipactors ps")

    def _send(self, request: Any) -> None:  # noqa: ANN401
        self._line.send(request)
        # The descriptor only tells of news, and a send may take the news with it.
        self._loop.call_soon(self._readable)

    def _readable(self) -> None:
        """Take every frame that has come."""
        while not self._line.socket.closed:
            try:
                frame = self._line.receive(0)
            except ControlError as error:
                for _, future in self._waiting.values():
                    _fail(future, error)
                continue
            if frame is None:
                return
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        if frame.id in self._streams:
            self._streams[frame.id].take(frame)
        elif frame.id in self._waiting:
            exchange, future = self._waiting[frame.id]
            try:
                if exchange.take(frame) and not future.done():
                    future.set_result(exchange.result())
            except (ControlError, ProtocolError) as error:
                _fail(future, error)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


class AsyncEventStream(Following):
    """The events of a service, in order, each once: enter it and iterate, or ask with :meth:`receive`.

    It goes on over restarts of the service's control actor. It ends when the service stops or is closed. What the
    service could not keep for a slow reader shows as :class:`Lost`. One task reads it.
    """

    def __init__(self, client: AsyncClient, reader: Reader) -> None:
        super().__init__(reader)
        self._client = client
        self._news = asyncio.Event()
        self._error: Exception | None = None

    async def __aenter__(self) -> Self:
        """Subscribe; the subscription stands when this returns.

        Raises:
            TimedOut: the service does not answer.
        """
        self._client._streams[self._reader.id] = self  # noqa: SLF001 - one unit
        try:
            await self._begin(self._client._patience)  # noqa: SLF001
        except BaseException:
            self.close()
            raise
        return self

    async def _begin(self, patience: float) -> None:
        loop = self._client._loop  # noqa: SLF001
        end = loop.time() + patience
        while not self._reader.begun:
            if loop.time() >= end:
                raise TimedOut(f"the service in {self._client.where} does not answer; see: sipactors ps")
            self._ask(idle=True)
            await self._wait(FIRST_REPEAT)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aiter__(self) -> AsyncIterator[Event | Lost]:
        while (event := await self.receive()) is not None:
            yield event

    async def receive(self, timeout: float | None = None) -> Event | Lost | None:  # noqa: ASYNC109 - as Client's
        """The next event; None when `timeout` seconds pass without one, or when the stream has `ended`."""
        reader, loop = self._reader, self._client._loop  # noqa: SLF001
        end = None if timeout is None else loop.time() + timeout
        pause = QUIET
        while not reader.ready and not reader.ended:
            if reader.behind:
                self._ask(idle=True)
            left = pause if end is None else min(pause, end - loop.time())
            if await self._wait(left):
                continue
            if end is not None and loop.time() >= end:
                return None
            self._ask(idle=True)
            pause = min(2 * pause, LAST_QUIET)
        event = reader.next()
        if event is not None and reader.hungry:
            self._ask(idle=False)
        return event

    async def _wait(self, seconds: float) -> bool:
        """Wait for a frame; whether one came in time."""
        self._news.clear()
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._news.wait()
        except TimeoutError:
            return False
        if self._error is not None:
            raise self._error
        return True

    def take(self, frame: Frame) -> None:
        """A frame of this subscription; called by the client."""
        try:
            self._reader.take(frame)
        except ControlError as error:
            self._error = error
        self._news.set()

    def _ask(self, *, idle: bool) -> None:
        self._client._send(self._reader.subscribe(idle=idle))  # noqa: SLF001 - one unit

    def close(self) -> None:
        """End the subscription."""
        if self._client._streams.pop(self._reader.id, None) is None:  # noqa: SLF001
            return
        self._client._line.send(self._reader.unsubscribe())  # noqa: SLF001
        self._reader.ended = True
        self._news.set()
