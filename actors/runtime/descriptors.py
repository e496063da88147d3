"""The descriptors that outlive a child: listeners and RTP ports opened before it starts, connections it deposits."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Callable, Iterable
from typing import NamedTuple

from actors.runtime.channel import Descriptor
from actors.runtime.errors import StartupError
from actors.runtime.systemd import Address

RECEIVE_BUFFER = 4 * 1024 * 1024  # bytes; the kernel's default holds 92 messages of 900 bytes
BACKLOG = 1024

# Linux: set SO_RCVBUF beyond net.core.rmem_max, with CAP_NET_ADMIN (socket(7)); Python 3.11 has no name for it.
_SO_RCVBUFFORCE = 33


class SocketSpec(NamedTuple):
    """A socket the supervisor opens for a child before any child starts.

    Attributes:
        token: under which the child finds it, such as ``udp:127.0.0.1:5060``; for ``rtp`` see `rtp_pool`.
        kind: ``udp``, ``tcp`` or ``tls`` (a listener) or ``rtp`` (a pair: RTP on `port`, RTCP on ``port + 1``).
        host: a numeric IPv4 or IPv6 address, without brackets.
        port: 0 for a listener takes a free one: the real address is in the note.
    """

    token: str
    kind: str
    host: str
    port: int


class BindError(StartupError):
    """A socket could not be opened; the text is one line that names the address and the reason."""


def rtp_pool(host: str, first: int, last: int) -> tuple[SocketSpec, ...]:
    """A pair for each even port from `first` up to `last`: tokens ``rtp:16384`` (RTP) and ``rtp:16385`` (RTCP).

    Pairs of which a port is taken are left out; BindError is raised only when no pair at all could be opened.
    """
    return tuple(SocketSpec(f"rtp:{port}", "rtp", host, port) for port in range(first + first % 2, last, 2))


class Store:
    """One child's descriptors by token. It owns them: a deposit is a duplicate, a withdrawal closes it."""

    def __init__(self) -> None:
        self.held: dict[str, Descriptor] = {}

    def put(self, token: str, fd: int, note: bytes) -> None:
        """Take `fd`; an older descriptor of that token is closed."""
        self.drop(token)
        self.held[token] = Descriptor(fd, note)

    def drop(self, token: str) -> None:
        """Close what is held under `token`; an unknown one is none of ours any more, and that is fine."""
        old = self.held.pop(token, None)
        if old is not None:
            os.close(old.fd)

    def move(self, tokens: Iterable[str], to: Store) -> dict[str, Descriptor]:
        """Let another store have what is held under these tokens; what that was."""
        moved = {token: self.held.pop(token) for token in tokens if token in self.held}
        for token in moved:
            to.drop(token)
        to.held |= moved
        return moved

    def close(self) -> None:
        """Close everything."""
        for token in tuple(self.held):
            self.drop(token)


def open_sockets(
    store: Store,
    specs: Iterable[SocketSpec],
    warn: Callable[[str], None],
    kept: dict[Address, socket.socket] | None = None,
) -> None:
    """Open the sockets of `specs` into `store`, each with its real address as the note.

    Args:
        store: where to.
        specs: what to open.
        warn: told in words what is not as it should be.
        kept: sockets that are open already; those of an address in `specs` are taken out and used.

    Raises:
        BindError: an address cannot be bound, or no RTP pair of a pool.
    """
    pairs = wanted = 0
    refusal = ""
    for spec in specs:
        if spec.kind == "rtp":
            wanted += 1
            try:
                pair = _open_pair(spec, kept or {})
            except OSError as error:
                refusal = _refusal(spec, error)
                continue
            pairs += 1
            for offset, sock in enumerate(pair):
                _keep(store, f"rtp:{spec.port + offset}", sock)
            continue
        try:
            sock = _open_listener(spec, warn, kept or {})
        except OSError as error:
            raise BindError(f"{_refusal(spec, error)}; give it another address") from error
        _keep(store, spec.token, sock)
    if wanted and not pairs:
        raise BindError(f"no RTP port could be bound: give media.ports another range; the last one: {refusal}")
    if pairs < wanted:
        warn(f"{wanted - pairs} of {wanted} RTP port pairs are taken by others; the last one: {refusal}")


def by_address(sockets: Iterable[socket.socket]) -> dict[Address, socket.socket]:
    """Bound sockets by their addresses, none of them blocking any more."""
    found: dict[Address, socket.socket] = {}
    for sock in sockets:
        host, port = sock.getsockname()[:2]
        sock.setblocking(False)
        found[int(sock.type), host, port] = sock
    return found


def show_address(host: str, port: int) -> str:
    """``host:port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def descriptor_limit(*, raise_it: bool) -> int:
    """How many descriptors this process and its children may hold, raised to the hard limit if it is ours to raise."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if raise_it:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if raise_it else soft


def _keep(store: Store, token: str, sock: socket.socket) -> None:
    host, port = sock.getsockname()[:2]
    store.put(token, sock.detach(), show_address(host, port).encode())


def _refusal(spec: SocketSpec, error: OSError) -> str:
    kind = "udp" if spec.kind == "rtp" else spec.kind
    return f"cannot listen on {kind}:{show_address(spec.host, spec.port)}: {(error.strerror or str(error)).lower()}"


def _open_listener(spec: SocketSpec, warn: Callable[[str], None], kept: dict[Address, socket.socket]) -> socket.socket:
    kind = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM, "tls": socket.SOCK_STREAM}[spec.kind]
    sock = kept.pop((kind, spec.host, spec.port), None) or _bound(spec.host, spec.port, kind)
    try:
        if kind == socket.SOCK_STREAM:
            sock.listen(BACKLOG)
        elif (got := _enlarge_receive_buffer(sock)) < RECEIVE_BUFFER:
            warn(
                f"{spec.token}: the kernel allows a receive buffer of {got} bytes, not {RECEIVE_BUFFER}: bursts of SIP "
                f"over UDP may be lost; set net.core.rmem_max={RECEIVE_BUFFER}"
            )
    except OSError:
        sock.close()
        raise
    return sock


def _open_pair(spec: SocketSpec, kept: dict[Address, socket.socket]) -> tuple[socket.socket, socket.socket]:
    """Open an RTP port and the RTCP port above it (RFC 3550 s11), both or neither."""
    old = [kept.pop((socket.SOCK_DGRAM, spec.host, spec.port + offset), None) for offset in (0, 1)]
    rtp = old[0] or _bound(spec.host, spec.port, socket.SOCK_DGRAM, both_families=True)
    try:
        rtcp = old[1] or _bound(spec.host, spec.port + 1, socket.SOCK_DGRAM, both_families=True)
    except OSError:
        rtp.close()
        raise
    return rtp, rtcp


def _bound(host: str, port: int, kind: int, *, both_families: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            # An IPv4 listener is a socket of its own; a port for RTP is one for both, as dialogs may be of either.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both_families)
        if kind == socket.SOCK_STREAM:
            # A restart meets connections in TIME_WAIT. Never SO_REUSEPORT: two services would share the calls.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def _enlarge_receive_buffer(sock: socket.socket) -> int:
    """Ask for 4 MiB, by force where we may, and return what we have got (the kernel doubles and reports the double)."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


def mark(sock: socket.socket, dscp: int) -> None:
    """Have all that a socket sends carry a DSCP (RFC 2474); 0 takes off what an earlier process asked for."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)  # of IPv6 sockets, too: for IPv4 in mapped addresses
