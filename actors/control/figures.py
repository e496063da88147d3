"""What control counts: calls by how they ended and sounded, commands by what came of them, audio packets. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from actors.control.records import Figure, FigureList
from actors.dialog import call_events
from actors.runtime.machine import Event

PART = 500  # figures in one part of a reply
SOUNDED = (4.3, 4.0, 3.6, 3.1, 2.6, 1.0)  # the least MOS of each class of quality (ITU-T G.107 Annex B)


class Figures:
    """Counters since this start of control; who reads them copes with a new beginning, as Prometheus does."""

    def __init__(self) -> None:
        self._totals: Counter[tuple[str, str, str]] = Counter()
        self._sums: defaultdict[str, float] = defaultdict(float)  # over the calls that sounded

    def count(self, event: Event) -> None:
        """Take note of what a shard told."""
        if isinstance(event, call_events.CallReceived):
            self._totals["calls_received_total", "", ""] += 1
        elif isinstance(event, call_events.CallEnded):
            self._totals["calls_ended_total", "outcome", event.outcome] += 1
            self._totals["call_seconds_total", "", ""] += round(event.talking)
            self._totals["rtp_packets_total", "kind", "sent"] += event.packets_sent
            self._totals["rtp_packets_total", "kind", "received"] += event.packets_received
            self._totals["rtp_packets_total", "kind", "lost"] += event.packets_lost
            if event.mos is not None:
                least = next((least for least in SOUNDED if event.mos >= least), SOUNDED[-1])
                self._totals["calls_sounded_total", "mos_from", f"{least:g}"] += 1
                self._sums["mos_sum_total"] += event.mos
                self._sums["jitter_ms_sum_total"] += event.jitter

    def command(self, op: str) -> None:
        """Take note of a command that was taken."""
        self._totals["commands_total", "op", op] += 1

    def refused(self, code: str) -> None:
        """Take note of a command that was refused."""
        self._totals["refused_total", "code", code] += 1

    def all(self, gauges: Iterable[tuple[str, float]], told: Iterable[Figure] = ()) -> list[FigureList]:
        """Everything, with `gauges` (a name and a value) in front and what others have `told` behind, in parts."""
        figures = [Figure(name, "", "", float(value)) for name, value in gauges]
        figures += [Figure(name, "", "", value) for name, value in sorted(self._sums.items())]
        figures += [Figure(*labels, float(value)) for labels, value in sorted(self._totals.items())]
        figures += sorted(told)
        return [FigureList(tuple(figures[at : at + PART])) for at in range(0, len(figures), PART)]
