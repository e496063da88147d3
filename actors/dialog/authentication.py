"""Digest as a client (RFC 3261 s22, RFC 7616, RFC 8760): which challenges of a 401 or 407 are answered, and how.

An :class:`Authenticator` is a value that its owner keeps in its cell. It holds no secret: the account has that. What
binds credentials is who asks (a callee must not be able to call up our trunk's):

- a 407 is answered where the next hop is a host of the account;
- a 401 is answered where the Request-URI is at a host of the account: whoever else said it stands beyond the proxy.

Within one request a realm is answered once, and again only where the server says that nothing but the nonce was wrong
(RFC 3261 s22.1: credentials that were rejected are not sent again); five times in all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from actors.dialog.accounts import Account, host_of
from actors.dialog.attempt import Attempt, AttemptState
from actors.sip import LocalProtocolError, RemoteProtocolError, Response
from actors.sip.credentials import Challenge, OtherScheme, parse_authentication_info, parse_challenge
from actors.sip.digest import Session, choose

replace = msgspec.structs.replace

CHALLENGES = (401, 407)
MAX_TRIES = 5  # challenges that one request answers
MAX_REALMS = 8  # that an owner keeps credentials for; a chain of more proxies would be a wonder


class Protection(msgspec.Struct, frozen=True, array_like=True):
    """A realm that asked for credentials, and the nonce in use there.

    Attributes:
        proxy: whether a proxy asked (407).
        challenge: what is answered.
        cnonce: ours, the same as long as the challenge is.
        nonce: of the challenge, or a later one (Authentication-Info).
        count: how many requests were sent with it.
    """

    proxy: bool
    challenge: Challenge
    cnonce: str
    nonce: str
    count: int = 0


class Where(NamedTuple):
    """Where a request went.

    Attributes:
        next_hop: the host of its first hop, as it is named or numbered.
        uri: its Request-URI.
    """

    next_hop: str
    uri: str


class Authenticator(msgspec.Struct, frozen=True, array_like=True):
    """What an owner of requests knows of those that asked it for credentials.

    Attributes:
        hosts: to which its account may be proved, lower case.
        protections: a realm each, in the order they asked.
        answered: the realms, each with whether a proxy asked, that the request in hand has answered already.
        tries: how often it was sent again.
    """

    hosts: tuple[str, ...]
    protections: tuple[Protection, ...] = ()
    answered: tuple[tuple[bool, str], ...] = ()
    tries: int = 0


def begin(account: Account) -> Authenticator:
    """An authenticator for the requests of `account`."""
    return Authenticator(account.hosts)


def fresh(authenticator: Authenticator) -> Authenticator:
    """The authenticator for the next request: what is known of realms stays."""
    return replace(authenticator, answered=(), tries=0) if authenticator.tries else authenticator


def widened(authenticator: Authenticator, host: str) -> Authenticator:
    """The authenticator with one more host: an address that a host of the account was located at."""
    if host.lower() in authenticator.hosts:
        return authenticator
    return replace(authenticator, hosts=(*authenticator.hosts, host.lower()))


def challenged(
    authenticator: Authenticator, account: Account, response: Response, where: Where, token: Callable[..., str]
) -> Authenticator | None:
    """The authenticator after a 401 or 407, None where it has nothing new to answer.

    Args:
        authenticator: of the request's owner.
        account: whose credentials they are.
        response: the challenge.
        where: the request went.
        token: makes a secret token of its arguments (:meth:`actors.dialog.names.Names.token`).
    """
    if authenticator.tries >= MAX_TRIES:
        return None
    protections = {(each.proxy, each.challenge.realm): each for each in authenticator.protections}
    answered = list(authenticator.answered)
    for proxy, name in ((False, "WWW-Authenticate"), (True, "Proxy-Authenticate")):
        host = where.next_hop if proxy else host_of(where.uri)
        if host.lower() not in authenticator.hosts:
            continue
        for realm, offered in _by_realm(response, name).items():
            challenge = _chosen(offered, account)
            key = (proxy, realm)
            if challenge is None or (key in authenticator.answered and not challenge.stale):
                continue
            known = protections.get(key)
            if known is not None and challenge.nonce in (known.nonce, known.challenge.nonce):
                continue  # just that nonce was answered
            cnonce = token("cnonce", challenge.nonce, realm)
            protections.pop(key, None)  # the latest last: the oldest are dropped first
            protections[key] = Protection(proxy, challenge, cnonce, challenge.nonce)
            if key not in answered:
                answered.append(key)
    kept = tuple(protections.values())[-MAX_REALMS:]
    if kept == authenticator.protections:
        return None
    return replace(authenticator, protections=kept, answered=tuple(answered), tries=authenticator.tries + 1)


def _by_realm(response: Response, name: str) -> dict[str, list[Challenge]]:
    """The Digest challenges of a response by realm, in their order; what cannot be read is passed over."""
    found: dict[str, list[Challenge]] = {}
    try:
        values = response.get_all(name)
    except RemoteProtocolError:
        return found
    for value in values:
        try:
            challenge = parse_challenge(value)
        except RemoteProtocolError:
            continue
        if not isinstance(challenge, OtherScheme):
            found.setdefault(challenge.realm, []).append(challenge)
    return found


def _chosen(offered: list[Challenge], account: Account) -> Challenge | None:
    """The challenge of a realm that the account answers."""
    able = [each for each in offered if account.ha1(each.realm, each.algorithm) is not None]
    return choose(able, strongest=account.strongest)


def credentials(
    authenticator: Authenticator, account: Account, method: str, uri: str, body: bytes = b""
) -> tuple[Authenticator, tuple[tuple[str, str], ...]]:
    """The header lines that prove the account for one request, a line a realm, and the authenticator after it.

    Args:
        authenticator: of the request's owner.
        account: whose secret it is.
        method: of the request.
        uri: its Request-URI, as it is written in it.
        body: its body, for auth-int.
    """
    lines: list[tuple[str, str]] = []
    protections: list[Protection] = []
    for each in authenticator.protections:
        secret = account.ha1(each.challenge.realm, each.challenge.algorithm)
        if secret is None:  # the configuration changed
            continue
        session = Session(each.challenge, account.username, secret, each.cnonce, each.nonce, each.count)
        try:
            session, proof = session.authorize(method, uri, body)
        except LocalProtocolError:  # the count is at its end: the server will challenge anew
            continue
        protections.append(replace(each, count=session.count))
        lines.append(("Proxy-Authorization" if each.proxy else "Authorization", str(proof)))
    return replace(authenticator, protections=tuple(protections)), tuple(lines)


def informed(authenticator: Authenticator, response: Response) -> Authenticator:
    """The authenticator after a success: with the nonce that it names for the next request (RFC 7616 s3.5)."""
    protections = list(authenticator.protections)
    for proxy, name in ((False, "Authentication-Info"), (True, "Proxy-Authentication-Info")):
        value = response.get(name)
        of = [number for number, each in enumerate(protections) if each.proxy == proxy]
        if value is None or len(of) != 1:  # the header names no realm
            continue
        try:
            info = parse_authentication_info(value)
        except RemoteProtocolError:
            continue
        old = protections[of[0]]
        if info.nextnonce and info.nextnonce != old.nonce:
            protections[of[0]] = replace(old, nonce=info.nextnonce, count=0)
    return replace(authenticator, protections=tuple(protections))


# A request that is sent again.


def again(request: bytes, seq: int, lines: tuple[tuple[str, str], ...]) -> bytes:
    """`request` (without its Via) with another CSeq number and these credentials in place of its own.

    Call-ID, From tag and all else stay (RFC 3261 s8.1.3.5, 22.2).
    """
    head, _, body = request.partition(b"\r\n\r\n")
    kept = []
    for line in head.split(b"\r\n"):
        name = line.partition(b":")[0].strip().lower()
        if name in (b"authorization", b"proxy-authorization"):
            continue
        if name == b"cseq":
            kept.append(b"CSeq: %d %s" % (seq, line.split()[-1]))
            kept += [f"{field}: {value}".encode("utf-8", "surrogateescape") for field, value in lines]
        else:
            kept.append(line)
    return b"\r\n".join(kept) + b"\r\n\r\n" + body


def target_of(request: bytes) -> str:
    """The Request-URI of a request, as it is written in it."""
    return request.split(b" ", 2)[1].decode("utf-8", "surrogateescape")


def retry(attempt: Attempt, request: bytes, seq: int) -> Attempt:
    """`attempt` ready to send `request` to the candidate that challenged it, in a transaction of its own."""
    name = f"{attempt.name.partition('#')[0]}#{seq}"
    return replace(attempt, state=AttemptState.CHOSEN, name=name, request=request, key=None)


class Proven(NamedTuple):
    """A request that is to be sent again with credentials."""

    authenticator: Authenticator
    attempt: Attempt
    seq: int


def answer(
    authenticator: Authenticator,
    account: Account,
    attempt: Attempt,
    response: Response,
    next_hop: str,
    seq: int,
    token: Callable[..., str],
) -> Proven | None:
    """What to send after a 401 or 407 to `attempt`, None where there is nothing new to say.

    Args:
        authenticator: of the request's owner.
        account: whose credentials they are.
        attempt: the request as it was sent.
        response: the challenge.
        next_hop: the URI or host that the request was sent to first.
        seq: the CSeq number to send it with.
        token: as in :func:`challenged`.
    """
    uri, body = target_of(attempt.request), attempt.request.partition(b"\r\n\r\n")[2]
    where = Where(host_of(next_hop) or next_hop, uri)
    after = challenged(authenticator, account, response, where, token)
    if after is None:
        return None
    after, lines = credentials(after, account, attempt.method, uri, body)
    return Proven(after, retry(attempt, again(attempt.request, seq, lines), seq), seq)


def proofs_of(request: bytes) -> tuple[tuple[str, str], ...]:
    """The credentials in a request of ours: the ACK to its 2xx has the same (RFC 3261 s13.2.2.4, 22.1)."""
    head = request.partition(b"\r\n\r\n")[0].decode("utf-8", "surrogateescape")
    lines = [line.partition(": ") for line in head.split("\r\n")[1:]]
    return tuple((name, value) for name, _, value in lines if name in ("Authorization", "Proxy-Authorization"))
