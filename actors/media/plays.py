"""What sessions play: files and tones, one after the other, paused, sought in, and gone on with after a restart."""

from __future__ import annotations

from actors.media import player
from actors.media.events import Play, PlayFinished
from actors.media.facts import Facts
from actors.media.floor import Floor
from actors.media.loader import Loader
from actors.media.player import Playing
from actors.media.session import Session


class Plays:
    """Plays in the sessions of a process.

    Args:
        floor: the sessions.
        loader: reads what is played.
    """

    def __init__(self, floor: Floor, loader: Loader) -> None:
        self._floor = floor
        self._loader = loader

    def play(self, session: Session, play: Play) -> None:
        """Play a file from its start, in place of what was played before or behind it. Failure is an event."""
        if play.queue and session.player is not None:
            session.queue.append(play)
            return
        self.stop(session)
        session.plays = (session.plays + 1) & 0xFFFF
        self._play(session, play)

    def stop(self, session: Session) -> None:
        """Play nothing any more, nor what waits."""
        session.queue.clear()
        session.paused = False
        session.stop_playing()

    def seek(self, session: Session, position: float) -> None:
        """Go on with what is played at `position` seconds."""
        if session.player is not None:
            session.player.seek(int(position * 8000))

    def _play(self, session: Session, play: Play) -> None:
        try:
            session.player = player.play(
                play.path, session.form, self._loader, position=session.position, loop=play.loop
            )
        except ValueError as error:
            self._played_out(session, play.path, str(error))
        self._floor.wake(session)

    def _played_out(self, session: Session, path: str, error: str) -> None:
        """What was played is over: what waits is begun."""
        session.stop_playing()
        self._floor.events.append((session.key, PlayFinished(session.key, path, error)))
        if session.queue:
            session.plays = (session.plays + 1) & 0xFFFF
            self._play(session, session.queue.popleft())

    def go_on(self, session: Session, play: Play, facts: Facts) -> None:
        """Go on where the row says, which may be further in the queue than the journal, or not yet as far."""
        plays = [play, *facts.queued]
        ended = (session.plays - facts.plays) & 0xFFFF
        if ended >= len(plays):
            ended = session.position = 0
            session.plays = facts.plays
        self._floor.events += [(session.key, PlayFinished(session.key, each.path)) for each in plays[:ended]]
        session.queue.extend(plays[ended + 1 :])
        session.paused = facts.paused
        self._play(session, plays[ended])

    def said(self, session: Session, tick: int) -> bytes | None:
        """What another program writes, else what is played, with what is said in its bridge; None where neither is."""
        payload = self._own(session, tick)
        if payload is None or session.member is None or session.held:
            return payload
        return session.member.mixed(payload)

    def _own(self, session: Session, tick: int) -> bytes | None:
        payload = None if session.taps is None else session.taps.say(tick)
        if payload is None and session.player is not None and not session.paused:
            return self._played(session, session.player)
        return payload

    def _played(self, session: Session, playing: Playing) -> bytes | None:
        """The player's next frame, of the next file where one is over; None where nothing waits."""
        error = ""
        try:
            payload = playing.frame()
        except OSError as problem:
            payload, error = None, str(problem)
        if payload is None:
            self._played_out(session, playing.path, error)
        return payload
