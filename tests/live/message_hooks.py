"""Hooks for test_hooks.py, in a module of their own: the service's processes find them by their names."""

from __future__ import annotations

from typing import Any

from actors.sip.vocabulary import Flow


def mark(message: Any) -> Any:
    """Write a header into all that is sent; what the Subject asks for, a hook should not do."""
    match message.get("Subject"):
        case "raise":
            raise ValueError("as asked")
        case "nonsense":
            return 42
        case "break":
            message.set("Call-ID", "another")
        case _:
            message.set("X-Hook", "seen")
    return None


def deaf(message: Any, flow: Flow) -> bool:
    """Hear nothing that says so."""
    return message.get("X-Deaf") is not None and flow.transport == "udp"
