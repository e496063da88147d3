"""What a session reports: RTCP to its peer, with CNAME and BYE (RFC 3550 section 6), and its totals to who asks."""

from __future__ import annotations

from actors.media import rtcp
from actors.media.events import SessionClosed
from actors.media.quality import Heard, mos, rating
from actors.media.rtp import MASK
from actors.media.session import Session
from actors.media.watching import delay

# A second of packets.
_FEW = 50


def _block(session: Session, now: float) -> tuple[rtcp.ReportBlock, ...]:
    """What we say about the peer's stream; nothing once it said BYE or before it began."""
    peer = session.peer
    source = peer.source
    if source is None or peer.left:
        return ()
    delay = min(MASK, int((now - peer.lsr_at) * 65536)) if peer.lsr else 0
    return (
        rtcp.ReportBlock(
            source.ssrc,
            source.fraction_lost(),
            source.lost,
            source.extended_sequence & MASK,
            min(MASK, int(source.jitter)),
            peer.lsr,
            max(0, delay),
        ),
    )


def _report(session: Session, ssrc: int, now: float, wall: float) -> rtcp.SenderReport | rtcp.ReceiverReport:
    """A sender report when we sent since the second last one (section 6.4), else a receiver report."""
    blocks = _block(session, now)
    if session.packets == session.packets_prior[1]:
        return rtcp.ReceiverReport(ssrc, blocks)
    # Ticks are 50 a second of `now`, so that the timestamp of this moment follows from it (section 6.4.1).
    timestamp = (session.base + int(now * session.clock_rate)) & MASK
    return rtcp.SenderReport(
        ssrc, rtcp.ntp_time(wall), timestamp, session.packets & MASK, session.octets & MASK, blocks
    )


def _cname(session: Session, ssrc: int) -> rtcp.SourceDescription:
    """A name that tells nothing of the host and stays the same over restarts (RFC 7022)."""
    return rtcp.SourceDescription(((ssrc, ((rtcp.CNAME, b"%016x" % session.identity),)),))


def report(session: Session, now: float, wall: float) -> bytes:
    """The compound packet that is due, with a BYE for an SSRC that collided (section 8.2).

    Args:
        session: whose.
        now: seconds of the local clock.
        wall: seconds since 1970.
    """
    peer = session.peer
    parts = rtcp.build((_report(session, peer.ssrc, now, wall), _cname(session, peer.ssrc)))
    if peer.farewell is not None:
        old, peer.farewell = peer.farewell, None
        parts = rtcp.build((rtcp.ReceiverReport(old), _cname(session, old), rtcp.Bye((old,)))) + parts
    session.packets_prior = (session.packets, session.packets_prior[0])
    session.reports += 1
    size = len(parts)
    session.report_size = size if session.reports == 1 else session.report_size + (size - session.report_size) / 16
    return parts


def farewell(session: Session, now: float, wall: float) -> bytes | None:
    """The compound packet with our BYE.

    None from a session that never sent anything (section 6.3.7), or that sent a few packets to somebody who never was
    heard: there is nobody yet to whom its end would tell anything.
    """
    if not session.reports and (not session.packets or (session.peer.source is None and session.packets < _FEW)):
        return None
    ssrc = session.peer.ssrc
    return rtcp.build((_report(session, ssrc, now, wall), _cname(session, ssrc), rtcp.Bye((ssrc,))))


def closed(session: Session) -> SessionClosed:
    """The totals of a session that is over."""
    peer = session.peer
    source = peer.source
    if source is None:
        return SessionClosed(session.key, session.packets, 0, 0, 0.0)
    trip, opinion = peer.round_trip or 0.0, 0.0
    lost = max(0, source.lost)
    burst = max(1.0, lost / source.gaps) if lost and source.gaps else 0.0
    if source.expected > 0 and peer.buffer is not None:
        loss = min(1.0, max(0, source.lost + peer.buffer.late) / source.expected)
        opinion = mos(rating(session.encoding, Heard(loss, max(1.0, burst), delay(peer, peer.buffer))))
    return SessionClosed(session.key, session.packets, source.received, lost, source.jitter / 8, trip, opinion, burst)
