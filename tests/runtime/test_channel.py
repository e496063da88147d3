"""Both ends of a channel, over a real socketpair."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from actors.runtime import channel
from actors.runtime.channel import Channel, ChannelError, ChildStatus, Descriptor
from actors.runtime.supervisor_end import SupervisorEnd, channel_pair

STATUS = ChildStatus(name="a", pid=1, state="ready", restarts=0, epoch=1, since=0.0)


@pytest.fixture
def ends() -> Iterator[tuple[SupervisorEnd, Channel]]:
    supervisor, theirs = channel_pair()
    child = Channel(theirs, interval=3600.0)
    yield supervisor, child
    supervisor.close()
    child.close()


Ends = tuple[SupervisorEnd, Channel]


def test_what_a_child_says_arrives_in_order(ends: Ends) -> None:
    supervisor, child = ends
    child.hello(1, ())
    child.ready()
    child.ask_tree("7")
    child.ask_stop()
    child.withdraw("tcp:1")
    child.last_words("farewell")
    messages, ended = supervisor.receive()
    assert [message for message, _ in messages] == [
        channel.Hello(os.getpid(), 1, ()),
        channel.Ready(),
        channel.AskTree("7"),
        channel.AskStop(),
        channel.Withdraw("tcp:1"),
        channel.LastWords("farewell"),
    ]
    assert not ended


def test_only_one_heartbeat_goes_out_in_an_interval(ends: Ends) -> None:
    supervisor, child = ends
    for _ in range(100):
        child.beat()
    assert supervisor.receive() == ([(channel.Beat(), None)], False)


def test_a_heartbeat_never_blocks_a_child_whose_supervisor_sleeps() -> None:
    supervisor, theirs = channel_pair()
    child = Channel(theirs, interval=0.0)
    for _ in range(10_000):  # far more than the socket's buffer takes
        child.beat()
    through, ended = supervisor.receive()
    assert (set(through), ended) == ({(channel.Beat(), None)}, False)
    assert len(through) < 10_000
    child.beat()  # the supervisor is awake again
    assert supervisor.receive() == ([(channel.Beat(), None)], False)
    child.close()
    supervisor.close()


def test_orders_are_received_without_waiting_and_show_in_a_poll(ends: Ends) -> None:
    supervisor, child = ends
    assert child.receive() == []
    supervisor.send(channel.Tree("7", (STATUS,)))
    supervisor.send(channel.Stop(drain=True))
    assert select.select([child], [], [], 0)[0] == [child]
    assert child.receive() == [channel.Tree("7", (STATUS,)), channel.Stop(drain=True)]
    assert select.select([child], [], [], 0)[0] == []


def test_a_supervisor_that_is_gone_reads_as_one_order_to_stop(ends: Ends) -> None:
    supervisor, child = ends
    supervisor.close()
    child.beat()
    child.last_words("nobody hears")
    assert child.receive() == [channel.Stop(drain=False)]
    assert child.receive() == []


def test_a_deposit_outlives_the_child_that_made_it(ends: Ends) -> None:
    supervisor, child = ends
    reading, writing = os.pipe()
    child.deposit("tcp:17", reading, b"a note")
    os.close(reading)
    child.close()
    messages, ended = supervisor.receive()
    ((message, fd),) = messages
    assert (message, ended) == (channel.Deposit("tcp:17", b"a note"), True)
    assert fd is not None
    os.write(writing, b"x")
    assert os.read(fd, 1) == b"x"
    assert not os.get_inheritable(fd)
    os.close(fd)
    os.close(writing)


def test_what_another_child_hands_over_is_there_while_it_runs(ends: Ends) -> None:
    supervisor, child = ends
    reading, writing = os.pipe()
    supervisor.hand_over({"rtp:2": channel.Descriptor(reading, b"note")})
    os.close(reading)
    assert child.receive() == [channel.Stored((("rtp:2", b"note"),))]
    os.write(writing, b"x")
    held = child.descriptors["rtp:2"]
    assert (os.read(held.fd, 1), held.note) == (b"x", b"note")
    child.hand_over(["rtp:2"], "media-1")
    assert child.descriptors == {}
    assert supervisor.receive() == ([(channel.HandOver(("rtp:2",), "media-1"), None)], False)
    for fd in (held.fd, writing):
        os.close(fd)


def test_a_note_that_is_too_long_is_refused(ends: Ends) -> None:
    _, child = ends
    with pytest.raises(ValueError, match="at most 1024 bytes"):
        child.deposit("tcp:17", 0, bytes(1025))


def test_the_store_is_handed_over_in_batches_before_the_order_to_go(ends: Ends) -> None:
    supervisor, child = ends
    pipes = [os.pipe() for _ in range(300)]
    held = {str(number): Descriptor(reading, b"%d" % number * 100) for number, (reading, _) in enumerate(pipes)}
    supervisor.hand_over(held)
    lock = os.open("/dev/null", os.O_RDONLY)
    supervisor.send(channel.Go(), (lock,))
    assert not supervisor.pending
    came = child.await_go()
    assert len(came) == 1
    assert {token: note for token, (_, note) in child.descriptors.items()} == {
        token: note for token, (_, note) in held.items()
    }
    for number, (_, writing) in enumerate(pipes):
        os.write(writing, b"%3d" % number)
        assert os.read(child.descriptors[str(number)].fd, 3) == b"%3d" % number
    for fd in (lock, *came, *(fd for pair in pipes for fd in pair), *(held.fd for held in child.descriptors.values())):
        os.close(fd)


def test_orders_wait_for_a_child_that_does_not_read(ends: Ends) -> None:
    supervisor, child = ends
    sent = 0
    while not supervisor.pending:
        supervisor.send(channel.Tree(str(sent), (STATUS,) * 50))
        sent += 1
    supervisor.send(channel.Stop(drain=True))
    got = child.receive()
    supervisor.flush()
    assert not supervisor.pending
    got += child.receive()
    assert [order.ref for order in got if isinstance(order, channel.Tree)] == [str(number) for number in range(sent)]
    assert got[-1] == channel.Stop(drain=True)


def test_what_waits_for_a_dead_child_is_dropped(ends: Ends) -> None:
    supervisor, child = ends
    while not supervisor.pending:
        supervisor.send(channel.Tree("1", (STATUS,) * 50))
    child.close()
    supervisor.flush()
    assert not supervisor.pending


def test_a_child_whose_supervisor_goes_before_it_may_run_fails(ends: Ends) -> None:
    supervisor, child = ends
    supervisor.close()
    with pytest.raises(ChannelError, match="before it said go"):
        child.await_go()


def test_a_child_that_lost_descriptors_on_the_way_fails(ends: Ends) -> None:
    supervisor, child = ends
    supervisor.send(channel.Stored((("a", b""), ("b", b""))), (0,))
    with pytest.raises(ChannelError, match="1 descriptors were lost"):
        child.await_go()


def test_a_channel_is_a_pair_of_packet_sockets() -> None:
    supervisor, theirs = channel_pair()
    assert theirs.type == socket.SOCK_SEQPACKET
    supervisor.close()
    theirs.close()


CROWDED = """
import os, resource
from actors.runtime.channel import Descriptor
from actors.runtime.supervisor_end import channel_pair
end, theirs = channel_pair()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
if os.geteuid() == 0:
    os.setuid(65534)  # the kernel counts only for who has no right to more
end.hand_over({str(number): Descriptor(0, b"") for number in range(600)})
print(end.pending)
while end.pending:
    theirs.recv(65536)  # without room for descriptors: they are closed, and are under way no more
    end.flush()
print("all sent")
"""


def test_descriptors_that_are_too_many_under_way_wait_until_some_have_arrived() -> None:
    done = subprocess.run([sys.executable, "-c", CROWDED], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("True\nall sent\n", "")
