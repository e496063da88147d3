"""Kill each actor in each phase of a call, over UDP and TCP, and print restart times and audio gaps.

Each cell is one call of SIPp to the service with music going out: an actor gets kill -9 while the call rings, talks or
ends. The restart time is from the kill to the supervisor's ready; the audio gap is the longest silence between two RTP
packets at the peer. A cell fails when the call ended in any other way than it would have without the kill.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.chaos.killing import ACTORS, ENDERS, PHASES, Outcome, faults, run_cell  # noqa: E402 - after the path
from tests.live.service import running  # noqa: E402

AIMS = {"restart": 20.0, "gap": 60.0}  # milliseconds
Cell = tuple[str, str]


def measure(rounds: int) -> tuple[dict[Cell, list[Outcome]], list[str]]:
    """Run every cell `rounds` times; the outcomes by actor and phase, and what went wrong in words."""
    outcomes: dict[Cell, list[Outcome]] = defaultdict(list)
    broken: list[str] = []
    cells = [(actor, phase) for actor in ACTORS for phase in PHASES]
    with tempfile.TemporaryDirectory(prefix="survival-") as made, running("--answer", "ring") as service:
        for number in range(rounds):
            transport, ender = ("udp", "tcp")[number % 2], ENDERS[number // 2 % 2]
            for actor, phase in cells:
                folder = Path(made) / f"{actor}-{phase}-{number}"
                folder.mkdir()
                where = f"{actor}, {phase}, {transport}, {ender}, round {number + 1}"
                try:
                    outcome = run_cell(service, folder, actor, phase, transport, ender)
                except Exception as error:  # noqa: BLE001 - whatever breaks a cell is what the report is for
                    broken.append(f"{where}: {error!r}")
                    continue
                broken += [f"{where}: {fault}" for fault in faults(outcome, actor)]
                outcomes[actor, phase].append(outcome)
            print(f"\r  round {number + 1} of {rounds}, {len(broken)} faults", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return outcomes, broken


def spread(values: list[float]) -> dict[str, float]:
    """p50, p95 and maximum, in milliseconds."""
    ordered = sorted(value * 1000 for value in values)
    return {
        "p50": round(statistics.median(ordered), 1),
        "p95": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 1),
        "max": round(ordered[-1], 1),
    }


def main() -> None:
    """Measure, print a table or JSON, and exit 1 when a call was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="kills of each actor in each phase (default 20)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    outcomes, broken = measure(options.rounds)
    rows = [
        {
            "actor": actor,
            "phase": phase,
            "calls": len(found),
            "restart_ms": spread([outcome.restart_seconds for outcome in found]),
            "gap_ms": spread([outcome.audio_gap for outcome in found]),
        }
        for (actor, phase), found in outcomes.items()
    ]
    if options.json:
        print(json.dumps({"cells": rows, "faults": broken}, indent=2))
    else:
        print(f"{'':26}{'restart, ms':>24}{'audio gap, ms':>24}")
        print(f"{'killed':14}{'phase':8}{'':4}" + f"{'p50':>8}{'p95':>8}{'max':>8}" * 2)
        for row in rows:
            times = "".join(
                f"{row[kind][at]:8.1f}" for kind in ("restart_ms", "gap_ms") for at in ("p50", "p95", "max")
            )
            print(f"{row['actor']:14}{row['phase']:8}{row['calls']:4}{times}")
        print(f"aims: restart {AIMS['restart']:g} ms, gap {AIMS['gap']:g} ms (20 ms is the pace of the packets)")
        print("\n".join(broken) or f"every one of {sum(len(found) for found in outcomes.values())} calls went on")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
