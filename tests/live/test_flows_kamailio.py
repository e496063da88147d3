"""Kamailio proves: an account registers flows (RFC 5626), a reg-id each, and leaves none of them behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.control.client import Client
from tests.live.processes import kill
from tests.live.registrar import account, registrar
from tests.live.service import running
from tests.live.test_registrar_kamailio import becomes, wait_for

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        not list(Path("/usr/lib").glob("**/kamailio/modules/outbound.so")),
        reason="needs the Debian package kamailio-outbound-modules",
    ),
]
INSTANCE = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"


def test_an_account_has_a_flow_over_udp_and_one_over_tcp_over_a_kill_and_takes_both_away(tmp_path: Path) -> None:
    with registrar(tmp_path, outbound=True) as domain:
        other = f"sip:{domain.domain};transport=tcp"
        config = account(
            domain.domain, "alice", outbound=True, instance=INSTANCE, registrars=[other], outbound_proxy=""
        )
        with running(config=config) as service:
            with Client(service.run_dir, patience=30.0) as client, client.events(0) as events:
                both = {wait_for(events, becomes("", "registered")).registrar for _ in range(2)}
                assert both == {"", other}
                flows = domain.flows("alice")
                assert sorted(flows) == [1, 2]
                assert {instance for instance, _ in flows.values()} == {f"<{INSTANCE}>"}
                assert flows[1][1].startswith("sip:alice@127.0.0.1:")
                assert flows[2][1].endswith(";transport=tcp")
                kill(service.pid("dialog-0"))
                client.register(f"sip:alice@{domain.domain}")
                for _ in both:
                    wait_for(events, becomes("", "registered"))
                assert domain.flows("alice") == flows
            assert service.stop() == 0
        assert domain.flows("alice") == {}
