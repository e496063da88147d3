"""kill -9 of what carries requests, under fifty a second over UDP: none is lost, each is repeated at most once."""

from __future__ import annotations

import pytest

from actors.control.client import Client
from tests.chaos.pinging import Pinger, broken_promises, ping_through_kills
from tests.live.service import running

pytestmark = pytest.mark.chaos

KILLS = 4  # as many as are answered at once; `make transport-kills` does a hundred
T1 = 2.0  # a busy machine must not look like a loss


@pytest.mark.parametrize("actor", ["transport", "transaction-0", "dialog-0"])
def test_a_kill_costs_a_request_at_most_one_retransmission(actor: str) -> None:
    with running() as service, Client(service.run_dir) as client:
        with Pinger(service.addresses["udp"], rate=50.0, t1=T1) as pinger:
            ping_through_kills(client, pinger, KILLS, between=0.3, actor=actor)
        assert broken_promises(pinger) == []
        assert len(pinger.asked) > 50
        assert service.stop() == 0
