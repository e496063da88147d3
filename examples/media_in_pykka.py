"""The media actor alone in a larger Pykka program: plays a WAV file to an address by RTP, no SIP anywhere.

    python examples/media_in_pykka.py hello.wav 192.0.2.7 40000

An actor of the program owns the media actor and speaks to it as a dialog would; others ask that actor by proxy.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pykka

from actors.media.actor import MediaActor
from actors.media.events import Format, Play, PlayFinished, PrepareSession, SessionPrepared, StartSession, ToDialog
from actors.media.settings import MediaSettings
from actors.runtime.alone import Alone
from actors.runtime.descriptors import rtp_pool

PCMU = Format(0, "PCMU", 8000)


class Jukebox(pykka.ThreadingActor):
    """One actor of the larger program."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._sockets = rtp_pool("127.0.0.1", port, port + 9)
        self._songs = 0

    def on_start(self) -> None:
        """Start the media actor; it lives as long as this one."""
        settings = MediaSettings()
        self._media = Alone(MediaActor, "media-0", "dialog-0", ToDialog, settings=settings, sockets=self._sockets)
        self._media.__enter__()

    def on_stop(self) -> None:
        """Stop it."""
        self._media.__exit__(None, None, None)

    def play(self, path: str, host: str, port: int, patience: float) -> str:
        """Play a file to host:port; why it could not be played, empty when it was."""
        self._songs += 1
        session = f"song-{self._songs}"
        self._media.tell(PrepareSession(session, "127.0.0.1"))
        if not isinstance(self._media.receive(patience), SessionPrepared):
            return "no port is free"
        self._media.tell(StartSession(session, host, port, PCMU, (PCMU,), "sendrecv", 20))
        self._media.tell(Play(session, path, loop=False))
        while (told := self._media.receive(patience)) is not None:
            if isinstance(told, PlayFinished):
                return told.error
        return "it takes too long"


def main() -> int:
    """Play the file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--ports", type=int, default=20_000, help="the first of ten UDP ports")
    options = parser.parse_args()
    jukebox = Jukebox.start(options.ports)
    try:
        error = jukebox.proxy().play(str(options.file.absolute()), options.host, options.port, 60.0).get()
    finally:
        jukebox.stop()
    print(error or "played")
    return bool(error)


if __name__ == "__main__":
    sys.exit(main())
