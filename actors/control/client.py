"""The blocking client of the control API: typed commands that take effect once, and the stream of events.

It needs pyzmq and msgpack, no more. A client belongs to one thread; nothing is ever called back. It finds its service
by the run directory, reconnects by itself, and repeats a command under the same idempotency key until it is answered,
so that a restart of the service's control actor neither loses nor doubles one::

    with Client("/run/user/1000/sipactors") as client:
        events = client.events()
        call = client.place("sip:bob@192.0.2.4", play="/srv/hello.wav")
        for event in events:
            ...
"""

import os
import secrets
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import zmq

from actors.control.protocol import (
    MAX_FRAME,
    SOCKET,
    SOCKET_PATH_LIMIT,
    ProtocolError,
    decode_event,
    decode_frame,
    encode_request,
    read,
)
from actors.control.records import (
    Answer,
    Bye,
    CallInfo,
    CallList,
    Calls,
    Child,
    Command,
    Done,
    Drain,
    Event,
    Events,
    Frame,
    Gap,
    HangUp,
    Hello,
    Nothing,
    Place,
    Placed,
    Refused,
    Reject,
    Request,
    Stop,
    Subscribe,
    Subscribed,
    Treatment,
    Tree,
    TreeList,
    Unsubscribe,
    Welcome,
)

PATIENCE = 5.0  # seconds a command is waited for, where the caller does not say
CONNECT_PATIENCE = 2.0  # seconds: many times what a restart of control takes
ABSENT_PATIENCE = 0.2  # seconds, where there is not even a socket
_FIRST_REPEAT = 0.2  # seconds
_LAST_REPEAT = 1.0
_QUIET = 0.25  # seconds without an event, after which the subscription is renewed: the service may have restarted

R = TypeVar("R")


class ControlError(Exception):
    """A command had no effect, or it is not known whether it had. The text is one line for people."""


class NoService(ControlError):  # noqa: N818 - says what is, as OSError's kin do
    """No service answers."""


class TimedOut(ControlError):  # noqa: N818
    """The service did not answer this command in time; it may still take effect."""


