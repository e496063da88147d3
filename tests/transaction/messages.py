"""Messages for these tests, written out as text, and what reads their heads."""

from __future__ import annotations

from actors.sip.scan import scan
from actors.sip.vocabulary import Flow, Head, Target, TransactionKey
from actors.transaction.keys import has_cookie, request_key

UDP = Flow("udp:0", "udp", "192.0.2.1", 5060, "192.0.2.9", 5060)
TCP = Flow("tcp:17", "tcp", "192.0.2.1", 5060, "192.0.2.9", 40000)
TO_UDP = Target("udp", "192.0.2.9", 5060)
TO_TCP = Target("tcp", "192.0.2.9", 5060, "tcp:17")
FLOWS = {"udp": UDP, "tcp": TCP}
TARGETS = {"udp": TO_UDP, "tcp": TO_TCP}
BRANCH = "z9hG4bKabc"


def request(
    method: str = "INVITE",
    *,
    branch: str = BRANCH,
    call_id: str = "call-1",
    cseq: int = 1,
    from_tag: str = "from-1",
    to_tag: str = "",
    uri: str = "sip:bob@192.0.2.1",
    sent_by: str = "192.0.2.9:5060",
    more: str = "",
) -> bytes:
    to = f"<{uri}>" + (f";tag={to_tag}" if to_tag else "")
    via = f"SIP/2.0/UDP {sent_by}" + (f";branch={branch}" if branch else "")
    return (
        f"{method} {uri} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\n"
        f"From: <sip:alice@192.0.2.9>;tag={from_tag}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n"
        f"{more}Content-Length: 0\r\n\r\n"
    ).encode()


def response(of: bytes, status: int, *, to_tag: str = "to-1") -> bytes:
    """A response to the request `of`, its headers copied line by line."""
    lines = of.decode().split("\r\n")
    kept = [line for line in lines if line.startswith(("Via:", "From:", "To:", "Call-ID:", "CSeq:"))]
    if to_tag and status != 100:
        kept = [f"{line};tag={to_tag}" if line.startswith("To:") and ";tag=" not in line else line for line in kept]
    return "\r\n".join([f"SIP/2.0 {status} Whatever", *kept, "Content-Length: 0", "", ""]).encode()


def head_of(raw: bytes) -> Head:
    return scan(raw).head


def server_key(raw: bytes) -> TransactionKey:
    return request_key(head_of(raw), raw)


def client_key(raw: bytes) -> TransactionKey:
    head = head_of(raw)
    assert has_cookie(head.branch)
    return TransactionKey(head.branch, "", head.method)


def first_line(raw: bytes) -> str:
    return raw.partition(b"\r\n")[0].decode()
