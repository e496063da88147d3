"""The headers that name dialogs and keep them: Replaces, Join, session timers, reliable responses, session ids."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar, Self

from actors.sip.errors import RemoteProtocolError
from actors.sip.grammar import TOKEN, Params, number, params, print_params, quote, token, unquote
from actors.sip.headers.base import (
    MAX_DELTA,
    Header,
    ListHeader,
    NumberHeader,
    SecondsHeader,
    TokenParamsHeader,
    WithParams,
)
from actors.sip.headers.routing import MAX_CSEQ, read_call_id

_rack = re.compile(rf"([0-9]{{1,10}})[ \t]++([0-9]{{1,10}})[ \t]++({TOKEN}++)").fullmatch
_session_id = re.compile("[0-9a-fA-F]{32}").fullmatch
_user_data = re.compile(r'(?:[^";,]*+|"[^"\\]*+(?:\\.[^"\\]*+)*+")[ \t]*+(?=;|\Z)', re.DOTALL).match


@dataclass(frozen=True, slots=True)
class _DialogHeader(WithParams, Header):
    """A Call-ID and parameters that name a dialog."""

    NEEDED: ClassVar[tuple[str, ...]] = ()

    call_id: str
    params: Params = field(default_factory=dict, hash=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a Call-ID and parameters, those that are needed among them."""
        end = text.find(";")
        if end < 0:
            end = len(text)
        value = cls(read_call_id(text[:end].rstrip(" \t")), params(text, end))
        if any(not value.params.get(name) for name in cls.NEEDED) or "," in value.call_id:
            raise RemoteProtocolError(400, "Malformed dialog header")
        return value

    def compose(self) -> str:
        """The Call-ID and the parameters."""
        return f"{self.call_id}{print_params(self.params)}"


class Join(_DialogHeader):
    """Join: the dialog to become part of, named by the tags of the side that receives this (RFC 3911 s7.1)."""

    __slots__ = ()
    NEEDED: ClassVar[tuple[str, ...]] = ("to-tag", "from-tag")

    @property
    def to_tag(self) -> str:
        """The tag of the side that receives it; ``0`` stands for none too."""
        return self.params.get("to-tag") or ""

    @property
    def from_tag(self) -> str:
        """The tag of the other side; ``0`` stands for none too."""
        return self.params.get("from-tag") or ""


class Replaces(Join):
    """Replaces: the dialog that the new one takes the place of (RFC 3891 s6.1)."""

    __slots__ = ()

    @property
    def early_only(self) -> bool:
        """Whether a confirmed dialog is not to be replaced."""
        return "early-only" in self.params


class TargetDialog(_DialogHeader):
    """Target-Dialog: a dialog that shows the right to ask, as the receiver of the request sees it (RFC 4538 s3)."""

    __slots__ = ()

    @property
    def local_tag(self) -> str:
        """The tag of the receiver of the request; empty if absent."""
        return self.params.get("local-tag") or ""

    @property
    def remote_tag(self) -> str:
        """The tag of its peer; empty if absent."""
        return self.params.get("remote-tag") or ""


class SessionExpires(SecondsHeader):
    """Session-Expires, ``x``: how long the session lives without a refresh (RFC 4028 s4)."""

    __slots__ = ()

    @property
    def refresher(self) -> str:
        """``uac`` or ``uas``; empty if absent."""
        return (self.params.get("refresher") or "").lower()


class MinSe(SecondsHeader):
    """Min-SE: the shortest session interval that is taken (RFC 4028 s5)."""

    __slots__ = ()


class RSeq(NumberHeader):
    """RSeq: the number of a reliable provisional response (RFC 3262 s7.1)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class RAck(Header):
    """RAck: which reliable provisional response a PRACK acknowledges (RFC 3262 s7.2).

    Attributes:
        rseq: the number of the response.
        cseq: the CSeq number of its request.
        method: the method of its request.
    """

    rseq: int
    cseq: int
    method: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Read two numbers and a method."""
        found = _rack(text)
        if found is None:
            raise RemoteProtocolError(400, "Malformed RAck")
        return cls(number(found[1], MAX_DELTA), number(found[2], MAX_CSEQ), found[3])

    def compose(self) -> str:
        """The numbers and the method."""
        return f"{self.rseq} {self.cseq} {self.method}"


class ReferSub(TokenParamsHeader):
    """Refer-Sub: whether a REFER begins a subscription (RFC 4488 s4)."""

    __slots__ = ()
    FOLDED: ClassVar[bool] = True

    @property
    def wanted(self) -> bool:
        """False only for ``false``."""
        return self.value != "false"


@dataclass(frozen=True, slots=True)
class SessionId(WithParams, Header):
    """Session-ID: one name of the session end to end (RFC 7989 s5).

    Attributes:
        local: 32 hexadecimal digits in lower case, all zero for none.
        params: names in lower case, values as they stand.
    """

    local: str
    params: Params = field(default_factory=dict, hash=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the UUID of the sender and parameters."""
        if _session_id(text[:32]) is None:
            raise RemoteProtocolError(400, "Malformed Session-ID")
        return cls(text[:32].lower(), params(text, 32))

    def compose(self) -> str:
        """The UUID and the parameters."""
        return f"{self.local}{print_params(self.params)}"

    @property
    def remote(self) -> str:
        """The UUID of the other side in lower case; empty if absent, as from those of RFC 7329."""
        return (self.params.get("remote") or "").lower()


@dataclass(frozen=True, slots=True)
class UserToUser(WithParams, ListHeader):
    """User-to-User: data of one application for another, carried through (RFC 7433 s4.1).

    Attributes:
        data: out of its quotes, if it had any; the ``encoding`` parameter tells how to read it.
        params: names in lower case, values as they stand.
    """

    data: str
    params: Params = field(default_factory=dict, hash=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the data and parameters."""
        found = _user_data(text)
        if found is None:
            raise RemoteProtocolError(400, "Malformed User-to-User")
        return cls(unquote(found[0].rstrip(" \t")), params(text, found.end()))

    def compose(self) -> str:
        """The data, in quotes where they are no token, and the parameters."""
        data = self.data if token(self.data) else quote(self.data)
        return f"{data}{print_params(self.params)}"
