"""The small values that all layers speak of and that cross pipes: heads, flows, targets and ids.

They are named tuples: the standard library's, immutable, and msgpack arrays on a pipe.
"""

from __future__ import annotations

from typing import NamedTuple


class Head(NamedTuple):
    """The routing fields of a message, read by one split of its head (RFC 3261 sections 7 and 17.2.3).

    Attributes:
        method: of a request its method, of a response the method of its CSeq.
        status: 0 for a request, else the status code.
        branch: the branch parameter of the top Via, empty if absent.
        sent_by: host[:port] of the top Via, lower case.
        call_id: the Call-ID, as it stands.
        cseq: the CSeq number.
        from_tag: the From tag, empty if absent.
        to_tag: the To tag, empty if absent.
    """

    method: str
    status: int
    branch: str
    sent_by: str
    call_id: str
    cseq: int
    from_tag: str
    to_tag: str


class Flow(NamedTuple):
    """A way a message came: one peer on one socket (RFC 5626 section 1). It survives a restart of the transport.

    Attributes:
        token: names the socket or the connection in the transport: ``udp:0``, ``tcp:17``.
        transport: ``udp`` or ``tcp``.
        local_host: our address on it, without brackets.
        local_port: our port on it (of a connection: of the listener that a peer can reach us by).
        host: the peer's address, without brackets.
        port: the peer's port.
    """

    token: str
    transport: str
    local_host: str
    local_port: int
    host: str
    port: int

    @property
    def reliable(self) -> bool:
        """Whether the transport retransmits by itself."""
        return self.transport != "udp"


class Target(NamedTuple):
    """Where one request goes: fixed for the life of its transaction.

    Attributes:
        flow: the token of a flow to use when it still lives, else empty.
        patience: seconds until it is given up when nothing is heard from it at all: over UDP until a first response,
            on a stream until the connection is open; 0 for what RFC 3261 says.
        name: the domain that it stands for, which a certificate has to name (RFC 5922 section 4); empty where unknown.
    """

    transport: str
    host: str
    port: int
    flow: str = ""
    patience: float = 0.0
    name: str = ""

    @property
    def reliable(self) -> bool:
        """Whether the transport retransmits by itself."""
        return self.transport != "udp"


class Candidate(NamedTuple):
    """One located next hop (RFC 3263) and how the peer reaches us back by it.

    Attributes:
        sent_by: host:port for our Via and Contact towards this target, IPv6 in brackets.
        above: of a UDP target, the bytes above which a request goes there by TCP first (RFC 3261 section 18.1.1); 0
            for none.
        streamed: what `sent_by` is then.
    """

    target: Target
    sent_by: str
    above: int = 0
    streamed: str = ""


class TransactionKey(NamedTuple):
    """What matches messages to a transaction (RFC 3261 sections 17.1.3 and 17.2.3).

    For a client transaction `sent_by` is empty. A request from before RFC 3261 has a `branch` made of its other fields.
    """

    branch: str
    sent_by: str
    method: str


class DialogId(NamedTuple):
    """RFC 3261 section 12: the Call-ID, our tag, the peer's tag."""

    call_id: str
    local_tag: str
    remote_tag: str


def host_port(host: str, port: int) -> str:
    """`host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
