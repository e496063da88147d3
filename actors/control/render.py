"""How the command line shows things: tables, times, and one line an event."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from actors.control import records
from actors.control.messaging import (
    CallRequestReceived,
    MessageReceived,
    MessagesWaiting,
    NotifyReceived,
    PublicationChanged,
    ReferReceived,
    RequestAnswered,
    SubscriberLeft,
    SubscriptionChanged,
    SubscriptionEnded,
    SubscriptionReceived,
)
from actors.control.reading import Lost


def printable(text: str) -> str:
    """`text` without what could steer a terminal: peers choose their display names."""
    return "".join(character if character.isprintable() else "?" for character in text)


def span(seconds: float) -> str:
    """A duration: ``4 s``, ``3 min 07 s``, ``2 h 05 min``, ``3 d 04 h``."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600:02} h"


def clock(moment: float) -> str:
    """A wall clock time in the local zone, to the second."""
    return time.strftime("%H:%M:%S", time.localtime(moment))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as they need to be, two spaces between them."""
    lines = [list(headings), *(list(map(printable, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


HOLDERS = {"us": "us", "peer": "the peer", "both": "both"}


def calls_table(calls: Sequence[records.CallInfo], now: float) -> str:
    """The list of calls; `now` is wall clock time."""
    if not calls:
        return "no calls"
    return table(
        ("ID", "DIRECTION", "STATE", "REMOTE", "LOCAL", "TALKING"),
        [
            (
                call.call,
                call.direction,
                f"held by {HOLDERS[call.held]}" if call.held else call.state.replace("_", " "),
                call.remote,
                call.local,
                span(now - call.answered) if call.answered else "-",
            )
            for call in calls
        ],
    )


def accounts_table(accounts: Sequence[records.AccountInfo], now: float) -> str:
    """The list of accounts; `now` is wall clock time."""
    if not accounts:
        return "no accounts"
    return table(
        ("ACCOUNT", "STATE", "CONTACT"),
        [(_where(each), standing(each, now), each.contact or "-") for each in accounts],
    )


def _where(account: records.AccountInfo | records.AccountChanged) -> str:
    """The account, and the registrar where that is another than its first."""
    return f"{account.account} at {account.registrar}" if account.registrar else account.account


def standing(account: records.AccountInfo | records.AccountChanged, now: float) -> str:
    """What is true of an account, for people."""
    bound = f"bound for {span(account.until - now)}" if account.until > now else ""
    if account.state == "registered":
        return f"registered until {clock(account.until)} ({span(account.until - now)})"
    why = " ".join(filter(None, (str(account.status or ""), account.reason)))
    since = f"since {clock(account.since)}" if account.since else ""
    words = [account.state, since, f"because of {why}" if why else ""]
    return ", ".join(filter(None, (" ".join(filter(None, words)), bound)))


def children_table(children: Sequence[records.Child], now: float) -> str:
    """The supervisor's children; `now` is wall clock time."""
    return table(
        ("NAME", "PID", "STATE", "RESTARTS", "EPOCH", "SINCE"),
        [
            (
                child.name,
                str(child.pid) if child.pid else "-",
                child.state,
                str(child.restarts),
                str(child.epoch),
                f"{clock(child.since)} ({span(now - child.since)})",
            )
            for child in children
        ],
    )


def event_line(event: records.Event | Lost) -> str:
    """One event in one line."""
    if isinstance(event, Lost):
        return f"{'':8}  --  events after {event.after} and before {event.next} are lost"
    moment = getattr(event, "time", 0.0)
    head = f"{clock(moment) if moment else '':8}  {event.seq}"
    call = getattr(event, "call", "")
    return printable(f"{head}  {call + '  ' if call else ''}{sentence(event)}")


def sentence(event: records.Event) -> str:
    """What an event says, without its number, time and call."""
    return SENTENCES[type(event)](event)


def _received(event: records.CallReceived) -> str:
    name = f'"{event.display_name}" ' if event.display_name else ""
    return f"call in from {name}{event.remote} to {event.local}"


def _placed(event: records.CallPlaced) -> str:
    by = f" by {event.account}" if event.account else f" as {event.local}" if event.local else ""
    return f"call out to {event.remote}{by}"


def _played(event: records.CallPlayFinished) -> str:
    return f"{event.path} {'could not be played: ' + event.error if event.error else 'has been played'}"


