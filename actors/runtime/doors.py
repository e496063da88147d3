"""The doors of a service's socket as one: the local one, and the one for other machines where it is asked for.

Whoever holds a port in the way of our own has it, at the first start, said as the mistake that it is. In the way of a
successor the service goes on without that door and tries again: its calls matter more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import zmq

from actors.runtime.guarded import GuardedRouter
from actors.runtime.keyring import Keyring
from actors.runtime.router import LocalRouter

AGAIN = 1.0  # seconds between two attempts at a door that is missing
_LOCAL, _REMOTE = b"l", b"r"  # the first byte of an identity as whoever holds the doors knows it

T = TypeVar("T")


class Knock(NamedTuple, Generic[T]):
    """A frame that has come.

    Attributes:
        identity: of its connection; a local and a remote one never have the same.
        data: the frame.
        grant: what its client may do; None for one whose key was revoked.
    """

    identity: bytes
    data: bytes
    grant: T | None


class Doors(Generic[T]):
    """All sockets of one kind.

    Args:
        local: for our own user on this machine.
        remote: opens the one for others, None for nobody.
        port: the file of its port, which tells that it was open before.
        keys: those of remote clients.
        own: what a local client may do.
        clock: gives the time.

    Attributes:
        remote: the door for others; None while there is none.
        missing: why there is none though there should be; empty else.

    Raises:
        OSError: the door for others cannot be opened, and was not before.
        KeyProblem: the service's own key cannot be had.
    """

    def __init__(
        self,
        local: LocalRouter,
        remote: Callable[[], GuardedRouter] | None,
        port: Path,
        keys: Keyring[T],
        own: T,
        clock: Callable[[], float],
    ) -> None:
        self.remote: GuardedRouter | None = None
        self.missing = ""
        self._open = remote
        self._local = local
        self._keys = keys
        self._own = own
        self._clock = clock
        self._reads: dict[bytes, bytes] = {}  # the identity of a remote client, and its key
        try:
            self.open_remote(patient=port.exists())
        except BaseException:
            local.close()
            raise

    def open_remote(self, *, patient: bool = True) -> None:
        """Open the door for others where that is asked for, or tell why it is `missing`.

        Raises:
            OSError: it cannot be opened; not with `patient`.
            KeyProblem: the service's own key cannot be had.
        """
        if self._open is None:
            return
        try:
            self.remote, self.missing = self._open(), ""
        except OSError as error:
            if not patient:
                raise
            self.missing = str(error)

    def filenos(self) -> list[int]:
        """What to poll for frames."""
        return [self._local.fileno(), *([self.remote.fileno()] if self.remote else [])]

    def waiting(self) -> bool:
        """Whether there is a frame to receive. Ask after every send too: it may have taken the edge with it."""
        return self._local.waiting() or (self.remote is not None and self.remote.waiting())

    @property
    def dropped(self) -> int:
        """Frames that were none of ours, and connections that had no key."""
        return self._local.dropped + (self.remote.dropped + self.remote.refused if self.remote else 0)

    def receive(self, limit: int) -> Iterator[Knock[T]]:
        """At most `limit` frames of each door."""
        for identity, data in self._local.receive(limit):
            yield Knock(_LOCAL + identity, data, self._own)
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

    def forget(self, identity: bytes) -> None:
        """The key of this connection is of no interest any more."""
        self._reads.pop(identity, None)

    def send(self, identity: bytes, frame: bytes) -> int:
        """As Router.send."""
        if identity[:1] == _LOCAL:
            return self._local.send(identity[1:], frame)
        return zmq.EHOSTUNREACH if self.remote is None else self.remote.send(identity[1:], frame)

    def close(self) -> None:
        """Close them, once what was sent has left."""
        if self.remote is not None:
            self.remote.close()
        self._local.close()
