"""What a layer gives to the actor that it is: what it takes, holds, and does with each thing that comes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from actors.runtime.channel import Reloaded, Tree


class Layer(ABC):
    """The half of a LayerActor that its layer writes. What it leaves out, but for the abstract ones, it has no use for.

    Attributes:
        accepts: layer name of a peer -> the union of events it may send us.
        cell_type: what the cells hold, as msgspec decodes it; None for an actor without cells.
        durable: whether its journal outlives a reboot (it is in the state directory then, and synced).
    """

    accepts: ClassVar[Mapping[str, Any]] = {}
    cell_type: ClassVar[Any] = None
    durable: ClassVar[bool] = False

    def started(self) -> None:
        """Open sockets, look at what was restored. Pipes and journal are open, telling is allowed."""

    @abstractmethod
    def handle(self, peer: str, message: Any, now: float) -> None:  # noqa: ANN401
        """Take one message of one peer."""

    @abstractmethod
    def expire(self, key: bytes, now: float) -> None:
        """The deadline of the cell `key` is past (and disarmed)."""

    def peer_reset(self, peer: str, now: float) -> None:
        """The peer lost all it held, and all that it was told before is void."""

    def spoiled(self, key: bytes, cell: Any, error: BaseException, now: float) -> None:  # noqa: ANN401
        """A step raised `error`: its changes are undone and its cell is gone. `cell` is None if it was unreadable."""

    def next_wake(self) -> float | None:
        """The second at which :meth:`wake` is to be called, met to some ten microseconds; None for none."""
        return None

    def wake(self, now: float) -> None:
        """It is time, as :meth:`next_wake` asked."""

    def tree_told(self, tree: Tree, now: float) -> None:
        """The supervisor's answer to ``context.channel.ask_tree``."""

    def reloaded(self, answer: Reloaded, now: float) -> None:
        """The supervisor's answer to ``context.channel.ask_reload``."""

    def descriptors_given(self, tokens: tuple[str, ...], now: float) -> None:
        """Another child handed these over; they are in ``context.channel.descriptors``."""
