"""The headers that hold addresses: a display name, a URI and parameters (RFC 3261 sections 20 and 25.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Self

from actors.sip import uri as uris
from actors.sip.errors import RemoteProtocolError
from actors.sip.grammar import QUOTED, VALUE, Params, check_printable, params, print_params, quote, readable, unquote
from actors.sip.headers.base import Draft, Header, ListHeader, Preferred, WithParams
from actors.sip.uri import Uri

_SEPARATED = r"[ \t]*+"
# A display name is a quoted string or, more liberal than tokens (s25.1), words without the marks that end a value.
DISPLAY = r'[^"<>,;:\\\x00-\x08\x0a-\x1f\x7f]'
_name_addr = re.compile(rf"({QUOTED}|{DISPLAY}*+){_SEPARATED}<([^<>\" \t]++)>", re.DOTALL).match
# The same as nearly all peers write it, with no parameter but a tag.
_usual_address = re.compile(rf'(?:"([^"\\]*+)"[ \t]*+|({DISPLAY}*+))<({uris.USUAL})>(?:;tag=({VALUE}++))?+').fullmatch
_addr_spec = re.compile(r"([^<>\" \t;,?]++)").match
_index = re.compile(r"[0-9]{1,10}(?:\.[0-9]{1,10}){0,99}").fullmatch


@dataclass(frozen=True, slots=True)
class NameAddr(WithParams, Header):
    """A display name, a URI and parameters (RFC 3261 s20.10). The Contact ``*`` is one too (:attr:`is_star`).

    Attributes:
        display_name: out of its quotes, valid Unicode; empty where there is none.
        uri: the address.
        params: the header's parameters: names in lower case, values as they stand.
    """

    display_name: str
    uri: Uri
    params: Params = field(default_factory=dict, hash=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse one name-addr or addr-spec with its header parameters.

        Raises:
            RemoteProtocolError: 400.
        """
        usual = _usual_address(text)
        if usual is not None:
            quoted, words, address, scheme, user, host, port, tail, tag = usual.groups()
            display = readable(words.strip(" \t") if quoted is None else quoted)
            uri = uris.make_usual(address, scheme, user, host, port, tail)
            parameters = {} if tag is None else {"tag": tag}
        else:
            display, address, end = cut_name_addr(text)
            parameters = params(text, end)
            if "tag" in parameters and not parameters["tag"]:
                raise RemoteProtocolError(400, "Empty tag")
            display, uri = readable(unquote(display.strip(" \t"))), uris.parse(address)
        draft: Any = _NameAddrDraft()
        draft._text = text  # noqa: SLF001 - its own
        draft.display_name = display
        draft.uri = uri
        draft.params = parameters
        draft.__class__ = cls
        value: Self = draft
        return value

    def compose(self) -> str:
        """The display name in quotes, the URI in brackets, and the parameters."""
        if self.is_star:
            return "*"
        name = check_printable(self.display_name, "a display name")
        display = f"{quote(name)} " if name else ""
        return f"{display}<{self.uri}>{print_params(self.params)}"

    @property
    def is_star(self) -> bool:
        """Whether it is the ``*`` of s10.2.2."""
        return self.uri.scheme == "*"

    @property
    def tag(self) -> str:
        """The tag parameter, empty if absent (s19.3)."""
        return self.params.get("tag") or ""


class _NameAddrDraft(Draft, Header):
    __slots__ = ("display_name", "params", "uri")


def cut_name_addr(text: str) -> tuple[str, str, int]:
    """The display name as it stands, the URI, and where the parameters begin, of a name-addr or addr-spec (s20).

    Raises:
        RemoteProtocolError: 400.
    """
    found = _name_addr(text)
    if found is not None:
        return found[1], found[2], found.end()
    found = _addr_spec(text)
    if found is None:
        raise RemoteProtocolError(400, "Malformed address")
    return "", found[1], found.end()


