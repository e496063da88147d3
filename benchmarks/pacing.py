"""How evenly RTP leaves: the gaps between a stream's packets, as captured, beside baresip's and SIPp's in the same run.

Two of our services call each other, both sides playing a file; then two baresips do; then SIPp's `rtp_stream` plays
into a service. Each time dumpcap writes down what crosses the loopback interface, with the kernel's times, once all
calls are up. The gate: the gap that one of a hundred exceeds is no longer than baresip's.
"""

from __future__ import annotations

import argparse
import struct
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from actors.control.client import Client  # noqa: E402 - after the path
from benchmarks.media import PHONE_PORTS, PORTS, baresip_calls, our_calls, wait_calls  # noqa: E402
from tests.live import sipp  # noqa: E402
from tests.live.service import running  # noqa: E402
from tests.live.sound import tone, write_wav  # noqa: E402

_FILE, _PACKET = 24, 16  # bytes of a capture's head, and of each packet's
_RTP = 14 + 20 + 8  # behind Ethernet, IPv4 without options and UDP
_CODES = "codes.wav"
_BARESIP = range(min(PHONE_PORTS.values()), max(PHONE_PORTS.values()) + 600)
_SIPP = range(6_000, 6_000 + 4 * 600)  # where it begins by itself
_RATE = 20  # SIPp begins so many calls a second


class Gaps(NamedTuple):
    """The gaps between packets, milliseconds.

    Attributes:
        name: whose.
        calls: how many were up.
        streams: how many were seen.
        packets: in all.
        middle, p99, p999, most: of all gaps.
    """

    name: str
    calls: int
    streams: int
    packets: int
    middle: float
    p99: float
    p999: float
    most: float


def captured(folder: Path, seconds: float, ports: range) -> dict[tuple[int, int], list[float]]:
    """When the packets of each RTP stream that leaves these ports passed, by port and SSRC of its sender; seconds."""
    file = folder / "capture.pcap"
    wanted = f"udp src portrange {ports[0]}-{ports[-1]}"
    words = ["dumpcap", "-q", "-P", "-i", "lo", "-f", wanted, "-s", "96", "-B", "64", "-a", f"duration:{seconds:g}"]
    subprocess.run([*words, "-w", str(file)], check=True, capture_output=True)
    data = file.read_bytes()
    file.unlink()
    found: dict[tuple[int, int], list[float]] = defaultdict(list)
    at = _FILE
    while at < len(data):
        second, part, size, _ = struct.unpack_from("<IIII", data, at)
        packet = data[at + _PACKET : at + _PACKET + size]
        at += _PACKET + size
        # Version 2, a payload type of G.711, with or without the marker.
        if len(packet) >= _RTP + 12 and packet[_RTP] == 0x80 and packet[_RTP + 1] & 0x7F in (0, 8):
            port, (ssrc,) = packet[34] << 8 | packet[35], struct.unpack_from(">I", packet, _RTP + 8)
            found[port, ssrc].append(second + part / 1e6)
    return found


def gaps(name: str, calls: int, streams: dict[tuple[int, int], list[float]]) -> Gaps:
    """What the streams' times come to."""
    found = sorted((after - before) * 1000 for times in streams.values() for before, after in pairwise(times))
    if not found:
        raise SystemExit(f"nothing of {name} was captured")

    def at(part: float) -> float:
        return found[min(len(found) - 1, int(part * len(found)))]

    packets = sum(map(len, streams.values()))
    return Gaps(name, calls, len(streams), packets, at(0.5), at(0.99), at(0.999), found[-1])


@contextmanager
def sipp_calls(folder: Path, calls: int, seconds: float) -> Iterator[None]:
    """SIPp, playing into a service of ours."""
    folder.mkdir()
    text = (sipp.SCENARIOS / "call_and_hang_up.xml").read_text(encoding="utf-8")
    text = text.replace("[rtp_port] RTP/AVP 0 8", "[media_port] RTP/AVP 0")
    text = text.replace("  <pause/>", f'  <nop><action><exec rtp_stream="{_CODES},-1,0"/></action></nop>\n  <pause/>')
    (folder / "talker.xml").write_text(text, encoding="utf-8")
    (folder / _CODES).write_bytes(bytes((0x55, 0xD5)) * 40_000)
    music = write_wav(folder / "music.wav", tone(440.0, seconds + 60))
    with running("--answer", f"play:{music}") as service:
        host, port = service.addresses["udp"]
        words = sipp.words(folder, "udp", str(folder / "talker"), "127.0.0.1", sipp.free_port())
        lasting = round((seconds + calls / _RATE + 10) * 1000)
        words += ["-m", str(calls), "-r", str(_RATE), "-d", str(lasting), f"{host}:{port}"]
        with subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                with Client(service.run_dir) as client:
                    wait_calls(client, calls)
                yield
            finally:
                process.terminate()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200, help="of ours")
    parser.add_argument("--peers", type=int, default=50, help="calls of baresip's and SIPp's passes")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    seconds, peers = options.seconds, options.peers
    with tempfile.TemporaryDirectory(prefix="sa-pacing-") as made:
        folder = Path(made)
        with baresip_calls(folder, peers, seconds):
            theirs = gaps("baresip", peers, captured(folder, seconds, _BARESIP))
        with sipp_calls(folder / "sipp", peers, seconds):
            other = gaps("SIPp", peers, captured(folder, seconds, _SIPP))
        with our_calls(folder, options.calls, seconds):
            ours = gaps("sipactors", options.calls, captured(folder, seconds, PORTS))
    print("gaps between the packets of a stream, milliseconds (20 is even):")
    for each in (ours, theirs, other):
        figures = f"median {each.middle:6.2f}  p99 {each.p99:6.2f}  p99.9 {each.p999:6.2f}  longest {each.most:6.2f}"
        print(f"{each.name:10} {each.calls:4} calls  {figures}  ({each.packets} packets of {each.streams} streams)")
    sys.exit(int(ours.p99 > theirs.p99))


if __name__ == "__main__":
    main()
