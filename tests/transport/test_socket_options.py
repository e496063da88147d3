"""What the sockets are set to: DSCP on the wire, the device, the address that connections leave from."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from actors.sip.vocabulary import Target
from actors.transport.events import Received, TransmitRequest
from actors.transport.sockets import bind_to_device
from tests.transport.wired import KEY, SHARD, Service, accepted, read, reply, request

AF31 = 26


def _class_of(sock: socket.socket) -> int:
    if sock.family == socket.AF_INET6:
        return sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS)
    return sock.getsockopt(socket.IPPROTO_IP, socket.IP_TOS)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_all_that_is_sent_carries_the_dscp_that_is_asked_for(tmp_path: Path, host: str) -> None:
    service = Service(tmp_path, host, dscp=AF31)
    option = (socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS) if ":" in host else (socket.IPPROTO_IP, socket.IP_RECVTOS)
    with service.harness() as it, service.udp() as peer, service.tcp() as stream:
        peer.setsockopt(*option, 1)
        peer.send(request(1))
        raw = reply(it, it.expect(SHARD, Received))
        data, control, _, _ = peer.recvmsg(65536, 1024)
        assert data == raw
        assert [value[0] for _, _, value in control] == [AF31 << 2]
        stream.sendall(request(2))
        it.expect(SHARD, Received)
        with socket.create_server((host, 0), family=service.family) as listener:
            target = Target("tcp", *listener.getsockname()[:2])
            it.send(SHARD, TransmitRequest(KEY, target, request(3)))
            with accepted(it, listener) as other:
                read(it, other, len(request(3)))
                classes = {_class_of(one.sock) for one in it.actor._connections._all}  # type: ignore[attr-defined]
                assert classes == {AF31 << 2}
        service.store(it)
    service.close()


def test_sockets_may_be_bound_to_a_device(tmp_path: Path) -> None:
    service = Service(tmp_path, device="lo")
    with service.harness() as it, service.udp() as peer, service.tcp() as stream:
        peer.send(request(1))
        assert it.expect(SHARD, Received).head.call_id == "1"
        stream.sendall(request(2))
        assert it.expect(SHARD, Received).head.call_id == "2"
        service.store(it)
    service.close()
    with socket.socket() as sock, pytest.raises(OSError, match="No such device"):
        bind_to_device(sock, "nowhere0")


def test_a_connection_leaves_from_the_address_of_its_listener(tmp_path: Path) -> None:
    service = Service(tmp_path, "127.0.0.2")
    with service.harness() as it, socket.create_server(("127.0.0.1", 0)) as listener:
        it.send(SHARD, TransmitRequest(KEY, Target("tcp", *listener.getsockname()[:2]), request(1)))
        with accepted(it, listener) as peer:
            assert peer.getpeername()[0] == "127.0.0.2"
        service.store(it)
    service.close()
