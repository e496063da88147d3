"""The asyncio client: the names of the blocking one, many tasks on one connection, over a kill of control."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

from actors.control.api import Commands
from actors.control.async_client import AsyncClient
from actors.control.client import Client, CommandRefused, NoService
from actors.dialog import call_commands, call_events
from actors.dialog import events as dialog
from tests.control.api import PATIENCE, ControlProcess, control

T = TypeVar("T")


def beside(pool: ThreadPoolExecutor, run_dir: Path, task: Callable[[AsyncClient], Coroutine[Any, Any, T]]) -> Future[T]:
    """Run a task with a client in an event loop of its own thread."""

    async def run() -> T:
        async with AsyncClient(run_dir, patience=PATIENCE) as client:
            return await task(client)

    return pool.submit(asyncio.run, run())


def test_both_clients_have_the_same_names() -> None:
    names = {name for name in dir(Client) if not name.startswith("_")}
    assert names == {name for name in dir(AsyncClient) if not name.startswith("_")}
    assert {name for name in vars(Commands) if not name.startswith("_")} <= names


def test_without_a_service_it_says_what_to_do(tmp_path: Path) -> None:
    async def enter() -> None:
        async with AsyncClient(tmp_path / "run"):
            pass

    with pytest.raises(NoService, match="start one with: sipactors run"):
        asyncio.run(enter())


def test_many_tasks_place_calls_on_one_connection(tmp_path: Path) -> None:
    async def task(client: AsyncClient) -> list[str]:
        calls = await asyncio.gather(*(client.calls.place("sip:bob@192.0.2.4") for _ in range(20)))
        with pytest.raises(CommandRefused):
            await client.calls.place("bob")
        return [call.id for call in calls]

    with control(tmp_path) as house, ThreadPoolExecutor(1) as pool:
        placing = beside(pool, house.context.run_dir, task)
        placed = []
        for _ in range(20):
            command = house.expect("dialog-0", call_commands.PlaceCall, timeout=PATIENCE)
            placed.append(command.call)
            house.send("dialog-0", dialog.CommandDone(command.ref))
        house.wait_for(placing.done, "the task", PATIENCE)
        assert sorted(placing.result()) == sorted(placed)


def test_events_come_once_and_a_command_takes_effect_once_over_a_kill_of_control(tmp_path: Path) -> None:
    async def task(client: AsyncClient) -> tuple[list[Any], str]:
        async with client.events(0, topics=["CallReceived"]) as events:
            seen = []
            placing = asyncio.ensure_future(client.calls.place("sip:bob@192.0.2.4"))
            async for event in events:
                seen.append(event)
                if len(seen) == 200:
                    break
            return seen, (await placing).id

    with ControlProcess(tmp_path) as house, ThreadPoolExecutor(1) as pool:
        peer = house.peers["dialog-0"]
        reading = beside(pool, house.context.run_dir, task)
        house.wait_for(lambda: bool(peer.inbox))
        for number in range(100):
            peer.send(call_events.CallReceived(f"c{number}", "sip:a", "sip:b", "", 1.0))
        house.kill()
        house.start()
        for number in range(100, 200):
            peer.send(call_events.CallReceived(f"c{number}", "sip:a", "sip:b", "", 1.0))
        (command,) = [event for event in peer.inbox if isinstance(event, call_commands.PlaceCall)]
        peer.send(dialog.CommandDone(command.ref))
        house.wait_for(reading.done)
        seen, call = reading.result()
        assert [event.call for event in seen] == [f"c{number}" for number in range(200)]
        assert call == command.call
        assert sum(isinstance(event, call_commands.PlaceCall) for event in peer.inbox) == 1


def test_a_reader_that_waits_in_vain_is_told_so_and_one_of_a_service_that_stops_ends(tmp_path: Path) -> None:
    async def task(client: AsyncClient) -> tuple[Any, Any, bool]:
        async with client.events() as events:
            nothing = await events.receive(0.01)
            return nothing, await events.receive(), events.ended

    with control(tmp_path) as house, ThreadPoolExecutor(1) as pool:
        reading = beside(pool, house.context.run_dir, task)
        house.wait_for(lambda: len(house.actor._subscriptions) == 1, "the reader", PATIENCE)
        house.stop(drain=True)
        assert reading.result(PATIENCE) == (None, None, True)
