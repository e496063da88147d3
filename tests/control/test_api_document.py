"""docs/api/asyncapi.yaml and vectors.json against the code, in both directions."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from actors.control import protocol
from actors.control.protocol import ProtocolError, decode_event, decode_frame, decode_request, pack, plain, unpack
from actors.control.records import COMMANDS, EVENTS, FRAMES, Request
from tests.control.test_protocol import _of

DOCS = Path(__file__).parents[2] / "docs"


@cache
def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw_api", DOCS / "draw_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((DOCS / "api" / "asyncapi.yaml").read_text("utf-8"), yaml.CSafeLoader)
    return loaded


@cache
def vectors() -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads((DOCS / "api" / "vectors.json").read_text("utf-8"))
    return loaded


@cache
def validator(message: str) -> Any:
    return jsonschema.Draft202012Validator({"$ref": f"#/components/messages/{message}/payload", **document()})


def fits(message: str, fields: dict[str, Any]) -> bool:
    return bool(validator(message).is_valid(fields))


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from references(item)


def at(pointer: str) -> Any:
    found: Any = document()
    for name in pointer.removeprefix("#/").split("/"):
        found = found[name]
    return found


def test_the_documents_are_those_of_the_records() -> None:
    for path, text in writer().pages().items():
        assert path.read_text("utf-8") == text, f"{path.name}: run `make docs`"
    assert document() == writer().specification()


def test_every_reference_leads_somewhere_and_every_schema_and_message_is_led_to() -> None:
    reached, waiting = set[str](), set(references([document()["channels"], document()["operations"]]))
    while waiting:
        pointer = waiting.pop()
        reached.add(pointer)
        waiting |= set(references(at(pointer))) - reached
    for kind in ("messages", "schemas"):
        names = {f"#/components/{kind}/{name}" for name in document()["components"][kind]}
        assert names <= reached
    channels = document()["channels"]
    assert set(channels["commands"]["messages"]) == set(COMMANDS)
    assert set(channels["replies"]["messages"]) == set(FRAMES)
    assert set(channels["feed"]["messages"]) == set(EVENTS)


@pytest.mark.parametrize("op", COMMANDS)
@given(st.data())
def test_what_a_client_can_send_fits_the_document(op: str, data: st.DataObject) -> None:
    request = Request("1", "k", 5.0, data.draw(_of(COMMANDS[op])))
    assert fits(op, unpack(protocol.encode_request(request)))


@pytest.mark.parametrize("op", COMMANDS)
def test_the_document_refuses_what_the_service_refuses(op: str) -> None:
    vector = next(each for each in vectors() if each["name"] == op)
    right = vector["means"]
    assert fits(op, right)
    body = right["body"]
    wrong = [{**right, "v": 2}, {**right, "body": {**body, "surplus": 1}}]
    wrong += [{**right, "body": {**body, name: value}} for name in body for value in ({"x": 1}, None)]
    required = document()["components"]["schemas"][COMMANDS[op].__name__].get("required", [])
    wrong += [{**right, "body": {key: body[key] for key in body if key != name}} for name in required]
    for fields in wrong:
        assert not fits(op, fields)
        with pytest.raises(ProtocolError):
            decode_request(pack(fields))
    least = {**right, "body": {name: body[name] for name in required}}
    assert fits(op, least)
    decode_request(pack(least))


@pytest.mark.parametrize("word", FRAMES)
@given(st.data())
def test_what_the_service_sends_fits_the_document(word: str, data: st.DataObject) -> None:
    if word != "events":  # its events are other messages
        assert fits(word, unpack(protocol.encode_frame(data.draw(_of(FRAMES[word])))))


@pytest.mark.parametrize("name", EVENTS)
@given(st.data())
def test_every_event_fits_the_document(name: str, data: st.DataObject) -> None:
    event = pack({"type": name, **plain(data.draw(_of(EVENTS[name])))})
    assert fits(name, unpack(event))
    assert fits("events", unpack(protocol.encode_events("1", [event], 5, 4)))
    assert not fits(name, {"type": name})


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_the_vectors_mean_what_they_say(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["bytes"])
    if "refused" in vector:
        with pytest.raises(ProtocolError) as caught:
            decode_request(data)
        assert vector["refused"] == {
            "code": caught.value.code,
            "field": caught.value.field,
            "answered": bool(caught.value.request),
        }
        return
    assert unpack(data) == vector["means"]
    assert pack(vector["means"]) == data
    if vector["from"] == "client":
        assert plain(decode_request(data).body) == vector["means"]["body"]
    elif vector["name"] in FRAMES:
        assert type(decode_frame(data)) is FRAMES[vector["name"]]
    else:
        assert type(decode_event(unpack(data))) is EVENTS[vector["name"]]
