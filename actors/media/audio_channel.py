"""The audio channel of a media process in its actor's loop: its doors are watched, its messages taken between ticks."""

from __future__ import annotations

from collections.abc import Iterable

from structlog.stdlib import BoundLogger

from actors.media.audio_doors import AudioDoors, Listener
from actors.media.audio_events import Open
from actors.media.engine import Engine
from actors.media.session import Session
from actors.media.streams import Streams
from actors.runtime.audit import Audit
from actors.runtime.context import Context
from actors.runtime.doors import AGAIN
from actors.runtime.mailbox import Mailbox, clock


class AudioChannel:
    """Every tap of a media process, and the doors that programs come by.

    Args:
        context: of the actor.
        mailbox: its loop.
        log: its log.
        engine: which has the sessions.

    Attributes:
        doors: where programs come.
        due: when to try again to open the one for other machines; None while it stands, or none is wanted.
    """

    def __init__(self, context: Context, mailbox: Mailbox, log: BoundLogger, engine: Engine) -> None:
        self._mailbox = mailbox
        self._log = log
        self._audit = Audit(context.state_dir / "audit.log")
        path = context.run_dir / context.name.replace("media", "audio", 1)
        self.doors = AudioDoors(path, _address(context), context.state_dir / "keys", clock)
        self._streams = Streams(self.doors, engine.floor.spoken, engine.of_call, engine.tapped, self._note_down)
        self._fd = self._streams.filenos()[0]
        self.due: float | None = None
        self._watch(self._fd)
        self._watch_remote()
        if self.doors.missing:
            log.warning("no audio for other machines yet", error=self.doors.missing)

    @property
    def lost(self) -> int:
        """Frames that programs did not read in time."""
        return self._streams.lost

    @property
    def dropped(self) -> int:
        """Messages that were none."""
        return self._streams.dropped

    def settle(self, sessions: Iterable[Session]) -> None:
        """Take up what a predecessor left of these."""
        self._streams.settle(sessions)

    def wake(self, now: float) -> None:
        """A door may be due."""
        if self.due is not None and self.due <= now:
            self.doors.open_remote()
            self._watch_remote()

    def tick(self) -> None:
        """Send what a tick brought."""
        if self._streams.tick():
            self._mailbox.again(self._fd)

    def close(self) -> None:
        """Close the doors."""
        self._streams.close()

    def _watch(self, fd: int) -> None:
        self._mailbox.watch(fd, self._streams.receive, edge=True)
        self._mailbox.again(fd)  # what came before is no news

    def _watch_remote(self) -> None:
        """Serve the door for other machines, or try again to open it."""
        remote = self.doors.remote
        if remote is not None:
            self._log.info("listening", address=remote.address)
            self._watch(remote.fileno())
            for fd in remote.filenos_of_comers():
                self._mailbox.watch(fd, self._asked_in)
        self.due = clock() + AGAIN if self.doors.missing else None

    def _asked_in(self, _now: float) -> bool:
        if self.doors.remote is not None:
            self.doors.remote.let_in()
        return False

    def _note_down(self, listener: Listener, wanted: Open) -> None:
        """Somebody is refused the audio of a call. A disk that refuses is told of, and stops nobody."""
        try:
            self._audit.write(listener.name, "Audio", "denied", call=wanted.call)
        except OSError as error:
            self._log.warning("the audit log cannot be written", error=str(error))


def _address(context: Context) -> str:
    """The ports behind that of the control API are the media processes', in their order."""
    host, _, port = context.settings.listen.rpartition(":")
    number = int(context.name.partition("-")[2])
    return f"{host}:{int(port) and int(port) + 1 + number}" if host else ""
