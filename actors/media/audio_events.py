"""The audio channel between a media process and other programs: its records, and their bytes. Pure.

A client's DEALER socket sends to the ROUTER ``RUN_DIR/audio-N`` of the media process N, one msgpack map a message:
``{v, asks}``, each of them ``{op, ...}``. The service sends one map a tick to each client, ``{v, told, frames}``: what
it has to tell, each ``{t, ...}``, and the frames of all its taps; those of taps with a place are in `blocks`, which is
there when there are any. Positions count samples of what was written, from 0, at the tap's rate.

Named tuples, so that a client needs nothing but pyzmq and msgpack.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, get_type_hints

import msgpack

from actors.media.audio_frame_events import PLACES, Frames, Played, Writes

VERSION = 1
MAX_MESSAGE = 65_536  # bytes
RATES = (8_000, 16_000, 24_000, 48_000)
WINDOW = 2  # seconds of written audio that may wait to be played
MAX_NAME = 64  # characters of a token or of the name of a mark
FRAMES_A_SECOND = 50


class Open(NamedTuple):
    """Tap a call, or go on with a tap; answered by Opened or Refused. To repeat it does no harm.

    Attributes:
        tap: a token of the client's own, unique: 1 to 64 characters.
        call: the call's id, as in events.
        rate: samples a second of all its frames: 8000, 16000, 24000 or 48000.
        hear: send me what the peer says.
        speak: I write what the peer is to hear; one tap of a call may.
        played: the position last told, for a tap that goes on where nothing better is known.
        place: a number of the client's own, 0 to 65535, another for each of its taps: what is heard then comes in
            Frames and Played, and may be written by Writes, for all such taps at once. -1 for none of that.
    """

    tap: str
    call: str
    rate: int = 16_000
    hear: bool = True
    speak: bool = True
    played: int = 0
    place: int = -1


class Write(NamedTuple):
    """Audio to be played when all before it has been; written twice, it is played once.

    Attributes:
        tap: which.
        at: the position of its first sample; one beyond what was written is answered by Full.
        data: s16le mono.
    """

    tap: str
    at: int
    data: bytes


class Mark(NamedTuple):
    """Tell me, by Marked, when all before the position `at` has been played."""

    tap: str
    name: str
    at: int


class Flush(NamedTuple):
    """Stop now: nothing before the position `to` is played any more. Flushed tells where it was cut.

    Attributes:
        tap: which.
        to: the position up to which the client has written; it goes on writing there.
    """

    tap: str
    to: int


class Measure(NamedTuple):
    """Tell me now, by Measured, how the call goes."""

    tap: str


class Leave(NamedTuple):
    """The tap is over; what was written and not played is not played any more."""

    tap: str


class Opened(NamedTuple):
    """The tap stands.

    Attributes:
        tap: which.
        rate: as asked for.
        window: samples that may be written ahead of what was played.
        played: the position up to which written audio was played: write from there on.
        kept: `played` is exact; else the service lost it in a restart, and it is what the client said.
        cut, flushed: the last flush: where it was cut, and up to which position.
    """

    tap: str
    rate: int
    window: int
    played: int
    kept: bool
    cut: int
    flushed: int


class Refused(NamedTuple):
    """A tap cannot be had.

    Attributes:
        tap: which.
        code: no_such_call, taken (another tap speaks), bad_value, too_many.
        message: one line.
    """

    tap: str
    code: str
    message: str


class Progress(NamedTuple):
    """How far written audio was played; the client may write up to `played` + window."""

    tap: str
    played: int


class Full(NamedTuple):
    """Audio was not taken, for lack of room or because something before it is missing: write on from `at`."""

    tap: str
    at: int


class Marked(NamedTuple):
    """A mark was reached, or cut off by a flush.

    Attributes:
        tap: which.
        name: the mark's.
        at: its position.
        cut: it was flushed: what was before it has not all been played.
        timestamp: the RTP timestamp of the frame that reached it, 0 where it was cut.
    """

    tap: str
    name: str
    at: int
    cut: bool
    timestamp: int


class Flushed(NamedTuple):
    """A flush was done.

    Attributes:
        tap: which.
        to: as in the Flush.
        at: the position of the first sample that was not played; `to` where all had been.
        timestamp: the RTP timestamp behind the last frame that was played of it, 0 where nothing was.
    """

    tap: str
    to: int
    at: int
    timestamp: int


class Measured(NamedTuple):
    """How the call goes, from its begin to now; levels are those of the last 200 ms.

    Attributes:
        tap: which.
        encoding: what is sent, such as PCMU.
        sent, received, lost: RTP packets; lost are those of the peer's.
        jitter: of the peer's packets, milliseconds.
        mos: how the peer sounds here (ITU-T G.107), 1 to 4.5; 0 where nothing was heard.
        heard, said: the level of the peer and that of what it is sent, dB below full scale: -90 to 0.
    """

    tap: str
    encoding: str
    sent: int
    received: int
    lost: int
    jitter: float
    mos: float
    heard: float
    said: float


class Closed(NamedTuple):
    """The tap is over: the call ended, or its session did.

    Attributes:
        tap: which.
        reason: one line.
        moved: the audio of the call is another media process's now: ask all of them, and open the tap again where it
            is, at once or a moment later.
    """

    tap: str
    reason: str
    moved: bool = False


class Frame(NamedTuple):
    """20 ms of what the peer says.

    Attributes:
        tap: which.
        seq: rises by one each 20 ms of time, over restarts too: what is missing was lost.
        timestamp: the RTP timestamp of its first sample, in the peer's clock; 0 while the peer was never heard.
        data: s16le mono.
    """

    tap: str
    seq: int
    timestamp: int
    data: bytes


Ask = Open | Write | Mark | Flush | Measure | Leave  # of one tap
Request = Ask | Writes
News = Opened | Refused | Progress | Full | Marked | Flushed | Measured | Closed  # of one tap
Told = News | Played

REQUESTS: dict[str, type[Any]] = {
    "open": Open,
    "write": Write,
    "writes": Writes,
    "mark": Mark,
    "flush": Flush,
    "measure": Measure,
    "leave": Leave,
}
TOLD: dict[str, type[Any]] = {
    "opened": Opened,
    "refused": Refused,
    "progress": Progress,
    "played": Played,
    "full": Full,
    "marked": Marked,
    "flushed": Flushed,
    "measured": Measured,
    "closed": Closed,
}
_WORDS: dict[type[Any], str] = {kind: word for table in (REQUESTS, TOLD) for word, kind in table.items()}
_FIELDS: dict[type[Any], dict[str, type[Any]]] = {
    kind: get_type_hints(kind) for kind in (*REQUESTS.values(), *TOLD.values(), Frame, Frames)
}


_TICK_HEAD = b"\xa1v" + bytes((VERSION,)) + b"\xa4told"


class AudioError(ValueError):
    """What came is no message of the audio channel."""


def encode(asks: Iterable[Request]) -> bytes:
    """A client's message."""
    data: bytes = msgpack.packb({"v": VERSION, "asks": [{"op": _WORDS[type(each)], **each._asdict()} for each in asks]})
    return data


