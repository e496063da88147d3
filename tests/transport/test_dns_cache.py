"""RFC 2308: what DNS said is kept for a time, *none* and failures too."""

from __future__ import annotations

from actors.transport.dns_cache import CEILING, FAILURE, NEGATIVE_CEILING, Cache
from actors.transport.records import NONE, Answer, Question

NAME = Question("a.example", "A")
FOUND = Answer(("192.0.2.1",))


def test_an_answer_is_kept_for_its_time_to_live() -> None:
    cache = Cache()
    cache.put(NAME, FOUND, 30.0, 100.0)
    assert cache.get(NAME, 129.9) == FOUND
    assert cache.get(NAME, 130.0) is None
    assert len(cache) == 0
    assert cache.get(NAME, 100.0) is None


def test_an_answer_with_no_time_to_live_is_not_kept_and_ends_what_was() -> None:
    cache = Cache()
    cache.put(NAME, FOUND, 30.0, 100.0)
    cache.put(NAME, FOUND, 0.0, 101.0)
    assert cache.get(NAME, 101.0) is None


def test_none_and_failures_are_kept_shortly() -> None:
    cache = Cache()
    cache.put(NAME, NONE, 1e9, 0.0)
    assert cache.get(NAME, NEGATIVE_CEILING - 1) is NONE
    assert cache.get(NAME, NEGATIVE_CEILING) is None
    broken = Answer(failure="SERVFAIL")
    cache.put(NAME, broken, 1e9, 0.0)
    assert cache.get(NAME, FAILURE - 1) == broken
    assert cache.get(NAME, FAILURE) is None
    cache.put(NAME, FOUND, 1e9, 0.0)
    assert cache.get(NAME, CEILING) is None


def test_the_cache_is_bounded_and_the_oldest_goes_first() -> None:
    cache = Cache(limit=10)
    for number in range(100):
        cache.put(Question(f"{number}.example", "A"), FOUND, 60.0, 0.0)
    assert len(cache) == 10
    assert cache.get(Question("99.example", "A"), 1.0) == FOUND
    assert cache.get(Question("0.example", "A"), 1.0) is None
    cache.clear()
    assert len(cache) == 0
