"""What the user agent is made of: usages, each with cells, methods and commands of its own (calls, registrations, ...).

A usage's cells are known by their *tag*: the local tag of its dialogs, the middle of its branches and refs, and the
beginning of its cells' keys. The tags of calls are hexadecimal; those of any other usage begin with its `mark`, a
letter from g to z, so that whatever comes back is led to its usage without a look into a cell.

To add a usage: derive from :class:`Usage`, give it a mark, say which methods and commands are its own, and put it into
``UserAgent.__init__``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Protocol

from actors.dialog.call import Agent, Asked, Place
from actors.dialog.effects import Report
from actors.dialog.events import CommandFailed
from actors.dialog.reply import answer
from actors.runtime.machine import Effects
from actors.sip.vocabulary import Head, TransactionKey


class Cells(Protocol):
    """A mapping of cells: what the runtime gives."""

    def get(self, key: bytes) -> Any: ...  # noqa: ANN401, D102 - None or a machine
    def put(self, key: bytes, value: Any, deadline: float | None) -> None: ...  # noqa: ANN401, D102
    def delete(self, key: bytes) -> None: ...  # noqa: D102
    def keys(self) -> Iterable[bytes]: ...  # noqa: D102


Command = Callable[[Any, float, float], Effects]


class Usage:
    """One kind of cell. What a usage does not say for itself changes nothing, and a request gets 481.

    In all methods `now` is seconds on the clock of the cells' deadlines, `wall` seconds since the Unix epoch.

    Args:
        agent: what all usages share.
        cells: where all of them are kept.
    """

    mark: ClassVar[str] = ""  # how its tags begin; calls have none
    methods: ClassVar[frozenset[str]] = frozenset()  # of the requests outside of any dialog that are its own

    def __init__(self, agent: Agent, cells: Cells) -> None:
        self.agent = agent
        self.cells = cells

    @property
    def commands(self) -> Mapping[type, Command]:
        """Its commands by type; each gives exactly one CommandDone or CommandFailed among its effects."""
        return {}

    def begin(self, now: float, wall: float) -> Effects:  # noqa: ARG002
        """The shard starts, for the first time or again: plan what is to be done unasked."""
        return ()

    def outside(self, asked: Asked, now: float, wall: float) -> Effects:  # noqa: ARG002
        """Answer a request outside of any dialog, of one of its `methods`."""
        return (answer(self.agent, asked, 481),)

    def inside(self, asked: Asked, now: float, wall: float) -> Effects:  # noqa: ARG002
        """Answer a request whose To tag is one of its own."""
        return (answer(self.agent, asked, 481),)  # RFC 3261 s12.2.2

    def acknowledged(self, head: Head, raw: bytes, now: float, wall: float) -> Effects:  # noqa: ARG002
        """Take the ACK to a 2xx; one of no dialog is dropped."""
        return ()

    def cancelled(self, key: TransactionKey, now: float, wall: float) -> Effects:  # noqa: ARG002
        """The INVITE of the server transaction `key` was cancelled."""
        return ()

    def response(self, tag: str, key: TransactionKey, head: Head, raw: bytes, now: float, wall: float) -> Effects:  # noqa: ARG002
        """Take a response to a request of the cell with this tag."""
        return ()

    def failed(self, tag: str, key: TransactionKey, status: int, reason: str, now: float, wall: float) -> Effects:  # noqa: ARG002
        """A request of the cell with this tag ended without a final response."""
        return ()

    def unanswered(self, key: TransactionKey, now: float, wall: float) -> Effects:  # noqa: ARG002
        """The server transaction `key` can no longer be answered."""
        return ()

    def located(self, tag: str, place: Place, now: float, wall: float) -> Effects:  # noqa: ARG002
        """The next hops that a request of the cell with this tag may take."""
        return ()

    def flow_dead(self, tag: str, token: str, now: float, wall: float) -> Effects:  # noqa: ARG002
        """The way that the cell with this tag had kept alive is dead; without a `token` there was none any more."""
        return ()

    def expire(self, key: bytes, now: float, wall: float) -> Effects:  # noqa: ARG002
        """Fire the timers of one cell that are due."""
        return ()

    def transactions_lost(self, key: bytes, now: float, wall: float) -> Effects:  # noqa: ARG002
        """The transaction shard lost all it held: what this cell had in flight has failed."""
        return ()

    def network_changed(self, key: bytes, gone: frozenset[str], now: float, wall: float) -> Effects:  # noqa: ARG002
        """Addresses of ours are gone: what this cell told its peer reaches us no more, if it was one of them."""
        return ()

    def leave(self, key: bytes, now: float, wall: float) -> Effects:  # noqa: ARG002
        """The service stops: end this cell in order."""
        return ()

    def abandon(self, cell: Any, now: float, wall: float) -> Effects:  # noqa: ANN401, ARG002
        """Say goodbye for a cell that is lost to us."""
        return ()


def failure(ref: str, code: str, message: str) -> Effects:
    """The command `ref` had no effect."""
    return (Report(CommandFailed(ref, code, message)),)
