"""What the media layer sends and accepts. Its user is the dialog shard that owns the call."""

from __future__ import annotations

from actors.runtime.machine import Event


class Format(Event, frozen=True):
    """One payload format as negotiated: RFC 3551 encoding name in upper case, clock rate in Hz."""

    payload_type: int
    encoding: str
    clock_rate: int
    fmtp: str = ""
    channels: int = 1


class Protection(Event, frozen=True):
    """The keys of SRTP as negotiated (RFC 4568). They are in no `repr`, and in no event to control.

    Attributes:
        suite: its name in SDP.
        send, receive: master key and salt, one behind the other, of what we send and of what the peer sends.
    """

    suite: str
    send: bytes
    receive: bytes

    def __repr__(self) -> str:
        return f"Protection({self.suite})"


# From the dialog.


class PrepareSession(Event, frozen=True):
    """Take a pair of ports for `session` and start receiving on them. Repeating it repeats the answer.

    Attributes:
        session: the id of the session, chosen by the dialog, unique for ever.
        host: the local address that the peer reaches us by; the sockets of the pool are bound to all addresses of
            its family.
        call: the id of its call, by which other processes know it.
    """

    session: str
    host: str
    call: str = ""


class StartSession(Event, frozen=True):
    """Apply what was negotiated; again at each later offer/answer of the same session.

    Attributes:
        host, port: where RTP goes (the peer's c= and m= lines).
        send: the format we send in.
        receive: every format the peer may send in, telephone-event among them.
        direction: ours: sendrecv, sendonly, recvonly or inactive.
        ptime: milliseconds of audio in a packet we send.
        event: the format to send keys in (RFC 4733); None where the peer takes none.
        muted: silence is sent in place of whatever would be; keys are pressed all the same.
        protection: the keys where SRTP was agreed; a session that has them never goes back to plain RTP.
        rtcp_port: where RTCP goes (RFC 3605), `port` itself where both share one (RFC 5761); 0 for `port` + 1.
        held: we hold the peer: it is sent what is played to it, and silence in place of what the sound device says.
        noise: the format that tells of pauses (RFC 3389); None where the peer takes none.
    """

    session: str
    host: str
    port: int
    send: Format
    receive: tuple[Format, ...]
    direction: str
    ptime: int = 20
    event: Format | None = None
    protection: Protection | None = None
    muted: bool = False
    rtcp_port: int = 0
    held: bool = False
    noise: Format | None = None


class Play(Event, frozen=True):
    """Play a file, or a tone, to the peer, from its start. PlayFinished tells its end.

    Attributes:
        path: a file, or ``tone:`` and what :func:`actors.media.tones.parse_tone` reads.
        loop: again and again.
        queue: after what is being played and waits; else in place of all that.
    """

    session: str
    path: str
    loop: bool = False
    queue: bool = False


class StopPlaying(Event, frozen=True):
    """Play nothing any more, nor what waits to be played."""

    session: str


class PausePlaying(Event, frozen=True):
    """Hold what is being played where it is, or go on with it."""

    session: str
    paused: bool


class SeekPlaying(Event, frozen=True):
    """Go on with what is being played at `position`, seconds from its start."""

    session: str
    position: float


class Record(Event, frozen=True):
    """Record into a file until the session ends; appends after a kill. An empty path ends the recording.

    Attributes:
        path: the file, of the session's rate: Opus in Ogg where it is named .ogg or .opus, else WAV of 16 bits.
        sides: peer: what the peer says; mixed: what we send, too, in one channel; stereo: the peer left, we right.
    """

    session: str
    path: str
    sides: str = "peer"


class Echo(Event, frozen=True):
    """Send the peer its own audio back."""

    session: str


RING = "ring"
# Stages of a call out that is not answered yet: it rings there; something else became of it; it is being given up.
RINGING, EARLY, OVER = "ringing", "early", "over"


class UseDevice(Event, frozen=True):
    """Let the session speak and be heard through sound devices; in place of an echo, and of other devices.

    Attributes:
        device: `IN:OUT`, names or numbers; either may be empty for the configured one. RING: the configured one rings
            until the session starts.
        stage: empty for a call that is up. RINGING: the output gives the ring-back tone until the peer is heard
            (RFC 3960 s3.2); EARLY: all is silent until then. OVER: they are not used any more.
    """

    session: str
    device: str
    stage: str = ""


class JoinBridge(Event, frozen=True):
    """Let a session and another of the same process hear each other: it joins the bridge that the other is in.

    The peer of each member hears those of all others. Answered by Bridged, to the owners of all members.

    Attributes:
        other: a session that was started; where it is in no bridge, one of both is begun.
        keys: the keys that the peer of one presses are pressed in the others, too; of the bridge's first two.
    """

    session: str
    other: str
    keys: bool = False


