"""RFC 3263 section 4.3: who failed lately is known for a time."""

from __future__ import annotations

from actors.sip.vocabulary import Target
from actors.transport.failed_targets import LIMIT, FailedTargets

TARGET = Target("udp", "192.0.2.1", 5060)


def test_a_failure_is_known_for_a_time_whatever_flow_it_was_on() -> None:
    failed = FailedTargets(60.0)
    failed.add(TARGET._replace(flow="udp:0", patience=3.0, name="a.example"), 100.0)
    assert failed.lately(TARGET, 159.0)
    assert not failed.lately(TARGET._replace(transport="tcp"), 159.0)
    assert not failed.lately(TARGET, 160.0)
    assert len(failed) == 0


def test_a_later_failure_begins_the_time_anew() -> None:
    failed = FailedTargets(60.0)
    failed.add(TARGET, 100.0)
    failed.add(TARGET, 150.0)
    assert failed.lately(TARGET, 200.0)
    failed.clear()
    assert not failed.lately(TARGET, 200.0)


def test_the_list_is_bounded() -> None:
    failed = FailedTargets(60.0)
    for port in range(2 * LIMIT):
        failed.add(TARGET._replace(port=port), 0.0)
    assert len(failed) == LIMIT
    assert failed.lately(TARGET._replace(port=2 * LIMIT - 1), 0.0)


def test_a_target_that_asks_for_more_time_gets_it_within_reason() -> None:
    failed = FailedTargets(60.0)
    for least, until in ((120.0, 120.0), (1.0, 60.0), (1e9, 3600.0)):
        failed.add(TARGET, 0.0, least)
        assert failed.lately(TARGET, until - 1)
        assert not failed.lately(TARGET, until)
