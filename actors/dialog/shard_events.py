"""What one dialog shard tells another: of two calls that live in two shards and concern each other (RFC 3891).

`by` is the tag of the new call and `call` that of the one whose place it takes, each the key of its cell; `shard` is
the number of the new call's shard.
"""

from __future__ import annotations

from actors.dialog.call_commands import AnswerCall, BridgeCall, PlaceCall, TransferCall, Treatment
from actors.runtime.machine import Event


class ReserveReplace(Event, frozen=True):
    """An INVITE wants the place of a call of yours; answered by ReplaceReserved. What the Replaces said is here."""

    shard: int
    by: str
    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool


class ReplaceReserved(Event, frozen=True):
    """The call is kept for `by` (`status` is 0), to be treated as it was, or `by` is to be refused with `status`."""

    by: str
    status: int
    treatment: Treatment = Treatment()


class CommitReplace(Event, frozen=True):
    """The new call is answered: it has taken the place of `call`, which is to hang up."""

    shard: int
    by: str
    call: str


class ReleaseReplace(Event, frozen=True):
    """The new call ended without an answer: `call` goes on, and may be replaced by another."""

    shard: int
    by: str
    call: str


class AskTarget(Event, frozen=True):
    """A transfer needs to know where the call that `command` wants replaced leads; answered by TargetTold."""

    shard: int
    command: TransferCall


class TargetTold(Event, frozen=True):
    """The command with its whole target; or with what it fails with: `code` and `text`."""

    command: TransferCall
    code: str = ""
    text: str = ""


class AskAudio(Event, frozen=True):
    """A command brings a call of ours to where the audio of your call `other` is; answered by AudioTold."""

    shard: int
    command: BridgeCall | PlaceCall | AnswerCall
    other: str


class AudioTold(Event, frozen=True):
    """Where the other call's audio is: its media process and its session; or what the command fails with."""

    command: BridgeCall | PlaceCall | AnswerCall
    process: int = 0
    session: str = ""
    code: str = ""
    text: str = ""


class AskDialog(Event, frozen=True):
    """The REFER `by` names a dialog as one of a call of yours (RFC 4538); answered by DialogTold."""

    shard: int
    by: str
    call_id: str
    local_tag: str
    remote_tag: str


class DialogTold(Event, frozen=True):
    """The id of the call whose dialog it is, empty where there is none."""

    by: str
    call: str


BetweenShards = (
    ReserveReplace
    | ReplaceReserved
    | CommitReplace
    | ReleaseReplace
    | AskTarget
    | TargetTold
    | AskAudio
    | AudioTold
    | AskDialog
    | DialogTold
)
