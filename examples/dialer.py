"""Call everybody in a CSV file, so many a second and so many at once, and write what came of it as CSV.

    python examples/dialer.py calls.csv --max-cps 5 --concurrency 20 > outcomes.csv

The file has a head line; `uri` is needed, `caller` (the From URI), `account` (the trunk to call by) and `play` (a WAV
file) are taken where they are there. An interrupted run hangs up its calls.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import sys

from actors.control.async_client import AsyncClient
from actors.control.errors import ControlError
from actors.control.records import CallEnded

COLUMNS = ("uri", "outcome", "status", "reason", "ringing", "talking")


async def dial(client: AsyncClient, row: dict[str, str], duration: float) -> tuple[object, ...]:
    """One call; its line of the result."""
    async with client.events(topics=["CallEnded"]) as ends:
        try:
            call = await client.calls.place(
                row["uri"],
                caller=row.get("caller") or "",
                account=row.get("account") or "",
                play=row.get("play") or "",
                hang_up_after_play=bool(row.get("play")),
                duration=duration,
                on_owner_lost="hangup",
            )
        except ControlError as error:
            return (row["uri"], "refused", 0, str(error), 0.0, 0.0)
        async for event in ends:
            if isinstance(event, CallEnded) and event.call == call.id:
                return (row["uri"], event.outcome, event.status, event.reason, event.ringing, event.talking)
    return (row["uri"], "lost", 0, "the service stopped", 0.0, 0.0)


async def main() -> None:
    """Dial all rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file")
    parser.add_argument("--max-cps", type=float, default=5.0, help="calls begun a second")
    parser.add_argument("--concurrency", type=int, default=20, help="calls at once")
    parser.add_argument("--duration", type=float, default=30.0, help="seconds after which a call is hung up")
    parser.add_argument("--run-dir")
    options = parser.parse_args()
    with open(options.file, newline="", encoding="utf-8") as file:  # noqa: ASYNC230, PTH123 - before anything runs
        rows = list(csv.DictReader(file))
    out = csv.writer(sys.stdout)
    out.writerow(COLUMNS)
    room, done = asyncio.Semaphore(options.concurrency), 0

    async def one(row: dict[str, str]) -> None:
        nonlocal done
        try:
            out.writerow(await dial(client, row, options.duration))
        finally:
            room.release()
        done += 1
        bar = "#" * (40 * done // len(rows))
        print(f"\r[{bar:<40}] {done}/{len(rows)}", end="", file=sys.stderr, flush=True)

    async with AsyncClient(options.run_dir) as client, asyncio.TaskGroup() as tasks:
        for row in rows:
            await room.acquire()
            tasks.create_task(one(row))
            await asyncio.sleep(1 / options.max_cps)
    print(file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main())
