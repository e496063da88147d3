"""The audio of calls in an asyncio program: `audio`, awaited; what all tasks write in one turn is one message.

::

    async with client.calls[id].audio(rate=16000) as audio:
        await audio.write(speech)
        async for frame in audio:
            if loud(frame.data):
                cut = await audio.flush()
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from types import TracebackType
from typing import Self

import zmq

from actors.control.audio import Stream
from actors.control.audio_lines import AGAIN, Asked, Line, Lines
from actors.control.paths import Where
from actors.control.records import CallInfo
from actors.control.tapping import Cut, Heard, Mark
from actors.media.audio_events import Measured


class AsyncLines(Lines):
    """The connections of an asyncio client.

    Args:
        context: of its sockets.
        where, ports: as those of Lines.
        loop: that it is used in.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        where: Where,
        ports: Iterable[int],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(context, where, ports)
        self._loop = loop
        self._fds: dict[str, int] = {}
        self._news: dict[str, asyncio.Event] = {}
        self._due: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._watched = loop.time()

    def find(self) -> list[Line]:
        """As Lines.find; they are read from here on."""
        lines = super().find()
        for line in lines:
            if line.address not in self._fds:
                fd = self._fds[line.address] = int(line.socket.getsockopt(zmq.FD))
                self._news[line.address] = asyncio.Event()
                self._loop.add_reader(fd, self._readable, line)
        if self._timer is None:
            self._watch()
        return lines

    def news(self, line: Line) -> asyncio.Event:
        """Set at everything that comes over a line, and new then."""
        return self._news[line.address]

    def soon(self, line: Line) -> None:
        """Send what its taps have to send, once the task in hand pauses: of all tasks in one message."""
        if line.address not in self._due:
            self._due.add(line.address)
            self._loop.call_soon(self._readable, line)

    def _readable(self, line: Line) -> None:
        """Read and send; the descriptor only tells of news, and a send may take the news with it."""
        if line.socket.closed:
            return
        self._due.discard(line.address)
        came = line.read()
        line.flush()
        if line.read() or came:
            self._tell(line)
        if self.seeking and self.seek(self._loop.time()):
            for each in self.all.values():
                self._tell(each)

    def _tell(self, line: Line) -> None:
        """There is news for who waits for a line's."""
        news, self._news[line.address] = self._news[line.address], asyncio.Event()
        news.set()

    def _watch(self) -> None:
        now = self._loop.time()
        for line in tuple(self.all.values()):
            if line.taps or self.seeking:
                self._readable(line)
                line.waited(now - self._watched)
        self._watched = now
        self._timer = self._loop.call_later(AGAIN, self._watch)

    def close(self) -> None:
        """As Lines.close."""
        if self._timer is not None:
            self._timer.cancel()
        for fd in self._fds.values():
            self._loop.remove_reader(fd)
        super().close()


class AsyncAudio(Stream):
    """The audio of one call: enter it. The arguments are those of :class:`Audio`."""

    _lines: AsyncLines

    def __init__(
        self,
        lines: AsyncLines,
        calls: Callable[[], Awaitable[list[CallInfo]]],
        call: str,
        rate: int,
        *,
        hear: bool,
        speak: bool,
        patience: float,
    ) -> None:
        self._lines = lines
        self._calls = calls
        self._patience = patience
        self._asked = Asked(lines, call, rate, hear=hear, speak=speak)

    async def __aenter__(self) -> Self:
        """Open it.

        Raises:
            CommandRefused, TimedOut: as those of :class:`Audio`.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience
        found = None
        while found is None:
            if (late := loop.time() >= end) or self._asked.doubtful:
                self._asked.judge(await self._calls(), late=late)
            self._asked.ask()
            again = loop.time() + AGAIN
            while found is None and (left := again - loop.time()) > 0:
                await _any([self._lines.news(line) for line in self._asked.lines], left)
                found = self._asked.found()
        self._at, self._tap = found
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._part()

    async def __aiter__(self) -> AsyncIterator[Heard]:
        while (frame := await self.receive()) is not None:
            yield frame

    async def receive(self) -> Heard | None:
        """The next frame; None when the audio has `ended`."""
        while (frame := self._tap.next()) is None and not self._tap.closed:
            await self._news()
        return frame

    async def write(self, data: bytes) -> None:
        """As Audio.write."""
        left = memoryview(data)
        while True:
            self._check()
            left = left[self._tap.write(bytes(left)) :]
            self._lines.soon(self._line)
            if len(left) < 2:
                return
            await self._news()

    def mark(self) -> Mark:
        """As Audio.mark."""
        self._check()
        mark = self._tap.mark()
        self._lines.soon(self._line)
        return mark

    async def wait(self, mark: Mark) -> bool:
        """Wait until a mark was played; False when it was cut."""
        while not mark.done and not self._tap.closed:
            await self._news()
        return mark.played

    async def flush(self) -> Cut:
        """As Audio.flush."""
        self._tap.flush()
        self._lines.soon(self._line)
        while (cut := self._tap.cut) is None:
            self._check()
            await self._news()
        return cut

    async def measure(self) -> Measured:
        """As Audio.measure."""
        self._tap.measure()
        self._lines.soon(self._line)
        while (measured := self._tap.measured) is None:
            self._check()
            await self._news()
        return measured

    async def _news(self) -> None:
        await self._lines.news(self._line).wait()


async def _any(events: list[asyncio.Event], seconds: float) -> None:
    """Wait for one of them, so long at most."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await (
            asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if tasks
            else asyncio.sleep(seconds)
        )
    finally:
        for task in tasks:
            task.cancel()
