"""What the service says of itself once it serves."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.announcement import announce
from actors.config import Config, SipSection
from actors.runtime.supervision import Supervisor


@pytest.mark.parametrize(
    ("address", "near"),
    [
        ("192.0.2.7:5060", "192.0.2.7:5060"),
        ("0.0.0.0:5080", "127.0.0.1:5080"),
        ("[::]:5080", "[::1]:5080"),
        ("[2001:db8::1]:5060", "[2001:db8::1]:5060"),
    ],
)
def test_the_address_to_call_is_one_that_can_be_called(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], address: str, near: str
) -> None:
    supervisor = Supervisor((), tmp_path, tmp_path)
    supervisor.addresses[f"udp:{address}"] = address
    announce(supervisor, Config(sip=SipSection(listen=(f"udp:{address}",))), 0.1)
    said = capsys.readouterr().out
    assert f"call it        sip:sipactors@{near}   (a first caller: sipp -sn uac -m 1 {near})" in said
    assert f"listening on   udp:{address}\n" in said
