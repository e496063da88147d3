"""A connection with TLS on it: what was read is gone from the kernel, so it ends with its process."""

from __future__ import annotations

import errno
import os
import socket
from collections import OrderedDict
from contextlib import suppress

from actors.sip.framing import Framed
from actors.transport.connection import Connection
from actors.transport.identity import identities
from actors.transport.stream import Stream
from actors.transport.tls import Session, TlsError

_CIPHERTEXT = 65_536  # bytes read at once; what they become fits the buffer of any connection
_UNSENT = 262_144  # bytes of ours that are no message, for a peer that does not read
_REMEMBERED = 4096


class SecureConnection(Connection):
    """A connection with a TLS session.

    Args:
        sock, stream, base: as for :class:`Connection`.
        session: the TLS session.
        name: the domain that we called, empty where we were called.

    Attributes:
        identities: the domains that the peer has proved to be (RFC 5922 section 7.1).
        unanswered: the journalled requests that were written and have had no response: they fail if we are killed.
        alias: the port of ours peer's that its requests named, once it may be called back on this connection.
    """

    __slots__ = ("_outgoing", "_sealed", "alias", "identities", "name", "session", "unanswered")

    kept = False

    def __init__(self, sock: socket.socket, stream: Stream, base: int | None, session: Session, name: str) -> None:
        super().__init__(sock, stream, base)
        self.session = session
        self.name = name
        self.shaking = True
        self.identities: frozenset[str] = frozenset()
        self.unanswered: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self.alias = False
        self._outgoing = bytearray()
        self._sealed = 0

    def begin(self, buffer: memoryview) -> None:
        """Begin the handshake as the client.

        Raises:
            OSError: the connection or the session broke.
        """
        self._receive(b"", buffer)

    def read(self, buffer: memoryview) -> list[Framed] | None:
        """As for any connection; an empty list where what came was no message yet.

        Raises:
            BlockingIOError: nothing has come.
            OSError: the connection or the session broke.
            RemoteProtocolError: the bytes cannot be framed.
        """
        if self.session.ended:
            return None
        data = self.sock.recv(_CIPHERTEXT)
        if not data:
            if self.shaking:
                raise ConnectionAbortedError(errno.ECONNABORTED, "the peer closed within the handshake")
            return None
        size = self._receive(data, buffer)
        if self.shaking and self.session.ready:
            self.shaking = False
            self.identities = identities(self.session.certificate)
        return self.stream.take_in(bytes(buffer[:size]))

    def _receive(self, data: bytes, buffer: memoryview) -> int:
        try:
            size = self.session.receive(data, buffer)
        except TlsError as error:
            with suppress(OSError):  # the alert is a courtesy
                self.push()
            raise ConnectionAbortedError(errno.EPROTO, str(error)) from error
        with suppress(BlockingIOError):
            self.push()
        return size

    def is_drained(self) -> bool:
        """Never after a read: its end shows only when it is read again."""
        return False

    def consume(self) -> None:
        """Nothing is left to be received."""

    def is_cut_off(self) -> bool:
        """Never: the end was read."""
        return False

    def write(self, data: memoryview) -> int:
        """Encrypt some of `data` and give it to the kernel; how many bytes of it the kernel has, whole records only.

        Raises:
            BlockingIOError: the kernel takes nothing now. The same data must come again.
            OSError: the connection or the session broke.
        """
        if not self._sealed:
            try:
                self._sealed = self.session.send(data)
            except TlsError as error:
                raise ConnectionAbortedError(errno.EPROTO, str(error)) from error
        self.push()
        count, self._sealed = self._sealed, 0
        return count

    def push(self) -> None:
        """Give the kernel what the session has to say.

        Raises:
            BlockingIOError: it does not take all of it now.
            OSError: the connection broke, or the peer does not read.
        """
        self._outgoing += self.session.outgoing()
        if len(self._outgoing) > _UNSENT:
            raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
        while self._outgoing:
            del self._outgoing[: self.sock.send(self._outgoing)]

    def end(self) -> None:
        """Say within TLS, too, that nothing more will come (RFC 8446 section 6.1)."""
        self.session.close()
        with suppress(OSError):
            self.push()
        super().end()

    # Requests that wait for a response

    def asked(self, key: tuple[str, str], chunk: bytes) -> list[bytes]:
        """Keep a request's chunk journalled until it is answered; those that are kept no longer."""
        self.unanswered[key] = chunk
        return [self.unanswered.popitem(last=False)[1]] if len(self.unanswered) > _REMEMBERED else []

    def answered(self, key: tuple[str, str]) -> list[bytes]:
        """A response to it came: its chunk, which is kept no longer."""
        chunk = self.unanswered.pop(key, None)
        return [] if chunk is None else [chunk]
