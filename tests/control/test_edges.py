"""The ROUTER's descriptor is edge-triggered: a send outside of its own turn may take the word of a command with it."""

from __future__ import annotations

import select
from pathlib import Path

import zmq

from actors.control.front import Front
from actors.control.keys import Keys
from actors.control.paths import SOCKET
from actors.control.sockets import CommandDoors
from actors.runtime.mailbox import Mailbox, clock


class Bare(Front):
    """Its socket and its mailbox, and nothing else."""

    handle = expire = _arm = _record = NotImplemented


def test_a_command_that_comes_while_an_owner_is_looked_for_is_seen(tmp_path: Path) -> None:
    front = Bare.__new__(Bare)
    router = front._socket = CommandDoors(tmp_path, "", Keys(tmp_path / "keys"), clock)
    front._fd = router.filenos()[0]
    front.mailbox = Mailbox()
    front.mailbox.watch(front._fd, lambda _: False, edge=True)
    with zmq.Context() as context, context.socket(zmq.DEALER) as client:
        client.setsockopt(zmq.LINGER, 0)
        client.connect(f"ipc://{tmp_path / SOCKET}")
        client.send(b"one")
        select.select([front._fd], [], [])
        while not (frames := list(router.receive(2))):
            select.select([front._fd], [], [], 0.1)
        identity, _, grant = frames[0]
        taken = 0
        for _ in range(50):
            client.send(b"a command")
            select.select([front._fd], [], [])  # it has come
            assert front._reaches(identity)
            taken += not select.select([front._fd], [], [], 0)[0]
            envelope = front.mailbox.get()
            assert [fd for fd, _ in envelope.message.readable] == [front._fd]
            assert list(router.receive(2)) == [(identity, b"a command", grant)]
        assert taken, "no send took an edge: this shows nothing"
    router.close()
    front.mailbox.close()
