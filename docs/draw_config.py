"""Write every setting down with its default: docs/configuration.md, made from the types."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
from draw_api import described

from actors import config
from actors.config import Config

TARGET = Path(__file__).parent / "configuration.md"
HEAD = """# The settings

Made from the types by `make docs`; a test holds this page against the code.

`sipactors run -c FILE` reads a TOML file; without one every setting has its default. A key that is unknown, or a value
that cannot be, is refused in one line that names it: `sipactors config check -c FILE` says so without starting
anything. `sipactors reload` (or SIGHUP) has a running service read the file again: what differs is taken up by starting
the processes concerned anew, and calls stay up; only `[service]` takes a restart.

Each setting but those of accounts can be given in the environment, over the file's: `SIPACTORS_SIP_USER=alice` is
`user` of `[sip]`; what is no text is written as in TOML, `SIPACTORS_SIP_LISTEN='["udp:192.0.2.7:5060"]'`.
Secrets need not stand in the file: accounts have `password_file` and `password_env`, certificates are paths.
"""


def sections() -> list[tuple[str, Any]]:
    """The heading and the type of each table."""
    found = []
    for name, hint in get_type_hints(Config).items():
        inner = get_args(hint)
        found.append((f"[[{name}]]", inner[0]) if inner else (f"[{name}]", hint))
    return found


def default_of(field: Any) -> str:  # noqa: ANN401
    """A default as it would stand in the file."""
    if field.default_factory is not msgspec.NODEFAULT:
        return json.dumps(field.default_factory())
    return "-" if field.default is msgspec.NODEFAULT else json.dumps(field.default, ensure_ascii=False)


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for heading, kind in sections():
        about, attributes = described(kind)
        hints = get_type_hints(kind, include_extras=True)
        parts.append(f"\n## `{heading}`\n\n{about.partition(': ')[2]}\n\n")
        parts.append("| key | default | what it may be | what it is |\n|---|---|---|---|\n")
        for field in msgspec.structs.fields(kind):
            may_be = config.allowed(hints[field.name])
            row = (f"`{field.name}`", f"`{default_of(field)}`", may_be, attributes[field.name].replace("``", "`"))
            parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n")
    return "".join(parts)


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{TARGET}\n")