def decode(data: bytes) -> list[Request]:
    """A client's message.

    Raises:
        AudioError: it is none.
    """
    asks = _unpacked(data).get("asks")
    if type(asks) is not list:
        raise AudioError("asks is an array")
    return [_write(each) if type(each) is dict and each.get("op") == "write" else _request(_map(each)) for each in asks]


def _write(fields: dict[str, Any]) -> Request:
    """What comes most often, read without the tables where it is as it should be."""
    tap, at, data = fields.get("tap"), fields.get("at"), fields.get("data")
    if (
        len(fields) == 4
        and type(tap) is str
        and type(at) is int
        and type(data) is bytes
        and 0 < len(tap) <= MAX_NAME
        and 0 <= at < 1 << 62
    ):
        return Write(tap, at, data)
    return _request(fields)


def _request(fields: dict[str, Any]) -> Request:
    kind = REQUESTS.get(_text(fields.pop("op", "")))
    if kind is None:
        raise AudioError("op is not one of " + ", ".join(REQUESTS))
    request: Request = _record(kind, fields, strict=True)
    if isinstance(request, Writes):
        return request
    for text in (request.tap, getattr(request, "name", "-")):
        if not 0 < len(text) <= MAX_NAME:
            raise AudioError(f"a token or name is of 1 to {MAX_NAME} characters")
    for number in (getattr(request, name, 0) for name in ("at", "to", "played")):
        if not 0 <= number < 1 << 62:
            raise AudioError("a position is not below 0, and below 2^62")
    if isinstance(request, Open) and not -1 <= request.place < PLACES:
        raise AudioError(f"a place is below {PLACES}")
    return request


