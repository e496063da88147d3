"""MESSAGE from others (RFC 3428), inside and outside of a dialog."""

from __future__ import annotations

from actors.dialog.call import Agent, Asked
from actors.dialog.effects import Report
from actors.dialog.outgoing import body_of
from actors.dialog.reply import answer
from actors.dialog.request_events import MessageReceived
from actors.runtime.machine import Effects
from actors.sip.grammar import readable


def received(agent: Agent, asked: Asked, wall: float, *, account: str = "", call: str = "") -> Effects:
    """Take a MESSAGE: 200 means that it is delivered, to the log of events at least (s7).

    Args:
        agent: what all usages share.
        asked: the request.
        wall: seconds since the Unix epoch.
        account: that it came for.
        call: in whose dialog it came.

    Raises:
        RemoteProtocolError: its From or To is malformed.
    """
    request = asked.request
    kind, text = body_of(request)
    sender = request.from_
    event = MessageReceived(
        str(sender.uri), readable(sender.display_name), str(request.to.uri), account, call, kind, text, wall
    )
    return (answer(agent, asked, 200), Report(event))
