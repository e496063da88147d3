"""docs/api/audio.yaml and audio_vectors.json against the code."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from actors.media.audio_events import REQUESTS, TOLD, decode, decode_tick

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("draw_audio")


def test_the_documents_are_those_of_the_records(writer: Any) -> None:
    for path, text in writer.pages().items():
        assert path.read_text("utf-8") == text, f"{path.name}: run `make docs`"
    assert yaml.safe_load((DOCS / "api" / "audio.yaml").read_text("utf-8")) == writer.specification()


def test_the_vectors_fit_the_document_and_mean_what_they_say(writer: Any) -> None:
    document = writer.specification()
    found = writer.vectors()
    assert {vector["name"] for vector in found} == {*REQUESTS, *TOLD, "frame", "frames"}
    for vector in found:
        message = "asks" if vector["from"] == "client" else "tick"
        where = {"$ref": f"#/components/messages/{message}/payload", **document}
        jsonschema.Draft202012Validator(where).validate(vector["means"])
        data = bytes.fromhex(vector["bytes"])
        if message == "asks":
            (record,) = decode(data)
            assert record == writer.sample(REQUESTS[vector["name"]])
        else:
            told, frames, blocks = decode_tick(data)
            kind = TOLD.get(vector["name"], writer.Frames if vector["name"] == "frames" else writer.Frame)
            assert [*told, *frames, *blocks] == [writer.sample(kind)]
