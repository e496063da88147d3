"""The records of the service itself: its accounts, its processes, its events as a stream. See ``records``."""

from typing import NamedTuple


class Hello(NamedTuple):
    """Ask who answers; the result is a Welcome."""


class Accounts(NamedTuple):
    """Ask for every account; the result comes as one or more AccountList."""


class Register(NamedTuple):
    """Register an account at its registrar, or refresh that now. What becomes of it, AccountChanged tells."""

    account: str


class Unregister(NamedTuple):
    """Remove an account's binding.

    Attributes:
        account: its address-of-record.
        everything: remove all that is bound to it, of other telephones too.
    """

    account: str
    everything: bool = False


class Tree(NamedTuple):
    """Ask for the supervisor's children; the result is a TreeList."""


class DoNotDisturb(NamedTuple):
    """Refuse every call in with `status` (400 to 699) from now on, 0 to let them in again; calls out are placed."""

    status: int = 486


class Drain(NamedTuple):
    """Refuse new calls from now on, or take them again."""

    on: bool = True


class Stats(NamedTuple):
    """Ask what was counted; the result comes as one or more FigureList."""


class Reload(NamedTuple):
    """Read the configuration file again; calls go on. The result is Reloaded; one that is wrong changes nothing."""


class Stop(NamedTuple):
    """Shut the service down in order."""


class Subscribe(NamedTuple):
    """Ask for events, and later give credit for more: the same frame, repeated under the same request id.

    Attributes:
        since: the last event the subscriber has; -1 for those that come from now on.
        window: how many events beyond `since` may be sent before the next Subscribe.
        log: the id of the log that `since` is of, empty when not known.
        idle: nothing has come for a while: what was sent beyond `since` is lost, send it again.
        topics: names of events, or beginnings of names with a star (``Call*``); empty for all.
        call: only events of this call; empty for all.
        state: begin with the calls and the accounts that there are, in State frames.
    """

    since: int = -1
    window: int = 256
    log: str = ""
    idle: bool = True
    topics: tuple[str, ...] = ()
    call: str = ""
    state: bool = False


class Unsubscribe(NamedTuple):
    """Ask for no more events under this request id."""


class Welcome(NamedTuple):
    """Who answers: the service's version, the epoch of its control actor, and how many frames that refused by now.

    Attributes:
        audio: the ports of the media processes, where it is asked over TCP: the audio of calls is had there.
    """

    version: str
    epoch: int
    malformed: int = 0
    audio: tuple[int, ...] = ()


class AccountInfo(NamedTuple):
    """One account. Times are seconds since the Unix epoch, 0 where there is none.

    Attributes:
        account: its address-of-record.
        state: registering, registered, failing, unregistering or unregistered; static for one that never registers.
        until: when the registrar forgets our Contact.
        since: since when it fails.
        status: why: the SIP status, 0 where none was heard.
        reason: in words.
        contact: the Contact URI that the registrar holds.
        bindings: every Contact that it listed last.
        service_route: the URIs that other requests visit first.
        registrar: which of several, where it is one of `registrars`; empty for the first.
    """

    account: str
    state: str
    until: float
    since: float
    status: int
    reason: str
    contact: str
    bindings: tuple[str, ...] = ()
    service_route: tuple[str, ...] = ()
    registrar: str = ""


class AccountList(NamedTuple):
    """A part of the list of accounts."""

    accounts: tuple[AccountInfo, ...]


class Child(NamedTuple):
    """One child of the supervisor. `since` is seconds since the Unix epoch."""

    name: str
    pid: int
    state: str
    restarts: int
    epoch: int
    since: float


class TreeList(NamedTuple):
    """The supervisor's children."""

    children: tuple[Child, ...]


class Figure(NamedTuple):
    """Something counted: `name`, and where there are several, the `label` that tells them apart and which it is `of`.

    A name that ends with ``_total`` only grows, but for a new start of the control actor.
    """

    name: str
    label: str
    of: str
    value: float


class FigureList(NamedTuple):
    """A part of what was counted."""

    figures: tuple[Figure, ...]


class Reloaded(NamedTuple):
    """The configuration was read again: the names of the processes that are started anew with it."""

    children: tuple[str, ...]


class Nothing(NamedTuple):
    """The command took effect and there is no more to say."""
