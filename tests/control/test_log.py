"""The event log: numbers, bounds, and what a reader is told when it was too slow."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.control.log import EVENT_BYTES, LONGEST, EventLog, encode_event
from actors.control.protocol import unpack
from actors.dialog.call_events import CallReceived


def filled(count: int, limit: int) -> EventLog:
    log = EventLog(limit)
    for number in range(1, count + 1):
        log.append(number, b"%d" % number)
    return log


def test_a_reader_gets_what_comes_after_its_position() -> None:
    log = filled(10, 100)
    part = log.after(7, 100, 100, 1000)
    assert part.events == [b"8", b"9", b"10"]
    assert part.last == 10
    assert part.lost_before is None
    assert log.after(10, 100, 100, 1000).events == []


def test_a_reader_gets_no_more_than_its_credit_a_count_and_a_size() -> None:
    log = filled(20, 100)
    assert log.after(0, 5, 100, 1000).last == 5
    assert log.after(0, 20, 3, 1000).last == 3
    assert log.after(0, 20, 100, 4).last == 4
    assert log.after(0, 20, 100, 0).last == 1  # one at least, however long


def test_the_log_keeps_the_youngest_and_says_what_is_lost() -> None:
    log = filled(25, 10)
    assert (len(log), log.first, log.last) == (10, 16, 25)
    part = log.after(3, 4, 100, 1000)
    assert (part.lost_before, part.events, part.last) == (16, [], 15)
    assert log.after(15, 16, 100, 1000).events == [b"16"]


def test_the_log_is_bounded_in_bytes_too_but_keeps_the_last_event() -> None:
    log = EventLog(1000, max_bytes=100)
    for number in range(1, 20):
        log.append(number, b"x" * 30)
    assert len(log) == 3
    log.append(20, b"x" * 500)
    assert (len(log), log.first) == (1, 20)


def test_numbers_that_were_skipped_are_lost_also_before_the_next_event_comes() -> None:
    log = filled(3, 10)
    log.skip_to(1000)
    part = log.after(3, 10, 10, 1000)
    assert (part.lost_before, part.last) == (1000, 999)
    log.append(1000, b"a")
    assert log.after(1, 2000, 10, 1000).events == [b"2", b"3"]  # not over the gap
    assert log.after(3, 2000, 10, 1000).lost_before == 1000
    assert log.after(999, 2000, 10, 1000).events == [b"a"]


def test_an_event_restored_twice_is_in_the_log_once() -> None:
    log = filled(3, 10)
    log.append(2, b"again")
    assert (len(log), log.last) == (3, 3)


@given(
    st.lists(st.integers(1, 3), max_size=60),
    st.integers(1, 20),
    st.integers(0, 80),
    st.integers(1, 7),
)
def test_any_reader_sees_each_event_once_in_order_or_is_told_of_its_loss(
    steps: list[int], limit: int, since: int, batch: int
) -> None:
    log = EventLog(limit)
    numbers = []
    number = 0
    for step in steps:
        number += step
        numbers.append(number)
        log.append(number, b"%d" % number)
    position = min(since, log.last)
    seen: list[int] = []
    told: list[range] = []
    begun = position
    while position < log.last:
        part = log.after(position, log.last, batch, 1000)
        if part.lost_before is not None:
            told.append(range(position + 1, part.lost_before))
        seen += [int(event) for event in part.events]
        assert part.last > position
        position = part.last
    assert seen == [n for n in numbers if n > begun and n >= log.first]
    assert all(any(n in gap for gap in told) for n in range(begun + 1, log.last + 1) if n not in seen)


def test_an_event_shows_its_fields_its_number_and_its_type() -> None:
    fields = unpack(encode_event(7, CallReceived("c1", "sip:a@b", "sip:c@d", "Ann", 12.5)))
    assert fields == {
        "seq": 7,
        "type": "CallReceived",
        "call": "c1",
        "remote": "sip:a@b",
        "local": "sip:c@d",
        "display_name": "Ann",
        "time": 12.5,
        "account": "",
        "route": "",
        "headers": [],
        "media": "service",
        "sdp": "",
    }


def test_an_event_as_long_as_a_peer_can_make_it_still_fits_a_frame() -> None:
    long = "\N{GRINNING FACE}" * 8_000
    data = encode_event(7, CallReceived("c1", long, long, long, 12.5))
    assert len(data) <= 2 * EVENT_BYTES
    assert unpack(data)["remote"] == long[:1_000]


def test_a_session_description_is_never_cut_and_a_frame_holds_its_event() -> None:
    sdp, long = "a=x\r\n" * 6_553, "\U0001f600" * 3_000
    headers = tuple([("X-Long", "\xe9" * 1_000)] * 32)
    event = CallReceived("c1", long, long, long, 1.0, long, headers, "r", "application", sdp)
    data = encode_event(1, event)
    fields = unpack(data)
    assert (fields["sdp"], fields["headers"]) == (sdp, [])
    assert len(data) <= LONGEST
    assert unpack(encode_event(1, CallReceived("c1", "", "", "", 1.0, headers=headers[:4], sdp=sdp)))["headers"]


def test_text_that_is_no_unicode_has_question_marks() -> None:
    fields = unpack(encode_event(1, CallReceived("c1", "sip:a", "sip:b", "Ren\udce9", 1.0)))
    assert fields["display_name"] == "Ren?"
