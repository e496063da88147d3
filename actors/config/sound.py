"""The sections of sound: codecs and ports, simulated networks, devices."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from actors.config.kinds import Dscp, Percent, Port, Section
from actors.sip.sdp_codecs import NAMED
from actors.sip.sdp_protection import SUITES


class MediaSection(Section, frozen=True, kw_only=True):
    """[media]: codecs and ports.

    Attributes:
        codecs: in the order they are offered; L16 is of 16 kHz.
        ptime: milliseconds of audio in the packets that peers are asked to send; ours are of what they ask for.
        jitter: milliseconds of audio held back against jitter.
        inband_keys: hear keys in the sound of peers that take no telephone events; it costs about 4 ms a call-second.
        talk_events: tell when peers begin and end to speak.
        comfort_noise: offer comfort noise (RFC 3389), and send it in place of our pauses to peers that take it; that of
            peers is taken and heard where they offer it, with this or without.
        real_time: give the pacing loop real-time priority, where the system allows it; a warning says where not.
        ports: first and last UDP port of the pool; a call takes two.
        dscp: of all RTP and RTCP that is sent (RFC 2474); 46 is EF, 0 none.
        folder: where files that are played and recorded must be, links followed; empty: anywhere.
        filter: a Python file with a ``process(heard, said, rate, state)`` that the sound of all calls goes through;
            empty: none.
        srtp: off, optional (where the peer takes it) or required.
        srtp_suites: those that are offered and taken, the most liked first.
        srtp_in_clear: warn when keys go over UDP or TCP and not TLS, or refuse: what is optional is off there.
    """

    codecs: Annotated[
        tuple[Literal["PCMU", "PCMA", "G722", "opus", "GSM", "L16", "L16/8000", "L16/44100"], ...],
        Meta(min_length=1, description=f"a list of {', '.join(NAMED)}, one at least"),
    ] = ("PCMU", "PCMA")
    ptime: Literal[10, 20, 30, 40, 60] = 20
    jitter: Annotated[int, Meta(ge=20, le=500, description="milliseconds from 20 to 500")] = 40
    inband_keys: bool = False
    talk_events: bool = False
    comfort_noise: bool = False
    real_time: bool = False
    ports: tuple[Port, Port] = (16384, 18383)
    dscp: Dscp = 0
    folder: str = ""
    filter: str = ""
    srtp: Literal["off", "optional", "required"] = "off"
    srtp_suites: Annotated[
        tuple[
            Literal[
                "AEAD_AES_256_GCM",
                "AES_256_CM_HMAC_SHA1_80",
                "AES_256_CM_HMAC_SHA1_32",
                "AEAD_AES_128_GCM",
                "AES_CM_128_HMAC_SHA1_80",
                "AES_CM_128_HMAC_SHA1_32",
            ],
            ...,
        ],
        Meta(min_length=1, description=f"a list of {', '.join(SUITES)}, one at least"),
    ] = ("AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")
    srtp_in_clear: Literal["warn", "refuse"] = "warn"


class SimulateSection(Section, frozen=True, kw_only=True):
    """[simulate]: a bad network for the audio that every call receives, for trials; without any of it there is none.

    Attributes:
        loss: per cent of the packets that are lost.
        burst: how many of them are lost together in the mean.
        jitter: milliseconds; each packet is late by something between nothing and this.
        reorder: per cent of the packets that come behind their follower.
        duplicate: per cent of the packets that come twice.
        drift: how much faster the peer's clock runs than ours, in millionths, up to a second in all.
        seed: the same gives the same.
    """

    loss: Percent = 0.0
    burst: Annotated[float, Meta(ge=1, le=1000, description="packets, 1 to 1000")] = 1.0
    jitter: Annotated[float, Meta(ge=0, le=1000, description="milliseconds, 0 to 1000")] = 0.0
    reorder: Percent = 0.0
    duplicate: Percent = 0.0
    drift: Annotated[float, Meta(ge=-10_000, le=10_000, description="millionths, -10000 to 10000")] = 0.0
    seed: Annotated[int, Meta(ge=0, description="a number that is not negative")] = 1


class SoundSection(Section, frozen=True, kw_only=True):
    """[sound]: sound devices, for calls that are to be held through them.

    Attributes:
        enabled: have an actor for them; it loads PortAudio when the first call asks for a device.
        input: the device that peers hear, by name or number (`sipactors devices`); empty: the system's default.
        output: the device that peers are heard on; empty: the system's default.
        ring: the device that rings for calls in which wait for an answer; empty: none.
        echo_cancellation: take out of the input what it hears of the output; it needs libspeexdsp.
    """

    enabled: bool = False
    input: str = ""
    output: str = ""
    ring: str = ""
    echo_cancellation: bool = False
