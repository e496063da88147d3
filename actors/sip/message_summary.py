"""How many messages wait (application/simple-message-summary, RFC 3842 section 5)."""

from __future__ import annotations

import re
from typing import NamedTuple

from actors.sip import headblock
from actors.sip import uri as uris
from actors.sip.errors import LocalProtocolError, RemoteProtocolError
from actors.sip.headblock import Headers

CONTENT_TYPE = "application/simple-message-summary"
MAX_BYTES = 16_384
MAX_ACCOUNT = 1_024  # characters
MAX_COUNT = 2**32 - 1

_WAITING = "messages-waiting"
_ACCOUNT = "message-account"
_count = re.compile(
    r"([0-9]{1,10})[ \t]*+/[ \t]*+([0-9]{1,10})"
    r"(?:[ \t]*+\([ \t]*+([0-9]{1,10})[ \t]*+/[ \t]*+([0-9]{1,10})[ \t]*+\))?+[ \t]*+"
).fullmatch


class Count(NamedTuple):
    """How many messages of a class there are; the urgent ones are among them, None where they are not counted."""

    new: int
    old: int
    urgent_new: int | None = None
    urgent_old: int | None = None

    def __str__(self) -> str:
        urgent = "" if self.urgent_new is None else f" ({self.urgent_new}/{self.urgent_old or 0})"
        return f"{self.new}/{self.old}{urgent}"


class Summary(NamedTuple):
    """The state of a mailbox.

    Attributes:
        waiting: whether there are new messages.
        account: the URI of the mailbox, empty where none is said.
        counts: by the lower-case class of message (RFC 3458): voice-message, fax-message, ...
        messages: headers of each new message that is told of.
    """

    waiting: bool
    account: str = ""
    counts: dict[str, Count] = {}  # noqa: RUF012 - never changed
    messages: tuple[Headers, ...] = ()

    def __bytes__(self) -> bytes:
        head: list[tuple[str, str]] = [("Messages-Waiting", "yes" if self.waiting else "no")]
        if self.account:
            head.append(("Message-Account", self.account))
        head += [(name.title(), str(count)) for name, count in self.counts.items()]
        blocks = [tuple(head), *self.messages]
        if not all(blocks):
            raise LocalProtocolError("a message without headers")
        return b"\r\n".join(map(headblock.write, blocks))


def parse(data: bytes) -> Summary:
    """Parse a summary.

    Raises:
        RemoteProtocolError: 400, it is malformed or too large.
    """
    if len(data) > MAX_BYTES:
        raise RemoteProtocolError(400, "Message summary too large")
    first, *others = data.rstrip(b"\r\n").split(b"\r\n\r\n")
    head = headblock.headers(headblock.lines(first))
    if not head or head[0][0].lower() != _WAITING or head[0][1].lower() not in ("yes", "no"):
        raise RemoteProtocolError(400, "Malformed message summary")
    account = ""
    counts: dict[str, Count] = {}
    for name, value in head[1:]:
        lower = name.lower()
        if lower == _ACCOUNT:
            account = _read_account(value)
        elif lower in counts:
            raise RemoteProtocolError(400, "Repeated class in a message summary")
        else:
            counts[lower] = _read_count(value)
    messages = tuple([headblock.headers(headblock.lines(block)) for block in others])
    return Summary(head[0][1].lower() == "yes", account, counts, tuple([block for block in messages if block]))


def _read_account(value: str) -> str:
    if len(value) > MAX_ACCOUNT:
        raise RemoteProtocolError(400, "Message account too long")
    uris.parse(value)
    return value


def _read_count(value: str) -> Count:
    found = _count(value)
    if found is None:
        raise RemoteProtocolError(400, "Malformed count in a message summary")
    numbers = [None if text is None else int(text) for text in found.groups()]
    if any(number is not None and number > MAX_COUNT for number in numbers):
        raise RemoteProtocolError(400, "Malformed count in a message summary")
    return Count(numbers[0] or 0, numbers[1] or 0, numbers[2], numbers[3])
