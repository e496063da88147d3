"""What is judged of a session each time a report is due: whether anything comes, how it sounds, what jumped."""

from __future__ import annotations

from actors.media.jitter import JitterBuffer
from actors.media.peer import Peer
from actors.media.quality import Heard, Watch, mos, rating

# Seconds without RTP and RTCP after which a peer is called silent. It ends nothing: that is for who hears the event.
TIMEOUT = 20.0
_PACKET = 20.0  # milliseconds of a packet, which its sender holds until it is full
_LEAST = 50  # packets in an interval, below which nothing is said of its quality


class Watching:
    """One session's judge.

    Args:
        now: when the session began, seconds.

    Attributes:
        silent: nothing has come for longer than TIMEOUT.
        quality: the opinions so far.
    """

    __slots__ = ("_before", "_begun", "quality", "silent")

    def __init__(self, now: float) -> None:
        self._begun = now
        self._before = (0, 0, 0, 0, 0)
        self.silent = False
        self.quality = Watch()

    def judge(self, peer: Peer, encoding: str, now: float) -> list[tuple[str, str]]:
        """What people should know, a kind and a line each."""
        return self._presence(peer, now) + self._sound(peer, encoding)

    def _presence(self, peer: Peer, now: float) -> list[tuple[str, str]]:
        if not peer.listening:
            self._begun = now  # on hold: its time begins anew afterwards
            return []
        last = max(self._begun, peer.heard / 8000, peer.control_heard)
        silent = now - last > TIMEOUT
        if silent == self.silent:
            return []
        self.silent = silent
        if silent:
            return [("media_timeout", f"nothing has come from the peer for {now - last:.0f} s")]
        return [("media_resumed", "the peer is heard again")]

    def _sound(self, peer: Peer, encoding: str) -> list[tuple[str, str]]:
        """The quality since the last judgement, and whether timestamps jumped."""
        source, buffer = peer.source, peer.buffer
        if source is None or buffer is None:
            return []
        now = (source.expected, source.received, source.gaps, buffer.late, buffer.jumps)
        expected, received, gaps, late, jumps = (max(0, a - b) for a, b in zip(now, self._before, strict=True))
        told = [("timestamp_jumped", "the peer's timestamps jumped")] if jumps else []
        self._before = now
        if expected < _LEAST:
            return told
        lost = max(0, expected - received)
        heard = Heard(min(1.0, (lost + late) / expected), max(1.0, lost / gaps) if gaps else 1.0, delay(peer, buffer))
        opinion = mos(rating(encoding, heard))
        kind = self.quality.judge(opinion)
        if kind:
            told.append((kind, f"MOS {opinion:.1f}: {heard.loss:.1%} of packets lost, {heard.delay:.0f} ms of delay"))
        return told


def delay(peer: Peer, buffer: JitterBuffer) -> float:
    """Mouth to ear, as far as it can be known: half the round trip, a packet, and what is held back; milliseconds."""
    return (peer.round_trip or 0.0) * 500 + _PACKET + buffer.target / 8
