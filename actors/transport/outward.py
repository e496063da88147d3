"""What goes out on connections: committed before a byte of it is written, and never more than a peer reads."""

from __future__ import annotations

from collections.abc import Callable

from actors.sip.vocabulary import TransactionKey
from actors.transport.connection import Connection, Shell
from actors.transport.directory import Directory
from actors.transport.events import TransmitFailed
from actors.transport.kept import ChunkCell, chunk_key
from actors.transport.secure import SecureConnection
from actors.transport.stream import NOBODY, Chunk, QueueFullError


class Outward:
    """Writes on connections.

    Args:
        shell: the actor.
        connections: those that there are.
        close: ends one, and says why.
    """

    def __init__(self, shell: Shell, connections: Directory, close: Callable[[Connection, str], None]) -> None:
        self._shell = shell
        self._all = connections
        self._close = close

    def write(self, connection: Connection, data: bytes, peer: str = "", key: TransactionKey = NOBODY) -> None:
        """Write a message after the commit that holds it.

        Args:
            connection: where.
            data: the message.
            peer: who hears of it if it cannot be written, empty for nobody.
            key: its transaction.
        """
        cells = self._shell.cells
        try:
            chunk = connection.stream.push(data, peer, key)
        except QueueFullError as error:
            self._fail(peer, key, str(error))
            self._close(connection, str(error))
            return
        cells.put(chunk_key(connection.token, chunk.offset), ChunkCell(*chunk), None)
        for done in connection.done:
            cells.delete(done)
        connection.done.clear()
        self._shell.defer(self.flush, connection)

    def flush(self, connection: Connection) -> None:
        """Give the kernel what it takes: after the commit."""
        stream = connection.stream
        if connection.connecting or connection.shaking or connection not in self._all:
            return
        while pending := stream.pending():
            try:
                count = connection.write(pending)
            except BlockingIOError:
                return
            except OSError as error:
                self._close(connection, error.strerror or "the connection broke")
                return
            for chunk in stream.wrote(count):
                self._written(connection, chunk)
        if (connection.closing or connection.ended) and not stream.owed:
            self._close(connection, connection.closing or "the peer closed the connection")

    def _written(self, connection: Connection, chunk: Chunk) -> None:
        stream, key = connection.stream, chunk_key(connection.token, chunk.offset)
        if not chunk.peer:
            pass  # our own word: nobody waits for it
        elif not chunk.is_request:
            stream.answered(chunk.data)
        else:
            stream.sent_request(chunk.peer, chunk.key)
            if isinstance(connection, SecureConnection) and chunk.key.branch:
                connection.done += connection.asked((chunk.key.branch, chunk.key.method), key)
                return
        connection.done.append(key)

    def go_on(self, connection: Connection) -> None:
        """The kernel takes more."""
        if connection.stream.waiting and not connection.shaking:
            self._shell.defer(self.flush, connection)  # deferred, for its last chunk may wait for its commit
            return
        try:
            connection.push()
        except BlockingIOError:
            pass  # the next edge is a chance
        except OSError as error:
            self._close(connection, error.strerror or "the connection broke")

    def give_up(self, connection: Connection, reason: str) -> None:
        """A connection has ended: fail what was not written, and forget all that was journalled to be."""
        cells = self._shell.cells
        for chunk in connection.stream.unsent:
            self._fail(chunk.peer, chunk.key, reason)
            cells.delete(chunk_key(connection.token, chunk.offset))
        self.forsake(connection, reason)
        if isinstance(connection, SecureConnection):
            connection.done += connection.unanswered.values()
        for done in connection.done:
            cells.delete(done)

    def forsake(self, connection: Connection, reason: str) -> None:
        """Fail the requests that no response can come to any more."""
        for peer, key in connection.stream.forsaken():
            self._fail(peer, key, reason)

    def _fail(self, peer: str, key: TransactionKey, reason: str) -> None:
        if key.branch and peer:
            self._shell.tell(peer, TransmitFailed(key, reason))
