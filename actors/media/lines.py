"""The lines of a media process to the sound device, over one datagram socket that never blocks."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from actors.media.line import MAX_DATAGRAM, Line, unpack

SOUND = "sound"  # the folder in the run directory
DEVICE = "device"
# Datagrams of one turn.
_ROUNDS = 256


def sound_socket(folder: Path, name: str) -> socket.socket:
    """A datagram socket at `folder`/`name`, in place of a predecessor's; for its user alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / name
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    sock.bind(os.fspath(path))
    path.chmod(0o600)
    return sock


class Lines:
    """All lines of a process.

    Args:
        folder: where the sockets of media and the device are.
        name: the process's.

    Attributes:
        unsent: frames that the device did not take: it is starting, or behind.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.unsent = 0
        self._folder = folder
        self._name = name
        self._device = os.fspath(folder / DEVICE)
        self._lines: dict[str, Line] = {}
        self._socket: socket.socket | None = None

    def open(self, session: str) -> Line:
        """The line of a session."""
        if self._socket is None:
            self._socket = sound_socket(self._folder, self._name)
        return self._lines.setdefault(session, Line(session, self._send))

    def drop(self, session: str) -> bool:
        """The session needs it no more; whether there was one."""
        return self._lines.pop(session, None) is not None

    def read(self) -> None:
        """Give each line what the device said since the last tick."""
        if self._socket is None or not self._lines:
            return
        for _ in range(_ROUNDS):
            try:
                data = self._socket.recv(MAX_DATAGRAM)
            except BlockingIOError:
                return
            frame = unpack(data)
            if frame is not None and (line := self._lines.get(frame.session)) is not None:
                line.take(frame)

    def _send(self, data: bytes) -> None:
        assert self._socket is not None
        try:
            self._socket.sendto(data, self._device)
        except OSError:
            self.unsent += 1  # a session goes on without its device

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
