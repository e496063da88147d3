"""What tests/live says of its peers is so: it names the files that speak with one, no scenario lies idle."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIVE = ROOT / "tests" / "live"


def test_the_files_that_prove_something_are_there() -> None:
    told = ast.get_docstring(ast.parse((LIVE / "__init__.py").read_text(encoding="utf-8"))) or ""
    named = set(re.findall(r"\btest_\w+", told))
    assert len(named) > 10
    assert [name for name in named if not (LIVE / f"{name}.py").exists()] == []


def test_the_files_that_speak_with_somebody_elses_program_are_told_of() -> None:
    told = (LIVE / "__init__.py").read_text(encoding="utf-8")
    # What looks for a free port alone speaks with nobody.
    peers = re.compile(
        r"^from tests\.live(?:\.| import )(?:sipp|baresip|linphone|kamailio|registrar|rtpengine)\b"
        r"(?! import (?:free_port|port_of_both)$)",
        re.MULTILINE,
    )
    speaking = [path.stem for path in LIVE.glob("test_*.py") if peers.search(path.read_text(encoding="utf-8"))]
    assert len(speaking) > 20
    assert [name for name in speaking if not re.search(rf"\b{name}\b", told)] == []


def test_every_scenario_is_played_by_some_test() -> None:
    programs = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("benchmarks/*.py")]
    written = "\n".join(path.read_text(encoding="utf-8") for path in programs)
    scenarios = {path.stem for folder in ("sipp", "scenarios") for path in (LIVE / folder).glob("*.xml")}
    assert len(scenarios) > 30
    assert sorted(name for name in scenarios if f'{name}"' not in written) == []
