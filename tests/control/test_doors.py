"""A port of the API that is somebody else's when control comes back: who is on this machine is served meanwhile."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from actors.control.keys import Keys
from actors.control.rights import Grant
from actors.control.sockets import CommandDoors
from actors.runtime.mailbox import clock
from tests.control.api import calling, control
from tests.control.test_remote import Remote


def test_a_port_that_somebody_took_while_control_was_gone_is_had_again_when_it_is_free(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        listen = f"tcp://127.0.0.1:{port}"
        run = tmp_path / "run"
        run.mkdir()
        with pytest.raises(OSError, match="in use"):  # at the first start that is a mistake, and said
            CommandDoors(run, listen, Keys(tmp_path / "keys"), clock)
        (run / "port-of-control").write_text(str(port), "ascii")
        with control(tmp_path, listen=listen) as house:
            with calling(house) as local:
                assert local.do(lambda client: client.events()).log
            other.close()
            house.wait_for(lambda: house.actor._socket.remote is not None, "the door")
            caller = Remote(house, tmp_path, Grant("bot"))
            assert caller.do(lambda client: client.events()).log
            caller.close()
