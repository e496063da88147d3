"""The API over kill -9 of every actor: no command is lost or done twice, no event is missed or told twice."""

from __future__ import annotations

from collections import Counter

import pytest

from actors.control.client import Client, Lost
from tests.chaos.killing import ACTORS, kill, wait_restarted
from tests.live.service import running

pytestmark = pytest.mark.chaos

PATIENCE = 30.0
AFTER = 4  # commands between two kills


def test_commands_take_effect_once_and_events_come_once_while_every_actor_is_killed() -> None:
    with (
        running("--answer", "echo") as service,
        Client(service.run_dir, patience=PATIENCE) as client,
        Client(service.run_dir, patience=PATIENCE) as other,
        client.events(topics=["Call*"]) as events,
    ):
        host, port = service.addresses["udp"]
        placed = []
        for actor in ACTORS:
            before = 0
            for number in range(AFTER):
                if number == 1:
                    before, _ = kill(other, actor)  # while a call is being set up, and before the next command
                placed.append(client.place(f"sip:echo@{host}:{port}", duration=0.3))
            wait_restarted(other, actor, before)
        seen: Counter[tuple[str, str]] = Counter()
        numbers = []
        ends = set()
        while len(ends) < 2 * len(placed):  # each call, and the one that it is to the service itself
            event = events.receive(PATIENCE)
            assert event is not None, f"of {len(placed)} calls {ends} have ended"
            assert not isinstance(event, Lost)
            numbers.append(event.seq)
            seen[type(event).__name__, event.call] += 1  # type: ignore[union-attr]
            if type(event).__name__ == "CallEnded":
                ends.add(event.call)  # type: ignore[union-attr]
        assert numbers == sorted(set(numbers))
        received = [call for (kind, call), _ in seen.items() if kind == "CallReceived"]
        assert len(received) == len(placed) == len(set(placed))
        for call in (*placed, *received):
            assert (seen["CallAnswered", call], seen["CallEnded", call]) == (1, 1)
