"""A subscriber's side of the event log, without a socket: position, credit, what is ready. Pure.

Both clients are shells of it: they send what `subscribe` gives and hand in every frame that comes.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from actors.control.errors import CommandRefused, ControlError
from actors.control.protocol import ProtocolError, decode_event
from actors.control.records import (
    AccountInfo,
    Bye,
    CallInfo,
    Event,
    Events,
    Frame,
    Gap,
    Refused,
    Request,
    State,
    Subscribe,
    Subscribed,
    Unsubscribe,
)

WINDOW = 256  # events in flight
QUIET = 0.25  # seconds without an event, after which the subscription is renewed: the service may have restarted
LAST_QUIET = 1.0


class Lost(NamedTuple):
    """In the stream of events: those between `after` and `next` are gone. `reason` as in records.Gap."""

    after: int
    next: int
    reason: str


class Reader:
    """The events of one subscription, in order, each once.

    Args:
        token: the id of the subscription, random.
        since: the number of the last event that is known; None, or -1, for those from now on.
        log: the id of the log that `since` is of, empty when not known.
        topics, call, state: as in records.Subscribe.

    Attributes:
        position: the number of the last event taken.
        log: the id of the service's log.
        last_at_start: the last event that was logged when the stream began; None until it stands.
        ended: nothing more will come.
        state, accounts: the calls and the accounts that there were when the stream began, where they were asked for.
    """

    def __init__(
        self,
        token: str,
        since: int | None,
        log: str,
        *,
        topics: Iterable[str] = (),
        call: str = "",
        state: bool = False,
    ) -> None:
        self.id = token
        since = -1 if since is None else since
        self.position = since
        self.log = log
        self.last_at_start: int | None = None
        self.ended = False
        self.state: list[CallInfo] | None = None
        self.accounts: list[AccountInfo] = []
        self._topics = tuple(topics)
        self._call = call
        self._wants_state = state
        self._credited = since
        self._newest = since  # number that was taken from the service, be it of an event that a filter left out
        self._ready: deque[Event | Lost] = deque()
        self._missed = self._asked = False  # a frame was lost; what was lost has been asked for

    def subscribe(self, *, idle: bool) -> Request:
        """The request for more. `idle`: nothing came for a while, or a frame is missing: what was sent is lost."""
        self._credited = self.position
        if idle:
            self._missed, self._asked = False, True
        wish = Subscribe(self.position, WINDOW, self.log, idle, self._topics, self._call, self._wants_state)
        return Request(self.id, "", 0.0, wish)

    @property
    def begun(self) -> bool:
        """Whether the subscription stands, and the state is here where it was asked for."""
        return self.last_at_start is not None and not self._wants_state

    @property
    def ready(self) -> bool:
        """Whether there is an event to take."""
        return bool(self._ready)

    def unsubscribe(self) -> Request:
        """The request for no more."""
        return Request(self.id, "", 0.0, Unsubscribe())

    def next(self) -> Event | Lost | None:
        """Take the next event that is ready, None when there is none. Ask `hungry` afterwards."""
        if not self._ready:
            return None
        event = self._ready.popleft()
        self.position = event.next - 1 if isinstance(event, Lost) else event.seq
        self._catch_up()
        return event

    def _catch_up(self) -> None:
        """With nothing more to take, we are where the service has read to, past what a filter left out."""
        if not self._ready:
            self.position = self._newest

    @property
    def hungry(self) -> bool:
        """Whether half of the credit is used up: ask for more, not idle."""
        return self.position - self._credited >= WINDOW // 2

    @property
    def behind(self) -> bool:
        """Whether a frame was lost, as with a connection, and all before it has been taken: ask again, idle."""
        return self._missed and not self._ready

    def take(self, frame: Frame | None) -> None:
        """Queue what a frame brings.

        Raises:
            CommandRefused: there are too many subscribers.
            ControlError: the service sent what this client does not understand.
        """
        if isinstance(frame, Refused):
            raise CommandRefused(frame.code, frame.message, frame.field)
        if isinstance(frame, Subscribed):
            self._stand(frame)
        elif isinstance(frame, State):
            self._learn(frame)
        elif isinstance(frame, Events):
            self._read(frame)
        elif isinstance(frame, Gap):
            self._lose(frame)
        elif isinstance(frame, Bye):
            self.ended = True

    def _read(self, frame: Events) -> None:
        if frame.after > self._newest:  # the one before was lost: this one will come again behind it
            self._missed = not self._asked
            return
        for fields in frame.events:
            self._queue(fields)
        self._newest = max(self._newest, frame.last)
        self._catch_up()

    def _stand(self, frame: Subscribed) -> None:
        self.log = frame.log
        self._asked = False
        if self.last_at_start is None:
            self.last_at_start = frame.last
        if self.position < 0:
            self.position = self._credited = self._newest = frame.since

    def _learn(self, frame: State) -> None:
        if self._wants_state:  # else it is what a repeated Subscribe asked for again
            before = (self.state or [], self.accounts) if frame.part else ([], [])
            self.state = [*before[0], *frame.calls]
            self.accounts = [*before[1], *frame.accounts]
            self._wants_state = not frame.last

    def _queue(self, fields: dict[str, Any]) -> None:
        try:
            event = decode_event(fields)
        except ProtocolError as error:
            raise ControlError(f"the service sent an event this client does not understand: {error}") from None
        # What is sent again after an idle Subscribe is known by its number.
        if event.seq > self._newest:
            self._newest = event.seq
            self._ready.append(event)

    def _lose(self, gap: Gap) -> None:
        newest = self._newest
        # Both may come twice after a repeated Subscribe; the second does not begin where we are.
        if gap.after == newest if gap.reason == "new_log" else gap.next - 1 > newest:
            self._ready.append(Lost(newest, gap.next, gap.reason))
            self._newest = gap.next - 1


class Following:
    """What both clients' streams of events tell of themselves.

    Args:
        reader: of the subscription.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @property
    def position(self) -> int:
        """The number of the last event seen: what to give as `since` later."""
        return self._reader.position

    @property
    def log(self) -> str:
        """The id of the service's log."""
        return self._reader.log

    @property
    def last_at_start(self) -> int | None:
        """The last event that was logged when the stream began."""
        return self._reader.last_at_start

    @property
    def state(self) -> list[CallInfo]:
        """The calls that there were when the stream began, where they were asked for."""
        return self._reader.state or []

    @property
    def accounts(self) -> list[AccountInfo]:
        """The accounts that there were when the stream began, where the state was asked for."""
        return self._reader.accounts

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._reader.ended
