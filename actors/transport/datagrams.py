"""One UDP listener: from the socket to the shards, and out."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

from actors.sip.vocabulary import Flow
from actors.transport import sockets
from actors.transport.icmp import unreachable
from actors.transport.reception import Reception
from actors.transport.route import WILDCARDS, Bound, Listeners, response_address

_BATCH = 64
_FULL = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM})
_FLOWS = 4096

_STUN_ANSWER = b"\x01\x01"  # RFC 5389 section 6

Tell = Callable[..., None]


def _nothing(_data: bytes) -> None:
    """Nobody asked."""


class UdpPort:
    """A UDP socket of ours.

    Args:
        bound: where it is bound.
        sock: the socket, non-blocking.
        reception: decides what becomes of a message.
        listeners: our addresses.
        tell: the actor's.
        shards: the names of the transaction shards.
    """

    def __init__(
        self,
        bound: Bound,
        sock: socket.socket,
        reception: Reception,
        listeners: Listeners,
        tell: Tell,
        shards: tuple[str, ...],
    ) -> None:
        self.bound = bound
        self.sock = sock
        self._reception = reception
        self._listeners = listeners
        self._tell = tell
        self._shards = shards
        sockets.queue_errors(sock)
        self._buffer = bytearray(sockets.DATAGRAM)
        self._view = memoryview(self._buffer)
        self._flows: dict[tuple[str, int], Flow] = {}
        self.stunned: Callable[[bytes], None] = _nothing

    def readable(self, now: float) -> bool:
        """Take in what has come, at most a batch; return whether there may be more."""
        receive, buffer, view = self.sock.recvfrom_into, self._buffer, self._view
        flow_of, take, tell = self._flows.get, self._reception.take, self._tell
        for turn in range(_BATCH):
            try:
                size, source = receive(buffer)
            except BlockingIOError:
                if not turn:
                    self._take_errors()  # it was an error that woke us
                return False
            except OSError:
                self._take_errors()
                continue
            if size < 5 or buffer[0] < 33:
                size = self._without_line_ends(size)
                if not size:
                    continue  # a keep-alive, or nothing
            flow = flow_of(source) or self._remember(source)
            if flow is None:
                continue
            outcome = take(bytes(view[:size]), flow, now)
            if outcome is None:
                continue
            if isinstance(outcome, bytes):
                self._reply(outcome, flow)
            else:
                tell(outcome[0], outcome[1], journalled=False)
        return True

    def _without_line_ends(self, size: int) -> int:
        """Drop the line ends before a message, which some peers send to keep a binding alive (RFC 3261 section 7.5).

        An answer to a STUN request of ours is none either (RFC 5626 section 4.4.2).
        """
        data = bytes(self._view[:size])
        if data[:2] == _STUN_ANSWER:
            self.stunned(data)
            return 0
        rest = data.lstrip(b"\r\n\0 ")
        self._view[: len(rest)] = rest
        return len(rest)

    def _remember(self, source: tuple[str, int]) -> Flow | None:
        """The flow of a peer, kept; None where nothing is read of it."""
        bound = self.bound
        if self._reception.ignores(sockets.peer_address(source)[0]):
            return None
        if len(self._flows) >= _FLOWS:
            self._flows.clear()
        host, port = sockets.peer_address(source)
        local = bound.host
        if local in WILDCARDS:
            local = sockets.local_address(host) or local  # the address that our answers come from
        flow = Flow(bound.token, "udp", *self._listeners.shown(bound, local, host), host, port)
        self._flows[source] = flow
        return flow

    def forget(self) -> None:
        """Ask again what peers are told of us."""
        self._flows.clear()

    def _reply(self, response: bytes, flow: Flow) -> None:
        """Send a stateless response; nobody waits to hear that it failed, the peer repeats its request."""
        try:
            self.send(response, *response_address(response, flow))
        except OSError as error:
            self._reception.dropped[f"stateless response: {error.strerror}"] += 1

    def send(self, data: bytes, host: str, port: int) -> None:
        """Send a datagram.

        Raises:
            OSError: it was refused. A full buffer is a loss like any on the way, which SIP repeats over UDP.
        """
        address = sockets.sockaddr(host, port)
        try:
            self.sock.sendto(data, address)
        except OSError as error:
            if error.errno in _FULL:
                self._reception.dropped["datagram: send buffer full"] += 1
                return
            self._take_errors()  # the kernel tells it of the next datagram that an earlier one was refused
            self.sock.sendto(data, address)

    def _take_errors(self) -> None:
        """Take ICMP errors off their queue; those that speak of a request of ours go to the transaction shards."""
        for _ in range(_BATCH):
            try:
                error = sockets.next_error(self.sock)
            except OSError:
                continue  # the error of an error: the next call tells of the next one
            if error is None:
                return
            failed = unreachable(*error)
            if failed is None:
                self._reception.dropped["ICMP error of no request of ours"] += 1
                continue
            for shard in self._shards:
                if not self._reception.overrun(shard):
                    self._tell(shard, failed, journalled=False)
