"""The connections of a client to the media processes of its service, the taps on them, and where a call's audio is."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from struct import pack

import zmq

from actors.control.connecting import dealer
from actors.control.errors import CommandRefused, ControlError, TimedOut
from actors.control.paths import Key, Where
from actors.control.records import CallInfo
from actors.control.tapping import Tap
from actors.media.audio_events import (
    MAX_MESSAGE,
    AudioError,
    Frame,
    Leave,
    Open,
    Request,
    Told,
    Write,
    decode_tick,
    encode,
)
from actors.media.audio_frame_events import PLACES, Played, Writes

SILENCE = 0.1  # seconds without a message after which the media process is taken to have been restarted
AGAIN = 0.05  # seconds until a call whose audio is not there yet is asked for again
FOUND = 10.0  # seconds after which a call that moved is given up, as the media processes themselves do
_QUEUE = 50  # messages that wait here for who does not read


class Line:
    """The connection to one media process.

    Args:
        context: of its socket.
        address: of the process.
        key: ours, for a service on another machine.
        strays: gets the taps whose calls are in another process now.
    """

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", address: str, key: Key | None, strays: list[Tap]
    ) -> None:
        self.address = address
        self._strays = strays
        self.taps: dict[str, Tap] = {}
        self._places: dict[int, Tap] = {}
        self._place = 0
        self.silent = 0.0
        self.socket = dealer(context, address, key, kind=b"a", max_message=MAX_MESSAGE, slowest=20, linger=100)
        self.socket.setsockopt(zmq.RCVHWM, _QUEUE)
        self.socket.setsockopt(zmq.RCVBUF, MAX_MESSAGE)
        self.socket.connect(address)

    def add(self, wanted: Open) -> Tap:
        """A tap of its own, not opened yet."""
        tap = Tap(wanted._replace(tap=os.urandom(8).hex()))
        self.take_in(tap)
        return tap

    def take_in(self, tap: Tap) -> None:
        """Have a tap here from now on."""
        while self._place in self._places:
            self._place = (self._place + 1) % PLACES
        tap.place = self._place
        self.taps[tap.token] = self._places[self._place] = tap
        self._place = (self._place + 1) % PLACES  # one that was left may yet be spoken of

    def drop(self, tap: Tap) -> bool:
        """Forget a tap; whether it was there."""
        self._places.pop(tap.place, None)
        return self.taps.pop(tap.token, None) is not None

    def send(self, asks: Iterable[Request]) -> None:
        """Send, in messages that are not too long. What finds no room is asked again when the tap is opened again."""
        portion: list[Request] = []
        size = 0
        for ask in asks:
            more = 256 + (len(ask.data) + len(ask.at) if isinstance(ask, Writes) else 0)
            more += len(ask.data) if isinstance(ask, Write) else 0
            if portion and size + more > MAX_MESSAGE:
                self._send(portion)
                portion, size = [], 0
            portion.append(ask)
            size += more
        if portion:
            self._send(portion)

    def _send(self, asks: list[Request]) -> None:
        try:
            self.socket.send(encode(asks), zmq.NOBLOCK)
        except zmq.Again:
            self.silent = SILENCE

    def flush(self) -> None:
        """Send what its taps have to send."""
        asks: list[Request] = []
        writes: dict[int, list[tuple[Tap, Write]]] = {}
        for tap in tuple(self.taps.values()):
            news = tap.asks()
            if news and isinstance(first := news[0], Write) and (len(news) == 1 or not isinstance(news[1], Write)):
                writes.setdefault(len(first.data), []).append((tap, first))
                del news[0]
            asks += news
        if asks or writes:
            # What was written stands before the marks and flushes that speak of it.
            self.send([*(each for size, some in writes.items() for each in _together(size, some)), *asks])

    def read(self) -> bool:
        """Take all that has come; whether anything had."""
        came = False
        while not self.socket.closed:
            try:
                told, frames, blocks = decode_tick(self.socket.recv(zmq.NOBLOCK))
            except zmq.Again:
                return came
            except AudioError as error:
                raise ControlError(f"the service sent what this client does not understand: {error}") from None
            came = True
            self.silent = 0.0
            for each in told:
                self._take(each)
            for frame in frames:
                if (tap := self.taps.get(frame.tap)) is not None:
                    tap.hear(frame)
            for block in blocks:
                for place, timestamp, data in block.each():
                    if (tap := self._places.get(place)) is not None:
                        tap.hear(Frame(tap.token, block.seq, timestamp, data))
        return came

    def _take(self, told: Told) -> None:
        if isinstance(told, Played):
            for place, at in told.each():
                if (tap := self._places.get(place)) is not None:
                    tap.advance(at)
        elif (tap := self.taps.get(told.tap)) is not None:
            tap.take(told)
            if tap.adrift:
                self.drop(tap)
                self.send([Leave(tap.token)])
                self._strays.append(tap)

    def waited(self, seconds: float) -> None:
        """Nothing came for so long: open all taps again when it was too long. To do so in vain does no harm."""
        self.silent += seconds
        if self.silent >= SILENCE:
            self.silent = 0.0
            self.send(tap.open() for tap in self.taps.values() if tap.opened and not tap.closed)


class Lines:
    """A client's connections to the media processes of its service.

    Args:
        context: of its sockets.
        where: the service.
        ports: of the media processes, for a service on another machine: what it said of itself.

    Raises:
        ControlError: audio is not to be had there.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", where: Where, ports: Iterable[int]) -> None:
        self._context = context
        self._key = where.key
        self._remote = [f"{where.address.rpartition(':')[0]}:{port}" for port in ports]
        if where.key is not None and not self._remote:
            raise ControlError(f"the service at {where} has no audio over TCP")
        self._folder = Path(where.address.removeprefix("ipc://")).parent
        self._strays: list[Tap] = []
        self._sought: list[_Sought] = []
        self.all: dict[str, Line] = {}

    @property
    def seeking(self) -> bool:
        """A tap's call is sought in other media processes: read all lines."""
        return bool(self._strays or self._sought)

    def seek(self, now: float) -> bool:
        """Go on with the taps whose calls moved, where their audio is; whether one was found, or given up."""
        self._sought += [_Sought(self, tap, now) for tap in self._strays]
        self._strays.clear()
        before = len(self._sought)
        self._sought = [each for each in self._sought if not each.over(now)]
        return len(self._sought) < before

    def line_of(self, tap: Tap, before: Line) -> Line:
        """The connection that has a tap; the one before while none has."""
        if tap.token in before.taps:
            return before
        return next((line for line in self.all.values() if tap.token in line.taps), before)

    def find(self) -> list[Line]:
        """The connections to all media processes that there are."""
        here = () if self._key is not None else self._folder.glob("audio-*")
        for address in [*self._remote, *(f"ipc://{path}" for path in here)]:
            if address not in self.all:
                self.all[address] = Line(self._context, address, self._key, self._strays)
        return list(self.all.values())

    def close(self) -> None:
        """Close them; their taps are over."""
        for line in self.all.values():
            line.send(ask for tap in line.taps.values() for ask in parting(tap))
            line.socket.close()
        self.all.clear()


