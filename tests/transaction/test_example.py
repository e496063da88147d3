"""examples/transaction_only.py as its readers run it: against SIPp, with nothing but the standard library and ours."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import sipp
from tests.live.service import ROOT

EXAMPLE = ROOT / "examples" / "transaction_only.py"


@pytest.fixture
def port() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, str(EXAMPLE), "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().split()[-1])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]


@pytest.mark.live
@pytest.mark.skipif(shutil.which("sipp") is None, reason="needs the Debian package sip-tester")
def test_it_answers_sipp(port: int, tmp_path: Path) -> None:
    report = sipp.call(tmp_path, ("127.0.0.1", port), "-m", "20", "-r", "20", "-d", "100", "-timeout", "20s")
    assert (report.exit_code, report.successful, report.failed) == (0, 20, 0), report.errors


def test_it_is_short_and_imports_only_the_standard_library_and_ours() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 80
    tree = ast.parse(text)
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= {*sys.stdlib_module_names, "actors"}
