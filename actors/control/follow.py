"""One call from its placing to its end, shown to a person as a progress line or to a program as lines of JSON."""

from __future__ import annotations

import json
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from actors.control.client import Client, CommandRefused, ControlError, EventStream, Lost
from actors.control.protocol import plain
from actors.control.records import (
    CallAnswered,
    CallEnded,
    CallNoticed,
    CallPlayFinished,
    CallProgressed,
    CallRecordFailed,
    Event,
    UnknownEvent,
)
from actors.control.render import Progress, ended, printable, sentence, span

_OF_DEVICES = {"device_failed", "device_lost", "device_back"}
_TICK = 0.5  # seconds between two states of the progress line
_GOODBYE = 5.0  # seconds that a hung up call may take to end


def emit(record: Any) -> None:  # noqa: ANN401
    """Print a record, or what is made of records, as one line of JSON."""
    click.echo(json.dumps(record, ensure_ascii=False))


def event_fields(event: Event | Lost) -> dict[str, Any]:
    """An event as the object that ``--json`` prints: its type and its fields."""
    if isinstance(event, UnknownEvent):
        return event.fields
    return {"type": type(event).__name__, **plain(event)}


def follow_call(client: Client, uri: str, *, as_json: bool, **options: Any) -> CallEnded | None:  # noqa: ANN401
    """Place a call and show what becomes of it until it ends; None when the service stops first.

    Ctrl-C, SIGTERM and a closed terminal hang up, and its end is still awaited; a second Ctrl-C is raised.

    Args:
        client: the connection.
        uri: whom to call.
        as_json: lines of JSON instead of a progress line.
        options: those of Client.place.

    Raises:
        ControlError: as Client.place; or the call's events are lost, or it does not end when it is hung up.
    """
    key = secrets.token_hex(16)
    with _interrupts() as interrupts, client.events() as events:
        call = client.place(uri, key=key, on_owner_lost="hangup", **options)
        if as_json:
            emit({"type": "Placed", "call": call, "uri": uri})
        shown = _CallProgress(uri, as_json)
        try:
            return _follow(client, events, call, shown, interrupts)
        finally:
            shown.close()


def _hang_up(client: Client, call: str) -> None:
    try:
        client.hangup(call)
    except CommandRefused as error:
        if error.code != "no_such_call":  # else it ended by itself at this moment: its CallEnded is on the way
            raise


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Note SIGTERM in a list, and SIGINT and SIGHUP unless they are ignored (a job in the background, nohup).

    An exception out of the middle of a receive could lose the very event that is waited for. The second one raises.
    """
    noted: list[int] = []

    def note(number: int, _: object) -> None:
        noted.append(number)
        if len(noted) > 1:
            raise KeyboardInterrupt

    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, handler in kept.items():
        if handler is not signal.SIG_IGN or number == signal.SIGTERM:
            signal.signal(number, note)
    try:
        yield noted
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _follow(
    client: Client, events: EventStream, call: str, shown: _CallProgress, interrupts: list[int]
) -> CallEnded | None:
    deadline = None
    while not events.ended:
        event = events.receive(_TICK)
        if isinstance(event, Lost):
            raise ControlError("events of this call are lost; see: sipactors calls")
        if event is not None and getattr(event, "call", None) == call:
            shown.take(event)
            if isinstance(event, CallEnded):
                return event
        shown.tick()
        if interrupts and deadline is None:
            deadline = time.monotonic() + _GOODBYE
            shown.say("hanging up")
            _hang_up(client, call)
        if deadline is not None and time.monotonic() > deadline:
            raise ControlError(f"the call does not end; see: sipactors calls, sipactors hangup {call}")
    return None


class _CallProgress:
    """What a person, or a program, sees of one call."""

    def __init__(self, uri: str, as_json: bool) -> None:
        self._uri = uri
        self._json = as_json
        self._line = Progress(sys.stderr)
        self._state = "calling"
        self._begun = time.monotonic()

    def take(self, event: Event | Lost) -> None:
        if self._json:
            emit(event_fields(event))
        elif isinstance(event, CallEnded):
            self._line.clear()
            click.echo(f"{self._uri}: {ended(event)}")
        elif (
            (isinstance(event, CallNoticed) and event.kind in _OF_DEVICES)
            or isinstance(event, CallRecordFailed)
            or (isinstance(event, CallPlayFinished) and event.error)
        ):
            self._line.clear()
            click.echo(f"sipactors: {printable(sentence(event))}", err=True)  # the call goes on
        elif isinstance(event, CallProgressed):
            self._state = "ringing" if event.status == 180 else f"{event.status} {event.reason}"
        elif isinstance(event, CallAnswered):
            self._state = "talking"
            self._begun = time.monotonic()

    def tick(self) -> None:
        if not self._json:
            self._line.show(f"{self._uri}: {self._state}, {span(time.monotonic() - self._begun)}")

    def say(self, state: str) -> None:
        self._state = state
        self.tick()

    def close(self) -> None:
        self._line.clear()
