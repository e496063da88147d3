"""What media tells of the sessions of calls."""

from __future__ import annotations

from actors.dialog.call import Call, Input, replace
from actors.dialog.call_cells import CallCells
from actors.dialog.call_events import CallBridged, CallDigitReceived, CallNoticed, CallUnbridged
from actors.dialog.call_parts import Totals
from actors.dialog.call_up import Finished
from actors.dialog.effects import Report
from actors.dialog.names import tag_of_session
from actors.dialog.negotiation import closed
from actors.dialog.usage import Keys, chosen
from actors.runtime.machine import Effects


class CallMedia(CallCells):
    """Leads the events of media to their calls; one of a call that is over, or of an earlier candidate, is dropped."""

    def prepared(self, session: str, host: str, port: int, now: float, wall: float) -> Effects:
        """A session receives at host:port."""
        return self._media(session, Input.PREPARED, (host, port), now, wall)

    def session_refused(self, session: str, reason: str, now: float, wall: float) -> Effects:
        """A session could not be had; or it stands, but cannot do what was asked of it, and is closed."""
        call = self._cells.get(tag_of_session(session).encode())
        if call is None or call.media.session != session:
            return ()
        effects = closed(call) if call.media.port else ()
        return effects + self._step(call, Input.MEDIA_LOST, reason, now, wall)

    def session_lost(self, session: str, reason: str, now: float, wall: float) -> Effects:
        """A session is gone."""
        return self._media(session, Input.MEDIA_LOST, reason, now, wall)

    def session_closed(self, session: str, totals: Totals, now: float, wall: float) -> Effects:
        """A session is over."""
        return self._media(session, Input.MEDIA_CLOSED, totals, now, wall)

    def played(self, session: str, path: str, error: str, now: float, wall: float) -> Effects:
        """A file was played to its end, or could not be."""
        return self._media(session, Input.PLAYED, Finished(path, error), now, wall)

    def unrecorded(self, session: str, path: str, error: str, now: float, wall: float) -> Effects:
        """A recording broke."""
        return self._media(session, Input.UNRECORDED, Finished(path, error), now, wall)

    def pressed(self, session: str, digit: str, duration: int, method: str, wall: float) -> Effects:
        """The peer pressed a key."""
        call = self._of_session(session)
        return () if call is None else (Report(CallDigitReceived(call.call, digit, duration, method, wall)),)

    def noticed(self, session: str, kind: str, text: str, wall: float) -> Effects:
        """Media saw something that people should know."""
        call = self._of_session(session)
        return () if call is None else (Report(CallNoticed(call.call, kind, text, wall)),)

    def bridged(self, session: str, others: tuple[str, ...], reason: str, wall: float) -> Effects:
        """The bridge of a session is of these others; of none, it is in no bridge."""
        call = self._of_session(session)
        if call is None or (others == call.media.bridged and not reason):
            return ()
        call = replace(call, media=replace(call.media, bridged=others))
        self._cells.put(call.key, call, call.next_deadline)
        return (Report(CallBridged(call.call, others, wall) if others else CallUnbridged(call.call, reason, wall)),)

    def _of_session(self, session: str) -> Call | None:
        """The call of a session; None when it is over, or the session was of an earlier candidate."""
        call: Call | None = self._cells.get(tag_of_session(session).encode())
        return call if call is not None and call.media.session == session else None

    def _media(self, session: str, event: Input, what: object, now: float, wall: float) -> Effects:
        call = self._of_session(session)
        return () if call is None else self._step(call, event, what, now, wall)

    def media_lost(self, process: int, now: float, wall: float, keys: Keys = None) -> Effects:
        """A media process lost all its sessions: their calls end."""
        effects: Effects = ()
        for key in chosen(self._cells, keys):
            call = self._cells.get(key)
            if isinstance(call, Call) and call.media.open and call.media.process == process:
                reason = "the media process lost its sessions"
                effects += self._step(call, Input.MEDIA_LOST, reason, now, wall)
        return effects
