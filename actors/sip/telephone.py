"""Telephone numbers in URIs: the telephone-subscriber of RFC 3966, its parts and its comparison."""

from __future__ import annotations

import re
from dataclasses import dataclass

from actors.sip.errors import RemoteProtocolError
from actors.sip.grammar import Params

_number = re.compile(r"\+?[0-9A-Fa-f*#\-.()]++").fullmatch
_digits = re.compile(r"\+[0-9]++").fullmatch
_local = re.compile(r"[0-9A-Fa-f*#]++").fullmatch
_name = re.compile(r"[A-Za-z0-9\-]++").fullmatch
_value = re.compile(r"[A-Za-z0-9\-_.!~*'()\[\]/:&+$%]++").fullmatch
_bad_escape = re.compile("%(?![0-9A-Fa-f]{2})").search
_escape = re.compile("%([0-9A-Fa-f]{2})")
_without_separators = str.maketrans("", "", "-.()")
_FIRST = ("isub", "ext", "phone-context")  # s3: what stands before the others


@dataclass(frozen=True, slots=True)
class Telephone:
    """A telephone number (RFC 3966 s3).

    Attributes:
        number: as it stands, visual separators and all.
        params: names in lower case, values as they stand, None for a parameter without one. Not to be changed.
    """

    number: str
    params: Params

    def __hash__(self) -> int:
        return hash(self.number)

    def __str__(self) -> str:
        return self.number + _print(self.params)

    @property
    def is_global(self) -> bool:
        """Whether it begins with a country code, after a ``+`` (s5.1.4)."""
        return self.number.startswith("+")

    @property
    def digits(self) -> str:
        """The number without visual separators (s5.1.1), letters in lower case."""
        return self.number.translate(_without_separators).lower()

    @property
    def context(self) -> str:
        """Where a local number holds: a domain, or the leading digits of a global number (s5.1.5); empty if absent."""
        return self.params.get("phone-context") or ""

    @property
    def key(self) -> str:
        """The one spelling of all equivalent numbers, parameters in the order of s3."""
        return self.digits + _print(self._comparable())

    def equivalent(self, other: Telephone) -> bool:
        """Whether both are the same number (s4): separators, case and the order of parameters do not matter."""
        return self.digits == other.digits and self._comparable() == other._comparable()

    def _comparable(self) -> dict[str, str | None]:
        compared: dict[str, str | None] = {}
        for name in sorted(self.params, key=lambda name: (_FIRST.index(name) if name in _FIRST else 9, name)):
            value = self.params[name]
            if value is not None:
                value = _escape.sub(_plain, value).lower()
                if name == "ext" or (name == "phone-context" and value.startswith("+")):
                    value = value.translate(_without_separators)
            compared[name] = value
        return compared


def parse(text: str) -> Telephone:
    """Parse a telephone-subscriber: what follows ``tel:``, or the user of a SIP URI with ``user=phone``.

    Raises:
        RemoteProtocolError: 400, it is none.
    """
    number, *rest = text.split(";")
    digits = number.translate(_without_separators)
    if _number(number) is None or (_digits(digits) or _local(digits)) is None:
        raise RemoteProtocolError(400, "Malformed telephone number")
    params: dict[str, str | None] = {}
    for part in rest:
        name, equals, value = part.partition("=")
        name = name.lower()
        if _name(name) is None or name in params or _bad_escape(value) or bool(equals) != (_value(value) is not None):
            raise RemoteProtocolError(400, "Malformed telephone parameter")
        params[name] = value if equals else None
    return Telephone(number, params)


def _print(params: Params) -> str:
    return "".join([f";{name}" if value is None else f";{name}={value}" for name, value in params.items()])


def _plain(found: re.Match[str]) -> str:
    """An escape undone where that means the same: not of the reserved marks, nor of what is no ASCII (s3)."""
    octet = int(found[1], 16)
    return found[0] if octet > 126 or octet < 33 or chr(octet) in ";/?:@&=+$,%" else chr(octet)
