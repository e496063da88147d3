"""An echo bot: says back what a caller said after each pause; who talks into it cuts it off at the very sample.

    sipactors run --answer workers &
    python examples/echo_bot.py

A voice bot has this shape: put recognition where the bot collects what was said, and speech where it says it back.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from array import array

from actors.control.async_audio import AsyncAudio
from actors.control.async_client import AsyncClient
from actors.control.errors import CommandRefused
from actors.control.records import CallReceived

LOUD = 400  # mean level of a frame in which somebody talks
PAUSE = 25  # frames: half a second


async def say(audio: AsyncAudio, speech: bytes) -> None:
    """Say it all; of long speech two seconds at a time are on their way."""
    await audio.write(speech)
    await audio.wait(audio.mark())


async def converse(audio: AsyncAudio) -> None:
    """Listen, and say back, until the call ends."""
    said, quiet, began = bytearray(), 0, 0
    saying: asyncio.Task[None] | None = None
    async for frame in audio:
        talks = sum(map(abs, array("h", frame.data))) > LOUD * (len(frame.data) // 2)
        if talks and saying is not None and not saying.done():
            saying.cancel()
            cut = await audio.flush()
            print(f"cut off after {cut.at - began} samples", flush=True)
        if talks or said:
            quiet = 0 if talks else quiet + 1
            said += frame.data
        if quiet == PAUSE:
            began = audio.written
            saying = asyncio.create_task(say(audio, bytes(said)))
            said, quiet = bytearray(), 0


async def serve(client: AsyncClient, ringing: CallReceived, rate: int) -> None:
    """One caller."""
    call = client.calls[ringing.call]
    try:
        await call.claim(worker="echo bot")
        await call.answer()
        async with call.audio(rate) as audio:
            await converse(audio)
    except CommandRefused as error:
        print(f"{call.id}: {error.code}", flush=True)  # another worker was faster, or the caller has hung up


async def main() -> None:
    """Take callers until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=int, default=16_000, help="samples a second")
    parser.add_argument("--run-dir")
    options = parser.parse_args()
    listening = AsyncClient(options.run_dir)
    async with listening as client, asyncio.TaskGroup() as tasks, client.events(topics=["CallReceived"]) as events:
        print("ready", flush=True)
        async for event in events:
            if isinstance(event, CallReceived):
                tasks.create_task(serve(client, event, options.rate))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
