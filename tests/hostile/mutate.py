"""Bad input from good: cuts, flips, repeats, splices and numbers out of range, all drawn from one seed."""

from __future__ import annotations

import os
import random
import re
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.hostile.wire import sdp

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "corpora"

_BAD_PIECES = (
    *(
        b"\r\n",
        b"\r\n\r\n",
        b"\r",
        b"\n",
        b"\0",
        b" ",
        b"\t",
        b"\r\n ",
        b";",
        b",",
        b":",
        b"=",
        b"<",
        b">",
        b'"',
        b"\\",
    ),
    *(b"%", b"%00", b"%zz", b"@", b"?", b"*", b"[", b"]", b"\xff", b"\xc3\x28", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80"),
    *(
        b"sip:",
        b"SIP/2.0",
        b";tag=",
        b";branch=z9hG4bK",
        b";lr",
        b"Via: ",
        b"t: ",
        b"Content-Length: 9\r\n",
        b"m=audio ",
    ),
)
_NUMBERS = (b"0", b"-1", b"00000000000000000000", b"255", b"256", b"65535", b"65536", b"2147483648", b"4294967296")
_MORE_NUMBERS = (
    b"18446744073709551616",
    b"9" * 400,
    b"1e9",
    b"0x10",
    b"",
    b" ",
    "\u0661\u0662".encode(),
)  # Arabic digits

_HEAD = (
    "{method} sip:sipactors@127.0.0.1:5060 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 127.0.0.1:5061;branch={branch};rport\r\n"
    "Max-Forwards: 70\r\n"
    'From: "A \\"quoted\\" name" <sip:peer@127.0.0.1:5061;transport=udp>;tag={tag}\r\n'
    "To: <sip:sipactors@127.0.0.1>{to}\r\n"
    "Call-ID: {call}\r\n"
    "CSeq: 1 {method}\r\n"
    "Contact: <sip:peer@127.0.0.1:9;ob>;expires=60;q=0.7\r\n"
    "Supported: 100rel, replaces\r\n"
    "{more}"
    "Content-Length: {length}\r\n\r\n"
)
_METHODS = ("INVITE", "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "INFO", "NOTIFY", "X-UNKNOWN")
_RESPONSE = (
    "SIP/2.0 {status} Whatever\r\n"
    "Via: SIP/2.0/UDP 127.0.0.1:5060;branch={branch}\r\n"
    "From: <sip:sipactors@127.0.0.1>;tag={tag}\r\n"
    "To: <sip:peer@127.0.0.1:5061>;tag=x\r\n"
    "Call-ID: {call}\r\n"
    "CSeq: 1 {method}\r\n"
    "Contact: <sip:peer@127.0.0.1:9>\r\n"
    "Content-Length: 0\r\n\r\n"
)
_SDP_LINES = ("a=rtpmap:0 PCMU/8000", "a=rtpmap:96 telephone-event/8000", "a=fmtp:96 0-15", "a=ptime:20", "a=sendrecv")


def corpus() -> list[bytes]:
    """The torture messages of RFC 4475, where there are any (SIPACTORS_CORPORA, else beside the checkout)."""
    folder = Path(os.environ.get("SIPACTORS_CORPORA") or _BESIDE) / "rfc4475"
    return [file.read_bytes() for file in sorted(folder.glob("*.dat"))]


class Mutator:
    """Makes bad input.

    Args:
        seed: the same seed makes the same input, but for what names calls and branches.
        messages: more to begin from, beside its own.
    """

    def __init__(self, seed: int, messages: Sequence[bytes] = ()) -> None:
        self._random = random.Random(seed)
        self._messages = tuple(messages)
        self._ways: tuple[Callable[[bytes], bytes], ...] = (
            *(self._cut, self._flip, self._remove, self._repeat, self._insert, self._insert, self._number),
            *(self._number, self._swap_lines, self._double_line, self._splice, self._lengthen, self._own_length),
        )

    def make(self) -> bytes:
        """One piece of bad input: now and then plain noise, else a message that was mutated one to four times."""
        chance = self._random.random()
        if chance < 0.1:
            return self._random.randbytes(self._random.choice((1, 2, 7, 80, 1500)))
        if chance < 0.3:
            return self._with_bad_sdp()
        data = self._good()
        for _ in range(self._random.choice((1, 1, 2, 4))):
            data = self._random.choice(self._ways)(data)
        return data[:60_000]

    def _good(self) -> bytes:
        """A valid message, or one of the corpus."""
        if self._messages and self._random.random() < 0.3:
            return self._random.choice(self._messages)
        names = {
            "method": self._random.choice(_METHODS),
            "branch": f"z9hG4bK{secrets.token_hex(6)}",
            "tag": secrets.token_hex(4),
            "call": f"{secrets.token_hex(6)}@127.0.0.1",
        }
        if self._random.random() < 0.15:
            return _RESPONSE.format(status=self._random.choice((100, 180, 200, 302, 486, 699)), **names).encode()
        body = sdp(9, *_SDP_LINES) if self._random.random() < 0.7 else b""
        to = self._random.choice(("", "", ";tag=nobody"))
        more = "Content-Type: application/sdp\r\n" if body else ""
        return _HEAD.format(to=to, more=more, length=len(body), **names).encode() + body

    def _with_bad_sdp(self) -> bytes:
        """An INVITE that is right in all but its SDP, so that the SDP is read."""
        body = sdp(9, *_SDP_LINES)
        for _ in range(self._random.choice((1, 1, 2, 4))):
            body = self._random.choice(self._ways[:-1])(body)
        body = body[:30_000]
        more = "Content-Type: application/sdp\r\n"
        names = {"branch": f"z9hG4bK{secrets.token_hex(6)}", "tag": "x", "call": secrets.token_hex(6)}
        return _HEAD.format(method="INVITE", to="", more=more, length=len(body), **names).encode() + body

    # The ways

    def _at(self, data: bytes) -> int:
        return self._random.randint(0, len(data))

    def _span(self, data: bytes) -> tuple[int, int]:
        start = self._at(data)
        return start, min(len(data), start + self._random.choice((1, 2, 8, 40)))

    def _cut(self, data: bytes) -> bytes:
        return data[: self._at(data)]

    def _flip(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self._random.choice((1, 2, 8)) if changed else 0):
            changed[self._random.randrange(len(changed))] = self._random.randrange(256)
        return bytes(changed)

    def _remove(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + data[end:]

    def _repeat(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:end] + data[start:end] * self._random.choice((1, 3, 300)) + data[end:]

    def _insert(self, data: bytes) -> bytes:
        at = self._at(data)
        return data[:at] + self._random.choice(_BAD_PIECES) * self._random.choice((1, 1, 2, 500)) + data[at:]

    def _number(self, data: bytes) -> bytes:
        found = list(re.finditer(rb"\d+", data))
        if not found:
            return data
        start, end = self._random.choice(found).span()
        return data[:start] + self._random.choice(_NUMBERS + _MORE_NUMBERS) + data[end:]

    def _swap_lines(self, data: bytes) -> bytes:
        lines = data.split(b"\r\n")
        one, other = self._random.randrange(len(lines)), self._random.randrange(len(lines))
        lines[one], lines[other] = lines[other], lines[one]
        return b"\r\n".join(lines)

    def _double_line(self, data: bytes) -> bytes:
        lines = data.split(b"\r\n")
        at = self._random.randrange(len(lines))
        return b"\r\n".join([*lines[:at], *[lines[at]] * self._random.choice((2, 2, 100, 1000)), *lines[at + 1 :]])

    def _splice(self, data: bytes) -> bytes:
        other = self._good()
        return data[: self._at(data)] + other[self._at(other) :]

    def _lengthen(self, data: bytes) -> bytes:
        """A value of 9,000 characters, in place of any."""
        return re.sub(rb"(?<=[:=])[^\r\n;]+", b"y" * 9000, data, count=1) if self._random.random() < 0.5 else data * 2

    def _own_length(self, data: bytes) -> bytes:
        """A Content-Length that is right after all, so that what is wrong is read and not refused before."""
        head, end, body = data.partition(b"\r\n\r\n")
        return re.sub(rb"Content-Length: \d*", b"Content-Length: %d" % len(body), head) + end + body
