"""The headers that tell of bodies: what they are, and what a side takes (RFC 3261 section 20)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar, Self

from actors.sip.errors import RemoteProtocolError
from actors.sip.grammar import TOKEN, Params, number, params, print_params
from actors.sip.headers.base import (
    Header,
    ListHeader,
    NumberHeader,
    Preferred,
    TokenListHeader,
    TokenParamsHeader,
    TokenParamsListHeader,
    WithParams,
)

_media_type = re.compile(rf"({TOKEN}++)[ \t]*+/[ \t]*+({TOKEN}++)").match
_version = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})").fullmatch


@dataclass(frozen=True, slots=True)
class MediaType(WithParams, Header):
    """A media type with its parameters (RFC 3261 s20.15, RFC 2046).

    Attributes:
        name: lower case, such as ``application/sdp``.
        params: names in lower case, values as they stand.
    """

    name: str
    params: Params = field(default_factory=dict, hash=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read type, subtype and parameters."""
        found = _media_type(text)
        if found is None:
            raise RemoteProtocolError(400, "Malformed Content-Type")
        return cls(f"{found[1]}/{found[2]}".lower(), params(text, found.end()))

    def compose(self) -> str:
        """The name and its parameters."""
        return f"{self.name}{print_params(self.params)}"


class ContentType(MediaType):
    """Content-Type, ``c``: what the body is (RFC 3261 s20.15)."""

    __slots__ = ()


class Accept(Preferred, MediaType, ListHeader):
    """Accept: a media type that a side takes, ``*`` for any (RFC 3261 s20.1)."""

    __slots__ = ()


class _Preferred(Preferred, TokenParamsListHeader):
    __slots__ = ()
    FOLDED: ClassVar[bool] = True


class AcceptEncoding(_Preferred):
    """Accept-Encoding: a content coding that a side takes (RFC 3261 s20.2)."""

    __slots__ = ()


class AcceptLanguage(_Preferred):
    """Accept-Language: a language for reason phrases and bodies (RFC 3261 s20.3)."""

    __slots__ = ()


class ContentEncoding(TokenListHeader):
    """Content-Encoding, ``e``: a coding of the body, in the order in which they were applied (RFC 3261 s20.12)."""

    __slots__ = ()
    FOLDED: ClassVar[bool] = True


class ContentLanguage(TokenListHeader):
    """Content-Language: a language of the body (RFC 3261 s20.13)."""

    __slots__ = ()
    FOLDED: ClassVar[bool] = True


class ContentDisposition(TokenParamsHeader):
    """Content-Disposition: what the body is for: ``session``, ``render``, ``alert``, ... (RFC 3261 s20.11)."""

    __slots__ = ()
    FOLDED: ClassVar[bool] = True

    @property
    def handling(self) -> str:
        """``optional`` or ``required``, which is what its absence means."""
        return (self.param("handling") or "required").lower()


class ContentLength(NumberHeader):
    """Content-Length, ``l``: the size of the body in bytes (RFC 3261 s20.14)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class MimeVersion(Header):
    """MIME-Version (RFC 3261 s20.24).

    Attributes:
        major: 1.
        minor: 0.
    """

    major: int
    minor: int

    @classmethod
    def read(cls, text: str) -> Self:
        """Read two numbers."""
        found = _version(text)
        if found is None:
            raise RemoteProtocolError(400, "Malformed MIME-Version")
        return cls(number(found[1], 10**9), number(found[2], 10**9))

    def compose(self) -> str:
        """The two numbers."""
        return f"{self.major}.{self.minor}"


def parse_media_type(text: str) -> MediaType:
    """Parse a media type, of whatever header.

    Raises:
        RemoteProtocolError: 400.
    """
    return MediaType.parse(text)
