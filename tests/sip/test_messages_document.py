"""The examples of docs/messages.md, run one after another as they stand on the page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.sip.fields import FIELDS, NAMES, SPELLINGS

PAGE = Path(__file__).parents[2] / "docs" / "messages.md"


@pytest.fixture
def tables() -> Iterator[None]:
    """The page registers headers; the others shall not know."""
    before = dict(FIELDS), dict(NAMES), dict(SPELLINGS)
    yield
    for table, old in zip((FIELDS, NAMES, SPELLINGS), before, strict=True):
        table.clear()
        table.update(old)  # type: ignore[arg-type]


@pytest.mark.usefixtures("tables")
def test_every_example_does_what_the_page_says() -> None:
    text = PAGE.read_text(encoding="utf-8")
    examples = list(re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
    assert len(examples) == text.count("```") // 2 > 10
    names: dict[str, object] = {"__name__": "example"}
    for example in examples:
        line = text.count("\n", 0, example.start(1))
        exec(compile("\n" * line + example[1], str(PAGE), "exec", dont_inherit=True), names)
