"""The page for those who come from osip and eXosip names only what there is, and leaves nothing unsaid."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "from-exosip.md"
_NAME = re.compile(r"`([^`]+)`")
_THEIRS = re.compile(r"`[A-Za-z_][A-Za-z0-9_]*`( `[A-Za-z_][A-Za-z0-9_]*`)*").fullmatch
_OURS = re.compile(r"`[a-z][A-Za-z0-9_.]*`(, `[a-z][A-Za-z0-9_.]*`)*").fullmatch
_WORDS = re.compile(r"(later|left out): \S.*").fullmatch


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row not in (["theirs", "ours"], ["---", "---"])]


def resolve(name: str) -> object:
    """What a dotted name of ours stands for; AttributeError or ImportError where there is nothing."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise ImportError(name)


def test_each_row_has_names_of_theirs_and_names_of_ours_or_a_reason() -> None:
    assert len(rows()) > 100
    for row in rows():
        assert len(row) == 2, row
        theirs, ours = row
        assert _THEIRS(theirs), row
        assert _OURS(ours) or _WORDS(ours), row


def test_each_name_of_ours_exists() -> None:
    names = {name for _, ours in rows() for name in _NAME.findall(ours) if name.startswith("actors.")}
    missing = []
    for name in sorted(names):
        try:
            resolve(name)
        except (ImportError, AttributeError):
            missing.append(name)
    assert not missing


def test_a_name_that_is_not_there_would_be_noticed() -> None:
    with pytest.raises(AttributeError):
        resolve("actors.sip.Message.no_such_header")
    with pytest.raises(ImportError):
        resolve("no_such_package.thing")


def test_no_function_of_theirs_is_listed_twice_in_a_section() -> None:
    for section in PAGE.read_text(encoding="utf-8").split("\n### ")[1:]:
        theirs = [
            name
            for line in section.splitlines()
            if line.startswith("| `")
            for name in _NAME.findall(line.split("|")[1])
        ]
        assert [name for name, count in Counter(theirs).items() if count > 1] == []


@pytest.mark.parametrize(
    "name",
    [
        "osip_message_parse",
        "osip_via_to_str",
        "sdp_message_parse",
        "osip_transaction_execute",
        "eXosip_call_send_initial_invite",
        "eXosip_set_next_hop",
        "rtp_session_new",
        "audio_stream_start",
    ],
)
def test_the_functions_that_everyone_calls_are_listed(name: str) -> None:
    assert any(f"`{name}`" in theirs for theirs, _ in rows())
