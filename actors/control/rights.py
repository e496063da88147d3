"""What a client may do: roles, files, destinations, and how many calls. Pure but for looking at paths."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from actors.control import messaging, playing, records
from actors.control.records import Command
from actors.sip.errors import RemoteProtocolError
from actors.sip.uri import Uri, parse

MINUTE = 60.0
FILES = frozenset({"play", "record", "path"})  # fields of commands that name a file
PLAYED = frozenset({"play"})  # those of a treatment that name one which has to be there
URIS = frozenset({"uri", "target", "contacts"})  # fields of commands that name whom to call, or have called
FOLLOWED = 202  # the answer to a REFER that has us call whom it names


class Role(Enum):
    """What a key is for.

    Attributes:
        OBSERVE: ask and listen.
        MEDIA: observe, and take part in the audio of calls.
        CONTROL: everything.
    """

    OBSERVE = "observe"
    MEDIA = "media"
    CONTROL = "control"


class Grant(NamedTuple):
    """A client: how it is called, and what it may do.

    Attributes:
        name: of its key; empty for one that came over the local socket.
        role: see Role.
        max_calls: calls of its own at once, 0 for any number.
        calls_a_minute: 0 for any number.
        destinations: patterns of URIs that it may call (``sip:+41*``), empty for all. They are held against what a URI
            is routed by: scheme, user, host (or maddr) and port.
    """

    name: str = ""
    role: Role = Role.CONTROL
    max_calls: int = 0
    calls_a_minute: int = 0
    destinations: tuple[str, ...] = ()

    @property
    def limited(self) -> bool:
        """Whether it may not call anybody at any time."""
        return bool(self.destinations or self.max_calls or self.calls_a_minute)


LOCAL = Grant()

ASKS: frozenset[type] = frozenset(
    {
        records.Hello,
        records.Calls,
        records.Tree,
        records.Stats,
        records.Accounts,
        records.Subscribe,
        records.Unsubscribe,
    }
)
# What a client of the role media may do besides: the sound of calls that others place and answer.
HEARS: frozenset[type] = frozenset({playing.Play, playing.Playback, playing.Record, records.Mute, records.Dtmf})
# What the audit log tells of any client.
PRIVILEGED: frozenset[type] = frozenset({records.Stop, records.Drain, records.Reload})


class Denied(NamedTuple):
    """Why a command is refused: `code` and `field` as in records.Refused."""

    code: str
    message: str
    field: str = ""


class Rights:
    """Judges commands.

    Args:
        folders: where files may lie; empty: anywhere for local clients, nowhere for others.
        calls_of: how many calls a key has now.
    """

    def __init__(self, folders: tuple[str, ...], calls_of: Callable[[str], int]) -> None:
        self._folders = tuple(os.path.realpath(folder) for folder in folders)
        self._calls_of = calls_of
        self._room: dict[str, tuple[float, float]] = {}  # by key: calls it may place at once, when that was so

    def judge(self, grant: Grant, command: Command) -> Denied | None:
        """Why `command` is not for this client, None if it is."""
        allowed = ASKS if grant.role is Role.OBSERVE else ASKS | HEARS
        if grant.role is not Role.CONTROL and type(command) not in allowed:
            return Denied("denied", f"a key of the role {grant.role.value} may not do this", "op")
        for field, path in texts(command, FILES):
            if path and not path.startswith("tone:") and not self._inside(path, grant):
                return Denied("denied", f"{path} is not in a folder that clients may use", field)
        for field, uri in texts(command, URIS):
            if uri and not _may_reach(grant, uri):
                return Denied("denied", f"this key may not call {uri}", field)
        if isinstance(command, messaging.Respond) and command.status == FOLLOWED and grant.limited:
            return Denied("denied", "a key with limits may not have us call whom a peer names", "status")
        return None

    @staticmethod
    def confined(grant: Grant, command: Command) -> Command:
        """What of `command` this client gets: a key with destinations does not go where a 3xx says."""
        if isinstance(command, records.Place) and grant.destinations:
            return command._replace(follow=False)
        return command

    def _inside(self, path: str, grant: Grant) -> bool:
        """Whether a path, links followed, is in one of the folders."""
        if not self._folders:
            return not grant.name
        real = os.path.realpath(path)
        return any(os.path.commonpath((real, folder)) == folder for folder in self._folders)

    def count(self, grant: Grant, now: float) -> Denied | None:
        """Why this client may not place another call now, None if it may: then it counts."""
        if grant.max_calls and self._calls_of(grant.name) >= grant.max_calls:
            return Denied("too_many_calls", f"this key may have {grant.max_calls} calls at once")
        rate = grant.calls_a_minute
        if rate:
            room, at = self._room.get(grant.name, (float(rate), now))
            room = min(room + (now - at) * rate / MINUTE, float(rate))
            if room < 1:
                return Denied("too_many_calls", f"this key may place {rate} calls a minute")
            self._room[grant.name] = (room - 1, now)
        return None


def absent(command: Command) -> Denied | None:
    """Why a call is not begun or answered with a file to play that is not there: its peer would be rung for nothing."""
    for field, path in texts(command, PLAYED):
        if path and not path.startswith("tone:") and not os.path.exists(path):  # noqa: PTH110 - never raises
            return Denied("bad_value", f"there is no file {path}", field)
    return None


def texts(record: Any, names: frozenset[str], path: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401
    """The texts of a command in the fields so named, and of the records in it."""
    for name, value in record._asdict().items():
        if hasattr(value, "_asdict"):
            yield from texts(value, names, f"{path}{name}.")
        elif name in names:
            several = (value,) if isinstance(value, str) else value
            yield from ((path + name, text) for text in several)


def _may_reach(grant: Grant, text: str) -> bool:
    """Whether a key may call a URI: what stands in parameters and headers of it is no destination."""
    if not grant.destinations:
        return True
    try:
        uri = parse(text)
    except RemoteProtocolError:
        return False  # nor could anybody else call it
    routed = str(Uri(uri.scheme, uri.user, host=uri.maddr or uri.host, port=uri.port))
    return any(fnmatchcase(routed, pattern) for pattern in grant.destinations)
