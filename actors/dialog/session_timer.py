"""Session timers (RFC 4028): who refreshes a call that is up, how often, and what a peer's wish comes to. Pure."""

from __future__ import annotations

from actors.dialog.call import Call, Input
from actors.dialog.call_parts import SessionTimer
from actors.runtime.machine import Arm, Disarm, Effects
from actors.sip import RemoteProtocolError, Request, Response
from actors.sip.headers import MinSe, SessionExpires

LEAST = 90  # seconds: no shorter session is taken (section 4)
GUARD = 32.0  # BYE goes this long before the session would expire, or a third of it (section 10)

Headers = tuple[tuple[str, str], ...]


def check(request: Request) -> int:
    """The Min-SE to refuse a request with (422, section 9), 0 where its Session-Expires is long enough or absent."""
    if request.look or request.get("Session-Expires") is None:
        return 0
    asked = request.header(SessionExpires)
    return LEAST if asked is not None and asked.seconds < LEAST else 0


def granted(
    request: Request, *, mine: int = 0, before: SessionTimer | None = None
) -> tuple[SessionTimer | None, Headers]:
    """The timer that our 2xx to a request grants, and the header lines that say so (section 9).

    Args:
        request: an INVITE or UPDATE.
        mine: the seconds that we want where the peer asks for none, 0 for none.
        before: the timer in force, which lasts where a refresh asks for none and its sender cannot do timers.
    """
    asked = None if request.look else request.header(SessionExpires)
    if asked is None and not mine:
        return None, ()
    able = "timer" in request.supported
    refresher = asked.refresher if asked is not None else ""
    ours = refresher == "uas" or not able
    least = request.header(MinSe)
    wanted = asked.seconds if asked is not None else max(mine, least.seconds if least is not None else LEAST)
    update = "UPDATE" in request.allow or (before is not None and before.update)
    timer = SessionTimer(wanted, ours, update, LEAST if least is None else max(LEAST, least.seconds))
    lines = (("Session-Expires", f"{wanted};refresher={'uas' if ours else 'uac'}"),)
    return timer, lines if ours else (("Require", "timer"), *lines)


def agreed(response: Response, before: SessionTimer | None, least: int = 0) -> SessionTimer | None:
    """The timer that a 2xx to a request of ours brings, None where it says none that can be read (section 7.2)."""
    if response.get("Session-Expires") is None:
        return None
    try:
        told = response.header(SessionExpires)
        update = "UPDATE" in response.allow
    except RemoteProtocolError:
        return None
    assert told is not None
    update = update or (before is not None and before.update)
    return SessionTimer(max(told.seconds, LEAST), told.refresher != "uas", update, least)


def wished(interval: int, least: int, refresher: str = "") -> Headers:
    """The header lines of a request of ours that asks for a session timer, none for an interval of 0 (section 7.1)."""
    if not interval:
        return ()
    whose = f";refresher={refresher}" if refresher else ""
    lines: Headers = (("Session-Expires", f"{interval}{whose}"),)
    return (*lines, ("Min-SE", str(least))) if least else lines


def demanded(response: Response) -> int:
    """The Min-SE of a 422, 0 where it says none that can be read (section 7.3)."""
    try:
        least = response.header(MinSe)
    except RemoteProtocolError:
        return 0
    return 0 if least is None else least.seconds


def armed(call: Call, now: float) -> Effects:
    """Arm the timers of a session that was just refreshed, or disarm those of one that has none any more."""
    timer = call.timer
    if timer is None:
        return (Disarm(Input.REFRESH), Disarm(Input.SESSION_OVER))
    over = Arm(Input.SESSION_OVER, now + timer.interval - min(GUARD, timer.interval / 3))
    if not timer.ours:
        return (Disarm(Input.REFRESH), over)
    return (Arm(Input.REFRESH, now + timer.interval / 2), over)
