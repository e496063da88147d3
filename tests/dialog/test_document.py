"""docs/user-agent.md names every command and event of calls, with each of its fields."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from actors.dialog import call_commands, call_events, events, request_events
from actors.dialog.call_orders import ORDERS

PAGE = (Path(__file__).parents[2] / "docs" / "user-agent.md").read_text(encoding="utf-8")
EVERYWHERE = {"ref", "call", "time"}
KINDS = [
    call_commands.PlaceCall,
    call_commands.SendDigits,
    call_commands.PlayAudio,
    call_commands.AlterPlayback,
    call_commands.RecordAudio,
    events.DoNotDisturb,
    request_events.SendInCall,
    request_events.AnswerRequest,
    request_events.RequestAnswered,
    request_events.CallRequestReceived,
    *ORDERS,
    *get_args(call_events.CallEvent),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_page_has_a_row_with_every_field(kind: type) -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("|") and f"`{kind.__name__}`" in line]
    assert len(rows) == 1
    named = set(re.findall(r"`([a-z_]+)`", rows[0]))
    assert set(kind.__struct_fields__) - EVERYWHERE <= named  # type: ignore[attr-defined]
