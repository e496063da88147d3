"""The pipe's promise as a pure machine: over kills of either side nothing journalled is lost, nothing taken twice.

ZeroMQ keeps order, but when a process dies, what sat in its sockets is gone *in the middle* of what its peer sent. So a
link numbers its envelopes. One :class:`Link` stands at each end, made of a :class:`Sender` for one direction and a
:class:`Receiver` for the other; their states do not depend on each other.

* Every frame names its sender's epoch (its start) and the epoch it believes the peer to have. A frame of an epoch below
  the highest one heard is refused; of a frame for another epoch than ours only its Hello is heard. So whatever a dead
  process left in a queue is either as good as if it had come in time, or without effect.
* A sender that does not know its peer's present start says Hello every 50 ms. The peer answers Welcome with its mark;
  from there the sender goes on, with Skip over numbers that it holds no envelope for: those of a volatile one that died
  with an earlier start, and those reserved and never used.
* A receiver takes only mark + 1. What is lower was taken and is acknowledged again; what is higher is dropped and
  answered once with Resume.
* A sender without an acknowledgement for 200 ms asks with another Hello, behind all it has sent; the Welcome says what
  has to be sent again. (Sending again blindly would turn a slow receiver into an overloaded one.)
* A journal id that changed says that the neighbour lost all it held: what it was told before is void, the owner is told
  once (PeerReset), and both directions start afresh. Hello says which journal it believes the peer to have, so that a
  peer with a new one takes nothing meant for the old.

The shell commits `memory` and what was delivered, and only then puts on the wire what :meth:`Link.flush` gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from actors.runtime.envelope import Ack, Data, Hello, Item, Resume, Skip, Welcome
from actors.runtime.machine import Effect

HELLO_INTERVAL = 0.05
HELLO_INTERVAL_LATER = 1.0  # a peer that was silent this long says Hello itself when it starts
RETRY_INTERVAL = 0.2
RETRY_INTERVAL_LIMIT = 3.2
BLOCK = 4096  # numbers reserved in the journal at a time
NEVER = float("inf")
UNKNOWN = -1  # a mark before the first Hello


class Deliver(Effect, frozen=True):
    """Hand the run of envelopes that begins at `seq` to the owner."""

    seq: int
    bodies: Sequence[Any]


class Reopen(Effect, frozen=True):
    """Close the sending socket with all that is stuck in it and open a new one, before anything more is sent."""


class PeerReset(Effect, frozen=True):
    """The peer lost all it held; what it was told until now is void."""


class Memory(NamedTuple):
    """What an end of a link keeps in its owner's journal, with each commit that changes it.

    Attributes:
        peer_journal: the journal id of the peer, empty before the first contact.
        mark: the highest number of the peer's that took effect, -1 before its first Hello.
        reserved: no number of ours above this has ever been on the wire.
    """

    peer_journal: str = ""
    mark: int = UNKNOWN
    reserved: int = 0


NOTHING = Memory()


class Sender:
    """The sending half: numbers, holds and repeats envelopes until they are acknowledged.

    Attributes:
        is_open: whether the peer's present start has told its mark.
        next: the number of the next envelope.
        acked: all up to here needs no holding.
        held: the envelopes not acknowledged, by number, ascending.
        due: the second at which :meth:`tick` has something to do.
        dropped: the outbox in the journal may be deleted up to here, 0 for nothing new.
    """

    __slots__ = (
        "acked",
        "dropped",
        "due",
        "gaps",
        "greet",
        "held",
        "is_open",
        "journalled",
        "next",
        "probing",
        "reserved",
        "sent",
        "tries",
    )  # fmt: skip

    def __init__(self, reserved: int, outbox: Iterable[tuple[int, Any]]) -> None:
        self.held: dict[int, Any] = dict(outbox)
        self.reserved = reserved
        self.next = reserved + 1
        self.acked = next(iter(self.held), self.next) - 1
        self.journalled = next(reversed(self.held), 0)
        self.gaps = reserved  # numbers up to here may have no envelope
        self.sent = self.acked
        self.is_open = False
        self.greet = False
        self.probing = False
        self.tries = 0
        self.due = NEVER
        self.dropped = 0

    def send(self, body: Any, journalled: bool) -> int:  # noqa: ANN401
        """Hold `body` and return its number, a block of them reserved where it is the first of one."""
        seq = self.next
        self.next = seq + 1
        self.held[seq] = body
        if journalled:
            self.journalled = seq
        if seq > self.reserved:
            self.reserved = seq + BLOCK - 1
        return seq

    def close(self, now: float) -> None:
        """Nothing more is sent until the peer has answered a Hello, which leaves with the next flush."""
        self.is_open = False
        self.probing = False
        self.greet = True
        self.tries = 0
        self.due = now + HELLO_INTERVAL

    def void(self) -> None:
        """The peer lost everything: drop all that was told to it."""
        if self.journalled > self.acked:
            self.dropped = self.next - 1
        self.held.clear()
        self.acked = self.gaps = self.sent = self.next - 1

    def tick(self, now: float) -> None:
        """Ask for the peer's mark when it is due: again every 50 ms until answered, or after 200 ms without an Ack."""
        if now < self.due:
            return
        self.greet = True
        self.tries += 1
        if self.is_open:
            self.probing = True
            self.due = now + min(RETRY_INTERVAL * 2**self.tries, RETRY_INTERVAL_LIMIT)
        else:
            self.due = now + (HELLO_INTERVAL if self.tries < 20 else HELLO_INTERVAL_LATER)

    def welcome(self, mark: int, now: float) -> None:
        """The peer's mark is known: go on after it."""
        if not self.is_open or self.probing:
            self.is_open = True
            self.probing = False
            self.greet = False
            self.sent = mark
            self.tries = 0
            self.due = now + RETRY_INTERVAL
        self.acknowledge(mark, now)

    def acknowledge(self, mark: int, now: float) -> None:
        """Drop what has taken effect."""
        if mark > self.acked:
            if self.journalled > self.acked:
                self.dropped = mark
            pop = self.held.pop
            for seq in range(self.acked + 1, mark + 1):
                pop(seq, None)
            self.acked = mark
            self.sent = max(self.sent, mark)
            self.tries = 0
            self.due = now + RETRY_INTERVAL
        if self.acked == self.next - 1:
            self.due = NEVER

    def resume(self, mark: int, now: float) -> None:
        """Go back: the peer misses what follows `mark`."""
        self.sent = min(self.sent, mark)
        self.acknowledge(mark, now)

    def flush(self, out: list[Item], now: float) -> None:
        """Append what is to be sent: all that is new, or everything from where a Welcome or Resume said."""
        last = self.next - 1
        if not self.is_open or self.sent == last:
            return
        held = self.held
        if self.sent >= self.gaps:
            out.append(Data(self.sent + 1, [held[seq] for seq in range(self.sent + 1, last + 1)]))
        else:
            self._walk(out)
        self.sent = last
        if self.due == NEVER:
            self.due = now + RETRY_INTERVAL

    def _walk(self, out: list[Item]) -> None:
        """From `sent` to the end with a Skip over each gap."""
        last, at, run = self.next - 1, self.sent + 1, list[Any]()
        for seq, body in self.held.items():
            if seq < at:
                continue
            if seq > at + len(run):
                if run:
                    out.append(Data(at, run))
                    at, run = at + len(run), []
                out.append(Skip(at, seq - 1))
                at = seq
            run.append(body)
        if run:
            out.append(Data(at, run))
            at += len(run)
        if at <= last:
            out.append(Skip(at, last))


