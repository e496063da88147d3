"""What comes in on connections: framed, taken over in one commit, and only then received off the socket."""

from __future__ import annotations

from collections.abc import Callable

from actors.sip.errors import RemoteProtocolError
from actors.sip.framing import Frame, Framed, Ping, Pong
from actors.sip.vocabulary import Head
from actors.transport import sockets
from actors.transport.admission import creates_state
from actors.transport.connection import Connection, Shell
from actors.transport.directory import Directory
from actors.transport.identity import plain
from actors.transport.kept import HOLD_KEY, HoldCell
from actors.transport.outward import Outward
from actors.transport.reception import Reception, Wait
from actors.transport.route import Address, alias_port
from actors.transport.secure import SecureConnection
from actors.transport.settings import TransportSettings

_PONG = b"\r\n"
_LOOK_AGAIN = 0.01  # seconds between looks whether there is room above


def _nobody(*_: object) -> None:
    """Nobody keeps a connection alive."""


class Inward:
    """Reads from connections.

    Args:
        shell: the actor.
        connections: those that there are.
        outward: writes on them.
        reception: decides what becomes of a message.
        settings: limits and time-outs.
        close: ends one, and says why.

    Attributes:
        ponged: told of each single line end on a connection.
    """

    def __init__(
        self,
        shell: Shell,
        connections: Directory,
        outward: Outward,
        *,
        reception: Reception,
        settings: TransportSettings,
        close: Callable[[Connection, str], None],
    ) -> None:
        self._shell = shell
        self._all = connections
        self._outward = outward
        self._reception = reception
        self._settings = settings
        self._close = close
        self._buffer = memoryview(bytearray(sockets.PEEK))
        self._waiting: set[str] = set()
        self.ponged: Callable[[str, float], None] = _nobody

    def readable(self, connection: Connection, now: float) -> bool:
        """Take in what has come; return whether to come again, which is so until there is nothing new."""
        if connection.closing:
            return self._spill(connection)
        self._shell.cells.get(connection.key)  # whatever breaks from here on spoils this connection, which ends then
        stream = connection.stream
        begin = stream.read_offset
        framed = stream.release() or self._frame(connection, now)
        if framed is None:
            return bool(connection.closing)
        self._take_all(connection, framed, begin, now)
        if connection not in self._all:
            return False  # an answer was one too many for a peer that does not read
        if framed or (stream.partial and connection.deadline is None):
            # A message must be complete within seconds of its first byte (slowloris).
            timed = stream.partial and not stream.holding
            connection.arm(self._shell.cells, now + self._settings.message_timeout if timed else None)
        if framed and connection.kept:
            self._shell.defer(self._consume, connection)
        if framed or not stream.partial or not connection.kept:
            # Behind what was taken over may wait more, or the end, or an error; no new edge would tell of it.
            return not (connection.is_drained() or stream.holding)
        if connection.is_cut_off():
            self._close(connection, "the peer closed within a message")
        return False

    def _frame(self, connection: Connection, now: float) -> list[Framed] | None:
        """Frame what has come; None where there is nothing to go on with."""
        if connection.connecting or connection.ended:
            return None
        shaking, framed, wrong = connection.shaking, None, None
        try:
            framed = connection.read(self._buffer)
        except BlockingIOError:
            return None
        except OSError as error:
            self._close(connection, error.strerror or "the connection broke")
            return None
        except RemoteProtocolError as error:
            wrong = error
        done = shaking and not connection.shaking
        if done and isinstance(connection, SecureConnection) and not self._secured(connection):
            return None  # nothing of a peer is looked at before it is known who it is
        if wrong is not None:
            self._refuse(connection, wrong, now)
        elif framed is None:
            self._half_close(connection, now)
        return framed

    def _take_all(self, connection: Connection, framed: list[Framed], begin: int, now: float) -> None:
        """Take over what was framed, up to what has no room above: that and all behind it stays where it is."""
        kinds = set()
        for number, item in enumerate(framed):
            if not isinstance(item, Frame):
                kinds.add(type(item))
            elif not self._take(connection, item, now):
                connection.stream.hold(framed[number:], begin)
                self._wait_for_room(connection, now)
                break
            elif connection not in self._all:
                return  # an answer was one too many for a peer that does not read
            begin = item.end
        # Pings that came together get one pong (RFC 5626 section 4.4.1): a storm of line ends is no work.
        if Ping in kinds:
            self._outward.write(connection, _PONG)
        if Pong in kinds:
            self.ponged(connection.token, now)

    def _take(self, connection: Connection, item: Frame, now: float) -> bool:
        """Take one message over; False if there is no room for it now."""
        stream = connection.stream
        patient = connection.patience is None or now < connection.patience
        outcome = self._reception.take(item.data, stream.flow, now, patient=patient)
        if outcome is None:
            return True
        if isinstance(outcome, Wait):
            return False
        if isinstance(outcome, bytes):
            self._outward.write(connection, outcome)
            return True
        head = outcome[1].head
        if connection.patience is not None and creates_state(head):
            connection.patience = None  # there is room again
        if isinstance(connection, SecureConnection):
            self._seen_over_tls(connection, head, item.data)
        stream.saw(head)
        self._shell.tell(outcome[0], outcome[1])
        return True

    def _seen_over_tls(self, connection: SecureConnection, head: Head, raw: bytes) -> None:
        """Note what a message says of a connection with TLS."""
        if head.status:
            for chunk in connection.answered((head.branch, head.method)):
                self._shell.cells.delete(chunk)
        elif connection.identities and not connection.alias and not connection.stream.opened:
            # Requests for the peer may go on its own connection where it offers that and has proved who it is
            # (RFC 5923 sections 8.2 and 9.2). Without TLS its word alone would let anybody take another's place.
            port = alias_port(raw)
            connection.alias = port > 0
            for name in connection.identities if port else ():
                where = Address("tls", connection.stream.flow.host, port, name)
                self._all.lead(connection, where, first=False)

    def _wait_for_room(self, connection: Connection, now: float) -> None:
        """Leave a stream unread for a moment: its window closes, and the peer has to wait.

        What belongs to a call may stand behind the request that waits, and is never refused; so the wait ends by
        itself, whoever is busy: from then on what has no room is refused with 503, until there is room.
        """
        if connection.patience is None:
            connection.patience = now + self._settings.max_hold
        self._waiting.add(connection.token)
        self._shell.cells.put(HOLD_KEY, HoldCell(), now + _LOOK_AGAIN)

    def look_again(self) -> None:
        """Try the streams that wait for room again."""
        self._shell.cells.delete(HOLD_KEY)
        waiting, self._waiting = self._waiting, set()
        for token in waiting:
            connection = self._all.get(token)
            if connection is not None:
                self._shell.mailbox.again(connection.sock.fileno())

    def _consume(self, connection: Connection) -> None:
        """Receive off the socket what is taken over: after the commit."""
        if connection not in self._all:
            return
        try:
            connection.consume()
        except OSError as error:
            self._close(connection, error.strerror or "the connection broke")

    def _half_close(self, connection: Connection, now: float) -> None:
        """The peer will send nothing more: what it is owed is still written, for as long as a message may take."""
        stream = connection.stream
        self._all.hide(connection)
        connection.ended = True
        self._outward.forsake(connection, "the peer closed the connection")
        if stream.owed or stream.waiting:
            connection.arm(self._shell.cells, now + self._settings.message_timeout)
        else:
            self._close(connection, "the peer closed the connection")

    def _refuse(self, connection: Connection, error: RemoteProtocolError, now: float) -> None:
        """Answer bytes that cannot be framed where that may be, then end: nothing after them can be trusted.

        The requests before them are still answered, within the time that a message may take.
        """
        stream = connection.stream
        answer = self._reception.refuse(stream.refused(), stream.flow, error)
        if answer is not None:
            self._outward.write(connection, answer)
        if not (stream.owed or stream.waiting):
            self._close(connection, error.reason)
        if connection not in self._all:
            return
        connection.closing = error.reason
        self._all.hide(connection)
        self._outward.forsake(connection, error.reason)
        self._shell.defer(self._consume, connection)
        connection.arm(self._shell.cells, now + self._settings.message_timeout)

    def _spill(self, connection: Connection) -> bool:
        """Throw away what still comes on a connection that is closing: unread, it would turn our FIN into a reset."""
        try:
            size = connection.sock.recv_into(self._buffer)
        except BlockingIOError:
            return False
        except OSError as error:
            self._close(connection, error.strerror or "the connection broke")
            return False
        connection.spilled += size
        if connection.spilled > self._settings.max_queue:
            self._close(connection, connection.closing)
            return False
        return size > 0

    def begin_tls(self, connection: SecureConnection) -> None:
        """Begin the handshake on a connection that we opened."""
        try:
            connection.begin(self._buffer)
        except OSError as error:
            self._close(connection, error.strerror or "the connection broke")

    def _secured(self, connection: SecureConnection) -> bool:
        """The handshake is done; False if the peer is not whom we meant (RFC 5922 section 7.3)."""
        opened, flow = connection.stream.opened, connection.stream.flow
        if opened and self._settings.tls.verify and plain(connection.name) not in connection.identities:
            names = ", ".join(sorted(connection.identities)) or "nobody"
            self._close(connection, f"TLS: the certificate is for {names}, not for {connection.name}")
            return False
        if opened:  # it may serve any domain that its end has proved to be (RFC 5923 section 8.1)
            for name in connection.identities:
                self._all.lead(connection, Address("tls", flow.host, flow.port, name), first=False)
        connection.arm(self._shell.cells, None)
        self._shell.defer(self._outward.flush, connection)
        return True
