"""One call from its beginning to its end, shown to a person as a live line or to a program as lines of JSON."""

from __future__ import annotations

import json
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from actors.control.audio import Audio, AudioEnded, Measured
from actors.control.client import Client, CommandRefused, ControlError, EventStream, Lost, TimedOut
from actors.control.console import Console
from actors.control.protocol import plain
from actors.control.records import (
    CallAnswered,
    CallEnded,
    CallNoticed,
    CallPlayFinished,
    CallRecordFailed,
    Event,
    UnknownEvent,
)
from actors.control.render import ended, printable, sentence
from actors.control.telephone import HELP, Telephone, Wanted

_OF_DEVICES = {"device_failed", "device_lost", "device_back"}
_TICK = 0.5  # seconds between two looks at what was interrupted
_QUICK = 0.1  # the same where keys are read and levels drawn
_MEASURE = 0.25  # seconds between two askings for figures
_MEASURE_PATIENCE = 0.2  # seconds that an answer may take: the line goes on without it
_GOODBYE = 5.0  # seconds that a hung up call may take to end


def emit(record: Any) -> None:  # noqa: ANN401
    """Print a record, or what is made of records, as one line of JSON."""
    click.echo(json.dumps(record, ensure_ascii=False))


def event_fields(event: Event | Lost) -> dict[str, Any]:
    """An event as the object that ``--json`` prints: its type and its fields."""
    if isinstance(event, UnknownEvent):
        return event.fields
    return {"type": type(event).__name__, **plain(event)}


def uri_of(text: str) -> str:
    """A URI as people type it: the scheme may be left out."""
    return text if text.lower().startswith(("sip:", "sips:", "tel:")) else f"sip:{text}"


def follow_call(
    client: Client,
    uri: str,
    noted: list[int],
    *,
    as_json: bool,
    dtmf: str = "",
    **options: Any,  # noqa: ANN401
) -> CallEnded | None:
    """Place a call and show what becomes of it until it ends; None when the service stops first.

    Ctrl-C, SIGTERM and a closed terminal hang up, and its end is still awaited; a second Ctrl-C is raised.

    Args:
        client: the connection.
        uri: whom to call.
        noted: signals that came (see `interrupts`).
        as_json: lines of JSON instead of a live line.
        dtmf: keys to press once it is answered.
        options: those of Client.place.

    Raises:
        ControlError: as Client.place; or the call's events are lost, or it does not end when it is hung up.
    """
    key = secrets.token_hex(16)

    def place() -> str:
        call = client.place(uri, key=key, on_owner_lost="hangup", **options)
        if as_json:
            emit({"type": "Placed", "call": call, "uri": uri})
        return call

    telephone = Telephone(uri, "calling", time.monotonic())
    return _followed(client, place, telephone, uri, noted, as_json=as_json, dtmf=dtmf)


def follow_answer(
    client: Client,
    call: str,
    noted: list[int],
    *,
    as_json: bool,
    **options: Any,  # noqa: ANN401
) -> CallEnded | None:
    """Answer a call that rings and show what becomes of it, as `follow_call` does.

    Args:
        client: the connection.
        call: its id.
        noted: signals that came (see `interrupts`).
        as_json: lines of JSON instead of a live line.
        options: those of Client.answer.

    Raises:
        ControlError: as Client.answer; or as `follow_call`.
    """
    uri = next((each.remote for each in client.calls() if each.call == call), call)

    def answer() -> str:
        client.answer(call, **options)
        return call

    return _followed(client, answer, Telephone(uri, "answering", time.monotonic()), uri, noted, as_json=as_json)


def _followed(
    client: Client,
    begin: Callable[[], str],
    telephone: Telephone,
    uri: str,
    noted: list[int],
    *,
    as_json: bool,
    dtmf: str = "",
) -> CallEnded | None:
    with client.events() as events, Console(sys.stderr, sys.stdin) as console:
        call = begin()
        conversation = (_Told if as_json else _Shown)(client, call, telephone, console, uri)
        try:
            return _follow(events, conversation, noted, dtmf)
        finally:
            conversation.close()


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """Note SIGTERM in a list, and SIGINT, SIGHUP and SIGQUIT unless they are ignored (a job in the background, nohup).

    An exception out of the middle of a receive could lose the very event that is waited for. The second one raises.
    """
    noted: list[int] = []

    def note(number: int, _: object) -> None:
        noted.append(number)
        if len(noted) > 1:
            raise KeyboardInterrupt

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    kept = {number: signal.getsignal(number) for number in signals}
    for number, handler in kept.items():
        if handler is not signal.SIG_IGN or number == signal.SIGTERM:
            signal.signal(number, note)
    try:
        yield noted
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _follow(events: EventStream, conversation: _Told, noted: list[int], dtmf: str) -> CallEnded | None:
    deadline = None
    while not events.ended:
        event = events.receive(conversation.tick)
        if isinstance(event, Lost):
            raise ControlError("events of this call are lost; see: sipactors calls")
        if event is not None and getattr(event, "call", None) == conversation.call:
            conversation.take(event)
            if isinstance(event, CallEnded):
                return event
            if isinstance(event, CallAnswered) and dtmf:
                conversation.press(dtmf)
        leaves = conversation.turn()
        if (noted or leaves) and deadline is None:
            deadline = time.monotonic() + _GOODBYE
            conversation.hang_up()
        if deadline is not None and time.monotonic() > deadline:
            raise ControlError(f"the call does not end; see: sipactors calls, sipactors hangup {conversation.call}")
    return None


