"""The frames of the control API: msgpack maps with typed records on both sides, checked against limits when read.

A client sends requests, ``{v, id, op, key, within, body}``; the service sends frames, ``{v, t, ...}``, of the kinds in
``records.FRAMES``. Fields that a command does not know are refused (a misspelt option must not pass in silence); fields
that a frame does not know are ignored (an older client reads a newer service).
"""

import math
from collections.abc import Callable, Iterable
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import msgpack

from actors.control.records import COMMANDS, EVENTS, FRAMES, Event, Frame, Request, UnknownEvent

VERSION = 1
MAX_FRAME = 65_536  # bytes
MAX_LENGTH = 1_024  # of one map or array, and how many maps and arrays a frame holds in all
MAX_DEPTH = 16
MAX_TEXT = 8_192  # characters of one string: as long as a header line may be


class ProtocolError(Exception):
    """What came is not a frame of this API.

    Attributes:
        code: malformed, version, unknown_command or bad_value.
        field: the path of the field that is wrong, empty where it is the whole frame.
        request: the id of the request where it could be read, else empty: only then can it be answered.
    """

    def __init__(self, code: str, message: str, field: str = "", request: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.request = request


_NAMES: dict[type, str] = {kind: name for table in (COMMANDS, FRAMES) for name, kind in table.items()}
_COMMAND_TYPES = frozenset(COMMANDS.values())

# Reading: what came off the wire into plain values, within the limits.


class _Budget:
    """Counts a frame's maps and arrays while they are read and refuses what one frame may not hold."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_LENGTH

    def array(self, items: list[Any]) -> list[Any]:
        self._left -= 1
        if self._left < 0:
            raise ProtocolError("malformed", f"more than {MAX_LENGTH} maps and arrays")
        return items

    def map(self, pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
        self.array(pairs)
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise ProtocolError("malformed", "a key is given twice")
        if not all(type(key) is str for key in fields):
            raise ProtocolError("malformed", "a key is not a string")
        return fields


def _no_extension(code: int, _data: bytes) -> Any:  # noqa: ANN401
    raise ProtocolError("malformed", f"extension type {code}")


def unpack(data: bytes) -> dict[str, Any]:
    """The map in `data`.

    Raises:
        ProtocolError: it is not one map in msgpack, or is beyond a limit.
    """
    if len(data) > MAX_FRAME:
        raise ProtocolError("malformed", f"longer than {MAX_FRAME} bytes")
    budget = _Budget()
    try:
        value = msgpack.unpackb(
            data,
            object_pairs_hook=budget.map,
            list_hook=budget.array,
            ext_hook=_no_extension,
            max_array_len=MAX_LENGTH,
            max_map_len=MAX_LENGTH,
            max_ext_len=0,
        )
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise ProtocolError("malformed", f"not msgpack: {error}") from None
    if type(value) is not dict:
        raise ProtocolError("malformed", "not a map")
    _check_depth(value)
    return value


def _check_depth(value: Any) -> None:  # noqa: ANN401
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for container in level
            for item in (container.values() if type(container) is dict else container)
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return
    raise ProtocolError("malformed", f"nested deeper than {MAX_DEPTH}")


# From plain values to records: a reader a type.

Reader = Callable[[Any, str], Any]
T = TypeVar("T")


def _any_text(value: Any, path: str) -> str:  # noqa: ANN401
    if type(value) is not str:
        raise ProtocolError("bad_value", f"{path} is not a string", path)
    return value


def _command_text(value: Any, path: str) -> str:  # noqa: ANN401
    """Text that may end up in a SIP header or a path: no control characters, so that it cannot bring lines of its own.

    RFC 3261 section 25.1 (CTL).
    """
    text = _any_text(value, path)
    if len(text) > MAX_TEXT:
        raise ProtocolError("bad_value", f"{path} is longer than {MAX_TEXT} characters", path)
    if not text.isprintable() and any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise ProtocolError("bad_value", f"{path} holds a control character", path)
    return text


def _boolean(value: Any, path: str) -> bool:  # noqa: ANN401
    if type(value) is not bool:
        raise ProtocolError("bad_value", f"{path} is not true or false", path)
    return value


def _integer(value: Any, path: str) -> int:  # noqa: ANN401
    if type(value) is not int:
        raise ProtocolError("bad_value", f"{path} is not an integer", path)
    return value


def _number(value: Any, path: str) -> float:  # noqa: ANN401
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ProtocolError("bad_value", f"{path} is not a finite number", path)
    return float(value)


def _mapping(value: Any, path: str) -> dict[str, Any]:  # noqa: ANN401
    if type(value) is not dict:
        raise ProtocolError("bad_value", f"{path or 'the frame'} is not a map", path)
    return value


_SIMPLE: dict[Any, Reader] = {bool: _boolean, int: _integer, float: _number}


def _reader(kind: Any, *, command: bool) -> Reader:  # noqa: ANN401
    if kind is str:
        return _command_text if command else _any_text
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if get_origin(kind) is UnionType:
        return _nullable(_reader(get_args(kind)[0], command=command))
    if get_origin(kind) is dict:
        return _mapping
    if get_origin(kind) is tuple:
        return _tuple(get_args(kind), command=command)
    return _record(kind, command=command)


def _nullable(reader: Reader) -> Reader:
    return lambda value, path: None if value is None else reader(value, path)


def _tuple(kinds: tuple[Any, ...], *, command: bool) -> Reader:
    item = _reader(kinds[0], command=command)
    size = None if kinds[-1] is Ellipsis else len(kinds)

    def read(value: Any, path: str) -> tuple[Any, ...]:  # noqa: ANN401
        if type(value) is not list or (size is not None and len(value) != size):
            raise ProtocolError("bad_value", f"{path} is not an array" + (f" of {size}" if size else ""), path)
        return tuple([item(element, f"{path}[{index}]") for index, element in enumerate(value)])

    return read


def _record(kind: Any, *, command: bool) -> Reader:  # noqa: ANN401
    fields = [(name, _reader(hint, command=command)) for name, hint in get_type_hints(kind).items()]
    defaults: dict[str, Any] = kind._field_defaults
    known = frozenset(name for name, _ in fields)

    def read(value: Any, path: str) -> Any:  # noqa: ANN401
        _mapping(value, path)
        prefix = f"{path}." if path else ""
        if command and not known.issuperset(value):
            unknown = prefix + min(value.keys() - known)
            raise ProtocolError("bad_value", f"{unknown} is not a field of this command", unknown)
        arguments = []
        for name, reader in fields:
            if name in value:
                arguments.append(reader(value[name], prefix + name))
            elif name in defaults:
                arguments.append(defaults[name])
            else:
                raise ProtocolError("bad_value", f"{prefix}{name} is missing", prefix + name)
        return kind(*arguments)

    return read


_READERS: dict[type, Reader] = {}


def _reader_of(kind: type) -> Reader:
    """Made when first needed: a short-lived client reads few kinds."""
    reader = _READERS.get(kind)
    if reader is None:
        reader = _READERS[kind] = _record(kind, command=kind in _COMMAND_TYPES)
    return reader


def read(kind: type[T], fields: dict[str, Any]) -> T:
    """`fields` as a record of `kind`, one of this module's.

    Raises:
        ProtocolError: a field is missing or of another type.
    """
    record: T = _reader_of(kind)(fields, "")
    return record


def decode_request(data: bytes) -> Request:
    """A client's frame.

    Raises:
        ProtocolError: it cannot be carried out; with ``request`` set where it can be answered.
    """
    fields = unpack(data)
    identifier = fields.get("id")
    if type(identifier) is not str or not 0 < len(identifier) <= 64:
        raise ProtocolError("malformed", "id is not a string of 1 to 64 characters", "id")
    try:
        return _request(fields, identifier)
    except ProtocolError as error:
        raise ProtocolError(error.code, error.message, error.field, identifier) from None


def _request(fields: dict[str, Any], identifier: str) -> Request:
    if fields.get("v") != VERSION:
        raise ProtocolError("version", f"this service speaks version {VERSION} of the control API", "v")
    op = fields.get("op")
    kind = COMMANDS.get(op) if type(op) is str else None
    if kind is None:
        raise ProtocolError("unknown_command", f"op is not one of {', '.join(COMMANDS)}", "op")
    key = _command_text(fields.get("key", ""), "key")
    if len(key) > 128 or not key.isascii():
        raise ProtocolError("bad_value", "key is not at most 128 characters of ASCII", "key")
    within = _number(fields.get("within", 5.0), "within")
    return Request(identifier, key, min(max(within, 0.0), 60.0), _reader_of(kind)(fields.get("body", {}), ""))


def decode_frame(data: bytes) -> Frame:
    """A frame from the service.

    Raises:
        ProtocolError: it is none.
    """
    fields = unpack(data)
    kind = fields.get("t")
    if fields.get("v") != VERSION:
        raise ProtocolError(
            "version", f"the service speaks version {fields.get('v')} of the control API, not {VERSION}"
        )
    if type(kind) is not str or kind not in FRAMES:
        raise ProtocolError("malformed", "t is not the kind of a frame", "t")
    frame: Frame = _reader_of(FRAMES[kind])(fields, "")
    return frame


def decode_event(fields: dict[str, Any]) -> Event:
    """One event of an Events frame, UnknownEvent where its type is.

    Raises:
        ProtocolError: it has no number or type, or lacks a field of its type.
    """
    kind = _any_text(fields.get("type"), "type")
    if kind in EVENTS:
        event: Event = _reader_of(EVENTS[kind])(fields, "")
        return event
    return UnknownEvent(_integer(fields.get("seq"), "seq"), kind, fields)


# Writing.


def plain(value: Any) -> Any:  # noqa: ANN401
    """A record as maps and lists, for msgpack or JSON."""
    if isinstance(value, tuple):
        if hasattr(value, "_fields"):
            return {name: plain(field) for name, field in zip(value._fields, value, strict=True)}
        return [plain(item) for item in value]
    return value


def pack(fields: dict[str, Any]) -> bytes:
    """`fields` in msgpack. Text from a peer that is no Unicode has question marks where it is not."""
    data: bytes = msgpack.packb(fields, unicode_errors="replace")
    return data


def encode_request(request: Request) -> bytes:
    """A client's frame.

    Raises:
        ProtocolError: it is longer than a frame may be.
    """
    op = _NAMES[type(request.body)]
    data = pack({"v": VERSION, **request._asdict(), "op": op, "body": plain(request.body)})
    if len(data) > MAX_FRAME:
        raise ProtocolError("bad_value", f"the command is longer than {MAX_FRAME} bytes")
    return data


def encode_frame(frame: Frame) -> bytes:
    """A frame of the service, of any kind but Events (see encode_events)."""
    return pack({"v": VERSION, "t": _NAMES[type(frame)], **plain(frame)})


def encode_events(identifier: str, events: Iterable[bytes], last: int, after: int) -> bytes:
    """An Events frame of events that are encoded already."""
    encoded = list(events)
    packer = msgpack.Packer(autoreset=False)
    packer.pack_map_header(6)
    for word in ("v", VERSION, "t", "events", "id", identifier, "last", last, "after", after, "events"):
        packer.pack(word)
    packer.pack_array_header(len(encoded))
    return b"".join((packer.bytes(), *encoded))
