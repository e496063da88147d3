"""The lines of a session description that are neither m= nor a= (RFC 8866 section 5): each read as a typed value.

``str`` of each value is what stands behind the ``=``. A reader raises SdpError (488) for what the grammar of
section 9 does not allow.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from actors.sip.errors import SdpError
from actors.sip.grammar import readable

WORD = r"[^\s\x00-\x1f\x7f]"  # non-ws-string (s9)
TOKEN = r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]"  # noqa: S105 - a word of the grammar, no secret
_origin = re.compile(rf"({WORD}++) ([0-9]{{1,32}}) ([0-9]{{1,32}}) ({TOKEN}++) ({TOKEN}++) ({WORD}++)").fullmatch
_connection = re.compile(rf"({TOKEN}++) ({TOKEN}++) ({WORD}++)").fullmatch
_bandwidth = re.compile(rf"({TOKEN}++):([0-9]{{1,20}})").fullmatch
_timing = re.compile(r"([0-9]{1,20}) ([0-9]{1,20})").fullmatch
_TIME = r"[0-9]{1,20}[dhms]?"
_repeat = re.compile(rf"[1-9][0-9]{{0,19}}[dhms]?(?: {_TIME}){{2,}}+").fullmatch
_zones = re.compile(rf"{_TIME} -?{_TIME}(?: {_TIME} -?{_TIME})*+").fullmatch
_with_comment = re.compile(r"([^()<>]*+)\(([^()<>]++)\)[ \t]*+").fullmatch
_with_name = re.compile(r"([^()<>]*+)<([^()<>]++)>[ \t]*+").fullmatch
_SECONDS = {"m": 60, "h": 3600, "d": 86400}


class Origin(NamedTuple):
    """The o= line (s5.2)."""

    username: str
    session_id: int
    version: int
    net_type: str
    address_type: str
    address: str

    def __str__(self) -> str:
        return " ".join(map(str, self))


class Connection(NamedTuple):
    """A c= line (s5.7); `address` keeps the TTL and count of a multicast address."""

    net_type: str
    address_type: str
    address: str

    def __str__(self) -> str:
        return " ".join(self)

    @property
    def host(self) -> str:
        """The address without TTL and count."""
        return self.address.partition("/")[0]


class Bandwidth(NamedTuple):
    """A b= line (s5.8); `value` is in kilobits a second for CT and AS, in bits for TIAS, RS and RR."""

    kind: str
    value: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"


class Timing(NamedTuple):
    """A t= line (s5.9): seconds since 1900, 0 for no bound."""

    start: int
    stop: int

    def __str__(self) -> str:
        return f"{self.start} {self.stop}"


class Repeat(NamedTuple):
    """An r= line (s5.10), all in seconds."""

    interval: int
    duration: int
    offsets: tuple[int, ...]

    def __str__(self) -> str:
        return " ".join(map(str, (self.interval, self.duration, *self.offsets)))


class Zones(NamedTuple):
    """A z= line (s5.11): pairs of a time since 1900 and the offset from then on, in seconds."""

    adjustments: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        return " ".join(f"{time} {offset}" for time, offset in self.adjustments)


class Key(NamedTuple):
    """A k= line (s5.12), obsolete: it is kept but never obeyed. `value` is None where no colon stands in it."""

    method: str
    value: str | None

    def __str__(self) -> str:
        return self.method if self.value is None else f"{self.method}:{self.value}"

    def __repr__(self) -> str:
        return f"Key({self.method!r}, ...)"  # no secret goes into a log


class Person(NamedTuple):
    """An e= or p= line (s5.6): an address or a number, and whose it is, empty where that is not said."""

    address: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.address} ({self.name})" if self.name else self.address


TypedLine = Origin | Connection | Bandwidth | Timing | Repeat | Zones | Key | Person | str


def matched(found: re.Match[str] | None) -> re.Match[str]:
    """`found`.

    Raises:
        SdpError: 488, there was no match.
    """
    if found is None:
        raise SdpError(488, "Malformed line in the session description")
    return found


def read_origin(value: str) -> Origin:
    """Read an o= line."""
    username, session_id, version, net_type, address_type, address = matched(_origin(value)).groups()
    return Origin(readable(username), int(session_id), int(version), net_type, address_type, readable(address))


def read_connection(value: str) -> Connection:
    """Read a c= line."""
    net_type, address_type, address = matched(_connection(value)).groups()
    return Connection(net_type, address_type, readable(address))


def read_bandwidth(value: str) -> Bandwidth:
    """Read a b= line."""
    found = matched(_bandwidth(value))
    return Bandwidth(found[1], int(found[2]))


def read_timing(value: str) -> Timing:
    """Read a t= line."""
    found = matched(_timing(value))
    return Timing(int(found[1]), int(found[2]))


def read_repeat(value: str) -> Repeat:
    """Read an r= line."""
    interval, duration, *offsets = map(_seconds, matched(_repeat(value))[0].split(" "))
    return Repeat(interval, duration, tuple(offsets))


def read_zones(value: str) -> Zones:
    """Read a z= line."""
    times = [_seconds(text) for text in matched(_zones(value))[0].split(" ")]
    return Zones(tuple(zip(times[::2], times[1::2], strict=True)))


def _seconds(text: str) -> int:
    """A time in one of the units of s5.10."""
    return int(text.rstrip("dhms")) * _SECONDS.get(text[-1], 1)


def read_key(value: str) -> Key:
    """Read a k= line, whatever stands in it: it must be passed over (s5.12)."""
    method, mark, key = value.partition(":")
    return Key(readable(method), readable(key) if mark else None)


def read_person(value: str) -> Person:
    """Read an e= or p= line, in any of its three forms (s5.6)."""
    text = readable(value)
    found = _with_comment(text)
    if found is not None:
        return Person(found[1].strip(), found[2].strip())
    found = _with_name(text)
    if found is not None:
        return Person(found[2].strip(), found[1].strip())
    return Person(text.strip())


# What is asked of a line when a description is read, by type letter: cheaper than reading it.
CHECKS: dict[str, Callable[[str], object]] = {
    "o": _origin,
    "c": _connection,
    "b": _bandwidth,
    "t": _timing,
    "r": _repeat,
    "z": _zones,
    "a": re.compile(rf"{TOKEN}++(?::.*+)?", re.DOTALL).fullmatch,
}
# By type letter; those of v=, s=, i= and u= are text.
READERS: dict[str, Callable[[str], TypedLine]] = {
    "o": read_origin,
    "c": read_connection,
    "b": read_bandwidth,
    "t": read_timing,
    "r": read_repeat,
    "z": read_zones,
    "k": read_key,
    "e": read_person,
    "p": read_person,
}
