"""The typed headers of a message that its users ask for most, one property each."""

from __future__ import annotations

from typing import Any, cast

from actors.sip.fields import FIELDS
from actors.sip.headers import Contact, ContentType, CSeq, From, Reason, RecordRoute, RetryAfter, Route, To, Via
from actors.sip.lines import HeaderLines


class TypedHeaders(HeaderLines):
    """Each header is parsed when it is asked for the first time, then kept.

    Each property raises RemoteProtocolError where its header is malformed; the error carries the status to answer
    with, None where the message is a response or an ACK. A header that has no property here is asked for by its type:
    ``message.header(Subject)``.
    """

    __slots__ = ()

    @property
    def via(self) -> Via | None:
        """The top Via; the others are not looked at."""
        if "top" not in self._typed:
            value = self._top("via")
            self._typed["top"] = None if value is None else self._parse(FIELDS["via"], value)
        return cast("Via | None", self._typed["top"])

    @property
    def vias(self) -> tuple[Via, ...]:
        """All Vias, the top one first."""
        if self._usual is not None and "via" not in self._typed and self._text.count("\r\nVia:") == 1:
            self._typed["via"] = (self.via,)
        return self._all("via")

    @property
    def from_(self) -> From:
        """The From."""
        value: From = self._one("from")
        return value

    @property
    def to(self) -> To:
        """The To."""
        value: To = self._one("to")
        return value

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        value: str = self._plain("call-id")
        return value

    @property
    def cseq(self) -> CSeq:
        """The CSeq."""
        value: CSeq = self._one("cseq")
        return value

    @property
    def contact(self) -> Contact | None:
        """The first Contact."""
        if "first contact" not in self._typed:
            value = self._top("contact")
            self._typed["first contact"] = None if value is None else self._parse(FIELDS["contact"], value)
        return cast("Contact | None", self._typed["first contact"])

    @property
    def contacts(self) -> tuple[Contact, ...]:
        """All Contacts."""
        return self._all("contact")

    @property
    def route(self) -> tuple[Route, ...]:
        """All Routes, the next hop first."""
        return self._all("route")

    @property
    def record_route(self) -> tuple[RecordRoute, ...]:
        """All Record-Routes, the last proxy first."""
        return self._all("record-route")

    @property
    def max_forwards(self) -> int | None:
        """The Max-Forwards."""
        value: int | None = self._plain("max-forwards")
        return value

    @property
    def content_type(self) -> ContentType | None:
        """The Content-Type."""
        value: ContentType | None = self._one("content-type")
        return value

    @property
    def content_length(self) -> int | None:
        """The Content-Length as it stands; the body is what counts."""
        value: int | None = self._plain("content-length")
        return value

    @property
    def allow(self) -> tuple[str, ...]:
        """The methods of Allow."""
        return tuple([header.value for header in self._all("allow")])

    @property
    def supported(self) -> tuple[str, ...]:
        """The option tags of Supported."""
        return tuple([header.value for header in self._all("supported")])

    @property
    def require(self) -> tuple[str, ...]:
        """The option tags of Require."""
        return tuple([header.value for header in self._all("require")])

    @property
    def proxy_require(self) -> tuple[str, ...]:
        """The option tags of Proxy-Require."""
        return tuple([header.value for header in self._all("proxy-require")])

    @property
    def unsupported(self) -> tuple[str, ...]:
        """The option tags of Unsupported."""
        return tuple([header.value for header in self._all("unsupported")])

    @property
    def expires(self) -> int | None:
        """The Expires, in seconds."""
        value: int | None = self._plain("expires")
        return value

    @property
    def retry_after(self) -> RetryAfter | None:
        """The Retry-After."""
        value: RetryAfter | None = self._one("retry-after")
        return value

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The values of the Reason header (RFC 3326)."""
        return self._all("reason")

    @property
    def user_agent(self) -> str | None:
        """The User-Agent."""
        value: str | None = self._plain("user-agent", "text")
        return value

    @property
    def server(self) -> str | None:
        """The Server."""
        value: str | None = self._plain("server", "text")
        return value

    def _plain(self, key: str, attribute: str = "value") -> Any:  # noqa: ANN401 - as above
        """The one attribute of a header that has no more."""
        header = self._one(key)
        return None if header is None else getattr(header, attribute)