class NameAddrList(NameAddr, ListHeader):
    """An address of a comma list."""

    __slots__ = ()


class BracketedList(NameAddrList):
    """An address of a comma list, which needs its brackets."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse one name-addr with its parameters.

        Raises:
            RemoteProtocolError: 400; also for a URI without brackets.
        """
        if _name_addr(text) is None:
            raise RemoteProtocolError(400, "Malformed route")
        return super().parse(text)


class From(NameAddr):
    """From, ``f``: who sends the request (RFC 3261 s20.20); :attr:`tag` is that of its side."""

    __slots__ = ()


class To(NameAddr):
    """To, ``t``: whom the request was meant for (RFC 3261 s20.39); :attr:`tag` is that of the side that answered."""

    __slots__ = ()


class ReplyTo(NameAddr):
    """Reply-To: where to call back (RFC 3261 s20.31)."""

    __slots__ = ()


class Contact(Preferred, NameAddrList):
    """Contact, ``m``: where a side is to be reached, or ``*`` for all bindings (RFC 3261 s20.10, 10.2.2)."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse one Contact value, ``*`` among them.

        Raises:
            RemoteProtocolError: 400.
        """
        return cls("", Uri("*")) if text == "*" else super().parse(text)

    @property
    def expires(self) -> int | None:
        """The expires parameter in seconds, None where it is absent (s20.10).

        Raises:
            RemoteProtocolError: 400, it is no number of 32 bits.
        """
        return self._number("expires")


class Route(BracketedList):
    """Route: a proxy that the request has to visit (RFC 3261 s20.34)."""

    __slots__ = ()


class RecordRoute(BracketedList):
    """Record-Route: a proxy that stays in the way of the dialog (RFC 3261 s20.30)."""

    __slots__ = ()


class Path(BracketedList):
    """Path: a proxy between the registrar and the client (RFC 3327 s4)."""

    __slots__ = ()


class ServiceRoute(BracketedList):
    """Service-Route: a proxy that the client's requests have to visit (RFC 3608 s5)."""

    __slots__ = ()


class ReferTo(NameAddr):
    """Refer-To, ``r``: whom the receiver of a REFER shall contact (RFC 3515 s2.1)."""

    __slots__ = ()


class ReferredBy(NameAddr):
    """Referred-By, ``b``: who asked for this request (RFC 3892 s3); its ``cid`` names a signed body."""

    __slots__ = ()


class PAssertedIdentity(NameAddrList):
    """P-Asserted-Identity: who the caller is, as a trusted proxy says (RFC 3325 s9.1)."""

    __slots__ = ()


class PPreferredIdentity(NameAddrList):
    """P-Preferred-Identity: who the caller wishes to be, said to a trusted proxy (RFC 3325 s9.2)."""

    __slots__ = ()


class Diversion(BracketedList):
    """Diversion: from whom the call was diverted, the last first (RFC 5806, as RFC 6044 s3.2 has it)."""

    __slots__ = ()

    @property
    def reason(self) -> str:
        """Why: ``user-busy``, ``no-answer``, ``unconditional``, ...; empty if absent."""
        return self.param("reason") or ""

    @property
    def counter(self) -> int:
        """How many diversions this entry stands for; 1 where none is written.

        Raises:
            RemoteProtocolError: 400.
        """
        return self._number("counter", 99) or 1


class HistoryInfo(BracketedList):
    """History-Info: one target that the request had (RFC 7044 s5).

    Its Reason and Privacy are headers in its URI.
    """

    __slots__ = ()

    @property
    def index(self) -> tuple[int, ...]:
        """The place in the tree of targets, such as (1, 2) for ``1.2``; empty if absent (RFC 7044 s10.3).

        Raises:
            RemoteProtocolError: 400.
        """
        text = self.params.get("index")
        if text is None:
            return ()
        if _index(text) is None:
            raise RemoteProtocolError(400, "Malformed index")
        return tuple(map(int, text.split(".")))
