"""CPU of SRTP: protect and unprotect alone, and an engine's calls with and without it in the same run.

Fifty echo calls of PCMU over loopback sockets, in virtual time: the peers' packets are made before the clock of the
process is read, so that what is counted is our side alone: one packet in, one packet out, a row written, a tick a call.
"""

from __future__ import annotations

import secrets
import sys
import tempfile
import time
from pathlib import Path

from msgspec.structs import replace

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from actors.media import rtp  # noqa: E402 - after the path
from actors.media.events import Protection  # noqa: E402
from actors.media.srtp import Receiver, Sender, Srtp  # noqa: E402
from actors.sip.sdp_crypto import KEY_LENGTHS  # noqa: E402
from actors.sip.sdp_protection import SUITES  # noqa: E402
from tests.media.rig import Rig  # noqa: E402

CALLS, TICKS, WARM = 50, 100, 10
PACKETS = 3000


def alone(suite: str) -> tuple[float, float]:
    """Microseconds to protect, and to unprotect, a packet of 160 bytes."""
    key = secrets.token_bytes(KEY_LENGTHS[suite])
    sender, receiver = Sender(suite, key), Receiver(suite, key)
    plain = [rtp.build(rtp.Packet(0, number, number * 160, 1, bytes(160))) for number in range(PACKETS)]
    begun = time.process_time()
    sealed = [sender.protect(packet) for packet in plain]
    between = time.process_time()
    for packet in sealed:
        receiver.unprotect(packet)
    return (between - begun) / PACKETS * 1e6, (time.process_time() - between) / PACKETS * 1e6


def calls(suite: str) -> float:
    """Milliseconds of our CPU a call-second; `suite` empty for plain RTP."""
    with tempfile.TemporaryDirectory() as folder, Rig(Path(folder), pairs=CALLS) as rig:
        phones = []
        for number in range(CALLS):
            phone, name = rig.phone(), f"call-{number}"
            session = rig.engine.prepare(name, rig.now)
            assert session is not None
            start, peer = phone.start(name), None
            if suite:
                ours, theirs = (secrets.token_bytes(KEY_LENGTHS[suite]) for _ in range(2))
                start, peer = (
                    replace(start, protection=Protection(suite, ours, theirs)),
                    Protection(suite, theirs, ours),
                )
            rig.engine.start(name, start, rig.now)
            rig.engine.echo(name)
            phones.append((phone, session.pair.port, None if peer is None else Srtp(peer)))
        spent = 0.0
        for tick in range(TICKS + WARM):
            for phone, port, srtp in phones:
                packet = rtp.build(rtp.Packet(0, tick, tick * 160, phone.ssrc, bytes((tick,)) * 160))
                for data in (packet,) if srtp is None else srtp.sealed([packet]):
                    phone.rtp.sendto(data, ("127.0.0.1", port))
            begun = time.process_time()
            rig.step()
            spent += (time.process_time() - begun) * (tick >= WARM)
            for phone, _, _ in phones:
                phone.rtp.recv(2048)
        return spent / (CALLS * TICKS / 50) * 1000


def main() -> None:
    """Print the table."""
    plain = calls("")
    print(f"{'suite':26}{'protect us':>12}{'unprotect us':>14}{'ms a call-second':>18}{'to plain':>10}")
    print(f"{'plain RTP':26}{'':>12}{'':>14}{plain:>18.2f}{1:>10.2f}")
    for suite in SUITES:
        out, back = alone(suite)
        cost = calls(suite)
        print(f"{suite:26}{out:>12.1f}{back:>14.1f}{cost:>18.2f}{cost / plain:>10.2f}")
    print(f"{'plain RTP again':26}{'':>12}{'':>14}{calls(''):>18.2f}")


if __name__ == "__main__":
    main()
