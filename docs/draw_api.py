"""Write the control API down from its records: docs/api/asyncapi.yaml, and docs/api/vectors.json for other clients."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from actors.control import message_verbs, records, verbs
from actors.control.asking import Wish
from actors.control.protocol import (
    MAX_DEPTH,
    MAX_FRAME,
    MAX_LENGTH,
    MAX_TEXT,
    VERSION,
    ProtocolError,
    decode_event,
    decode_frame,
    decode_request,
    encode_frame,
    encode_request,
    pack,
    plain,
    unpack,
)
from actors.control.records import COMMANDS, EVENTS, FRAMES, Request

FOLDER = Path(__file__).parent / "api"
SPECIFICATION = FOLDER / "asyncapi.yaml"
VECTORS = FOLDER / "vectors.json"
SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean"}
UNANSWERED = {"subscribe", "unsubscribe"}  # by frames of their own

ABOUT = f"""\
How other processes drive a sipactors service. Every frame is one msgpack map; keys are strings, each once; no extension
types. A frame holds at most {MAX_FRAME} bytes, {MAX_LENGTH} maps and arrays in all, {MAX_LENGTH} elements in each, \
{MAX_DEPTH} levels; a string of a
command at most {MAX_TEXT} characters without control characters. What is beyond is refused, or dropped and counted
where it names no id.

Commands go from a DEALER socket to the service's ROUTER, one frame a message, and are answered by `done` or `refused`
with the same `id`. A command that is not answered is sent again with the same `id` and `key`: under one idempotency key
it takes effect once. `within` is how many seconds the answer is waited for; after it comes `refused` with the code
`timeout`, and the command may yet take effect. A reply in parts counts them in `part` and ends with `last`.

Fields that a command does not know are refused. Fields, frames and events that a client does not know are to be
ignored: a newer service may send them.

