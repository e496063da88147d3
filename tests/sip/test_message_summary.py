"""Message summaries (RFC 3842)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sip import LocalProtocolError, RemoteProtocolError
from actors.sip.message_summary import MAX_BYTES, Count, Summary, parse

EXAMPLE = (
    b"Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 4/8 (1/2)\r\n"
    b"fax-message: 0 / 1\r\n\r\nTo: <alice@atlanta.example.com>\r\nSubject: carpool tomorrow?\r\n"
    b"\r\nTo: <alice@example.com>\r\nSubject: HELP!\r\n"
)


def test_a_summary_is_read_as_it_is_meant() -> None:
    summary = parse(EXAMPLE)
    assert summary.waiting
    assert summary.account == "sip:alice@vmail.example.com"
    assert summary.counts == {"voice-message": Count(4, 8, 1, 2), "fax-message": Count(0, 1)}
    assert [dict(message)["Subject"] for message in summary.messages] == ["carpool tomorrow?", "HELP!"]
    assert not parse(b"messages-waiting:no").waiting
    assert parse(b"Messages-Waiting: no\r\n\r\n") == Summary(waiting=False)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"Voice-Message: 1/2\r\n",
        b"Messages-Waiting: maybe\r\n",
        b"Messages-Waiting: yes\r\nVoice-Message: 1\r\n",
        b"Messages-Waiting: yes\r\nVoice-Message: 1/2 (3)\r\n",
        b"Messages-Waiting: yes\r\nVoice-Message: 4294967296/0\r\n",
        b"Messages-Waiting: yes\r\nVoice-Message: 1/2 (0/4294967296)\r\n",
        b"Messages-Waiting: yes\r\nVoice-Message: 1/2\r\nvoice-message: 1/2\r\n",
        b"Messages-Waiting: yes\r\nMessage-Account: not a uri\r\n",
        b"Messages-Waiting: yes\r\nMessage-Account: sip:" + b"a" * 10_000 + b"@b\r\n",
        b"Messages-Waiting: yes\r\nMessage-Account: sip:" + b"a" * 2_000 + b"@b\r\n",
        b"Messages-Waiting: yes\r\n\r\n" + b"a: b\r\n" * (MAX_BYTES // 6),
        b"Messages-Waiting: yes\r\n\r\nbroken\r\n",
    ],
)
def test_what_is_no_summary_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        parse(data)
    assert raised.value.status == 400


def test_no_line_break_is_printed_out_of_a_value() -> None:
    for bad in (Summary(waiting=True, account="sip:a\r\nX: y"), Summary(waiting=True, messages=((),))):
        with pytest.raises(LocalProtocolError):
            bytes(bad)


numbers = st.integers(0, 2**32 - 1)
counts = st.builds(Count, numbers, numbers, st.none(), st.none()) | st.builds(Count, numbers, numbers, numbers, numbers)
names = st.sampled_from(["voice-message", "fax-message", "pager-message", "multimedia-message", "none"])
messages = st.lists(
    st.tuples(st.sampled_from(["To", "Subject"]), st.from_regex(r"[!-~é]{0,9}", fullmatch=True)), min_size=1
)


@given(
    st.booleans(),
    st.sampled_from(["", "sip:a@b.example"]),
    st.dictionaries(names, counts),
    st.lists(messages.map(tuple), max_size=3).map(tuple),
)
def test_print_then_parse_is_the_identity(
    waiting: bool, account: str, counted: dict[str, Count], told: tuple[tuple[tuple[str, str], ...], ...]
) -> None:
    summary = Summary(waiting, account, counted, told)
    assert parse(bytes(summary)) == summary


@given(st.integers(0, 250), st.integers(0, 9), st.binary(max_size=4))
def test_any_bytes_give_a_summary_or_a_remote_protocol_error(place: int, length: int, piece: bytes) -> None:
    data = EXAMPLE[:place] + piece + EXAMPLE[place + length :]
    try:
        summary = parse(data)
    except RemoteProtocolError as error:
        assert error.status == 400  # noqa: PT017 - it may as well be read
        return
    assert parse(bytes(summary)).counts == summary.counts
