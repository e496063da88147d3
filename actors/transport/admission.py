"""Who may create state, and how often; what is refused is refused without keeping any.

Pure: *now* and the secret are arguments. Only a request that would create state is refused: one without a To tag that
is neither ACK nor CANCEL. Responses, requests in a dialog and repeats of what was admitted pass, but from a denied
network nothing does. Anybody can write a To tag, though: each answer that there is no such dialog (481, RFC 3261
section 12.2.2) costs its source what beginning something costs, and who earns more of them than it may begin things is
refused such requests as well for a moment, but never ACK, BYE and CANCEL, which end what there is.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NamedTuple

from actors.sip.vocabulary import Head

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAGIC = "z9hG4bK"
_TAG = "refused-"
_TAG_DIGITS = 16
_KNOWN_FACTOR = 10.0
_TOTAL_FACTOR = 20.0
_LIMIT = 65_536
_HEAD = 65_536
_REMEMBERED = 32.0  # seconds; 64*T1, the longest that a request is repeated (RFC 3261 section 17.1.1.2)


class PeerClass(Enum):
    """How far a peer is trusted: the trusted have no limits, the known ten times those of strangers.

    An outsider is of no network that may begin anything; of the denied nothing is read.
    """

    TRUSTED = "trusted"
    KNOWN = "known"
    STRANGER = "stranger"
    OUTSIDER = "outsider"
    DENIED = "denied"


class Verdict(Enum):
    """What becomes of a request that would create state, in the words of the counters."""

    ADMITTED = "admitted"
    BUSY = "refused: no room above"
    TOO_FAST = "refused: too many from one source"
    TOO_MANY = "refused: too many from all strangers"
    ASTRAY = "refused: too many in dialogs that are not there"
    OUTSIDER = "dropped: from a network that is not allowed"
    SCANNER = "dropped: from a scanner"

    @property
    def answered(self) -> bool:
        """Whether the client is told: with 503 and Retry-After."""
        return self in _ANSWERED


_ANSWERED = frozenset({Verdict.BUSY, Verdict.TOO_FAST, Verdict.TOO_MANY, Verdict.ASTRAY})
_ENDS = frozenset({"ACK", "BYE", "CANCEL"})
_STRAYS = "astray "  # before the source, in the key of the bucket of its 481s


class Bucket:
    """A token bucket: `rate` a second, one second's worth at once."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._tokens = max(rate, 1.0)
        self._at = now

    def take(self, now: float) -> bool:
        """Take one token if there is one."""
        if not self.has(now):
            return False
        self._tokens -= 1.0
        return True

    def has(self, now: float) -> bool:
        """Whether there is a token."""
        self._tokens = min(max(self._rate, 1.0), self._tokens + (now - self._at) * self._rate)
        self._at = now
        return self._tokens >= 1.0


class Limit(NamedTuple):
    """What counts as one source, how much it may begin a second, and whether it has a part in the limit of all."""

    source: str
    rate: float
    shared: bool


