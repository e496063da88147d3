"""FAULTS 74: what an ICMP error may do, and what it may not."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from actors.sip.vocabulary import Target, TransactionKey
from actors.transport.events import TransmitRequest, Unreachable
from actors.transport.icmp import unreachable
from tests.transport.wired import SHARD, Service

KEY = TransactionKey("z9hG4bKabc.def", "", "INVITE")
QUOTED = b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKabc.def\r\nCall-ID: 1\r\n"


def _error(kind: int, code: int, *, origin: int = 2, errno: int = 111) -> bytes:
    return struct.pack("=IBBBBII", errno, origin, kind, code, 0, 0, 0) + b"\0" * 16


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (_error(3, 3), True),  # port unreachable
        (_error(3, 1), True),  # host
        (_error(3, 0), True),  # network
        (_error(3, 2), True),  # protocol
        (_error(12, 0), True),  # parameter problem
        (_error(1, 4, origin=3), True),  # of ICMPv6: port unreachable
        (_error(4, 0, origin=3), True),
        # RFC 3261 section 18.4: source quench and TTL exceeded are ignored
        (_error(4, 0), False),
        (_error(11, 0), False),
        (_error(3, 4), False),  # fragmentation needed: another way to be sent, not another target
        (_error(3, 0, origin=3), False),
        (_error(2, 0, origin=3), False),
        (_error(3, 3, origin=1), False),  # of our own kernel, which told the sender
        (b"", False),
    ],
)
def test_only_an_error_that_says_it_did_not_arrive_counts(error: bytes, counts: bool) -> None:
    found = unreachable(error, QUOTED, "192.0.2.9", 5070)
    assert found == (Unreachable(KEY, "192.0.2.9", 5070, QUOTED, "Connection refused") if counts else None)


@pytest.mark.parametrize(
    "quoted",
    [
        b"",
        QUOTED[:8],  # all that a router has to quote
        QUOTED[: QUOTED.index(b"abc.def") + 7],  # it may go on
        QUOTED.replace(b"UDP", b"TCP"),
        b"SIP/2.0 200 OK\r\n" + QUOTED,
        b"\xff" * 500,
        QUOTED.replace(b"z9hG4bKabc.def", b""),
    ],
)
def test_an_error_that_does_not_quote_the_branch_of_a_request_counts_for_nothing(quoted: bytes) -> None:
    assert unreachable(_error(3, 3), quoted, "192.0.2.9", 5070) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_request_to_a_closed_port_is_told_of_and_the_socket_goes_on(tmp_path: Path, host: str) -> None:
    service = Service(tmp_path, host)
    shown = f"[{host}]" if ":" in host else host
    raw = QUOTED.replace(b"192.0.2.1", shown.encode()) + b"Content-Length: 0\r\n\r\n"
    with service.harness() as it, service.udp() as peer:
        closed = service.udp()
        port = closed.getsockname()[1]
        closed.close()
        it.send(SHARD, TransmitRequest(KEY, Target("udp", host, port), raw))
        told = it.expect(SHARD, Unreachable)
        assert told == Unreachable(KEY, host, port, raw, "Connection refused")
        # What is sent next is not blamed for it, however many came back meanwhile.
        for _ in range(5):
            it.send(SHARD, TransmitRequest(KEY, Target("udp", host, port), raw))
        it.send(SHARD, TransmitRequest(KEY, Target("udp", host, peer.getsockname()[1]), raw))
        for _ in range(5):
            assert it.expect(SHARD, Unreachable).port == port
        assert peer.recv(2000) == raw
        assert not it.actor._reception.dropped
        service.store(it)
    service.close()


def test_a_response_to_a_closed_port_is_counted_and_forgotten(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with service.harness() as it:
        peer = service.udp()
        peer.send(b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a;rport;branch=z9hG4bK1\r\nTo: <sip:a\r\n\r\n")
        peer.close()
        it.wait_for(lambda: it.actor._reception.dropped["ICMP error of no request of ours"] == 1, "the error")
        service.store(it)
    service.close()
