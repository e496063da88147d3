"""Who reads the event log, how far each has got and how much more each has asked for. Pure: frames come out as bytes.

A subscriber is a position and a credit, nothing is queued for it: a slow one holds no memory, and when the bounded log
has outrun it the next frame it gets is a Gap.
"""

from __future__ import annotations

from collections.abc import Callable

from actors.control.log import EventLog, Head
from actors.control.protocol import encode_events, encode_frame
from actors.control.records import Bye, Gap, Refused, Subscribe, Subscribed

MAX_SUBSCRIBERS = 256
MAX_WINDOW = 1_024  # events in flight to one subscriber
FRAME_EVENTS = 500
FRAME_BYTES = 48 * 1024
UNTOLD = 50  # events that a filter may pass over before the subscriber hears how far it is; a log keeps more
TURN_FRAMES = 8  # to one subscriber before the next has its turn

SubscriberKey = tuple[bytes, str]  # the connection's identity, the id of the Subscribe request


class _Subscriber:
    __slots__ = ("held", "limit", "position", "start", "told", "wanted")

    def __init__(self, start: int, limit: int, wish: Subscribe) -> None:
        self.start = start
        self.position = start
        self.told = start  # the position that the subscriber knows of
        self.limit = limit
        self.held = wish.state  # until it has the state
        self.wanted = _filter(wish.topics, wish.call)


def _filter(topics: tuple[str, ...], call: str) -> Callable[[Head], bool] | None:
    """What a subscriber wants, None for everything."""
    if not topics and not call:
        return None
    names = frozenset(topic for topic in topics if not topic.endswith("*"))
    beginnings = tuple(topic[:-1] for topic in topics if topic.endswith("*"))

    def wanted(head: Head) -> bool:
        named = not topics or head.type in names or head.type.startswith(beginnings)
        return named and (not call or head.call == call)

    return wanted


class Subscriptions:
    """All subscribers of one log.

    Args:
        log: what they read.
        log_id: which log that is; another id means that all numbers of before are void.
    """

    def __init__(self, log: EventLog, log_id: str) -> None:
        self._log = log
        self._log_id = log_id
        self._subscribers: dict[SubscriberKey, _Subscriber] = {}

    def __len__(self) -> int:
        return len(self._subscribers)

    def subscribe(self, key: SubscriberKey, wish: Subscribe) -> list[bytes]:
        """Take a new subscriber, or more credit of one we have. Returns the frames to answer with.

        A repeated Subscribe that is not idle only moves the credit: what was sent is on its way. An idle one says that
        it was lost, so the position goes back to what the subscriber has; it drops what it gets twice by its number.
        """
        window = min(max(wish.window, 1), MAX_WINDOW)
        subscriber = self._subscribers.get(key)
        if subscriber is None:
            if len(self._subscribers) >= MAX_SUBSCRIBERS:
                return [encode_frame(Refused(key[1], "busy", f"{MAX_SUBSCRIBERS} subscribers are all there may be"))]
        elif not wish.idle:
            subscriber.limit = max(subscriber.limit, min(wish.since, subscriber.position) + window)
            return []
        frames = []
        last = self._log.last
        if wish.since < 0:
            # Repeated before our answer came: it still means the moment it was first asked.
            since = last if subscriber is None else subscriber.start
        elif wish.since > last or (wish.log and wish.log != self._log_id):
            since = self._log.first - 1
            frames.append(encode_frame(Gap(key[1], wish.since, self._log.first, "new_log")))
        else:
            since = wish.since
        self._subscribers[key] = _Subscriber(since, since + window, wish)
        return [encode_frame(Subscribed(key[1], since, last, self._log_id)), *frames]

    def unsubscribe(self, key: SubscriberKey) -> None:
        """Forget a subscriber; one we do not have is no error."""
        self._subscribers.pop(key, None)

    def release(self, key: SubscriberKey) -> None:
        """The subscriber has the state: events may follow."""
        if key in self._subscribers:
            self._subscribers[key].held = False

    def keys(self) -> list[SubscriberKey]:
        """Every subscriber."""
        return list(self._subscribers)

    def feed(self, key: SubscriberKey) -> tuple[list[bytes], bool]:
        """The frames that a subscriber is to have now, and whether there is more for its next turn."""
        subscriber = self._subscribers.get(key)
        frames: list[bytes] = []
        if subscriber is None or subscriber.held:
            return frames, False
        log = self._log
        while subscriber.position < log.last:
            if len(frames) == TURN_FRAMES:
                return frames, True
            part = log.after(subscriber.position, subscriber.limit, FRAME_EVENTS, FRAME_BYTES, subscriber.wanted)
            if part.lost_before is not None:
                frames.append(encode_frame(Gap(key[1], subscriber.position, part.lost_before, "outran")))
                subscriber.told = part.last
                # Those lost do not count against the credit.
                subscriber.limit += part.last - subscriber.position
            elif part.last == subscriber.position:
                break  # no credit left
            else:
                if part.events or part.last - subscriber.told >= UNTOLD:
                    frames.append(encode_events(key[1], part.events, part.last, subscriber.told))
                    subscriber.told = part.last
                # Those it does not want do not count against the credit either.
                subscriber.limit += part.last - subscriber.position - len(part.events)
            subscriber.position = part.last
        return frames, False

    def farewell(self) -> list[tuple[SubscriberKey, bytes]]:
        """The last frame for each subscriber when the service stops; they are forgotten."""
        frames = [(key, encode_frame(Bye(key[1]))) for key in self._subscribers]
        self._subscribers.clear()
        return frames
