"""The headers that say something: subject, warnings, reasons, dates, privacy, identity, who made the software."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, field
from typing import ClassVar, Self

from actors.sip import uri as uris
from actors.sip.errors import RemoteProtocolError
from actors.sip.grammar import (
    QUOTED,
    TOKEN,
    Params,
    bracketed_param,
    params,
    print_params,
    quote,
    readable,
    unquote,
)
from actors.sip.headers.base import Header, ListHeader, TextHeader, TokenHeader, WithParams, read_token
from actors.sip.uri import Uri

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_date = re.compile(
    rf"(?:{'|'.join(_DAYS)}), ([0-9]{{2}}) ({'|'.join(_MONTHS)}) ([0-9]{{4}}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
).fullmatch
_bracketed = re.compile(r"<([^<>\" \t]++)>[ \t]*+").match
_token = re.compile(rf"({TOKEN}++)[ \t]*+").match
_warning = re.compile(rf"([0-9]{{3}})[ \t]++([^ \t,\"]++)[ \t]++({QUOTED})[ \t]*+", re.DOTALL).fullmatch
_timestamp = re.compile(r"([0-9]++(?:\.[0-9]*+)?+)(?:[ \t]++([0-9]++(?:\.[0-9]*+)?+|\.[0-9]++))?+").fullmatch
_signature = re.compile(r'("[A-Za-z0-9+/=]*+"|[A-Za-z0-9+/=._\-]++)[ \t]*+').match


class Subject(TextHeader):
    """Subject, ``s``: what the call is about (RFC 3261 s20.36)."""

    __slots__ = ()


class Organization(TextHeader):
    """Organization: that of the sender (RFC 3261 s20.25)."""

    __slots__ = ()


class Server(TextHeader):
    """Server: the software of the side that answers (RFC 3261 s20.35)."""

    __slots__ = ()


class UserAgent(TextHeader):
    """User-Agent: the software of the side that asks (RFC 3261 s20.41)."""

    __slots__ = ()


class Priority(TokenHeader):
    """Priority: ``emergency``, ``urgent``, ``normal``, ``non-urgent`` or another (RFC 3261 s20.26)."""

    __slots__ = ()
    FOLDED: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class _InfoHeader(WithParams, ListHeader):
    """A URI in brackets, and parameters."""

    uri: Uri
    params: Params = field(default_factory=dict, hash=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a URI in brackets, and parameters."""
        found = _bracketed(text)
        if found is None:
            raise RemoteProtocolError(400, "Malformed info")
        return cls(uris.parse(found[1]), params(text, found.end()))

    def compose(self) -> str:
        """The URI in brackets, and the parameters."""
        return f"<{self.uri}>{print_params(self.params)}"


class AlertInfo(_InfoHeader):
    """Alert-Info: another sound for ringing (RFC 3261 s20.4)."""

    __slots__ = ()


class CallInfo(_InfoHeader):
    """Call-Info: more about the caller or callee (RFC 3261 s20.9)."""

    __slots__ = ()

    @property
    def purpose(self) -> str:
        """``icon``, ``info``, ``card``, ... in lower case; ``info`` where none is written."""
        return (self.param("purpose") or "info").lower()


class ErrorInfo(_InfoHeader):
    """Error-Info: more about why it failed (RFC 3261 s20.18)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Reason(WithParams, ListHeader):
    """Reason: why a request was sent (RFC 3326 s2).

    Attributes:
        protocol: ``SIP``, ``Q.850``, ...
        params: names in lower case, values as they stand.
    """

    protocol: str
    params: Params = field(default_factory=dict, hash=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a protocol and parameters."""
        found = _token(text)
        if found is None:
            raise RemoteProtocolError(400, "Malformed Reason")
        return cls(found[1], params(text, found.end()))

    def compose(self) -> str:
        """The protocol and the parameters."""
        return f"{self.protocol}{print_params(self.params)}"

    @property
    def cause(self) -> int | None:
        """The cause parameter, such as 200 in ``SIP;cause=200``; None where it is absent.

        Raises:
            RemoteProtocolError: 400, it is no number up to 999.
        """
        return self._number("cause", 999)

    @property
    def text(self) -> str:
        """The text parameter out of its quotes, empty if absent."""
        return self.param("text") or ""


