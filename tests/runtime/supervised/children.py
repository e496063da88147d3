"""Actors for the tests of supervision: each says on standard output what happens to it, one JSON object a line."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket

from actors.runtime.channel import Descriptor, Stop, Tree
from actors.runtime.context import Context


def say(event: str, **fields: object) -> None:
    # One write of a short line to a pipe is atomic, so the children do not mix their words.
    os.write(1, (json.dumps({"event": event, **fields}) + "\n").encode())


def born(context: Context) -> None:
    """Say who was born, and hold a lock that two of one name cannot hold."""
    if context.placement == "process":
        lock = os.open(context.run_dir / f"alive.{context.name}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("two alive", name=context.name)
    say(
        "born",
        name=context.name,
        pid=os.getpid(),
        epoch=context.epoch,
        last_death=context.last_death,
        descriptors={token: held.note.decode() for token, held in context.channel.descriptors.items()},
    )


def main(context: Context) -> None:
    """Serve until told to stop; settings name what else to do."""
    born(context)
    mode = (context.settings or {}).get("mode", "")
    if mode == "dies unready":
        raise RuntimeError("the configuration of this child is wrong")
    context.channel.ready()
    if mode == "loops":
        while True:
            pass
    if mode == "ends":
        return
    Worker(context, deaf=mode == "deaf").run()


def born_and_gone(context: Context) -> None:
    """Never be ready."""
    born(context)
    signal.pause()


class Worker:
    """Answers commands by UDP, echoes by UDP and TCP, and keeps its connections in the supervisor's store.

    It peeks at what it answers and consumes it only afterwards: so what a killed worker had in hand is answered again,
    and nothing is lost.
    """

    def __init__(self, context: Context, *, deaf: bool) -> None:
        self.context = context
        self.deaf = deaf
        self.poll = select.poll()
        self.poll.register(context.channel, select.POLLIN)
        self.sockets: dict[int, tuple[str, socket.socket]] = {}
        self.stopped = False
        for token, held in context.channel.descriptors.items():
            self.take(token, held)

    def take(self, token: str, held: Descriptor) -> None:
        sock = socket.socket(fileno=held.fd)
        sock.setblocking(False)
        self.sockets[held.fd] = (token, sock)
        self.poll.register(held.fd, select.POLLIN)

    def run(self) -> None:
        while not self.stopped:
            ready = self.poll.poll(50)
            self.context.channel.beat()
            for fd, _ in ready:
                if fd == self.context.channel.fileno():
                    self.obey()
                else:
                    self.serve(*self.sockets[fd])
        for _, sock in self.sockets.values():
            sock.close()

    def obey(self) -> None:
        for order in self.context.channel.receive():
            if isinstance(order, Tree):
                say("tree", ref=order.ref, children=[[child.name, child.pid, child.state] for child in order.children])
            elif isinstance(order, Stop):
                say("stop", name=self.context.name, drain=order.drain)
                self.stopped = not self.deaf

    def serve(self, token: str, sock: socket.socket) -> None:
        if sock.type == socket.SOCK_DGRAM:
            data, peer = sock.recvfrom(2000, socket.MSG_PEEK)
            if data.startswith(b"do "):
                sock.recv(2000)  # first, since the command may be to die
                self.command(data.decode().split()[1:])
                return
            sock.sendto(data, peer)
            sock.recv(2000)
        elif sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            self.accept(sock)
        else:
            self.echo(token, sock)

    def accept(self, listener: socket.socket) -> None:
        connection, peer = listener.accept()
        token = f"tcp:{connection.fileno()}.{self.context.epoch}"
        self.context.channel.deposit(token, connection.fileno(), f"{peer[0]}:{peer[1]}".encode())
        self.take(token, Descriptor(connection.detach(), b""))

    def echo(self, token: str, connection: socket.socket) -> None:
        data = connection.recv(2000, socket.MSG_PEEK)
        if not data or data.startswith(b"quit"):
            self.poll.unregister(connection)
            connection.shutdown(socket.SHUT_RDWR)
            self.context.channel.withdraw(token)
            del self.sockets[connection.fileno()]
            connection.close()
            return
        connection.sendall(data)
        connection.recv(len(data))

    def command(self, words: list[str]) -> None:
        channel = self.context.channel
        match words:
            case ["tree", ref]:
                channel.ask_tree(ref)
            case ["stop"]:
                channel.ask_stop()
            case ["deposit", count]:
                for number in range(int(count)):
                    channel.deposit(f"kept:{number}", next(iter(self.sockets)), b"note %d" % number)
                say("deposited", name=self.context.name)
            case ["withdraw", token]:
                channel.withdraw(token)
            case ["deposit-and-die"]:
                channel.deposit("last", next(iter(self.sockets)), b"in flight")
                os.kill(os.getpid(), signal.SIGKILL)
            case ["signal", number]:
                os.kill(os.getpid(), int(number))
            case ["exit", code]:
                raise SystemExit(int(code))
            case ["raise", text]:
                raise RuntimeError(text)
