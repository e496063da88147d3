"""Multipart bodies (RFC 2046 section 5.1), nested or not; depth and number of parts are bounded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from actors.sip import headblock
from actors.sip.errors import LocalProtocolError, RemoteProtocolError
from actors.sip.grammar import quote, token, unquote
from actors.sip.headblock import Headers
from actors.sip.headers import MediaType, parse_media_type

MAX_DEPTH = 8
MAX_PARTS = 64  # of a body, in all its depths together

PLAIN = MediaType("text/plain", {})  # what a part without Content-Type is (s5.1)
_DIGEST = MediaType("message/rfc822", {})  # and in a digest (s5.1.5)
_boundary = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]").fullmatch


@dataclass(frozen=True, slots=True)
class Part:
    """One part.

    Attributes:
        headers: pairs of name and value, in order.
        body: the bytes between its empty line and the next boundary.
        inner: what is in it where it is multipart itself.
    """

    headers: Headers = ()
    body: bytes = b""
    inner: Multipart | None = None

    def get(self, name: str) -> str | None:
        """The value of a header, None where there is none."""
        return headblock.get(self.headers, name)

    @property
    def content_type(self) -> MediaType | None:
        """Its type where it says one.

        Raises:
            RemoteProtocolError: 400, it is malformed.
        """
        value = self.get("Content-Type")
        return None if value is None else parse_media_type(value)

    @property
    def content_id(self) -> str:
        """Its Content-ID without brackets (RFC 2045 s7), empty where there is none."""
        return (self.get("Content-ID") or "").strip("<> \t")

    def __bytes__(self) -> bytes:
        return headblock.write(self.headers) + b"\r\n" + (self.body if self.inner is None else bytes(self.inner))


@dataclass(frozen=True, slots=True)
class Multipart:
    """A multipart body.

    Attributes:
        subtype: lower case: mixed, alternative, related, digest, ...
        boundary: what parts the parts.
        parts: at least one.
        preamble: what stands before the first boundary; nothing is said by it.
        epilogue: what stands behind the last.
    """

    subtype: str
    boundary: str
    parts: tuple[Part, ...]
    preamble: bytes = b""
    epilogue: bytes = b""
    _data: bytes = field(default=b"", init=False, compare=False, repr=False)

    def __bytes__(self) -> bytes:
        return self._data or self._print()

    @property
    def content_type(self) -> MediaType:
        """The value of the Content-Type that goes with the body."""
        text = self.boundary if token(self.boundary) else quote(self.boundary)
        return MediaType(f"multipart/{self.subtype}", {"boundary": text})

    @property
    def default_type(self) -> MediaType:
        """The type of a part that says none."""
        return _DIGEST if self.subtype == "digest" else PLAIN

    def leaves(self) -> Iterator[Part]:
        """The parts that are no multipart, of all depths, in order."""
        for part in self.parts:
            if part.inner is None:
                yield part
            else:
                yield from part.inner.leaves()

    def _print(self) -> bytes:
        if _boundary(self.boundary) is None or not self.parts:
            raise LocalProtocolError("a multipart body needs a boundary and a part")
        delimiter = b"\r\n--" + self.boundary.encode()
        pieces = [bytes(part) for part in self.parts]
        if any(delimiter in b"\r\n" + piece for piece in (*pieces, self.preamble)):
            raise LocalProtocolError("the boundary stands in a part")
        start = self.preamble + delimiter if self.preamble else delimiter[2:]
        end = delimiter + b"--" + (b"\r\n" + self.epilogue if self.epilogue else b"")
        return start + b"\r\n" + (delimiter + b"\r\n").join(pieces) + end


def build(parts: tuple[Part, ...], subtype: str = "mixed") -> Multipart:
    """A body of these parts, with a boundary that is in none of them.

    Raises:
        LocalProtocolError: there are no parts, or a header that may not be sent.
    """
    made = Multipart(subtype, hashlib.sha256(b"".join(map(bytes, parts))).hexdigest()[:32], parts)
    bytes(made)
    return made


def parse(content_type: MediaType, body: bytes) -> Multipart:
    """Parse a body of a multipart type.

    Args:
        content_type: its type, with the boundary.
        body: the bytes.

    Raises:
        RemoteProtocolError: 400, it is malformed, or has no part or no end; 415, it is too deep or has too many parts.
    """
    return _parse(content_type, body, 1, [MAX_PARTS])


def is_multipart(content_type: MediaType | None) -> bool:
    """Whether a body of that type has parts."""
    return content_type is not None and content_type.name.startswith("multipart/")


def _parse(content_type: MediaType, body: bytes, depth: int, left: list[int]) -> Multipart:
    boundary = unquote(content_type.params.get("boundary") or "")
    if _boundary(boundary) is None:
        raise RemoteProtocolError(400, "Multipart body without a boundary")
    if depth > MAX_DEPTH:
        raise RemoteProtocolError(415, "Multipart body too deep")
    preamble, pieces, epilogue = _cut(boundary, body, left)
    parts = []
    for piece in pieces:
        head, content = headblock.split(piece)
        part = Part(headblock.headers(headblock.lines(head)), content)
        kind = part.content_type
        if kind is not None and is_multipart(kind):
            part = Part(part.headers, content, _parse(kind, content, depth + 1, left))
        parts.append(part)
    subtype = content_type.name.partition("/")[2]
    made = Multipart(subtype, boundary, tuple(parts), preamble, epilogue)
    object.__setattr__(made, "_data", body)
    return made


def _cut(boundary: str, body: bytes, left: list[int]) -> tuple[bytes, list[bytes], bytes]:
    """The preamble, the parts and the epilogue; `left` is how many parts there may still be (s5.1.1)."""
    mark = re.escape(boundary.encode())
    pieces: list[bytes] = []
    preamble = b""
    start = -1
    for found in re.finditer(rb"(?:\A|\r\n)--" + mark + rb"(--)?+[ \t]*+(?=\r\n|\Z)", body):
        if start < 0:
            preamble = body[: found.start()]
        else:
            pieces.append(body[start : found.start()])
            left[0] -= 1
            if left[0] < 0:
                raise RemoteProtocolError(415, "Too many parts in a multipart body")
        if found[1]:
            if not pieces:
                break
            return preamble, pieces, body[found.end() + 2 :]
        start = found.end() + 2
    raise RemoteProtocolError(400, "Multipart body without a part or without an end")
