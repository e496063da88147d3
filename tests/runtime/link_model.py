"""Two links, their journals and the network between them as one value, and every step that the world can take from it.

What a dead process held in its sockets is modelled without mercy: a killed receiver loses any number of the oldest
frames of the live connection and all of older ones; a killed or reopened sender loses any number of the youngest; what
is left of an older connection may arrive at any time, also after frames of the newer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from actors.runtime.envelope import Data, Item
from actors.runtime.link import NEVER, Deliver, Link, Memory, PeerReset, Receiver, Reopen, Sender

LATER = 1e9
SENDER = ("is_open", "next", "acked", "journalled", "gaps", "sent", "greet", "probing", "reserved", "dropped")
RECEIVER = Receiver.__slots__
SHARED = ("peer_journal", "peer_epoch", "greeted")


class Violation(AssertionError):  # noqa: N818 - says what is, as OSError's kin do
    """The promise is broken."""


class Frame(NamedTuple):
    epoch: int
    to: int
    items: tuple[Item, ...]


class Told(NamedTuple):
    life: str  # the journal of the teller
    index: int
    journalled: bool
    to: str  # the journal of the hearer, as the teller knew it


class Disk(NamedTuple):
    journal_id: str
    epoch: int
    memory: Memory = Memory()
    outbox: tuple[tuple[int, Told], ...] = ()
    told: tuple[Told, ...] = ()
    void: int = 0  # told before this is void
    log: tuple[Told, ...] = ()  # effects
    resets: int = 0


class Side(NamedTuple):
    disk: Disk
    link: tuple[Any, ...]
    # of the batch in hand, lost by a kill:
    told: tuple[Told, ...] = ()
    sent: tuple[tuple[int, Told], ...] = ()
    log: tuple[Told, ...] = ()
    void: int = 0
    resets: int = 0
    reopen: bool = False
    busy: bool = False  # there is something to commit or send


Wire = tuple[tuple[Frame, ...], ...]  # connections, the live one last


class World(NamedTuple):
    sides: tuple[Side, Side]
    wires: tuple[Wire, Wire]  # wires[n] goes to side n
    kills: int
    wipes: int
    hiccups: int
    early: int  # timers that may yet fire while something is on its way


def freeze(link: Link) -> tuple[Any, ...]:
    sender = link.sender
    return (
        tuple(getattr(link, name) for name in SHARED),
        (*(getattr(sender, name) for name in SENDER), sender.due != NEVER, tuple(sender.held.items())),
        tuple(getattr(link.receiver, name) for name in RECEIVER),
    )


def thaw(side: Side) -> Link:
    disk = side.disk
    link = Link(epoch=disk.epoch, journal_id=disk.journal_id)
    shared, sending, receiving = side.link
    for name, value in zip(SHARED, shared, strict=True):
        setattr(link, name, value)
    sender: Sender = link.sender
    for name, value in zip(SENDER, sending[:-2], strict=True):
        setattr(sender, name, value)
    sender.due = 0.0 if sending[-2] else NEVER
    sender.held = dict(sending[-1])
    for name, value in zip(RECEIVER, receiving, strict=True):
        setattr(link.receiver, name, value)
    return link


def born(disk: Disk) -> Side:
    link = Link(epoch=disk.epoch, journal_id=disk.journal_id, memory=disk.memory, outbox=disk.outbox)
    link.start(0.0)
    return Side(disk, freeze(link), busy=True)


class Model:
    """The world's rules.

    Args:
        tells: for each side, what it may tell in its life: True journalled, False volatile.
        kills, wipes, hiccups: how often a side is killed, killed with the loss of its journal, and how often a frame is
            lost between two that live.
        early: how often a timer fires though something is on its way; when nothing is, they always may.
        depth: how many frames a connection may hold before its sender waits.
        batched: whether several steps may share a commit; else each has its own. A kill between a step and its commit
            is then the same as a kill before the step with the frame lost, which is always among the steps.
        greeted: whether the life begins after the first handshake.
        send_first: a mutant, which sends before it commits.
        forget_reserved: a mutant, which does not journal the numbers it reserves.
    """

    def __init__(
        self,
        *,
        tells: tuple[tuple[bool, ...], tuple[bool, ...]],
        kills: int = 0,
        wipes: int = 0,
        hiccups: int = 0,
        early: int = 1,
        depth: int = 2,
        batched: bool = False,
        greeted: bool = True,
        send_first: bool = False,
        forget_reserved: bool = False,
    ) -> None:
        self.tells = tells
        self.batched = batched
        self.depth = depth
        self.wiping = wipes > 0
        self.send_first = send_first
        self.forget_reserved = forget_reserved
        sides = (born(Disk("A0", 1)), born(Disk("B0", 1)))
        self.start = World(sides, (((),), ((),)), kills, wipes, hiccups, early)
        while greeted and (after := self.drain(self.start)) is not None:
            self.start = after

    def steps(self, world: World) -> Iterator[World]:
        """Every world that one step leads to."""
        for n in (0, 1):
            yield from self._turns(world, n)
            if world.kills or world.wipes:
                yield from self._kill(world, n)
            if world.hiccups:
                live = world.wires[n][-1]
                for at in range(len(live)):
                    wire = (*world.wires[n][:-1], live[:at] + live[at + 1 :])
                    yield _wired(world, n, wire)._replace(hiccups=world.hiccups - 1)

    def _turns(self, world: World, n: int) -> Iterator[World]:
        """What side n may do by itself."""
        ready = len(world.wires[1 - n][-1]) < self.depth
        if world.sides[n].busy and ready:
            yield from self.flush(world, n, ack=False)
        if self.batched or (ready and not world.sides[n].busy):
            for after in self._moves(world, n):
                if self.batched:
                    yield after
                else:
                    yield from self.flush(after, n, ack=False)
        if ready and self.may_tick(world, n):
            moving = any(connection for wire in world.wires for connection in wire)
            if not moving:
                yield from self.tick(world, n)
            elif world.early:
                yield from self.tick(world._replace(early=world.early - 1), n)

    def _moves(self, world: World, n: int) -> Iterator[World]:
        yield from self._tell(world, n)
        for at in range(len(world.wires[n])):
            if world.wires[n][at]:
                yield self.receive(world, n, at)

    def _tell(self, world: World, n: int) -> Iterator[World]:
        side = world.sides[n]
        index = len(side.disk.told) + len(side.told)
        if index < len(self.tells[n]):
            link = thaw(side)
            journalled = self.tells[n][index]
            told = Told(side.disk.journal_id, index, journalled, link.peer_journal)
            seq = link.send(told, journalled=journalled)
            sent = (*side.sent, (seq, told)) if journalled else side.sent
            yield _sided(world, n, side._replace(link=freeze(link), told=(*side.told, told), sent=sent, busy=True))

    def receive(self, world: World, n: int, at: int) -> World:
        """Side n takes the first frame of a connection into its batch."""
        side, wires = world.sides[n], world.wires[n]
        frame, rest = wires[at][0], wires[at][1:]
        link = thaw(side)
        readable, effects = link.heard(frame.epoch, frame.to, 0.0)
        if readable:
            for item in frame.items:
                effects += link.receive(item, frame.to, 0.0)
        for effect in effects:
            if isinstance(effect, Deliver):
                side = side._replace(log=side.log + tuple(effect.bodies))
            elif isinstance(effect, PeerReset):
                void = len(side.disk.told) + len(side.told)
                side = side._replace(void=void, resets=side.resets + 1)
            elif isinstance(effect, Reopen):
                side = side._replace(reopen=True)
        wire = tuple(c for i, c in enumerate((*wires[:at], rest, *wires[at + 1 :])) if c or i == len(wires) - 1)
        return _wired(_sided(world, n, side._replace(link=freeze(link), busy=True)), n, wire)

    def may_tick(self, world: World, n: int) -> bool:
        """Whether a timer of side n is armed: its sender's, or the one of the delayed Ack."""
        link = thaw(world.sides[n])
        return link.sender.due != NEVER or link.receiver.owes > 0

    def tick(self, world: World, n: int) -> Iterator[World]:
        """Its timers fire."""
        side = world.sides[n]
        link = thaw(side)
        link.sender.tick(LATER)
        link.sender.tries = 0
        yield from self.flush(_sided(world, n, side._replace(link=freeze(link))), n, ack=True)

    def flush(self, world: World, n: int, *, ack: bool) -> Iterator[World]:
        """Side n commits its batch, then sends."""
        side = world.sides[n]
        link = thaw(side)
        side = self._committed(side, link)
        items = tuple(
            Data(item.seq, tuple(item.bodies)) if type(item) is Data else item for item in link.flush(0.0, ack=ack)
        )
        link.sender.dropped = 0
        frames = (Frame(side.disk.epoch, link.peer_epoch, items),) if items else ()
        after = _sided(world, n, side._replace(link=freeze(link), reopen=False, busy=False))
        *older, live = world.wires[1 - n]
        if not side.reopen:
            yield _wired(after, 1 - n, (*older, live + frames))
            return
        for kept in range(len(live) + 1):  # the old socket is closed: what had not left it is gone
            closed = (live[:kept],) if kept else ()
            yield _wired(after, 1 - n, (*older, *closed, frames))

    def _committed(self, side: Side, link: Link) -> Side:
        disk = side.disk
        outbox = tuple(pair for pair in disk.outbox + side.sent if pair[0] > link.sender.dropped)
        memory = link.memory
        if self.forget_reserved:
            memory = memory._replace(reserved=max((seq for seq, _ in outbox), default=0))
        disk = disk._replace(
            memory=memory,
            outbox=outbox,
            told=disk.told + side.told,
            log=disk.log + side.log,
            void=max(disk.void, side.void),
            resets=disk.resets + side.resets,
        )
        return Side(disk, side.link, reopen=side.reopen)

    def _kill(self, world: World, n: int) -> Iterator[World]:
        disk = world.sides[n].disk
        lives: list[tuple[Disk, World]] = []
        if world.kills:
            lives.append((disk._replace(epoch=disk.epoch + 1), world._replace(kills=world.kills - 1)))
        if world.wipes:
            fresh = Disk(f"{disk.journal_id[0]}{disk.epoch}", disk.epoch + 1)
            lives.append((fresh, world._replace(wipes=world.wipes - 1)))
        # A mutant that sends first leaves its frames behind without their commit.
        worlds = [(disk, world) for disk, world in lives]
        if self.send_first and world.sides[n].busy:
            for disk_after, before in lives:
                for sent in self.flush(before, n, ack=True):
                    worlds.append((disk_after, sent))  # noqa: PERF401
        for disk_after, before in worlds:
            inward, outward = before.wires[n][-1], before.wires[1 - n]
            for lost in range(len(inward) + 1):
                for kept in range(len(outward[-1]) + 1):
                    closed = tuple(c for c in (*outward[:-1], outward[-1][:kept]) if c)
                    after = _sided(before, n, born(disk_after))
                    yield _wired(_wired(after, n, (inward[lost:],)), 1 - n, (*closed, ()))

    # What must hold

    def check(self, world: World) -> None:
        """Raise Violation if some effect is wrong now."""
        for n in (0, 1):
            hearer, teller = world.sides[n].disk, world.sides[1 - n].disk
            if len(set(hearer.log)) != len(hearer.log):
                raise Violation(f"twice: {hearer.log}")
            if any(told.to not in ("", hearer.journal_id) for told in hearer.log):
                raise Violation(f"meant for another life: {hearer.log} in {hearer.journal_id}")
            heard = [told for told in hearer.log if told.life == teller.journal_id]
            if heard != sorted(heard):
                raise Violation(f"out of order: {heard}")
            if heard:
                owed = [told for told in teller.told[teller.void : heard[-1].index] if told.journalled]
                missing = [told for told in owed if told not in heard]
                if missing:
                    raise Violation(f"overtaken: {missing} by {heard}")
            if hearer.resets and not self.wiping:
                raise Violation("a reset of a peer that lost nothing")

    def check_drained(self, world: World) -> None:
        """Raise Violation if something is still owed in a world where nothing moves any more."""
        self.check(world)
        for n in (0, 1):
            hearer, teller = world.sides[n].disk, world.sides[1 - n].disk
            owed = [told for told in teller.told[teller.void :] if told.journalled]
            if any(told not in hearer.log for told in owed):
                raise Violation(f"lost: {owed} in {hearer.log}")
            if thaw(world.sides[n]).sender.held or not thaw(world.sides[n]).sender.is_open:
                raise Violation("drained with envelopes in hand")
            if teller.memory.peer_journal != hearer.journal_id:
                raise Violation("a lost journal was not noticed")

    def drain(self, world: World) -> World | None:
        """One step towards rest without kills or news; None when at rest."""
        for n in (0, 1):
            if world.sides[n].busy:
                return next(self.flush(world, n, ack=False))
        for n in (1, 0):
            for at, connection in enumerate(world.wires[n]):
                if connection:
                    return self.receive(world, n, at)
        for n in (0, 1):
            if self.may_tick(world, n):
                return next(self.tick(world, n))
        return None