def _together(size: int, writes: list[tuple[Tap, Write]]) -> Iterator[Request]:
    """Writes of `size` bytes each in as few records as may be."""
    most = max(1, MAX_MESSAGE // 2 // (size + 10))
    for begin in range(0, len(writes), most):
        some = writes[begin : begin + most]
        if len(some) == 1:
            yield some[0][1]
        else:
            yield Writes(
                pack(f"<{len(some)}H", *(tap.place for tap, _ in some)),
                pack(f"<{len(some)}Q", *(write.at for _, write in some)),
                b"".join([write.data for _, write in some]),
            )


def parting(tap: Tap) -> list[Request]:
    """What a tap says at its end."""
    tap.leave()
    return tap.asks()


class Asked:
    """A tap that is wanted: every media process is asked, one of them has the call."""

    def __init__(self, lines: Lines, call: str, rate: int, *, hear: bool, speak: bool) -> None:
        self._lines = lines
        self._wanted = Open("", call, rate, hear, speak)
        self._tries: dict[str, tuple[Line, Tap]] = {}
        self._known = False

    @property
    def lines(self) -> list[Line]:
        """Whom it asks."""
        return [line for line, _ in self._tries.values()]

    def ask(self) -> None:
        """Ask all that there are, again too: the call's audio may only be about to begin."""
        for line in self._lines.find():
            if line.address not in self._tries:
                self._tries[line.address] = (line, line.add(self._wanted))
        for line, tap in self._tries.values():
            line.send([tap.open()])

    def found(self) -> tuple[Line, Tap] | None:
        """The tap, once it stands.

        Raises:
            CommandRefused: another tap speaks in this call, or the rate is none.
        """
        for line, tap in self._tries.values():
            if tap.opened:
                self.forget(tap)
                return line, tap
            if tap.refusal is not None and tap.refusal.code != "no_such_call":
                self.forget(None)
                raise CommandRefused(tap.refusal.code, tap.refusal.message)
        return None

    @property
    def doubtful(self) -> bool:
        """No media process has the call, and it is not known whether there is one: `judge` the calls that there are."""
        tries = self._tries.values()
        return bool(tries) and not self._known and all(tap.refusal is not None for _, tap in tries)

    def forget(self, found: Tap | None) -> None:
        """Drop all tries but the one that stands."""
        for line, tap in self._tries.values():
            if tap is not found and line.drop(tap) and tap.refusal is None:
                line.send([Leave(tap.token)])  # it may stand yet

    def judge(self, calls: Iterable[CallInfo], *, late: bool) -> None:
        """Wait on, or not: a media process knows only its own calls, and the audio of one may be about to begin.

        Args:
            calls: those that there are.
            late: there is no time left.

        Raises:
            CommandRefused: there is no such call, or, when it is late, it has no audio.
            TimedOut: it is late, and nobody has answered.
        """
        call = self._wanted.call
        self._known = any(each.call == call for each in calls)
        if self._known and not late:
            return
        self.forget(None)
        if all(tap.refusal is None for _, tap in self._tries.values()):
            raise TimedOut("no media process of the service answers; see: sipactors ps")
        if self._known:
            raise CommandRefused("no_media", f"call {call} has no audio in the service, or not yet", "call")
        raise CommandRefused("no_such_call", f"there is no call {call}", "call")


class _Sought:
    """A tap whose call is in another media process now: all are asked for it, until one has it or `FOUND` passed."""

    def __init__(self, lines: Lines, tap: Tap, now: float) -> None:
        self._tap = tap
        self._asked = Asked(lines, tap.call, tap.rate, hear=False, speak=False)
        self._again = now
        self._until = now + FOUND

    def over(self, now: float) -> bool:
        """Ask again where it is time to; whether the tap stands again, or is over."""
        tap = self._tap
        try:
            found = None if tap.closed else self._asked.found()
        except CommandRefused as error:
            tap.end(str(error))
            return True
        if found is not None:
            line, probe = found
            line.drop(probe)
            line.take_in(tap)
            line.send([Leave(probe.token), tap.open()])
            tap.adrift = False
            return True
        if tap.closed or now >= self._until:
            self._asked.forget(None)
            tap.end("the audio of the call moved, and is nowhere")
            return True
        if now >= self._again:
            self._again = now + AGAIN
            self._asked.ask()
        return False
