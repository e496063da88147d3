"""Digest authentication (RFC 7616, RFC 8760, RFC 3261 s22.4; AKAv1 RFC 3310), as pure functions on both sides.

Nonces, cnonces and counts are arguments: nothing here has a clock, a source of random numbers or a memory. Everywhere
the secret is the HA1, H(username:realm:password): stored as it is, or made of a password by :func:`ha1`.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from actors.sip.credentials import (
    AuthenticationInfo,
    Challenge,
    Credentials,
    OtherScheme,
    parse_authentication_info,
    parse_challenge,
    parse_credentials,
)
from actors.sip.errors import LocalProtocolError, RemoteProtocolError

__all__ = [
    "ALGORITHMS",
    "AkaNonce",
    "Algorithm",
    "AuthenticationInfo",
    "Challenge",
    "Credentials",
    "NonceCounts",
    "OtherScheme",
    "Session",
    "aka_nonce",
    "algorithm_of",
    "answers",
    "choose",
    "confirm",
    "confirms",
    "digest",
    "ha1",
    "parse_authentication_info",
    "parse_challenge",
    "parse_credentials",
    "user_hash",
    "verify",
]

MAX_COUNT = 0xFFFFFFFF
_WINDOW = 64  # counts behind the highest that may still come, since UDP reorders


class Algorithm(NamedTuple):
    """A way to make digests.

    Attributes:
        name: as it is written.
        hash: what hashlib calls its hash.
        session: whether its key is made of nonce and cnonce too (``-sess``, RFC 7616 s3.4.2).
        aka: whether the password is the RES of AKA (RFC 3310 s3.3).
    """

    name: str
    hash: str
    session: bool
    aka: bool

    @property
    def weak(self) -> bool:
        """Whether it stands for old peers alone (RFC 8760 s3)."""
        return self.hash == "md5"

    def of(self, *parts: str | bytes) -> str:
        """The hash, in hexadecimal, of `parts` with colons between them."""
        data = b":".join([part if isinstance(part, bytes) else _octets(part) for part in parts])
        return hashlib.new(self.hash, data, usedforsecurity=False).hexdigest()


# SHA-512/256 is a hash of its own with other initial values, not SHA-512 cut short, whatever RFC 7616 s3.9.2 prints.
_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
# By upper-case name. A Python without one of the hashes ignores the challenges that ask for it.
ALGORITHMS = {
    name.upper(): Algorithm(name, hashed, bool(suffix), bool(prefix))
    for base, hashed in _HASHES.items()
    if hashed in hashlib.algorithms_available
    for prefix in ("", "AKAv1-")
    for suffix in ("", "-sess")
    for name in (prefix + base + suffix,)
}
_octets: Callable[[str], bytes] = partial(str.encode, encoding="utf-8", errors="surrogateescape")


def algorithm_of(name: str) -> Algorithm | None:
    """The algorithm of that name in any case, MD5 for an empty one (RFC 7616 s3.3); None if it is not known."""
    return ALGORITHMS.get(name.upper() or "MD5")


def _known(name: str) -> Algorithm:
    algorithm = algorithm_of(name)
    if algorithm is None:
        raise LocalProtocolError(f"not a digest algorithm: {name!r}")
    return algorithm


def ha1(algorithm: str, username: str, realm: str, password: str | bytes) -> str:
    """H(username:realm:password), what a server may store instead of the password (RFC 7616 s3.4.2, 3.6).

    Args:
        algorithm: its name, empty for MD5; one with ``-sess`` gives the same as without.
        username: not hashed.
        realm: of the challenge.
        password: text is taken as UTF-8; of AKAv1 the RES, or nothing beside an `auts` (RFC 3310 s3.3, 3.4).

    Raises:
        LocalProtocolError: the algorithm is not known.
    """
    return _known(algorithm).of(username, realm, password)


def user_hash(algorithm: str, username: str, realm: str) -> str:
    """The user name as a client sends it where the challenge says userhash (RFC 7616 s3.4.4).

    Raises:
        LocalProtocolError: the algorithm is not known.
    """
    return _known(algorithm).of(username, realm)


def digest(secret: str, credentials: Credentials, method: str, body: bytes = b"") -> str:
    """The response that `credentials` should hold, whatever they hold (RFC 7616 s3.4.1).

    Args:
        secret: the HA1.
        credentials: what algorithm, nonces, count, qop and URI are taken from.
        method: of the request; empty for the server's own digest (s3.5).
        body: of the message: of concern to auth-int alone.

    Raises:
        LocalProtocolError: the algorithm is not known.
    """
    algorithm = _known(credentials.algorithm)
    cnonce = credentials.cnonce or ""
    if algorithm.session:
        secret = algorithm.of(secret, credentials.nonce, cnonce)
    if credentials.qop.lower() == "auth-int":
        request = algorithm.of(method, credentials.uri, algorithm.of(body))
    else:
        request = algorithm.of(method, credentials.uri)
    if not credentials.qop:  # as RFC 2069 had it
        return algorithm.of(secret, credentials.nonce, request)
    return algorithm.of(secret, credentials.nonce, credentials.nc, cnonce, credentials.qop, request)


def _same(mine: str, theirs: str) -> bool:
    """Whether two hexadecimal digests are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(_octets(mine), _octets(theirs.lower()))