def _answered(event: records.CallAnswered) -> str:
    return f"answered, {event.encoding}/{event.clock_rate}" if event.encoding else "answered"


def _held(event: records.CallHoldChanged) -> str:
    by = [name for name, on in (("us", event.local), ("the peer", event.remote)) if on]
    return f"held by {' and by '.join(by)}" if by else "off hold"


def _asked_to_call(event: records.CallTransferRequested) -> str:
    what = f"to be answered as {event.request}" if event.request else event.placed or "refused"
    return f"asked to call {event.target}: {what}"


def ended(event: records.CallEnded) -> str:
    """How a call ended, for people."""
    if event.outcome == "answered":
        counts = f"{event.packets_sent} sent, {event.packets_received} received, {event.packets_lost} lost"
        heard = f"; MOS {event.mos:.1f}" if event.mos else ""
        return f"ended by {event.by} after {span(event.talking)}; RTP packets: {counts}{heard}"
    status = "" if event.by == "error" else str(event.status or "")  # what went wrong here has no status of SIP
    why = " ".join(filter(None, (status, event.reason)))
    return event.outcome.replace("_", " ") + (f": {why}" if why else "")


# A sentence a kind. Here one is added.
SENTENCES: dict[type, Callable[[Any], str]] = {
    records.CallPlaced: _placed,
    records.CallReceived: _received,
    records.CallProgressed: lambda event: f"{event.status} {event.reason}",
    records.CallAnswered: _answered,
    records.CallEnded: ended,
    records.CallPlayFinished: _played,
    records.CallRecordFailed: lambda event: f"recording to {event.path} stopped: {event.error}",
    records.CallDigitReceived: lambda event: f"digit {event.digit} for {event.duration} ms ({event.method})",
    records.CallNoticed: lambda event: f"{event.kind.replace('_', ' ')}: {event.text}",
    records.CallOffered: lambda event: (
        f"{event.method or 'a response'} {'offers a session' if event.sdp else 'wants an offer'}, as {event.offer}"
    ),
    records.CallOfferAnswered: lambda event: f"our offer: {event.status} {event.reason}",
    records.CallHoldChanged: _held,
    records.CallBridged: lambda event: f"bridged with {', '.join(event.others)}",
    records.CallUnbridged: lambda event: f"in no bridge{': ' if event.reason else ''}{event.reason}",
    records.CallMuteChanged: lambda event: "unmuted" if event.what == "none" else f"muted: {event.what}",
    records.CallTransferProgressed: lambda event: f"transfer: {event.status} {event.reason}",
    records.CallTransferRequested: _asked_to_call,
    records.CallClaimed: lambda event: f"claimed by {event.worker or 'a worker'}",
    records.CallReleased: lambda event: f"{event.worker or 'its worker'} has it no more: {event.reason}",
    records.AccountChanged: lambda event: f"{_where(event)} is {standing(event, event.time)}",
    RequestAnswered: lambda event: f"{event.method} to {event.uri}: {event.status} {event.reason}",
    CallRequestReceived: lambda event: f"{event.method} asked as {event.request}: {event.body}",
    ReferReceived: lambda event: (
        f"{event.remote} asks us to call {event.target}: "
        + (f"to be answered as {event.request}" if event.request else event.placed)
    ),
    MessageReceived: lambda event: f"message from {event.remote}: {event.body}",
    SubscriptionChanged: lambda event: f"subscription {event.subscription} is {event.state}",
    SubscriptionEnded: lambda event: f"subscription {event.subscription} ended: {event.status or ''} {event.reason}",
    NotifyReceived: lambda event: f"{event.event} of {event.remote} is {event.state}",
    MessagesWaiting: lambda event: f"messages wait: {'yes' if event.waiting else 'no'} {dict(event.counts)}",
    PublicationChanged: lambda event: f"publication {event.publication} is {event.state} {event.reason}".rstrip(),
    records.ServiceStarted: lambda _: "service started",
    SubscriptionReceived: lambda event: f"{event.remote} subscribes to {event.event} of {event.local}",
    SubscriberLeft: lambda event: f"subscriber {event.subscription} left: {event.status or ''} {event.reason}",
    records.PeerChanged: lambda event: (
        f"{event.account} {'answers' if event.reachable else 'does not answer'}: {event.status}"
    ),
    records.UnknownEvent: lambda event: f"{event.type} {event.fields}",
}
