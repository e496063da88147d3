"""The transaction layer without its shell: messages, commands and time in, effects out. Nothing here touches a socket.

Everything the layer knows is in its cells: machines and the small records that find merged requests. What is kept
beside them (which machines are live, which flow carries which) is derived, may be behind after a restart and only
steers admission and the end of a connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors.runtime.machine import Effects
from actors.sip import RemoteProtocolError, parse
from actors.sip.build import build_cancel
from actors.sip.vocabulary import Flow, Head, TransactionKey
from actors.transaction import invite_client, invite_server, non_invite_client, non_invite_server
from actors.transaction.answers import TAG_LENGTH, answer, stateless_tag, to_tag_of
from actors.transaction.cells import Cells, MemoryCells, Merged
from actors.transaction.effects import NOBODY, BeginCancel, Reply, Tell, Transmit
from actors.transaction.events import (
    AckReceived,
    CancelRequest,
    FromUser,
    RequestReceived,
    Respond,
    RespondDirect,
    ResponseReceived,
    SendDirect,
    SendRequest,
    TransactionFailed,
)
from actors.transaction.gate import Gate, Refusal, let_in
from actors.transaction.index import FINISHED
from actors.transaction.invite_client import InviteClient
from actors.transaction.invite_server import InviteServer
from actors.transaction.keeping import Keeper
from actors.transaction.keys import cell_key, merged_key, request_key, response_key, transaction_key
from actors.transaction.machines import TRANSPORT_ERROR, Cell, Lingering
from actors.transaction.non_invite_client import NonInviteClient
from actors.transaction.non_invite_server import NonInviteServer
from actors.transaction.timers import Timers
from actors.transaction.transitions import apart

# A CANCEL names the branch of what it cancels, not the method; these a client may cancel to no effect (section 9.2).
OTHER_METHODS = (
    *("OPTIONS", "REGISTER", "BYE", "MESSAGE", "INFO", "UPDATE"),
    *("PRACK", "SUBSCRIBE", "NOTIFY", "REFER", "PUBLISH"),
)

# Seconds a refused client is asked to wait.
RETRY_AFTER = "5"

TRANSPORT_LOST = "the transport lost its connections"

# All cells together, lingering ones too, over the machines that may be live: beyond, nothing new begins. What says that
# it belongs to a call has a fifth of the room to itself, and no more: anybody can write a To tag.
CELLS_PER_MACHINE = 4
CEILING_PER_MACHINE = 5


def _never_busy() -> bool:
    return False


class Layer(Keeper):
    """All transactions of one shard.

    Used alone, over a socket of one's own: give it what arrives and what the user wants, carry out the effects, call
    `expire` at `next_deadline`. An actor gives it the runtime's cells, whose deadlines come back by `fire`. A step that
    raises leaves every cell as it was.

    Args:
        secret: 16 to 64 bytes that nobody else knows, the same over restarts; they make the tags of stateless answers.
        cells: where machines are kept; None for new ones in memory.
        timers: T1, T2 and T4.
        max_machines: live transactions beyond which new requests are refused; four times that with lingering ones, and
            five times for those in a dialog.
        busy: whether the user is behind, so that what would begin something new is refused.
        gate: may refuse or challenge a request outside of any dialog before there is a machine for it.
        stateless: methods whose requests outside of any dialog get no machine (RFC 3261 section 8.2.7): the user
            answers them with RespondDirect, a repeated one again and with the same bytes.
    """

    def __init__(
        self,
        secret: bytes,
        cells: Cells | None = None,
        timers: Timers = Timers(),  # noqa: B008 - immutable
        *,
        max_machines: int = 100_000,
        busy: Callable[[], bool] = _never_busy,
        gate: Gate = let_in,
        stateless: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(MemoryCells() if cells is None else cells)
        self._secret = secret
        self.timers = timers
        self._max_machines = max_machines
        self._busy = busy
        self._gate = gate
        self._stateless = stateless
        self._index_complete = not len(self.cells)

    # From the network.

    def receive(self, flow: Flow, head: Head, raw: bytes, now: float) -> Effects:
        """Take a message that came by `flow`; `head` is its routing head, `raw` the whole of it."""
        if head.status:
            return self._receive_response(flow, head, raw, now)
        key = request_key(head, raw)
        cell = cell_key(key)
        machine = self._machine(cell)
        if head.method == "ACK":
            return self._receive_ack(cell, machine, (flow, head, raw), now)
        if type(machine) is InviteServer:
            return self._step(cell, machine, invite_server.Input.REQUEST, (flow, head, raw), now)
        if machine is not None:
            return self._step(cell, machine, non_invite_server.Input.REQUEST, (flow, head, raw), now)
        if head.method == "CANCEL":
            return self._receive_cancel(key, (flow, head, raw), now)
        return self._receive_new(key, cell, (flow, head, raw), now)

    def _receive_response(self, flow: Flow, head: Head, raw: bytes, now: float) -> Effects:
        key = response_key(head)
        cell = cell_key(key)
        machine = self._machine(cell)
        status = head.status
        if type(machine) is InviteClient:
            inputs = invite_client.Input
            event = inputs.PROVISIONAL if status < 200 else inputs.SUCCESS if status < 300 else inputs.FAILURE
            try:
                return self._step_invite_client(cell, machine, event, (flow, head, raw), now)
            except RemoteProtocolError:
                return ()  # no ACK can be built for it, so it is none (section 8.1.3)
        if machine is not None:
            final = non_invite_client.Input.FINAL if status >= 200 else non_invite_client.Input.PROVISIONAL
            return self._step(cell, machine, final, (flow, head, raw), now)
        if head.method == "INVITE" and 200 <= status < 300:
            # A stray 2xx goes up: some callee's phone is off the hook and wants an ACK and a BYE (section 13.2.2.4).
            return (Tell(ResponseReceived(key, head, raw)),)
        return ()  # any other stray response is dropped (section 18.1.2, RFC 6026 section 8.9)

    def _receive_ack(
        self, cell: bytes, machine: InviteServer | None, received: tuple[Flow, Head, bytes], now: float
    ) -> Effects:
        head = received[1]
        if machine is not None and invite_server.acknowledges(machine, head):
            return self._step(cell, machine, invite_server.Input.ACK, received, now)
        if len(head.to_tag) == TAG_LENGTH and head.to_tag == stateless_tag(head, self._secret):
            return ()  # to a refusal of ours that left no machine
        if self.watcher is not None:
            self.watcher(apart("RECEIVE", received[2], now))
        return (Tell(AckReceived(*received)),)

    def _receive_cancel(self, key: TransactionKey, received: tuple[Flow, Head, bytes], now: float) -> Effects:
        """Answer a CANCEL with 200 if there is what it cancels, else with 481 (section 9.2)."""
        flow, head, raw = received
        cell = cell_key(TransactionKey(key.branch, key.sent_by, "INVITE"))
        machine = self._machine(cell)
        if machine is None:
            others = (cell_key(TransactionKey(key.branch, key.sent_by, method)) for method in OTHER_METHODS)
            if not any(other in self.cells for other in others):
                return self._refuse(flow, head, raw, 481)
        elif not invite_server.is_cancelled_by(machine, head):
            return self._refuse(flow, head, raw, 481)
        tag = to_tag_of(machine.response) if machine is not None else ""
        response = answer(raw, 200, to_tag=tag or stateless_tag(head, self._secret))
        if not response:
            return ()
        respond = Respond(key, 200, response)
        cancel = non_invite_server.begin(key, flow, b"", self.timers)
        effects = self._step(cell_key(key), cancel, non_invite_server.Input.FINAL, respond, now)
        if machine is None:
            return effects
        return effects + self._step(cell, machine, invite_server.Input.CANCEL, received, now)

    def _receive_new(self, key: TransactionKey, cell: bytes, received: tuple[Flow, Head, bytes], now: float) -> Effects:
        """Begin a server transaction, unless the request is answered without one."""
        flow, head, raw = received
        merged = b""
        if not head.to_tag:  # what belongs to a call in progress is never refused
            refusal = self._refusal_of(flow, head, raw, merged := merged_key(head), now)
            if refusal is not None:
                return self._refuse(flow, head, raw, refusal.status, refusal.headers)
            if head.method in self._stateless:
                if self.watcher is not None:
                    self.watcher(apart("RECEIVE", raw, now))
                return (Tell(RequestReceived(key, flow, head, raw)),)
        elif len(self.cells) >= CEILING_PER_MACHINE * self._max_machines:
            return self._refuse(flow, head, raw, 503, (("Retry-After", RETRY_AFTER),))
        if head.method == "INVITE":
            invite = invite_server.begin(key, flow, raw, self.timers, merged)
            effects = self._step(cell, invite, invite_server.Input.REQUEST, received, now)
        else:
            server = non_invite_server.begin(key, flow, raw, self.timers, merged)
            effects = self._step(cell, server, non_invite_server.Input.REQUEST, received, now)
        if merged:
            self.cells.put(merged, Merged(cell), None)
        return effects

    @property
    def live(self) -> int:
        """How many transactions are live: all but those that only linger."""
        return len(self._index.live)

    def _refusal_of(self, flow: Flow, head: Head, raw: bytes, merged: bytes, now: float) -> Refusal | None:
        """Why a request outside of any dialog gets no machine: it is merged, there is no room, the gate is shut."""
        record = self.cells.get(merged)
        if record is not None and record.cell in self.cells:
            return Refusal(482)
        full = len(self._index.live) >= self._max_machines or len(self.cells) >= CELLS_PER_MACHINE * self._max_machines
        if full or self._busy():
            return Refusal(503, (("Retry-After", RETRY_AFTER),))
        return self._gate(flow, head, raw, now)

    def _refuse(
        self, flow: Flow, head: Head, raw: bytes, status: int, headers: tuple[tuple[str, str], ...] = ()
    ) -> Effects:
        """Answer without a machine (section 8.2.7): a repeated request gets the same bytes, the ACK is known."""
        response = answer(raw, status, to_tag=stateless_tag(head, self._secret), headers=headers)
        return (Reply(NOBODY, flow, response),) if response else ()

    # From the user.

    def send(self, command: FromUser, now: float) -> Effects:
        """Carry out a command of the user. What no longer has a machine to go to has no effect (RFC 6026 s8.3)."""
        if isinstance(command, SendDirect | RespondDirect):
            if self.watcher is not None:
                self.watcher(apart("SEND", command.raw, now))
            if isinstance(command, SendDirect):
                return (Transmit(NOBODY, command.target, command.raw),)
            return (Reply(NOBODY, command.flow, command.raw),)
        cell = cell_key(command.key)
        machine = self._machine(cell)
        if type(command) is Respond:
            return self._respond(cell, machine, command, now)
        if type(command) is SendRequest:
            return self._send_request(cell, machine, command, now)
        if isinstance(machine, InviteClient):
            return self._step_invite_client(cell, machine, invite_client.Input.CANCEL, command, now)
        return ()

    def _respond(self, cell: bytes, machine: Cell | None, command: Respond, now: float) -> Effects:
        status = command.status
        if type(machine) is InviteServer:
            inputs = invite_server.Input
            event = inputs.PROVISIONAL if status < 200 else inputs.SUCCESS if status < 300 else inputs.FAILURE
            return self._step(cell, machine, event, command, now)
        # RFC 4320 section 4: of the user no provisional response, and never a 408.
        if type(machine) is NonInviteServer and status >= 200 and status != 408:
            return self._step(cell, machine, non_invite_server.Input.FINAL, command, now)
        return ()

    def _send_request(self, cell: bytes, machine: Cell | None, command: SendRequest, now: float) -> Effects:
        if machine is not None:
            return ()  # it is sent already
        if command.key.method == "INVITE":
            invite = invite_client.begin(command, self.timers)
            return self._step(cell, invite, invite_client.Input.SEND, None, now)
        return self._step(cell, non_invite_client.begin(command, self.timers), non_invite_client.Input.SEND, None, now)

    def user_lost(self, now: float) -> Effects:
        """End all that the user lost with its state."""
        return tuple(effect for cell in list(self.cells.keys()) for effect in self.abandon(cell, now))

    def abandon(self, cell: bytes, now: float) -> Effects:
        """End one cell that the user lost: cancel an INVITE of ours, answer 500 to a request that waits."""
        machine = self.cells.get(cell)  # a lingering one has nothing to end
        if isinstance(machine, InviteClient):
            return self.send(CancelRequest(machine.key), now)
        if isinstance(machine, InviteServer | NonInviteServer) and machine.state < FINISHED:
            return self._respond(cell, machine, Respond(machine.key, 500, self._sorry(machine)), now)
        return ()

    def spoiled(self, cell: bytes, machine: Cell | None) -> Effects:
        """Tell whom it concerns that a machine broke and its cell is gone; `machine` is None if nothing of it is left.

        A finished one concerns nobody, nor does a CANCEL: its INVITE lives.
        """
        if not isinstance(machine, Lingering):
            self._index.forget(cell, machine)
        self._forget_merged(machine)
        if machine is None:
            key = transaction_key(cell)
        elif isinstance(machine, Merged | Lingering) or machine.state >= FINISHED:
            return ()
        else:
            key = machine.key
        if key is None or key.method == "CANCEL":
            return ()
        failed = TransactionFailed(key, client=not key.sent_by, status=500, reason="internal error", spoiled=True)
        if isinstance(machine, InviteServer | NonInviteServer):
            response = self._sorry(machine)
            return (Tell(failed), Reply(NOBODY, machine.flow, response)) if response else (Tell(failed),)
        return (Tell(failed),)

    def _sorry(self, machine: InviteServer | NonInviteServer) -> bytes:
        """The 500 to a request that nobody will answer any more, with the To tag it has been given."""
        tag = to_tag_of(machine.response) or stateless_tag(parse(machine.request).head, self._secret)
        return answer(machine.request, 500, to_tag=tag)

    def _step_invite_client(
        self, cell: bytes, machine: InviteClient, event: invite_client.Input, argument: object, now: float
    ) -> Effects:
        """Step, and begin the CANCEL's own transaction where the step asks for it."""
        effects = self._step(cell, machine, event, argument, now)
        if effects and type(effects[-1]) is BeginCancel:
            cancel: Any = effects[-1]
            key = TransactionKey(cancel.key.branch, "", "CANCEL")
            raw = build_cancel(cancel.invite, (("Reason", cancel.reason),) if cancel.reason else ())
            command = SendRequest(key, cancel.target, raw)
            return effects[:-1] + self._send_request(cell_key(key), None, command, now)
        return effects

    # From the transport.

    def transmit_failed(self, key: TransactionKey, reason: str, now: float) -> Effects:
        """Take the news that what was last sent for `key` could not be (sections 17.1.4 and 17.2.4)."""
        cell = cell_key(key)
        machine = self._machine(cell)
        if machine is None:
            return ()
        return self._step(cell, machine, TRANSPORT_ERROR[type(machine)], reason, now)

    def unreachable(self, news: tuple[TransactionKey, str, int, bytes, str], now: float) -> Effects:
        """Take an ICMP error: key, host, port, what it quotes, and its words.

        It may be forged: it fails a client only if it names its target and quotes its request (section 18.4).
        """
        key, host, port, quoted, reason = news
        cell = cell_key(key)
        machine = self._machine(cell)
        if not isinstance(machine, InviteClient | NonInviteClient) or not machine.request.startswith(quoted):
            return ()
        if machine.target[:3] != ("udp", host, port):
            return ()
        return self._step(cell, machine, TRANSPORT_ERROR[type(machine)], reason, now)

    def flow_dead(self, token: str, reason: str, now: float) -> Effects:
        """Fail the client transactions on a connection that is gone. A response finds another way (section 18.2.2)."""
        return tuple(effect for cell in self.carried_by(token) for effect in self.lose(cell, token, reason, now))

    def transport_lost(self, now: float) -> Effects:
        """Fail every client transaction on a stream: the transport lost all its connections."""
        return tuple(effect for token in self.connections() for effect in self.flow_dead(token, TRANSPORT_LOST, now))

    def connections(self) -> list[str]:
        """The tokens of the connections that carry client transactions."""
        self._see_all()
        return self._index.tokens()

    def carried_by(self, token: str) -> list[bytes]:
        """The cells of the client transactions on a connection that is gone, told once: `lose` is for each."""
        self._see_all()
        return self._index.take(token)

    def lose(self, cell: bytes, token: str, reason: str, now: float) -> Effects:
        """Fail one client transaction whose connection is gone, if it is still on that one."""
        machine = self._machine(cell)
        if machine is None or machine.flow != token:
            return ()
        return self._step(cell, machine, TRANSPORT_ERROR[type(machine)], reason, now)

    def unseen(self) -> list[bytes]:
        """After a restart, told once: the client transactions that may be on a connection and were not looked at yet.

        A shell whose cells may be unreadable looks at each with `see` before it asks what a connection carries.
        """
        cells = [] if self._index_complete else [cell for cell in list(self.cells.keys()) if cell[:1] == b"c"]
        self._index_complete = True
        return cells

    def see(self, cell: bytes) -> None:
        """Note which connection carries the client transaction of this cell."""
        machine = self.cells.get(cell)
        if machine is not None and type(machine) is not Lingering:
            self._index.restore(cell, machine)

    def _see_all(self) -> None:
        for cell in self.unseen():
            self.see(cell)
