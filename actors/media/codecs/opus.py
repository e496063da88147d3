"""Opus (RFC 6716, RFC 7587) by libopus: forward error correction, discontinuous transmission, its own concealment."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from actors.media.codecs.base import Codec, CodecMissingError, Decoder, Encoder, Samples
from actors.media.libraries import load
from actors.sip.sdp_attributes import Fmtp

CLOCK_RATES = (48000,)
CHANNELS = 2  # always 2 in a description (RFC 7587 section 7); what is sent and heard here is mono
RATE = 48000
_VOIP = 2048
_SET_BITRATE, _SET_BANDWIDTH, _SET_VBR, _SET_COMPLEXITY = 4002, 4004, 4006, 4010  # the bandwidth is the widest
_SET_FEC, _SET_LOSS, _SET_DTX, _SET_SIGNAL = 4012, 4014, 4016, 4024
_VOICE = 3001
# What the encoder reckons to be lost when it adds a copy of each packet to the next, per cent.
_LOSS = 10
_MOST = 5760  # samples a packet may last: 120 ms
_MAX_PAYLOAD = 1275
# Two bytes or less say: nothing is said (RFC 6716 section 2.1.9); such a packet need not be sent.
_SILENT = 2


# What a receiver plays at most so many samples a second of is sent no wider than that, nor faster than speech wants in
# it: libopus's bandwidth and bits a second (RFC 7587 sections 3.1.1 and 6.1; for those between, the next one's).
_BANDWIDTHS = {8000: (1101, 12_000), 12000: (1102, 20_000), 16000: (1103, 20_000), 24000: (1104, 40_000)}
_FULL = (1105, 40_000)
_USUAL = 32_000  # bits a second where nothing asks for fewer
_RATES, _BITRATES = range(8000, 48_001), range(6_000, 510_001)


class Wanted(NamedTuple):
    """How a receiver wants to be sent Opus.

    Attributes:
        bitrate: bits a second, in the mean.
        bandwidth: the widest, as libopus numbers it.
        fec: it recovers lost packets from what the next ones tell of them.
        dtx: silence is to be left out.
        constant: each packet is to be as long as the others.
    """

    bitrate: int = _USUAL
    bandwidth: int = _FULL[0]
    fec: bool = False
    dtx: bool = False
    constant: bool = False


def wanted(fmtp: str) -> Wanted:
    """Read the receiver's parameters (RFC 7587 section 6.1).

    What is malformed or out of its range is as if it was not there; `stereo` is not looked at, as mono is sent, nor are
    the `sprop-` ones, which tell of what the peer sends.
    """
    params = Fmtp("", fmtp).params
    rate = _number(params.get("maxplaybackrate"), _RATES)
    bandwidth, usual = next((each for most, each in _BANDWIDTHS.items() if rate and rate <= most), _FULL)
    bitrate = min(_USUAL, _number(params.get("maxaveragebitrate"), _BITRATES) or usual)
    flags = [params.get(name) == "1" for name in ("useinbandfec", "usedtx", "cbr")]
    return Wanted(bitrate, bandwidth, *flags)


def _number(text: str | None, within: range) -> int:
    """A number in its range, else 0; a long one is not read at all."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 9:
        return 0
    number = int(text)
    return number if number in within else 0


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """Libopus, with the types of what is called.

    Raises:
        CodecMissingError: it is not installed.
    """
    library = load("libopus", 0)
    if library is None:
        raise CodecMissingError("Opus needs libopus: apt-get install libopus0")
    pointer, number = ctypes.c_void_p, ctypes.c_int32
    library.opus_decoder_create.argtypes = [number, ctypes.c_int, ctypes.POINTER(ctypes.c_int)]
    library.opus_decoder_create.restype = pointer
    library.opus_decoder_destroy.argtypes = [pointer]
    library.opus_decode.argtypes = [pointer, ctypes.c_char_p, number, pointer, ctypes.c_int, ctypes.c_int]
    library.opus_encoder_create.argtypes = [number, ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_int)]
    library.opus_encoder_create.restype = pointer
    library.opus_encoder_destroy.argtypes = [pointer]
    library.opus_encode.argtypes = [pointer, pointer, ctypes.c_int, ctypes.c_char_p, number]
    library.opus_packet_get_nb_samples.argtypes = [ctypes.c_char_p, number, number]
    return library


