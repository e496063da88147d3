"""Fragments of SIP messages (message/sipfrag, RFC 3420): what a NOTIFY of a REFER says of the call it made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from actors.sip import headblock
from actors.sip.errors import LocalProtocolError, RemoteProtocolError
from actors.sip.grammar import check_printable, readable
from actors.sip.headblock import Headers
from actors.sip.scan import read_start

CONTENT_TYPE = "message/sipfrag"


@dataclass(frozen=True, slots=True)
class Fragment:
    """What is left of a message when its start line, headers or body may be left out (s2).

    Attributes:
        start_line: as it stands, empty where there is none.
        headers: pairs of name and value, in order.
        body: empty where there is none.
    """

    start_line: str = ""
    headers: Headers = ()
    body: bytes = b""
    _data: bytes = field(default=b"", init=False, compare=False, repr=False)

    def __bytes__(self) -> bytes:
        return self._data or self._print()

    @property
    def status(self) -> int | None:
        """The status of a response's start line, None where there is none."""
        return self._start()[2] or None

    @property
    def reason(self) -> str:
        """The reason phrase of a response's start line."""
        return readable(self._start()[3])

    @property
    def method(self) -> str:
        """The method of a request's start line, empty where there is none."""
        return self._start()[0]

    @property
    def uri(self) -> str:
        """The Request-URI of a request's start line, empty where there is none."""
        return self._start()[1]

    def get(self, name: str) -> str | None:
        """The value of the first header of that name, None where there is none."""
        return headblock.get(self.headers, name)

    def typed(self, name: str) -> Any:  # noqa: ANN401 - what the table of header fields makes of it
        """The first header of that name, parsed; None where there is none.

        Raises:
            RemoteProtocolError: 400, it is malformed.
        """
        return headblock.typed(self.headers, name)

    def _start(self) -> tuple[str, str, int, str]:
        return read_start(self.start_line) if self.start_line else ("", "", 0, "")

    def _print(self) -> bytes:
        line = check_printable(self.start_line, "a start line")
        try:
            self._start()
        except RemoteProtocolError as error:
            raise LocalProtocolError(f"not a start line: {line!r}") from error
        if self.body and not self.headers:
            raise LocalProtocolError("a fragment with a body needs the headers that describe it (RFC 3420 s2)")
        start = f"{line}\r\n".encode("utf-8", "surrogateescape") if line else b""
        return start + headblock.write(self.headers) + (b"\r\n" + self.body if self.body else b"")


def parse(data: bytes) -> Fragment:
    """Parse a fragment; the last line may lack its line break.

    Raises:
        RemoteProtocolError: 400, it is malformed, empty, or has a body that no header describes.
    """
    head, body = headblock.split(data)
    lines = headblock.lines(head)
    start = lines[0] if lines and _is_start(lines[0]) else ""
    fragment = Fragment(start, headblock.headers(lines[1:] if start else lines), body)
    if not lines or (body and not fragment.headers):
        raise RemoteProtocolError(400, "Malformed message fragment")
    object.__setattr__(fragment, "_data", data)
    return fragment


def _is_start(line: str) -> bool:
    """Whether a line is the start line of a message and no header."""
    try:
        read_start(line)
    except RemoteProtocolError:
        return False
    return True
