"""A bad network that is simulated for live sessions: what it loses, delays and repeats, and how calls go on."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.media.crossing import Crossing
from actors.media.jitter import FRAME
from actors.media.network import Network
from tests.media.rig import Phone, Rig

WHO = ("192.0.2.1", 4000)


def come(network: Network, count: int = 3000) -> list[tuple[int, float]]:
    """The number of each packet of 20 ms that comes, and by how much it is late, seconds."""
    crossing = Crossing(network)
    out = []
    for tick in range(count * 20 + 2000):  # milliseconds
        now = tick / 1000
        if tick % 20 == 0 and tick < count * 20:
            crossing.enter((tick // 20).to_bytes(4, "big"), WHO, now)
        for data, address in crossing.leave(now):
            assert address == WHO
            number = int.from_bytes(data, "big")
            out.append((number, now - number * 0.02))
    return out


def test_a_network_that_does_nothing_lets_all_through_at_once() -> None:
    found = come(Network(), 500)
    assert [number for number, _ in found] == list(range(500))
    assert max(late for _, late in found) < 1e-9


def test_the_same_seed_is_the_same_network() -> None:
    network = Network(0.1, 2, 40, 0.05, 0.05, 0, 5)
    assert come(network, 500) == come(network, 500) != come(network._replace(seed=6), 500)


@settings(max_examples=5, deadline=None)
@given(st.floats(0, 0.3), st.floats(1, 5), st.floats(1, 100), st.integers(0, 99))
def test_it_loses_and_delays_as_it_is_told(loss: float, burst: float, jitter: float, seed: int) -> None:
    found = come(Network(loss, burst, jitter, seed=seed))
    assert len(found) / 3000 == pytest.approx(1 - loss, abs=0.08)
    late = [delay for _, delay in found]
    assert -1e-9 <= min(late) <= max(late) <= jitter / 1000 + 0.002
    if jitter > 10:
        assert np.mean(late) == pytest.approx(jitter / 2000, rel=0.2)


def test_packets_are_repeated_and_come_behind_their_followers() -> None:
    found = [number for number, _ in come(Network(reorder=0.1, duplicate=0.05))]
    assert len(found) / 3000 == pytest.approx(1.05, abs=0.02)
    behind = sum(one > other for one, other in itertools.pairwise(found))
    assert behind / 3000 == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("drift", [5000.0, -5000.0])
def test_a_clock_that_drifts_comes_nearer_or_falls_behind(drift: float) -> None:
    late = [delay for _, delay in come(Network(drift=drift), 1500)]
    moved = late[1400] - late[100]
    assert moved == pytest.approx(-drift * 1e-6 * 26, abs=0.003)
    assert min(late) >= 0


def talked(rig: Rig, phone: Phone, port: int, ticks: int) -> int:
    """Talk and listen; how many frames of the phone's own came back."""
    heard = 0
    for number in range(ticks):
        phone.say(bytes((number % 100 + 1,)) * FRAME, port)
        rig.step()
        heard += sum(packet.payload != b"\xff" * FRAME for packet in phone.heard())
    return heard


def test_a_session_loses_what_the_network_loses_and_a_kill_changes_nothing_of_it(tmp_path: Path) -> None:
    network = Network(loss=0.2, burst=2, jitter=30, seed=3)
    with Rig(tmp_path, network=network) as rig:
        phone = rig.phone()
        port = rig.call("a", phone)
        rig.engine.echo("a")
        assert talked(rig, phone, port, 1000) > 900, "what is lost is concealed"
        source = rig.engine.sessions["a"].peer.source
        assert source is not None
        assert source.lost / source.expected == pytest.approx(0.2, abs=0.05)
        assert source.jitter > 20
        facts = rig.facts("a", phone, echo=True)
        rig.kill()
        rig.begin()
        assert rig.engine.restore({"a": facts}, rig.now) == {}
        talked(rig, phone, port, 500)
        source = rig.engine.sessions["a"].peer.source
        assert source is not None
        assert source.lost / source.expected == pytest.approx(0.2, abs=0.05)


def test_sessions_on_a_good_network_have_none(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        phone = rig.phone()
        port = rig.call("a", phone)
        rig.engine.echo("a")
        talked(rig, phone, port, 100)
        session = rig.engine.sessions["a"]
        assert session.crossing is None
        assert session.peer.source is not None
        assert session.peer.source.lost == 0