# The client's side.


def choose(
    challenges: Iterable[Challenge | OtherScheme], *, strongest: bool = False, aka: bool = False
) -> Challenge | None:
    """The challenge to answer: the topmost that can be, None where none can (RFC 8760 s2.4).

    Args:
        challenges: of one realm, in their order.
        strongest: by policy the topmost that does not use MD5, if there is one.
        aka: whether there is a card that answers AKAv1; else those challenges are passed over.
    """
    found: Challenge | None = None
    for challenge in challenges:
        if isinstance(challenge, OtherScheme):
            continue
        algorithm = algorithm_of(challenge.algorithm)
        if algorithm is None or (algorithm.aka and not aka):
            continue
        if challenge.qop and not {"auth", "auth-int"}.intersection(challenge.qop):
            continue
        if algorithm.session and not challenge.qop:  # there would be no cnonce (RFC 3261 s22.4 rule 8)
            continue
        if not strongest or not algorithm.weak:
            return challenge
        found = found or challenge
    return found


@dataclass(frozen=True, slots=True)
class Session:
    """A client's authentication session: from one challenge to the next (RFC 7616 s3.6).

    A step gives the session as it is afterwards; a count is never used twice.

    Attributes:
        challenge: what is answered.
        username: not hashed.
        secret: the HA1 of the challenge's algorithm and realm.
        cnonce: the client's token, the same all through: a key of ``-sess`` is made of it.
        nonce: what the next request is answered to: that of the challenge until the server gave another.
        count: how many requests were sent with that nonce.
    """

    challenge: Challenge
    username: str
    secret: str = field(repr=False)
    cnonce: str
    nonce: str
    count: int = 0

    @classmethod
    def begin(cls, challenge: Challenge, username: str, secret: str, cnonce: str) -> Session:
        """The session that `challenge` begins."""
        return cls(challenge, username, secret, cnonce, challenge.nonce)

    def authorize(
        self, method: str, uri: str, body: bytes = b"", *, integrity: bool = False, auts: str | None = None
    ) -> tuple[Session, Credentials]:
        """The credentials of one request.

        Args:
            method: of the request.
            uri: its Request-URI, as it is written in it.
            body: its body.
            integrity: take auth-int where it is offered beside auth; what changes bodies on the way breaks it.
            auts: AKA's token in Base64 (RFC 3310 s3.4); the secret is then that of an empty password.

        Raises:
            LocalProtocolError: the algorithm is not known, or the nonce was used too often.
        """
        challenge = self.challenge
        name = challenge.algorithm
        if self.count >= MAX_COUNT:
            raise LocalProtocolError("the nonce count is at its end")
        qop = ""
        if challenge.qop:
            qop = "auth-int" if "auth-int" in challenge.qop and (integrity or "auth" not in challenge.qop) else "auth"
        blank = Credentials(
            username=user_hash(name, self.username, challenge.realm) if challenge.userhash else self.username,
            realm=challenge.realm,
            nonce=self.nonce,
            uri=uri,
            response="",
            algorithm=name,
            qop=qop,
            cnonce=self.cnonce if qop else None,  # RFC 3261 s22.4 rule 8
            nc=f"{self.count + 1:08x}" if qop else "",
            opaque=challenge.opaque,
            userhash=challenge.userhash,
            auts=auts,
        )
        response = digest(self.secret, blank, method, body)
        return replace(self, count=self.count + 1), replace(blank, response=response)

    def informed(self, info: AuthenticationInfo) -> Session:
        """The session after an Authentication-Info: with its nextnonce, if it has one (RFC 7616 s3.5).

        A key of ``-sess`` is then made of the new nonce: a server without memory can make it of nothing else.
        """
        if info.nextnonce is None or info.nextnonce == self.nonce:
            return self
        return replace(self, nonce=info.nextnonce, count=0)