class Receiver:
    """The receiving half: takes each number once, in order.

    Attributes:
        mark: the highest number taken, -1 before the peer's first Hello.
        acked: the mark last told to the peer.
        welcome, resume, again: what has to be answered.
    """

    __slots__ = ("acked", "again", "asked", "mark", "resume", "welcome")

    def __init__(self, mark: int) -> None:
        self.mark = mark
        self.acked = mark
        self.asked = UNKNOWN
        self.welcome = False
        self.resume = False
        self.again = False

    def adopt(self, first: int) -> None:
        """Begin with a peer whose journal is new to us: its first number is next."""
        self.mark = self.acked = first - 1
        self.asked = UNKNOWN

    def take(self, first: int, last: int) -> int:
        """How many of the numbers `first` to `last`, from the end, are new; all of them are taken now. 0: none."""
        mark = self.mark
        if first > mark + 1:
            if self.asked != mark:  # once, until there is progress
                self.asked = mark
                self.resume = True
            return 0
        if last <= mark:
            self.again = True
            return 0
        self.mark = last
        return last - mark

    @property
    def owes(self) -> int:
        """How many taken numbers the peer has not been told of; 1 where it sent something twice."""
        return self.mark - self.acked or int(self.again)


class Link:
    """One end of a link: both halves and what they share.

    Args:
        epoch: of this start of the owner, rising, never 0.
        journal_id: of the owner's journal.
        memory: what the journal kept of this link, ``Memory()`` at first.
        outbox: what the journal kept of envelopes sent and not acknowledged, ascending.
    """

    __slots__ = ("epoch", "greeted", "journal_id", "peer_epoch", "peer_journal", "receiver", "refused", "sender")

    def __init__(
        self, *, epoch: int, journal_id: str, memory: Memory = NOTHING, outbox: Iterable[tuple[int, Any]] = ()
    ) -> None:
        self.epoch = epoch
        self.journal_id = journal_id
        self.peer_journal = memory.peer_journal
        self.peer_epoch = 0
        self.greeted = 0  # the peer's epoch whose Hello was taken
        self.refused = 0
        self.sender = Sender(memory.reserved, outbox)
        self.receiver = Receiver(memory.mark)

    @property
    def memory(self) -> Memory:
        """What the next commit must hold."""
        return Memory(self.peer_journal, self.receiver.mark, self.sender.reserved)

    def start(self, now: float) -> None:
        """Begin the handshake."""
        self.sender.close(now)

    def send(self, body: Any, *, journalled: bool) -> int:  # noqa: ANN401
        """Number an envelope. It leaves with the flush after the commit that holds it and the reserved numbers."""
        return self.sender.send(body, journalled)

    def heard(self, epoch: int, to: int, now: float) -> tuple[bool, tuple[Effect, ...]]:
        """Judge a frame by its head, before its items.

        Returns:
            Whether the frame may be read (else it is of a dead start), and effects.
        """
        if epoch == self.peer_epoch:
            return True, ()
        if epoch < self.peer_epoch:
            self.refused += 1
            return False, ()
        self.peer_epoch = epoch
        if to == self.epoch:  # it has heard us, so our socket reaches it: no need for another
            if self.sender.is_open:
                self.sender.close(now)
            return True, ()
        self.sender.close(now)
        return True, (Reopen(),)

    def receive(self, item: Item, to: int, now: float) -> tuple[Effect, ...]:
        """Take one item of a frame that :meth:`heard` let pass and that was for our start `to`."""
        kind = type(item)
        if kind is Hello:
            return self._hello(item, now)  # type: ignore[arg-type]
        if to != self.epoch:
            self.refused += 1
            return ()
        if kind is Data:
            seq, bodies = item.seq, item.bodies  # type: ignore[union-attr]
            count = len(bodies)
            new = self.receiver.take(seq, seq + count - 1)
            if new == count:
                return (Deliver(seq, bodies),)
            return (Deliver(seq + count - new, bodies[-new:]),) if new else ()
        if kind is Welcome:
            return self._welcome(item, now)  # type: ignore[arg-type]
        if kind is Skip:
            self.receiver.take(item.first, item.last)  # type: ignore[union-attr]
        elif self.sender.is_open and UNKNOWN < item.mark < self.sender.next:  # type: ignore[union-attr]
            act = self.sender.acknowledge if kind is Ack else self.sender.resume
            act(item.mark, now)  # type: ignore[union-attr]
        return ()

    def _hello(self, hello: Hello, now: float) -> tuple[Effect, ...]:
        self.receiver.welcome = True
        if hello.peer not in ("", self.journal_id):
            return ()  # it means a journal of ours that is lost; our Welcome tells it so, and it says Hello again
        known, self.peer_journal = self.peer_journal, hello.journal_id
        # A mark beyond its last number: its journal went back to an older state, which is as good as another journal.
        backwards = self.greeted != self.peer_epoch and self.receiver.mark > hello.last
        self.greeted = self.peer_epoch
        if known != hello.journal_id or backwards or self.receiver.mark == UNKNOWN:
            self.receiver.adopt(hello.first)
        if (known and known != hello.journal_id) or backwards:
            return self._reset(now)
        return ()

    def _welcome(self, welcome: Welcome, now: float) -> tuple[Effect, ...]:
        known, self.peer_journal = self.peer_journal, welcome.journal_id
        if known and known != welcome.journal_id:
            self.receiver.mark = UNKNOWN  # its Hello tells where its numbers begin
            return self._reset(now)
        if UNKNOWN < welcome.mark < self.sender.next:
            self.sender.welcome(welcome.mark, now)
        return ()

    def _reset(self, now: float) -> tuple[Effect, ...]:
        self.sender.void()
        self.sender.close(now)
        return (PeerReset(),)

    def flush(self, now: float, *, ack: bool) -> list[Item]:
        """What goes on the wire now that everything until here is committed.

        Args:
            now: seconds.
            ack: whether to spend an Ack if one is owed; else it waits for company.
        """
        out: list[Item] = []
        sender, receiver = self.sender, self.receiver
        if receiver.welcome:
            out.append(Welcome(self.journal_id, receiver.mark))
            receiver.welcome = receiver.again = False
            receiver.acked = receiver.mark
        if receiver.resume:
            out.append(Resume(receiver.mark))
            receiver.resume = receiver.again = False
            receiver.acked = receiver.mark
        sender.flush(out, now)
        if (ack or out or sender.greet) and receiver.owes:
            out.append(Ack(receiver.mark))
            receiver.again = False
            receiver.acked = receiver.mark
        if sender.greet:  # last: its Welcome then speaks of all that went before
            out.append(Hello(self.journal_id, self.peer_journal, sender.acked + 1, sender.next - 1))
            sender.greet = False
        return out
