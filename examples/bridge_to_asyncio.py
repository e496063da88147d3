"""A worker in asyncio: claims calls that ring, answers them, and hands what happens to the rest of the program.

    sipactors run --answer workers &
    python examples/bridge_to_asyncio.py

Start it as often as you like: each call has one worker. When a worker dies, `on_owner_lost` says what becomes of its
calls: here another worker has five seconds to claim them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib

from actors.control.async_client import AsyncClient
from actors.control.errors import CommandRefused
from actors.control.records import CallEnded, CallReceived


async def take(client: AsyncClient, ringing: CallReceived, done: asyncio.Queue[CallEnded]) -> None:
    """One call, from its ringing to its end, in a task of its own."""
    call = client.calls[ringing.call]
    async with client.events(call=call.id) as events:  # before the answer, so that nothing is missed
        try:
            await call.claim(worker="asyncio", on_owner_lost=5)
            await call.answer(echo=True)
        except CommandRefused as error:
            print(f"{call.id}: {error.code}")  # another worker was faster, or the caller has hung up
            return
        async for event in events:
            if isinstance(event, CallEnded):
                await done.put(event)
                return


async def report(done: asyncio.Queue[CallEnded]) -> None:
    """Some other part of the program."""
    while True:
        ended = await done.get()
        print(f"{ended.call}: talked {ended.talking:.1f} s", flush=True)


async def main() -> None:
    """Take calls until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run-dir")
    options = parser.parse_args()
    done: asyncio.Queue[CallEnded] = asyncio.Queue()
    async with AsyncClient(options.run_dir) as client, asyncio.TaskGroup() as tasks:
        tasks.create_task(report(done))
        async with client.events(topics=["CallReceived"]) as events:
            print("ready", flush=True)
            async for event in events:
                if isinstance(event, CallReceived):
                    tasks.create_task(take(client, event, done))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