class CommandRefused(ControlError):  # noqa: N818
    """The service refused a command.

    Attributes:
        code: for programs: no_such_call, bad_state, bad_uri, bad_value, busy, draining, stopping, ...
        field: the path of the field that is wrong, empty where none is.
    """

    def __init__(self, code: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.field = field


class Lost(NamedTuple):
    """In the stream of events: those between `after` and `next` are gone. `reason` as in records.Gap."""

    after: int
    next: int
    reason: str


def default_run_dir() -> Path:
    """`$SIPACTORS_RUN_DIR`, else `sipactors` in `$XDG_RUNTIME_DIR`, else `/tmp/sipactors-<uid>`."""
    if named := os.environ.get("SIPACTORS_RUN_DIR"):
        return Path(named)
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "sipactors"
    return Path(f"/tmp/sipactors-{os.getuid()}")  # noqa: S108 - _socket_path looks whose it is


def _socket_path(run_dir: Path) -> Path:
    """The path of the service's socket; refuses one that another user could have put there."""
    path = run_dir.absolute() / SOCKET
    if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
        raise NoService(f"the path of the run directory is too long for a socket: {run_dir}")
    try:
        owner = run_dir.stat().st_uid
    except OSError:
        return path  # it may yet come
    if os.geteuid() not in (owner, 0):
        raise NoService(f"{run_dir} belongs to another user; give the run directory of your own service")
    return path


class _Line:
    """One DEALER socket to the service and the patience with it."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", path: Path) -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RECONNECT_IVL, 1)
        self.socket.setsockopt(zmq.RECONNECT_IVL_MAX, 50)
        self.socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME)
        self.socket.connect(f"ipc://{path}")

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


class Client:
    """A connection to one service.

    Args:
        run_dir: the service's run directory; see :func:`default_run_dir`.
        patience: seconds that a command is waited for.

    Raises:
        NoService: none answers there.
    """

    def __init__(self, run_dir: str | os.PathLike[str] | None = None, *, patience: float = PATIENCE) -> None:
        self.run_dir = default_run_dir() if run_dir is None else Path(run_dir)
        self._path = _socket_path(self.run_dir)
        self._patience = patience
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._line = _Line(self._context, self._path)
        self._streams: list[EventStream] = []
        try:
            absent = not self._path.exists()
            self.service = self._ask(Hello(), Welcome, patience=ABSENT_PATIENCE if absent else CONNECT_PATIENCE)
        except BaseException as error:
            self.close()
            if isinstance(error, TimedOut):
                raise NoService(f"no service answers in {self.run_dir}; start one with: sipactors run") from None
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
        self._line.socket.close()
        self._context.term()

    # Commands. Each raises CommandRefused, TimedOut or NoService; `key` is its idempotency key, by default a new one.

    def place(
        self,
        uri: str,
        *,
        caller: str = "",
        echo: bool = False,
        play: str = "",
        loop: bool = False,
        record: str = "",
        hang_up_after_play: bool = False,
        ring_timeout: float = 0.0,
        duration: float = 0.0,
        headers: Iterable[tuple[str, str]] = (),
        key: str = "",
    ) -> str:
        """Place a call and return its id once it is begun; what becomes of it, events tell.

        Args:
            uri: the SIP URI to call.
            caller: the From URI; empty: the service's own.
            echo: send the peer its own audio back.
            play: a WAV file to play to the peer; a relative path is taken from here, as for `record`.
            loop: play it again and again.
            record: a WAV file to record the peer's audio into.
            hang_up_after_play: end the call when the file has been played.
            ring_timeout: seconds until an unanswered call is cancelled; 0: the service's own.
            duration: seconds after the answer until the service hangs up; 0: no limit.
            headers: more header lines for the INVITE, (name, value).
            key: the idempotency key.
        """
        treatment = _treatment(echo, play, loop, record, hang_up_after_play)
        command = Place(uri, caller, treatment, ring_timeout, duration, tuple(headers))
        return self._ask(command, Placed, key=key).call

    def answer(
        self,
        call: str,
        *,
        echo: bool = False,
        play: str = "",
        loop: bool = False,
        record: str = "",
        hang_up_after_play: bool = False,
        duration: float = 0.0,
        key: str = "",
    ) -> None:
        """Answer a ringing call in. The arguments are those of :meth:`place`."""
        treatment = _treatment(echo, play, loop, record, hang_up_after_play)
        self._ask(Answer(call, treatment, duration), Nothing, key=key)

    def reject(self, call: str, status: int = 486, reason: str = "", *, key: str = "") -> None:
        """Refuse a call in with a final status of 300 to 699."""
        self._ask(Reject(call, status, reason), Nothing, key=key)

    def hangup(self, call: str, *, key: str = "") -> None:
        """End a call in whatever state it is."""
        self._ask(HangUp(call), Nothing, key=key)

    def calls(self) -> list[CallInfo]:
        """Every call of the service, oldest first."""
        parts = self._ask_parts(Calls(), CallList, self._patience, "")
        return sorted((call for part in parts for call in part.calls), key=lambda call: call.since)

    def tree(self) -> list[Child]:
        """The supervisor's children."""
        return list(self._ask(Tree(), TreeList).children)

    def drain(self, *, on: bool = True, key: str = "") -> None:
        """Have the service refuse new calls from now on, or take them again; calls in progress go on."""
        self._ask(Drain(on), Nothing, key=key)

    def shut_down(self) -> None:
        """Have the service end its calls and stop. Returns when it has understood, not when it is done."""
        self._ask(Stop(), Nothing)

    def events(self, since: int | None = None, *, log: str = "") -> "EventStream":
        """The events after number `since`, or from now on; the subscription stands when this returns.

        Args:
            since: the number of the last event that you have; 0 for all that are kept.
            log: the id of the log that `since` is of (EventStream.log), if it was kept.
        """
        return EventStream(self, -1 if since is None else since, log)

    # How they are asked

    def _ask(self, command: Command, result: type[R], *, key: str = "", patience: float | None = None) -> R:
        return self._ask_parts(command, result, self._patience if patience is None else patience, key)[-1]

    def _ask_parts(self, command: Command, result: type[R], patience: float, key: str) -> list[R]:
        """Send `command` until its whole reply has come; the parts of the reply."""
        request = Request(secrets.token_hex(8), key or secrets.token_hex(16), patience, command)
        now = time.monotonic()
        end, repeat, pause = now + patience, now, _FIRST_REPEAT
        parts: list[R] = []
        while now < end:
            if now >= repeat:
                self._line.send(request)
                repeat, pause = now + pause, min(2 * pause, _LAST_REPEAT)
            frame = self._line.receive(min(repeat, end) - now)
            if isinstance(frame, Done) and frame.id == request.id:
                # Parts come in order; a repeated request starts them over.
                parts = [*parts[: frame.part], read(result, frame.result)]
                if frame.last and len(parts) == frame.part + 1:
                    return parts
            elif isinstance(frame, Refused) and frame.id == request.id:
                if frame.code == "timeout":
                    raise TimedOut(frame.message)
                raise CommandRefused(frame.code, frame.message, frame.field)
            now = time.monotonic()
        raise TimedOut(f"the service in {self.run_dir} does not answer within {patience:g} s; see: sipactors ps")


class EventStream:
    """The events of a service, in order, each once: iterate, or ask with :meth:`receive`.

    It goes on over restarts of the service's control actor. It ends when the service stops or is closed. What the
    service could not keep for a slow reader shows as :class:`Lost`.

    Attributes:
        position: the number of the last event seen: what to give as `since` later.
        log: the id of the service's log.
        last_at_start: the last event that was logged when the stream began.
        ended: nothing more will come.
    """

    def __init__(self, client: Client, since: int, log: str) -> None:
        self.position = since
        self.log = log
        self.last_at_start: int | None = None
        self.ended = False
        self._client = client
        self._id = secrets.token_hex(8)
        self._window = 256
        self._credited = since
        self._ready: deque[Event | Lost] = deque()
        self._line = _Line(client._context, client._path)  # noqa: SLF001 - one unit with its client
        client._streams.append(self)  # noqa: SLF001
        try:
            self._begin(client._patience)  # noqa: SLF001
        except BaseException:
            self.close()
            raise

    def _begin(self, patience: float) -> None:
        end = time.monotonic() + patience
        begun = False
        while not begun:
            left = end - time.monotonic()
            if left <= 0:
                raise TimedOut(f"the service in {self._client.run_dir} does not answer; see: sipactors ps")
            self._ask(idle=True)
            begun = self._take(self._line.receive(min(left, _FIRST_REPEAT)))

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
        end = None if timeout is None else time.monotonic() + timeout
        pause = _QUIET
        while not self._ready and not self.ended:
            left = pause if end is None else min(pause, end - time.monotonic())
            frame = self._line.receive(max(left, 0.0))
            self._take(frame)
            if frame is None:
                if end is not None and time.monotonic() >= end:
                    return None
                self._ask(idle=True)
                pause = min(2 * pause, _LAST_REPEAT)
        if not self._ready:
            return None
        event = self._ready.popleft()
        self.position = event.next - 1 if isinstance(event, Lost) else event.seq
        if self.position - self._credited >= self._window // 2:
            self._ask(idle=False)
        return event

    def close(self) -> None:
        """End the subscription."""
        if self._line.socket.closed:
            return
        self._line.send(Request(self._id, "", 0.0, Unsubscribe()))
        self._line.socket.close()
        self.ended = True
        self._client._streams.remove(self)  # noqa: SLF001

    def _ask(self, *, idle: bool) -> None:
        self._credited = self.position
        self._line.send(Request(self._id, "", 0.0, Subscribe(self.position, self._window, self.log, idle)))

    def _take(self, frame: Frame | None) -> bool:
        """Queue what a frame brings; whether it says that the subscription stands."""
        if isinstance(frame, Refused):
            raise CommandRefused(frame.code, frame.message, frame.field)
        if isinstance(frame, Subscribed):
            self.log = frame.log
            if self.last_at_start is None:
                self.last_at_start = frame.last
            if self.position < 0:
                self.position = self._credited = frame.since
            return True
        if isinstance(frame, Events):
            for fields in frame.events:
                self._queue(fields)
        elif isinstance(frame, Gap):
            self._lose(frame)
        elif isinstance(frame, Bye):
            self.ended = True
        return False

    def _newest(self) -> int:
        if not self._ready:
            return self.position
        newest = self._ready[-1]
        return newest.next - 1 if isinstance(newest, Lost) else newest.seq

    def _queue(self, fields: dict[str, Any]) -> None:
        try:
            event = decode_event(fields)
        except ProtocolError as error:
            raise ControlError(f"the service sent an event this client does not understand: {error}") from None
        # What is sent again after an idle Subscribe is known by its number.
        if event.seq > self._newest():
            self._ready.append(event)

    def _lose(self, gap: Gap) -> None:
        newest = self._newest()
        # Both may come twice after a repeated Subscribe; the second does not begin where we are.
        if gap.after == newest if gap.reason == "new_log" else gap.next - 1 > newest:
            self._ready.append(Lost(newest, gap.next, gap.reason))


def _treatment(echo: bool, play: str, loop: bool, record: str, hang_up_after_play: bool) -> Treatment:
    """Paths are made absolute here: the service has a working directory of its own."""
    play, record = (str(Path(path).absolute()) if path else "" for path in (play, record))
    return Treatment(echo, play, loop, record, hang_up_after_play)
