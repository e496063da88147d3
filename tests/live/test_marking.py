"""A socket reads the DSCP off what it gets: of SIP and of media, before media is killed and after."""

from __future__ import annotations

import socket

import pytest

from tests.hostile.wire import Dialog, Wire, sdp
from tests.live.peer import PATIENCE
from tests.live.processes import kill
from tests.live.service import running

pytestmark = pytest.mark.live

EF, AF31 = 46, 26


def _marks(sock: socket.socket) -> list[int]:
    """The DSCP of the next datagram."""
    _, control, _, _ = sock.recvmsg(65_535, 1024)
    return [value[0] >> 2 for level, kind, value in control if (level, kind) == (socket.IPPROTO_IP, socket.IP_TOS)]


def test_sip_and_media_are_marked_as_the_settings_say() -> None:
    config = f"[sip]\ndscp = {AF31}\n[media]\ndscp = {EF}\n"
    with running("--answer", "echo", config=config) as service, Wire(service.addresses["udp"]) as wire:
        wire.socket.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        wire.send(Dialog(wire).write("OPTIONS"))
        wire.socket.settimeout(PATIENCE)
        assert _marks(wire.socket) == [AF31]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp:
            rtp.bind(("127.0.0.1", 0))
            rtp.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
            rtp.settimeout(PATIENCE)
            Dialog(wire).call(sdp(rtp.getsockname()[1]))
            assert _marks(rtp) == [EF]
            kill(service.tree()["media-0"]["pid"])
            rtp.setblocking(False)
            while _read(rtp):
                pass  # what the killed one had sent
            rtp.settimeout(PATIENCE)
            assert _marks(rtp) == [EF]


def _read(sock: socket.socket) -> bool:
    try:
        return bool(sock.recv(65_535))
    except BlockingIOError:
        return False
