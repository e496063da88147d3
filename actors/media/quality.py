"""How a call sounds, by the E-model (ITU-T G.107) from delay, loss and codec: a rating R, and the MOS it stands for.

All that concerns levels, echo and noise is at G.107's defaults, which give 93.2; the rest is what RTP can measure.
"""

from __future__ import annotations

from math import log2
from typing import NamedTuple

_BEST = 93.2
# Equipment impairment and robustness against loss (G.113 appendix I): G.711 with concealment 0 and 25.1, GSM full rate
# 20. What it has no figure for, wideband on this narrowband scale, is taken as G.711, and GSM's robustness as 10.
_CODECS = {"GSM": (20.0, 10.0)}
_USUAL = (0.0, 25.1)


class Heard(NamedTuple):
    """What a receiver measured.

    Attributes:
        loss: of all packets, those that were lost or came too late, 0 to 1.
        burst: how many were lost together in the mean; 1 where each was alone.
        delay: mouth to ear, milliseconds.
    """

    loss: float
    burst: float
    delay: float


def delay_impairment(delay: float) -> float:
    """Idd of G.107 (7-27), (7-28): nothing up to 100 ms."""
    if delay <= 100:
        return 0.0
    x = log2(delay / 100)
    return 25 * (float((1 + x**6) ** (1 / 6)) - 3 * float((1 + (x / 3) ** 6) ** (1 / 6)) + 2)


def loss_impairment(encoding: str, loss: float, burst: float = 1.0) -> float:
    """Ie-eff of G.107 (7-29); its BurstR is the mean burst over that of random loss, 1 / (1 - loss)."""
    impairment, robustness = _CODECS.get(encoding.upper(), _USUAL)
    percent = 100 * min(1.0, max(0.0, loss))
    ratio = max(1.0, burst * (1 - percent / 100))
    return impairment + (95 - impairment) * percent / (percent / ratio + robustness)


def rating(encoding: str, heard: Heard) -> float:
    """R, 0 to 93.2."""
    return max(0.0, _BEST - delay_impairment(heard.delay) - loss_impairment(encoding, heard.loss, heard.burst))


def mos(r: float) -> float:
    """The mean opinion that a rating stands for, 1 to 4.5 (G.107 annex B)."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


class Watch:
    """Quality crossing a threshold: once downwards, once upwards, with some distance between.

    Args:
        low: the MOS below which it is bad.
        good: the MOS from which it is good again.

    Attributes:
        bad: it is.
        latest: the last MOS, None before the first.
    """

    __slots__ = ("_good", "_low", "bad", "latest")

    def __init__(self, low: float = 3.1, good: float = 3.6) -> None:
        self._low, self._good = low, good
        self.bad = False
        self.latest: float | None = None

    def judge(self, value: float) -> str:
        """Take in a MOS; ``quality_low`` or ``quality_restored`` where it crossed, else empty."""
        self.latest = value
        if not self.bad and value < self._low:
            self.bad = True
            return "quality_low"
        if self.bad and value >= self._good:
            self.bad = False
            return "quality_restored"
        return ""
