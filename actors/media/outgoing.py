"""What a session sends: frames become packets of the length agreed on, and keys become events or sound.

The timestamp is no counter (see `session`); what a pause of the loop cut off is not sent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from actors.media.bridge import Member
from actors.media.g711 import encode, transcode
from actors.media.line import Line
from actors.media.pieces import FRAME
from actors.media.rtp import HEADER, MASK
from actors.media.session import TICKS, Session
from actors.media.tones import PAIRS, Tone, samples_of
from actors.media.voice import Voice

_pack = HEADER.pack


def frame_to_send(session: Session, codes: bytes, law: int) -> bytes:
    """The next 20 ms for the peer when nothing is played: the echo of what was heard, or silence.

    Args:
        session: which says it.
        codes: what the jitter buffer gave.
        law: their law, 0 for nothing.
    """
    if session.member is not None:
        return _bridged(session, session.member)
    if session.line is not None:
        said = _from_device(session, session.line)  # what is not sent is not kept for later
        return session.silence if session.muted or session.held else said
    if session.muted or not session.echo:
        return session.silence
    if session.voice is not None:
        return codes or session.silence
    return transcode(codes, law, session.law) if law else session.silence


def _bridged(session: Session, member: Member) -> bytes:
    """The next 20 ms of what the others in its bridge say, and of what the sound device does."""
    said = member.payload
    if session.line is not None:
        device = _from_device(session, session.line)
        said = member.mixed(device)
    return session.silence if session.muted or session.held or said is None else said


def _from_device(session: Session, line: Line) -> bytes:
    """The next 20 ms of what the sound device says."""
    said = line.say(session.rate // 1000)
    if said is None:
        return session.silence
    return said if session.voice is not None else encode(np.frombuffer(said, np.int16), session.law).tobytes()


def packets_of(session: Session, payload: bytes, tick: int) -> Sequence[bytes]:
    """The packets that `payload`, the frame of `tick`, makes due; they count as sent from here on.

    Packets of another length than 20 ms leave as the frames fill them. What a pause of the loop cut off is dropped. In
    a pause of ours comfort noise is sent in their stead, where the peer takes it.
    """
    if session.suppressor is not None:
        played = session.player is not None and not session.paused
        noise = session.suppressor.judge(payload, session.form, tick, played=played)
        if noise is not None:
            return _noise_packets(session, session.suppressor.payload_type, noise, tick)
    if session.voice is not None:
        return _spoken_packets(session, session.voice, payload, tick)
    timestamp = (session.base + FRAME * tick) & MASK
    size = session.packet_samples
    if size == FRAME:
        return (_packet(session, timestamp, payload, size),)
    if (session.outgoing_timestamp + len(session.outgoing)) & MASK != timestamp:
        session.outgoing = b""
        session.outgoing_timestamp = timestamp
    session.outgoing += payload
    packets = []
    while len(session.outgoing) >= size:
        packets.append(_packet(session, session.outgoing_timestamp, session.outgoing[:size], size))
        session.outgoing = session.outgoing[size:]
        session.outgoing_timestamp = (session.outgoing_timestamp + size) & MASK
    return packets


def _spoken_packets(session: Session, voice: Voice, samples: bytes, tick: int) -> Sequence[bytes]:
    """The packets that a frame of samples makes due; none for those that the codec has nothing to say for."""
    timestamp = (session.base + voice.units * tick) & MASK
    size, units = voice.packet_bytes, voice.packet_units
    if (session.outgoing_timestamp + len(session.outgoing) * units // size) & MASK != timestamp:
        session.outgoing = b""
        session.outgoing_timestamp = timestamp
    session.outgoing += samples
    packets = []
    while len(session.outgoing) >= size:
        payload = voice.encode(session.outgoing[:size])
        if payload:
            packets.append(_packet(session, session.outgoing_timestamp, payload, units))
        session.outgoing = session.outgoing[size:]
        session.outgoing_timestamp = (session.outgoing_timestamp + units) & MASK
    return packets


def _noise_packets(session: Session, payload_type: int, noise: bytes, tick: int) -> Sequence[bytes]:
    """The packet that tells of a pause, without a marker (RFC 3389 section 4); none where `noise` is empty."""
    if not noise:
        return ()
    timestamp = (session.base + session.clock_rate // TICKS * tick) & MASK
    packet = _packet(session, timestamp, noise, 0)  # it lasts nothing: the frame that follows begins a talkspurt
    return (packet[:1] + bytes((payload_type,)) + packet[2:],)


def key_as_event(session: Session) -> bool:
    """Whether the peer takes the key in turn as a telephone event."""
    known = session.key_format
    return known is not None and session.keys is not None and session.keys.key in known.keys


def key_packets(session: Session, tick: int) -> Sequence[bytes] | None:
    """The packets of the key that is down at `tick`; None while none is, or where the peer hears them as sound."""
    if session.keys is None or session.key_format is None:
        return None
    units = session.keys.units
    now = (session.base + units * tick) & MASK
    event = session.keys.tick(now)
    if event is None:
        return None
    second = session.key_format.payload_type | (0x80 if event.marker else 0)
    packet = _pack(0x80, second, session.sequence, event.timestamp, session.peer.ssrc) + event.payload
    session.sequence = (session.sequence + 1) & 0xFFFF
    session.next_timestamp = (now + units) & MASK
    session.packets += 1
    session.octets += len(event.payload)
    return (packet,)


def key_sound(session: Session, tick: int) -> bytes | None:
    """The frame of the key that is down, for a peer that takes no telephone events; None while none is."""
    if session.keys is None:
        return None
    key, event = session.keys.key, session.keys.tick((session.base + session.keys.units * tick) & MASK)
    if event is None or key not in PAIRS:
        return None
    size = session.rate // TICKS
    samples = samples_of(Tone(PAIRS[key]), tick * size, size, session.rate)
    return samples.tobytes() if session.voice is not None else encode(samples, session.law).tobytes()


def _packet(session: Session, timestamp: int, payload: bytes, units: int) -> bytes:
    sequence = session.sequence
    # The first packet after a pause begins a talkspurt (RFC 3551 section 4.1).
    second = session.payload_type if timestamp == session.next_timestamp else session.payload_type | 0x80
    session.sequence = (sequence + 1) & 0xFFFF
    session.next_timestamp = (timestamp + units) & MASK
    session.packets += 1
    session.octets += len(payload)
    return _pack(0x80, second, sequence, timestamp, session.peer.ssrc) + payload
