"""The system calls of the transport: datagrams, connections, and what the kernel counts of a TCP connection."""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import socket
import struct
import termios
from typing import Any, NamedTuple

from actors.runtime.descriptors import mark

DATAGRAM = 65_535
PEEK = 256 * 1024
RECEIVE_BUFFER = 512 * 1024
ESTABLISHED = 1
SYN_SENT = 2
CLOSE_WAIT = 8
OPEN_INWARD = frozenset({ESTABLISHED, 4, 5})  # the peer may send more; 4 and 5 are FIN_WAIT1 and FIN_WAIT2
OPEN_OUTWARD = frozenset({ESTABLISHED, CLOSE_WAIT})

# struct tcp_info (linux/tcp.h): tcpi_state is its first byte; tcpi_bytes_acked and tcpi_bytes_received stand at 120.
_TCP_INFO_SIZE = 256
_ACKED_RECEIVED = struct.Struct("=QQ")
_ACKED_AT = 120
# The states after the peer's FIN, which tcpi_bytes_received counts as a byte: TIME_WAIT, CLOSE_WAIT, LAST_ACK, CLOSING.
_FIN_RECEIVED = frozenset({6, 8, 9, 11})
_IP_RECVERR, _IPV6_RECVERR = 11, 25  # linux/in.h, linux/in6.h
_RECVERR = {(socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)}
_QUOTED, _CONTROL = 2048, 512  # bytes; an ICMP message has 576, or 1,280 of IPv6
_IP_BIND_ADDRESS_NO_PORT = 24  # the port is chosen at connect, so that ports are not used up by addresses (ip(7))
_DEVICE = 16  # bytes of a device's name, its end included (IFNAMSIZ)
_HIGHEST_PORT = 65_535
_PROBE_PORT = 9  # discard; connecting a UDP socket sends nothing


class Counters(NamedTuple):
    """What the kernel knows of a connection.

    Attributes:
        state: of TCP, as the kernel numbers it.
        consumed: bytes received off the socket.
        written: bytes the kernel took from us, of which it has sent none, some or all; calibrate it when nothing has
            been written yet, since the side that opened the connection starts at 1.
    """

    state: int
    consumed: int
    written: int


def counters(sock: socket.socket) -> Counters:
    """Ask the kernel how far a connection is read and written.

    Raises:
        OSError: the descriptor is no TCP socket.
    """
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
    while True:
        unread = _queued(sock, termios.FIONREAD)
        unacknowledged = _queued(sock, termios.TIOCOUTQ)
        again = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
        before, after = _ACKED_RECEIVED.unpack_from(info, _ACKED_AT), _ACKED_RECEIVED.unpack_from(again, _ACKED_AT)
        if before == after and info[0] == again[0]:
            break  # nothing moved between the questions, so the answers belong together
        info = again
    acked, received = after
    return Counters(info[0], received - unread - (info[0] in _FIN_RECEIVED), acked + unacknowledged)


def _queued(sock: socket.socket, request: int) -> int:
    (count,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), request, b"\0\0\0\0"))
    return int(count)


def adopt(fd: int) -> socket.socket:
    """Make a non-blocking socket of a descriptor that was handed over; it keeps the number."""
    sock = socket.socket(fileno=fd)
    sock.setblocking(False)
    return sock


def address(sock: socket.socket) -> tuple[str, int]:
    """The local address of a socket: host without brackets, port."""
    name = sock.getsockname()
    return str(name[0]), int(name[1])


def peer_address(source: tuple[Any, ...]) -> tuple[str, int]:
    """Host and port of a peer as the kernel names it, with the zone of a link-local address."""
    if len(source) == 4 and source[3]:
        return f"{source[0]}%{source[3]}", source[1]
    return source[0], source[1]


def peek(sock: socket.socket, buffer: memoryview) -> int:
    """Look at what has arrived without taking it: the number of bytes, 0 at the end of the stream.

    Raises:
        BlockingIOError: nothing has arrived.
        OSError: the connection broke.
    """
    return sock.recv_into(buffer, len(buffer), socket.MSG_PEEK)


