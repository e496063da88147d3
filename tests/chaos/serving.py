"""A server over UDP for requests outside of calls: a test takes each when it comes and says what it gets."""

from __future__ import annotations

import re
import socket
import time
from collections import defaultdict
from types import TracebackType
from typing import NamedTuple, Self

PATIENCE = 30.0


class Asked(NamedTuple):
    """A request that came, and from where."""

    method: str
    raw: bytes
    source: tuple[str, int]

    def header(self, name: str) -> str:
        """The value of a header that it has."""
        found = re.search(rf"^{name}: (.*)\r$".encode(), self.raw, re.MULTILINE)
        assert found is not None, self.raw
        return found[1].decode()

    @property
    def cseq(self) -> int:
        """Its CSeq number."""
        return int(self.header("CSeq").split()[0])


class Server:
    """What a registrar, a notifier and a presence server are to us. A request that is repeated is answered again.

    Attributes:
        copies: every request that came, by method, Call-ID and CSeq number, each time it came.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.copies: dict[tuple[str, str, int], list[bytes]] = defaultdict(list)
        self._answers: dict[tuple[str, str, int], bytes] = {}
        self._waiting: list[Asked] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def take(self, method: str) -> Asked:
        """The next request of a method that did not come before."""
        end = time.monotonic() + PATIENCE
        while not (found := [asked for asked in self._waiting if asked.method == method]):
            self._receive(end)
        self._waiting.remove(found[0])
        return found[0]

    def accepted(self, status: bytes = b"200") -> None:
        """Wait for the response to a request of ours."""
        end = time.monotonic() + PATIENCE
        while not (response := self._receive(end)):
            pass
        assert response.startswith(b"SIP/2.0 " + status), response

    def reply(self, asked: Asked, *lines: str) -> None:
        """Answer a request with 200 and more header lines, now and whenever it is repeated."""
        copied = re.findall(rb"^(?:Via|From|To|Call-ID|CSeq): .*\r\n", asked.raw, re.MULTILINE)
        tagged = [each if b";tag=" in each or each[:3] != b"To:" else each[:-2] + b";tag=server\r\n" for each in copied]
        head = b"".join([b"SIP/2.0 200 OK\r\n", *tagged, *[f"{line}\r\n".encode() for line in lines]])
        self._answers[self._key(asked)] = answer = head + b"Content-Length: 0\r\n\r\n"
        self._socket.sendto(answer, asked.source)

    def notify(self, asked: Asked, number: int, state: str, body: str) -> None:
        """Send the NOTIFY that follows a SUBSCRIBE."""
        lines = [
            f"NOTIFY {asked.header('Contact').strip('<>')} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{asked.header('Call-ID')}{number}",
            "Max-Forwards: 70",
            f"From: {asked.header('To').partition(';')[0]};tag=server",
            f"To: {asked.header('From')}",
            f"Call-ID: {asked.header('Call-ID')}",
            f"CSeq: {number} NOTIFY",
            f"Contact: <sip:server@127.0.0.1:{self.port}>",
            f"Event: {asked.header('Event')}",
            f"Subscription-State: {state}",
            "Content-Type: text/plain",
            f"Content-Length: {len(body)}",
        ]
        self._socket.sendto(("\r\n".join(lines) + "\r\n\r\n" + body).encode(), asked.source)

    def _receive(self, end: float) -> bytes:
        """Take one datagram: empty for a request, else the response."""
        self._socket.settimeout(max(0.01, end - time.monotonic()))
        raw, source = self._socket.recvfrom(65536)
        if raw.startswith(b"SIP/2.0 "):
            return raw
        asked = Asked(raw.split(b" ", 1)[0].decode(), raw, source)
        key = self._key(asked)
        self.copies[key].append(raw)
        if key in self._answers:
            self._socket.sendto(self._answers[key], source)
        elif len(self.copies[key]) == 1:
            self._waiting.append(asked)
        return b""

    @staticmethod
    def _key(asked: Asked) -> tuple[str, str, int]:
        return asked.method, asked.header("Call-ID"), asked.cseq
