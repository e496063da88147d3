"""The account that a call is made by or came for, as its cell keeps it."""

from __future__ import annotations

import msgspec

from actors.dialog.authentication import Authenticator


class Identity(msgspec.Struct, frozen=True, array_like=True):
    """The account that a call is made by, or came for.

    Attributes:
        aor: the account.
        proof: what is known of those that ask it for credentials.
        routes: the URIs that the INVITE of a call out visits first (RFC 3261 s8.1.2, RFC 3608).
        seq: the CSeq number of that INVITE.
        proofs: its credentials: its ACK has the same (RFC 3261 s22.1).
    """

    aor: str
    proof: Authenticator
    routes: tuple[str, ...] = ()
    seq: int = 1
    proofs: tuple[tuple[str, str], ...] = ()
