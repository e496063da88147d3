"""A ROUTER over TCP that speaks CURVE only, and the ZAP handler that knows the keys (ZeroMQ RFC 26 and 27)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import zmq
from zmq.utils import z85

from actors.runtime.keyring import Keyring
from actors.runtime.router import Router

HANDSHAKE = 5_000  # milliseconds
HEARTBEAT = 2_000  # milliseconds between two of ZeroMQ's own
SILENCE = 6_000  # milliseconds after which a connection counts as dead
_USER = "User-Id"


class GuardedRouter(Router):
    """For programs on other machines that have a key.

    Args:
        address: ``tcp://ADDRESS:PORT``, port 0 for that of the predecessor, or a free one.
        port: the file in which the port stands, for others to know and for who comes after a kill.
        keys: whom to let in.
        clock: gives the time.
        options: those of Router.

    Attributes:
        address: where it listens.
        refused: connections that had no key of ours.

    Raises:
        OSError: the address is taken.
        KeyProblem: the service's own key cannot be had.
    """

    def __init__(
        self, address: str, port: Path, keys: Keyring[Any], clock: Callable[[], float], **options: int
    ) -> None:
        super().__init__(**options)
        self.refused = 0
        self._keys = keys
        self._clock = clock
        public, secret = keys.server()
        self._zap = self._context.socket(zmq.REP)
        self._zap.linger = 0
        self._zap.bind("inproc://zeromq.zap.01")
        for option, value in (
            (zmq.HANDSHAKE_IVL, HANDSHAKE),
            (zmq.HEARTBEAT_IVL, HEARTBEAT),
            (zmq.HEARTBEAT_TIMEOUT, SILENCE),
            (zmq.CURVE_SERVER, 1),
            (zmq.IPV6, int("[" in address)),
        ):
            self._socket.setsockopt(option, value)
        self._socket.setsockopt(zmq.CURVE_PUBLICKEY, public)
        self._socket.setsockopt(zmq.CURVE_SECRETKEY, secret)
        self._socket.setsockopt(zmq.ZAP_DOMAIN, b"sipactors")
        try:
            self._bind(address, port)
        except zmq.ZMQError as error:
            self._context.destroy(linger=0)
            raise OSError(f"{address}: {error}") from error
        self.address = self._socket.get_string(zmq.LAST_ENDPOINT)
        _write(port, self.address.rpartition(":")[2])

    def _bind(self, address: str, port: Path) -> None:
        """Where clients look for us after a restart, if the port is left to the system and can still be had."""
        host, _, number = address.rpartition(":")
        if number == "0" and port.exists():
            with suppress(zmq.ZMQError):  # somebody else has it now
                self._socket.bind(f"{host}:{port.read_text('ascii')}")
                return
        self._socket.bind(address)

    def zap_fileno(self) -> int:
        """What to poll for connections that want to be let in; edge-triggered."""
        return int(self._zap.getsockopt(zmq.FD))

    def let_in(self) -> None:
        """Answer every connection that asks: 200 with the key as its user, 400 to a key that is none of ours."""
        while True:
            try:
                version, request, _, _, _, mechanism, *credentials = self._zap.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            key = z85.encode(credentials[0]) if mechanism == b"CURVE" and credentials else b""
            known = key in self._keys.current(self._clock())
            self.refused += not known
            status, text = (b"200", b"OK") if known else (b"400", b"no such key")
            self._zap.send_multipart((version, request, status, text, key if known else b"", b""))

    def receive(self, limit: int) -> Iterator[tuple[bytes, bytes, bytes]]:
        """At most `limit` frames that have come: the identity of the connection, the frame, and its key (Z85)."""
        for _ in range(limit):
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            if len(parts) == 2:
                yield parts[0].bytes, parts[1].bytes, str(parts[1].get(_USER)).encode()
            else:
                self.dropped += 1

    def close(self) -> None:
        """Close it, once what was sent has left or the time to linger has passed."""
        self._zap.close()
        super().close()


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    scratch = path.with_suffix(".new")
    scratch.write_text(text, encoding="ascii")
    scratch.rename(path)
