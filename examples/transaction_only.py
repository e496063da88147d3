"""The transaction layer alone over a plain UDP socket: answers calls as SIPp makes them, and hangs up when told to.

    python examples/transaction_only.py 5060          # prints the port it listens on; 0 for any
    sipp -sn uac -m 10 -r 10 127.0.0.1:5060

No actor, pipe or journal: the layer is given what arrives and the time, and gives back what to do.
"""

from __future__ import annotations

import secrets
import select
import socket
import sys
import time

from actors.runtime.machine import Effects
from actors.sip import RemoteProtocolError, Request, parse
from actors.sip.vocabulary import Flow
from actors.transaction.effects import Tell
from actors.transaction.events import AckReceived, RequestReceived, Respond
from actors.transaction.layer import Layer

SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"


class Phone:
    """A callee that accepts every call and knows nothing about it."""

    def __init__(self, port: int) -> None:
        self.layer = Layer(secrets.token_bytes(32))
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.port: int = self.socket.getsockname()[1]

    def serve(self) -> None:
        """Wait for a message or a timer, and do what follows from it; for ever."""
        while True:
            deadline = self.layer.next_deadline()
            wait = None if deadline is None else max(0.0, deadline - time.monotonic())
            if select.select([self.socket], [], [], wait)[0]:
                self.receive(*self.socket.recvfrom(65_535))
            self.carry_out(self.layer.expire(time.monotonic()))

    def receive(self, raw: bytes, peer: tuple[str, int]) -> None:
        """Take a datagram; what is no SIP message is dropped."""
        try:
            head = parse(raw).head
        except RemoteProtocolError:
            return
        flow = Flow("udp", "udp", "127.0.0.1", self.port, *peer)
        self.carry_out(self.layer.receive(flow, head, raw, time.monotonic()))

    def carry_out(self, effects: Effects) -> None:
        """Send what the layer wants sent, answer what it tells."""
        for effect in effects:
            if not isinstance(effect, Tell):  # a response: this phone sends no requests
                self.socket.sendto(effect.raw, (effect.flow.host, effect.flow.port))  # type: ignore[attr-defined]
            elif isinstance(effect.event, RequestReceived):
                self.answer(effect.event)
            elif isinstance(effect.event, AckReceived):
                print("a call is up:", effect.event.head.call_id, flush=True)

    def answer(self, asked: RequestReceived) -> None:
        """Ring and accept an INVITE, say 200 to anything else."""
        request = parse(asked.raw)
        assert isinstance(request, Request)
        tag, contact = secrets.token_hex(8), ("Contact", f"<sip:127.0.0.1:{self.port}>")
        ringing = request.response(180, to_tag=tag, headers=(contact,))
        accepted = request.response(200, to_tag=tag, headers=(contact,), body=SDP, content_type="application/sdp")
        answers = (ringing, accepted) if asked.head.method == "INVITE" else (request.response(200, to_tag=tag),)
        for response in answers:
            self.carry_out(self.layer.send(Respond(asked.key, response.status, bytes(response)), time.monotonic()))


if __name__ == "__main__":
    phone = Phone(int(sys.argv[1]) if sys.argv[1:] else 5060)
    print("listening on", phone.port, flush=True)
    phone.serve()
