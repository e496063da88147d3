"""Every codec through its one interface: vectors, round trips, lengths, broken payloads, and what is missing."""

from __future__ import annotations

import ctypes
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.media.codecs import Codec, CodecMissingError, find, opus
from actors.media.codecs.base import RATES, Samples
from actors.media.codecs.opus import Wanted
from actors.media.resample import Polyphase, Resampler, speexdsp
from tests.media.rig import corpus

NARROW, MEDIUM, WIDE, SUPER_WIDE, FULL = range(1101, 1106)  # bandwidths, as libopus numbers them
SHAPES = [
    ("PCMU", 8000, 1),
    ("PCMA", 8000, 1),
    ("L16", 8000, 1),
    ("L16", 16000, 1),
    ("L16", 44100, 1),
    ("G722", 8000, 1),
    ("opus", 48000, 2),
    ("GSM", 8000, 1),
]


def codec_of(name: str, clock_rate: int, channels: int) -> Codec:
    try:
        codec = find(name, clock_rate, channels)
    except CodecMissingError as error:
        pytest.skip(str(error))
    assert codec is not None
    return codec


def speechlike(rate: int, seconds: float = 1.0) -> Samples:
    time = np.arange(int(rate * seconds)) / rate
    voiced = sum(np.sin(2 * np.pi * 140 * n * time + n) / n for n in range(1, 20))
    return (3000 * voiced * (0.3 + 0.7 * np.sin(2 * np.pi * 2 * time) ** 2)).astype(np.int16)


