"""A successor takes its predecessor's connections over: by descriptor store, journal and the kernel's counts."""

from __future__ import annotations

import re
from socket import socket

from actors.runtime.channel import Channel
from actors.runtime.journal import JournalCorrupt
from actors.transport import sockets
from actors.transport.connection import Connection, Shell
from actors.transport.connections import Connections
from actors.transport.events import TransmitFailed
from actors.transport.kept import ChunkCell, Note, StreamCell, chunk_key, decode_note, stream_key, token_of
from actors.transport.stream import Chunk, GapError

_CONNECTION = re.compile(r"tcp:\d+\.\d+").fullmatch

Chunks = dict[str, list[Chunk]]


def take_over(shell: Shell, channel: Channel, connections: Connections, now: float) -> None:
    """Go on with every connection at the byte where its predecessor was, and bury those that are gone."""
    streams, chunks, spoiled = _read_cells(shell)
    for token, descriptor in channel.descriptors.items():
        if _CONNECTION(token) is None:
            continue
        sock = sockets.adopt(descriptor.fd)
        note = decode_note(descriptor.note)
        if token not in spoiled and _adopt(
            shell, connections, sock, note, streams.get(token), chunks.get(token, []), now
        ):
            streams.pop(token, None)
            chunks.pop(token, None)
            continue
        sockets.end(sock)
        channel.withdraw(token)
        sock.close()
        spoiled.add(token)
    for token in streams.keys() | chunks.keys() | spoiled:
        _bury(shell, connections, token, chunks.get(token, []))


def _read_cells(shell: Shell) -> tuple[dict[str, StreamCell], Chunks, set[str]]:
    """All cells by connection, and the connections of which one cannot be believed: they must end."""
    streams: dict[str, StreamCell] = {}
    chunks: Chunks = {}
    spoiled: set[str] = set()
    for key in list(shell.cells.keys()):
        try:
            cell = shell.cells.get(key)
        except JournalCorrupt:
            spoiled.add(token_of(key))
            shell.cells.delete(key)
            continue
        if isinstance(cell, StreamCell):
            streams[token_of(key)] = cell
        elif isinstance(cell, ChunkCell):
            chunks.setdefault(token_of(key), []).append(Chunk(cell.offset, cell.data, cell.peer, cell.key))
    return streams, chunks, spoiled


def _adopt(
    shell: Shell,
    connections: Connections,
    sock: socket,
    note: Note,
    cell: StreamCell | None,
    chunks: list[Chunk],
    now: float,
) -> bool:
    """Take one connection over; False if it cannot go on."""
    try:
        connection, written = _restored(connections, sock, note, cell)
        for chunk in connection.stream.resume(written, chunks):
            shell.cells.delete(chunk_key(connection.token, chunk.offset))
            if chunk.peer and chunk.is_request:  # it may wait for its response still
                connection.stream.sent_request(chunk.peer, chunk.key)
    except (OSError, GapError):
        return False
    if not connection.closing:
        shell.cells.put(connection.key, connection.cell())  # a deadline of the predecessor's begins again
    connections.enter(connection, now)
    shell.defer(connections.flush, connection)
    return True


def _restored(connections: Connections, sock: socket, note: Note, cell: StreamCell | None) -> tuple[Connection, int]:
    """The connection as its predecessor left it, and how many of our bytes the kernel has.

    Raises:
        GapError: it is closed, or the kernel's count and ours do not fit.
        OSError: it broke.
    """
    count = sockets.counters(sock)
    connecting = count.state == sockets.SYN_SENT
    if not connecting and count.state not in sockets.OPEN_OUTWARD:
        raise GapError("the connection was closed")
    if cell is None:
        cell = StreamCell(0, note.base)
    consumed = count.consumed - note.received
    read_offset = max(cell.read_offset, consumed) if cell.closing else cell.read_offset  # the rest was thrown away
    stream = connections.restored(note, read_offset, consumed)
    # Committed but not received off the socket: the envelopes went up from the predecessor's outbox.
    sockets.discard(sock, stream.read_offset - stream.consumed)
    stream.consumed = stream.read_offset
    base = note.base if cell.base is None else cell.base
    if base is None and not connecting:
        base = count.written  # its first chunk would have been written only after the base was committed
    connection = Connection(sock, stream, base)
    connection.closing = cell.closing
    return connection, 0 if base is None else count.written - base


def _bury(shell: Shell, connections: Connections, token: str, chunks: list[Chunk]) -> None:
    """Tell of a connection that ended while nobody served it, and forget it."""
    for chunk in chunks:
        if chunk.peer and chunk.key.branch:
            shell.tell(chunk.peer, TransmitFailed(chunk.key, "the connection was lost"))
        shell.cells.delete(chunk_key(token, chunk.offset))
    shell.cells.delete(stream_key(token))
    connections.tell_dead(token, "the connection was lost")
