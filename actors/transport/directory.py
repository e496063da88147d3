"""The connections by name and by where they lead (RFC 3261 section 18, RFC 5923 section 8)."""

from __future__ import annotations

from collections.abc import Iterator

from actors.transport.connection import Connection
from actors.transport.route import Address


class Directory:
    """All connections of the transport actor."""

    def __init__(self) -> None:
        self._all: dict[str, Connection] = {}
        self._by_address: dict[Address, Connection] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, connection: Connection) -> bool:
        return connection.token in self._all

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._all.values()))

    def get(self, token: str) -> Connection | None:
        """A connection by its name."""
        return self._all.get(token)

    def enter(self, connection: Connection) -> None:
        """Put a new connection in. One with TLS is found by address only once its peer has proved who it is."""
        flow = connection.stream.flow
        self._all[flow.token] = connection
        if connection.kept:
            # The index of an accepted one is its source (RFC 3261 section 18); one that we opened goes first.
            self.lead(connection, Address(flow.transport, flow.host, flow.port), first=connection.stream.opened)

    def lead(self, connection: Connection, address: Address, *, first: bool) -> None:
        """Have requests for `address` go on this connection, before one that is there already or not."""
        known = self._by_address.get(address)
        if known is None or (first and known is not connection):
            self._by_address[address] = connection
            connection.addresses.append(address)

    def find(self, token: str, address: Address, *, response: bool) -> Connection | None:
        """The connection to write to a peer on: by its name, else by where it leads (RFC 3261 section 18.1.1).

        On one that the peer has half closed, or that we are about to close, only answers are still written.
        """
        connection = self._all.get(token)
        if connection is not None and (response or not (connection.closing or connection.ended)):
            return connection
        return self._by_address.get(address)

    def hide(self, connection: Connection) -> None:
        """Have no more requests go on a connection."""
        for address in connection.addresses:
            if self._by_address.get(address) is connection:
                del self._by_address[address]
        connection.addresses.clear()

    def remove(self, connection: Connection) -> bool:
        """Forget a connection; False if it was not there."""
        self.hide(connection)
        return self._all.pop(connection.token, None) is not None

    def clear(self) -> None:
        """Forget all."""
        self._all.clear()
        self._by_address.clear()
