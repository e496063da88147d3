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


FRAME = RATE // 50  # sounds are compared 20 ms at a time
REACH = 2 * RATE  # how far machines that stand still may push what comes after
CHANGED = 0.02  # of a frame's energy: a correlation of 0.99 at the same level
QUIET = 200


def same(heard: Samples, said: Samples) -> bool:
    """Whether `heard` holds all of `said`, in its order and at its level, with a correlation above 0.99.

    Anything more may lie between (silence, where a loaded machine stood still): that pushes what comes after it, and is
    a slip of the clock and not of the sound. A frame that is blanked, faded, missing or swapped is a fault.
    """
    found = aligned(heard.astype(np.float64), said.astype(np.float64))
    return found is not None and correlation(found, said) > 0.99


def aligned(heard: NDArray[np.float64], said: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """`said` as it is found in `heard`; None where a frame of it is nowhere behind the one before."""
    heard = np.concatenate((heard, np.zeros(len(said))))
    places = _places(heard, said[: 5 * FRAME])
    if not len(places):
        return None
    lag, at, found = int(places[0]), 0, np.zeros(len(said))
    while at < len(said):
        end = min(at + FRAME, len(said))
        if not _alike(heard[lag + at : lag + end], said[at:end]):
            slip = _slip(heard, said, at, lag)
            if slip is None:
                return None
            split, after = slip
            found[at:split] = heard[lag + at : lag + split]
            lag, at = after, split
            end = min(at + FRAME, len(said))
        found[at:end] = heard[lag + at : lag + end]
        at = end
    return found


def _slip(heard: NDArray[np.float64], said: NDArray[np.float64], at: int, lag: int) -> tuple[int, int] | None:
    """Where in the frame at `at` the clock slipped, and the lag behind it; None where no slip explains the frame."""
    end = min(at + FRAME, len(said))
    frame = said[at:end]
    for split in range(at, end + 1):
        begin = heard[lag + at : lag + split]
        if np.sum((begin - said[at:split]) ** 2) > CHANGED * np.sum(frame**2):
            return None  # what is before the slip is not as it was
        piece = said[split : split + FRAME]
        room = heard[lag + split + 1 : lag + split + REACH]
        for place in _places(room, piece):
            return split, lag + 1 + int(place)
    return None


def _places(heard: NDArray[np.float64], piece: NDArray[np.float64]) -> NDArray[np.intp]:
    """Where `piece` is found unchanged."""
    energy = float(np.sum(piece**2))
    if len(heard) < len(piece) or np.abs(piece).max(initial=0) < QUIET:
        return np.zeros(min(1, len(heard)), np.intp)
    sums = np.concatenate((np.zeros(1), np.cumsum(heard**2)))
    stretches = sums[len(piece) :] - sums[: -len(piece)]
    return np.flatnonzero(stretches + energy - 2 * np.correlate(heard, piece, "valid") <= CHANGED * energy)


def _alike(heard: NDArray[np.float64], said: NDArray[np.float64]) -> bool:
    if np.abs(said).max() < QUIET:
        return bool(np.abs(heard).max() < 2 * QUIET)
    return bool(np.sum((heard - said) ** 2) <= CHANGED * np.sum(said**2))


def speech_and_codes(seconds: float) -> tuple[Samples, bytes]:
    """Speech that is the same after G.711, and as that; no frame of it is silence or like another."""
    said = decoded(encoded(speech(seconds), "PCMU"), "PCMU")
    return said, encoded(said, "PCMU").replace(b"\x7f", b"\xff")  # of the two codes of zero the one that is sent