def confirms(info: AuthenticationInfo, credentials: Credentials, secret: str, body: bytes = b"") -> bool:
    """Whether the server that sent `info` knows the secret too; False where it does not say (RFC 7616 s3.5).

    Args:
        info: as it came in the response.
        credentials: of the request.
        secret: the HA1.
        body: of the response.

    Raises:
        LocalProtocolError: the algorithm is not known.
    """
    said = (info.qop.lower(), info.cnonce, info.nc)
    if info.rspauth is None or (info.qop and said != (credentials.qop.lower(), credentials.cnonce, credentials.nc)):
        return False
    return _same(digest(secret, credentials, "", body), info.rspauth)


# The server's side.


def answers(credentials: Credentials, challenge: Challenge) -> bool:
    """Whether `credentials` are for `challenge`: its realm, nonce, opaque, algorithm and one of its qops.

    What it does not offer is not taken, so that nobody on the way lowers it (RFC 8760 s3); but no qop at all, as
    RFC 2069 had it, is taken of an algorithm that is old too (RFC 3261 s22.4).
    """
    algorithm = algorithm_of(credentials.algorithm)
    if algorithm is None or algorithm != algorithm_of(challenge.algorithm):
        return False
    old = not challenge.qop or algorithm.weak
    fits = credentials.qop.lower() in challenge.qop if credentials.qop else old
    return fits and (credentials.realm, credentials.nonce, credentials.opaque or "") == (
        challenge.realm,
        challenge.nonce,
        challenge.opaque or "",
    )


def verify(credentials: Credentials, secret: str, method: str, body: bytes = b"") -> bool:
    """Whether the sender of `credentials` knows the secret, in constant time (RFC 7616 s3.6).

    That the nonce is of this server and fresh (:class:`NonceCounts`), and that all else was asked for
    (:func:`answers`), is for the caller to see. For a user that does not exist call it all the same, with any HA1, so
    that the time does not tell.

    Args:
        credentials: as they came.
        secret: the HA1.
        method: of the request.
        body: its body.
    """
    if algorithm_of(credentials.algorithm) is None or credentials.qop.lower() not in ("", "auth", "auth-int"):
        return False
    return _same(digest(secret, credentials, method, body), credentials.response)


def confirm(
    credentials: Credentials, secret: str, body: bytes = b"", *, nextnonce: str | None = None
) -> AuthenticationInfo:
    """What tells the client that the server knows the secret too (RFC 7616 s3.5).

    Args:
        credentials: that were verified.
        secret: the HA1.
        body: of the response.
        nextnonce: for the client's next request.

    Raises:
        LocalProtocolError: the algorithm is not known.
    """
    rspauth = digest(secret, credentials, "", body)
    if not credentials.qop:
        return AuthenticationInfo(nextnonce, rspauth=rspauth)
    return AuthenticationInfo(nextnonce, credentials.qop, rspauth, credentials.cnonce, credentials.nc)


@dataclass(frozen=True, slots=True)
class NonceCounts:
    """The counts that a nonce was used with: each is taken once, somewhat out of order too (RFC 7616 s3.4).

    Attributes:
        highest: the highest taken.
        seen: a bit for each of the last 64: bit 0 is `highest`.
    """

    highest: int = 0
    seen: int = 0

    def take(self, count: int) -> NonceCounts | None:
        """The counts with `count` among them; None where it was taken already or is too old."""
        ahead = count - self.highest
        if ahead > 0:
            kept = self.seen << ahead if ahead < _WINDOW else 0
            return NonceCounts(count, (kept | 1) & (2**_WINDOW - 1))
        bit = 1 << -ahead if ahead > -_WINDOW else 0
        if count < 1 or not bit or self.seen & bit:
            return None
        return NonceCounts(self.highest, self.seen | bit)


class AkaNonce(NamedTuple):
    """What a nonce of AKAv1 holds (RFC 3310 s3.2): RAND and AUTN of 16 bytes each, and the server's own data."""

    rand: bytes
    autn: bytes
    server_data: bytes

    def __str__(self) -> str:
        if len(self.rand) != 16 or len(self.autn) != 16:
            raise LocalProtocolError("RAND and AUTN have 16 bytes each")
        return binascii.b2a_base64(b"".join(self), newline=False).decode("ascii")


def aka_nonce(nonce: str) -> AkaNonce:
    """Read a nonce of AKAv1.

    Raises:
        RemoteProtocolError: None as its status: a challenge is never answered with an error.
    """
    try:
        data = binascii.a2b_base64(nonce.encode("ascii"), strict_mode=True)
    except ValueError:
        raise RemoteProtocolError(None, "Malformed AKA nonce") from None
    if len(data) < 32:
        raise RemoteProtocolError(None, "Malformed AKA nonce")
    return AkaNonce(data[:16], data[16:32], data[32:])
