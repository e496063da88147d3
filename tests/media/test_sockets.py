"""The RTP ports of a process: what all that leaves them carries."""

from __future__ import annotations

import os
import socket

import pytest

from actors.media.sockets import Ports
from tests.media.rig import pair

EF = 46


@pytest.mark.parametrize(
    ("host", "peer", "target"),
    [("127.0.0.1", "127.0.0.1", "127.0.0.1"), ("::1", "::1", "::1"), ("::", "127.0.0.1", "::ffff:127.0.0.1")],
)
def test_rtp_and_rtcp_carry_the_dscp_until_a_process_without_one_has_the_ports(
    host: str, peer: str, target: str
) -> None:
    kept = pair(host)
    family, *option = (
        (socket.AF_INET6, socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS)
        if ":" in peer
        else (socket.AF_INET, socket.IPPROTO_IP, socket.IP_RECVTOS)
    )
    with socket.socket(family, socket.SOCK_DGRAM) as far:
        far.bind((peer, 0))
        far.setsockopt(*option, 1)
        far.settimeout(10.0)
        for dscp in (EF, 0):
            ports = Ports({f"rtp:{sock.getsockname()[1]}": os.dup(sock.fileno()) for sock in kept}, dscp=dscp)
            taken = ports.take()
            assert taken is not None
            for sock in (taken.rtp, taken.rtcp):
                sock.sendto(b"said", (target, far.getsockname()[1]))
                said, control, _, _ = far.recvmsg(100, 1024)
                assert (said, [value[0] for _, _, value in control]) == (b"said", [dscp << 2])
            ports.close()
    for sock in kept:
        sock.close()
