"""Write the audio channel down from its records: docs/api/audio.yaml, and docs/api/audio_vectors.json for clients."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any, get_type_hints

import draw_api
import msgpack

from actors.media import audio_events
from actors.media.audio_events import MAX_MESSAGE, REQUESTS, TOLD, VERSION, Frame, encode
from actors.media.audio_frame_events import PLACES, Frames, Played, Writes, frame_head, packed_frame

FOLDER = Path(__file__).parent / "api"
TYPES: dict[type, dict[str, Any]] = {
    str: {"type": "string", "maxLength": audio_events.MAX_NAME},
    int: {"type": "integer", "minimum": 0},
    bool: {"type": "boolean"},
    float: {"type": "number"},
    bytes: {"type": "string", "contentEncoding": "binary"},
}
# Those of two taps, of the places 0 and 7.
ARRAYS = (
    Writes(b"\0\0\7\0", bytes(8) + (160).to_bytes(8, "little"), b"\1\2\3\4" * 2),
    Played(b"\0\0\7\0", bytes(8) + (160).to_bytes(8, "little")),
    Frames(8000, 16_000, b"\0\0\7\0", (160).to_bytes(4, "little") * 2, b"\1\2" * 320),
)
SAMPLES: dict[type, Any] = {str: "5f3a90c1", int: 16_000, bool: True, float: 2.5, bytes: b"\x01\x02\x03\x04"}

ABOUT = f"""\
{inspect.getdoc(audio_events)}

A message holds at most {MAX_MESSAGE} bytes. One that is none is dropped. Ask every media process for a call with `open`
under a token of your own: the one that has it answers `opened`, the others refuse with `no_such_call`. While a tap
stands something comes every 40 ms; when nothing does for 100 ms, send `open` again, with `played` as you know it, then
everything from the `played` of `opened` on, and marks and flushes that were not answered: nothing takes effect twice.
Who has many taps gives each a `place` in its `open`: then `writes`, `played` and `blocks` speak of all of them at once.
Of sound that was written at most {audio_events.WINDOW} seconds may wait to be played; `full` refuses what is more.
"""


def schema(kind: Any, word: str, name: str) -> dict[str, Any]:  # noqa: ANN401 - a named tuple
    """A record as a map; `word` is the field that says which one it is, and its value `name`."""
    about, fields = draw_api.described(kind)
    properties: dict[str, Any] = {word: {"type": "string", "const": name}} if word else {}
    for field, hint in get_type_hints(kind).items():
        properties[field] = {**TYPES[hint], **({"description": fields[field]} if field in fields else {})}
        if field in kind._field_defaults:
            properties[field]["default"] = kind._field_defaults[field]
        if field == "place":
            properties[field] |= {"minimum": -1, "maximum": PLACES - 1}
    required = [field for field in properties if field not in kind._field_defaults]
    return {"type": "object", "description": about, "properties": properties, "required": required}


def specification() -> dict[str, Any]:
    """The whole document."""
    schemas = {kind.__name__: schema(kind, "op", op) for op, kind in REQUESTS.items()}
    schemas |= {kind.__name__: schema(kind, "t", word) for word, kind in TOLD.items()}
    schemas |= {kind.__name__: schema(kind, "", "") for kind in (Frame, Frames)}

    def one_of(kinds: Any) -> dict[str, Any]:  # noqa: ANN401
        return {"type": "array", "items": {"oneOf": [{"$ref": f"#/components/schemas/{k.__name__}"} for k in kinds]}}

    version = {"v": {"type": "integer", "const": VERSION}}
    asks = {"type": "object", "properties": {**version, "asks": one_of(REQUESTS.values())}, "required": ["v", "asks"]}
    frames = {"type": "array", "items": {"$ref": "#/components/schemas/Frame"}}
    tick = {
        "type": "object",
        "properties": {**version, "told": one_of(TOLD.values()), "frames": frames, "blocks": one_of([Frames])},
        "required": ["v", "told", "frames"],
    }
    channel = {"$ref": "#/channels/audio"}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "sipactors audio channel", "version": str(VERSION), "description": ABOUT},
        "defaultContentType": "application/msgpack",
        "servers": {
            "local": {
                "host": "localhost",
                "protocol": "zmq-ipc",
                "description": "ipc://RUN_DIR/audio-N (ROUTER) of each media process N, the service's user alone",
            }
        },
        "channels": {
            "audio": {
                "address": "audio-N",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in ("asks", "tick")},
            }
        },
        "operations": {
            "ask": {"action": "receive", "channel": channel, "messages": [{"$ref": "#/channels/audio/messages/asks"}]},
            "tick": {"action": "send", "channel": channel, "messages": [{"$ref": "#/channels/audio/messages/tick"}]},
        },
        "components": {
            "messages": {
                "asks": {"title": "asks", "summary": "client to service", "payload": asks},
                "tick": {"title": "tick", "summary": "service to client", "payload": tick},
            },
            "schemas": schemas,
        },
    }


def sample(kind: Any) -> Any:  # noqa: ANN401 - a named tuple
    """A record, always the same."""
    for arrays in ARRAYS:
        if isinstance(arrays, kind):
            return arrays
    return kind(**{name: SAMPLES[hint] for name, hint in get_type_hints(kind).items()})


def vectors() -> list[dict[str, Any]]:
    """Bytes and what they mean; sound as hexadecimal digits."""
    found = [("client", op, encode([sample(kind)])) for op, kind in REQUESTS.items()]
    found += [("service", word, audio_events.encode_tick([sample(kind)], [])) for word, kind in TOLD.items()]
    frame = sample(Frame)
    packed = packed_frame(frame_head(frame.tap), frame.seq, frame.timestamp, frame.data)
    found.append(("service", "frame", audio_events.encode_tick([], [packed])))
    found.append(("service", "frames", audio_events.encode_tick([], [], [sample(Frames)])))
    return [
        {"name": name, "from": sender, "bytes": data.hex(), "means": _shown(msgpack.unpackb(data))}
        for sender, name, data in found
    ]


def _shown(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {key: _shown(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shown(inner) for inner in value]
    return value.hex() if isinstance(value, bytes) else value


def pages() -> dict[Path, str]:
    """Both files and what is to be in them."""
    head = "# Made from the records by `make docs`; a test holds it against the code.\n"
    listed = ",\n".join(json.dumps(vector) for vector in vectors())
    return {
        FOLDER / "audio.yaml": head + draw_api.yaml(specification()),
        FOLDER / "audio_vectors.json": f"[\n{listed}\n]\n",
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path}\n")
