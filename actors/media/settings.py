"""The settings of the media layer."""

from __future__ import annotations

import msgspec

from actors.media.network import Network
from actors.media.pool import Pool


class MediaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a media actor is told at its start.

    Attributes:
        jitter: milliseconds of audio held back at the start of a talkspurt.
        inband_keys: keys are heard in the sound of peers that take no telephone events.
        talk_events: it is told when peers begin and end to speak.
        comfort_noise: pauses are not sent to peers that take comfort noise.
        folder: where files that are played and recorded must be; empty for anywhere.
        listen: where the control API has its TCP port, ``tcp://ADDRESS:PORT``: audio is had on those behind it; empty
            for no audio over TCP.
        real_time: the pacing loop asks for real-time priority.
        network: a bad one, simulated for what every session receives; None for none.
        filter: the file of a filter that the sound of every session goes through; empty for none.
        pool: all RTP ports, where several processes share them; None where there is one.
        dscp: of all RTP and RTCP that is sent (RFC 2474); 0 none.
    """

    jitter: int = 40
    inband_keys: bool = False
    talk_events: bool = False
    comfort_noise: bool = False
    real_time: bool = False
    folder: str = ""
    listen: str = ""
    network: Network | None = None
    filter: str = ""
    pool: Pool | None = None
    dscp: int = 0


class DeviceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the sound device's actor is told at its start: names or numbers of devices, empty for the system's default.

    Attributes:
        input: heard by peers.
        output: hears peers.
        ring: rings for calls in; none where it is empty.
        echo_cancellation: the echo of the output is taken out of the input.
    """

    input: str = ""
    output: str = ""
    ring: str = ""
    echo_cancellation: bool = False
