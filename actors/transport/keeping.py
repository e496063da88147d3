"""The flows that are kept alive: their machines in cells, and the pings of each transport."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import msgspec

from actors.runtime.machine import Effects
from actors.sip.vocabulary import Target, host_port
from actors.transport import keepalive, stun
from actors.transport.connection import Shell
from actors.transport.connections import Connections
from actors.transport.events import FlowDead, KeepAlive, LetGo
from actors.transport.keepalive import Alive, AliveInput, AliveState, Dead, News
from actors.transport.kept import ALIVE, AliveCell, alive_key
from actors.transport.route import Address

replace = msgspec.structs.replace

DOUBLE_CRLF = b"\r\n\r\n"
BRANCH = "z9hG4bKalive"


class Keeping:
    """All flows that are kept alive.

    Args:
        shell: the actor.
        connections: its connections.
        address_of: what the connection to a target is found by.
        send: sends a datagram to a target; it may not arrive.
        sent_by: our address towards a host over UDP, for a Via.

    Attributes:
        awaited: what the answers to our own OPTIONS and STUN requests are known by.
    """

    def __init__(
        self,
        shell: Shell,
        connections: Connections,
        address_of: Callable[[Target], Address],
        send: Callable[[Target, bytes], None],
        sent_by: Callable[[str], str],
    ) -> None:
        self._shell = shell
        self._connections = connections
        self._address_of = address_of
        self._send = send
        self._sent_by = sent_by
        self.awaited: dict[str, bytes] = {}

    def restore(self, now: float) -> None:
        """Go on with a predecessor's flows; those whose connection is gone are dead."""
        for key in [key for key in self._shell.cells.keys() if key.startswith(ALIVE)]:  # noqa: SIM118 - no mapping
            cell: AliveCell = self._shell.cells.get(key)
            if cell.token and self._connections.by_token(cell.token) is None:
                self._step(key, cell, AliveInput.LOST, News(reason="the connection was lost"), now)
            elif cell.by != "crlf":
                self.awaited[cell.name] = key

    def begin(self, peer: str, asked: KeepAlive, now: float) -> None:
        """Keep a flow alive for one more, or on new terms."""
        target, owner = asked.target, (peer, asked.owner)
        token = self._token(target)
        if token is None:
            self._shell.tell(peer, FlowDead("", "there is no connection", asked.owner))
            return
        key = alive_key(target, token)
        agreed = asked.agreed and (token != "" or asked.by != "crlf")  # nobody answers line ends over UDP
        news = News(_chance(), keepalive.terms(stream=bool(token), interval=asked.interval, agreed=agreed))
        cell: AliveCell | None = self._shell.cells.get(key)
        if cell is None:
            by, name = ("crlf" if token else asked.by), secrets.token_hex(stun.TRANSACTION)
            cell = AliveCell(Alive(), target, token, (owner,), by, name, asked.uri)
            if by != "crlf":
                self.awaited[name] = key
            self._step(key, cell, AliveInput.BEGIN, news, now)
            return
        owners = cell.owners if owner in cell.owners else (*cell.owners, owner)
        self._step(key, replace(cell, owners=owners), AliveInput.TERMS, news, now)

    def let_go(self, peer: str, asked: LetGo) -> None:
        """Keep a flow alive for one less; for nobody, no more."""
        key = alive_key(asked.target, self._token(asked.target) or "")
        cell: AliveCell | None = self._shell.cells.get(key)
        if cell is None:
            return
        owners = tuple(each for each in cell.owners if each != (peer, asked.owner))
        if owners:
            self._shell.cells.put(key, replace(cell, owners=owners), cell.machine.next_deadline)
        else:
            self._forget(key, cell)

    def _token(self, target: Target) -> str | None:
        """The connection that a target is reached by, empty over UDP; None where there is none."""
        if target.transport == "udp":
            return ""
        connection = self._connections.find(target.flow, self._address_of(target), response=False)
        return None if connection is None else connection.token

    # What happens

    def expire(self, key: bytes, now: float) -> None:
        """It is time for a ping, or a pong is overdue."""
        cell: AliveCell = self._shell.cells.get(key)
        machine, effects = keepalive.expire(cell.machine, News(_chance()), now)
        self._carry_out(key, replace(cell, machine=machine), effects)

    def ponged(self, token: str, now: float) -> None:
        """A line end came on a connection."""
        self._hear(ALIVE + token.encode(), now)

    def answered(self, branch: str, now: float) -> bool:
        """Whether a response is that to an OPTIONS of ours; whatever it says, its sender lives."""
        key = self.awaited.get(branch.removeprefix(BRANCH))
        if key is None:
            return False
        self._hear(key, now)
        return True

    def stunned(self, data: bytes, now: float) -> None:
        """A STUN answer came; seen at another address than before we have another flow (RFC 5626 section 4.4.2)."""
        key = self.awaited.get(stun.transaction_of(data).hex())
        mapped = stun.mapped_address(data)
        cell: AliveCell | None = None if key is None else self._shell.cells.get(key)
        if key is None or cell is None or mapped is None:
            return
        seen = host_port(*mapped)
        if cell.seen not in {"", seen}:
            self._step(key, cell, AliveInput.LOST, News(reason=f"we are seen at {seen}, not at {cell.seen}"), now)
        else:
            self._step(key, replace(cell, seen=seen), AliveInput.PONG, News(_chance()), now)

    def lost(self, token: str, reason: str) -> None:
        """A connection is gone."""
        key = ALIVE + token.encode()
        cell: AliveCell | None = self._shell.cells.get(key)
        if cell is not None:
            self._step(key, cell, AliveInput.LOST, News(reason=reason), 0.0)

    def _hear(self, key: bytes, now: float) -> None:
        cell: AliveCell | None = self._shell.cells.get(key)
        if cell is not None:
            self._step(key, cell, AliveInput.PONG, News(_chance()), now)

    def _step(self, key: bytes, cell: AliveCell, event: AliveInput, news: News, now: float) -> None:
        machine, effects = keepalive.step(cell.machine, event, news, now)
        self._carry_out(key, replace(cell, machine=machine), effects)

    # What is done

    def _carry_out(self, key: bytes, cell: AliveCell, effects: Effects) -> None:
        if cell.machine.state is AliveState.DEAD:
            self._forget(key, cell)
        else:
            self._shell.cells.put(key, cell, cell.machine.next_deadline)
        for effect in effects:
            if isinstance(effect, Dead):
                for peer, owner in cell.owners:
                    self._shell.tell(peer, FlowDead(cell.token or cell.target.flow or "udp", effect.reason, owner))
                if cell.token:
                    self._connections.abandon(cell.token, effect.reason)
            else:
                self._ping(cell)

    def _ping(self, cell: AliveCell) -> None:
        connection = self._connections.by_token(cell.token)
        if connection is not None:
            self._connections.write(connection, DOUBLE_CRLF)
        elif cell.by == "stun":
            self._send(cell.target, stun.binding_request(bytes.fromhex(cell.name)))
        elif cell.by == "options":
            self._send(cell.target, _options(cell, self._sent_by(cell.target.host)))
        else:
            self._send(cell.target, DOUBLE_CRLF)

    def _forget(self, key: bytes, cell: AliveCell) -> None:
        self._shell.cells.delete(key)
        self.awaited.pop(cell.name, None)


def _options(cell: AliveCell, sent_by: str) -> bytes:
    """The same OPTIONS each time: who answered it already answers it again."""
    uri = cell.uri or f"sip:{host_port(cell.target.host, cell.target.port)}"
    lines = (
        f"OPTIONS {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP {sent_by};rport;branch={BRANCH}{cell.name}",
        "Max-Forwards: 70",
        f"From: <sip:{sent_by}>;tag={cell.name}",
        f"To: <{uri}>",
        f"Call-ID: {cell.name}",
        "CSeq: 1 OPTIONS",
        "Content-Length: 0",
        "\r\n",
    )
    return "\r\n".join(lines).encode()


def _chance() -> float:
    return secrets.randbits(32) / 2**32
