"""Which events are lines of the log, too, and what of them: ids, states and reasons, never what was said or pressed."""

from __future__ import annotations

import logging
from typing import Any

from actors.dialog.account_events import AccountChanged, PeerChanged
from actors.runtime.machine import Event

# Digits may be a number of a card, bodies and headers hold anything: a log is read by more people than the events are.
TOLD = (
    *("call", "account", "registrar", "worker", "remote", "local", "route", "state", "reachable", "outcome", "status"),
    *("reason", "by", "cause", "ringing", "talking", "kind", "method", "target", "path", "error", "others"),
    *("subscription", "publication", "request"),
)
TROUBLE = frozenset({AccountChanged, PeerChanged})


def level(event: Event) -> int:
    """How much an event matters to who runs the service: an account or a trunk that fails is a warning."""
    if isinstance(event, AccountChanged) and event.state == "failing":
        return logging.WARNING
    if isinstance(event, PeerChanged):
        return logging.INFO if event.reachable else logging.WARNING
    return logging.DEBUG


def fields(event: Event) -> dict[str, Any]:
    """What the line says beside the event's name; what is empty is left out."""
    told = ((name, getattr(event, name, None)) for name in TOLD)
    return {name: value for name, value in told if value not in (None, "", ())}
