"""A menu by keys: plays it over and over, and sends each caller where the key that was pressed leads.

    sipactors run --answer workers &
    python examples/ivr.py menu.wav --key 1=sip:sales@example.com --key 2=sip:help@example.com

`*` hangs up. Start several: each call has one of them, and when that one dies another has five seconds to take over.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib

from actors.control.async_client import AsyncClient
from actors.control.errors import CommandRefused
from actors.control.records import CallDigitReceived, CallEnded, CallReceived


async def serve(client: AsyncClient, ringing: CallReceived, menu: str, keys: dict[str, str]) -> None:
    """One caller, until it is where it wants to be."""
    call = client.calls[ringing.call]
    async with client.events(call=call.id) as events:
        try:
            await call.claim(worker="ivr", on_owner_lost=5)
            await call.answer(play=menu, loop=True)
            async for event in events:
                if isinstance(event, CallEnded):
                    print(f"{ringing.remote}: {event.outcome}", flush=True)
                    return
                if not isinstance(event, CallDigitReceived):
                    continue
                print(f"{ringing.remote}: {event.digit}", flush=True)
                if event.digit == "*":
                    await call.hangup()
                elif event.digit in keys:
                    await call.transfer(keys[event.digit])
        except CommandRefused as error:
            print(f"{call.id}: {error.code}", flush=True)  # another worker was faster, or the caller has hung up


async def main() -> None:
    """Take callers until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("menu", help="a WAV file")
    parser.add_argument("--key", action="append", default=[], metavar="KEY=URI", help="where a key leads")
    parser.add_argument("--run-dir")
    options = parser.parse_args()
    keys = dict(pair.split("=", 1) for pair in options.key)
    async with (
        AsyncClient(options.run_dir) as client,
        asyncio.TaskGroup() as tasks,
        client.events(topics=["CallReceived"]) as events,
    ):
        print("ready", flush=True)
        async for event in events:
            if isinstance(event, CallReceived):
                tasks.create_task(serve(client, event, options.menu, keys))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
