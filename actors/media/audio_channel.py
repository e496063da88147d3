"""The audio channel of a media process in its actor's loop: while programs hear or speak, its doors are read at ticks.

What is written between two ticks is heard after the second in any case: to wake up for it would only cost, twice as
many turns with cold caches as there are ticks. While nobody has a tap, or nothing ticks, the doors are watched.
"""

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
    """

    def __init__(self, context: Context, mailbox: Mailbox, log: BoundLogger, engine: Engine) -> None:
        self._mailbox = mailbox
        self._log = log
        self._engine = engine
        self._audit = Audit(context.state_dir / "audit.log")
        path = context.run_dir / context.name.replace("media", "audio", 1)
        self.doors = AudioDoors(path, _address(context), context.state_dir / "keys", clock)
        self._streams = Streams(self.doors, engine.floor.spoken, engine.of_call, engine.tapped, self._note_down)
        self._missing_due: float | None = None  # when to try again to open the door for other machines
        self._read_due: float | None = None  # when the doors are read; None while they are watched
        self._let_comers_in()
        self._watch()
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

    @property
    def due(self) -> float | None:
        """When to be woken; None while there is no need."""
        return min((each for each in (self._missing_due, self._read_due) if each is not None), default=None)

    def wake(self, now: float) -> None:
        """A door may be due, or a tick: what was written for it is taken before it."""
        if self._missing_due is not None and self._missing_due <= now:
            self.doors.open_remote()
            self._let_comers_in()
            if self._read_due is None:
                self._watch()
        if self._read_due is not None and self._read_due <= now:
            self._attend(more=self._streams.receive(now))

    def tick(self) -> None:
        """Send what a tick brought."""
        more = self._streams.tick()
        self._attend(more=more and self._read_due is None)
        if more and self._read_due is None:
            self._mailbox.again(self._streams.filenos()[0])

    def close(self) -> None:
        """Close the doors."""
        self._streams.close()

    def _attend(self, *, more: bool) -> None:
        """Read at the next tick, where there is one for somebody; else, and with more than a turn takes, watch."""
        before, self._read_due = self._read_due, None
        if self._streams.tapped and not more:
            self._read_due = self._engine.next_wake()
        if self._read_due is None and before is not None:
            self._watch()
        elif self._read_due is not None and before is None:
            for fd in self._streams.filenos():
                self._mailbox.unwatch(fd)

    def _watch(self) -> None:
        for fd in self._streams.filenos():
            self._mailbox.watch(fd, self._streams.receive, edge=True)
            self._mailbox.again(fd)  # what came before is no news

    def _let_comers_in(self) -> None:
        """Serve who asks in at the door for other machines, or try again to open it."""
        remote = self.doors.remote
        if remote is not None:
            self._log.info("listening", address=remote.address)
            for fd in remote.filenos_of_comers():
                self._mailbox.watch(fd, self._asked_in)
        self._missing_due = clock() + AGAIN if self.doors.missing else None

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
