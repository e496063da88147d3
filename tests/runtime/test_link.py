"""The link's own rules, one at a time; that they keep the promise together is for the model to show."""

from __future__ import annotations

import itertools

from actors.runtime.envelope import Ack, Data, Hello, Resume, Skip, Welcome
from actors.runtime.link import (
    HELLO_INTERVAL,
    HELLO_INTERVAL_LATER,
    NEVER,
    RETRY_INTERVAL,
    Deliver,
    Link,
    Memory,
    PeerReset,
    Reopen,
)


def opened(memory: Memory = Memory("peer", 0, 0), **more: object) -> Link:  # noqa: B008
    """A link whose peer, of epoch 1, has answered that it has nothing yet."""
    link = Link(epoch=5, journal_id="ours", memory=memory, **more)  # type: ignore[arg-type]
    link.start(0.0)
    link.flush(0.0, ack=False)
    link.heard(1, 5, 0.0)
    link.receive(Welcome("peer", 0), 5, 0.0)
    link.flush(0.0, ack=False)
    return link


def test_hello_is_said_at_the_start_and_every_50_ms_until_it_is_answered() -> None:
    link = Link(epoch=5, journal_id="ours")
    link.start(0.0)
    assert link.flush(0.0, ack=False) == [Hello("ours", "", 1, 0)]
    assert link.flush(0.04, ack=False) == []
    assert link.sender.due == HELLO_INTERVAL
    link.sender.tick(HELLO_INTERVAL)
    assert link.flush(HELLO_INTERVAL, ack=False) == [Hello("ours", "", 1, 0)]
    link.heard(1, 5, 0.06)
    link.receive(Welcome("peer", 0), 5, 0.06)
    assert link.sender.due == NEVER


def test_nothing_is_sent_before_the_welcome_and_all_of_it_after() -> None:
    link = Link(epoch=5, journal_id="ours")
    link.start(0.0)
    link.send("a", journalled=True)
    link.send("b", journalled=False)
    assert [type(item) for item in link.flush(0.0, ack=False)] == [Hello]
    link.heard(1, 5, 0.0)
    link.receive(Welcome("peer", 0), 5, 0.0)
    assert link.flush(0.0, ack=False) == [Data(1, ["a", "b"])]


def test_a_restarted_sender_skips_what_it_does_not_hold_and_reuses_no_number() -> None:
    link = Link(epoch=5, journal_id="ours", memory=Memory("peer", 0, 9), outbox=[(3, "c"), (4, "d"), (7, "g")])
    link.start(0.0)
    assert link.flush(0.0, ack=False) == [Hello("ours", "peer", 3, 9)]
    link.send("new", journalled=True)
    link.heard(1, 5, 0.0)
    link.receive(Welcome("peer", 1), 5, 0.0)
    expected = [Skip(2, 2), Data(3, ["c", "d"]), Skip(5, 6), Data(7, ["g"]), Skip(8, 9), Data(10, ["new"])]
    assert link.flush(0.0, ack=False) == expected
    assert link.memory.reserved > 10


def test_only_the_next_number_is_taken_and_a_gap_is_answered_once() -> None:
    link = opened(Memory("peer", 4, 0))
    assert link.receive(Data(5, ["e", "f"]), 5, 0.0) == (Deliver(5, ["e", "f"]),)
    assert link.receive(Data(8, ["h"]), 5, 0.0) == ()
    assert link.receive(Data(9, ["i"]), 5, 0.0) == ()
    assert link.flush(0.0, ack=False) == [Resume(6)]
    assert link.receive(Data(8, ["h"]), 5, 0.0) == ()
    assert link.flush(0.0, ack=False) == []
    assert link.receive(Data(6, ["f", "g", "h"]), 5, 0.0) == (Deliver(7, ["g", "h"]),)
    assert link.flush(0.0, ack=True) == [Ack(8)]


def test_what_was_taken_is_dropped_and_acknowledged_again() -> None:
    link = opened(Memory("peer", 4, 0))
    assert link.receive(Data(3, ["c", "d"]), 5, 0.0) == ()
    assert link.flush(0.0, ack=True) == [Ack(4)]
    assert link.flush(0.0, ack=True) == []


def test_an_acknowledgement_waits_for_company() -> None:
    link = opened()
    link.receive(Data(1, ["a"]), 5, 0.0)
    assert link.flush(0.0, ack=False) == []
    link.send("answer", journalled=True)
    assert link.flush(0.0, ack=False) == [Data(1, ["answer"]), Ack(1)]


def test_an_acknowledgement_leaves_with_a_hello() -> None:
    link = opened()
    link.receive(Data(1, ["x"]), 5, 0.0)
    link.send("mine", journalled=True)
    link.flush(0.0, ack=False)
    link.receive(Data(2, ["y"]), 5, 0.1)
    link.sender.tick(RETRY_INTERVAL)
    assert link.flush(RETRY_INTERVAL, ack=False) == [Ack(2), Hello("ours", "peer", 1, 1)]
    assert not link.receiver.owes


