"""What a request to a SIPS URI must be like, as far as its transport decides: RFC 5630, pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from actors.sip.vocabulary import Flow, Head

_CONTACT = re.compile(rb"\r\n(?:contact|m)[ \t]*+:([^\r]*+(?:\r\n[ \t][^\r]*+)*+)", re.IGNORECASE)
_SIP = re.compile(rb"(?:<|^|,)\s*sip:", re.IGNORECASE)
# These begin a dialog or refresh its target; what REGISTER binds may be sip (RFC 5630 section 5.1.1.1).
_TARGETS = frozenset({"INVITE", "SUBSCRIBE", "REFER", "NOTIFY", "UPDATE"})


class Objection(NamedTuple):
    """How a request is refused: status, reason phrase, and the value of its Warning header or nothing."""

    status: int
    reason: str
    warning: str = ""


class Sips(NamedTuple):
    """The rules.

    Attributes:
        offered: whether we have a TLS listener.
        policy: ``allowed``, ``refused`` or ``required`` (section 5.1.2).
    """

    offered: bool
    policy: str = "allowed"

    def objection(self, raw: bytes, head: Head, flow: Flow) -> Objection | None:
        """Why a request is refused, None if it is not.

        Args:
            raw: the request.
            head: its head.
            flow: the way it came.
        """
        start = len(head.method) + 1
        if raw[start : start + 5].lower() == b"sips:":
            return self._objection_to_secure(raw, head, flow)
        if self.policy == "required" and not head.to_tag and head.method not in {"ACK", "CANCEL"}:
            return Objection(480, "SIPS Required", f'381 {_agent(flow)} "SIPS Required"')
        return None

    def _objection_to_secure(self, raw: bytes, head: Head, flow: Flow) -> Objection | None:
        if not self.offered:
            return Objection(416, "Unsupported URI Scheme")  # RFC 3261 section 8.2.2.1
        if flow.transport != "tls":
            return Objection(400, "SIPS Needs TLS")  # RFC 3261 section 26.2.2; RFC 5630 has no last hop without it
        if self.policy == "refused":
            return Objection(480, "SIPS Not Allowed", f'380 {_agent(flow)} "SIPS Not Allowed"')
        if head.method in _TARGETS and _has_sip_contact(raw):
            return Objection(400, "SIPS Request With SIP Contact")  # section 5.1.2
        return None


def _has_sip_contact(raw: bytes) -> bool:
    contact = _CONTACT.search(raw, 0, raw.find(b"\r\n\r\n") + 2)
    return contact is not None and _SIP.search(contact[1].strip()) is not None


def _agent(flow: Flow) -> str:
    """Who warns (RFC 3261 section 20.43)."""
    return f"[{flow.local_host}]" if ":" in flow.local_host else flow.local_host
