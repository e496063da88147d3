"""Accepting connections: caps in all and a source, and a pause while there is no room."""

from __future__ import annotations

import errno
import socket
from collections import Counter
from collections.abc import Callable

from actors.transport import sockets
from actors.transport.admission import Admission, Bucket, PeerClass, source_of
from actors.transport.connection import Shell
from actors.transport.kept import PAUSE_KEY, PauseCell
from actors.transport.route import Bound

_BATCH = 16
_REMEMBERED = 65_536
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_KEPT = 5  # of so many connections one is kept from strangers
_PAUSE = 1.0  # seconds until it is tried again where descriptors had run out

Welcome = Callable[[socket.socket, Bound, str, int, float], None]


class Acceptor:
    """Accepts on all TCP listeners.

    Args:
        shell: the actor.
        admission: knows peers' classes.
        per_source: connections of one source that is not trusted.
        handshakes: TLS handshakes a second of one source that is not trusted.
        limit: connections in all; a fifth of them is only for the trusted and for those that we open, so that strangers
            who hold many from many addresses cut us off from nobody that we know.
        welcome: takes an accepted connection in.

    Attributes:
        refused: connections that were closed at once, being one too many of their source or of strangers.
    """

    def __init__(
        self, shell: Shell, admission: Admission, *, per_source: int, handshakes: float, limit: int, welcome: Welcome
    ) -> None:
        self._shell = shell
        self._admission = admission
        self._per_source = per_source
        self._handshake_rate = handshakes
        self._handshakes: dict[str, Bucket] = {}
        self._limit = limit
        self._welcome = welcome
        self._listeners: list[tuple[socket.socket, Bound]] = []
        self._sources: Counter[str] = Counter()
        self._total = 0
        self._paused = False
        self.refused = 0

    @property
    def full(self) -> bool:
        """Whether there is no room for one more connection, in or out."""
        return self._total >= self._limit

    def listen(self, sock: socket.socket, bound: Bound) -> None:
        """Accept on a listener."""
        self._listeners.append((sock, bound))
        self._watch(sock, bound)

    def _watch(self, sock: socket.socket, bound: Bound) -> None:
        self._shell.mailbox.watch(sock.fileno(), lambda now: self._readable(sock, bound, now))

    def _readable(self, listener: socket.socket, bound: Bound, now: float) -> bool:
        for _ in range(_BATCH):
            if self.full:
                self._pause(None)
                return False
            try:
                sock, source = listener.accept()
            except BlockingIOError:
                return False
            except OSError as error:
                if error.errno in _NO_ROOM:
                    self._pause(now + _PAUSE)
                    return False
                continue  # that peer has gone again; accept(2) hands its network error to us
            host, port = sockets.peer_address(source)
            if self._is_over_cap(host, bound, now):
                self.refused += 1
                sock.close()
            else:
                self._welcome(sock, bound, host, port, now)
        return True

    def _is_over_cap(self, host: str, bound: Bound, now: float) -> bool:
        kind, source = self._admission.peer_class(host), source_of(host)
        if kind is PeerClass.TRUSTED:
            return False
        if kind is PeerClass.DENIED or self._sources[source] >= self._per_source:
            return True
        if self._total >= self._limit - self._limit // _KEPT:
            return True
        return bound.transport == "tls" and not self._may_shake_hands(source, now)

    def _may_shake_hands(self, source: str, now: float) -> bool:
        """Whether there is time for one more handshake: it costs a hundred times what accepting does."""
        bucket = self._handshakes.get(source)
        if bucket is None:
            if len(self._handshakes) >= _REMEMBERED:
                self._handshakes.clear()
            bucket = self._handshakes[source] = Bucket(self._handshake_rate, now)
        return bucket.take(now)

    def entered(self, host: str) -> None:
        """Count a connection, in or out."""
        self._total += 1
        self._sources[source_of(host)] += 1

    def left(self, host: str) -> None:
        """Count it no more; accepting goes on if it had paused for room."""
        source = source_of(host)
        self._total -= 1
        self._sources[source] -= 1
        if not self._sources[source]:
            del self._sources[source]
        if self._paused and not self.full:
            self.resume()

    def _pause(self, retry_at: float | None) -> None:
        """Stop accepting: until a connection leaves, or until a time where it is descriptors that lack."""
        self._paused = True
        for sock, _ in self._listeners:
            self._shell.mailbox.unwatch(sock.fileno())
        if retry_at is not None:
            self._shell.cells.put(PAUSE_KEY, PauseCell(), retry_at)

    def resume(self) -> None:
        """Accept again."""
        self._paused = False
        self._shell.cells.delete(PAUSE_KEY)
        for sock, bound in self._listeners:
            self._watch(sock, bound)

    def close(self) -> None:
        """Close our own descriptors of the listeners; the supervisor keeps its."""
        for sock, _ in self._listeners:
            self._shell.mailbox.unwatch(sock.fileno())
            sock.close()
