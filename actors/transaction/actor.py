"""The shell of a transaction shard: pipes in, the layer steps, pipes out. Nothing is decided here."""

from __future__ import annotations

import secrets
from functools import partial
from typing import Any, ClassVar

from actors.runtime.actor import LayerActor, run
from actors.runtime.channel import Figures
from actors.runtime.context import Context
from actors.runtime.journal import JournalCorrupt
from actors.runtime.machine import Effects
from actors.transaction.effects import NOBODY, Reply, Tell
from actors.transaction.events import STATELESS, FromUser
from actors.transaction.gate import Challenger, let_in
from actors.transaction.layer import TRANSPORT_LOST, Layer
from actors.transaction.machines import Cell
from actors.transaction.observing import Stream
from actors.transaction.settings import TransactionSettings
from actors.transaction.timers import Timers
from actors.transaction.transitions import Transition
from actors.transport.events import (
    FlowDead,
    Lagging,
    Received,
    ToTransaction,
    TransmitFailed,
    TransmitRequest,
    TransmitResponse,
    Unreachable,
)

TRANSPORT = "transport"
_SECRET = b"secret"
_LAG = 0.2  # seconds for which the transport believes that our user lags


class TransactionActor(LayerActor):
    """All transactions whose Call-IDs hash to this shard. Its user is the dialog shard of the same number."""

    accepts: ClassVar[dict[str, Any]] = {TRANSPORT: ToTransaction, "dialog": FromUser}
    cell_type: ClassVar[Any] = Cell

    def started(self) -> None:
        """Make the layer over the restored cells."""
        settings: TransactionSettings = self.context.settings
        secret = self.kept(_SECRET)
        if secret is None:
            secret = secrets.token_bytes(32)
            self.keep(_SECRET, secret)
        self._user = f"dialog-{self.name.partition('-')[2]}"
        self._look_at: float | None = None  # when to look whether the user still lags; None while it does not
        self._layer = Layer(
            secret,
            self.cells,
            Timers(settings.t1, settings.t2, settings.t4, settings.trying_after, settings.timeout, settings.timer_d),
            max_machines=settings.max_machines,
            busy=partial(self.busy, self._user),
            gate=Challenger(settings.realm, secret, shard=self.name, exempt=frozenset(settings.exempt))
            if settings.realm
            else let_in,
            stateless=STATELESS,
        )
        self._stream = Stream(self.context.run_dir, self.name)
        self.mailbox.watch(self._stream.fileno(), self._observers)
        self.mailbox.again(self._stream.fileno())

    def on_stop(self) -> None:
        """Commit, then close the stream."""
        super().on_stop()
        self._stream.close()

    def on_failure(self, kind: Any, value: BaseException | None, trace: Any) -> None:  # noqa: ANN401
        """Free the stream's path: in a thread, a successor in this process takes it."""
        super().on_failure(kind, value, trace)
        self._stream.close()

    def _observers(self, _now: float) -> bool:
        """Somebody came to look on, or left."""
        self._stream.read()
        self._layer.watcher = self._publish if self._stream.observers else None
        return False

    def _publish(self, transition: Transition) -> None:
        self.defer(self._show, transition)  # after the commit, if this step does not fail

    def _show(self, transition: Transition) -> None:
        self._stream.send(transition)
        self._observers(0.0)  # to send takes the news of who came and went with it

    def handle(self, peer: str, message: Any, now: float) -> None:  # noqa: ANN401
        """Take one message of the transport or of the user."""
        layer = self._layer
        if peer != TRANSPORT:
            effects = layer.send(message, now)
        elif type(message) is Received:
            if self.overrun(self._user):
                if not message.flow.reliable:
                    return  # lost as on the way, whatever it is: its sender repeats it
                if self._look_at is None:
                    self._hold_off(now)
            effects = layer.receive(message.flow, message.head, message.raw, now)
        elif type(message) is TransmitFailed:
            effects = layer.transmit_failed(message.key, message.reason, now)
        elif type(message) is Unreachable:
            news = (message.key, message.host, message.port, message.quoted, message.reason)
            effects = layer.unreachable(news, now)
        else:
            dead: FlowDead = message
            self._look_at_all()
            self._lose(dead.token, dead.reason, now)
            return
        self._carry_out(effects)

    def _look_at_all(self) -> None:
        """After a restart, once, before a connection ends: what cannot be read spoils itself alone."""
        for cell in self._layer.unseen():
            try:
                self._layer.see(cell)
            except JournalCorrupt:
                self.defer(self.cells.get, cell)  # raises again, in a step that quarantines it

    def _lose(self, token: str, reason: str, now: float) -> None:
        for cell in self._layer.carried_by(token):
            self.defer(self._fail, cell, token, reason, now)  # each a step of its own: one that breaks stops no other

    def _fail(self, cell: bytes, token: str, reason: str, now: float) -> None:
        self._carry_out(self._layer.lose(cell, token, reason, now))

    def figures(self) -> Figures:
        """What every actor counts, and the transactions that are live."""
        return *super().figures(), ("transactions", "actor", self.name, self._layer.live)

    def expire(self, key: bytes, now: float) -> None:
        """Fire the timers of one machine."""
        self._carry_out(self._layer.fire(key, now))

    def _hold_off(self, now: float) -> None:
        """What comes by streams is never refused within a dialog, and anybody can send it: so they are not read."""
        self._look_at = now + _LAG / 2
        self.tell(TRANSPORT, Lagging(_LAG))

    def next_wake(self) -> float | None:
        """When to look again whether the user still lags."""
        return self._look_at

    def wake(self, now: float) -> None:
        """Have streams wait on while it does."""
        self._look_at = None
        if self.overrun(self._user):
            self._hold_off(now)

    def peer_reset(self, peer: str, now: float) -> None:
        """End what a neighbour lost with all it held: connections, or the users of our transactions."""
        if peer == TRANSPORT:
            self._look_at_all()
            for token in self._layer.connections():
                self._lose(token, TRANSPORT_LOST, now)
        else:
            for cell in list(self.cells.keys()):
                self.defer(self._abandon, cell, now)

    def _abandon(self, cell: bytes, now: float) -> None:
        self._carry_out(self._layer.abandon(cell, now))

    def spoiled(self, key: bytes, cell: Any, error: BaseException, now: float) -> None:  # noqa: ANN401, ARG002
        """Tell the user, and the client that waits for an answer, of a machine that broke."""
        self._carry_out(self._layer.spoiled(key, cell))

    def _carry_out(self, effects: Effects) -> None:
        tell = self.tell
        for effect in effects:
            kind: Any = type(effect)
            out: Any = effect
            if kind is Tell:
                tell(self._user, out.event)
            elif kind is Reply:
                # A stateless refusal is made again for a repeated request: a flood of them costs no journal.
                journalled = out.key is not NOBODY or out.flow.reliable
                tell(TRANSPORT, TransmitResponse(out.key, out.flow, out.raw), journalled=journalled)
            else:
                tell(TRANSPORT, TransmitRequest(out.key, out.target, out.raw))


def main(context: Context) -> None:
    """Run a transaction shard in this process until it is stopped.

    Raises:
        SystemExit: 70, when it ended in any other way.
    """
    run(TransactionActor, context)