def discard(sock: socket.socket, count: int) -> None:
    """Receive `count` bytes off the socket, all of them already looked at; MSG_TRUNC spares the copy.

    Raises:
        OSError: the connection broke.
    """
    while count:
        taken = len(sock.recv(min(count, PEEK), socket.MSG_TRUNC))
        if not taken:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        count -= taken


def queue_errors(sock: socket.socket) -> None:
    """Have the kernel keep ICMP errors of a UDP socket, each with the datagram that it quotes (ip(7), IP_RECVERR)."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)


def next_error(sock: socket.socket) -> tuple[bytes, bytes, str, int] | None:
    """The next queued error: the control message, what it quotes, and where that went; None when there is none."""
    try:
        quoted, control, _, source = sock.recvmsg(_QUOTED, _CONTROL, socket.MSG_ERRQUEUE)
    except BlockingIOError:
        return None
    error = next((data for level, kind, data in control if (level, kind) in _RECVERR), b"")
    host, port = peer_address(source) if source else ("", 0)
    return error, quoted, host, port


def tune(sock: socket.socket, dscp: int = 0) -> None:
    """Give a connection room for a whole message that is only peeked at (peeking does not grow the window)."""
    sock.setblocking(False)
    mark(sock, dscp)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def bind_to_device(sock: socket.socket, device: str) -> None:
    """Have a socket speak and hear on one network device only; the empty name leaves it as it is.

    Raises:
        OSError: there is none of that name.
    """
    if device:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())


def bound_device(sock: socket.socket) -> str:
    """The network device that a socket is bound to; empty where there is none, or it is gone."""
    try:
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _DEVICE).rstrip(b"\0").decode()
    except OSError:
        return ""


def open_connection(host: str, port: int, *, source: str = "", device: str = "", dscp: int = 0) -> socket.socket:
    """Begin to connect; the socket is writable when it is done or has failed (:func:`connect_error`).

    Args:
        host: whereto.
        port: whereto.
        source: the address of ours to do it from, empty for the kernel's choice.
        device: the network device to do it on, empty for any.
        dscp: what all that is sent carries.

    Raises:
        OSError: it failed at once.
    """
    sock = socket.socket(_family(host), socket.SOCK_STREAM)
    try:
        tune(sock, dscp)
        bind_to_device(sock, device)
        if source:
            sock.setsockopt(socket.SOL_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind(sockaddr(source, 0))
        sock.connect(sockaddr(host, port))
    except BlockingIOError:
        pass  # under way
    except OSError:
        sock.close()
        raise
    return sock


def connect_error(sock: socket.socket) -> str:
    """Why a connection could not be opened, empty if it was."""
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return os.strerror(code) if code else ""


def end(sock: socket.socket) -> None:
    """Send a FIN now: a close alone sends none while the descriptor store holds a duplicate."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise


def local_address(host: str) -> str:
    """The address the kernel would send from towards a numeric host, empty where there is no route."""
    try:
        with socket.socket(_family(host), socket.SOCK_DGRAM) as probe:
            probe.connect(sockaddr(host, _PROBE_PORT))
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def is_local(host: str) -> bool:
    """Whether a numeric address is one of this machine's."""
    try:
        with socket.socket(_family(host), socket.SOCK_DGRAM) as probe:
            probe.bind(sockaddr(host, 0))
    except OSError:
        return False
    return True


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


@functools.lru_cache(maxsize=4096)
def sockaddr(host: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """The kernel's form of a numeric address; a zone id names the interface of a link-local one.

    Raises:
        OSError: the host is no address, or the port none. A name is refused too: the system's resolver would block
            the loop.
    """
    if not 0 <= port <= _HIGHEST_PORT:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))  # a peer may write any five digits
    if ":" not in host:
        socket.inet_pton(socket.AF_INET, host)
        return host, port
    plain, _, zone = host.partition("%")
    socket.inet_pton(socket.AF_INET6, plain)
    return plain, port, 0, int(zone) if zone.isdigit() else (socket.if_nametoindex(zone) if zone else 0)
