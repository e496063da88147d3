"""The API's frames: what is written is read back, and nothing but ProtocolError comes of anything else."""

from __future__ import annotations

from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.control import protocol, records
from actors.control.protocol import (
    MAX_FRAME,
    ProtocolError,
    decode_event,
    decode_frame,
    decode_request,
    encode_events,
    encode_frame,
    encode_request,
    plain,
    read,
    unpack,
)
from actors.control.records import COMMANDS, EVENTS, FRAMES, CallEnded, Events, Place, Request, Treatment, UnknownEvent

TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xD7FF, exclude_characters="\x7f"), max_size=40)


def _of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a record's field."""
    simple = {
        str: TEXT,
        int: st.integers(-(2**63), 2**63),
        bool: st.booleans(),
        float: st.floats(allow_nan=False, allow_infinity=False),
    }
    if kind in simple:
        return simple[kind]
    if hasattr(kind, "_fields"):
        return st.builds(kind, **{name: _of(hint) for name, hint in get_type_hints(kind).items()})
    if get_origin(kind) is UnionType:
        return st.none() | _of(get_args(kind)[0])
    if get_origin(kind) is tuple:
        item, *more = get_args(kind)
        if more == [item]:
            return st.tuples(_of(item), _of(item))
        return st.lists(_of(item), max_size=5).map(tuple)
    assert kind == dict[str, Any], kind
    return st.dictionaries(TEXT, st.integers(0, 9) | TEXT, max_size=3)


commands = st.one_of([_of(kind) for kind in COMMANDS.values()])
requests = st.builds(
    Request,
    id=TEXT.filter(bool),
    key=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=128),
    within=st.floats(0, 60),
    body=commands,
)
frames = st.one_of([_of(kind) for kind in FRAMES.values()])


@given(requests)
def test_a_request_is_read_as_it_was_written(request: Request) -> None:
    assert decode_request(encode_request(request)) == request


@given(frames)
def test_a_frame_of_the_service_is_read_as_it_was_written(frame: Any) -> None:
    assert decode_frame(encode_frame(frame)) == frame


@given(st.one_of([_of(kind) for kind in EVENTS.values()]))
def test_an_event_is_read_as_it_was_written(event: Any) -> None:
    data = protocol.pack({"type": type(event).__name__, **plain(event)})
    frame = decode_frame(encode_events("7", [data, data], 9, 7))
    assert isinstance(frame, Events)
    assert (frame.id, frame.last, frame.after) == ("7", 9, 7)
    assert [decode_event(fields) for fields in frame.events] == [event, event]


def _tried(function: Any, data: bytes) -> Any:
    """What the function makes of `data`; None where that is refused, which says why."""
    try:
        return function(data)
    except ProtocolError as error:
        assert error.code in {"malformed", "bad_value", "unknown_command", "version"}, error  # noqa: PT017
        assert str(error), error.code  # noqa: PT017 - that it may succeed is the point
        return None


def _refused_or_a_record(data: bytes) -> bool:
    """Whether what is read of any bytes is refused, or a record that is written and read again as itself."""
    request, frame = _tried(decode_request, data), _tried(decode_frame, data)
    whole = request is None or (type(request) is Request and decode_request(encode_request(request)) == request)
    return whole and (frame is None or type(frame) in FRAMES.values())


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_or_a_record(data: bytes) -> None:
    assert _refused_or_a_record(data)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5) | st.integers(0, 3), inner, max_size=4)
    ),
    max_leaves=8,
)
FIELDS = ["v", "t", "op", "id", "key", "within", "body", "events", "result"]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # large values, on a busy machine
@given(
    st.dictionaries(
        st.sampled_from(FIELDS),
        JSON
        | st.just(1)
        | st.sampled_from([*COMMANDS, *FRAMES])
        | st.dictionaries(st.sampled_from(["uri", "call"]), JSON),
    )
)
def test_any_map_is_refused_or_a_record(fields: dict[str, Any]) -> None:
    data = msgpack.packb(fields)
    assert _refused_or_a_record(data)
    event = _tried(lambda _: decode_event(fields), data)
    assert event is None or type(event) in {*EVENTS.values(), UnknownEvent}


@given(requests, st.data())
def test_a_mutated_request_is_refused_or_a_record_and_a_part_of_it_refused(
    request: Request, data: st.DataObject
) -> None:
    raw = bytearray(encode_request(request))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255))
    assert _refused_or_a_record(bytes(raw))
    with pytest.raises(ProtocolError):
        decode_request(bytes(raw[:at]))


