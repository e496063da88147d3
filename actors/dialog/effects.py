"""What the pure user agent asks its shell to do: messages down, sessions of media, words to control."""

from __future__ import annotations

from actors.dialog.call_commands import AlterPlayback, PlaceCall, PlayAudio, RecordAudio
from actors.dialog.shard_events import BetweenShards
from actors.runtime.machine import Effect, Event
from actors.sip.offer_answer import Negotiated
from actors.sip.vocabulary import Flow, Target, TransactionKey

# To the transaction shard.


class Send(Effect, frozen=True):
    """Begin the client transaction `key` with the whole request `raw`."""

    key: TransactionKey
    target: Target
    raw: bytes


class Cancel(Effect, frozen=True):
    """Cancel the client INVITE transaction `key` (RFC 3261 section 9.1)."""

    key: TransactionKey


class Reply(Effect, frozen=True):
    """Send the response `raw` on the server transaction `key`."""

    key: TransactionKey
    status: int
    raw: bytes


class ReplyDirect(Effect, frozen=True):
    """Send the response `raw` to a request that has no server transaction, on the flow it came by."""

    flow: Flow
    raw: bytes


class SendAck(Effect, frozen=True):
    """Send the ACK to a 2xx, which has no transaction (RFC 3261 section 13.2.2.4)."""

    target: Target
    raw: bytes


# To the transport.


class Find(Effect, frozen=True):
    """Locate the next hops for `uri` (RFC 3263); the answer comes back with `ref`."""

    ref: str
    uri: str


class KeepFlow(Effect, frozen=True):
    """Keep the way that a request to `target` took alive for the cell `owner` (RFC 5626 section 4.4).

    `interval` is what the peer recommends, which then answers pings; 0 for nothing. With `agreed` it answers them in
    any case, over UDP those of STUN.
    """

    target: Target
    owner: str
    interval: float = 0.0
    agreed: bool = False


class LetFlowGo(Effect, frozen=True):
    """The cell `owner` needs the way to `target` no more."""

    target: Target
    owner: str


class PutBehind(Effect, frozen=True):
    """This target failed: others come before it for a while (RFC 3263 section 4.3).

    `seconds` is its Retry-After: for how long at least (RFC 3261 section 21.5.4).
    """

    target: Target
    seconds: float = 0.0


# To a media process; `process` is its number.


class Prepare(Effect, frozen=True):
    """Take ports for a session of `call` that the peer reaches at `host`."""

    process: int
    session: str
    host: str
    call: str = ""


class Start(Effect, frozen=True):
    """Apply what offer and answer agreed on; `muted` sends silence, and `held` that in place of the sound device."""

    process: int
    session: str
    agreed: Negotiated
    muted: bool = False
    held: bool = False


class Treat(Effect, frozen=True):
    """Echo, play, record and use sound devices as the call's treatment says.

    Attributes:
        process, session: where.
        echo, play, loop, record, device: see Treatment.
        stage: of a call out that is not up: ringing, early, or over; else empty. The device is told of it.
    """

    process: int
    session: str
    echo: bool
    play: str
    loop: bool
    record: str
    device: str = ""
    stage: str = ""


class Press(Effect, frozen=True):
    """Send keys, each for `duration` ms."""

    process: int
    session: str
    digits: str
    duration: int


class Steer(Effect, frozen=True):
    """Play, alter what is played, or record, as a command says."""

    process: int
    session: str
    command: PlayAudio | AlterPlayback | RecordAudio


class Join(Effect, frozen=True):
    """Let a session join the bridge of another, or begin one with it; `keys` are to be passed on in a new one."""

    process: int
    session: str
    other: str
    keys: bool = False


class Part(Effect, frozen=True):
    """Take a session out of its bridge."""

    process: int
    session: str


class Expect(Effect, frozen=True):
    """A session is about to come to this process: what is told to it waits for it."""

    process: int
    session: str


class Move(Effect, frozen=True):
    """Let go of a session for the process `to`; what is left of it comes back, to be carried there."""

    process: int
    session: str
    to: int


class Carry(Effect, frozen=True):
    """Hand a process the session that it expects."""

    process: int
    session: str
    state: bytes


class Close(Effect, frozen=True):
    """End a session; its totals come back."""

    process: int
    session: str


# To another dialog shard.


class TellShard(Effect, frozen=True):
    """Tell the dialog shard number `shard` what concerns a call of ours and one of its own."""

    shard: int
    word: BetweenShards


# To control.


class Report(Effect, frozen=True):
    """Tell control an event of a call, or that a command is done or failed."""

    event: Event


# To another call of the shard: carried out inside the user agent, never by its shell.


class Place(Effect, frozen=True):
    """Place a call because the peer of the call with this tag asked for it (REFER)."""

    tag: str
    order: PlaceCall