class _Decoder(Decoder):
    def __init__(self) -> None:
        self._library = library()
        error = ctypes.c_int()
        self._handle = self._library.opus_decoder_create(RATE, 1, ctypes.byref(error))

    def __del__(self) -> None:
        self._library.opus_decoder_destroy(self._handle)

    def _decode(self, payload: bytes | None, count: int, *, fec: bool) -> Samples:
        out = np.zeros(count, np.int16)
        size = 0 if payload is None else len(payload)
        got = self._library.opus_decode(self._handle, payload, size, out.ctypes.data, count, int(fec))
        return out[: max(got, 0)]

    def decode(self, payload: bytes) -> Samples:
        samples = self._decode(payload, _MOST, fec=False)
        return samples if len(samples) else np.zeros(_duration(payload), np.int16)

    def conceal(self, count: int, following: bytes | None) -> Samples:
        """The lost packet out of the one behind it (section 2.1.7), else what the decoder makes up."""
        # The decoder wants multiples of 2.5 ms.
        whole = max(120, count // 120 * 120)
        samples = self._decode(following, whole, fec=following is not None)
        return np.concatenate((samples, np.zeros(max(0, count - len(samples)), np.int16)))[:count]


class _Encoder(Encoder):
    def __init__(self, wanted: Wanted) -> None:
        self._library = library()
        error = ctypes.c_int()
        self._handle = self._library.opus_encoder_create(RATE, 1, _VOIP, ctypes.byref(error))
        # A variadic function: what is not declared is passed as an int.
        handle = ctypes.c_void_p(self._handle)
        for request, value in (
            (_SET_BITRATE, wanted.bitrate),
            (_SET_BANDWIDTH, wanted.bandwidth),
            (_SET_VBR, int(not wanted.constant)),
            (_SET_FEC, int(wanted.fec)),
            (_SET_LOSS, _LOSS if wanted.fec else 0),
            (_SET_SIGNAL, _VOICE),
            (_SET_DTX, int(wanted.dtx)),
            (_SET_COMPLEXITY, 5),
        ):
            self._library.opus_encoder_ctl(handle, request, value)
        self._out = ctypes.create_string_buffer(_MAX_PAYLOAD)

    def __del__(self) -> None:
        self._library.opus_encoder_destroy(self._handle)

    def encode(self, samples: Samples) -> bytes:
        frame = np.ascontiguousarray(samples)
        size = self._library.opus_encode(self._handle, frame.ctypes.data, len(frame), self._out, _MAX_PAYLOAD)
        return self._out.raw[:size] if size > _SILENT else b""


def _duration(payload: bytes) -> int:
    if not payload:
        return 0
    return max(0, int(library().opus_packet_get_nb_samples(payload, len(payload), RATE)))


class Opus(Codec):
    """Opus, mono at 48 kHz."""

    encoding = "OPUS"
    clock_rate = rate = RATE

    def duration(self, payload: bytes) -> int:
        """As the packet's first byte says, 2.5 to 120 ms."""
        return _duration(payload) if len(payload) <= _MAX_PAYLOAD * 3 else 0

    def decoder(self) -> Decoder:
        """One stream's."""
        return _Decoder()

    def encoder(self, fmtp: str) -> Encoder:
        """One stream's, as the receiver's parameters want it (RFC 7587 section 6.1)."""
        return _Encoder(wanted(fmtp))


def make(clock_rate: int) -> Codec:  # noqa: ARG001 - the only one of CLOCK_RATES
    """The codec, if it can be had.

    Raises:
        CodecMissingError: the library is not installed.
    """
    library()
    return Opus()
