"""The voice of a session whose formats are more than G.711: payloads to samples when their time comes, and back.

What is heard is one stream of samples at the session's rate: that of the codec it sends in. A payload is decoded when
its first sample is due, whole; what reaches beyond the frame waits. What is missing is concealed, by the codec where it
can.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from actors.media.codecs import Codec
from actors.media.codecs.base import Decoder, Samples
from actors.media.comfort_noise import Hiss
from actors.media.conceal import Concealer
from actors.media.jitter import JitterBuffer
from actors.media.pieces import FRAME
from actors.media.resample import Resampler

# Samples of 8 kHz that a packet may last: 120 ms; more than that is a lie (FAULTS 61).
LONGEST = 6 * FRAME


class _Ear:
    """The decoder of one kind of payload, and its way to the session's rate."""

    def __init__(self, codec: Codec, rate: int) -> None:
        self.rate = codec.rate
        self._decoder: Decoder = codec.decoder()
        self._resampler = Resampler(codec.rate, rate) if codec.rate != rate else None

    def decode(self, payload: bytes) -> Samples:
        return self._at_rate(self._decoder.decode(payload))

    def conceal(self, count: int, following: bytes | None) -> Samples | None:
        """The codec's own idea of `count` samples at its rate."""
        samples = self._decoder.conceal(count, following)
        return None if samples is None else self._at_rate(samples)

    def _at_rate(self, samples: Samples) -> Samples:
        return samples if self._resampler is None else self._resampler.process(samples)


class Voice:
    """One session's decoders and encoder.

    Args:
        send: the codec it sends in.
        fmtp: the peer's parameters of it.
        packet: milliseconds of a packet we send.
        codecs: kind of payload -> codec, for all that may come.

    Attributes:
        encoding: the name of what it sends in.
        rate: samples a second.
        kind: of its frames as others see them: linear, of so many kHz.
        units: timestamp units of a frame that is sent.
        clock_rate: of its timestamps.
        packet_bytes, packet_units: of a packet that is sent, as samples and in timestamp units.
        silence: a frame of it.
    """

    def __init__(self, send: Codec, fmtp: str, packet: int, codecs: Mapping[int, Codec]) -> None:
        self.encoding = send.encoding
        self.rate = send.rate
        self.kind = send.rate // 1000
        self.clock_rate = send.clock_rate
        self.units = send.clock_rate // 50
        self._frame = send.rate // 50
        self.packet_bytes = 2 * send.rate * packet // 1000
        self.packet_units = send.clock_rate * packet // 1000
        self.silence = bytes(2 * self._frame)
        self._encoder = send.encoder(fmtp)
        self._codecs = codecs
        self._ears: dict[int, _Ear] = {}
        self._last: _Ear | None = None
        self._held = np.zeros(0, np.int16)
        self._concealer = Concealer(self.rate)
        self._talking = False

    def encode(self, samples: bytes) -> bytes:
        """The payload of a packet; empty where there is nothing to send."""
        return self._encoder.encode(np.frombuffer(samples, np.int16))

    def hear(self, buffer: JitterBuffer, hiss: Hiss | None = None) -> tuple[bytes, int]:
        """The next frame out of the buffer, linear; ``(b"", 0)`` while nobody speaks.

        Args:
            buffer: which holds the packets.
            hiss: the noise of the peer's pauses, where it told of it.
        """
        packets = buffer.take_packets()
        if hiss is not None and not buffer.pausing:
            hiss.over()
            hiss = None
        if hiss is not None and not packets:
            self._held = np.concatenate((self._held, self._noise(hiss)))
        if not packets and not len(self._held) and not self._talking:
            return b"", 0
        for inside, payload, kind in packets:
            self._fill(inside * self.rate // 8000, payload)
            self._hear(payload, kind)
        self._fill(self._frame, buffer.following())
        frame, self._held = self._held[: self._frame], self._held[self._frame :]
        if len(self._held):
            buffer.cover(len(self._held) * 8000 // self.rate)
        return frame.tobytes(), self.kind

    def _hear(self, payload: bytes, kind: int) -> None:
        ear = self._ears.get(kind)
        if ear is None:
            ear = self._ears[kind] = _Ear(self._codecs[kind], self.rate)
        samples = self._concealer.hear(ear.decode(payload))
        self._last = ear
        self._talking = True
        self._held = np.concatenate((self._held, samples)) if len(self._held) else samples

    def _noise(self, hiss: Hiss) -> Samples:
        """What is missing of a frame in a pause of the peer."""
        self._talking = True
        return self._concealer.hear(hiss.take(max(0, self._frame - len(self._held))))

    def _fill(self, wanted: int, following: bytes | None) -> None:
        """Make up what is missing up to `wanted` samples."""
        missing = wanted - len(self._held)
        if missing <= 0:
            return
        made, ear = None, self._last
        if ear is not None and self._concealer.lost < self.rate // 10:
            made = ear.conceal(missing * ear.rate // self.rate, following)
        if made is None or len(made) != missing:
            made = self._concealer.make(missing)
        else:
            self._concealer.made(made)
        self._talking = self._concealer.lost < self.rate // 5
        self._held = np.concatenate((self._held, made))