class Admission:
    """Decides on requests that would create state.

    Args:
        rate: of such requests a second of one stranger; all strangers together have twenty times as many.
        secret: keys the To tags of refusals; the same over a restart, so that their ACKs are still known.
        trusted, known: networks of those classes (``192.0.2.0/24``) beside loopback, which is trusted.
        allow: networks that may begin something beside the trusted and known; none for all.
        deny: networks of which nothing is read, whatever else they are; loopback is never one.
        rates: networks with a rate of their own, the trusted among them too: that of the smallest network counts.
        scanners: what is dropped if its User-Agent contains one of these words, unless it is trusted.
    """

    def __init__(
        self,
        rate: float,
        *,
        secret: bytes,
        trusted: Iterable[str] = (),
        known: Iterable[str] = (),
        allow: Iterable[str] = (),
        deny: Iterable[str] = (),
        rates: Mapping[str, float] | None = None,
        scanners: Iterable[str] = (),
    ) -> None:
        self._rate = rate
        self._secret = secret
        self._loopback = (_network("127.0.0.0/8"), _network("::1/128"))
        self._trusted = (*self._loopback, *map(_network, trusted))
        self._known = tuple(map(_network, known))
        self._allow = tuple(map(_network, allow))
        self._deny = tuple(map(_network, deny))
        found = [(_network(network), own) for network, own in (rates or {}).items()]
        self._rates = sorted(found, key=lambda pair: -pair[0].prefixlen)
        words = "|".join(map(re.escape, filter(None, scanners))).encode()
        self._scanner = re.compile(rb"\r\nuser-agent[ \t]*+:[^\r\n]*(?:%b)" % words, re.IGNORECASE) if words else None
        self._classes: dict[str, PeerClass] = {}
        self._buckets: tuple[dict[str, Bucket], dict[str, Bucket]] = ({}, {})
        self._strangers = Bucket(rate * _TOTAL_FACTOR, 0.0)
        self._admitted: tuple[set[int], set[int]] = (set(), set())
        self._turned = 0.0
        self._strayed = False  # nobody who has a limit, yet

    def peer_class(self, host: str) -> PeerClass:
        """The class of the peer at a numeric address."""
        found = self._classes.get(host)
        if found is None:
            if len(self._classes) >= _LIMIT:
                self._classes.clear()
            found = self._classes[host] = self._classify(host)
        return found

    def _classify(self, host: str) -> PeerClass:
        stranger = PeerClass.OUTSIDER if self._allow else PeerClass.STRANGER
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return stranger
        for networks, kind in (
            (self._loopback, PeerClass.TRUSTED),
            (self._deny, PeerClass.DENIED),
            (self._trusted, PeerClass.TRUSTED),
            (self._known, PeerClass.KNOWN),
            (self._allow, PeerClass.STRANGER),
        ):
            if any(address in network for network in networks):
                return kind
        return stranger

    def denied(self, host: str) -> bool:
        """Whether nothing of this peer is read."""
        return self.peer_class(host) is PeerClass.DENIED

    def judge(self, head: Head, raw: bytes, host: str, now: float, *, busy: bool) -> Verdict:
        """Decide on a state-creating request.

        Args:
            head: its head.
            raw: the whole of it.
            host: its source address.
            now: seconds.
            busy: the shard it would go to has no room for new state.
        """
        key = _repeat_key(head)
        if key and (key in self._admitted[0] or key in self._admitted[1]):
            return Verdict.ADMITTED  # a repeat: refusing it would end what the first one began
        kind = self.peer_class(host)
        if kind is PeerClass.OUTSIDER:
            return Verdict.OUTSIDER
        if self._scanner is not None and kind is not PeerClass.TRUSTED and self._scanner.search(raw, 0, _HEAD):
            return Verdict.SCANNER
        verdict = Verdict.BUSY if busy else self._measure(kind, host, now)
        if key and verdict is Verdict.ADMITTED:
            self._remember(key, now)
        return verdict

    def judge_inside(self, head: Head, host: str, now: float) -> Verdict:
        """Decide on a request that says it is in a dialog."""
        if not self._strayed or head.method in _ENDS:
            return Verdict.ADMITTED
        limit = self._limit(self.peer_class(host), host)
        if limit is None or self._bucket(_STRAYS + limit.source, limit.rate, now).has(now):
            return Verdict.ADMITTED
        return Verdict.ASTRAY

    def strayed(self, host: str, now: float) -> None:
        """Note that a request of a peer was answered with 481: there is no such dialog."""
        limit = self._limit(self.peer_class(host), host)
        if limit is not None:
            self._strayed = True
            for source in (limit.source, _STRAYS + limit.source):
                self._bucket(source, limit.rate, now).take(now)

    def _measure(self, kind: PeerClass, host: str, now: float) -> Verdict:
        limit = self._limit(kind, host)
        if limit is None:
            return Verdict.ADMITTED
        if not self._bucket(limit.source, limit.rate, now).take(now):
            return Verdict.TOO_FAST
        return Verdict.TOO_MANY if limit.shared and not self._strangers.take(now) else Verdict.ADMITTED

    def _limit(self, kind: PeerClass, host: str) -> Limit | None:
        """What a peer may begin; None for as much as it wants."""
        own = self._rate_of(host) if self._rates else None
        if own is not None:
            return Limit(source_of(host), own, shared=False)
        if kind is PeerClass.TRUSTED:
            return None
        if kind is PeerClass.KNOWN:
            return Limit(host, self._rate * _KNOWN_FACTOR, shared=False)
        return Limit(source_of(host), self._rate, shared=True)

    def _rate_of(self, host: str) -> float | None:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return None
        return next((rate for network, rate in self._rates if address in network), None)

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
    """What names the server transaction (RFC 3261 section 17.2.3) in its shard; 0 for keys from before RFC 3261."""
    if not head.branch.startswith(_MAGIC):
        return 0
    return hash((head.branch, head.sent_by, head.method, head.call_id))


def _network(text: str) -> Network:
    return ipaddress.ip_network(text)
