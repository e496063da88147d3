"""The pure state of a connection: whatever the chunks and the kills, each byte once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip.errors import RemoteProtocolError
from actors.sip.framing import Frame
from actors.sip.vocabulary import Flow, Head, TransactionKey
from actors.transport.stream import Chunk, GapError, QueueFullError, Stream

FLOW = Flow("tcp:1.1", "tcp", "127.0.0.1", 5060, "127.0.0.1", 40000)
KEY = TransactionKey("z9hG4bKa", "", "INVITE")
MESSAGES = [b"OPTIONS sip:a SIP/2.0\r\nl: %d\r\n\r\n%b" % (size, b"x" * size) for size in (0, 3, 40)]
DATA = b"\r\n\r\n".join(MESSAGES)


def _stream(**state: int) -> Stream:
    return Stream(FLOW, opened=False, limit=1000, **state)


@given(st.lists(st.tuples(st.integers(1, 30), st.sampled_from(["", "consumed", "killed", "killed late"])), max_size=60))
def test_any_chunks_and_kills_give_each_message_once(steps: list[tuple[int, str]]) -> None:
    """`killed late` is between commit and consumption; the kernel knows `taken`, the journal `offset`."""
    stream, seen = _stream(), []
    arrived = taken = 0
    for size, fate in [*steps, (len(DATA), "consumed")]:
        arrived = min(len(DATA), arrived + size)
        framed = stream.feed(memoryview(DATA)[taken:arrived])
        seen += [item.data for item in framed if isinstance(item, Frame)]
        offset = stream.read_offset
        if fate != "killed late":
            taken = stream.consumed = offset
        if fate.startswith("killed"):
            stream = _stream(read_offset=offset, consumed=taken)
            taken = stream.consumed = offset  # the successor discards the difference first
    assert seen == MESSAGES
    assert not stream.partial


def test_what_is_whole_before_an_error_comes_first() -> None:
    stream = _stream()
    data = MESSAGES[1] + b"OPTIONS sip:a SIP/2.0\r\n\r\n"
    assert [item.data for item in stream.feed(data) if isinstance(item, Frame)] == [MESSAGES[1]]
    with pytest.raises(RemoteProtocolError):
        stream.feed(data)
    assert stream.read_offset == len(MESSAGES[1])
    assert stream.refused().startswith(b"OPTIONS")
    assert stream.read_offset == len(data)


def test_more_consumed_than_taken_over_is_a_gap() -> None:
    with pytest.raises(GapError):
        _stream(read_offset=3, consumed=4)


@given(
    st.lists(st.binary(min_size=1, max_size=50), max_size=15),
    st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=40),
)
def test_any_short_writes_and_kills_write_each_byte_once(messages: list[bytes], steps: list[tuple[int, bool]]) -> None:
    stream = _stream()
    journal = [stream.push(data) for data in messages]
    out = b""
    for room, killed in [*steps, *[(60, False)] * 20]:
        piece = bytes(stream.pending()[:room])
        out += piece
        for chunk in stream.wrote(len(piece)):
            journal.remove(chunk)
        if killed:
            stream = _stream()
            for chunk in stream.resume(len(out), journal):
                journal.remove(chunk)
    assert out == b"".join(messages)
    assert not stream.waiting
    assert not journal


@pytest.mark.parametrize(
    ("written", "kept", "unsent"),
    [
        (0, [0, 1], b"aaaaabbbbb"),
        (5, [0, 1], b"bbbbb"),
        (7, [1], b"bbb"),
        (10, [0, 1], b""),
        (10, [], b""),
        (3, [1], None),  # two bytes of the first are nowhere
        (4, [1], None),  # one byte is
        (12, [0, 1], None),  # the kernel has bytes that nobody committed
    ],
)
def test_a_successor_goes_on_only_where_no_byte_is_missing(written: int, kept: list[int], unsent: bytes | None) -> None:
    chunks = [Chunk(0, b"aaaaa", "", KEY), Chunk(5, b"bbbbb", "", KEY)]
    stream = _stream()
    if unsent is None:
        with pytest.raises(GapError):
            stream.resume(written, [chunks[index] for index in kept])
        return
    stream.resume(written, [chunks[index] for index in kept])
    out = b""
    while piece := bytes(stream.pending()):
        out += piece
        stream.wrote(len(piece))
    assert out == unsent


def test_bytes_that_were_refused_are_no_beginning_of_a_message() -> None:
    stream = _stream()
    stream.feed(memoryview(MESSAGES[0] + b"OPTIONS"))
    assert stream.partial
    stream = _stream()
    with pytest.raises(RemoteProtocolError):
        stream.feed(memoryview(b"OPTIONS sip:a SIP/2.0\r\n\r\nmore"))
    assert stream.refused().startswith(b"OPTIONS")
    assert not stream.partial


def test_a_queue_is_bounded() -> None:
    stream = _stream()
    stream.push(b"x" * 1000)
    with pytest.raises(QueueFullError):
        stream.push(b"x")
    stream.wrote(1)
    stream.push(b"x")


def test_a_request_is_awaited_until_its_first_response() -> None:
    stream = _stream()
    stream.sent_request("transaction-0", KEY)
    stream.sent_request("transaction-0", KEY._replace(branch="z9hG4bKb"))
    stream.sent_request("transaction-0", KEY._replace(branch=""))
    stream.saw(Head("INVITE", 100, "z9hG4bKa", "", "", 1, "", ""))
    assert stream.forsaken() == [("transaction-0", KEY._replace(branch="z9hG4bKb"))]
    assert stream.forsaken() == []


def test_a_request_is_owed_its_final_response() -> None:
    stream = _stream()
    stream.saw(Head("INVITE", 0, "z9hG4bKa", "", "", 1, "", ""))
    stream.saw(Head("ACK", 0, "z9hG4bKa", "", "", 1, "", ""))
    stream.answered(b"SIP/2.0 180 Ringing\r\n")
    assert stream.owed == 1
    stream.answered(b"SIP/2.0 200 OK\r\n")
    stream.answered(b"SIP/2.0 200 OK\r\n")
    assert stream.owed == 0


# Held back for want of room above


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 4)), max_size=60))
def test_whatever_is_held_and_released_each_message_comes_once_and_in_order(steps: list[tuple[int, int]]) -> None:
    stream, seen, arrived = _stream(), [], 0
    for size, room in [*steps, (len(DATA), 9), (1, 9)]:
        arrived = min(len(DATA), arrived + size)
        begin = stream.read_offset
        framed = stream.release() or stream.feed(memoryview(DATA)[stream.consumed : arrived])
        for number, item in enumerate(framed):
            if number == room:
                stream.hold(framed[number:], begin)
                assert stream.holding
                break
            begin = item.end
            seen += [item.data] if isinstance(item, Frame) else []
        assert stream.read_offset <= arrived
    assert seen == MESSAGES
    assert not stream.holding
    assert not stream.partial


def test_what_waits_for_a_response_is_remembered_only_so_far() -> None:
    stream = _stream()
    for number in range(5000):
        stream.sent_request("transaction-0", KEY._replace(branch=f"z9hG4bK{number}"))
    assert len(stream.forsaken()) == 4096
