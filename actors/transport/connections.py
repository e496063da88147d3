"""The TCP connections of the transport actor: accepted and opened, byte-exact over a kill.

Each message in is peeked at, its envelope and the offset after it are committed in one transaction, and only then are
its bytes received off the socket. Each message out is committed with its offset before a byte of it is written. So a
successor, which finds the connection in the descriptor store, asks the kernel how far it is and goes on at that byte.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

from actors.runtime.channel import Channel
from actors.transport import sockets
from actors.transport.acceptor import Acceptor
from actors.transport.admission import Admission
from actors.transport.beginning import Beginning
from actors.transport.connection import Connection, Shell
from actors.transport.directory import Directory
from actors.transport.events import FlowDead
from actors.transport.inward import Inward
from actors.transport.kept import Note
from actors.transport.outward import Outward
from actors.transport.reception import Reception
from actors.transport.route import Address, Bound
from actors.transport.secure import SecureConnection
from actors.transport.settings import TransportSettings
from actors.transport.stream import Stream


def _nobody(*_: object) -> None:
    """Nobody keeps a connection alive."""


class Connections:
    """All connections of the transport actor.

    Args:
        shell: the actor.
        channel: to the supervisor, which keeps a duplicate of every connection.
        settings: limits and time-outs.
        limit: of connections in all.
        beginning: makes them.
        reception: decides what becomes of a message.
        admission: knows peers' classes.

    Attributes:
        inward: reads from them.
        lost: told of each connection that ended, and why.
    """

    def __init__(
        self,
        shell: Shell,
        channel: Channel,
        *,
        settings: TransportSettings,
        limit: int,
        beginning: Beginning,
        reception: Reception,
        admission: Admission,
    ) -> None:
        self._shell = shell
        self._channel = channel
        self._settings = settings
        self._beginning = beginning
        self._reception = reception
        self._shards = tuple(f"transaction-{shard}" for shard in range(settings.shards))
        self._all = Directory()
        self.lost: Callable[[str, str], None] = _nobody
        self._outward = Outward(shell, self._all, self.close)
        self.write, self.flush = self._outward.write, self._outward.flush
        self.inward = Inward(shell, self._all, self._outward, reception=reception, settings=settings, close=self.close)
        self.acceptor = Acceptor(
            shell,
            admission,
            per_source=settings.max_connections,
            handshakes=settings.tls.max_handshakes,
            limit=limit,
            welcome=self._welcome,
        )

    def by_token(self, token: str) -> Connection | None:
        """A connection by its name."""
        return self._all.get(token)

    def __len__(self) -> int:
        return len(self._all)

    # Beginning

    def _welcome(self, sock: socket.socket, bound: Bound, host: str, port: int, now: float) -> None:
        """Take an accepted connection into the loop."""
        try:
            connection = self._beginning.accepted(sock, bound, host, port)
        except OSError as error:
            self._reception.dropped[f"connection: {error.strerror}"] += 1
        else:
            self.enter(connection, now)

    def open(self, address: Address, now: float) -> Connection:
        """Begin to connect; what is written meanwhile waits.

        Raises:
            OSError: it failed at once, or there are too many connections.
        """
        if self.acceptor.full:
            raise OSError(errno.EMFILE, "too many connections")
        connection = self._beginning.opened(address)
        self.enter(connection, now)
        self._all.lead(connection, address, first=True)
        return connection

    def enter(self, connection: Connection, now: float) -> None:
        """Put a connection into the indexes and the loop; edge-triggered, as a peeked half message must not spin."""
        settings = self._settings
        self._all.enter(connection)
        self.acceptor.entered(connection.stream.flow.host)
        if connection.connecting:
            connection.arm(self._shell.cells, now + settings.connect_timeout)
        elif connection.shaking:
            connection.arm(self._shell.cells, now + settings.tls.handshake_timeout)
        elif connection.closing:
            connection.arm(self._shell.cells, now + settings.message_timeout)
        self._shell.mailbox.watch(
            connection.sock.fileno(),
            lambda now: self.inward.readable(connection, now),
            lambda now: self._writable(connection, now),
            edge=True,
        )

    def restored(self, note: Note, read_offset: int, consumed: int) -> Stream:
        """The state of a connection where a predecessor left it."""
        return self._beginning.stream(note, read_offset, consumed)

    def find(self, token: str, address: Address, *, response: bool) -> Connection | None:
        """As :meth:`Directory.find`."""
        return self._all.find(token, address, response=response)

    # Writing

    def _writable(self, connection: Connection, now: float) -> None:
        if connection not in self._all:
            return
        if connection.connecting:
            self._connected(connection, now)
        else:
            self._outward.go_on(connection)

    def _connected(self, connection: Connection, now: float) -> None:
        """The attempt to connect is over; calibrate, which counts before the first byte is written."""
        if error := sockets.connect_error(connection.sock):
            self.close(connection, error)
            return
        count = sockets.counters(connection.sock)
        if count.state == sockets.SYN_SENT:
            return
        connection.connecting = False
        connection.base = count.written
        if isinstance(connection, SecureConnection):
            connection.arm(self._shell.cells, now + self._settings.tls.handshake_timeout)
            self.inward.begin_tls(connection)
            return
        connection.arm(self._shell.cells, None)
        self._shell.defer(self.flush, connection)
        self._shell.mailbox.again(connection.sock.fileno())  # the edge for what has come may have been this one

    # Ending

    def close(self, connection: Connection, reason: str) -> None:
        """End a connection and tell all whom it concerns. A close alone sends no FIN: the store has a duplicate."""
        token, stream = connection.token, connection.stream
        if not self._all.remove(connection):
            return
        if connection.shaking and not stream.opened:
            self._reception.dropped[reason] += 1
        self._shell.mailbox.unwatch(connection.sock.fileno())
        connection.end()
        if connection.kept:
            self._channel.withdraw(token)
        connection.sock.close()
        self.acceptor.left(stream.flow.host)
        self._outward.give_up(connection, reason)
        self._shell.cells.delete(connection.key)
        if stream.read_offset or stream.written:  # else nobody has heard of it
            self.tell_dead(token, reason)
        self.lost(token, reason)

    def abandon(self, token: str, reason: str) -> None:
        """End a connection by its token, if it is there."""
        connection = self._all.get(token)
        if connection is not None:
            self.close(connection, reason)

    def tell_dead(self, token: str, reason: str) -> None:
        """Tell all transaction shards that a flow is gone."""
        for shard in self._shards:
            self._shell.tell(shard, FlowDead(token, reason))

    # Time

    def hurry(self, connection: Connection, deadline: float) -> None:
        """Give up opening a connection at `deadline`, if it would not be given up sooner."""
        if connection.connecting and (connection.deadline is None or connection.deadline > deadline):
            connection.arm(self._shell.cells, deadline)

    def addresses_gone(self, gone: frozenset[str]) -> None:
        """End the connections from addresses that this machine has no more: their packets go nowhere."""
        for connection in self._all:
            if sockets.address(connection.sock)[0] in gone:
                self.close(connection, "our address is gone")

    def expire(self, token: str) -> None:
        """The deadline of a connection is past."""
        connection = self._all.get(token)
        if connection is None:
            return
        if connection.connecting:
            reason = "connecting took too long"
        elif connection.shaking:
            reason = "the TLS handshake took too long"
        elif connection.ended:
            reason = "the peer closed the connection"
        else:
            reason = connection.closing or "a message took too long"
        self.close(connection, reason)

    def stop(self) -> None:
        """Close our descriptors in an orderly stop; the connections end with the service's store."""
        for connection in self._all:
            self._shell.mailbox.unwatch(connection.sock.fileno())
            if not connection.kept:
                connection.end()
            connection.sock.close()
        self._all.clear()
        self.acceptor.close()
