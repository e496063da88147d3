"""The page of faults and attacks names tests that there are, each case at least one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "faults.md"
CASES = 87
NOT_YET = {25, 58}  # WebSocket, DTLS


def rows() -> dict[int, list[tuple[str, str]]]:
    """The tests of each case, as (file, name)."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        number = re.match(r"\| (\d+) \|", line)
        if number:
            assert line.count("|") == 5, line
            found[int(number[1])] = re.findall(r"`([\w/.]+)::(\w+)`", line)
    return found


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_case_has_a_row_and_every_test_that_it_names_is_there() -> None:
    page = rows()
    assert list(page) == list(range(1, CASES + 1))
    assert {number for number, named in page.items() if not named} == NOT_YET
    there = {file: names_in(TESTS / file) for file in {file for named in page.values() for file, _ in named}}
    missing = [f"{number}: {file}::{name}" for number in page for file, name in page[number] if name not in there[file]]
    assert missing == []


def test_a_test_that_is_named_after_a_case_stands_in_its_row() -> None:
    """It may stand in others too; one that stands nowhere is found by its name."""
    page = rows()
    named = {(number, name) for number, tests in page.items() for _, name in tests}
    for name in {name for _, name in named}:
        for number in re.findall(r"\d+", "".join(re.findall(r"^test_faults?_(\d+(?:_and_\d+)?)_", name))):
            assert (int(number), name) in named