class _Told:
    """A call as a program hears of it: every event is a line of JSON."""

    tick = _TICK

    def __init__(self, client: Client, call: str, telephone: Telephone, console: Console, uri: str) -> None:
        self.call = call
        self._client = client
        self._telephone = telephone
        self._console = console
        self._uri = uri

    def take(self, event: Event) -> None:
        """Something happened to it."""
        emit(event_fields(event))

    def turn(self) -> bool:
        """Time passes; whether to hang up."""
        return False

    def press(self, keys: str) -> None:
        """Press keys in it."""
        self._client.dtmf(self.call, keys)

    def hang_up(self) -> None:
        """End it; its CallEnded is still to come."""
        try:
            self._client.hangup(self.call)
        except CommandRefused as error:
            if error.code != "no_such_call":  # else it ended by itself at this moment: its CallEnded is on the way
                raise

    def close(self) -> None:
        """It is over."""


class _Shown(_Told):
    """A call as a person sees it: a live line with figures, and keys that do something."""

    def __init__(self, client: Client, call: str, telephone: Telephone, console: Console, uri: str) -> None:
        super().__init__(client, call, telephone, console, uri)
        self._audio: Audio | None = None
        self._figures: Measured | None = None
        self._measured = 0.0
        if console.drawing:
            self.tick = _QUICK

    def take(self, event: Event) -> None:
        """Something happened to it."""
        self._telephone.take(event, time.monotonic())
        if isinstance(event, CallEnded):
            self._console.clear()
            click.echo(f"{self._uri}: {ended(event)}")
        elif isinstance(event, CallAnswered) and self._console.drawing:
            self._listen()
            if self._console.keyed:
                self._console.say(HELP)
        elif (
            (isinstance(event, CallNoticed) and event.kind in _OF_DEVICES)
            or isinstance(event, CallRecordFailed)
            or (isinstance(event, CallPlayFinished) and event.error)
        ):
            self._console.say(f"sipactors: {printable(sentence(event))}")  # the call goes on

    def turn(self) -> bool:
        """Draw, and do what the keys ask for; whether that is to hang up."""
        leaves = False
        for wanted in self._telephone.press(self._console.keys()):
            if wanted.verb == "hangup":
                leaves = True
                continue
            try:
                self._do(wanted)
            except CommandRefused as error:
                self._console.say(f"sipactors: {error}")
        self._measure()
        self._draw()
        return leaves

    def hang_up(self) -> None:
        """As above, and say so."""
        self._telephone.state = "hanging up"
        self._draw()
        super().hang_up()

    def close(self) -> None:
        """Take the line away."""
        self._console.clear()
        if self._audio is not None:
            self._audio.close()

    def _do(self, wanted: Wanted) -> None:
        client, call = self._client, self.call
        match wanted.verb:
            case "dtmf":
                self.press(wanted.argument)
            case "hold":
                client.hold(call)
            case "resume":
                client.resume(call)
            case "mute" | "unmute":
                client.mute(call, "sound" if wanted.verb == "mute" else "none")
            case "transfer":
                client.transfer(call, uri_of(wanted.argument))

    def _draw(self) -> None:
        if self._console.drawing:
            line = self._telephone.line(time.monotonic(), self._figures, self._console.width)
            self._console.show(line)

    def _listen(self) -> None:
        """Have figures of the call, where they are to be had."""
        if self._audio is None:
            try:
                self._audio = self._client.calls[self.call].audio(8000, hear=False, speak=False)
            except ControlError:
                self._audio = None

    def _measure(self) -> None:
        now = time.monotonic()
        if self._audio is None or now < self._measured + _MEASURE:
            return
        self._measured = now
        try:
            self._figures = self._audio.measure(_MEASURE_PATIENCE)
        except TimedOut:
            return  # its media process is being restarted: the last figures stand
        except AudioEnded:
            self._audio = self._figures = None