def test_without_an_acknowledgement_for_200_ms_the_peer_is_asked_and_only_what_it_misses_is_sent_again() -> None:
    link = opened()
    for body in "abc":
        link.send(body, journalled=True)
    link.flush(0.0, ack=False)
    assert link.sender.due == RETRY_INTERVAL
    link.sender.tick(RETRY_INTERVAL)
    assert link.flush(RETRY_INTERVAL, ack=False) == [Hello("ours", "peer", 1, 3)]
    link.receive(Welcome("peer", 2), 5, 0.3)
    assert link.flush(0.3, ack=False) == [Data(3, ["c"])]
    link.receive(Ack(3), 5, 0.3)
    assert (link.sender.due, link.sender.dropped) == (NEVER, 3)


def test_an_acknowledgement_of_volatile_envelopes_asks_for_no_commit() -> None:
    link = opened()
    link.send("a", journalled=False)
    link.flush(0.0, ack=False)
    link.receive(Ack(1), 5, 0.0)
    assert (link.sender.held, link.sender.dropped) == ({}, 0)


def test_frames_of_an_older_epoch_are_refused_and_a_newer_one_reopens_the_socket() -> None:
    link = opened()
    assert link.heard(3, 0, 0.0) == (True, (Reopen(),))
    assert not link.sender.is_open
    assert link.heard(1, 5, 0.0) == (False, ())
    assert link.heard(4, 5, 0.0) == (True, ()), "one that has heard us is reached by this socket"


def test_of_a_frame_for_another_epoch_only_its_hello_is_heard() -> None:
    link = opened()
    assert link.receive(Data(1, ["a"]), 4, 0.0) == ()
    link.receive(Hello("peer", "", 1, 0), 4, 0.0)
    assert link.flush(0.0, ack=False) == [Welcome("ours", 0)]


def test_a_peer_with_another_journal_voids_what_it_was_told() -> None:
    link = opened()
    link.send("a", journalled=True)
    link.heard(2, 0, 0.0)
    assert link.receive(Hello("other", "", 1, 0), 0, 0.0) == (PeerReset(),)
    link.send("b", journalled=True)
    assert link.flush(0.0, ack=False) == [Welcome("ours", 0), Hello("ours", "other", 2, 2)]
    assert link.sender.dropped == 1
    assert link.receive(Hello("other", "", 1, 0), 5, 0.0) == (), "once"


def test_a_peer_whose_journal_went_back_to_an_older_state_is_reset() -> None:
    link = opened(Memory("peer", 7, 0))
    link.heard(2, 0, 0.0)
    assert link.receive(Hello("peer", "ours", 1, 4), 0, 0.0) == (PeerReset(),)
    assert link.receiver.mark == 0


def test_a_hello_meant_for_our_lost_journal_takes_nothing_along() -> None:
    link = Link(epoch=5, journal_id="new")
    link.start(0.0)
    link.heard(1, 0, 0.0)
    assert link.receive(Hello("peer", "lost", 8, 9), 0, 0.0) == ()
    assert link.flush(0.0, ack=False)[0] == Welcome("new", -1)
    assert link.receive(Data(8, ["void"]), 5, 0.0) == ()
    link.receive(Hello("peer", "new", 10, 9), 5, 0.0)
    assert link.receive(Data(10, ["first"]), 5, 0.0) == (Deliver(10, ["first"]),)


def test_a_welcome_that_speaks_of_numbers_never_used_opens_nothing() -> None:
    link = Link(epoch=5, journal_id="ours", memory=Memory("peer", 0, 0))
    link.start(0.0)
    link.send("a", journalled=True)
    link.heard(1, 5, 0.0)
    link.receive(Welcome("peer", 2), 5, 0.0)
    assert not link.sender.is_open
    assert link.flush(0.0, ack=False)[:1] != [Data(1, ["a"])]
    link.receive(Welcome("peer", 1), 5, 0.0)
    assert link.sender.is_open
    assert link.sender.held == {}


def test_a_peer_that_stays_away_is_greeted_less_often() -> None:
    link = Link(epoch=5, journal_id="ours")
    link.start(0.0)
    times = [0.0]
    for _ in range(30):
        times.append(link.sender.due)
        link.sender.tick(times[-1])
    gaps = [round(after - before, 6) for before, after in itertools.pairwise(times)]
    assert set(gaps[:20]) == {HELLO_INTERVAL}
    assert set(gaps[20:]) == {HELLO_INTERVAL_LATER}


def test_progress_ends_the_longer_and_longer_waits_for_an_acknowledgement() -> None:
    link = opened()
    link.send("a", journalled=True)
    link.send("b", journalled=True)
    link.flush(0.0, ack=False)
    for _ in range(3):
        link.sender.tick(link.sender.due)
    now = link.sender.due
    link.receive(Ack(1), 5, now)
    assert link.sender.due == now + RETRY_INTERVAL
    link.sender.tick(link.sender.due)
    assert link.sender.due == now + RETRY_INTERVAL + 2 * RETRY_INTERVAL