@dataclass(frozen=True, slots=True)
class SipWarning(ListHeader):
    """Warning: more about the status (RFC 3261 s20.43).

    Attributes:
        code: three digits, such as 304 for a media type that is not available.
        agent: who warns: a host, or a pseudonym.
        text: for people, out of its quotes.
    """

    code: int
    agent: str
    text: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Read code, agent and text."""
        found = _warning(text)
        if found is None:
            raise RemoteProtocolError(400, "Malformed Warning")
        return cls(int(found[1]), found[2], readable(unquote(found[3])))

    def compose(self) -> str:
        """The code, the agent and the text in quotes."""
        return f"{self.code} {self.agent} {quote(self.text)}"


@dataclass(frozen=True, slots=True)
class Date(Header):
    """Date: when the message was first sent, in GMT (RFC 3261 s20.17).

    Attributes:
        timestamp: whole seconds since 1970-01-01.
    """

    timestamp: int

    @classmethod
    def read(cls, text: str) -> Self:
        """Read an RFC 1123 date; the day of the week is not held against the rest."""
        found = _date(text)
        if found is None:
            raise RemoteProtocolError(400, "Malformed Date")
        day, month, year, hour, minute, second = found.groups()
        moment = (int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second))
        if not (moment[0] and 0 < moment[2] <= calendar.monthrange(*moment[:2])[1] and moment[3:] < (24, 0, 0)):
            raise RemoteProtocolError(400, "Malformed Date")
        if moment[4] > 59 or moment[5] > 60:  # a leap second is one
            raise RemoteProtocolError(400, "Malformed Date")
        return cls(calendar.timegm(moment))

    def compose(self) -> str:
        """The date in RFC 1123's form."""
        days, seconds = divmod(self.timestamp, 86_400)
        year, month, day = _civil(days)
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return f"{_DAYS[(days + 3) % 7]}, {day:02} {_MONTHS[month - 1]} {year:04} {clock} GMT"


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of the Gregorian calendar, `days` after 1970-01-01 (years begin in March inside)."""
    era, of_era = divmod(days + 719_468, 146_097)
    of_year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    days_left = of_era - (365 * of_year + of_year // 4 - of_year // 100)
    march = (5 * days_left + 2) // 153
    month = march + 3 if march < 10 else march - 9
    return of_year + era * 400 + (month <= 2), month, days_left - (153 * march + 2) // 5 + 1


@dataclass(frozen=True, slots=True)
class Timestamp(Header):
    """Timestamp: when a client sent its request, which comes back in the answer (RFC 3261 s20.38).

    Attributes:
        value: the client's seconds, as they stand.
        delay: the seconds that the server took, as they stand; empty where they are not told.
    """

    value: str
    delay: str = ""

    @classmethod
    def read(cls, text: str) -> Self:
        """Read one or two decimal numbers."""
        found = _timestamp(text)
        if found is None:
            raise RemoteProtocolError(400, "Malformed Timestamp")
        return cls(found[1], found[2] or "")

    def compose(self) -> str:
        """The numbers."""
        return f"{self.value} {self.delay}" if self.delay else self.value


@dataclass(frozen=True, slots=True)
class Privacy(Header):
    """Privacy: what shall be hidden: ``id``, ``header``, ``session``, ``user``, ``none``, ``critical`` (RFC 3323 s4.2).

    Attributes:
        values: in lower case and in order.
    """

    values: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the words between semicolons; some senders put commas."""
        words = [word.strip(" \t") for word in text.replace(",", ";").split(";")]
        return cls(tuple([read_token(word, "Privacy").lower() for word in words]))

    def compose(self) -> str:
        """The words between semicolons."""
        return ";".join(self.values)


@dataclass(frozen=True, slots=True)
class Identity(WithParams, Header):
    """Identity, ``y``: a signature over who calls whom and when (RFC 8224 s4).

    Attributes:
        signature: the PASSporT, whole or without its first two parts; out of its quotes, if it had any (RFC 4474).
        params: names in lower case, values as they stand.
    """

    signature: str
    params: Params = field(default_factory=dict, hash=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a signature and parameters, of which ``info`` is a URI in brackets."""
        found = _signature(text)
        if found is None:
            raise RemoteProtocolError(400, "Malformed Identity")
        return cls(unquote(found[1]), params(text, found.end(), bracketed_param))

    def compose(self) -> str:
        """The signature and the parameters."""
        return f"{self.signature}{print_params(self.params, bracketed_param)}"

    @property
    def info(self) -> str:
        """The URI of the certificate, out of its brackets; empty if absent."""
        return (self.params.get("info") or "").strip("<>")

    @property
    def algorithm(self) -> str:
        """The ``alg`` parameter; ``ES256`` where none is written (s4)."""
        return self.param("alg") or "ES256"
