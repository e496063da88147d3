"""What to do with a body: which parts count, which may be passed over, when the answer is 415.

RFC 3261 sections 7.4.1, 8.2.3, 20.11 to 20.15 and RFC 5621 (dispositions, multipart/mixed and alternative).
"""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from actors.sip import multipart
from actors.sip.errors import RemoteProtocolError
from actors.sip.grammar import Params, params, print_params, token, unquote
from actors.sip.headers import MediaType, parse_media_type
from actors.sip.message import Message
from actors.sip.multipart import Multipart

SDP = "application/sdp"


class Disposition(NamedTuple):
    """What a body is for (s20.11): `kind` is lower case: session, render, early-session, ..."""

    kind: str
    params: Params

    def __str__(self) -> str:
        return f"{self.kind}{print_params(self.params)}"

    @property
    def required(self) -> bool:
        """Whether who does not understand the body must refuse the message; the default (s20.11)."""
        return unquote(self.params.get("handling") or "").lower() != "optional"


class Body(NamedTuple):
    """A body, or one part of a multipart body.

    Attributes:
        content_type: lower-case name and parameters.
        disposition: the one it has, or the default of its type.
        data: the bytes.
        content_id: of a part, without brackets; else empty.
        language: the Content-Language, else empty.
    """

    content_type: MediaType
    disposition: Disposition
    data: bytes
    content_id: str = ""
    language: str = ""


def parse_disposition(text: str | None, content_type: MediaType) -> Disposition:
    """Parse a Content-Disposition value; without one it is session for SDP and render for all else (s20.11).

    Raises:
        RemoteProtocolError: 400, it is malformed.
    """
    if text is None:
        return Disposition("session" if content_type.name == SDP else "render", {})
    kind, mark, rest = text.partition(";")
    kind = kind.strip(" \t").lower()
    if token(kind) is None:
        raise RemoteProtocolError(400, "Malformed Content-Disposition")
    return Disposition(kind, params(mark + rest))


def check_coding(value: str | None) -> None:
    """Refuse a body of any Content-Encoding but identity; the 415 lists ``identity`` as Accept-Encoding (s8.2.3).

    Raises:
        RemoteProtocolError: 415.
    """
    for coding in (value or "").split(","):
        if coding.strip(" \t").lower() not in ("", "identity"):
            raise RemoteProtocolError(415, "Unsupported content coding")


def unpack(message: Message, understood: Container[str]) -> tuple[Body, ...]:
    """The bodies of a message that we understand, those of parts among them, in order.

    Of an alternative the last that we understand counts (RFC 2046 s5.1.4); other multiparts are as mixed
    (RFC 2046 s5.1.7). A body that is not understood is passed over where its handling is optional.

    Args:
        message: the message.
        understood: lower-case names of media types, those of multiparts left out.

    Raises:
        RemoteProtocolError: 415, a required body is not understood, or is coded; 400, it is malformed. The status is
            that for a request; a response cannot be answered.
    """
    data = message.body
    if not data:
        return ()
    check_coding(message.get("Content-Encoding"))
    text = message.get("Content-Type")
    if text is None:  # s20.15: MUST be there
        raise RemoteProtocolError(400, "Body without a Content-Type")
    content_type = parse_media_type(text)
    disposition = parse_disposition(message.get("Content-Disposition"), content_type)
    if multipart.is_multipart(content_type):
        return _parts(multipart.parse(content_type, data), disposition, understood)
    language = message.get("Content-Language") or ""
    return _leaf(Body(content_type, disposition, data, language=language), understood)


def find(message: Message, name: str = SDP, kind: str = "session") -> bytes | None:
    """The first body of that type and disposition, whatever else is there; None where there is none.

    Raises:
        RemoteProtocolError: 415, it is coded or too deep; 400, it is malformed.
    """
    for body in unpack(message, _Anything()):
        if body.content_type.name == name and body.disposition.kind == kind:
            return body.data
    return None


class _Anything(Container[str]):
    def __contains__(self, name: object) -> bool:
        return True


def _leaf(body: Body, understood: Container[str]) -> tuple[Body, ...]:
    if body.content_type.name in understood:
        return (body,)
    if body.disposition.required:
        raise RemoteProtocolError(415, "Unsupported media type")
    return ()


def _parts(body: Multipart, disposition: Disposition, understood: Container[str]) -> tuple[Body, ...]:
    """The bodies of a multipart; one that is optional as a whole needs none of its parts (RFC 5621 s4)."""
    found: list[Body] = []
    refused: RemoteProtocolError | None = None
    alternative = body.subtype == "alternative"
    for part in reversed(body.parts) if alternative else body.parts:
        try:
            bodies = _part(part, body.default_type, understood)
        except RemoteProtocolError as error:
            if error.status != 415:
                raise
            refused = error
            continue
        if alternative and bodies:
            return bodies
        found += bodies
    if refused is not None and disposition.required:
        raise refused
    return tuple(found)


def _part(part: multipart.Part, default: MediaType, understood: Container[str]) -> tuple[Body, ...]:
    check_coding(part.get("Content-Encoding"))
    content_type = part.content_type or default
    disposition = parse_disposition(part.get("Content-Disposition"), content_type)
    if part.inner is not None:
        return _parts(part.inner, disposition, understood)
    language = part.get("Content-Language") or ""
    return _leaf(Body(content_type, disposition, part.body, part.content_id, language), understood)