@pytest.mark.parametrize(
    "bomb",
    [
        b"\x91" * 5_000,  # 5,000 nested arrays
        b"\x91" * 20 + b"\xc0",  # nested deeper than the limit, but whole
        b"\x80" * 10_000_000,  # 10 MB of empty maps
        b"\xdc\xff\xff" + b"\x80" * 60_000,  # an array too long
        b"\xdc\x04\x00" + (b"\xdc\x04\x00" + b"\x80" * 1_024) * 60,  # all lengths allowed, too many in all
        b"\xdd\xff\xff\xff\xff",  # a length without content
        b"\xd4\x05\x01",  # an extension
        b"\xd6\xff\x00\x00\x00\x00",  # the extension of time stamps
        b"\xc7\x00\x05",  # an empty extension
        b"\x82\xa1a\x01\xa1a\x02",  # a key twice
        b"\x81\x01\x01",  # a key that is a number
        b"\x81\xa1\xff\x01",  # a key that is no UTF-8
        b"",
    ],
)
def test_fault_67_bombs_are_refused_by_limits(bomb: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        unpack(bomb)
    assert caught.value.code == "malformed"


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"v": 2}, "version", "v"),
        ({"op": "reboot"}, "unknown_command", "op"),
        ({"op": ["place"]}, "unknown_command", "op"),
        ({"body": {}}, "bad_value", "uri"),
        ({"body": {"uri": 5}}, "bad_value", "uri"),
        ({"body": {"uri": "sip:a", "play": "x.wav"}}, "bad_value", "play"),
        ({"body": {"uri": "sip:a", "treatment": {"echo": 1}}}, "bad_value", "treatment.echo"),
        ({"body": {"uri": "sip:a", "treatment": {"volume": 1}}}, "bad_value", "treatment.volume"),
        ({"body": {"uri": "sip:a", "duration": float("nan")}}, "bad_value", "duration"),
        ({"body": {"uri": "sip:a", "duration": float("inf")}}, "bad_value", "duration"),
        ({"body": {"uri": "sip:a", "duration": True}}, "bad_value", "duration"),
        ({"body": {"uri": "sip:a", "headers": [["X", "y", "z"]]}}, "bad_value", "headers[0]"),
        ({"body": {"uri": "sip:a", "headers": [["X", "y\r\nVia: evil"]]}}, "bad_value", "headers[0][1]"),
        ({"body": {"uri": "sip:a\r\n"}}, "bad_value", "uri"),
        ({"body": {"uri": "s" * 8_193}}, "bad_value", "uri"),
        ({"body": []}, "bad_value", ""),
        ({"key": "k" * 129}, "bad_value", "key"),
        ({"within": "soon"}, "bad_value", "within"),
    ],
)
def test_a_wrong_command_says_which_field_is_wrong(fields: dict[str, Any], code: str, field: str) -> None:
    right = {"v": 1, "id": "9", "op": "place", "key": "k", "within": 5.0, "body": {"uri": "sip:a"}}
    assert decode_request(msgpack.packb(right)).body == Place("sip:a")
    with pytest.raises(ProtocolError) as caught:
        decode_request(msgpack.packb(right | fields))
    assert (caught.value.code, caught.value.field, caught.value.request) == (code, field, "9")


@pytest.mark.parametrize("identifier", [None, 7, "", "x" * 65])
def test_a_request_that_cannot_be_answered_names_no_request(identifier: object) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_request(msgpack.packb({"v": 1, "id": identifier, "op": "calls"}))
    assert (caught.value.field, caught.value.request) == ("id", "")


def test_a_command_too_long_for_a_frame_is_not_sent() -> None:
    headers = tuple(("X-Long", "y" * 8_000) for _ in range(9))
    with pytest.raises(ProtocolError):
        encode_request(Request("1", "", 5.0, Place("sip:a", headers=headers)))


def test_how_long_a_reply_is_waited_for_is_bounded() -> None:
    assert decode_request(msgpack.packb({"v": 1, "id": "1", "op": "calls", "within": 1e9})).within == 60.0


def test_an_older_client_reads_what_a_newer_service_adds() -> None:
    event = {"seq": 4, "type": "CallTransferred", "call": "a", "to": "sip:b"}
    assert decode_event(event) == UnknownEvent(4, "CallTransferred", event)
    more = {
        **plain(CallEnded(5, "a", "busy", 486, "Busy Here", "remote", 1.0, 0.0, 2.0)),
        "type": "CallEnded",
        "warmth": 4.1,
    }
    assert decode_event(more) == CallEnded(5, "a", "busy", 486, "Busy Here", "remote", 1.0, 0.0, 2.0)
    with pytest.raises(ProtocolError):
        read(records.Placed, {})


def test_a_longest_frame_is_within_the_limit_that_its_reader_sets() -> None:
    with pytest.raises(ProtocolError):
        unpack(b"\xc6" + (MAX_FRAME).to_bytes(4) + b"x" * MAX_FRAME)


def test_a_treatment_says_nothing_by_default() -> None:
    nothing = {"echo": False, "play": "", "loop": False, "record": "", "hang_up_after_play": False, "device": ""}
    assert plain(Treatment()) == nothing


def test_the_api_shows_the_dialog_layers_events_as_they_are() -> None:
    from typing import get_args

    from actors.dialog import account_events, call_commands, call_events

    for kind in get_args(call_events.CallEvent):
        shown = EVENTS[kind.__name__]
        assert ("seq", *kind.__struct_fields__) == shown._fields
    of_claims = ("claimed", "worker")  # control knows those
    assert records.CallInfo._fields == (*call_events.CallInfo.__struct_fields__, *of_claims)
    assert records.Treatment._fields == call_commands.Treatment.__struct_fields__
    assert records.AccountInfo._fields == account_events.AccountInfo.__struct_fields__
