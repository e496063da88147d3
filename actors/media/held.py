"""What the parts of the media actor share: the cells of its sessions, the engine and devices, and who is told."""

from __future__ import annotations

from collections.abc import Callable

from actors.media.devices import Devices
from actors.media.engine import Engine
from actors.media.facts import Facts
from actors.media.helpers import Helpers
from actors.media.sockets import Ports
from actors.runtime.cells import Cells
from actors.runtime.machine import Event


class Held:
    """The sessions of a media process.

    Args:
        cells: facts of each, by key.
        engine: which does the work.
        ports: of the service.
        devices: where some of them speak.
        helpers: threads that write and read files for them.
        tell: tells a neighbour.
        defer: has a function called in a step of its own, once this one is committed.

    Attributes: as the arguments.
    """

    def __init__(
        self,
        cells: Cells,
        engine: Engine,
        ports: Ports,
        devices: Devices,
        helpers: Helpers,
        tell: Callable[[str, Event], None],
        defer: Callable[..., None],
    ) -> None:
        self.cells = cells
        self.engine = engine
        self.ports = ports
        self.devices = devices
        self.helpers = helpers
        self.tell = tell
        self.defer = defer

    def facts(self, session: str) -> Facts | None:
        """Those of a session, None where there is none."""
        facts: Facts | None = self.cells.get(key_of(session))
        return facts

    def end(self, key: bytes, owner: str, event: Event) -> None:
        """A session is over, which the event tells its owner."""
        self.cells.delete(key)
        self.devices.disconnect(name_of(key))
        self.tell(owner, event)

    def drop(self, session: str, now: float, wall: float) -> None:
        """Serve a session no more; nobody is told."""
        self.devices.disconnect(session)
        if session in self.engine.sessions:
            self.engine.close(session, now, wall)

    def go_on(self, facts: Facts) -> None:
        """A session goes on that another process had, or a predecessor: so does what is beside the engine."""
        self.helpers.need(facts.record, facts.play)
        if facts.device is not None:
            self.devices.connect(facts.owner, facts.device)


def key_of(session: str) -> bytes:
    """The key of a session's cell."""
    return session.encode("utf-8", "surrogateescape")


def name_of(key: bytes) -> str:
    """The session of a cell."""
    return key.decode("utf-8", "surrogateescape")
