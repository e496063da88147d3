"""The TCP connections of the transport actor: accepted and opened, byte-exact over a kill.

Each message in is peeked at, its envelope and the offset after it are committed in one transaction, and only then are
its bytes received off the socket. Each message out is committed with its offset before a byte of it is written. So a
successor, which finds the connection in the descriptor store, asks the kernel how far it is and goes on at that byte.
"""

from __future__ import annotations

import errno
import socket

from actors.runtime.channel import Channel
from actors.sip.errors import RemoteProtocolError
from actors.sip.framing import Frame, Framed, Ping
from actors.sip.vocabulary import Flow, TransactionKey
from actors.transport import sockets
from actors.transport.acceptor import Acceptor
from actors.transport.admission import Admission, creates_state
from actors.transport.connection import Connection, Shell
from actors.transport.events import FlowDead, TransmitFailed
from actors.transport.kept import HOLD_KEY, ChunkCell, HoldCell, Note, chunk_key, encode_note
from actors.transport.reception import Reception, Wait
from actors.transport.route import Bound, Listeners
from actors.transport.settings import TransportSettings
from actors.transport.stream import NOBODY, Chunk, QueueFullError, Stream

_PONG = b"\r\n"
_LOOK_AGAIN = 0.01  # seconds between looks whether there is room above


