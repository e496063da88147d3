"""What the values of headers share: parsing, printing, comma lists and parameters.

A value that was parsed prints as it came, byte for byte; one that is made or changed (``dataclasses.replace``) is
written anew, and only if that reads back as the same value: nothing of an application's can end a value and begin
another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

from actors.sip.errors import LocalProtocolError, RemoteProtocolError
from actors.sip.grammar import (
    Params,
    check_printable,
    number,
    params,
    print_params,
    readable,
    split_list,
    token,
    unquote,
)

MAX_DELTA = 2**32 - 1  # s20.19


@dataclass(frozen=True, slots=True)
class Header:
    """One value of a header. A type of its own has :meth:`read` and :meth:`compose`."""

    _text: str = field(default="", init=False, repr=False, compare=False)  # as it came; empty where it did not

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse one value, unfolded.

        Raises:
            RemoteProtocolError: 400.
        """
        value = cls.read(text.strip(" \t"))
        object.__setattr__(value, "_text", text)
        return value

    @classmethod
    def read(cls, text: str) -> Self:
        """What :meth:`parse` makes of a value without white space around it.

        Raises:
            RemoteProtocolError: 400.
        """
        raise NotImplementedError

    def compose(self) -> str:
        """The value as text; :meth:`__str__` checks that it reads back."""
        raise NotImplementedError

    def __str__(self) -> str:
        if self._text:
            return self._text
        what = type(self).__name__
        text = check_printable(self.compose(), what)
        try:
            again = self._read_back(text)
        except RemoteProtocolError as error:
            raise LocalProtocolError(f"not a {what}: {text!r}") from error
        if again != self:
            raise LocalProtocolError(f"not a {what}: {text!r}")
        return text

    @classmethod
    def _read_back(cls, text: str) -> Self | None:
        return cls.parse(text)


class Draft:
    """What a value of a type that every message needs is made of, then given its class.

    A frozen dataclass sets its fields through ``object.__setattr__``, which takes three times as long. A draft has the
    base and the slots of its class, else Python refuses to make one the other.
    """

    __slots__ = ()
    __setattr__ = object.__setattr__
    __delattr__ = object.__delattr__  # both, else each assignment takes the slow way


class ListHeader(Header):
    """A value of a header whose lines are comma lists."""

    __slots__ = ()

    @classmethod
    def parse_many(cls, text: str) -> tuple[Self, ...]:
        """Parse the values of one line, commas in quoted strings and in ``<>`` left alone (s7.3.1).

        An empty element is passed over: senders leave them in lists that they build (RFC 9110 s5.6.1.2).

        Raises:
            RemoteProtocolError: 400.
        """
        return tuple([cls.parse(element) for element in split_list(text) if element])

    @classmethod
    def _read_back(cls, text: str) -> Self | None:
        values = cls.parse_many(text)
        return values[0] if len(values) == 1 else None


class WithParams:
    """A value that ends in parameters: names in lower case and in order, values as they stand."""

    __slots__ = ()

    params: Params

    def __post_init__(self) -> None:
        lower = {name.lower(): value for name, value in self.params.items()}
        object.__setattr__(self, "params", lower)

    def param(self, name: str) -> str | None:
        """What a parameter says, out of its quotes; empty for one without a value, None where it is absent."""
        key = name.lower()
        if key not in self.params:
            return None
        return readable(unquote(self.params[key] or ""))

    def _number(self, name: str, limit: int = MAX_DELTA) -> int | None:
        value = self.params.get(name)
        return None if value is None else number(value, limit)


class Preferred(WithParams):
    """A value that its sender prefers more or less than others."""

    __slots__ = ()

    @property
    def q(self) -> float:
        """The preference, from 0 to 1; 1 where none is written (s20.1, 20.10).

        Raises:
            RemoteProtocolError: 400.
        """
        return read_quality(self.params.get("q", "1"))


def read_quality(text: str | None) -> float:
    """A qvalue (s25.1).

    Raises:
        RemoteProtocolError: 400.
    """
    whole, _, rest = (text or "").partition(".")
    if whole not in ("0", "1") or len(rest) > 3 or not (rest or "0").isdigit() or not rest.isascii():
        raise RemoteProtocolError(400, "Malformed q")
    value = float(f"{whole}.{rest or 0}")
    if value > 1:
        raise RemoteProtocolError(400, "Malformed q")
    return value


def read_token(text: str, what: str) -> str:
    """`text`, which must be a token.

    Raises:
        RemoteProtocolError: 400.
    """
    if token(text) is None:
        raise RemoteProtocolError(400, f"Malformed {what}")
    return text


@dataclass(frozen=True, slots=True)
class TextHeader(Header):
    """Free text for people, in UTF-8; it may be empty.

    Attributes:
        text: valid Unicode; bytes that are not UTF-8 show as U+FFFD, and print as they came.
    """

    text: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Take any text."""
        return cls(readable(text))

    def compose(self) -> str:
        """The text."""
        return self.text


@dataclass(frozen=True, slots=True)
class NumberHeader(Header):
    """A number, such as seconds.

    Attributes:
        value: from 0 to the header's limit.
    """

    LIMIT: ClassVar[int] = MAX_DELTA

    value: int

    @classmethod
    def read(cls, text: str) -> Self:
        """Read digits, within the limit."""
        return cls(number(text, cls.LIMIT))

    def compose(self) -> str:
        """The digits."""
        return str(self.value)


@dataclass(frozen=True, slots=True)
class TokenHeader(Header):
    """One token.

    Attributes:
        value: as it stands; lower case where the header's words are compared without regard to case.
    """

    FOLDED: ClassVar[bool] = False

    value: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Read one token."""
        value = read_token(text, "token")
        return cls(value.lower() if cls.FOLDED else value)

    def compose(self) -> str:
        """The token."""
        return self.value


class TokenListHeader(TokenHeader, ListHeader):
    """One token of a comma list."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TokenParamsHeader(WithParams, Header):
    """A token and parameters.

    Attributes:
        value: the token as it stands; lower case where the header's words are compared without regard to case.
        params: names in lower case, values as they stand.
    """

    FOLDED: ClassVar[bool] = False

    value: str
    params: Params = field(default_factory=dict, hash=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a token and its parameters."""
        end = text.find(";")
        value = read_token(text if end < 0 else text[:end].rstrip(" \t"), "token")
        return cls(value.lower() if cls.FOLDED else value, params(text, end) if end >= 0 else {})

    def compose(self) -> str:
        """The token and its parameters."""
        return f"{self.value}{print_params(self.params)}"


class TokenParamsListHeader(TokenParamsHeader, ListHeader):
    """A token and parameters, of a comma list."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class SecondsHeader(WithParams, Header):
    """Seconds and parameters.

    Attributes:
        seconds: at most 2**32 - 1.
        params: names in lower case, values as they stand.
    """

    seconds: int
    params: Params = field(default_factory=dict, hash=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read digits and parameters."""
        end = text.find(";")
        digits = text if end < 0 else text[:end].rstrip(" \t")
        return cls(number(digits, MAX_DELTA), params(text, end) if end >= 0 else {})

    def compose(self) -> str:
        """The digits and the parameters."""
        return f"{self.seconds}{print_params(self.params)}"
