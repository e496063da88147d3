"""How connections begin: accepted or opened, deposited in the store or, with TLS, not."""

from __future__ import annotations

import errno
import socket

from actors.runtime.channel import Channel
from actors.sip.vocabulary import Flow
from actors.transport import sockets
from actors.transport.certificates import CertificateError, Contexts
from actors.transport.connection import Connection
from actors.transport.kept import Note, encode_note
from actors.transport.route import WILDCARDS, Address, Bound, Listeners
from actors.transport.secure import SecureConnection
from actors.transport.settings import TransportSettings
from actors.transport.stream import Stream
from actors.transport.tls import Session, TlsError


class Beginning:
    """Makes connections.

    Args:
        channel: to the supervisor, which keeps a duplicate of every connection that can outlive us.
        epoch: of this start; makes tokens unique over all starts.
        settings: limits and socket options.
        listeners: our addresses.
        contexts: of TLS.
    """

    def __init__(
        self, channel: Channel, *, epoch: int, settings: TransportSettings, listeners: Listeners, contexts: Contexts
    ) -> None:
        self._channel = channel
        self._epoch = epoch
        self._settings = settings
        self._listeners = listeners
        self._contexts = contexts
        self._count = 0

    def accepted(self, sock: socket.socket, bound: Bound, host: str, port: int) -> Connection:
        """Take an accepted connection into the store, before its first byte is read.

        Raises:
            OSError: it broke, or there is no certificate to show; it is closed.
        """
        token = self._new_token(bound.transport)
        try:
            sockets.tune(sock, self._settings.dscp)
            count = sockets.counters(sock)
            ours = self._listeners.shown(bound, sockets.address(sock)[0], host)
            flow = Flow(token, bound.transport, *ours, host, port)
            note = Note(flow, opened=False, received=count.consumed, base=count.written)
            if bound.transport == "tls":
                return SecureConnection(sock, self.stream(note), note.base, self._session(server=True), "")
            self._channel.deposit(token, sock.fileno(), encode_note(note))
        except OSError:
            self._channel.withdraw(token)
            sock.close()
            raise
        return Connection(sock, self.stream(note), note.base)

    def opened(self, address: Address) -> Connection:
        """Begin to connect.

        Raises:
            OSError: it failed at once.
        """
        secure = address.transport == "tls"
        session = self._session(server=False, name=address.name) if secure else None
        found = self._towards(address)
        ours, local_port = ("", 0) if found is None else self._listeners.shown(*found, address.host)
        # From the address that the Via names, unless the kernel knows better which that is.
        source = "" if found is None or found[0].host in WILDCARDS else found[0].host
        sock = sockets.open_connection(
            address.host, address.port, source=source, device=self._settings.device, dscp=self._settings.dscp
        )
        flow = Flow(self._new_token(address.transport), address.transport, ours, local_port, address.host, address.port)
        note = Note(flow, opened=True, received=0, base=None)
        if session is not None:
            return SecureConnection(sock, self.stream(note), None, session, address.name)
        try:
            self._channel.deposit(flow.token, sock.fileno(), encode_note(note))
        except OSError:
            sock.close()
            raise
        return Connection(sock, self.stream(note), None)

    def stream(self, note: Note, read_offset: int = 0, consumed: int = 0) -> Stream:
        """The state of a connection, at its beginning or where a predecessor left it."""
        limit = self._settings.max_queue
        return Stream(note.flow, opened=note.opened, limit=limit, read_offset=read_offset, consumed=consumed)

    def _session(self, *, server: bool, name: str = "") -> Session:
        try:
            return Session(self._contexts.get(server=server), server=server, name=name)
        except (TlsError, CertificateError) as error:
            raise ConnectionAbortedError(errno.EPROTO, str(error)) from error

    def _towards(self, address: Address) -> tuple[Bound, str] | None:
        """The listener by which the peer of a connection that we open reaches us on another one."""
        kinds = dict.fromkeys((address.transport, "tcp", "udp"))
        return next(filter(None, (self._listeners.towards(kind, address.host) for kind in kinds)), None)

    def _new_token(self, transport: str) -> str:
        self._count += 1
        return f"{transport}:{self._epoch}.{self._count}"
