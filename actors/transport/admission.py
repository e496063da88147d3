"""Who may create state, and how often; what is refused is refused without keeping any.

Pure: *now* and the secret are arguments. Only a request that would create state is ever refused: one without a To tag
that is neither ACK nor CANCEL. Responses, requests in a dialog and repeats of what was admitted always pass.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from enum import Enum

from actors.sip.vocabulary import Head

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAGIC = "z9hG4bK"
_TAG = "refused-"
_TAG_DIGITS = 16
_KNOWN_FACTOR = 10.0
_TOTAL_FACTOR = 20.0
_LIMIT = 65_536
_REMEMBERED = 32.0  # seconds; 64*T1, the longest that a request is repeated (RFC 3261 section 17.1.1.2)


class PeerClass(Enum):
    """How far a peer is trusted: the trusted have no limits, the known ten times those of strangers."""

    TRUSTED = "trusted"
    KNOWN = "known"
    STRANGER = "stranger"


class Bucket:
    """A token bucket: `rate` a second, one second's worth at once."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._tokens = max(rate, 1.0)
        self._at = now

    def take(self, now: float) -> bool:
        """Take one token if there is one."""
        tokens = min(max(self._rate, 1.0), self._tokens + (now - self._at) * self._rate)
        self._at = now
        if tokens < 1.0:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1.0
        return True


class Admission:
    """Decides on requests that would create state.

    Args:
        rate: of such requests a second of one stranger; all strangers together have twenty times as many.
        secret: keys the To tags of refusals; the same over a restart, so that their ACKs are still known.
        trusted, known: networks of those classes (``192.0.2.0/24``) beside loopback, which is trusted.
    """

    def __init__(self, rate: float, *, secret: bytes, trusted: Iterable[str] = (), known: Iterable[str] = ()) -> None:
        self._rate = rate
        self._secret = secret
        self._trusted = (_network("127.0.0.0/8"), _network("::1/128"), *map(_network, trusted))
        self._known = tuple(map(_network, known))
        self._classes: dict[str, PeerClass] = {}
        self._buckets: tuple[dict[str, Bucket], dict[str, Bucket]] = ({}, {})
        self._strangers = Bucket(rate * _TOTAL_FACTOR, 0.0)
        self._admitted: tuple[set[int], set[int]] = (set(), set())
        self._turned = 0.0

    def peer_class(self, host: str) -> PeerClass:
        """The class of the peer at a numeric address."""
        found = self._classes.get(host)
        if found is None:
            if len(self._classes) >= _LIMIT:
                self._classes.clear()
            found = self._classes[host] = self._classify(host)
        return found

    def _classify(self, host: str) -> PeerClass:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return PeerClass.STRANGER
        if any(address in network for network in self._trusted):
            return PeerClass.TRUSTED
        if any(address in network for network in self._known):
            return PeerClass.KNOWN
        return PeerClass.STRANGER

    def admit(self, head: Head, host: str, now: float, *, busy: bool) -> bool:
        """Whether a state-creating request may pass.

        Args:
            head: its head.
            host: its source address.
            now: seconds.
            busy: the shard it would go to has no room for new state.
        """
        key = _repeat_key(head)
        if key and (key in self._admitted[0] or key in self._admitted[1]):
            return True  # a repeat: refusing it would end what the first one began
        if busy or not self._within_limits(host, now):
            return False
        if key:
            self._remember(key, now)
        return True

    def _within_limits(self, host: str, now: float) -> bool:
        kind = self.peer_class(host)
        if kind is PeerClass.TRUSTED:
            return True
        if kind is PeerClass.KNOWN:
            return self._bucket(host, self._rate * _KNOWN_FACTOR, now).take(now)
        return self._bucket(source_of(host), self._rate, now).take(now) and self._strangers.take(now)

    def _bucket(self, source: str, rate: float, now: float) -> Bucket:
        """The source's bucket; sources long silent are forgotten a generation at a time."""
        new, old = self._buckets
        bucket = new.get(source)
        if bucket is None:
            bucket = old.pop(source, None) or Bucket(rate, now)
            if len(new) >= _LIMIT:
                self._buckets = ({}, new)
                new = self._buckets[0]
            new[source] = bucket
        return bucket

    def _remember(self, key: int, now: float) -> None:
        new, _ = self._admitted
        if now - self._turned >= _REMEMBERED or len(new) >= _LIMIT:
            self._admitted = (set(), new)
            self._turned = now
            new = self._admitted[0]
        new.add(key)

    def tag(self, call_id: str, from_tag: str, cseq: int, branch: str) -> str:
        """The To tag of a stateless refusal: an HMAC, so that its ACK is known without state (RFC 3261 s8.2.7)."""
        text = f"{call_id}\0{from_tag}\0{cseq}\0{branch}".encode("utf-8", "surrogateescape")
        return _TAG + hmac.digest(self._secret, text, "sha256").hex()[:_TAG_DIGITS]

    def is_refusal_ack(self, head: Head) -> bool:
        """Whether an ACK belongs to one of our refusals; nobody waits for it."""
        if not head.to_tag.startswith(_TAG) or not head.to_tag.isascii():
            return False
        return hmac.compare_digest(head.to_tag, self.tag(head.call_id, head.from_tag, head.cseq, head.branch))


def creates_state(head: Head) -> bool:
    """Whether a message would begin something new above."""
    return not head.status and not head.to_tag and head.method not in {"ACK", "CANCEL"}


def source_of(host: str) -> str:
    """What counts as one source: an IPv4 address, or the /64 that one IPv6 subscriber has."""
    if ":" not in host:
        return host
    try:
        packed = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if packed.ipv4_mapped is not None:
        return str(packed.ipv4_mapped)
    return packed.packed[:8].hex()


def _repeat_key(head: Head) -> int:
    """What names the server transaction (RFC 3261 section 17.2.3); 0 for keys from before RFC 3261."""
    if not head.branch.startswith(_MAGIC):
        return 0
    return hash((head.branch, head.sent_by, head.method))


def _network(text: str) -> Network:
    return ipaddress.ip_network(text)
