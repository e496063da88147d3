"""The whole service inside this program: call somebody, say what becomes of it, hang up after some seconds.

    python examples/embed.py sip:echo@127.0.0.1:5060 --seconds 3

It needs no service beside it: `Service` starts one, with folders of its own, and stops it at the end. With
`--placement thread` its actors are threads of this program; as processes they survive each other.
"""

from __future__ import annotations

import argparse
import sys

from actors.config import AnswerSection, Config, MediaSection, ServiceSection, SipSection
from actors.control.records import CallAnswered, CallEnded
from actors.service import Service


def main() -> int:
    """Call and follow the call; 0 when it was answered."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("uri")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--listen", default="udp:127.0.0.1:0")
    parser.add_argument("--ports", type=int, default=20_000, help="the first of ten UDP ports for audio")
    parser.add_argument("--placement", choices=["process", "thread"], default="process")
    options = parser.parse_args()
    config = Config(
        service=ServiceSection(placement=options.placement),
        sip=SipSection(listen=(options.listen,)),
        answer=AnswerSection(mode="none"),
        media=MediaSection(ports=(options.ports, options.ports + 9)),
    )
    with Service(config) as ua, ua.client() as client, client.events() as events:
        call = client.calls.place(options.uri, echo=True, duration=options.seconds)
        for event in events:
            if getattr(event, "call", "") != call.id:
                continue
            print(type(event).__name__, flush=True)
            if isinstance(event, CallAnswered):
                print(f"talking in {event.encoding}")
            if isinstance(event, CallEnded):
                print(f"{event.outcome}: {event.talking:.1f} s, {event.packets_received} packets heard")
                return 0 if event.outcome == "answered" else 1
    return 1


if __name__ == "__main__":
    sys.exit(main())
