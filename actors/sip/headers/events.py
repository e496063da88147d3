"""The headers of event packages, publication and time: Event, Subscription-State, Expires, Retry-After, ..."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar, Self

from actors.sip.errors import RemoteProtocolError
from actors.sip.grammar import Params, number, params, print_params, readable
from actors.sip.headers.base import MAX_DELTA, Header, NumberHeader, TokenHeader, TokenParamsHeader, WithParams

# A comment may hold another (s25.1); its text is kept as it stands.
_CTEXT = r"(?:[^\x00-\x1f\x7f()\\]|\\[^\x00-\x1f\x7f])"
_retry_after = re.compile(
    rf"([0-9]++)[ \t]*+(?:\(((?:{_CTEXT}|\({_CTEXT}*+\))*+)\))?+[ \t]*+(?=;|\Z)",
).match


class Event(TokenParamsHeader):
    """Event, ``o``: the package of a subscription (RFC 6665 s8.2.1)."""

    __slots__ = ()

    @property
    def package(self) -> str:
        """The package with its templates, such as ``presence.winfo``."""
        return self.value

    @property
    def id(self) -> str:
        """What tells apart subscriptions in one dialog; empty if absent."""
        return self.params.get("id") or ""


class SubscriptionState(TokenParamsHeader):
    """Subscription-State: ``active``, ``pending`` or ``terminated`` (RFC 6665 s8.2.3)."""

    __slots__ = ()
    FOLDED: ClassVar[bool] = True

    @property
    def reason(self) -> str:
        """Why it ended, such as ``noresource``, in lower case; empty if absent (s4.1.3)."""
        return (self.params.get("reason") or "").lower()

    @property
    def expires(self) -> int | None:
        """The seconds that are left; None where they are not told.

        Raises:
            RemoteProtocolError: 400.
        """
        return self._number("expires")

    @property
    def retry_after(self) -> int | None:
        """The seconds to wait before subscribing again; None where they are not told.

        Raises:
            RemoteProtocolError: 400.
        """
        return self._number("retry-after")


class SipEtag(TokenHeader):
    """SIP-ETag: what a publication is known by (RFC 3903 s11.3.1)."""

    __slots__ = ()


class SipIfMatch(TokenHeader):
    """SIP-If-Match: the publication to refresh, change or remove (RFC 3903 s11.3.2)."""

    __slots__ = ()


class Expires(NumberHeader):
    """Expires: for how many seconds it holds (RFC 3261 s20.19)."""

    __slots__ = ()


class MinExpires(NumberHeader):
    """Min-Expires: the fewest seconds that a registrar takes (RFC 3261 s20.23)."""

    __slots__ = ()


class FlowTimer(NumberHeader):
    """Flow-Timer: after how many seconds without keep-alive a server takes a flow for dead (RFC 5626 s10)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class RetryAfter(WithParams, Header):
    """Retry-After: when to try again (RFC 3261 s20.33).

    Attributes:
        seconds: to wait.
        comment: for people, as it stands within its parentheses; empty where there is none.
        params: names in lower case, values as they stand.
    """

    seconds: int
    comment: str = ""
    params: Params = field(default_factory=dict, hash=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read seconds, comment and parameters."""
        found = _retry_after(text)
        if found is None:
            raise RemoteProtocolError(400, "Malformed Retry-After")
        return cls(number(found[1], MAX_DELTA), readable(found[2] or ""), params(text, found.end()))

    def compose(self) -> str:
        """The seconds, comment and parameters."""
        comment = f" ({self.comment})" if self.comment else ""
        return f"{self.seconds}{comment}{print_params(self.params)}"

    @property
    def duration(self) -> int | None:
        """For how many seconds the callee can be reached then; None where it is not told.

        Raises:
            RemoteProtocolError: 400.
        """
        return self._number("duration")
