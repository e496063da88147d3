"""The documents say what the code does."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


def test_the_diagrams_are_those_of_the_tables() -> None:
    spec = importlib.util.spec_from_file_location("draw_machines", DOCS / "draw_machines.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (DOCS / "machines.md").read_text(encoding="utf-8") == module.page(), "run `make docs`"


def test_every_setting_is_documented_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    draw_config = importlib.import_module("draw_config")
    assert (DOCS / "configuration.md").read_text(encoding="utf-8") == draw_config.page(), "run `make docs`"
