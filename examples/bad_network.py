"""Draw what a bad network does to a call and what the buffer makes of it: `python examples/bad_network.py out.svg`.

Two curves over a minute of a simulated network (jitter that doubles in its middle, 3 % of packets lost): the delay that
the jitter buffer holds, and the share of frames that nobody would have heard, without and with concealment.
"""

from __future__ import annotations

import sys
from pathlib import Path

from actors.media.g711 import SILENCE, Law
from actors.media.jitter import FRAME, JitterBuffer
from actors.media.mend import Mender
from actors.media.network import Network

SECONDS, TICKS = 60, 50
WIDTH, HEIGHT, MARGIN = 900, 260, 50


def arrivals() -> list[tuple[float, int]]:
    """(milliseconds, number) of each packet that comes: 40 ms of jitter, but 100 from the 20th to the 40th second."""
    calm, rough = Network(0.03, 1.5, 40, seed=2), Network(0.03, 1.5, 100, seed=2)
    count = SECONDS * TICKS
    middle = range(20 * TICKS, 40 * TICKS)
    found = [each for each in calm.arrivals(count) if each.number not in middle]
    found += [each for each in rough.arrivals(count) if each.number in middle]
    return sorted((each.time, each.number) for each in found)


def simulate() -> tuple[list[float], list[float], list[float]]:
    """By second: the delay held in milliseconds, and per cent of frames missing before and after concealment."""
    buffer, mender = JitterBuffer(), Mender()
    frame = bytes((0x20, 0xA0)) * (FRAME // 2)
    packets, at = arrivals(), 0
    delays, missing, silent = [], [], []
    for second in range(SECONDS):
        gaps = unheard = 0
        for tick in range(second * TICKS, (second + 1) * TICKS):
            while at < len(packets) and packets[at][0] <= 20 * tick + 7:
                buffer.put(packets[at][1] * FRAME, frame, Law.PCMU)
                at += 1
            taken = buffer.take()
            heard, law = mender.mend(taken, buffer)
            gaps += not taken[1]
            unheard += not law or heard == SILENCE[Law.PCMU].to_bytes() * FRAME
        delays.append(buffer.target / 8)
        missing.append(100 * gaps / TICKS)
        silent.append(100 * unheard / TICKS)
    return delays, missing, silent


def curve(values: list[float], top: float, below: int, colour: str) -> str:
    """One polyline; `top` is the value at the upper edge of the panel that begins at `below`."""
    step = (WIDTH - 2 * MARGIN) / (len(values) - 1)
    points = " ".join(
        f"{MARGIN + n * step:.1f},{below + HEIGHT - MARGIN - value / top * (HEIGHT - 2 * MARGIN):.1f}"
        for n, value in enumerate(values)
    )
    return f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/>'


def text(x: float, y: float, words: str, colour: str = "#333") -> str:
    """A line of text."""
    return f'<text x="{x}" y="{y}" font-family="sans-serif" font-size="14" fill="{colour}">{words}</text>'


def drawing() -> str:
    """The whole picture as SVG."""
    delays, missing, silent = simulate()
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{2 * HEIGHT}">',
            '<rect width="100%" height="100%" fill="white"/>',
            text(MARGIN, 30, f"delay held, ms (top: {max(delays):.0f}); jitter 40, 100, 40 ms"),
            curve(delays, max(delays), 0, "#1f5fa8"),
            text(MARGIN, HEIGHT + 30, f"frames missing, % (top: {max(missing):.0f})", "#b04020"),
            curve(missing, max(missing), HEIGHT, "#b04020"),
            text(MARGIN + 300, HEIGHT + 30, "still silent after concealment", "#2a8a3a"),
            curve(silent, max(missing), HEIGHT, "#2a8a3a"),
            text(WIDTH / 2, 2 * HEIGHT - 10, f"seconds, 0 to {SECONDS}"),
            "</svg>",
        )
    )


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "bad_network.svg")
    target.write_text(drawing(), encoding="utf-8")
    print(f"wrote {target}")
