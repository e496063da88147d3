"""The doors of the API as one: the local socket, and the one for other machines where it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from actors.control.keys import Keys
from actors.control.remote import RemoteSocket
from actors.control.rights import LOCAL, Grant
from actors.control.sockets import CommandSocket

_LOCAL, _REMOTE = b"l", b"r"  # the first byte of an identity as the rest of control knows it


class Knock(NamedTuple):
    """A frame that has come.

    Attributes:
        identity: of its connection; a local and a remote one never have the same.
        data: the frame.
        grant: what its client may do; None for one whose key was revoked.
    """

    identity: bytes
    data: bytes
    grant: Grant | None


class Doors:
    """All sockets on which commands come.

    Args:
        run_dir: where the local one is.
        listen: ``tcp://ADDRESS:PORT``, empty for none.
        keys: those of remote clients.
        clock: gives the time.

    Raises:
        OSError: a socket cannot be bound.
        KeyProblem: the service's own key cannot be had.
    """

    def __init__(self, run_dir: Path, listen: str, keys: Keys, clock: Callable[[], float]) -> None:
        self._keys = keys
        self._clock = clock
        self._local = CommandSocket(run_dir)
        self.remote: RemoteSocket | None = None
        self._reads: dict[bytes, bytes] = {}  # the identity of a remote subscriber, and its key
        if listen:
            try:
                self.remote = RemoteSocket(listen, keys, clock)
            except BaseException:
                self._local.close()
                raise

    def filenos(self) -> list[int]:
        """What to poll for commands."""
        return [self._local.fileno(), *([self.remote.fileno()] if self.remote else [])]

    def waiting(self) -> bool:
        """Whether there is a frame to receive. Ask after every send too: it may have taken the edge with it."""
        return self._local.waiting() or (self.remote is not None and self.remote.waiting())

    @property
    def dropped(self) -> int:
        """Frames that were none of ours, and connections that had no key."""
        return self._local.dropped + (self.remote.dropped + self.remote.refused if self.remote else 0)

    def receive(self, limit: int) -> Iterator[Knock]:
        """At most `limit` frames of each door."""
        for identity, data in self._local.receive(limit):
            yield Knock(_LOCAL + identity, data, LOCAL)
        if self.remote is not None:
            for identity, data, key in self.remote.receive(limit):
                self._reads[_REMOTE + identity] = key
                yield Knock(_REMOTE + identity, data, self._keys.current(self._clock()).get(key))

    def still_may(self, identity: bytes) -> bool:
        """Whether the key of a connection stands."""
        return identity[:1] == _LOCAL or self._reads.get(identity) in self._keys.current(self._clock())

    def forget_all_but(self, identities: set[bytes]) -> None:
        """Keep the keys of these connections alone."""
        self._reads = {identity: key for identity, key in self._reads.items() if identity in identities}

    def send(self, identity: bytes, frame: bytes) -> bool:
        """Send to a connection, without waiting; False when it is gone or its queue is full."""
        if identity[:1] == _LOCAL:
            return self._local.send(identity[1:], frame)
        return self.remote is not None and self.remote.send(identity[1:], frame)

    def reaches(self, identity: bytes) -> bool:
        """Whether a client is connected."""
        if identity[:1] == _LOCAL:
            return self._local.reaches(identity[1:])
        return self.remote is not None and self.remote.reaches(identity[1:])

    def close(self) -> None:
        """Close them, once what was sent has left."""
        if self.remote is not None:
            self.remote.close()
        self._local.close()
