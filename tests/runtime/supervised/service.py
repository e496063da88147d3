"""A service of test actors: `service.py RUN_DIR STATE_DIR JSON`, where JSON holds the placement and the specs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import structlog
from children import say

from actors.runtime.descriptors import SocketSpec
from actors.runtime.errors import StartupError
from actors.runtime.restart import Intensity, Restart
from actors.runtime.supervision import ChildSpec, Supervisor

say("main")  # a child that ran this file again would say it once more


def spec(fields: dict[str, object]) -> ChildSpec:
    fields = {"start": "children:main", **fields}
    fields["sockets"] = tuple(SocketSpec(*values) for values in fields.get("sockets", ()))  # type: ignore[attr-defined]
    fields["restart"] = Restart(fields.get("restart", "permanent"))
    fields["peers"] = tuple(fields.get("peers", ()))  # type: ignore[arg-type]
    return ChildSpec(**fields)  # type: ignore[arg-type]


def run() -> int:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    given = json.loads(sys.argv[3])
    try:
        supervisor = Supervisor(
            [spec(fields) for fields in given["specs"]],
            Path(sys.argv[1]),
            Path(sys.argv[2]),
            given["placement"],
            intensity=Intensity(*given["intensity"]),
            on_ready=lambda ready: say("ready", addresses=ready.addresses),
        )
        code = supervisor.run()
    except StartupError as error:
        say("refused", why=str(error))
        return 1
    say("end", code=code, failure=supervisor.failure)
    return code


sys.exit(run())
