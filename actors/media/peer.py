"""Whom a session hears: a source's address and SSRC, what proves them, what is dropped (RFC 3550 s8.2, RFC 4961)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from actors.media import comfort_noise, rtcp
from actors.media.codecs import Codec
from actors.media.dtmf import KeyReader, Pressed
from actors.media.jitter import REACH, TARGET, JitterBuffer
from actors.media.pieces import FRAME
from actors.media.reach import reachable
from actors.media.ring import Ring
from actors.media.rtp import HEADER, Source, payload_of

# As sockets give it: host, port, and for IPv6 flow and scope.
Address = tuple[Any, ...]

# Datagrams are read into so many bytes; one that fills them was longer, and no audio packet is.
MAX_DATAGRAM = 2048
APP_SHOWN = 64  # bytes of an APP packet that are told
# A format that is known and carries no audio of its own: keys.
EVENT = -1
# A kind of payload from here on is one that cannot be cut: of a codec in `codecs`; from there on it is comfort noise.
OPAQUE, NOISE = 64, 256
# A source that was heard so recently (timestamp units, 60 ms) is not replaced by another SSRC.
_FRESH = 480
# The least trip, in 1/65536 s, that is one a little below nothing: 10 ms. Who truncates what it held a report for to
# milliseconds, as baresip does, may say more than the whole trip on a near network.
_BELOW_NOTHING = (1 << 32) - 655

_unpack = HEADER.unpack_from


class _Candidate:
    """A source under probation, with the packet it may turn out to have begun with."""

    __slots__ = ("address", "pending", "source")

    def __init__(self, address: Address, source: Source) -> None:
        self.address = address
        self.source = source
        self.pending: tuple[int, bytes, int] | None = None


class Peer:
    """The other end of a session.

    It is heard from the address its SDP names, or from another one learnt once, within its first packets, by two in
    sequence of one SSRC (symmetric RTP); everything else is dropped and counted, and never answered.

    Args:
        ssrc: ours, to see a collision.
        token: gives random 32-bit numbers.
        target: the playout delay to begin with, in samples.

    Attributes:
        remote: host and port of the SDP, in the form of our sockets, None where there is none to send to.
        destination, control: where RTP and RTCP go.
        muxed: RTCP goes from our port of RTP to the peer's (RFC 5761).
        locked: the address heard, None until a source was proved.
        learnt: `locked` is not what the SDP said.
        formats: payload type -> law, `EVENT`, or from `OPAQUE` on a kind.
        codecs: kind -> codec.
        noises: kind -> clock rate of comfort noise.
        noise: what was said last of the noise of its pauses, and the sampling rate that this speaks of.
        unwrapped: the last timestamp of a clock that is not 8000 Hz, without its wraps.
        listening: our direction lets the peer's audio in.
        heard: arrival of the last valid packet, in timestamp units.
        control_heard: when its last report came, seconds.
        spoken: the kind of its last payload of sound, 0 before the first.
        farewell: an SSRC of ours that collided and is to be taken leave of.
        malformed, unknown, strangers, invalid: packets dropped, by reason: header, payload type, address, SSRC or
            sequence.
        lsr, lsr_at: middle of the NTP time of the last sender report, and when it came (seconds).
        round_trip: seconds, None while unknown.
        keys: reads the telephone events of the peer, None where it was offered none.
        pressed: keys that ended, to be told.
        kept: takes a copy of each packet that is held, for a successor; None where nobody would miss them.
        notices: what people should be told, a kind and one line each.
    """

    __slots__ = (
        "_candidates",
        "_control_port",
        "_target",
        "_token",
        "buffer",
        "codecs",
        "collided",
        "control",
        "control_heard",
        "destination",
        "farewell",
        "formats",
        "heard",
        "invalid",
        "kept",
        "keys",
        "learnt",
        "left",
        "listening",
        "locked",
        "lsr",
        "lsr_at",
        "malformed",
        "muxed",
        "noise",
        "noises",
        "notices",
        "pressed",
        "remote",
        "round_trip",
        "source",
        "spoken",
        "ssrc",
        "strangers",
        "told_until",
        "unknown",
        "unwrapped",
    )

    def __init__(self, ssrc: int, token: Callable[[], int], target: int = TARGET) -> None:
        self.ssrc = ssrc
        self._token = token
        self._target = target
        self.remote: Address | None = None
        self.destination: Address | None = None
        self.control: Address | None = None
        self.locked: Address | None = None
        self.learnt = self.collided = self.left = self.listening = self.muxed = False
        self._control_port = 0
        self.formats: Mapping[int, int] = {}
        self.codecs: Mapping[int, Codec] = {}
        self.noises: Mapping[int, int] = {}
        self.noise: tuple[bytes, int] | None = None
        self.unwrapped = 0
        self.told_until = 0.0
        self.source: Source | None = None
        self.buffer: JitterBuffer | None = None
        self.heard = -(1 << 62)
        self.control_heard = 0.0
        self.spoken = 0
        self.farewell: int | None = None
        self.malformed = self.unknown = self.strangers = self.invalid = 0
        self.lsr, self.lsr_at = 0, 0.0
        self.round_trip: float | None = None
        self.notices: list[tuple[str, str]] = []
        self.kept: Ring | None = None
        self.keys: KeyReader | None = None
        self.pressed: list[Pressed] = []
        self._candidates: list[_Candidate | None] = [None, None]

    def reach(self, host: str, port: int, *, v6: bool, rtcp_port: int = 0) -> None:
        """Take the address of the peer's SDP. A changed one begins anew: it may be learnt once again.

        Args:
            host: where RTP goes.
            port: the same.
            v6: our sockets are of IPv6.
            rtcp_port: where RTCP goes, `port` itself where both share one; 0 for the port after.
        """
        name = reachable(host, v6=v6)
        remote = (name, port) if name is not None and 0 < port < 65535 else None
        self.muxed = 0 < port == rtcp_port
        self._control_port = rtcp_port
        if remote == self.remote:
            self._aim(self.destination)
            return
        self.remote = remote
        self.locked = None
        self.learnt = False
        self._candidates = [None, None]
        self._aim(remote)

    def _aim(self, address: Address | None) -> None:
        self.destination = address
        if address is None or self.muxed:
            self.control = address
        else:
            # What the SDP says of RTCP holds where it told the truth of RTP; what was learnt has its RTCP beside it.
            told = self._control_port if self.remote is not None and address[1] == self.remote[1] else 0
            self.control = (address[0], told or address[1] + 1, *address[2:])

    def take_up(self, address: Address, *, learnt: bool) -> None:
        """Hear `address` from here on: a source was proved there, now or before a restart."""
        self.locked = address
        self.learnt = learnt
        # The SDP's host may lack the scope that a link-local address needs; what was heard has it.
        self._aim(address)

    def accept(self, data: bytes, address: Address, arrival: int) -> bool:
        """Take in a datagram of the RTP port; True when it was the peer's.

        Args:
            data: at most MAX_DATAGRAM bytes.
            address: where it came from.
            arrival: when, in timestamp units of the local clock.
        """
        size = len(data)
        if size < 12 or size >= MAX_DATAGRAM:
            self.malformed += 1
            return False
        first, second, sequence_number, timestamp, ssrc = _unpack(data)
        payload = data[12:] if first == 0x80 else payload_of(data)
        if payload is None:
            self.malformed += 1
            return False
        law = self.formats.get(second & 0x7F)
        if law is None:
            self.unknown += 1
            return False
        source = self.source
        if source is None or ssrc != source.ssrc or address != self.locked:
            packet = (timestamp, payload, law)
            source = self._prove(address, ssrc, sequence_number, packet, arrival)
            if source is None:
                return False
        elif sequence_number == source.max_seq + 1 and not source.probation:
            # What `update` does with the packet that was expected, without the call.
            source.max_seq = sequence_number
            source.received += 1
        elif not source.update(sequence_number):
            self.invalid += 1
            return False
        self.heard = arrival
        if law < NOISE:
            self._sound(timestamp, payload, law, arrival)
        elif self.listening:
            self._pause(timestamp, payload, self.noises.get(law, 0))
        return True

    def _sound(self, timestamp: int, payload: bytes, law: int, arrival: int) -> None:
        """Take in a payload of the source that is heard."""
        source = self.source
        if law != self.spoken:
            self._speaks(law)
        if 0 < law < OPAQUE and source is not None and self.buffer is not None and self.kept is None:
            # What nearly every packet is, without the calls.
            source.arrived(arrival, timestamp)
            if self.listening:
                self.buffer.put(timestamp, payload, law)
            return
        if law == EVENT:
            if self.keys is not None and self.listening:
                self.pressed += self.keys.take(timestamp, payload, arrival // FRAME)
            return
        if law >= OPAQUE:
            timestamp = self._place(timestamp, law)
        if source is not None:
            source.arrived(arrival, timestamp)
        if self.listening:
            self._hold(timestamp, payload, law)

    def _speaks(self, law: int) -> None:
        """The peer speaks in another format than before (RFC 3550 section 5.1: it may change at any packet)."""
        if law == EVENT:
            return
        if self.spoken:
            self.notices.append(("payload_type_changed", "the peer speaks in another of the agreed formats"))
        self.spoken = law

    def _pause(self, timestamp: int, payload: bytes, clock_rate: int) -> None:
        """The peer pauses, and tells of the noise that is to be heard (RFC 3389).

        Nothing of it is in the estimate of jitter: the timestamp is of the pause's beginning, whenever that is said.
        """
        if comfort_noise.read(payload) is None:
            self.malformed += 1
            return
        codec = self.codecs.get(self.spoken)
        # A codec may sample faster than its clock says (G.722), and its noise is sampled as it is.
        self.noise = (payload[: comfort_noise.MOST + 1], clock_rate if codec is None else codec.rate)
        if self.buffer is None:
            self.buffer = JitterBuffer(self._target)
        usual = clock_rate == (8000 if codec is None else codec.clock_rate)
        self.buffer.pause(self._place(timestamp, self.spoken) if usual else None)

    def _place(self, timestamp: int, kind: int) -> int:
        """A timestamp of any clock as one of 8000 Hz, which goes on over its wraps."""
        codec = self.codecs.get(kind)
        if codec is None or codec.clock_rate == 8000:
            return timestamp
        step = (timestamp - self.unwrapped) & 0xFFFFFFFF
        self.unwrapped += step - 0x100000000 if step > 0x7FFFFFFF else step
        return self.unwrapped * 8000 // codec.clock_rate & 0xFFFFFFFF

    def _hold(self, timestamp: int, payload: bytes, law: int) -> None:
        """Put a payload into the buffer; `timestamp` is of a clock of 8000 Hz."""
        if self.buffer is None:
            self.buffer = JitterBuffer(self._target)
        whole = 0
        if law >= OPAQUE:
            codec = self.codecs.get(law)
            whole = 0 if codec is None else codec.duration(payload) * 8000 // codec.rate
            if not whole:
                self.malformed += 1
                return
        self.buffer.put(timestamp, payload, law, whole)
        if self.kept is not None:
            self.kept.append(timestamp, law, payload)

    def refill(self) -> None:
        """Hold again what a predecessor held and had not played: its packets at or after the cursor."""
        buffer = self.buffer
        cursor = None if buffer is None else buffer.cursor
        if buffer is None or cursor is None or self.kept is None:
            return
        for entry in self.kept.read():
            if (entry.stamp - cursor) & 0xFFFFFFFF < REACH // 2:
                codec = self.codecs.get(entry.kind)
                whole = 0 if codec is None else codec.duration(entry.content) * 8000 // codec.rate
                buffer.put(entry.stamp, entry.content, entry.kind, whole)

    def _prove(
        self, address: Address, ssrc: int, sequence_number: int, packet: tuple[int, bytes, int], arrival: int
    ) -> Source | None:
        """Judge a packet that is not of the source heard: that source when this packet proves it, else None."""
        remote, locked = self.remote, self.locked
        expected = (remote is not None and address[:2] == remote) or address == locked
        if not expected and (locked is not None or remote is None):
            self._refuse(address)
            return None
        if ssrc == self.ssrc and not self.collided:
            self._collide()
            return None
        if locked is not None and arrival - self.heard < _FRESH:
            # While the source speaks nobody takes its place, so that a forged SSRC cannot.
            self.invalid += 1
            return None
        candidate = self._candidates[expected]
        if candidate is None or candidate.address != address or candidate.source.ssrc != ssrc:
            candidate = self._candidates[expected] = _Candidate(address, Source(ssrc, sequence_number))
        if not candidate.source.update(sequence_number):
            candidate.pending = packet
            return None
        self._lock(candidate, sequence_number, packet[0], packet[2], expected=expected)
        return self.source

    def _lock(self, candidate: _Candidate, sequence_number: int, timestamp: int, kind: int, *, expected: bool) -> None:
        """The candidate is the peer from here on; the numbers and the kind are of the packet that proved it."""
        known = self.source
        if known is not None and known.ssrc != candidate.source.ssrc:
            self.notices.append(("ssrc_changed", "the peer speaks with another SSRC"))
        if known is None or known.ssrc != candidate.source.ssrc:
            target = self._target if self.buffer is None else self.buffer.target
            self.buffer, self.noise = JitterBuffer(target) if self.listening else None, None
            if self.buffer is not None:
                # The delay counts from now: the packet held back would else make it one packet longer.
                self.buffer.anchor(self._place(timestamp, kind))
            self.lsr, self.lsr_at, self.left = 0, 0.0, False
        if known is None or known.ssrc != candidate.source.ssrc or not known.update(sequence_number):
            # Else the stream that was known goes on from elsewhere, or after a hold, and so do its counts.
            self.source = candidate.source
        self._candidates = [None, None]
        self.take_up(candidate.address, learnt=not expected or (self.learnt and candidate.address == self.locked))
        if not expected:
            where = f"{candidate.address[0]}:{candidate.address[1]}"
            self.notices.append(("source_learnt", f"RTP comes from {where}, not as the SDP said"))
        if candidate.pending is not None and self.listening:
            before, payload, held = candidate.pending
            if held >= NOISE:
                self._pause(before, payload, self.noises.get(held, 0))
            elif held != EVENT:
                self._hold(self._place(before, held) if held >= OPAQUE else before, payload, held)

    def _refuse(self, address: Address) -> None:
        if not self.strangers:
            text = f"a stranger sends to this session's port: {address[0]}:{address[1]}"
            self.notices.append(("stranger", text))
        self.strangers += 1

    def _collide(self) -> None:
        """The peer uses our SSRC: leave it for another, once (section 8.2). Who follows us there reflects us."""
        self.collided = True
        self.farewell = self.ssrc
        self.ssrc = self._token()
        self.notices.append(("ssrc_collision", "the peer uses our SSRC; ours was changed"))

    def accept_control(self, data: bytes, address: Address, now: float, ntp: int) -> bool:
        """Take in a datagram of RTCP; True when it was the peer's. A BYE alone ends nothing.

        Compound packets and those of reduced size (RFC 5506) are taken, from who is heard and in its name only.

        Args:
            data: at most MAX_DATAGRAM bytes.
            address: where it came from.
            now: seconds on the local clock.
            ntp: the same moment as a 64-bit NTP time.
        """
        known = self.locked or self.remote
        if known is None or address[0] != known[0]:
            self._refuse(address)
            return False
        if len(data) >= MAX_DATAGRAM:
            self.malformed += 1
            return False
        try:
            packets = rtcp.parse(data)
        except rtcp.RtcpError:
            self.malformed += 1
            return False
        source = self.source
        if source is None or not packets or rtcp.sender_of(packets[0]) != source.ssrc:
            self.invalid += 1
            return False
        self.control_heard = now
        self._learn(packets, source.ssrc, now, ntp)
        return True

    def _learn(self, packets: Sequence[rtcp.RtcpPacket], ssrc: int, now: float, ntp: int) -> None:
        """Take what the source that is heard says by RTCP."""
        compound = isinstance(packets[0], rtcp.SenderReport | rtcp.ReceiverReport)
        for packet in packets:
            if isinstance(packet, rtcp.SenderReport):
                self.lsr, self.lsr_at = packet.ntp >> 16 & 0xFFFFFFFF, now
            if isinstance(packet, rtcp.SenderReport | rtcp.ReceiverReport):
                self._measure(packet.blocks, ntp)
            elif isinstance(packet, rtcp.Bye) and compound:
                self.left = self.left or ssrc in packet.ssrcs
            elif isinstance(packet, rtcp.Application) and now >= self.told_until:
                self.told_until = now + 1.0  # a stream of them is no stream of events
                name = packet.name.decode("latin-1")
                self.notices.append(("rtcp_app", f"{name!r} {packet.subtype} {packet.data[:APP_SHOWN].hex()}".rstrip()))

    def _measure(self, blocks: tuple[rtcp.ReportBlock, ...], ntp: int) -> None:
        """The round trip, from what a report says about us (section 6.4.1)."""
        for block in blocks:
            if block.ssrc == self.ssrc and block.lsr:
                trip = ((ntp >> 16) - block.lsr - block.dlsr) & 0xFFFFFFFF
                if not 0 < trip < _BELOW_NOTHING:
                    trip = 1
                # More than a minute, or negative, is a clock that was set or a lie.
                if trip < 60 << 16:
                    self.round_trip = trip / 65536
