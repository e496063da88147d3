"""What of events is told in the log."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import structlog

from actors.control import lines
from actors.dialog.account_events import AccountChanged, PeerChanged
from actors.dialog.call_events import CallDigitReceived, CallEnded, CallReceived
from tests.control.api import control


def account(state: str) -> AccountChanged:
    return AccountChanged("sip:alice@h", state, 0.0, 5.0, 403, "Forbidden", "", 6.0)


def test_an_account_that_fails_and_a_trunk_that_is_silent_are_warnings() -> None:
    assert lines.level(account("failing")) == logging.WARNING
    assert lines.level(account("registered")) == logging.DEBUG
    assert (
        lines.level(PeerChanged("sip:t@h", reachable=False, status=408, reason="", seconds=0, time=1))
        == logging.WARNING
    )
    assert (
        lines.level(PeerChanged("sip:t@h", reachable=True, status=200, reason="OK", seconds=0, time=1)) == logging.INFO
    )


def test_a_line_has_ids_and_reasons() -> None:
    ended = CallEnded("c1", "rejected", 603, "Decline", "remote", 1.0, 2.0, 0.0, 0, 0, 0)
    told = lines.fields(ended)
    assert told["call"] == "c1"
    assert (told["outcome"], told["status"], told["reason"], told["by"]) == ("rejected", 603, "Decline", "remote")
    assert lines.fields(account("failing")) == {
        "account": "sip:alice@h", "state": "failing", "status": 403, "reason": "Forbidden",
    }  # fmt: skip


def test_what_is_said_or_pressed_is_in_no_line() -> None:
    digit = lines.fields(CallDigitReceived("c1", "7", 160, "rfc4733", 1.0))
    assert digit == {"call": "c1", "method": "rfc4733"}
    told = lines.fields(CallReceived("c1", "sip:a", "sip:b", "Ann", 1.0, headers=(("X-Pin", "1234"),)))
    assert "1234" not in str(told)
    assert "Ann" not in str(told)
    assert not {"body", "headers", "sdp", "digit", "text"} & set(lines.TOLD)


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
def test_calls_are_lines_where_all_is_to_be_told_and_accounts_that_fail_always(
    tmp_path: Path, level: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        processors=[structlog.processors.JSONRenderer()],
        cache_logger_on_first_use=False,
    )
    try:
        with control(tmp_path) as house:
            house.send("dialog-0", CallReceived("c1", "sip:a", "sip:b", "Ann", 1.0), account("failing"))
            house.settle()
    finally:
        structlog.configure(**before)
    said = capsys.readouterr().out
    assert '"account": "sip:alice@h"' in said
    assert ('"call": "c1"' in said) == (level == logging.DEBUG)
