"""Who waits for which next hops: searches under way, the answers they lack, and the candidates they end with, pure.

Every search holds the answers it was given, so that a record whose TTL is 0 serves it to its end. Targets that failed
lately come last (RFC 3263 section 4.3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from actors.sip.vocabulary import Candidate, Target
from actors.transport.dns_cache import Cache
from actors.transport.failed_targets import FailedTargets
from actors.transport.records import Answer, Question, Static
from actors.transport.selection import Hop, LocationError, Where, search, where_of


class Reachable(Protocol):
    """What is asked of our listeners."""

    def sent_by(self, transport: str, host: str) -> str:
        """host:port for our Via towards `host`, empty where no listener can be reached."""

    def offered(self) -> tuple[str, ...]:
        """The transports that we have, the preferred first."""

    def families(self) -> tuple[str, ...]:
        """``AAAA`` and ``A`` as far as we have listeners for them."""


class Result(NamedTuple):
    """What a search ended with: candidates, or why there are none."""

    candidates: tuple[Candidate, ...] = ()
    reason: str = ""


class Policy(NamedTuple):
    """How targets are tried.

    Attributes:
        failover_after: seconds until a silent UDP target that others stand behind is given up; 0: Timers B and F.
        udp_max: bytes above which a request goes by TCP first (RFC 3261 section 18.1.1); 0 for no limit.
        udp_max_of: the same for single peers, by address.
    """

    failover_after: float = 0.0
    udp_max: int = 1300
    udp_max_of: tuple[tuple[str, int], ...] = ()


class _Search:
    __slots__ = ("answers", "seed", "waits", "where")

    def __init__(self, where: Where, seed: int) -> None:
        self.where = where
        self.seed = seed
        self.answers: dict[Question, Answer] = {}
        self.waits: set[Question] = set()


class Location:
    """All searches of the transport.

    Args:
        ask: sends a question on its way; its answer comes back by :meth:`answered`.
        listeners: our addresses.
        failed: the targets that failed lately.
        policy: how targets are tried.
    """

    def __init__(
        self, ask: Callable[[Question], None], listeners: Reachable, failed: FailedTargets, policy: Policy
    ) -> None:
        self._ask = ask
        self._listeners = listeners
        self._failed = failed
        self._policy = policy
        self._udp_max_of = dict(policy.udp_max_of)
        self._cache = Cache()
        self._static = Static({}, {})
        self._searches: dict[bytes, _Search] = {}
        self._asked: dict[Question, set[bytes]] = {}

    def __len__(self) -> int:
        return len(self._searches)

    def use(self, static: Static) -> None:
        """Take new static entries."""
        self._static = static

    def begin(self, key: bytes, uri: str, seed: int, now: float) -> Result | None:
        """Search the next hops for `uri`; None where answers are awaited, after which `key` names the search.

        One that had this key before is forgotten.
        """
        self._forget(key)
        try:
            where = where_of(uri, self._listeners.offered())
        except LocationError as error:
            return Result(reason=str(error))
        return self._go_on(key, _Search(where, seed), now)

    def answered(self, question: Question, answer: Answer, ttl: float, now: float) -> list[tuple[bytes, Result]]:
        """Take an answer; the searches that ended with it, by their keys."""
        self._cache.put(question, answer, ttl, now)
        ended = []
        for key in sorted(self._asked.pop(question, ())):
            search = self._searches[key]
            search.answers[question] = answer
            search.waits.discard(question)
            if search.waits:
                continue
            result = self._go_on(key, search, now)
            if result is not None:
                ended.append((key, result))
        return ended

    def give_up(self, key: bytes) -> Result:
        """End a search whose answers took too long."""
        search = self._searches.get(key)
        host = "" if search is None else f"{search.where.host}: "
        self._forget(key)
        return Result(reason=f"{host}DNS took too long")

    def network_changed(self) -> None:
        """What was true of the old network is not believed any more."""
        self._cache.clear()
        self._failed.clear()

    def _go_on(self, key: bytes, one: _Search, now: float) -> Result | None:
        def look(question: Question) -> Answer | None:
            known = one.answers.get(question) or self._static.look(question)
            if known is None:
                known = self._cache.get(question, now)
                if known is not None:
                    one.answers[question] = known  # it must not expire between two steps
            return known

        listeners = self._listeners
        found = search(one.where, look, listeners.offered(), listeners.families(), one.seed)
        if found.needs:
            self._searches[key] = one
            one.waits.update(found.needs)
            for question in found.needs:
                waiting = self._asked.setdefault(question, set())
                if not waiting:
                    self._ask(question)
                waiting.add(key)
            return None
        self._forget(key)
        if not found.hops:
            return Result(reason=found.reason)
        return self._candidates(found.hops, now)

    def _forget(self, key: bytes) -> None:
        search = self._searches.pop(key, None)
        for question in () if search is None else search.waits:
            self._asked[question].discard(key)

    def _candidates(self, hops: tuple[Hop, ...], now: float) -> Result:
        """The hops that we can reach, those that failed lately last."""
        found = []
        for hop in hops:
            sent_by = self._listeners.sent_by(hop.transport, hop.host)
            if sent_by:
                target = Target(hop.transport, hop.host, hop.port, name=hop.name if hop.transport == "tls" else "")
                found.append(self._or_streamed(Candidate(target, sent_by), now))
        if not found:
            way = hops[0].transport
            return Result(
                reason=f"{hops[0].host}: no {way} listener of ours can be reached from there; one on an address of "
                f"this machine can: --listen {way}:ADDRESS:PORT"
            )
        found.sort(key=lambda candidate: self._failed.lately(candidate.target, now))
        return Result((*map(self._impatient, found[:-1]), found[-1]))

    def _or_streamed(self, candidate: Candidate, now: float) -> Candidate:
        """A UDP candidate with the way by TCP that a large request takes, unless that failed lately."""
        target = candidate.target
        limit = self._udp_max_of.get(target.host, self._policy.udp_max)
        if target.transport != "udp" or not limit or self._failed.lately(target._replace(transport="tcp"), now):
            return candidate
        streamed = self._listeners.sent_by("tcp", target.host)
        return candidate._replace(above=limit, streamed=streamed) if streamed else candidate

    def _impatient(self, candidate: Candidate) -> Candidate:
        """A UDP target with others behind it is given up early when it is silent; the last one has Timer B."""
        target = candidate.target
        if target.transport != "udp" or not self._policy.failover_after:
            return candidate
        return candidate._replace(target=target._replace(patience=self._policy.failover_after))
