"""Trunks: how numbers and callers are written towards each. Pure."""

from __future__ import annotations

from dataclasses import replace as changed

import msgspec

from actors.dialog.call import Agent, Asked, Call
from actors.dialog.call_commands import PlaceCall
from actors.dialog.numbers import Rule, written
from actors.sip import RemoteProtocolError, uri
from actors.sip.headers import PAssertedIdentity

HEADERS = {"asserted": "P-Asserted-Identity", "preferred": "P-Preferred-Identity"}  # RFC 3325 s9


def _rewritten(text: str, rules: tuple[Rule, ...]) -> str:
    """A SIP URI with its user as the rules want it; what is none stays."""
    if not rules:
        return text
    try:
        parsed = uri.parse(text)
    except RemoteProtocolError:
        return text
    if not parsed.is_sip or parsed.user is None:
        return text
    user = written(parsed.user, rules)
    return text if user == parsed.user else str(changed(parsed, user=user))


def outward(agent: Agent, order: PlaceCall) -> PlaceCall:
    """A call as the trunk that it goes by wants it: whom it is to and who it is from in the trunk's own formats."""
    account = agent.accounts.get(order.account)
    if account is None:
        return order
    to, caller = _rewritten(order.uri, account.dial), _rewritten(order.caller, account.callers)
    headers = order.headers
    header = HEADERS.get(account.caller_id)
    if caller and header is not None:
        headers = (*headers, (header, f"<{caller}>"))
        caller = ""  # From has the account, by which the trunk knows us
    return msgspec.structs.replace(order, uri=to, caller=caller, headers=headers)


def inward(agent: Agent, asked: Asked, call: Call) -> Call:
    """A call in as we want it that came for an account: its caller, and whom it is to, in our formats.

    What a P-Asserted-Identity says is believed only of a host of the account (RFC 3325 s8).
    """
    account = None if call.identity is None else agent.accounts.get(call.identity.aor)
    if account is None:
        return call
    remote, name = call.remote, call.display_name
    if account.caller_id in HEADERS and agent.is_peer(account, asked.flow.host):
        remote, name = _asserted(asked) or (remote, name)
    remote, local = _rewritten(remote, account.incoming), _rewritten(call.local, account.incoming)
    if (remote, local) == (call.remote, call.local):
        return call
    return msgspec.structs.replace(call, remote=remote, local=local, display_name=name)


def _asserted(asked: Asked) -> tuple[str, str] | None:
    """The URI and the display name of the caller as the trunk asserts them, None where it does not.

    Raises:
        RemoteProtocolError: 400, the header is malformed.
    """
    found = asked.request.headers(PAssertedIdentity)
    sip = [each for each in found if each.uri.is_sip] or list(found)
    return (str(sip[0].uri), sip[0].display_name) if sip else None
