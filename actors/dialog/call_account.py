"""Calls by an account: whose name they carry, the way they take first, and the credentials they show when asked."""

from __future__ import annotations

from actors.dialog import authentication
from actors.dialog.accounts import host_of
from actors.dialog.attempt import Attempt, AttemptInput, News, advance
from actors.dialog.authentication import CHALLENGES
from actors.dialog.call import Agent, Asked, Call, Heard, replace
from actors.dialog.dialog_state import next_uri
from actors.dialog.identity import Identity
from actors.runtime.machine import Effects
from actors.sip import RemoteProtocolError, Response, parse

FIRST_SEQ = 1  # RFC 3261 s8.1.1.5: any number below 2**31


def of_order(agent: Agent, aor: str) -> Identity | None:
    """The identity of a call out by the account `aor`, None where there is no such account."""
    account = agent.accounts.get(aor)
    if account is None:
        return None
    return Identity(aor, authentication.begin(account), agent.routes(account))


def of_asked(agent: Agent, asked: Asked) -> Identity | None:
    """The identity of a call in: the account it came for, else the trunk it came from."""
    if not agent.accounts:
        return None
    called = agent.accounts.called(asked.request.uri, str(asked.request.to.uri))
    account = called or agent.accounts.of_peer(asked.flow.host)
    if account is None:
        return None
    return Identity(account.aor, authentication.begin(account))


def first_hop(identity: Identity, agent: Agent, uri: str) -> str:
    """The URI that the INVITE to `uri` is sent to."""
    account = agent.accounts.known(identity.aor)
    return identity.routes[0] if identity.routes else (account.outbound_proxy if account else "") or uri


def user(identity: Identity, agent: Agent) -> str:
    """The user part of our Contact: by it a request back is led to the account."""
    account = agent.accounts.known(identity.aor)
    return account.user if account is not None else agent.settings.user


def by_flow(identity: Identity, agent: Agent) -> bool:
    """Whether requests of the peer are to come by the flow that the INVITE takes (RFC 5626 s4.3)."""
    account = agent.accounts.known(identity.aor)
    return account is not None and account.outbound


def seq(call: Call) -> int:
    """The CSeq number of the INVITE of a call out."""
    return FIRST_SEQ + call.tries if call.identity is None else call.identity.seq


def read(raw: bytes) -> Response | None:
    """A challenge to a request that is otherwise not looked into; None where it cannot be read."""
    try:
        message = parse(raw)
    except RemoteProtocolError:
        return None
    return message if isinstance(message, Response) else None


def line(call: Call, agent: Agent, caller: str) -> tuple[str, int, tuple[tuple[str, str], ...]]:
    """The From of the INVITE of a call out, its CSeq number and its Route header lines.

    An account calls by its own name, unless the order names another that its trunk lets it use.

    Args:
        call: the call.
        agent: what all usages share.
        caller: the From URI where there is no account.
    """
    identity = call.identity
    if identity is None or call.order is None:
        return f"<{caller}>;tag={call.tag}", seq(call), ()
    account = agent.accounts.known(identity.aor)
    name = account.display_name if account is not None and not call.order.caller else ""
    quoted = f'"{name}" ' if name else ""
    routes = tuple([("Route", f"<{route}>") for route in identity.routes])
    return f"{quoted}<{call.order.caller or identity.aor}>;tag={call.tag}", identity.seq, routes


def proven(call: Call, agent: Agent, method: str, raw: bytes, seq: int) -> tuple[Call, bytes]:
    """A request of the call with the credentials that were asked for before, and the call that has counted them."""
    identity = call.identity
    account = None if identity is None else agent.accounts.known(identity.aor)
    if identity is None or account is None or not identity.proof.protections:
        return call, raw
    proof, lines = authentication.credentials(identity.proof, account, method, _uri(raw), _body(raw))
    identity = replace(identity, proof=proof)
    if method == "INVITE":
        identity = replace(identity, proofs=lines)
    return replace(call, identity=identity), authentication.again(raw, seq, lines)


def acknowledging(call: Call, raw: bytes, seq: int) -> bytes:
    """An ACK with the credentials of its INVITE."""
    return authentication.again(raw, seq, call.identity.proofs) if call.identity and call.identity.proofs else raw


def challenged(
    call: Call, agent: Agent, heard: Heard, attempt: Attempt, hop: str, seq: int
) -> tuple[Call, Attempt] | None:
    """The request of a call that was asked for credentials, to be sent again with `seq`; None where it stays refused.

    Args:
        call: its `identity` decides whether, and to whom, there is anything to show.
        agent: what all usages share.
        heard: the response.
        attempt: the request as it was sent.
        hop: the URI it was sent to first.
        seq: the next CSeq number.
    """
    identity = call.identity
    if heard.status not in CHALLENGES or heard.response is None or identity is None:
        return None
    account = agent.accounts.known(identity.aor)
    if account is None:
        return None
    again = authentication.answer(identity.proof, account, attempt, heard.response, hop, seq, agent.names.token)
    if again is None:
        return None
    identity = replace(identity, proof=again.authenticator)
    if attempt.method == "INVITE":
        identity = replace(identity, seq=seq, proofs=authentication.proofs_of(again.attempt.request))
    return replace(call, identity=identity), again.attempt


def again(call: Call, agent: Agent, heard: Heard, attempt: Attempt, now: float) -> tuple[Call, Attempt, Effects] | None:
    """A request in the dialog of a call that was asked for credentials, sent again; None where it stays refused."""
    dialog = call.dialog
    if call.identity is None or dialog is None:
        return None
    seq = dialog.local_seq + 1
    proven = challenged(call, agent, heard, attempt, next_uri(dialog), seq)
    if proven is None:
        return None
    call, attempt = proven
    attempt, effects = advance(attempt, AttemptInput.SEND, News(agent.names), now)
    return replace(call, dialog=replace(dialog, local_seq=seq)), attempt, effects


def located(call: Call, attempt: Attempt) -> Call:
    """The call once a host of its account, if that is where the INVITE goes, is known by its address too."""
    identity = call.identity
    if identity is None or not attempt.candidates or host_of(attempt.uri) not in identity.proof.hosts:
        return call
    proof = authentication.widened(identity.proof, attempt.candidate.target.host)
    return replace(call, identity=replace(identity, proof=proof))


def settled(call: Call) -> Call:
    """The call between two requests: the next one may be challenged afresh."""
    identity = call.identity
    if identity is None or not identity.proof.tries:
        return call
    return replace(call, identity=replace(identity, proof=authentication.fresh(identity.proof)))


def _uri(raw: bytes) -> str:
    return raw.split(b" ", 2)[1].decode("utf-8", "surrogateescape")


def _body(raw: bytes) -> bytes:
    return raw.partition(b"\r\n\r\n")[2]
