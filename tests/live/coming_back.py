"""Run by test_network.py in a network namespace of its own: a listener whose one address goes away and comes back."""

from __future__ import annotations

import socket
import sys

from tests.hostile.wire import Dialog, Wire
from tests.live.moving import OURS, PEER, far_socket, ip
from tests.live.peer import PATIENCE
from tests.live.service import Service, running


def options(number: int) -> bytes:
    lines = (
        f"OPTIONS sip:us@{OURS} SIP/2.0",
        f"Via: SIP/2.0/UDP {PEER}:5070;branch=z9hG4bKback{number}",
        f"From: <sip:far@{PEER}>;tag=far",
        f"To: <sip:us@{OURS}>",
        f"Call-ID: back{number}",
        f"CSeq: {number} OPTIONS",
        "Max-Forwards: 70",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode()


def answered(far: socket.socket, service: Service, number: int) -> None:
    """Ask from the other namespace until there is an answer: what comes in between is lost as on any network."""
    far.settimeout(0.5)
    for _ in range(int(2 * PATIENCE)):
        far.sendto(options(number), service.addresses["udp"])
        try:
            while f"branch=z9hG4bKback{number}\r\n".encode() not in (data := far.recv(65_535)):
                pass
        except TimeoutError:
            continue
        assert data.startswith(b"SIP/2.0 200 "), data
        return
    raise AssertionError("nobody answers")


def main() -> None:
    with far_socket() as far, running("--answer", "echo", listen=(f"udp:{OURS}:0", f"tcp:{OURS}:0")) as service:
        answered(far, service, 1)
        for round_ in (2, 3):
            ip("addr", "del", f"{OURS}/24", "dev", "v0")
            service.wait_for_line("a listener has lost its address", count=2 * (round_ - 1))
            ip("addr", "add", f"{OURS}/24", "dev", "v0")
            # Sorted and told as they come: the kernel may bring the link's own IPv6 address in the same moment.
            service.wait_for_line(f"come=['{OURS}'", count=round_ - 1)
            answered(far, service, round_)
            with Wire(service.addresses["tcp"], "tcp") as wire:
                assert wire.ask(Dialog(wire).write("OPTIONS")).status == 200
        assert all(child["restarts"] == 0 for child in service.tree().values())
        assert service.stop() == 0
    sys.stdout.write("back\n")


if __name__ == "__main__":
    main()
