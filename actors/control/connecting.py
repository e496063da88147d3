"""A client's socket to a service: how each of them is set up, for commands, events and audio."""

import os

import zmq

from actors.control.paths import Key

HEARTBEAT = 2_000  # milliseconds between two of ZeroMQ's own, over a network


def dealer(
    context: "zmq.Context[zmq.Socket[bytes]]",
    address: str,
    key: Key | None,
    *,
    kind: bytes,
    max_message: int,
    slowest: int,
    linger: int = 0,
) -> "zmq.Socket[bytes]":
    """A DEALER that connects again by itself.

    Args:
        context: of the socket.
        address: of the service.
        key: for a service on another machine.
        kind: a letter, the first of its identity.
        max_message: bytes of a frame that is taken.
        slowest: milliseconds between two tries to connect, at most.
        linger: milliseconds that the last frames may take when it is closed.
    """
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, linger)
    socket.setsockopt(zmq.RECONNECT_IVL, 1)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, slowest)
    socket.setsockopt(zmq.MAXMSGSIZE, max_message)
    # Ours over reconnections: calls are claimed under it. One that begins with a zero is ZeroMQ's own.
    socket.setsockopt(zmq.ROUTING_ID, kind + os.urandom(16))
    if key is not None:
        socket.setsockopt(zmq.CURVE_SERVERKEY, key.server)
        socket.setsockopt(zmq.CURVE_PUBLICKEY, key.public)
        socket.setsockopt(zmq.CURVE_SECRETKEY, key.secret)
        socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT)
        socket.setsockopt(zmq.IPV6, int("[" in address))
    return socket
