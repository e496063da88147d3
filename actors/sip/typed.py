"""The typed headers of a message, one property each, over the two ways in which a message reads them."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, cast

from actors.sip.fields import FIELDS, Field
from actors.sip.headers import CSeq, MediaType, NameAddr, Reason, RetryAfter, Via


class TypedHeaders:
    """Each header is parsed when it is asked for the first time, then kept.

    Each property raises RemoteProtocolError where its header is malformed; the error carries the status to answer
    with, None where the message is a response or an ACK.
    """

    __slots__ = ("_typed",)

    _typed: dict[str, Any]  # what was parsed already

    @abstractmethod
    def _values(self, key: str) -> list[str]:
        """The elements of all lines of a header."""

    @abstractmethod
    def _parse(self, field: Field, value: str) -> object:
        """One element, parsed."""

    @abstractmethod
    def _one(self, key: str) -> object:
        """The value of a single header, None where there is none."""

    @abstractmethod
    def _all(self, key: str) -> tuple[Any, ...]:
        """The values of a list header."""

    @property
    def via(self) -> Via | None:
        """The top Via; the others are not looked at."""
        if "top" not in self._typed:
            values = self._values("via")
            self._typed["top"] = self._parse(FIELDS["via"], values[0]) if values else None
        return cast("Via | None", self._typed["top"])

    @property
    def vias(self) -> tuple[Via, ...]:
        """All Vias, the top one first."""
        return self._all("via")

    @property
    def from_(self) -> NameAddr:
        """The From."""
        return cast("NameAddr", self._one("from"))

    @property
    def to(self) -> NameAddr:
        """The To."""
        return cast("NameAddr", self._one("to"))

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return cast("str", self._one("call-id"))

    @property
    def cseq(self) -> CSeq:
        """The CSeq."""
        return cast("CSeq", self._one("cseq"))

    @property
    def contact(self) -> NameAddr | None:
        """The first Contact."""
        return next(iter(self.contacts), None)

    @property
    def contacts(self) -> tuple[NameAddr, ...]:
        """All Contacts."""
        return self._all("contact")

    @property
    def route(self) -> tuple[NameAddr, ...]:
        """All Routes, the next hop first."""
        return self._all("route")

    @property
    def record_route(self) -> tuple[NameAddr, ...]:
        """All Record-Routes, the last proxy first."""
        return self._all("record-route")

    @property
    def max_forwards(self) -> int | None:
        """The Max-Forwards."""
        return cast("int | None", self._one("max-forwards"))

    @property
    def content_type(self) -> MediaType | None:
        """The Content-Type."""
        return cast("MediaType | None", self._one("content-type"))

    @property
    def content_length(self) -> int | None:
        """The Content-Length as it stands; the body is what counts."""
        return cast("int | None", self._one("content-length"))

    @property
    def allow(self) -> tuple[str, ...]:
        """The methods of Allow."""
        return self._all("allow")

    @property
    def supported(self) -> tuple[str, ...]:
        """The option tags of Supported."""
        return self._all("supported")

    @property
    def require(self) -> tuple[str, ...]:
        """The option tags of Require."""
        return self._all("require")

    @property
    def proxy_require(self) -> tuple[str, ...]:
        """The option tags of Proxy-Require."""
        return self._all("proxy-require")

    @property
    def unsupported(self) -> tuple[str, ...]:
        """The option tags of Unsupported."""
        return self._all("unsupported")

    @property
    def expires(self) -> int | None:
        """The Expires, in seconds."""
        return cast("int | None", self._one("expires"))

    @property
    def retry_after(self) -> RetryAfter | None:
        """The Retry-After."""
        return cast("RetryAfter | None", self._one("retry-after"))

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The values of the Reason header (RFC 3326)."""
        return self._all("reason")

    @property
    def user_agent(self) -> str | None:
        """The User-Agent."""
        return cast("str | None", self._one("user-agent"))

    @property
    def server(self) -> str | None:
        """The Server."""
        return cast("str | None", self._one("server"))
