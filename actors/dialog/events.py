"""What the user agent tells its user (control) and accepts from it.

Every command carries a `ref`; each is answered by exactly one CommandDone or CommandFailed with that `ref`.
`call` is the id of a call: chosen by control for a call out (it makes it hash to the right shard), by the dialog for a
call in. It is also the Call-ID of the SIP dialog for a call out.
"""

from __future__ import annotations

from actors.dialog.account_events import AccountCommand, AccountEvent, AccountInfo
from actors.dialog.call_commands import CallCommand
from actors.dialog.call_events import CallEvent, CallInfo
from actors.dialog.feed_events import FeedCommand, FeedEvent
from actors.dialog.publication_events import PublicationCommand, PublicationEvent
from actors.dialog.request_events import RequestCommand, RequestEvent
from actors.dialog.subscription_events import SubscriptionCommand, SubscriptionEvent
from actors.runtime.machine import Event


class ListState(Event, frozen=True):
    """Tell every call and every account, for who joins late."""

    ref: str


class Drain(Event, frozen=True):
    """Refuse new calls with 503 from now on (`on`), or take them again; calls in progress go on."""

    ref: str
    on: bool


class DoNotDisturb(Event, frozen=True):
    """Refuse every call in with `status` (400 to 699) from now on, 0 to let them in again; calls out are placed."""

    ref: str
    status: int


class CommandDone(Event, frozen=True):
    """The command `ref` took effect."""

    ref: str
    calls: tuple[CallInfo, ...] = ()
    accounts: tuple[AccountInfo, ...] = ()


class CommandFailed(Event, frozen=True):
    """The command `ref` had no effect.

    `code` is one of no_such_call, bad_state, bad_uri, bad_value, no_media, busy, draining.
    """

    ref: str
    code: str
    message: str


UserAgentCommand = ListState | Drain | DoNotDisturb
FromControl = (
    UserAgentCommand
    | CallCommand
    | AccountCommand
    | RequestCommand
    | SubscriptionCommand
    | PublicationCommand
    | FeedCommand
)
ToControl = (
    CommandDone
    | CommandFailed
    | CallEvent
    | AccountEvent
    | RequestEvent
    | SubscriptionEvent
    | PublicationEvent
    | FeedEvent
)
