"""The sound device's actor: lines asked for by media in, cards by PortAudio, 20 ms both ways at media's beat.

It stands apart because drivers crash and block: when it is killed, or ends itself because a driver hangs, its successor
opens the cards of the lines again. PortAudio is loaded with the first line.
"""

from __future__ import annotations

import socket
import time
from typing import ClassVar

import msgspec

from actors.media.device_events import BELL, CloseLine, FromMedia, LineNoticed, OpenLine
from actors.media.driver import Driver, Wanted
from actors.media.line import MAX_DATAGRAM, Frame, pack, unpack
from actors.media.lines import DEVICE, SOUND, sound_socket
from actors.media.settings import DeviceSettings
from actors.media.sound import Card
from actors.runtime.actor import LayerActor, run
from actors.runtime.context import Context
from actors.runtime.mailbox import clock

# Datagrams of one turn; what is more waits for the next.
_ROUNDS = 64
# Seconds a driver may take to open or close a card.
_PATIENCE = 10.0
_CHECK = 1.0
_STOP = 2.0


class OpenedLine(msgspec.Struct, array_like=True, frozen=True):
    """What the journal keeps of a line: whose session it is, and its devices as asked for."""

    owner: str
    input: str
    output: str
    tone: str = ""


class DeviceActor(LayerActor):
    """Holds the lines; a cell's key is the session's id."""

    accepts: ClassVar = {"media": FromMedia}
    cell_type: ClassVar = OpenedLine

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._driver = Driver()
        self._socket: socket.socket
        self._settings: DeviceSettings = context.settings
        self._check_at = clock() + _CHECK

    def started(self) -> None:
        """Listen to media, and open what a predecessor's lines had."""
        self._socket = sound_socket(self.context.run_dir / SOUND, DEVICE)
        self.mailbox.watch(self._socket.fileno(), self._frames)
        self.mailbox.watch(self._driver.fd, self._told)
        for key in tuple(self.cells):
            self.defer(self._want, key)

    def handle(self, peer: str, message: FromMedia, now: float) -> None:  # noqa: ARG002 - as all actors
        """A line is to be opened or closed."""
        key = message.session.encode("utf-8", "surrogateescape")
        if isinstance(message, OpenLine):
            self.cells.put(key, OpenedLine(peer, message.input, message.output, message.tone))
            self.defer(self._want, key)
        elif isinstance(message, CloseLine):
            self._close_line(key)

    def expire(self, key: bytes, now: float) -> None:
        """No line has a deadline."""

    def _want(self, key: bytes) -> None:
        line: OpenedLine | None = self.cells.get(key)
        if line is not None:
            settings = self._settings
            source, sink = line.input or settings.input, line.output or settings.output
            if line.tone:
                wanted = Wanted("", settings.ring if line.tone == BELL else sink, line.tone)
            else:
                wanted = Wanted(source, sink, cancel=settings.echo_cancellation)
            self._driver.want(_name(key), wanted)

    def _close_line(self, key: bytes) -> None:
        self.cells.delete(key)
        self._driver.leave(_name(key))

    def peer_reset(self, peer: str, now: float) -> None:  # noqa: ARG002 - as all actors
        """The media process lost its sessions."""
        for key in tuple(self.cells):
            self.defer(self._lose, key, peer)  # each a step of its own, so that one that breaks stops no other

    def _lose(self, key: bytes, peer: str) -> None:
        line: OpenedLine | None = self.cells.get(key)
        if line is not None and line.owner == peer:
            self._close_line(key)

    def spoiled(self, key: bytes, cell: OpenedLine | None, error: BaseException, now: float) -> None:  # noqa: ARG002
        """A step of a line raised, or its cell cannot be read: its session goes on without sound.

        Whose line it was is not known of one that cannot be read; who does not know the session takes no notice.
        """
        self._driver.leave(_name(key))
        for owner in self.context.peers if cell is None else (cell.owner,):
            self.tell(owner, LineNoticed(_name(key), "device_failed", f"{type(error).__name__}: {error}"))

    # The sound.

    def _frames(self, _now: float) -> bool:
        """Answer each frame of media by one of the microphone."""
        for _ in range(_ROUNDS):
            try:
                data, sender = self._socket.recvfrom(MAX_DATAGRAM)
            except BlockingIOError:
                return False
            frame = unpack(data)
            card = None if frame is None else self._driver.cards.get(frame.session)
            if frame is None or not isinstance(card, Card) or not sender:
                continue
            said = card.exchange(frame.khz, frame.samples)
            try:
                self._socket.sendto(pack(Frame(frame.session, frame.khz, said)), sender)
            except OSError as error:
                self.log.debug("frame_unsent", session=frame.session, error=str(error))  # media starts anew
        return True

    def _told(self, _now: float) -> bool:
        """What became of cards, to whose lines they are."""
        for session, kind, text in self._driver.take():
            line: OpenedLine | None = self.cells.get(session.encode("utf-8", "surrogateescape"))
            if line is not None:
                self.tell(line.owner, LineNoticed(session, kind, text))
        return False

    # The driver's health.

    def next_wake(self) -> float | None:
        """When the driver is looked at next."""
        return self._check_at if len(self.cells) else None

    def wake(self, now: float) -> None:
        """See that the driver's thread comes round."""
        self._check_at = now + _CHECK
        if time.monotonic() - self._driver.seen > _PATIENCE and self.context.placement == "process":
            self.defer(self._give_up)

    def _give_up(self) -> None:
        raise SystemExit("a sound driver hangs")

    def on_stop(self) -> None:
        """Close the cards."""
        super().on_stop()
        self._driver.stop(_STOP)
        self._socket.close()


def _name(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")


def main(context: Context) -> None:
    """Run the sound device's process."""
    run(DeviceActor, context)
