"""Digest as a server (RFC 3261 s22, RFC 7616): whether a request that begins something proves who sent it.

The challenge is made in the transaction shard, which remembers nothing and lets in what answers a fresh nonce of its
own. What the answer is worth is seen here: a known user, the right digest, a count that was not used before, and an
identity that is the user's. For a user that does not exist as much is computed as for one that does.

The counts are cells, one for each nonce and who answers it: a replay is known after a kill too. Who sends from the
address of a trunk is not asked, here nor there: a carrier that is known by its address knows no password of ours.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from actors.dialog.accounts import Secret, User
from actors.dialog.call import Agent, Asked
from actors.dialog.effects import Reply
from actors.dialog.reply import answer
from actors.dialog.usage import Cells, Usage
from actors.runtime.machine import Effects
from actors.sip import RemoteProtocolError, Request
from actors.sip.credentials import Challenge, Credentials, OtherScheme, parse_credentials
from actors.sip.digest import NonceCounts, answers, ha1, verify

MAX_NONCES = 50_000  # whose counts are remembered; one more is refused, since a forgotten one could be replayed
LIFETIME = 330.0  # seconds: a nonce is fresh for 300 (actors.transaction.gate), and what is under way gets its time
STALE = "0"  # a nonce that nobody takes: the shard answers it with a fresh one of its own


class Used(msgspec.Struct, frozen=True, array_like=True, tag="used"):
    """The counts that a nonce was used with: :class:`actors.sip.digest.NonceCounts` as a cell."""

    highest: int
    seen: int


class Guard(Usage):
    """Judges requests outside of any dialog.

    Args:
        agent: what all usages share: the realm for which credentials are asked, and the users.
        cells: where the counts are kept.
    """

    mark: ClassVar = "g"

    def __init__(self, agent: Agent, cells: Cells) -> None:
        super().__init__(agent, cells)
        self._realm = agent.settings.realm
        self._users = {user.name: user for user in agent.settings.users}
        self._nobody = User(name="", secret=Secret("nobody"))

    def refusal(self, asked: Asked, now: float) -> Reply | None:
        """The refusal of a request outside of any dialog, None for what may be let in.

        Raises:
            RemoteProtocolError: its From is malformed.
        """
        if not self._realm or self.agent.accounts.of_peer(asked.flow.host) is not None:
            return None
        status = self._judge(asked.request, now)
        if status == 401:  # the credentials are right, the nonce is not
            return answer(self.agent, asked, 401, self._challenge())
        if status == 503:
            return answer(self.agent, asked, 503, (("Retry-After", "30"),))
        return answer(self.agent, asked, status) if status else None

    def _judge(self, request: Request, now: float) -> int:
        """The status to refuse a request with: 0 for none, 401 for a count that was used, 503 for no room, else 403."""
        found = self._credentials(request)
        if found is None:
            return 403
        user = self._users.get(found.username, self._nobody)
        asked = Challenge(self._realm, found.nonce, found.algorithm, ("auth",))
        secret = ha1(found.algorithm, found.username, self._realm, user.secret.value)
        proven = verify(found, secret, request.method, request.body) and answers(found, asked)
        if not proven or user is self._nobody or found.uri != request.uri:
            return 403
        status = self._taken(found, now)
        if status:
            return status
        sender = request.from_.uri.user or ""
        return 0 if sender == user.name or "*" in user.identities or sender in user.identities else 403

    def _challenge(self) -> tuple[tuple[str, str], ...]:
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

    def _taken(self, found: Credentials, now: float) -> int:
        """Take the count of a nonce: 0, or the status for one that was used; one without a count serves once.

        All that are challenged in one second get one nonce, so each has its counts by its name and its cnonce, which
        nobody else can put under the digest.
        """
        key = (self.mark + self.agent.names.token("nonce", found.nonce, found.username, found.cnonce or "")).encode()
        used: Used | None = self.cells.get(key)
        if used is None and self.number >= MAX_NONCES:
            return 503
        counts = NonceCounts() if used is None else NonceCounts(used.highest, used.seen)
        after = counts.take(found.nonce_count or 1)
        if after is None:
            return 401
        self.cells.put(key, Used(after.highest, after.seen), now + LIFETIME)
        return 0

    def expire(self, key: bytes, now: float, wall: float) -> Effects:  # noqa: ARG002
        """No answer to the nonce is let in any more."""
        self.cells.delete(key)
        return ()