class LeaveBridge(Event, frozen=True):
    """Take a session out of its bridge. Answered by Bridged with no others."""

    session: str


class SendDigits(Event, frozen=True):
    """Send telephone events to the peer (RFC 4733), after those still to be sent; in-band where it takes none.

    Attributes:
        digits: of 0-9, A-D, * and #; a comma is a pause of half a second.
        duration: of each, milliseconds.
    """

    session: str
    digits: str
    duration: int = 160


class ExpectSession(Event, frozen=True):
    """A session is about to come from another process: what is told to it until then is done once it is there."""

    session: str


class MoveSession(Event, frozen=True):
    """Let go of a session for the media process number `to`, without a word to its peer. Answered by SessionExported.

    Its sockets go there through the supervisor's store.
    """

    session: str
    to: int


class TakeSession(Event, frozen=True):
    """Go on with a session that another process has let go of; `state` is what that one exported."""

    session: str
    state: bytes

    def __repr__(self) -> str:
        return f"TakeSession({self.session!r})"  # the state holds keys


class CloseSession(Event, frozen=True):
    """Send an RTCP BYE, give the ports back, finish the recording. Answered by SessionClosed."""

    session: str


# To the dialog.


class SessionPrepared(Event, frozen=True):
    """The session receives on `host`:`port`, RTCP on `port` + 1."""

    session: str
    host: str
    port: int


class SessionRefused(Event, frozen=True):
    """No ports are left, or the session is not known."""

    session: str
    reason: str


class PlayFinished(Event, frozen=True):
    """The file was played to its end, or could not be (`error` says why)."""

    session: str
    path: str
    error: str = ""


class RecordFailed(Event, frozen=True):
    """The recording stopped (disk full, no such folder); the call goes on."""

    session: str
    path: str
    error: str


class DigitReceived(Event, frozen=True):
    """The peer pressed a key and let it go.

    Attributes:
        digit: one of 0-9, A-D, * and #, or F for a hook flash.
        duration: milliseconds.
        method: how it came: rfc4733 or inband.
    """

    session: str
    digit: str
    duration: int
    method: str


class KeysPressed(Event, frozen=True):
    """All keys that were to be pressed have been. It stays inside media."""

    session: str


class Bridged(Event, frozen=True):
    """Who hears whom has changed: the session is in a bridge with the sessions of these calls.

    Attributes:
        others: empty: it is in no bridge, or not any more.
        reason: why a bridge that was asked for could not be had, else empty.
    """

    session: str
    others: tuple[str, ...] = ()
    reason: str = ""


class Noticed(Event, frozen=True):
    """Something about a session's audio that people should know; the session goes on.

    Attributes:
        kind: one word, such as stranger or source_learnt; docs/media.md lists them.
        text: one line.
    """

    session: str
    kind: str
    text: str


class SessionLost(Event, frozen=True):
    """The session's state could not be restored or broke; nothing is sent or received any more."""

    session: str
    reason: str


class SessionExported(Event, frozen=True):
    """What another process needs to go on with a session: hand it to that number `to`, as it is."""

    session: str
    to: int
    state: bytes

    def __repr__(self) -> str:
        return f"SessionExported({self.session!r}, {self.to})"  # the state holds keys


class SessionClosed(Event, frozen=True):
    """The session is over, with its totals (RFC 3550 section 6.4).

    Attributes:
        jitter: milliseconds.
        round_trip: seconds, 0 where it was not measured.
        burst: how many packets were lost together in the mean; 0 where none was.
        mos: how the peer sounded here over the whole call (G.107), 1 to 4.5; 0 where nothing was heard.
    """

    session: str
    packets_sent: int
    packets_received: int
    packets_lost: int
    jitter: float
    round_trip: float = 0.0
    mos: float = 0.0
    burst: float = 0.0


FromDialog = (
    PrepareSession
    | StartSession
    | Play
    | StopPlaying
    | PausePlaying
    | SeekPlaying
    | Record
    | Echo
    | UseDevice
    | SendDigits
    | JoinBridge
    | LeaveBridge
    | ExpectSession
    | MoveSession
    | TakeSession
    | CloseSession
)
ToDialog = (
    SessionPrepared
    | SessionRefused
    | PlayFinished
    | RecordFailed
    | DigitReceived
    | Bridged
    | SessionExported
    | Noticed
    | SessionLost
    | SessionClosed
)
