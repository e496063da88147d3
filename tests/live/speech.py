"""Speech-like sound and G.711 of the tests' own, by the formulas of ITU-T G.711 and not by the tables under test."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tests.live.rtp import Packet
from tests.live.sound import RATE, Samples, correlation

LAWS = {"PCMU": 0, "PCMA": 8}  # the static payload types of RFC 3551 table 4
SILENCE = {"PCMU": b"\xff", "PCMA": b"\xd5"}


def speech(seconds: float, seed: int = 7) -> Samples:
    """Noise of 300 to 3400 Hz in syllables, with a chirp through it: no part of it is like another."""
    count = int(seconds * RATE)
    time = np.arange(count) / RATE
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    noise = np.fft.irfft(np.where((hertz > 300) & (hertz < 3400), spectrum, 0), count)
    noise *= 0.3 + 0.7 * np.sin(2 * np.pi * 1.7 * time) ** 2
    chirp = np.sin(2 * np.pi * (400 * time + (2500 / seconds) * time**2 / 2))
    mixed = noise / np.std(noise) + chirp
    samples: Samples = (mixed * (20_000 / np.max(np.abs(mixed)))).astype(np.int16)
    return samples


def _levels(law: str) -> NDArray[np.int32]:
    """The 256 output values of a law, by code."""
    values = []
    for code in range(256):
        bits = code ^ (0xFF if law == "PCMU" else 0x55)
        segment, step = (bits >> 4) & 7, bits & 0x0F
        if law == "PCMU":
            size = ((2 * step + 33) << segment) - 33 << 2
            values.append(-size if bits & 0x80 else size)
        else:
            size = (2 * step + 1 if segment == 0 else (2 * step + 33) << (segment - 1)) << 3
            values.append(size if bits & 0x80 else -size)
    return np.array(values, np.int32)


def encoded(samples: Samples, law: str) -> bytes:
    """Each sample as the code whose value is nearest."""
    levels = _levels(law)
    order = np.argsort(levels, kind="stable")
    edges = (levels[order][1:] + levels[order][:-1]) / 2
    return bytes(order.astype(np.uint8)[np.searchsorted(edges, samples)])


def decoded(codes: bytes, law: str) -> Samples:
    """The samples that codes stand for."""
    return _levels(law)[np.frombuffer(codes, np.uint8)].astype(np.int16)


def played(packets: Sequence[Packet], law: str) -> Samples:
    """What a stream of packets says, one after the other: none of them is missing, their times are not looked at."""
    assert {packet.payload_type for packet in packets} == {LAWS[law]}
    steps = {(after.sequence - before.sequence) % (1 << 16) for before, after in itertools.pairwise(packets)}
    assert steps == {1}
    return decoded(b"".join(packet.payload for packet in packets), law)


def heard(packets: Sequence[Packet], law: str) -> Samples:
    """What a stream of packets sounds like in time, each put where its timestamp says; gaps are silence."""
    assert {packet.payload_type for packet in packets} == {LAWS[law]}
    start = packets[0].timestamp
    places = [((packet.timestamp - start + (1 << 31)) % (1 << 32) - (1 << 31), packet.payload) for packet in packets]
    first = min(place for place, _ in places)
    codes = bytearray(SILENCE[law] * (max(place + len(payload) for place, payload in places) - first))
    for place, payload in places:
        codes[place - first : place - first + len(payload)] = payload
    return decoded(bytes(codes), law)


PIECE = RATE // 4
PAUSES = 3  # pieces of a sound that pauses of a loaded machine may cut into


def same(heard: Samples, said: Samples) -> bool:
    """Whether `heard` holds `said` with a correlation above 0.99.

    Where the whole does not, every piece must, at about its place: a machine that stood still for longer than the
    buffers last leaves a hole and moves what comes after it. Only PAUSES pieces may be cut into so.
    """
    if len(heard) >= len(said) and correlation(heard, said) > 0.99:
        return True
    room = 2 * PIECE
    padded = np.pad(heard.astype(np.float64), (room, room + max(0, len(said) - len(heard))))
    first = int(np.argmax(np.correlate(padded, said.astype(np.float64), "valid")))
    unlike = 0
    for at in range(0, len(said) - PIECE + 1, PIECE):
        piece = said[at : at + PIECE].astype(np.float64)
        near = padded[max(0, first + at - room) : first + at + PIECE + room]
        if np.abs(piece).max() > 200:  # silence is like any other
            fit = np.correlate(near, piece, "valid") / np.sqrt((_energy(near) + 1) * np.dot(piece, piece))
            unlike += bool(fit.max() < 0.99)
    return unlike <= PAUSES


def _energy(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of squares of each stretch as long as a piece."""
    sums = np.concatenate((np.zeros(1), np.cumsum(samples**2)))
    return np.maximum(sums[PIECE:] - sums[:-PIECE], 0.0)
