"""Digest as a server (RFC 3261 s22, RFC 7616): whether a request that begins something proves who sent it.

The challenge is made in the transaction shard, which remembers nothing and lets in what answers a fresh nonce of its
own. What the answer is worth is seen here: a known user, the right digest, a count that was not used before, and an
identity that is the user's. For a user that does not exist as much is computed as for one that does.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from actors.dialog.accounts import Secret
from actors.sip import RemoteProtocolError, Request
from actors.sip.credentials import Challenge, Credentials, OtherScheme, parse_credentials
from actors.sip.digest import NonceCounts, answers, ha1, verify

MAX_NONCES = 10_000  # whose counts are remembered; they grow old in minutes
STALE = "0"  # a nonce that nobody takes: the shard answers it with a fresh one of its own


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may send us what begins a call or another thing.

    Attributes:
        name: of the credentials.
        secret: the password.
        identities: the users of From URIs that are theirs, beside `name`; ``*`` for any, as trunks need.
    """

    name: str
    secret: Secret = Secret()
    identities: tuple[str, ...] = ()


class Guard:
    """Judges requests outside of any dialog.

    The counts are kept in memory: a nonce is fresh for minutes only.

    Args:
        realm: for which credentials are asked.
        users: who they are.
    """

    def __init__(self, realm: str, users: Iterable[User]) -> None:
        self._realm = realm
        self._users = {user.name: user for user in users}
        self._nobody = User(name="", secret=Secret("nobody"))
        self._counts: OrderedDict[str, NonceCounts] = OrderedDict()

    def judge(self, request: Request) -> int:
        """The status to refuse a request with: 0 for none, 401 for a count that was used, else 403.

        Raises:
            RemoteProtocolError: its From is malformed.
        """
        found = self._credentials(request)
        if found is None:
            return 403
        user = self._users.get(found.username, self._nobody)
        asked = Challenge(self._realm, found.nonce, found.algorithm, ("auth",))
        secret = ha1(found.algorithm, found.username, self._realm, user.secret.value)
        proven = verify(found, secret, request.method, request.body) and answers(found, asked)
        if not proven or user is self._nobody or found.uri != request.uri:
            return 403
        if not self._is_new(found):
            return 401
        sender = request.from_.uri.user or ""
        return 0 if sender == user.name or "*" in user.identities or sender in user.identities else 403

    def challenge(self) -> tuple[tuple[str, str], ...]:
        """The header lines of a 401 to a count that was used already: the credentials are right, the nonce is not."""
        lines = [Challenge(self._realm, STALE, name, ("auth",), stale=True) for name in ("SHA-256", "MD5")]
        return tuple([("WWW-Authenticate", str(line)) for line in lines])

    def _credentials(self, request: Request) -> Credentials | None:
        """The credentials for our realm, None where there are none that can be read."""
        try:
            found = [parse_credentials(value) for value in request.get_all("Authorization")]
        except RemoteProtocolError:
            return None
        ours = [each for each in found if not isinstance(each, OtherScheme) and each.realm == self._realm]
        known = [each for each in ours if each.algorithm.upper() in ("", "MD5", "SHA-256")]
        return known[0] if known else None

    def _is_new(self, found: Credentials) -> bool:
        """Whether this count of its nonce was not used before; one without a count serves once."""
        counts = self._counts.pop(found.nonce, NonceCounts())
        after = counts.take(found.nonce_count or 1)
        self._counts[found.nonce] = after or counts
        if len(self._counts) > MAX_NONCES:
            self._counts.popitem(last=False)
        return after is not None
