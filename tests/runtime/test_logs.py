"""Log lines: text for people, an object a line for programs; nothing a peer sent can forge or colour one."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from actors.runtime.logs import Lossy

ROOT = Path(__file__).parents[2]
EVIL = "\x1b[31mred\r\nforged level=error \u2028 \udcff"


def written(*, as_json: bool, level: str = "INFO") -> list[str]:
    program = f"""
import logging, structlog
from actors.runtime.logs import Logs, configure_logs
configure_logs(Logs(logging.{level}, {as_json}))
log = structlog.get_logger(actor="control")
log.info("call", call="c1", remote={EVIL!r}, raw=b"\\xff")
log.debug("unimportant")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=60, check=True)
    assert not done.stdout
    return done.stderr.decode("utf-8").splitlines()


@pytest.mark.parametrize("as_json", [False, True])
def test_a_line_is_one_line_whatever_is_in_it(as_json: bool) -> None:
    (line,) = written(as_json=as_json)
    assert line.isprintable()


def test_a_line_of_json_says_all_of_it() -> None:
    (line,) = written(as_json=True)
    fields = json.loads(line)
    assert (fields["event"], fields["level"], fields["actor"], fields["call"]) == ("call", "info", "control", "c1")
    assert fields["remote"] == EVIL
    assert fields["raw"] == repr(b"\xff")
    assert fields["timestamp"].endswith("Z")


def test_the_level_says_what_is_written() -> None:
    assert len(written(as_json=True, level="DEBUG")) == 2
    assert written(as_json=True, level="ERROR") == []


def test_a_line_that_the_disk_does_not_take_is_lost_and_nothing_raises() -> None:  # FAULTS 71
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - to close it raises, too
    lossy = Lossy(full)
    assert lossy.write("one\n") == lossy.write("two\n") == 4
    with suppress(OSError):
        full.close()
