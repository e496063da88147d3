"""A caller and a callee over UDP that do only what a test has them do, and leave undone what SIPp cannot."""

from __future__ import annotations

import re
import secrets
import select
import socket
from types import TracebackType
from typing import Self

PATIENCE = 30.0


class Callee:
    """Somebody at a UDP port who answers only when told to; what is sent again, byte for byte, is heard once."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(PATIENCE)
        self._caller = ("", 0)
        self._heard: set[bytes] = set()
        self.uri = f"sip:silent@127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def receive(self, start: str) -> str:
        """Wait for a message that starts so."""
        while (found := self._next(start)) is None:
            pass
        return found

    def glance(self, start: str) -> str | None:
        """A message that starts so, if one has come."""
        while select.select([self._socket], [], [], 0.0)[0]:
            if (found := self._next(start)) is not None:
                return found
        return None

    def receive_again(self, message: str) -> None:
        """Wait until a message that was heard is sent again."""
        while self._socket.recvfrom(65536)[0] != message.encode():
            pass

    def _next(self, start: str) -> str | None:
        data, source = self._socket.recvfrom(65536)
        if not data.startswith(start.encode()) or data in self._heard:
            return None
        self._heard.add(data)
        self._caller = source
        return data.decode()

    def reply(self, request: str, status: int, reason: str, *more: str) -> None:
        """Answer a request, with `more` header lines."""
        copied = re.findall(r"^((?:Via|From|To|Call-ID|CSeq): .*)\r$", request, re.MULTILINE)
        lines = [f"{line};tag=callee" if line.startswith("To: ") and ";tag=" not in line else line for line in copied]
        lines = [f"SIP/2.0 {status} {reason}", *lines, *more, "Content-Length: 0"]
        self._socket.sendto(("\r\n".join(lines) + "\r\n\r\n").encode(), self._caller)


class Caller:
    """One call to `target`; nothing is sent that its methods do not send, and nothing twice.

    Args:
        target: host and port.
        tag: its From tag and Call-ID, one of its own where none is given.
        headers: more lines for the INVITE.
    """

    def __init__(self, target: tuple[str, int], *, tag: str = "", headers: tuple[str, ...] = ()) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.connect(target)
        self._socket.settimeout(PATIENCE)
        self._uri = f"sip:service@{target[0]}:{target[1]}"
        self._own = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._tag = tag or secrets.token_hex(4)
        self._headers = headers
        self._final = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def invite(self) -> None:
        """Send the INVITE."""
        port = self._own.partition(":")[2]
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0", f"m=audio {port} RTP/AVP 0"]
        self._send("INVITE", f"<{self._uri}>", "".join(f"{line}\r\n" for line in lines))

    def patient_final(self) -> int:
        """As final; the INVITE is sent again where nothing comes, as over UDP it has to be (RFC 3261 s17.1.1.2)."""
        self._socket.settimeout(1.0)
        for _ in range(round(PATIENCE)):
            try:
                self._socket.recv(1, socket.MSG_PEEK)
                break
            except TimeoutError:
                self.invite()
        self._socket.settimeout(PATIENCE)
        return self.final()

    def final(self) -> int:
        """Wait for the final response, acknowledge it; its status."""
        while int((text := self.receive("SIP/2.0 "))[8:11]) < 200:
            pass
        self._final = text
        found = re.search(r"^To: (.*)\r$", text, re.MULTILINE)
        assert found is not None
        self._send("ACK", found[1])
        return int(text[8:11])

    def our_tag(self) -> str:
        """The tag that we were answered with."""
        found = re.search(r"^To: .*;tag=(.*)\r$", self._final, re.MULTILINE)
        assert found is not None
        return found[1]

    def grant(self, request: str) -> None:
        """Answer a request of ours with 200."""
        copied = re.findall(r"^(?:Via|From|To|Call-ID|CSeq): .*\r\n", request, re.MULTILINE)
        self._socket.send(f"SIP/2.0 200 OK\r\n{''.join(copied)}Content-Length: 0\r\n\r\n".encode())

    def request(self, method: str, number: int, *headers: str) -> None:
        """Send another request in the call that was answered, once.

        Args:
            method: of it.
            number: its CSeq; that of the INVITE is 1.
            headers: more lines.
        """
        lines = [
            f"{method} {self._uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self._own};branch=z9hG4bK{self._tag}{number}",
            "Max-Forwards: 70",
            f"From: <sip:caller@{self._own}>;tag={self._tag}",
            f"To: <{self._uri}>;tag={self.our_tag()}",
            f"Call-ID: {self._tag}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:caller@{self._own}>",
            *headers,
            "Content-Length: 0",
        ]
        self._socket.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    def receive(self, start: str) -> str:
        """Wait for a message that starts so."""
        while True:
            text = self._socket.recv(65536).decode("utf-8", "replace")
            if text.startswith(start):
                return text

    def _send(self, method: str, to: str, body: str = "") -> None:
        # The ACK to a 2xx is a transaction of its own, that to any other final response is of its INVITE.
        branch = f"z9hG4bK{self._tag}{'a' if self._final.startswith('SIP/2.0 2') else ''}"
        lines = [
            f"{method} {self._uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self._own};branch={branch}",
            "Max-Forwards: 70",
            f"From: <sip:caller@{self._own}>;tag={self._tag}",
            f"To: {to}",
            f"Call-ID: {self._tag}",
            f"CSeq: 1 {method}",
            f"Contact: <sip:caller@{self._own}>",
            *([*self._headers, "Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self._socket.send(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