class Connections:
    """All connections of the transport actor.

    Args:
        shell: the actor.
        channel: to the supervisor, which keeps a duplicate of every connection.
        epoch: of this start; makes tokens unique over all starts.
        settings: limits and time-outs.
        limit: of connections in all.
        reception: decides what becomes of a message.
        admission: knows peers' classes.
        listeners: our addresses.
    """

    def __init__(
        self,
        shell: Shell,
        channel: Channel,
        *,
        epoch: int,
        settings: TransportSettings,
        limit: int,
        reception: Reception,
        admission: Admission,
        listeners: Listeners,
    ) -> None:
        self._shell = shell
        self._channel = channel
        self._epoch = epoch
        self._settings = settings
        self._reception = reception
        self._listeners = listeners
        self._shards = tuple(f"transaction-{shard}" for shard in range(settings.shards))
        self._buffer = bytearray(sockets.PEEK)
        self._view = memoryview(self._buffer)
        self._count = 0
        self._all: dict[str, Connection] = {}
        self._by_address: dict[tuple[str, int], Connection] = {}
        self._waiting: set[str] = set()
        self.acceptor = Acceptor(
            shell, admission, per_source=settings.max_connections, limit=limit, welcome=self._welcome
        )

    def __len__(self) -> int:
        return len(self._all)

    # Beginning

    def _welcome(self, sock: socket.socket, bound: Bound, host: str, port: int, now: float) -> None:
        """Take an accepted connection into the store and the loop, before its first byte is read."""
        flow = Flow(self._new_token(), "tcp", sockets.address(sock)[0], bound.port, host, port)
        try:
            count = sockets.counters(sock)
            note = Note(flow, opened=False, received=count.consumed, base=count.written)
            self._channel.deposit(flow.token, sock.fileno(), encode_note(note))
            sockets.tune(sock)
        except OSError as error:
            self._reception.dropped[f"connection: {error.strerror}"] += 1
            self._channel.withdraw(flow.token)
            sock.close()
            return
        self.enter(Connection(sock, self.new_stream(note), note.base), now)

    def open(self, host: str, port: int, now: float) -> Connection:
        """Begin to connect; what is written meanwhile waits.

        Raises:
            OSError: it failed at once, or there are too many connections.
        """
        if self.acceptor.full:
            raise OSError(errno.EMFILE, "too many connections")
        sock = sockets.open_connection(host, port)
        try:
            local, local_port = self._address_towards(host)
            note = Note(Flow(self._new_token(), "tcp", local, local_port, host, port), True, 0, None)
            self._channel.deposit(note.flow.token, sock.fileno(), encode_note(note))
        except OSError:
            sock.close()
            raise
        connection = Connection(sock, self.new_stream(note), None)
        self.enter(connection, now)
        return connection

    def _address_towards(self, host: str) -> tuple[str, int]:
        """Where the peer of an outbound connection reaches us by another one."""
        found = self._listeners.towards("tcp", host) or self._listeners.towards("udp", host)
        return ("", 0) if found is None else (found[1], found[0].port)

    def _new_token(self) -> str:
        self._count += 1
        return f"tcp:{self._epoch}.{self._count}"

    def new_stream(self, note: Note, read_offset: int = 0, consumed: int = 0) -> Stream:
        """The state of a connection, at its beginning or where a predecessor left it."""
        limit = self._settings.max_queue
        return Stream(note.flow, opened=note.opened, limit=limit, read_offset=read_offset, consumed=consumed)

    def enter(self, connection: Connection, now: float) -> None:
        """Put a connection into the indexes and the loop; edge-triggered, as a peeked half message must not spin."""
        flow = connection.stream.flow
        self._all[flow.token] = connection
        if connection.stream.opened:
            self._by_address[flow.host, flow.port] = connection
        else:
            # The index of an accepted one is its source (RFC 3261 section 18); one that we opened goes first.
            self._by_address.setdefault((flow.host, flow.port), connection)
        self.acceptor.entered(flow.host)
        if connection.connecting:
            self._arm(connection, now + self._settings.connect_timeout)
        elif connection.closing:
            self._arm(connection, now + self._settings.message_timeout)
        self._shell.mailbox.watch(
            connection.sock.fileno(),
            lambda now: self._readable(connection, now),
            lambda _now: self._writable(connection),
            edge=True,
        )

    def find(self, token: str, host: str, port: int, *, response: bool) -> Connection | None:
        """The connection to write to a peer on: by its token, else by its address (RFC 3261 section 18.1.1).

        On one that the peer has half closed, or that we are about to close, only answers are still written.
        """
        connection = self._all.get(token)
        if connection is not None and (response or not (connection.closing or connection.ended)):
            return connection
        return self._by_address.get((host, port))

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
        if connection.token not in self._all:
            return False  # an answer was one too many for a peer that does not read
        if framed or (stream.partial and connection.deadline is None):
            # A message must be complete within seconds of its first byte (slowloris).
            timed = stream.partial and not stream.holding
            self._arm(connection, now + self._settings.message_timeout if timed else None)
        if framed:
            self._shell.defer(self._consume, connection)
        if framed or not stream.partial:
            # Behind what was taken over may wait more, or the end, or an error; no new edge would tell of it.
            return stream.read_offset > stream.consumed and not stream.holding
        return self._is_cut_off(connection)

    def _frame(self, connection: Connection, now: float) -> list[Framed] | None:
        """Frame what has come; None where there is nothing to go on with."""
        size = self._peek(connection, now)
        if not size:
            return None
        try:
            return connection.stream.feed(self._view[:size])
        except RemoteProtocolError as error:
            self._refuse(connection, error, now)
            return None

    def _peek(self, connection: Connection, now: float) -> int:
        """The number of bytes that can be looked at; 0 where there are none to be taken in, now or ever."""
        if connection.connecting or connection.ended:
            return 0
        try:
            size = sockets.peek(connection.sock, self._buffer)
        except BlockingIOError:
            return 0
        except OSError as error:
            self.close(connection, error.strerror or "the connection broke")
            return 0
        if not size:
            self._half_close(connection, now)
        return size

    def _take_all(self, connection: Connection, framed: list[Framed], begin: int, now: float) -> None:
        """Take over what was framed, up to what has no room above: that and all behind it stays where it is."""
        for number, item in enumerate(framed):
            if not self._take(connection, item, now):
                connection.stream.hold(framed[number:], begin)
                self._wait_for_room(connection, now)
                return
            begin = item.end

    def _take(self, connection: Connection, item: Framed, now: float) -> bool:
        """Take one thing over; False if there is no room for it now."""
        stream = connection.stream
        if not isinstance(item, Frame):
            if isinstance(item, Ping):
                self.write(connection, _PONG)  # RFC 5626 section 4.4.1
            return True
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
        stream.saw(head)
        self._shell.tell(outcome[0], outcome[1])
        return True

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
        if connection.token not in self._all:
            return
        stream = connection.stream
        count, stream.consumed = stream.read_offset - stream.consumed, stream.read_offset
        try:
            sockets.discard(connection.sock, count)
        except OSError as error:
            self.close(connection, error.strerror or "the connection broke")

    def _is_cut_off(self, connection: Connection) -> bool:
        """End a connection whose peer sent half a message and will send no more: no edge will tell so."""
        if sockets.counters(connection.sock).state not in sockets.OPEN_INWARD:
            self.close(connection, "the peer closed within a message")
        return False

    def _half_close(self, connection: Connection, now: float) -> None:
        """The peer will send nothing more: what it is owed is still written, for as long as a message may take."""
        stream = connection.stream
        self._leave_index(connection)
        connection.ended = True
        self._forsake(connection, "the peer closed the connection")
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
        if connection.token not in self._all:
            return
        connection.closing = error.reason
        self._leave_index(connection)
        self._forsake(connection, error.reason)
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

    def write(self, connection: Connection, data: bytes, peer: str = "", key: TransactionKey = NOBODY) -> None:
        """Write a message after the commit that holds it."""
        cells = self._shell.cells
        try:
            chunk = connection.stream.push(data, peer, key)
        except QueueFullError as error:
            self._fail(peer, key, str(error))
            self.close(connection, str(error))
            return
        cells.put(chunk_key(connection.token, chunk.offset), ChunkCell(*chunk), None)
        for done in connection.done:
            cells.delete(done)
        connection.done.clear()
        self._shell.defer(self.flush, connection)

    def flush(self, connection: Connection) -> None:
        """Give the kernel what it takes: after the commit."""
        stream = connection.stream
        if connection.connecting or connection.token not in self._all:
            return
        while pending := stream.pending():
            try:
                count = connection.sock.send(pending)
            except BlockingIOError:
                return
            except OSError as error:
                self.close(connection, error.strerror or "the connection broke")
                return
            for chunk in stream.wrote(count):
                self._written(connection, chunk)
        if (connection.closing or connection.ended) and not stream.owed:
            self.close(connection, connection.closing or "the peer closed the connection")

    def _written(self, connection: Connection, chunk: Chunk) -> None:
        connection.done.append(chunk_key(connection.token, chunk.offset))
        if not chunk.peer:
            return  # our own word: nobody waited for it
        if chunk.data.startswith(b"SIP/2.0 "):
            connection.stream.answered(chunk.data)
        else:
            connection.stream.sent_request(chunk.peer, chunk.key)

    def _writable(self, connection: Connection) -> None:
        if connection.token not in self._all:
            return
        if connection.connecting:
            self._connected(connection)
        elif connection.stream.waiting:
            self._shell.defer(self.flush, connection)  # deferred, for its last chunk may wait for its commit

    def _connected(self, connection: Connection) -> None:
        """The attempt to connect is over; calibrate, which counts before the first byte is written."""
        if error := sockets.connect_error(connection.sock):
            self.close(connection, error)
            return
        count = sockets.counters(connection.sock)
        if count.state == sockets.SYN_SENT:
            return
        connection.connecting = False
        connection.base = count.written
        self._arm(connection, None)
        self._shell.defer(self.flush, connection)
        self._shell.mailbox.again(connection.sock.fileno())  # the edge for what has come may have been this one

    # Ending

    def close(self, connection: Connection, reason: str) -> None:
        """End a connection and tell all whom it concerns. A close alone sends no FIN: the store has a duplicate."""
        token, stream, cells = connection.token, connection.stream, self._shell.cells
        if self._all.pop(token, None) is None:
            return
        self._leave_index(connection)
        self._shell.mailbox.unwatch(connection.sock.fileno())
        sockets.end(connection.sock)
        self._channel.withdraw(token)
        connection.sock.close()
        self.acceptor.left(stream.flow.host)
        for chunk in stream.unsent:
            self._fail(chunk.peer, chunk.key, reason)
            cells.delete(chunk_key(token, chunk.offset))
        self._forsake(connection, reason)
        for done in connection.done:
            cells.delete(done)
        cells.delete(connection.key)
        if stream.read_offset or stream.written:  # else nobody has heard of it
            self.tell_dead(token, reason)

    def abandon(self, token: str, reason: str) -> None:
        """End a connection by its token, if it is there."""
        connection = self._all.get(token)
        if connection is not None:
            self.close(connection, reason)

    def tell_dead(self, token: str, reason: str) -> None:
        """Tell all transaction shards that a flow is gone."""
        for shard in self._shards:
            self._shell.tell(shard, FlowDead(token, reason))

    def _fail(self, peer: str, key: TransactionKey, reason: str) -> None:
        if key.branch and peer:
            self._shell.tell(peer, TransmitFailed(key, reason))

    def _forsake(self, connection: Connection, reason: str) -> None:
        """Fail the requests that no response can come to any more."""
        for peer, key in connection.stream.forsaken():
            self._fail(peer, key, reason)

    def _leave_index(self, connection: Connection) -> None:
        address = connection.stream.flow.host, connection.stream.flow.port
        if self._by_address.get(address) is connection:
            del self._by_address[address]

    # Time

    def _arm(self, connection: Connection, deadline: float | None) -> None:
        """Journal a connection with its deadline."""
        connection.deadline = deadline
        self._shell.cells.put(connection.key, connection.cell(), deadline)

    def hurry(self, connection: Connection, deadline: float) -> None:
        """Give up opening a connection at `deadline`, if it would not be given up sooner."""
        if connection.connecting and (connection.deadline is None or connection.deadline > deadline):
            self._arm(connection, deadline)

    def expire(self, token: str) -> None:
        """The deadline of a connection is past."""
        connection = self._all.get(token)
        if connection is None:
            return
        if connection.connecting:
            reason = "connecting took too long"
        elif connection.ended:
            reason = "the peer closed the connection"
        else:
            reason = connection.closing or "a message took too long"
        self.close(connection, reason)

    def stop(self) -> None:
        """Close our descriptors in an orderly stop; the connections end with the service's store."""
        for connection in self._all.values():
            self._shell.mailbox.unwatch(connection.sock.fileno())
            connection.sock.close()
        self._all.clear()
        self.acceptor.close()
