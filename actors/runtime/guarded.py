"""A ROUTER over TCP that speaks CURVE only, and the ZAP handler that knows the keys (ZeroMQ RFC 26 and 27)."""

from __future__ import annotations

import ctypes
import resource
import socket
import struct
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
CONNECTIONS = 1_024  # at once, those without a key among them; no more than a quarter of our descriptors either
BACKLOG = 128  # that the kernel may have accepted for us when there are too many
_ATTACH_FILTER, _DETACH_FILTER = 26, 27  # asm-generic/socket.h
_DROP = struct.pack("HBBI", 0x06, 0, 0, 0)  # linux/filter.h: one instruction, of each packet keep 0 bytes
_USER = "User-Id"
_NEWS = struct.Struct("=HI")  # of a socket's monitor: the event, and its descriptor


class GuardedRouter(Router):
    """For programs on other machines that have a key.

    Who connects has `HANDSHAKE` to show its key, and until then costs a descriptor and no more than one message of
    memory. Beyond `most` connections nobody is accepted: who comes waits for one to end.

    Args:
        address: ``tcp://ADDRESS:PORT``, port 0 for that of the predecessor, or a free one.
        port: the file in which the port stands, for others to know and for who comes after a kill.
        keys: whom to let in.
        clock: gives the time.
        most: connections at once.
        options: those of Router.

    Attributes:
        address: where it listens.
        refused: connections that had no key of ours.

    Raises:
        OSError: the address is taken.
        KeyProblem: the service's own key cannot be had.
    """

    def __init__(
        self,
        address: str,
        port: Path,
        keys: Keyring[Any],
        clock: Callable[[], float],
        *,
        most: int = CONNECTIONS,
        **options: int,
    ) -> None:
        super().__init__(**options)
        self.refused = 0
        self._keys = keys
        self._clock = clock
        self._most = min(most, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)
        self._connections: set[int] = set()
        self._shut = False
        try:
            self._secure(*keys.server())
            self._listener = _listener(address, port)
        except BaseException:
            self._context.destroy(linger=0)
            raise
        host, number = address.rpartition(":")[0], self._listener.getsockname()[1]
        self.address = f"{host}:{number}"
        self._socket.setsockopt(zmq.IPV6, int("[" in address))
        self._socket.setsockopt(zmq.USE_FD, self._listener.dup().detach())
        self._socket.bind(self.address)
        _write(port, str(number))

    def _secure(self, public: bytes, secret: bytes) -> None:
        """CURVE and nothing else, the handler of keys, and what watches connections come and go."""
        self._zap = self._context.socket(zmq.REP)
        self._zap.linger = 0
        self._zap.bind("inproc://zeromq.zap.01")
        for option, value in (
            (zmq.HANDSHAKE_IVL, HANDSHAKE),
            (zmq.HEARTBEAT_IVL, HEARTBEAT),
            (zmq.HEARTBEAT_TIMEOUT, SILENCE),
            (zmq.CURVE_SERVER, 1),
        ):
            self._socket.setsockopt(option, value)
        self._socket.setsockopt(zmq.CURVE_PUBLICKEY, public)
        self._socket.setsockopt(zmq.CURVE_SECRETKEY, secret)
        self._socket.setsockopt(zmq.ZAP_DOMAIN, b"sipactors")
        self._socket.monitor("inproc://connections", zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED)
        self._news = self._context.socket(zmq.PAIR)
        self._news.set(zmq.RCVHWM, 0)  # so that whoever writes them, ZeroMQ's own thread, never waits for us
        self._news.linger = 0
        self._news.connect("inproc://connections")

    def filenos_of_comers(self) -> list[int]:
        """What to poll for connections that come, go, or want to be let in; edge-triggered."""
        return [int(self._zap.getsockopt(zmq.FD)), int(self._news.getsockopt(zmq.FD))]

    def let_in(self) -> None:
        """Answer every connection that asks, and accept more of them, or none while there are too many."""
        while self._answer():
            pass
        with suppress(zmq.Again):
            while True:
                event, descriptor = _NEWS.unpack(self._news.recv_multipart(zmq.NOBLOCK)[0])
                if event == zmq.EVENT_ACCEPTED:
                    self._connections.add(descriptor)
                else:
                    self._connections.discard(descriptor)
        full = len(self._connections) >= self._most
        if full != self._shut:
            self._shut = full
            _shut(self._listener) if full else self._listener.setsockopt(socket.SOL_SOCKET, _DETACH_FILTER, 0)

    def _answer(self) -> bool:
        """To one: 200 with the key as its user, 400 to a key that is none of ours. False if there is none."""
        try:
            version, request, _, _, _, mechanism, *credentials = self._zap.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return False
        key = z85.encode(credentials[0]) if mechanism == b"CURVE" and credentials else b""
        known = key in self._keys.current(self._clock())
        self.refused += not known
        status, text = (b"200", b"OK") if known else (b"400", b"no such key")
        self._zap.send_multipart((version, request, status, text, key if known else b"", b""))
        return True

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
        self._listener.close()
        self._zap.close()
        self._socket.disable_monitor()
        self._news.close()
        super().close()


def _listener(address: str, port: Path) -> socket.socket:
    """Where clients look for us after a restart, if the port is left to the system and can still be had."""
    host, _, number = address.removeprefix("tcp://").rpartition(":")
    host, family = host.strip("[]"), socket.AF_INET6 if "[" in host else socket.AF_INET
    if number == "0" and port.exists():
        with suppress(OSError, ValueError):  # somebody else has it now, or it is none
            return _opened(host, min(int(port.read_text("ascii")), 65_535), family)
    try:
        return _opened(host, int(number), family)
    except OSError as error:
        raise OSError(error.errno, f"{address}: {error.strerror}") from error


def _opened(host: str, port: int, family: int) -> socket.socket:
    opened = socket.create_server((host, port), family=family, backlog=BACKLOG)
    opened.setblocking(False)
    return opened


def _shut(listener: socket.socket) -> None:
    """Have the kernel drop what comes to a listener: who connects repeats it, and finds it open later.

    ZeroMQ would end all connections that it has accepted if it were to leave the listener.
    """
    filters = ctypes.create_string_buffer(_DROP, len(_DROP))
    program = struct.pack("HP", 1, ctypes.addressof(filters))
    listener.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, program)


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    scratch = path.with_suffix(".new")
    scratch.write_text(text, encoding="ascii")
    scratch.rename(path)
