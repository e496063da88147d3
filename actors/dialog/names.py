"""The names of calls: tags, branches, refs, session ids. Each leads back to the call's cell without an index.

A call's *tag* is its local tag in SIP and the key of its cell. It is made by a keyed hash from what the call began
with, so that whatever comes back can be led to its cell after a restart with nothing decoded and nothing looked up:

- a request in a dialog, by its To tag; a response, by the tag inside its branch;
- a CANCEL and a failed server transaction, by the INVITE's transaction key, of which the tag is the hash;
- a command, by the id of the call: a call in carries its tag in its id, of a call out the tag is the hash of the id;
- an answer of media or of the transport, by the tag in the session id or in the `ref`.

Whoever does not know the secret can guess none of them: 80 bits a tag, 64 bits more a branch (RFC 3261 s19.3, 8.1.1.7).
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from actors.sip.vocabulary import TransactionKey

COOKIE = "z9hG4bK"  # RFC 3261 section 8.1.1.7


class Names:
    """The maker of names for one shard.

    Args:
        secret: 16 to 64 random bytes, kept for the life of the journal.
        ours: whether the id of a call hashes to this shard.
    """

    def __init__(self, secret: bytes, ours: Callable[[str], bool] = lambda _: True) -> None:
        self._secret = secret
        self._ours = ours

    def owns(self, key: str) -> bool:
        """Whether `key`, an id of a call or an address-of-record, hashes to this shard."""
        return self._ours(key)

    def token(self, *parts: str) -> str:
        """80 bits in hexadecimal that only we can compute from `parts`."""
        data = "\0".join(parts).encode("utf-8", "surrogateescape")
        return blake2b(data, key=self._secret, digest_size=10).hexdigest()

    def chance(self, *parts: str) -> float:
        """A number from 0 to 1 that only we can foresee, the same when a step is repeated after a kill."""
        return int(self.token(*parts)[:8], 16) / 0xFFFFFFFF

    def tag_of_invite(self, key: TransactionKey) -> str:
        """The tag of the call in that the INVITE server transaction `key` begins."""
        return self.token("in", key.branch, key.sent_by)

    def tag_of_call_out(self, call: str) -> str:
        """The tag of the call out that control named `call`."""
        return self.token("out", call)

    def id_of_call_in(self, tag: str) -> str:
        """The id by which control knows a call in. It hashes to this shard, as ids that control makes do."""
        number = 0
        while True:
            call = f"{tag}-{number}"
            if self._ours(call):
                return call
            number += 1

    def tags_of_call(self, call: str) -> tuple[str, str]:
        """The tags that the call with this id may have: as a call in, as a call out."""
        return call.partition("-")[0], self.tag_of_call_out(call)

    def branch(self, tag: str, name: str, index: int) -> str:
        """The branch of the `index`-th transaction of the request `name` of a call."""
        return f"{COOKIE}{tag}.{self.token('branch', tag, name, str(index))[:16]}"


def tag_of_branch(branch: str) -> str:
    """The tag inside a branch of ours, anything else for a branch that is not ours."""
    return branch[len(COOKIE) :].partition(".")[0]


def session_id(tag: str, number: int) -> str:
    """The `number`-th media session of a call."""
    return f"{tag}.{number}"


def tag_of_session(session: str) -> str:
    """The tag of the call that owns a media session."""
    return session.partition(".")[0]


def ref_of(tag: str, name: str) -> str:
    """What a Locate for the request `name` of a call carries."""
    return f"{tag} {name}"


def tag_of_ref(ref: str) -> str:
    """The tag of the call that asked."""
    return ref.partition(" ")[0]
