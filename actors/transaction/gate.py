"""What may keep a request from getting a machine: a refusal or a challenge, decided by its bytes alone.

A gate remembers nothing. A flood of requests that it turns away costs an answer each and no memory (RFC 3261 sections
8.2.7 and 26.3.2.4), and a client that repeats its request is answered again.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from hmac import compare_digest
from typing import NamedTuple

from actors.sip import RemoteProtocolError, Request, parse
from actors.sip.credentials import Challenge, Credentials, parse_credentials
from actors.sip.vocabulary import Flow, Head

NEVER_CHALLENGED = frozenset({"ACK", "CANCEL"})
"""What cannot be sent again with credentials (RFC 3261 section 22.1)."""


class Refusal(NamedTuple):
    """A final response without a body, in place of a machine."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


Gate = Callable[[Flow, Head, bytes, float], Refusal | None]
"""Given a request's flow, its routing head, the whole of it and the second, says how it is refused; None lets it in."""


def let_in(_flow: Flow, _head: Head, _raw: bytes, _now: float) -> Refusal | None:
    """The gate that is always open."""
    return None


class Challenger:
    """A gate that lets in who answers a fresh challenge of ours; whether the answer is right its user has to verify.

    The nonce is its time and an HMAC over time, shard and realm: whoever knows no secret of ours makes none, and none
    is remembered. One that is too old or of another shard gets ``stale=true``, so that a client asks nobody for a
    password (RFC 7616 section 3.3).

    Args:
        realm: of the challenge.
        secret: 16 to 64 bytes that nobody else knows, the same over restarts.
        shard: goes into the nonce.
        exempt: addresses whose requests are let in as they are.
        lifetime: seconds for which a nonce is fresh.
        algorithms: of RFC 8760, one challenge each, the best first.
    """

    def __init__(
        self,
        realm: str,
        secret: bytes,
        *,
        shard: str = "",
        exempt: frozenset[str] = frozenset(),
        lifetime: float = 300.0,
        algorithms: tuple[str, ...] = ("SHA-256", "MD5"),
    ) -> None:
        self._realm = realm
        self._secret = secret
        self._shard = shard
        self._exempt = exempt
        self._lifetime = lifetime
        self._algorithms = algorithms

    def __call__(self, flow: Flow, head: Head, raw: bytes, now: float) -> Refusal | None:
        """Challenge a request that carries no credentials with a fresh nonce of ours for the realm."""
        if head.method in NEVER_CHALLENGED or flow.host in self._exempt:
            return None
        nonces = [each.nonce for each in _credentials(raw) if each.realm == self._realm]
        if any(self._is_fresh(nonce, now) for nonce in nonces):
            return None
        return Refusal(401, tuple([("WWW-Authenticate", str(each)) for each in self._challenges(bool(nonces), now)]))

    def nonce(self, now: float) -> str:
        """The nonce of this second."""
        return self._sealed(f"{int(now):x}")

    def _sealed(self, time: str) -> str:
        text = f"{time}\0{self._shard}\0{self._realm}".encode("utf-8", "surrogateescape")
        return f"{time}.{blake2b(text, digest_size=16, key=self._secret).hexdigest()}"

    def _is_fresh(self, nonce: str, now: float) -> bool:
        time = nonce.partition(".")[0]
        if not compare_digest(self._sealed(time).encode(), nonce.encode("utf-8", "surrogateescape")):
            return False
        return now - int(time, 16) <= self._lifetime  # it is sealed, so it is a number of ours

    def _challenges(self, stale: bool, now: float) -> list[Challenge]:
        nonce = self.nonce(now)
        return [
            Challenge(self._realm, nonce, algorithm=algorithm, qop=("auth",), stale=stale)
            for algorithm in self._algorithms
        ]


def _credentials(raw: bytes) -> list[Credentials]:
    """The digest credentials of a request; what cannot be read is none."""
    try:
        message = parse(raw)
    except RemoteProtocolError:
        return []
    if not isinstance(message, Request):
        return []
    found = []
    for value in message.get_all("Authorization"):
        try:
            parsed = parse_credentials(value)
        except RemoteProtocolError:
            continue
        if isinstance(parsed, Credentials):
            found.append(parsed)
    return found
