"""A session: what it hears and says, and how it stands.

The timestamp is no counter: it is `base` + 160 * tick, where ticks count 20 ms of CLOCK_BOOTTIME. So it goes on with
the clock through pauses of the loop and restarts of the process, and a gap is a gap of time (RFC 3550 section 5.1).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from actors.media.activity import Activity
from actors.media.bridge import Member
from actors.media.codecs.companded import Companded
from actors.media.comfort_noise import Hiss
from actors.media.crossing import Crossing
from actors.media.disk import Recorder
from actors.media.dtmf import KeyFormat, KeyReader, KeySender, keys_of
from actors.media.events import Play, Protection, StartSession
from actors.media.facts import codec_of, law_of
from actors.media.filters import Filtered
from actors.media.formats import kinds, packet_length
from actors.media.g711 import SILENCE, Law, encode
from actors.media.inband import InbandKeys
from actors.media.jitter import TARGET, JitterBuffer
from actors.media.line import Line
from actors.media.mend import Mender
from actors.media.peer import Address, Peer
from actors.media.pieces import FRAME
from actors.media.player import Playing
from actors.media.rtp import Source
from actors.media.sockets import Pair
from actors.media.srtp import Srtp
from actors.media.suppression import Suppressor
from actors.media.taps import Taps
from actors.media.voice import Voice
from actors.media.watching import Watching

TICKS = 50  # a second
# Silence is sent for so many ticks before a session that nobody speaks to goes to rest: two packets in sequence prove a
# source (RFC 3550 appendix A.1), and one a second keeps the path open should they be lost.
OPENING = 2
# A peer that was silent for so long (timestamp units, 5 s) is not answered with silence 50 times a second.
QUIET = 40_000

_SILENCES = tuple(bytes((code,)) * FRAME for code in SILENCE)


class Session:
    """One session's sending side and its peer.

    Args:
        key: its id.
        pair: its ports.
        identity: 64 random bits that tie the journal's cell to the mapped record.
        token: gives random 32-bit numbers.
        target: the playout delay to begin with, in samples.

    Attributes:
        base: the timestamp of tick 0.
        sequence: of the next packet.
        next_timestamp: where the last packet ended; another value means a gap, and the marker (RFC 3551 s4.1).
        pressed, key_begun: in the row it was restored from: keys that were over, timestamp of the one that was down.
        served: the tick of the row it was restored from.
        plays: how many files and tones it has begun to play, modulo 65536.
        queue: what is to be played next.
        paused: what is played waits.
        recorded_from: the first tick of the recording in the row, 0 for none.
        recording_made: and its file was begun.
        law: that its frames are codes of, while it has no voice.
        voice: what hears and speaks where formats are not all G.711.
        clock_rate: of the timestamps it sends.
        rate: samples a second of what it hears and says.
        keys: what is to be pressed.
        key_format: how the peer takes keys, and which; it hears all others as sound.
        srtp: what protects it, None for plain RTP.
        inband: keys are sought in the sound of a peer that takes no telephone events.
        detector: seeks them.
        line: to the sound device, None while it is not used.
        sending: the direction and an address allow it.
        muted: it sends silence in place of whatever it would.
        held: it sends silence in place of what the sound device says.
        call: the id of its call.
        taps: other programs that hear or speak; None for none.
        member: its place in a bridge; None while it is in none.
        crossing: the simulated network that the peer's packets come through; None for none.
        filtered: its way through a user's filter; None for none.
        activity: hears when the peer begins and ends to speak; None where nobody wants to know.
        suppresses: pauses are not sent to a peer that takes comfort noise.
        suppressor: finds them; None where the peer takes none.
        hiss: makes the noise of the peer's pauses; None before the first that somebody hears.
        awake_until: the tick before which the session does not go to rest.
        slow, slow_source, slow_locked, slow_until: the part of its row that seldom changes as it was packed last, of
            which source and address, and the tick from which it is packed anew.
        place: its row in the fast lane, -1 while it serves itself.
        calm_from: the tick before which it is not taken into the lane.
    """

    __slots__ = (
        "_spoken",
        "activity",
        "awake_until",
        "base",
        "call",
        "calm_from",
        "clock_rate",
        "crossing",
        "detector",
        "echo",
        "filtered",
        "generation",
        "held",
        "hiss",
        "identity",
        "inband",
        "key",
        "key_begun",
        "key_format",
        "keys",
        "law",
        "line",
        "member",
        "mender",
        "muted",
        "next_timestamp",
        "octets",
        "outgoing",
        "outgoing_timestamp",
        "packet_samples",
        "packets",
        "packets_prior",
        "pair",
        "paused",
        "payload_type",
        "peer",
        "place",
        "player",
        "plays",
        "position",
        "pressed",
        "queue",
        "rate",
        "recorded_from",
        "recorder",
        "recording_made",
        "report_due",
        "report_size",
        "reports",
        "resting",
        "sending",
        "sequence",
        "served",
        "silence",
        "slow",
        "slow_locked",
        "slow_source",
        "slow_until",
        "srtp",
        "started",
        "suppresses",
        "suppressor",
        "taps",
        "voice",
        "watching",
    )

    def __init__(self, key: str, pair: Pair, identity: int, token: Callable[[], int], target: int = TARGET) -> None:
        self.key, self.call = key, ""
        self.taps: Taps | None = None
        self.suppressor: Suppressor | None = None
        self.hiss: Hiss | None = None
        self.member: Member | None = None
        self.crossing: Crossing | None = None
        self.filtered: Filtered | None = None
        self.activity: Activity | None = None
        self.pair = pair
        self.identity = identity
        self.generation = 0
        self.base = token()
        self.sequence = token() & 0xFFFF
        self.next_timestamp = token()
        self.peer = Peer(token(), token, target)
        self.packets = self.octets = self.reports = 0
        self.packets_prior = (0, 0)
        self.report_due = float("inf")
        self.report_size = 0.0
        self.started = self.sending = self.echo = self.resting = self.muted = self.held = False
        self.law = int(Law.PCMU)
        self.line: Line | None = None
        self.voice: Voice | None = None
        self.watching: Watching | None = None
        self.inband = self.suppresses = False
        self.detector: InbandKeys | None = None
        self.keys: KeySender | None = None
        self.key_format: KeyFormat | None = None
        self.srtp: Srtp | None = None
        self._spoken: tuple[object, ...] = ()
        self.clock_rate = self.rate = 8000
        self.payload_type = 0
        self.packet_samples = FRAME
        self.silence = _SILENCES[Law.PCMU]
        self.outgoing = b""
        self.outgoing_timestamp = self.position = self.plays = 0
        self.player: Playing | None = None
        self.queue: deque[Play] = deque()
        self.paused = False
        self.recorder: Recorder | None = None
        self.recorded_from = 0
        self.recording_made = False
        self.mender: Mender | None = None
        self.awake_until = self.calm_from = 0
        self.place, self.served, self.pressed = -1, 0, 0
        self.key_begun: int | None = None
        self.slow = b""
        self.slow_source: Source | None = None
        self.slow_locked: Address | None = None
        self.slow_until = 0

    def apply(self, start: StartSession) -> None:
        """Take what was negotiated.

        Raises:
            ValueError: the format to send in is not one we have; SRTP cannot be had, or is to be given up.
        """
        if not 0 <= start.send.payload_type <= 127:
            raise ValueError(f"payload type {start.send.payload_type} cannot be sent")
        self._speak(start)
        self.payload_type = start.send.payload_type
        samples = start.ptime * 8
        self.packet_samples = samples if samples in (80, 160, 240, 320, 480) else FRAME
        peer = self.peer
        self._take_keys(start)
        noise = start.noise.payload_type if start.noise is not None and self.suppresses else None
        if noise != (None if self.suppressor is None else self.suppressor.payload_type):
            self.suppressor = None if noise is None else Suppressor(noise)
        self._protect(start.protection)
        peer.listening = start.direction in ("sendrecv", "recvonly")
        if not peer.listening:
            peer.buffer = None
        peer.reach(start.host, start.port, v6=self.pair.v6, rtcp_port=start.rtcp_port)
        self.sending = peer.destination is not None and start.direction in ("sendrecv", "sendonly")
        self.muted = start.muted
        self.held = start.held
        self.started = True
        self.touch()

    def _protect(self, protection: Protection | None) -> None:
        """Take the keys of SRTP. From the first ones on nothing is sent or taken without them."""
        if protection is None:
            if self.srtp is not None:
                raise ValueError("SRTP was agreed, and is not given up for plain RTP")
        elif self.srtp is None:
            self.srtp = Srtp(protection)
            if not self.packets:
                self.sequence &= 0x7FFF  # RFC 4568 s6.4: lest the first packets be lost over a rollover
        elif protection != self.srtp.protection:
            self.srtp.use(protection)

    def unsealed(self, data: bytes, *, control: bool = False) -> bytes | None:
        """The packet of the peer inside a protected one; None for what is to be dropped."""
        srtp = self.srtp
        if srtp is None:
            return data
        plain = srtp.unprotect_control(data) if control else srtp.unprotect(data)
        if plain is None and srtp.refused == 1:
            self.peer.notices.append(("srtp_refused", "a packet that is forged, repeated or not protected was dropped"))
        return plain

    def _take_keys(self, start: StartSession) -> None:
        """The formats of keys, ours and the peer's; what is being pressed goes on."""
        rate = kinds(start.send, start.receive).key_rate
        if not rate:
            self.peer.keys = None
        elif self.peer.keys is None or self.peer.keys.clock_rate != rate:
            self.peer.keys = KeyReader(rate)
        self.detector = InbandKeys() if self.inband and not rate else None
        self.key_format = None
        if start.event is not None:
            self.key_format = KeyFormat(start.event.payload_type, keys_of(start.event.fmtp))
        if self.keys is not None and self.keys.units != self.clock_rate // TICKS:
            self.keys = None  # what was being pressed is of another clock

    def press(self, keys: str, duration: int) -> KeySender:
        """Press keys after those still to be pressed, each for `duration` milliseconds."""
        if self.keys is None:
            self.keys = KeySender(self.clock_rate // TICKS)
        self.keys.press(keys, duration)
        return self.keys

    def _speak(self, start: StartSession) -> None:
        """Take the formats: codes of G.711 are passed on as they are, everything else is a voice of samples."""
        formats, codecs, self.peer.noises, _ = kinds(start.send, start.receive)
        law = max(0, law_of(start.send) or 0)
        before = self.form
        if law and not codecs:
            self.voice, self.clock_rate, self.rate = None, 8000, 8000
            self.law, self.silence = law, _SILENCES[law]
        elif self.voice is None or (start.send, start.ptime, start.receive) != self._spoken:
            send = Companded(Law(law)) if law else codec_of(start.send)
            if send is None:
                raise ValueError(f"{start.send.encoding}/{start.send.clock_rate} cannot be sent")
            packet = packet_length(send.encoding, start.ptime)
            self.voice = Voice(send, start.send.fmtp, packet, codecs)
            self.clock_rate, self.rate, self.silence = send.clock_rate, send.rate, self.voice.silence
        self._spoken = (start.send, start.ptime, start.receive)
        self.peer.formats, self.peer.codecs = formats, codecs
        if self.form != before:
            self.outgoing = b""
            if self.player is not None:
                self.player.use(self.form)

    @property
    def encoding(self) -> str:
        """The name of what it sends in."""
        return Law(self.law).name if self.voice is None else self.voice.encoding

    @property
    def form(self) -> int:
        """What a frame to send is: codes of a law, or linear samples at so many kHz."""
        return self.law if self.voice is None else self.voice.kind

    def hear(self) -> tuple[bytes, int]:
        """The next frame of what the peer says, and its law or kHz; nothing and 0 where there is none."""
        buffer = self.peer.buffer
        if buffer is None:
            return b"", 0
        hiss = None if self.peer.noise is None else self._hiss(*self.peer.noise)
        if self.voice is not None:
            return self.voice.hear(buffer, hiss)
        if not self.echo and self.recorder is None and self.line is None and self.taps is None and self.member is None:
            return buffer.take()  # nobody listens
        if self.mender is None:
            self.mender = Mender()
        found = buffer.take()
        if hiss is not None:
            if not buffer.pausing:
                hiss.over()
            elif not found[1]:
                found = encode(hiss.take(FRAME), self.law).tobytes(), self.law
        return self.mender.mend(found, buffer)

    def _hiss(self, payload: bytes, model: int) -> Hiss:
        """What makes the noise of the peer's pauses, as it was said last."""
        if self.hiss is None or self.hiss.rate != self.rate:
            self.hiss = Hiss(self.rate, self.peer.ssrc)
        if self.hiss.follow(payload, model):
            self.touch()
        return self.hiss

    def through(self, way: Filtered, codes: bytes, law: int, payload: bytes) -> tuple[bytes, int, bytes]:
        """What the peer says and what it is to be said, filtered. A filter that fails is out of the session's way."""
        form = self.form
        try:
            heard, said = way.frames((codes, law), (payload, form), self.rate, form)
        except Exception as error:  # noqa: BLE001 - whatever a user's file does
            self.filtered = None
            self.peer.notices.append(("filter_failed", f"{type(error).__name__}: {error}"))
            return codes, law, payload
        return heard, form, payload if self.muted else said

    @property
    def calm(self) -> bool:
        """All that it does in a tick is to hear whole frames of G.711 and to send one."""
        peer, keys = self.peer, self.peer.keys
        return (
            self.sending
            and peer.listening
            and self.voice is None
            and self.srtp is None
            and self.crossing is None
            and self.filtered is None
            and self.activity is None
            and self.suppressor is None
            and (self.member is None or (self.taps is None and self.player is None and not self.held))
            and (self.taps is None or (self.taps.meter is None and self.player is None))
            and self.recorder is None
            and self.line is None
            and self.detector is None
            and self.packet_samples == FRAME
            and not (self.muted or self.resting)
            and peer.spoken in tuple(Law)
            and peer.kept is None
            and peer.farewell is None
            and not (peer.notices or peer.pressed)
            and (keys is None or not keys.down)
            and (self.keys is None or not self.keys.busy)
            and (self.mender is None or self.mender.calm)
        )

    def stop_playing(self) -> None:
        """Let go of what is played."""
        if self.player is not None:
            self.player.close()
            self.player = None
        self.position = 0

    def may_rest(self, tick: int, arrival: int) -> bool:
        """Nobody speaks, nothing is played or recorded: silence once a second keeps the path open (RFC 6263)."""
        return (
            tick >= self.awake_until
            and arrival - self.peer.heard > QUIET
            and self.player is None
            and self.line is None
            and self.recorder is None
            and self.taps is None
            and self.member is None
            and (self.keys is None or not self.keys.busy)
        )

    def wake(self, tick: int) -> None:
        """Send at the full rate again."""
        self.resting = False
        self.awake_until = tick + OPENING

    def rest(self) -> None:
        """Send once a second from now on; the next talkspurt gets a fresh buffer of the delay learnt."""
        self.resting = True
        self.mender = None
        buffer = self.peer.buffer
        if buffer is not None:
            self.peer.buffer = JitterBuffer(buffer.target)

    def touch(self) -> None:
        """Something of the row's slow part changed: the next row has it."""
        self.slow_until = 0
