"""The small values that all layers speak of."""

from __future__ import annotations

import pytest

from actors.sip.vocabulary import Flow, Target, host_port


@pytest.mark.parametrize(("transport", "reliable"), [("udp", False), ("tcp", True), ("tls", True)])
def test_all_transports_but_udp_retransmit_by_themselves(transport: str, reliable: bool) -> None:
    assert Target(transport, "h", 5060).reliable is reliable
    assert Flow("1", transport, "h", 5060, "h", 5060).reliable is reliable


def test_an_ipv6_address_has_brackets_before_its_port() -> None:
    assert (host_port("::1", 5060), host_port("192.0.2.1", 5060)) == ("[::1]:5060", "192.0.2.1:5060")
