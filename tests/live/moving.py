"""Run by test_network.py in a network namespace of its own: a service whose address changes inside a call.

A veth pair joins it to a second namespace, where the peer is.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import threading

from actors.control.client import Client
from tests.chaos.killing import next_event
from tests.live.peer import PATIENCE, Callee
from tests.live.service import running

CLONE_NEWNET = 0x40000000
OURS, NEXT, PEER = "10.9.0.1", "10.9.0.2", "10.9.0.9"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def far_socket() -> socket.socket:
    """A UDP socket of a second namespace, joined to ours by v0 and v1."""
    ip("link", "set", "lo", "up")
    ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
    born, joined, made = threading.Event(), threading.Event(), threading.Event()
    found: list[socket.socket] = []
    thread_id = 0

    def live_there() -> None:
        nonlocal thread_id
        thread_id = threading.get_native_id()
        assert ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0  # of this thread alone
        born.set()
        joined.wait(PATIENCE)
        ip("addr", "add", f"{PEER}/24", "dev", "v1")
        ip("link", "set", "v1", "up")
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((PEER, 5070))
        sock.settimeout(PATIENCE)
        found.append(sock)
        made.set()

    threading.Thread(target=live_there).start()
    assert born.wait(PATIENCE)
    ip("link", "set", "v1", "netns", str(thread_id))
    joined.set()
    assert made.wait(PATIENCE)
    ip("addr", "add", f"{OURS}/24", "dev", "v0")
    ip("link", "set", "v0", "up")
    return found[0]


class Far(Callee):
    """A callee in the other namespace."""

    def __init__(self) -> None:
        super().__init__()
        self._socket.close()
        self._socket = far_socket()
        self.uri = f"sip:far@{PEER}:5070"

    def accept(self, invite: str) -> None:
        sdp = f"v=0\r\no=- 1 1 IN IP4 {PEER}\r\ns=-\r\nc=IN IP4 {PEER}\r\nt=0 0\r\nm=audio 7000 RTP/AVP 0\r\n"
        copied = [
            line for line in invite.split("\r\n") if line.startswith(("Via:", "From:", "To:", "Call-ID:", "CSeq:"))
        ]
        copied = [f"{line};tag=far" if line.startswith("To:") and ";tag=" not in line else line for line in copied]
        head = ["SIP/2.0 200 OK", *copied, f"Contact: <{self.uri}>", "Content-Type: application/sdp"]
        text = "\r\n".join([*head, f"Content-Length: {len(sdp)}", "", sdp])
        self._socket.sendto(text.encode(), self._caller)

    def hear(self, start: str) -> tuple[str, str]:
        """Wait for a message; it, and the address it came from."""
        return self.receive(start), self._caller[0]


def move() -> None:
    """Change our address in one breath: the service looks at what there is soon after the first news of it."""
    # Once more at the end: the next one may have been a secondary of the first, and gone with it.
    words = [f"addr add {NEXT}/24 dev v0", f"addr del {OURS}/24 dev v0", f"addr replace {NEXT}/24 dev v0"]
    subprocess.run(["ip", "-batch", "-"], input="\n".join([*words, ""]), text=True, check=True)


def main() -> None:
    with Far() as far, running(listen=("udp:0.0.0.0:0", "tcp:0.0.0.0:0")) as service:
        port = service.addresses["udp"][1]
        with Client(service.run_dir) as client, client.events() as stream:
            call = client.place(far.uri)
            invite, source = far.hear("INVITE ")
            assert source == OURS
            assert f"Via: SIP/2.0/UDP {OURS}:{port};" in invite
            far.accept(invite)
            far.hear("ACK ")
            next_event(stream, "CallAnswered", [])
            move()
            service.wait_for_line(f"'{OURS}'")
            invite, source = far.hear("INVITE ")
            assert source == NEXT
            assert ";tag=far" in invite
            assert f"@{NEXT}:{port}>" in invite.partition("Contact: ")[2].partition("\r\n")[0], invite
            assert f"c=IN IP4 {NEXT}" in invite
            far.accept(invite)
            far.hear("ACK ")
            assert [info.call for info in client.calls()] == [call], "the call goes on"
            client.hangup(call)
            bye, source = far.hear("BYE ")
            assert source == NEXT
            assert f"Via: SIP/2.0/UDP {NEXT}:{port};" in bye, bye
            far.reply(bye, 200, "OK")
            next_event(stream, "CallEnded", [])
            client.place(far.uri)
            invite, source = far.hear("INVITE ")
            assert source == NEXT
            assert f"@{NEXT}:{port}>" in invite.partition("Contact: ")[2].partition("\r\n")[0], invite
            assert f"c=IN IP4 {NEXT}" in invite
    sys.stdout.write("moved\n")


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
