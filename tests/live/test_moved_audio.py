"""A call's audio in another program goes on where the call moves to: nothing said is lost, no gap is untold."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from actors.control.async_client import AsyncClient
from actors.control.client import Client
from tests.chaos.killing import children, wait_restarted
from tests.live.exchange import Caller, Exchange, exchange, holder, in_two_processes
from tests.live.sound import RATE
from tests.live.speech import speech_and_codes

pytestmark = pytest.mark.live

SECONDS = 3.0


def bridge(it: Exchange, a: Caller, b: Caller, *, kill: bool = False) -> None:
    """Bridge two callers, which moves the first one; the process that it is in may be killed right behind that."""
    name = holder(it, a)
    before = children(it.client)[name]
    it.client.bridge(a.call, b.call)
    if kill:
        os.kill(before.pid, signal.SIGKILL)
        wait_restarted(it.client, name, before.restarts)


@pytest.mark.parametrize("kill", [False, True])
def test_a_program_hears_and_speaks_on_where_the_call_moves_to(tmp_path: Path, kill: bool) -> None:
    samples, codes = speech_and_codes(SECONDS)
    said = samples.tobytes()
    with exchange(tmp_path) as it:
        a, b = in_two_processes(it, level=0.0)
        with Client(it.service.run_dir, patience=20.0) as client, client.calls[a.call].audio(8000) as audio:
            audio.write(said[: 2 * RATE])
            heard = [audio.receive(10.0) for _ in range(25)]
            bridge(it, a, b, kill=kill)
            audio.write(said[2 * RATE :], 20.0)
            mark = audio.mark()
            assert audio.wait(mark, 20.0)
            heard += [audio.receive(10.0) for _ in range(40)]
            assert audio.ended == ""
            assert audio.exact
            assert audio.played == audio.written
            assert audio.lost == sum(each.lost for each in heard if each is not None)
            last = next(number for number in count(1) if (each := heard[-number]) is not None and any(each.data))
            assert last < 10  # the peer is heard in the end
        assert holder(it, a) == holder(it, b)
        a.rtp.wait_for(10)
        a.judge_heard(codes, but=2 * kill)


def test_tasks_of_asyncio_do_so_in_both_calls(tmp_path: Path) -> None:
    said = speech_and_codes(SECONDS)[0].tobytes()

    async def talk(it: Exchange, a: Caller, b: Caller) -> None:
        async with AsyncClient(it.service.run_dir, patience=20.0) as client:

            async def speak(call: str, moves: Callable[[], None] | None) -> None:
                async with client.calls[call].audio(8000) as audio:
                    await audio.write(said[: 2 * RATE])
                    if moves is not None:
                        await asyncio.to_thread(moves)
                    await audio.write(said[2 * RATE :])
                    assert await audio.wait(audio.mark())
                    frame = await audio.receive()
                    assert frame is not None
                    assert audio.exact
                    assert not audio.ended

            await asyncio.gather(
                speak(a.call, lambda: bridge(it, a, b)),
                speak(b.call, None),
            )

    with exchange(tmp_path) as it:
        a, b = in_two_processes(it, level=0.0)
        asyncio.run(talk(it, a, b))
        assert holder(it, a) == holder(it, b)
        for caller in (a, b):
            caller.rtp.wait_for(10)
            caller.judge()
