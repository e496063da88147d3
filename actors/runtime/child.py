"""One child as the supervisor knows it: what it was told to be, and what has become of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from actors.runtime.channel import ChildStatus, Figures
from actors.runtime.descriptors import Store
from actors.runtime.restart import History, Restart
from actors.runtime.runner import Run


@dataclass(eq=False, slots=True)
class Child:
    """What is known of one child; the first six are given, and mean what they mean in ChildSpec.

    Attributes:
        epoch: of its last start.
        store: its descriptors.
        state: as in ChildStatus.
        deadline: the monotonic second at which the state is to be looked at; None when only an event changes it.
        serving: this life of it has been ready.
        killed_as: why we killed it, if we did.
        words: its last ones.
        renewed: it was ended to be started with other settings: no death that counts.
        figures: as in ChildStatus.
    """

    name: str
    restart: Restart
    shutdown: float
    heartbeat: float
    startup: float
    epoch: int = 0
    store: Store = field(default_factory=Store)
    state: str = "waiting"
    since: float = 0.0
    deadline: float | None = None
    starts: int = 0
    run: Run | None = None
    serving: bool = False
    history: History = field(default_factory=History)
    killed_as: str = ""
    last_death: str = ""
    words: str = ""
    renewed: bool = False
    figures: Figures = ()

    @property
    def layer(self) -> str:
        """What stands before the dash: children of one layer stop together."""
        return self.name.partition("-")[0]

    @property
    def patience(self) -> float:
        """Seconds of silence after which it counts as hung."""
        return self.heartbeat if self.serving else self.startup

    @property
    def status(self) -> ChildStatus:
        """What others may know of it."""
        run = self.run
        restarts = max(self.starts - 1, 0)
        pid = run.pid if run else 0
        return ChildStatus(self.name, pid, self.state, restarts, self.epoch, self.since, self.figures)

    def turn(self, state: str, deadline: float | None) -> None:
        """Enter a state."""
        self.state = state
        self.since = time.time()
        self.deadline = deadline
