"""Kill the transport a hundred times under fifty requests a second over UDP; print what it cost the requests.

A request is repeated as RFC 3261 section 17.1.2 says, with T1 of 0.5 s. Promised: none is lost, each is sent at most
twice, and a repeated one gets the answer that it got before, byte for byte.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from actors.control.client import Client  # noqa: E402 - after the path
from tests.chaos.pinging import Pinger, broken_promises, ping_through_kills  # noqa: E402
from tests.live.service import running  # noqa: E402

BETWEEN = 2.1  # seconds from kill to kill: five in ten seconds are answered by a start at once


def main() -> None:
    """Measure, print, exit 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rate", type=float, default=50.0, help="requests a second")
    words = parser.parse_args()
    with running() as service, Client(service.run_dir) as client:
        with Pinger(service.addresses["udp"], rate=words.rate, t1=0.5) as pinger:
            ping_through_kills(client, pinger, words.kills, BETWEEN)
        broken = broken_promises(pinger)
    sent = Counter(asked.sent for asked in pinger.asked.values())
    print(f"{words.kills} kills, {len(pinger.asked)} requests; sent once {sent[1]}, twice {sent[2]}")
    print("\n".join(broken) or "every promise was kept")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