def encode_tick(told: Sequence[Told], frames: Sequence[bytes], blocks: Sequence[Frames] = ()) -> bytes:
    """A message of the service; its frames are packed already."""
    return b"".join(
        (
            b"\x84" if blocks else b"\x83",
            _TICK_HEAD,
            msgpack.packb([{"t": _WORDS[type(each)], **each._asdict()} for each in told]) if told else b"\x90",
            b"\xa6frames\xdd" + len(frames).to_bytes(4, "big"),
            *frames,
            b"\xa6blocks\xdd" + len(blocks).to_bytes(4, "big") if blocks else b"",
            *(piece for block in blocks for piece in block.packed()),
        )
    )


class Tick(NamedTuple):
    """A message of the service, read."""

    told: list[Told]
    frames: list[Frame]
    blocks: list[Frames]


def decode_tick(data: bytes) -> Tick:
    """A message of the service; what it tells that is not known here is left out.

    Raises:
        AudioError: it is none.
    """
    fields = _unpacked(data)
    told, frames, blocks = fields.get("told"), fields.get("frames"), fields.get("blocks", [])
    if type(told) is not list or type(frames) is not list or type(blocks) is not list:
        raise AudioError("told, frames and blocks are arrays")
    known = [(TOLD.get(_text(_map(each).get("t"))), each) for each in told]
    return Tick(
        [_record(kind, each, strict=False) for kind, each in known if kind is not None],
        [_record(Frame, _map(each), strict=False) for each in frames],
        [_record(Frames, _map(each), strict=False) for each in blocks],
    )


def _unpacked(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_MESSAGE:
        raise AudioError(f"longer than {MAX_MESSAGE} bytes")
    try:
        fields = msgpack.unpackb(data, max_array_len=1024, max_map_len=16, max_ext_len=0)
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise AudioError(f"not msgpack: {error}") from None
    if _map(fields).pop("v", None) != VERSION:
        raise AudioError(f"this is version {VERSION} of the audio channel")
    return _map(fields)


def _map(value: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever came
    if type(value) is not dict:
        raise AudioError("not a map")
    return value


def _text(value: Any) -> str:  # noqa: ANN401 - as above
    return value if type(value) is str else ""


def _record(kind: type[Any], fields: dict[str, Any], *, strict: bool) -> Any:  # noqa: ANN401
    hints = _FIELDS[kind]
    for name, value in fields.items():
        if name not in hints:
            if strict:
                raise AudioError(f"{name} is not a field of this message")
        elif type(value) is not hints[name]:
            raise AudioError(f"{name} is of another type")
    try:
        record = kind(**{name: value for name, value in fields.items() if name in hints})
    except TypeError as error:
        raise AudioError(f"a field is missing: {error}") from None
    if not getattr(record, "fits", True):
        raise AudioError("the arrays are not of the same taps")
    return record