Events are numbered for ever (`seq`). `subscribe` answers `subscribed`, then `state` if it was asked for, then `events`
up to `since` + `window`; send it again under the same `id`, with `since` the last number you have and `idle` false, for
more credit; with `idle` true when nothing has come for a while, for the service may have been restarted: what you have
not got is sent again. What the bounded log no longer has is told by `gap`.
"""


def described(kind: type) -> tuple[str, dict[str, str]]:
    """What a record's docstring says of it, and of each of its fields."""
    text = inspect.getdoc(kind) or ""
    head, _, attributes = text.partition("\nAttributes:\n")
    fields = {}
    for names, what in re.findall(r"^    ([\w, ]+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE):
        for name in names.split(", "):
            fields[name] = " ".join(what.split())
    return " ".join(head.split()), fields


def schema_of(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - a type expression
    """The schema of a field."""
    if kind in SIMPLE:
        return {"type": SIMPLE[kind]}
    if get_origin(kind) is UnionType:
        return {"type": [SIMPLE[get_args(kind)[0]], "null"]}
    if get_origin(kind) is dict:
        return {"type": "object"}
    if get_origin(kind) is tuple:
        item, *more = get_args(kind)
        size = {} if more == [Ellipsis] else {"minItems": 1 + len(more), "maxItems": 1 + len(more)}
        return {"type": "array", "items": schema_of(item), **size}
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def record_schema(kind: Any, *, strict: bool, event: bool = False) -> dict[str, Any]:  # noqa: ANN401
    """The schema of a record. `strict`: a field it does not know is refused."""
    about, fields = described(kind)
    properties: dict[str, Any] = {}
    if event:
        properties["type"] = {"type": "string", "const": kind.__name__}
    for name, hint in get_type_hints(kind).items():
        properties[name] = schema_of(hint)
        if name in kind._field_defaults and "$ref" not in properties[name]:
            properties[name]["default"] = plain(kind._field_defaults[name])
        if name in fields and "$ref" not in properties[name]:
            properties[name]["description"] = fields[name]
    required = [name for name in properties if name not in kind._field_defaults]
    schema: dict[str, Any] = {"type": "object", "description": about}
    if properties:
        schema["properties"] = properties
    if required:
        schema["required"] = required
    if strict:
        schema["additionalProperties"] = False
    return schema


def parts_of(kind: Any) -> Iterator[Any]:  # noqa: ANN401
    """A record and the records in it."""
    yield kind
    for hint in get_type_hints(kind).values():
        for inner in get_args(hint) or (hint,):
            if hasattr(inner, "_fields"):
                yield from parts_of(inner)


def wishes() -> dict[str, Wish[Any]]:
    """A wish of each command, by its op, made by its verb."""
    ops = {kind: op for op, kind in COMMANDS.items()}
    found = {}
    modules = {verbs.__name__, message_verbs.__name__}
    for verb in (*vars(verbs).values(), *vars(message_verbs).values()):
        if inspect.isfunction(verb) and verb.__module__ in modules and "-> Wish" in _signature(verb):
            parameters = inspect.signature(verb, eval_str=True).parameters
            samples = {name: sample(each.annotation) for name, each in parameters.items() if each.default is each.empty}
            wish = verb(**samples)
            found[ops[type(wish.command)]] = wish
    return {op: found[op] for op in COMMANDS if op in found}


def _signature(verb: Any) -> str:  # noqa: ANN401
    returned = inspect.signature(verb, eval_str=True).return_annotation
    return f"-> {'Wish' if get_origin(returned) is Wish else returned}"


def specification() -> dict[str, Any]:
    """The whole document."""
    results = {op: wish.part for op, wish in wishes().items()}
    schemas: dict[str, Any] = {}
    for kinds, strict in ((COMMANDS.values(), True), (FRAMES.values(), False), (results.values(), False)):
        for kind in kinds:
            for part in parts_of(kind):
                schemas.setdefault(part.__name__, record_schema(part, strict=strict))
    for kind in EVENTS.values():
        schemas[kind.__name__] = record_schema(kind, strict=False, event=True)
    messages = {op: _request(op, kind) for op, kind in COMMANDS.items()}
    messages |= {word: _frame(word, kind) for word, kind in FRAMES.items()}
    messages |= {
        name: {"title": name, "payload": {"$ref": f"#/components/schemas/{name}"}, "summary": described(kind)[0]}
        for name, kind in EVENTS.items()
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "sipactors control API", "version": str(VERSION), "description": ABOUT},
        "defaultContentType": "application/msgpack",
        "servers": {
            "local": {
                "host": "localhost",
                "protocol": "zmq-ipc",
                "description": "ipc://RUN_DIR/control (ROUTER) and ipc://RUN_DIR/feed (XPUB), the service's user alone",
            }
        },
        "channels": {
            "commands": {
                "address": "control",
                "description": "client to service: DEALER to ROUTER, one frame a message",
                "messages": {op: _message(op) for op in COMMANDS},
            },
            "replies": {
                "address": "control",
                "description": "service to client, on the connection of the command",
                "messages": {word: _message(word) for word in FRAMES},
            },
            "feed": {
                "address": "feed",
                "description": "PUB of two parts: `TYPE CALL`, and the event. What is dropped is not sent again.",
                "messages": {name: _message(name) for name in EVENTS},
            },
        },
        "operations": _operations(results),
        "components": {"messages": messages, "schemas": schemas},
    }


def _message(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/messages/{name}"}


def _request(op: str, kind: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "title": op,
        "summary": described(kind)[0],
        "payload": {
            "type": "object",
            "properties": {
                "v": {"type": "integer", "const": VERSION},
                "id": {"type": "string", "minLength": 1, "maxLength": 64},
                "op": {"type": "string", "const": op},
                "key": {"type": "string", "maxLength": 128, "default": ""},
                "within": {"type": "number", "default": 5.0},
                "body": {"$ref": f"#/components/schemas/{kind.__name__}"},
            },
            "required": ["v", "id", "op"],
        },
    }


def _frame(word: str, kind: Any) -> dict[str, Any]:  # noqa: ANN401
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    head = {
        "type": "object",
        "properties": {"v": {"type": "integer", "const": VERSION}, "t": {"type": "string", "const": word}},
        "required": ["v", "t"],
    }
    if kind is records.Events:
        every = [{"$ref": f"#/components/schemas/{name}"} for name in EVENTS]
        head["properties"]["events"] = {"type": "array", "items": {"anyOf": every}}  # type: ignore[index]
    return {"title": word, "summary": described(kind)[0], "payload": {"allOf": [head, schema]}}


def _operations(results: dict[str, Any]) -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for op, kind in COMMANDS.items():
        operations[op] = {
            "action": "receive",
            "channel": {"$ref": "#/channels/commands"},
            "messages": [{"$ref": f"#/channels/commands/messages/{op}"}],
            "summary": described(kind)[0],
        }
        if op in UNANSWERED:
            continue
        operations[op]["reply"] = {
            "channel": {"$ref": "#/channels/replies"},
            "messages": [{"$ref": f"#/channels/replies/messages/{word}"} for word in ("done", "refused")],
        }
        operations[op]["x-result"] = {"$ref": f"#/components/schemas/{results[op].__name__}"}
    streamed = [{"$ref": f"#/channels/replies/messages/{word}"} for word in FRAMES if word not in {"done", "refused"}]
    operations["stream"] = {"action": "send", "channel": {"$ref": "#/channels/replies"}, "messages": streamed}
    published = [{"$ref": f"#/channels/feed/messages/{name}"} for name in EVENTS]
    operations["publish"] = {"action": "send", "channel": {"$ref": "#/channels/feed"}, "messages": published}
    return operations


# Test vectors


def sample(kind: Any) -> Any:  # noqa: ANN401 - a type expression
    """Some value of a field's type, always the same."""
    if get_origin(kind) is UnionType:
        kind = get_args(kind)[0]
    if kind is str:
        return "sip:bob@example.net"
    if kind in (int, float, bool):
        return {int: 300, float: 1.5, bool: True}[kind]
    if get_origin(kind) is dict:
        return {"call": "c1"}
    if get_origin(kind) is tuple:
        item, *more = get_args(kind)
        return tuple(sample(item) for _ in range(1 + len(more)))[: 1 if more == [Ellipsis] else None]
    if hasattr(kind, "_fields"):
        return kind(*(sample(hint) for hint in get_type_hints(kind).values()))
    return ()  # an Iterable


BAD: dict[str, bytes] = {
    "another version": pack({"v": VERSION + 1, "id": "1", "op": "calls"}),
    "a command nobody knows": pack({"v": VERSION, "id": "1", "op": "reboot"}),
    "a field that is missing": pack({"v": VERSION, "id": "1", "op": "hangup", "body": {}}),
    "a field of another type": pack({"v": VERSION, "id": "1", "op": "hangup", "body": {"call": 7}}),
    "a field nobody knows": pack({"v": VERSION, "id": "1", "op": "hangup", "body": {"call": "c", "cal": "d"}}),
    "a line break in a text": pack({"v": VERSION, "id": "1", "op": "hangup", "body": {"call": "c\r\nVia: x"}}),
    "no id": pack({"v": VERSION, "op": "calls"}),
    "a key twice": bytes.fromhex("82a17601a17602"),
    "an array": bytes.fromhex("9101"),
    "an extension": bytes.fromhex("81a176d40501"),
    "an empty frame": b"",
}


def vectors() -> list[dict[str, Any]]:
    """Bytes and what they mean: requests, frames, events, and what a service refuses."""
    found = []
    for op, kind in COMMANDS.items():
        data = encode_request(Request("7f3a", "once-1", 5.0, sample(kind)))
        found.append({"name": op, "from": "client", "bytes": data.hex(), "means": unpack(data)})
        assert decode_request(data).body == sample(kind)
    for word, kind in FRAMES.items():
        data = encode_frame(sample(kind))
        found.append({"name": word, "from": "service", "bytes": data.hex(), "means": unpack(data)})
        assert decode_frame(data) == sample(kind)
    for name, kind in EVENTS.items():
        data = pack({"type": name, **plain(sample(kind))})
        found.append({"name": name, "from": "service", "bytes": data.hex(), "means": unpack(data)})
        assert decode_event(unpack(data)) == sample(kind)
    for name, data in BAD.items():
        try:
            decode_request(data)
        except ProtocolError as error:
            refusal = {"code": error.code, "field": error.field, "answered": bool(error.request)}
            found.append({"name": name, "from": "client", "bytes": data.hex(), "refused": refusal})
    return found


# Writing


def yaml(value: Any, indent: int = 0) -> str:  # noqa: ANN401
    """Maps and lists as YAML blocks; every scalar as JSON, which is YAML too."""
    pad = " " * indent
    if isinstance(value, dict) and value:
        lines = []
        for key, inner in value.items():
            name = (
                key if re.fullmatch(r"[A-Za-z_][\w-]*", key) and key not in {"on", "off", "yes", "no"} else f'"{key}"'
            )
            if isinstance(inner, dict | list) and inner:
                lines.append(f"{pad}{name}:\n{yaml(inner, indent + 2)}")
            elif isinstance(inner, str) and "\n" in inner:
                text = "".join(f"{pad}  {line}".rstrip() + "\n" for line in inner.rstrip("\n").split("\n"))
                lines.append(f"{pad}{name}: |\n{text}")
            else:
                lines.append(f"{pad}{name}: {json.dumps(inner, ensure_ascii=False)}\n")
        return "".join(lines)
    return "".join(
        f"{pad}- {yaml(item, indent + 2).lstrip()}"
        if isinstance(item, dict) and item
        else f"{pad}- {json.dumps(item)}\n"
        for item in value
    )


def pages() -> dict[Path, str]:
    """Both files and what is to be in them."""
    head = "# Made from the records by `make docs`; a test holds it against the code.\n"
    listed = ",\n".join(json.dumps(vector, ensure_ascii=False) for vector in vectors())
    return {SPECIFICATION: head + yaml(specification()), VECTORS: f"[\n{listed}\n]\n"}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path}\n")
