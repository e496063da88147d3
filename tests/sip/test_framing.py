"""Streams cut into messages and keep-alives."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip import RemoteProtocolError, parse
from actors.sip.framing import Frame, Framed, Framer, Ping, Pong, frame_length


def message(body: bytes = b"", length: bytes | None = None, name: bytes = b"Content-Length") -> bytes:
    declared = str(len(body)).encode() if length is None else length
    return (
        b"MESSAGE sip:a@h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:b@h>;tag=1\r\nTo: <sip:a@h>\r\n"
        b"Call-ID: c\r\nCSeq: 1 MESSAGE\r\n" + name + b": " + declared + b"\r\n\r\n" + body
    )


def feed(framer: Framer, chunks: list[bytes]) -> tuple[list[Framed], int | None]:
    """All that comes out, and the status of the error at the end, if any."""
    out: list[Framed] = []
    try:
        for chunk in chunks:
            out += framer.feed(chunk)
        out += framer.feed(b"")
    except RemoteProtocolError as error:
        return out, error.status
    return out, None


pieces = st.sampled_from(
    [
        message(),
        message(b"\r\n\r\n"),
        message(b"x" * 300, name=b"l "),
        b"\r\n",
        b"\r\n\r\n",
        message(b"", b"\r\n 0"),
        message(b"", b"1\r\nl: 2"),
        message(b"", b"x"),
        message(b"", b"70000"),
        b"\r",
        b"\n",
        b"MESSAGE",
        message()[:-1],
    ]
)
streams = st.lists(pieces, max_size=6).map(b"".join)


@given(streams, st.lists(st.integers(0, 2000), max_size=8))
def test_any_chunks_give_the_same_as_one(stream: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    chunks = [stream[start:end] for start, end in itertools.pairwise(edges)]
    whole = feed(Framer(), [stream])
    assert feed(Framer(), chunks) == whole
    assert feed(Framer(), [stream[at : at + 1] for at in range(len(stream))]) == whole


@given(streams)
def test_the_frames_and_what_waits_are_the_stream(stream: bytes) -> None:
    framer = Framer(1000)
    out, _ = feed(framer, [stream])
    start = 0
    for framed in out:
        end = framed.end - 1000
        assert stream[start:end] == (framed.data if isinstance(framed, Frame) else b"\r\n")
        start = end
    assert framer.offset == start + 1000
    assert framer.pending == stream[start:]
    assert framer.buffered == len(stream) - start


def test_line_ends_before_a_bare_one_come_out_first() -> None:
    assert Framer().feed(b"\r\n\rX") == [Pong(2)]
    assert Framer().feed(b"\r\n\r") == [Pong(2)]


def test_a_successor_goes_on_at_the_offset_of_the_last_frame() -> None:
    stream = message(b"one") + message(b"two") + message(b"three")
    first = Framer()
    before = first.feed(stream[: len(message(b"one")) + 20])
    second = Framer(first.offset)
    after = second.feed(stream[first.offset :])
    assert before + after == Framer().feed(stream)


def test_each_frame_parses_to_the_body_that_was_framed() -> None:
    frames = Framer().feed(message(b"one\r\n\r\n") + message(b"two", name=b"L"))
    assert [parse(frame.data).body for frame in frames if isinstance(frame, Frame)] == [b"one\r\n\r\n", b"two"]


def test_a_double_line_end_is_a_ping_and_a_single_one_may_be_a_pong() -> None:
    assert Framer().feed(b"\r\n") == [Pong(2)]
    assert Framer().feed(b"\r\n\r\n") == [Pong(2), Ping(4)]
    data = message()
    assert Framer().feed(b"\r\n" + data + b"\r\n") == [Pong(2), Frame(data, 2 + len(data)), Pong(4 + len(data))]


@pytest.mark.parametrize(
    ("stream", "status"),
    [
        (message(name=b"X-Length"), 400),
        (message(length=b"1\r\nContent-Length: 1"), 400),
        (message(length=b"1\r\nl: 2"), 400),
        (message(length=b"-1"), 400),
        (message(length=b"18446744073709551616"), 400),
        (message(length=b"1, 1"), 400),
        (message(length=b""), 400),
        (message(length=b"65536"), 513),
        (b"MESSAGE sip:a@h SIP/2.0\r\nX: " + b"x" * 65_536, 513),
        (b"x" * 70_000 + b"\r\n\r\n", 513),
        (b"\rX", 400),
    ],
)
def test_a_stream_that_cannot_be_cut_is_refused_for_good(stream: bytes, status: int) -> None:
    framer = Framer()
    for chunk in (stream, message()):
        with pytest.raises(RemoteProtocolError) as raised:
            framer.feed(chunk)
        assert raised.value.status == status
    assert framer.pending == stream


def test_what_was_whole_before_an_error_comes_first() -> None:
    framer = Framer()
    good = message(b"good")
    assert framer.feed(good + message(length=b"x")) == [Frame(good, len(good))]
    with pytest.raises(RemoteProtocolError):
        framer.feed(b"")


def test_a_second_request_inside_a_body_is_never_a_message() -> None:
    inner = message(b"", name=b"l")
    assert [type(framed) for framed in Framer().feed(message(inner))] == [Frame]


def test_a_long_message_in_single_bytes_is_read_in_linear_time() -> None:
    data = message(b"x" * 60_000)
    framer = Framer()
    out = [framed for at in range(len(data)) for framed in framer.feed(data[at : at + 1])]
    assert out == [Frame(data, len(data))]


def test_the_length_of_a_message_is_known_once_its_head_is() -> None:
    data = message(b"12345")
    assert frame_length(data[:40]) is None
    assert frame_length(data[:-5]) == frame_length(data + b"more") == len(data)
    with pytest.raises(RemoteProtocolError):
        frame_length(b"x" * 65_537)
