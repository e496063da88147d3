"""Draw every state machine from its table into docs/machines.md."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

import actors
from actors.runtime.machine import Table
from actors.runtime.prologue import LAST_PRELOADED

TARGET = Path(__file__).parent / "machines.md"
HEAD = """# The state machines

Made from the tables by `make docs`; a test holds this page against the code.
An edge is an input and the actions it runs.
"""


def tables() -> dict[str, Table]:  # type: ignore[type-arg] - of any machine
    """Every table that a module of ours defines, by the module's name and the table's."""
    found = {}
    names = [module.name for module in pkgutil.walk_packages(actors.__path__, "actors.")]
    names.remove(LAST_PRELOADED)  # it makes of whoever imports it a fork server, deaf to SIGTERM
    for name in names:
        for value in vars(importlib.import_module(name)).values():
            if isinstance(value, Table):
                found.setdefault(value.name, (name, value))
    return {f"{name} (`{where}`)": table for name, (where, table) in sorted(found.items())}


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    parts += [f"\n## {title}\n\n```mermaid\n{table.diagram()}```\n" for title, table in tables().items()]
    return "".join(parts)


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{TARGET}: {len(tables())} machines\n")
