"""What the user agent is made of: usages, each with cells, methods and commands of its own (calls, registrations, ...).

A usage's cells are known by their *tag*: the local tag of its dialogs, the middle of its branches and refs, and the
beginning of its cells' keys. The tags of calls are hexadecimal; those of any other usage begin with its `mark`, a
letter from g to z, so that whatever comes back is led to its usage without a look into a cell.

To add a usage: derive from :class:`Usage`, give it a mark, say which methods and commands are its own, and put it into
``UserAgent.__init__``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from actors.dialog.call import Agent, Asked, Given, Heard, Place
from actors.dialog.effects import Report
from actors.dialog.errand import Sender
from actors.dialog.events import CommandFailed
from actors.dialog.reply import answer
from actors.runtime.machine import Effects, Table
from actors.sip import LocalProtocolError, RemoteProtocolError, Response, parse
from actors.sip.vocabulary import Head, TransactionKey


class Cells(Protocol):
    """A mapping of cells: what the runtime gives."""

    def get(self, key: bytes) -> Any: ...  # noqa: ANN401, D102 - None or a machine
    def put(self, key: bytes, value: Any, deadline: float | None) -> None: ...  # noqa: ANN401, D102
    def delete(self, key: bytes) -> None: ...  # noqa: D102
    def keys(self) -> Iterable[bytes]: ...  # noqa: D102
    def number(self, mark: bytes) -> int: ...  # noqa: D102
    def __contains__(self, key: bytes) -> bool: ...


Command = Callable[[Any, float, float], Effects]
Keys = Iterable[bytes] | None
S = TypeVar("S", bound=Sender)


class Kept(Protocol):
    """A machine with a cell."""

    @property
    def state(self) -> Any: ...  # noqa: ANN401, D102 - each has its own
    @property
    def key(self) -> bytes: ...  # noqa: D102
    @property
    def next_deadline(self) -> float | None: ...  # noqa: D102


K = TypeVar("K", bound=Kept)


def chosen(cells: Cells, keys: Keys) -> list[bytes]:
    """The keys of all cells, or those of `keys` that are still there."""
    return list(cells.keys()) if keys is None else [key for key in keys if key in cells]


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
    def number(self) -> int:
        """How many cells there are."""
        return self.cells.number(self.mark.encode())

    @property
    def commands(self) -> Mapping[type, Command]:
        """Its commands by type; each gives exactly one CommandDone or CommandFailed among its effects."""
        return {}

    def begin(self, now: float, wall: float) -> Effects:  # noqa: ARG002
        """The shard starts, for the first time or again: plan what is to be done unasked."""
        return ()

    def renewed(self, key: bytes, now: float, wall: float) -> Effects:  # noqa: ARG002
        """A reload has changed accounts: this cell may be of one that is removed."""
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

    def forget(self, key: bytes, now: float, wall: float) -> Effects:  # noqa: ARG002
        """End what stood on a cell of which nothing but its key is left."""
        return ()

    def abandon(self, cell: Any, now: float, wall: float) -> Effects:  # noqa: ANN401, ARG002
        """Say goodbye for a cell that is lost to us."""
        return ()


class MachineUsage(Usage, Generic[K]):
    """A usage whose cells are machines: what comes for one of them is a step of its table.

    A subclass names its `table`, and the state in which a cell is `over`, if there is one; it says what its actions are
    `given`, and what is `news` to control.
    """

    table: ClassVar[Table[Any]]
    over: ClassVar[Any] = None

    def tag(self, *parts: str) -> str:
        """The tag of the cell that `parts` name."""
        return self.mark + self.agent.names.token(*parts)

    def cell(self, tag: str) -> K | None:
        """The machine with this tag, None where there is none."""
        found: K | None = self.cells.get(tag.encode("utf-8", "replace"))
        return found

    def given(self, machine: K, what: Any, wall: float) -> Any:  # noqa: ANN401, ARG002 - each table has its own
        """What an action of `machine` is given; None where the configuration no longer has what it stands for."""
        return Given(self.agent, wall, what)

    def news(self, machine: K, now: float, wall: float) -> tuple[K, Effects]:  # noqa: ARG002
        """What control has not been told of `machine` yet, and the machine once it has."""
        return machine, ()

    def expire(self, key: bytes, now: float, wall: float) -> Effects:
        """Fire the timers of one cell that are due."""
        machine: K | None = self.cells.get(key)
        return () if machine is None else self.fire(machine, now, wall)

    def fire(self, machine: K, now: float, wall: float) -> Effects:
        """Fire the timers of `machine` that are due."""
        given = self.given(machine, None, wall)
        if given is None:
            self.cells.delete(machine.key)
            return ()
        after, effects = self.table.expire(machine, now, given)
        return effects + self.keep(after, now, wall)

    def give(self, tag: str, event: str, what: Any, now: float, wall: float) -> Effects:  # noqa: ANN401
        """Give the cell with this tag the input `event` of its table; nothing where it is gone."""
        machine = self.cell(tag)
        return () if machine is None else self.step(machine, event, what, now, wall)

    def step(self, machine: K, event: str, what: Any, now: float, wall: float) -> Effects:  # noqa: ANN401
        """Give `machine` the input `event` of its table, and keep what that made of it."""
        given = self.given(machine, what, wall)
        if given is None:
            self.cells.delete(machine.key)
            return ()
        after, effects = self.table.step(machine, self.table.inputs[event], given, now)
        return effects if after is machine else effects + self.keep(after, now, wall)

    def keep(self, machine: K, now: float, wall: float) -> Effects:
        """Store what a step made of a machine, and tell control what is new."""
        machine, effects = self.news(machine, now, wall)
        self.put(machine)
        return effects

    def put(self, machine: K) -> None:
        """Store a machine, or forget one that is over."""
        if machine.state is self.over:
            self.cells.delete(machine.key)
        else:
            self.cells.put(machine.key, machine, machine.next_deadline)


class SenderUsage(MachineUsage[S]):
    """A usage whose machines send errands: their tables have the inputs LOCATED, HEARD and LOST."""

    def plan(self, wanted: Mapping[bytes, Callable[[], S]], left: Collection[bytes] = ()) -> None:
        """Begin the cells that are not there yet, and forget those that are wanted no more but are not `left`."""
        mark = self.mark.encode()
        known = {key for key in self.cells.keys() if key[:1] == mark}  # noqa: SIM118 - not a dict
        for key, new in wanted.items():
            if key not in known:
                self.put(new())
        for key in known.difference(wanted, left):
            self.cells.delete(key)

    # What happens

    def response(self, tag: str, key: TransactionKey, head: Head, raw: bytes, now: float, wall: float) -> Effects:
        """Take a response to a request of the cell with this tag."""
        try:
            message = parse(raw)
        except RemoteProtocolError:
            return ()  # as if it had not come: the transaction's own timers decide
        assert isinstance(message, Response)
        return self.give(tag, "HEARD", Heard(key, head.status, message.reason, head, message), now, wall)

    def failed(self, tag: str, key: TransactionKey, status: int, reason: str, now: float, wall: float) -> Effects:
        """A request of the cell with this tag ended without a final response."""
        return self.give(tag, "HEARD", Heard(key, status, reason), now, wall)

    def located(self, tag: str, place: Place, now: float, wall: float) -> Effects:
        """The next hops that a request of the cell with this tag may take."""
        return self.give(tag, "LOCATED", place, now, wall)

    def transactions_lost(self, key: bytes, now: float, wall: float) -> Effects:
        """The transaction shard lost all it held: what this cell had in flight has failed."""
        return self.give(key.decode(), "LOST", None, now, wall)


class OrderedUsage(SenderUsage[S], ABC):
    """A usage whose cells begin by a command, its `order`, that names them.

    A subclass says in words what `kind` of thing a cell is, how many a shard has at `most`, and what cannot be sent.
    """

    kind: ClassVar[str]
    most: ClassVar[int]

    @abstractmethod
    def check(self, order: Any) -> None:  # noqa: ANN401 - each usage has its own
        """Look at a command.

        Raises:
            LocalProtocolError: it cannot be sent.
        """

    def unfit(self, command: Any, known: S | None) -> Effects:  # noqa: ANN401 - likewise
        """The failure of a command that may not begin a cell, or change one that is `known`; nothing where it may."""
        if known is None and self.number >= self.most:
            return failure(command.ref, "busy", f"there are {self.most} {self.kind}s")
        try:
            self.check(command)
        except LocalProtocolError as error:
            return failure(command.ref, "bad_value", str(error))
        return ()

    def renewed(self, key: bytes, now: float, wall: float) -> Effects:
        """What was ordered by an account that is removed ends as when the service stops."""
        machine: Any = self.cells.get(key)
        return self.leave(key, now, wall) if self.agent.accounts.removed(machine.order.account) else ()


def failure(ref: str, code: str, message: str) -> Effects:
    """The command `ref` had no effect."""
    return (Report(CommandFailed(ref, code, message)),)
