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
from actors.sip.errors import RemoteProtocolError
from actors.sip.framing import Frame, Framed, Ping, Pong
from actors.sip.vocabulary import Head
from actors.transport import sockets
from actors.transport.acceptor import Acceptor
from actors.transport.admission import Admission, creates_state
from actors.transport.beginning import Beginning
from actors.transport.connection import Connection, Shell
from actors.transport.directory import Directory
from actors.transport.events import FlowDead
from actors.transport.identity import plain
from actors.transport.kept import HOLD_KEY, HoldCell, Note
from actors.transport.outward import Outward
from actors.transport.reception import Reception, Wait
from actors.transport.route import Address, Bound, alias_port
from actors.transport.secure import SecureConnection
from actors.transport.settings import TransportSettings
from actors.transport.stream import Stream

_PONG = b"\r\n"
_LOOK_AGAIN = 0.01  # seconds between looks whether there is room above


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
        ponged: told of each single line end on a connection.
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
        self._buffer = memoryview(bytearray(sockets.PEEK))
        self._all = Directory()
        self._waiting: set[str] = set()
        self.ponged: Callable[[str, float], None] = _nobody
        self.lost: Callable[[str, str], None] = _nobody
        self._outward = Outward(shell, self._all, self.close)
        self.write, self.flush = self._outward.write, self._outward.flush
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
            self._arm(connection, now + settings.connect_timeout)
        elif connection.shaking:
            self._arm(connection, now + settings.tls.handshake_timeout)
        elif connection.closing:
            self._arm(connection, now + settings.message_timeout)
        self._shell.mailbox.watch(
            connection.sock.fileno(),
            lambda now: self._readable(connection, now),
            lambda now: self._writable(connection, now),
            edge=True,
        )

    def restored(self, note: Note, read_offset: int, consumed: int) -> Stream:
        """The state of a connection where a predecessor left it."""
        return self._beginning.stream(note, read_offset, consumed)

    def find(self, token: str, address: Address, *, response: bool) -> Connection | None:
        """As :meth:`Directory.find`."""
        return self._all.find(token, address, response=response)

    def _secured(self, connection: SecureConnection) -> bool:
        """The handshake is done; False if the peer is not whom we meant (RFC 5922 section 7.3)."""
        opened, flow = connection.stream.opened, connection.stream.flow
        if opened and self._settings.tls.verify and plain(connection.name) not in connection.identities:
            names = ", ".join(sorted(connection.identities)) or "nobody"
            self.close(connection, f"TLS: the certificate is for {names}, not for {connection.name}")
            return False
        if opened:  # it may serve any domain that its end has proved to be (RFC 5923 section 8.1)
            for name in connection.identities:
                self._all.lead(connection, Address("tls", flow.host, flow.port, name), first=False)
        self._arm(connection, None)
        self._shell.defer(self.flush, connection)
        return True

    # Reading

    def _readable(self, connection: Connection, now: float) -> bool:
        """Take in what has come; return whether to come again, which is so until there is nothing new."""
        if connection.closing:
            return self._spill(connection)
        stream = connection.stream
        begin = stream.read_offset
        framed = stream.release() or self._frame(connection, now)
        if framed is None:
            return bool(connection.closing)
        self._take_all(connection, framed, begin, now)
        if connection not in self._all:
            return False  # an answer was one too many for a peer that does not read
        if framed or (stream.partial and connection.deadline is None):
            # A message must be complete within seconds of its first byte (slowloris).
            timed = stream.partial and not stream.holding
            self._arm(connection, now + self._settings.message_timeout if timed else None)
        if framed and connection.kept:
            self._shell.defer(self._consume, connection)
        if framed or not stream.partial or not connection.kept:
            # Behind what was taken over may wait more, or the end, or an error; no new edge would tell of it.
            return not (connection.is_drained() or stream.holding)
        if connection.is_cut_off():
            self.close(connection, "the peer closed within a message")
        return False

    def _frame(self, connection: Connection, now: float) -> list[Framed] | None:
        """Frame what has come; None where there is nothing to go on with."""
        if connection.connecting or connection.ended:
            return None
        shaking, framed, wrong = connection.shaking, None, None
        try:
            framed = connection.read(self._buffer)
        except BlockingIOError:
            return None
        except OSError as error:
            self.close(connection, error.strerror or "the connection broke")
            return None
        except RemoteProtocolError as error:
            wrong = error
        done = shaking and not connection.shaking
        if done and isinstance(connection, SecureConnection) and not self._secured(connection):
            return None  # nothing of a peer is looked at before it is known who it is
        if wrong is not None:
            self._refuse(connection, wrong, now)
        elif framed is None:
            self._half_close(connection, now)
        return framed

    def _take_all(self, connection: Connection, framed: list[Framed], begin: int, now: float) -> None:
        """Take over what was framed, up to what has no room above: that and all behind it stays where it is."""
        kinds = set()
        for number, item in enumerate(framed):
            if not isinstance(item, Frame):
                kinds.add(type(item))
            elif not self._take(connection, item, now):
                connection.stream.hold(framed[number:], begin)
                self._wait_for_room(connection, now)
                break
            elif connection not in self._all:
                return  # an answer was one too many for a peer that does not read
            begin = item.end
        # Pings that came together get one pong (RFC 5626 section 4.4.1): a storm of line ends is no work.
        if Ping in kinds:
            self.write(connection, _PONG)
        if Pong in kinds:
            self.ponged(connection.token, now)

    def _take(self, connection: Connection, item: Frame, now: float) -> bool:
        """Take one message over; False if there is no room for it now."""
        stream = connection.stream
        patient = connection.patience is None or now < connection.patience
        outcome = self._reception.take(item.data, stream.flow, now, patient=patient)
        if outcome is None:
            return True
        if isinstance(outcome, Wait):
            return False
        if isinstance(outcome, bytes):
            self.write(connection, outcome)
            return True
        head = outcome[1].head
        if connection.patience is not None and creates_state(head):
            connection.patience = None  # there is room again
        if isinstance(connection, SecureConnection):
            self._seen_over_tls(connection, head, item.data)
        stream.saw(head)
        self._shell.tell(outcome[0], outcome[1])
        return True

    def _seen_over_tls(self, connection: SecureConnection, head: Head, raw: bytes) -> None:
        """Note what a message says of a connection with TLS."""
        if head.status:
            for chunk in connection.answered((head.branch, head.method)):
                self._shell.cells.delete(chunk)
        elif connection.identities and not connection.alias and not connection.stream.opened:
            # Requests for the peer may go on its own connection where it offers that and has proved who it is
            # (RFC 5923 sections 8.2 and 9.2). Without TLS its word alone would let anybody take another's place.
            port = alias_port(raw)
            connection.alias = port > 0
            for name in connection.identities if port else ():
                where = Address("tls", connection.stream.flow.host, port, name)
                self._all.lead(connection, where, first=False)

    def _wait_for_room(self, connection: Connection, now: float) -> None:
        """Leave a stream unread for a moment: its window closes, and the peer has to wait.

        What belongs to a call may stand behind the request that waits, and is never refused; so the wait ends by
        itself, whoever is busy: from then on what has no room is refused with 503, until there is room.
        """
        if connection.patience is None:
            connection.patience = now + self._settings.max_hold
        self._waiting.add(connection.token)
        self._shell.cells.put(HOLD_KEY, HoldCell(), now + _LOOK_AGAIN)

    def look_again(self) -> None:
        """Try the streams that wait for room again."""
        self._shell.cells.delete(HOLD_KEY)
        waiting, self._waiting = self._waiting, set()
        for token in waiting:
            connection = self._all.get(token)
            if connection is not None:
                self._shell.mailbox.again(connection.sock.fileno())

    def _consume(self, connection: Connection) -> None:
        """Receive off the socket what is taken over: after the commit."""
        if connection not in self._all:
            return
        try:
            connection.consume()
        except OSError as error:
            self.close(connection, error.strerror or "the connection broke")

    def _half_close(self, connection: Connection, now: float) -> None:
        """The peer will send nothing more: what it is owed is still written, for as long as a message may take."""
        stream = connection.stream
        self._all.hide(connection)
        connection.ended = True
        self._outward.forsake(connection, "the peer closed the connection")
        if stream.owed or stream.waiting:
            self._arm(connection, now + self._settings.message_timeout)
        else:
            self.close(connection, "the peer closed the connection")

    def _refuse(self, connection: Connection, error: RemoteProtocolError, now: float) -> None:
        """Answer bytes that cannot be framed where that may be, then end: nothing after them can be trusted.

        The requests before them are still answered, within the time that a message may take.
        """
        stream = connection.stream
        answer = self._reception.refuse(stream.refused(), stream.flow, error)
        if answer is not None:
            self.write(connection, answer)
        if not (stream.owed or stream.waiting):
            self.close(connection, error.reason)
        if connection not in self._all:
            return
        connection.closing = error.reason
        self._all.hide(connection)
        self._outward.forsake(connection, error.reason)
        self._shell.defer(self._consume, connection)
        self._arm(connection, now + self._settings.message_timeout)

    def _spill(self, connection: Connection) -> bool:
        """Throw away what still comes on a connection that is closing: unread, it would turn our FIN into a reset."""
        try:
            size = connection.sock.recv_into(self._buffer)
        except BlockingIOError:
            return False
        except OSError as error:
            self.close(connection, error.strerror or "the connection broke")
            return False
        connection.spilled += size
        if connection.spilled > self._settings.max_queue:
            self.close(connection, connection.closing)
            return False
        return size > 0

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
            self._arm(connection, now + self._settings.tls.handshake_timeout)
            self._begin_tls(connection)
            return
        self._arm(connection, None)
        self._shell.defer(self.flush, connection)
        self._shell.mailbox.again(connection.sock.fileno())  # the edge for what has come may have been this one

    def _begin_tls(self, connection: SecureConnection) -> None:
        try:
            connection.begin(self._buffer)
        except OSError as error:
            self.close(connection, error.strerror or "the connection broke")

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

    def _arm(self, connection: Connection, deadline: float | None) -> None:
        """Journal a connection with its deadline."""
        connection.deadline = deadline
        self._shell.cells.put(connection.key, connection.cell(), deadline)

    def hurry(self, connection: Connection, deadline: float) -> None:
        """Give up opening a connection at `deadline`, if it would not be given up sooner."""
        if connection.connecting and (connection.deadline is None or connection.deadline > deadline):
            self._arm(connection, deadline)

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