def _sided(world: World, n: int, side: Side) -> World:
    return world._replace(sides=(side, world.sides[1]) if n == 0 else (world.sides[0], side))


def _wired(world: World, n: int, wire: Wire) -> World:
    return world._replace(wires=(wire, world.wires[1]) if n == 0 else (world.wires[0], wire))


def explore(model: Model, *, limit: int) -> int:
    """Visit every world within `limit`, breadth first, and drain from each; returns how many there are.

    Raises:
        Violation: in some world the promise is broken, or something never comes to rest.
    """
    visited = {model.start}
    layer = [model.start]
    rests: set[World] = set()
    while layer:
        following: list[World] = []
        for world in layer:
            model.check(world)
            _come_to_rest(model, world, rests)
            for after in model.steps(world):
                if after not in visited:
                    visited.add(after)
                    following.append(after)
        if len(visited) > limit:
            raise RuntimeError(f"more than {limit} worlds")
        layer = following
    return len(visited)


def _come_to_rest(model: Model, world: World, rests: set[World]) -> None:
    path: list[World] = []
    here: World | None = world
    on_path: set[World] = set()
    while here is not None and here not in rests:
        if here in on_path:
            raise Violation("never comes to rest")
        path.append(here)
        on_path.add(here)
        last = here
        here = model.drain(here)
    if here is None:
        model.check_drained(last)
    rests.update(path)