def snr(said: Samples, heard: Samples, most_lag: int) -> float:
    """The best signal-to-noise ratio over all lags up to `most_lag`, dB."""
    best = -99.0
    for lag in range(most_lag):
        a, b = said[: len(heard) - lag].astype(float), heard[lag : len(said) + lag].astype(float)
        size = min(len(a), len(b))
        a, b = a[len(a) // 4 : size], b[len(a) // 4 : size]
        best = max(best, 10 * np.log10(np.sum(a**2) / (np.sum((a - b) ** 2) + 1)))
    return best


@pytest.mark.parametrize(("name", "clock_rate", "channels"), SHAPES)
@pytest.mark.parametrize("ptime", [10, 20, 30, 60])
def test_what_is_encoded_is_decoded_at_its_length(name: str, clock_rate: int, channels: int, ptime: int) -> None:
    codec = codec_of(name, clock_rate, channels)
    if name == "GSM" and ptime % 20:
        pytest.skip("a GSM frame lasts 20 ms")
    if name == "opus" and ptime == 30:
        pytest.skip("Opus has no packets of 30 ms")
    assert codec.rate in RATES
    size = codec.rate * ptime // 1000
    said = speechlike(codec.rate)
    encoder, decoder = codec.encoder("useinbandfec=1"), codec.decoder()
    heard = []
    for at in range(0, len(said) - size + 1, size):
        payload = encoder.encode(said[at : at + size])
        assert codec.duration(payload) == size
        assert codec.clock_rate * ptime % 1000 == 0
        heard.append(decoder.decode(payload))
        assert len(heard[-1]) == size
    floor = {"PCMU": 30, "PCMA": 30, "L16": 30, "G722": 12, "opus": 3, "GSM": 5}[name]
    assert snr(said, np.concatenate(heard), codec.rate // 50) > floor


@pytest.mark.parametrize(("name", "clock_rate", "channels"), SHAPES)
@settings(max_examples=30, deadline=None)
@given(payload=st.one_of(st.binary(max_size=80), st.binary(min_size=1390, max_size=1410)))
def test_any_payload_is_samples_of_a_bounded_length(  # FAULTS 61
    name: str, clock_rate: int, channels: int, payload: bytes
) -> None:
    codec = codec_of(name, clock_rate, channels)
    count = codec.duration(payload)
    assert 0 <= count <= codec.rate * 8
    if count:
        assert abs(len(codec.decoder().decode(payload)) - count) <= codec.rate // 100


def test_the_itu_vectors_of_g722_are_encoded_and_decoded_bit_for_bit() -> None:
    codec = codec_of("G722", 8000, 1)
    folder = corpus("vectors", "g722", "test_data")
    said = np.fromfile(folder / "inpsp.bin", np.int16)
    codes = np.fromfile(folder / "codspw.cod", "<u2").astype(np.uint8).tobytes()  # a word for each code
    heard = np.fromfile(folder / "outsp1.bin", np.int16)
    assert codec.encoder("").encode(said) == codes
    assert np.array_equal(codec.decoder().decode(codes), heard)


def test_an_unknown_name_rate_or_number_of_channels_is_no_codec() -> None:
    for shape in (("G729", 8000, 1), ("PCMU", 16000, 1), ("PCMA", 8000, 2), ("opus", 16000, 2), ("base", 8000, 1)):
        assert find(*shape) is None
    assert find("../x", 8000) is None


@pytest.mark.parametrize(("name", "loads"), [("opus", "apt-get install libopus0"), ("gsm", "apt-get install libgsm1")])
def test_a_library_that_is_absent_is_said_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, name: str, loads: str
) -> None:
    def absent(_name: str) -> None:
        raise OSError

    module = import_module(f"actors.media.codecs.{name}")
    monkeypatch.setattr(ctypes, "CDLL", absent)
    module.library.cache_clear()
    with pytest.raises(CodecMissingError, match=loads):
        module.make(48000)
    module.library.cache_clear()


def test_opus_recovers_a_lost_packet_from_the_next_one() -> None:
    codec = codec_of("opus", 48000, 2)
    said = speechlike(48000)
    encoder = codec.encoder("useinbandfec=1")
    payloads = [encoder.encode(said[at : at + 960]) for at in range(0, len(said) - 959, 960)]
    whole, broken, silent = codec.decoder(), codec.decoder(), codec.decoder()
    error = {"fec": 0.0, "none": 0.0}
    for at, payload in enumerate(payloads):
        true = whole.decode(payload).astype(float)
        if at % 10 == 5:
            for decoder, following, name in ((broken, payloads[at + 1], "fec"), (silent, None, "none")):
                found = decoder.conceal(960, following)
                assert found is not None
                assert len(found) == 960
                error[name] += float(np.sum((found - true) ** 2))
        else:
            broken.decode(payload)
            silent.decode(payload)
    assert error["fec"] < error["none"]


def test_opus_says_nothing_in_silence_where_the_peer_wants_it_so() -> None:
    codec = codec_of("opus", 48000, 2)
    encoder = codec.encoder("usedtx=1")
    sent = [encoder.encode(np.zeros(960, np.int16)) for _ in range(100)]
    assert sum(not payload for payload in sent) > 50
    assert all(codec.encoder("").encode(np.zeros(960, np.int16)) for _ in range(1))


def test_a_broken_opus_packet_is_silence_of_its_length() -> None:
    codec = codec_of("opus", 48000, 2)
    assert codec.duration(b"\xff") == 0 or len(codec.decoder().decode(b"\xff")) > 0


@pytest.mark.parametrize(
    ("fmtp", "wanted"),
    [
        ("", Wanted(32_000, FULL)),
        ("UseInbandFEC=1; usedtx=0;;stereo ; x= 3", Wanted(32_000, FULL, fec=True)),
        ("usedtx=1;cbr=1", Wanted(32_000, FULL, dtx=True, constant=True)),
        ("useinbandfec=1;useinbandfec=0", Wanted(32_000, FULL, fec=True)),
        ("useinbandfec=true;usedtx;cbr=2", Wanted(32_000, FULL)),
        ("maxaveragebitrate=20000", Wanted(20_000, FULL)),
        ("maxaveragebitrate=510000", Wanted(32_000, FULL)),
        ("maxaveragebitrate=6000", Wanted(6_000, FULL)),
        *(
            (f"maxaveragebitrate={most}", Wanted(32_000, FULL))
            for most in ("5999", "510001", "-1", "9" * 5000, "", "²")
        ),
        ("maxplaybackrate=8000", Wanted(12_000, NARROW)),
        ("maxplaybackrate=12000", Wanted(20_000, MEDIUM)),
        ("maxplaybackrate=16000; sprop-maxcapturerate=16000; maxaveragebitrate=20000; stereo=1", Wanted(20_000, WIDE)),
        ("maxplaybackrate=16001", Wanted(32_000, SUPER_WIDE)),
        ("maxplaybackrate=24000;maxaveragebitrate=9000", Wanted(9_000, SUPER_WIDE)),
        ("maxplaybackrate=48000", Wanted(32_000, FULL)),
        ("maxplaybackrate=7999", Wanted(32_000, FULL)),
        ("maxplaybackrate=96000", Wanted(32_000, FULL)),
    ],
)
def test_what_a_receiver_of_opus_wants(fmtp: str, wanted: Wanted) -> None:
    """RFC 7587 section 6.1: what is out of its range is ignored."""
    assert opus.wanted(fmtp) == wanted


@given(st.text(max_size=80))
def test_any_parameters_of_opus_are_read(text: str) -> None:
    found = opus.wanted(text)
    assert 6_000 <= found.bitrate <= 32_000
    assert NARROW <= found.bandwidth <= FULL


@pytest.mark.parametrize(("rate", "bandwidth"), [(8000, NARROW), (16000, WIDE), (24000, SUPER_WIDE), (48000, FULL)])
def test_no_packet_of_opus_is_wider_than_its_receiver_plays(rate: int, bandwidth: int) -> None:
    """RFC 7587 section 7.1: a MUST."""
    encoder = codec_of("opus", 48000, 2).encoder(f"maxplaybackrate={rate}")
    hiss = np.random.default_rng(1).normal(0, 4000, 48000).clip(-32768, 32767).astype(np.int16)
    payloads = [encoder.encode(hiss[at : at + 960]) for at in range(0, 48000, 960)]
    widths = {opus.library().opus_packet_get_bandwidth(payload) for payload in payloads}
    assert max(widths) == bandwidth


def test_opus_sends_no_more_bits_than_its_receiver_takes() -> None:
    """RFC 7587 section 7.1: a MUST; and packets of one length to who wants a constant rate."""
    said = speechlike(48000, 4.0)
    for most in (8_000, 16_000):
        for more in ("", ";cbr=1"):
            encoder = codec_of("opus", 48000, 2).encoder(f"maxaveragebitrate={most}{more}")
            sizes = [len(encoder.encode(said[at : at + 960])) for at in range(0, len(said), 960)]
            assert sum(sizes) * 8 / 4.0 <= most * 1.1
            assert not more or len(set(sizes)) == 1


RATE_PAIRS = [(8000, 16000), (16000, 8000), (8000, 48000), (48000, 8000), (44100, 48000), (48000, 44100)]


@pytest.mark.parametrize("library", ["numpy", "speexdsp"])
@pytest.mark.parametrize(("rate", "wanted"), RATE_PAIRS)
def test_a_tone_keeps_its_frequency_level_and_length_at_another_rate(library: str, rate: int, wanted: int) -> None:
    if library == "speexdsp" and speexdsp() is None:
        pytest.skip("apt-get install libspeexdsp1")
    shared = np.gcd(rate, wanted)
    resampler = Polyphase(wanted // shared, rate // shared) if library == "numpy" else Resampler(rate, wanted)
    tone = (10_000 * np.sin(2 * np.pi * 1000 * np.arange(rate) / rate)).astype(np.int16)
    block = rate // 50
    found = np.concatenate([resampler.process(tone[at : at + block]) for at in range(0, rate, block)])
    assert abs(len(found) - wanted) <= 1
    spectrum = np.abs(np.fft.rfft(found[-wanted // 2 :] * np.hanning(wanted // 2)))
    peak = int(np.argmax(spectrum))
    assert peak * 2 == 1000
    noise = np.concatenate((spectrum[: peak - 6], spectrum[peak + 7 :]))
    assert 20 * np.log10(spectrum[peak] / noise.max()) > 50
    assert abs(np.sqrt(2 * np.mean(found[-wanted // 2 :].astype(float) ** 2)) - 10_000) < 200


def test_blocks_join_without_a_seam() -> None:
    sound = speechlike(8000)
    whole, parts = Polyphase(2, 1), Polyphase(2, 1)
    joined = np.concatenate([parts.process(sound[at : at + 80]) for at in range(0, 8000, 80)])
    assert np.array_equal(joined, whole.process(sound))
