"""A SIP peer that writes its messages by hand: any byte may be sent, and each answer is waited for."""

from __future__ import annotations

import itertools
import secrets
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import NamedTuple, Self

from actors.sip import Request, Response, parse
from actors.sip.framing import Frame, Framer

PATIENCE = 20.0  # seconds for an answer; no test judges how soon it comes
_numbers = itertools.count(1)


class Answer(NamedTuple):
    """A final response; what is malformed in a request may be in it too, so it is only parsed when asked."""

    status: int
    data: bytes

    @property
    def message(self) -> Response:
        """It, parsed."""
        response = parse(self.data)
        assert isinstance(response, Response)
        return response

    @property
    def method(self) -> str:
        """The method of what it answers."""
        return self.message.cseq.method


class Closed(Exception):  # noqa: N818 - says what is
    """The service closed the connection."""


def sdp(port: int, *lines: str, media: str = "", host: str = "127.0.0.1") -> bytes:
    """An offer of G.711; `media` replaces the m= line, `lines` are added below it."""
    audio = media or f"m=audio {port} RTP/AVP 0 8"
    text = ("v=0", f"o=- 1 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0", audio, *lines, "")
    return "\r\n".join(text).encode()


class Wire:
    """One socket towards the service.

    Args:
        address: the service's.
        transport: udp or tcp.
        receive_buffer: bytes that the kernel holds for us, 0 for its own choice.
    """

    def __init__(self, address: tuple[str, int], transport: str = "udp", *, receive_buffer: int = 0) -> None:
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self.transport = transport
        self.address = address
        self.socket = socket.socket(socket.AF_INET, kind)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if transport == "udp":
            self.socket.bind(("127.0.0.1", 0))
        self.socket.connect(address)
        self.sent_by = "{}:{}".format(*self.socket.getsockname())
        self._framer = Framer()
        self._read: deque[bytes] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def reset(self) -> None:
        """End the connection with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def receive(self, timeout: float = PATIENCE) -> bytes:
        """The next message.

        Raises:
            Closed: the service ended the connection.
        """
        end = time.monotonic() + timeout
        while not self._read:
            poll = select.poll()  # select takes no descriptor above 1,023
            poll.register(self.socket, select.POLLIN)
            assert poll.poll(max(0.0, end - time.monotonic()) * 1000), "no answer came"
            self._take()
        return self._read.popleft()

    def _take(self) -> None:
        if self.transport == "udp":
            self._read.append(self.socket.recv(65_535))
            return
        try:
            chunk = self.socket.recv(65_536)
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            raise Closed
        self._read += [item.data for item in self._framer.feed(chunk) if isinstance(item, Frame)]

    def wait_closed(self) -> list[bytes]:
        """Wait until the service has ended the connection; what it said before."""
        said = []
        try:
            while True:
                said.append(self.receive())
        except Closed:
            return said

    def ask(self, request: bytes) -> Answer:
        """Send a request and wait for the final response to it, found by the branch; all else is passed over."""
        self.send(request)
        return self.final(branch_of(request))

    def ask_patiently(self, request: bytes) -> Answer:
        """As ask; over UDP it is sent again where nothing comes, for it may have found a buffer full."""
        self.send(request)
        if self.transport == "udp":
            poll = select.poll()
            poll.register(self.socket, select.POLLIN)
            for _ in range(round(PATIENCE)):
                if self._read or poll.poll(1000):
                    break
                self.send(request)
        return self.final(branch_of(request))

    def final(self, branch: str, method: str = "") -> Answer:
        """Wait for the final response to the request with `branch` (and `method`); all else is passed over."""
        while True:
            data = self.receive()
            if data.startswith(b"SIP/2.0 ") and branch.encode() in data and int(data[8:11]) >= 200:
                answer = Answer(int(data[8:11]), data)
                if not method or answer.method == method:
                    return answer

    def request(self, method: str) -> Request:
        """Wait for a request of the service; all else is passed over."""
        while True:
            data = self.receive()
            if data.startswith(method.encode() + b" "):
                message = parse(data)
                assert isinstance(message, Request)
                return message

    def unanswered(self, dialog: Dialog, data: bytes, *marks: bytes) -> None:
        """Send `data`, which must be dropped: nothing with one of `marks` comes before the answer to an OPTIONS.

        What was sent after it, on the same way and of the same Call-ID, is answered after it.
        """
        self.send(data)
        options = dialog.write("OPTIONS", to_tag="")
        self.send(options)
        while branch_of(options).encode() not in (came := self.receive()):
            assert not any(mark in came for mark in marks), f"it was answered: {came!r}"


class Dialog:
    """What the messages of one call have in common.

    Attributes:
        to_tag: the service's, once it has answered.
        cseq: of our last request.
    """

    def __init__(self, wire: Wire, to_tag: str = "") -> None:
        number = next(_numbers)
        self.wire = wire
        self.call_id = f"{secrets.token_hex(8)}.{number}@127.0.0.1"
        self.from_tag = f"from{number}{secrets.token_hex(4)}"
        self.to_tag = to_tag
        self.cseq = 0
        self.answer = b""

    def write(
        self,
        method: str,
        *lines: str,
        body: bytes = b"",
        branch: str = "",
        cseq: int = 0,
        from_tag: str = "",
        to_tag: str | None = None,
        call_id: str = "",
        length: int | str | None = None,
    ) -> bytes:
        """A request as a well-behaved client writes it, but for what is asked to be otherwise."""
        if not cseq:
            self.cseq += method not in {"ACK", "CANCEL"}
        tag = self.to_tag if to_tag is None else to_tag
        host, port = self.wire.address
        head = [
            f"{method} sip:sipactors@{host}:{port} SIP/2.0",
            f"Via: SIP/2.0/{self.wire.transport.upper()} {self.wire.sent_by};branch={branch or new_branch()}",
            "Max-Forwards: 70",
            f"From: <sip:peer@{self.wire.sent_by}>;tag={from_tag or self.from_tag}",
            f"To: <sip:sipactors@{host}:{port}>" + (f";tag={tag}" if tag else ""),
            f"Call-ID: {call_id or self.call_id}",
            f"CSeq: {cseq or self.cseq} {method}",
            f"Contact: <sip:peer@{self.wire.sent_by};transport={self.wire.transport}>",
            *lines,
        ]
        if body:
            head.append("Content-Type: application/sdp")
        if length != "":
            head.append(f"Content-Length: {len(body) if length is None else length}")
        return "\r\n".join([*head, "", ""]).encode() + body

    def call(self, body: bytes = b"", *lines: str) -> None:
        """Call the service, which answers at once, and acknowledge."""
        self.accepted(self.wire.ask(self.write("INVITE", *lines, body=body or sdp(9))))

    def accepted(self, answer: Answer) -> None:
        """Take the answer to our INVITE, which must be a 200, and acknowledge it."""
        assert answer.status == 200, answer.data
        self.to_tag = answer.message.to.tag or ""
        self.answer = answer.message.body
        self.wire.send(self.write("ACK"))

    def hang_up(self) -> None:
        """End the call."""
        answer = self.wire.ask(self.write("BYE"))
        assert answer.status == 200, answer.data

    @property
    def rtp(self) -> tuple[str, int]:
        """Where the service receives RTP."""
        text = self.answer.decode()
        return self.wire.address[0], int(text.partition("m=audio ")[2].split()[0])


def new_branch() -> str:
    """A branch nobody has used."""
    return f"z9hG4bK{secrets.token_hex(8)}"


def branch_of(data: bytes) -> str:
    """The branch of the top Via."""
    return data.partition(b"branch=")[2].partition(b"\r\n")[0].partition(b";")[0].decode()


def reply(request: Request, status: int, lines: Iterable[str] = (), *, to_tag: str = "", body: bytes = b"") -> bytes:
    """A response to a request of the service."""
    headers = [line.partition(": ")[::2] for line in lines]
    kind = "application/sdp" if body else None
    return bytes(request.response(status, to_tag=to_tag or None, headers=headers, body=body, content_type=kind))
