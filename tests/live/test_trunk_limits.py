"""SIPp proves: a trunk never gets more calls a second, or at once, than it allows, over shards and over kill -9."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import pytest

from actors.control.client import Client
from actors.control.errors import CommandRefused
from actors.control.records import CallAnswered, CallEnded
from tests.live import sipp
from tests.live.processes import kill
from tests.live.service import running
from tests.live.test_accounts_sipp import trunk, wait_for

pytestmark = pytest.mark.live


def config(port: int, shards: int, limit: str) -> str:
    return f"[service]\nshards = {shards}\n{trunk(port)}{limit}\n"


def outcomes(client: Client, port: int, number: int, by: str = "100") -> list[str]:
    """Place so many calls: the id of each, or the code of its refusal."""
    found = []
    for _ in range(number):
        try:
            found.append(client.place(f"sip:200@127.0.0.1:{port}", account=f"sip:{by}@127.0.0.1:{port}", echo=True))
        except CommandRefused as refused:
            found.append(refused.code)
    return found


def seen(folder: Path) -> int:
    """How many calls came to the trunk: it counts an INVITE that it has not seen before."""
    with (folder / "uas" / "stat.csv").open(encoding="utf-8") as file:
        return int(list(csv.DictReader(file, delimiter=";"))[-1]["IncomingCall(C)"])


@pytest.mark.parametrize("shards", [2, 4])
def test_so_many_calls_a_second_and_no_more_reach_the_trunk_from_all_shards(tmp_path: Path, shards: int) -> None:
    with (
        sipp.answering(tmp_path / "uas") as (_, port),
        running(config=config(port, shards, "calls_per_second = 8")) as service,
        Client(service.run_dir) as client,
        client.events() as events,
    ):
        begun: list[str] = []
        since = time.monotonic()
        while len(begun) < 9:
            found = outcomes(client, port, 5)
            begun += [call for call in found if call != "too_fast"]
            # Eight at once, then eight more in each second: those that began are counted before the clock is read.
            assert len(begun) <= 8 * (1 + int(time.monotonic() - since))
        waiting = set(begun)
        while waiting:  # in whatever order the shards tell
            waiting.discard(wait_for(events, CallAnswered).call)
        assert len(client.calls()) == len(begun)
        for call in begun:
            client.hangup(call)
            wait_for(events, CallEnded, call=call)
    assert seen(tmp_path) == len(begun)


def test_a_limit_of_one_call_holds_over_four_shards_and_over_kill_9_of_all_of_them(tmp_path: Path) -> None:
    with sipp.answering(tmp_path / "uas") as (_, port):
        slow = config(port, 4, "calls_per_second = 0.001")
        narrow = trunk(port).replace("sip:100@", "sip:300@") + "max_calls = 1\n"
        with (
            running(config=slow + narrow) as service,
            Client(service.run_dir, patience=30.0) as client,
            client.events() as events,
        ):
            (first,) = set(outcomes(client, port, 8)) - {"too_fast"}
            (second,) = set(outcomes(client, port, 8, "300")) - {"busy"}
            wait_for(events, CallAnswered, call=second)
            for number in range(4):
                kill(service.pid(f"dialog-{number}"))
            assert outcomes(client, port, 8) == ["too_fast"] * 8
            assert outcomes(client, port, 8, "300") == ["busy"] * 8
            client.hangup(second)
            assert wait_for(events, CallEnded, call=second).outcome == "answered"
            (third,) = set(outcomes(client, port, 8, "300")) - {"busy"}
            assert {call.call for call in client.calls()} == {first, third}
            wait_for(events, CallAnswered, call=third)
    assert seen(tmp_path) == 3
