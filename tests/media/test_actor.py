"""The media actor with its real mailbox, pipes and journal, its dialog shards played by the test."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq
from msgspec.structs import replace

from actors.media import events, rtp
from actors.media.actor import MediaActor, random_words
from actors.media.audio_doors import AudioDoors
from actors.media.audio_events import Measure, Measured, Open, Opened, Refused, Told, decode_tick, encode
from actors.media.events import (
    CloseSession,
    Echo,
    Noticed,
    Play,
    PlayFinished,
    PrepareSession,
    Record,
    RecordFailed,
    SendDigits,
    SessionClosed,
    SessionLost,
    SessionPrepared,
    SessionRefused,
)
from actors.media.record import COPY
from actors.media.settings import MediaSettings
from actors.runtime.channel import Descriptor
from actors.runtime.machine import Event
from actors.runtime.mailbox import clock
from tests.media.rig import EVENTS, PCMU, Format, Phone, pair
from tests.runtime.harness import Harness

HOST = "127.0.0.1"
PEERS = {"dialog-0": events.ToDialog, "dialog-1": events.ToDialog}


class Place:
    """What outlives the actor: its directories and the supervisor's sockets."""

    def __init__(self, path: Path, pairs: int = 3, peers: Mapping[str, object] = PEERS) -> None:
        self.path = path
        self.peers = peers
        self.sockets = [sock for _ in range(pairs) for sock in pair(HOST)]
        self.phone = Phone(HOST)
        self.epoch = 0

    @contextmanager
    def actor(self, listen: str = "") -> Iterator[Harness]:
        self.epoch += 1
        store = {f"rtp:{s.getsockname()[1]}": Descriptor(os.dup(s.fileno()), b"") for s in self.sockets}
        with Harness(
            MediaActor,
            "media-0",
            MediaSettings(listen=listen),
            peers=self.peers,
            tmp_path=self.path,
            epoch=self.epoch,
            descriptors=store,
        ) as harness:
            yield harness

    def hear(self, count: int) -> list[rtp.Packet]:
        """Wait for so many packets."""
        heard: list[rtp.Packet] = []
        while len(heard) < count:
            assert select.select([self.phone.rtp], [], [], 5)[0], "no packet came"
            heard += self.phone.heard()
        return heard

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()
        self.phone.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


def prepared(it: Harness, session: str = "a", peer: str = "dialog-0") -> int:
    it.send(peer, PrepareSession(session, HOST))
    answer = it.expect(peer, SessionPrepared)
    assert (answer.session, answer.host) == (session, HOST)
    return answer.port


def test_a_session_is_prepared_started_and_closed_with_its_totals(place: Place) -> None:
    with place.actor() as it:
        port = prepared(it)
        assert port in [sock.getsockname()[1] for sock in place.sockets]
        it.send("dialog-0", place.phone.start("a"))
        assert len(place.hear(3)) == 3
        it.send("dialog-0", CloseSession("a"))
        closed = it.expect("dialog-0", SessionClosed)
        assert closed.packets_sent >= 3
        assert (closed.packets_received, closed.packets_lost) == (0, 0)
        it.settle()
        assert len(it.actor.cells) == 0
        assert it.stop() == 0


def test_preparing_again_gives_the_same_answer(place: Place) -> None:
    with place.actor() as it:
        assert prepared(it) == prepared(it)
        it.settle()
        assert len(it.actor.cells) == 1


def test_no_ports_and_ports_of_the_other_family_are_refused(place: Place) -> None:  # FAULTS 73
    with place.actor() as it:
        it.send("dialog-0", PrepareSession("six", "::1"))
        assert "IPv4" in it.expect("dialog-0", SessionRefused).reason
        for number in range(3):
            prepared(it, f"s{number}")
        it.send("dialog-1", PrepareSession("more", HOST))
        assert it.expect("dialog-1", SessionRefused) == SessionRefused("more", "no RTP ports are left")
        it.send("dialog-0", CloseSession("s1"))
        it.expect("dialog-0", SessionClosed)
        prepared(it, "more", "dialog-1")


def test_a_session_that_is_not_there_is_refused_and_closed_already(place: Place) -> None:
    with place.actor() as it:
        it.send("dialog-0", place.phone.start("x"), Echo("x"), Play("x", "a"), CloseSession("x"))
        for _ in range(3):
            assert it.expect("dialog-0", SessionRefused) == SessionRefused("x", "no such session")
        assert it.expect("dialog-0", SessionClosed) == SessionClosed("x", 0, 0, 0, 0.0)


def test_a_format_that_is_not_ours_is_refused_and_the_session_stays(place: Place) -> None:
    with place.actor() as it:
        prepared(it)
        it.send("dialog-0", place.phone.start("a", Format(9, "G729", 8000)), place.phone.start("a", EVENTS))
        assert "G729" in it.expect("dialog-0", SessionRefused).reason
        it.expect("dialog-0", SessionRefused)
        it.send("dialog-0", place.phone.start("a", PCMU))
        place.hear(1)


def test_failures_of_files_are_told_and_the_call_goes_on(place: Place) -> None:
    with place.actor() as it:
        prepared(it)
        missing = str(place.path / "no" / "a.wav")
        it.send("dialog-0", place.phone.start("a"), Play("a", missing), Record("a", missing))
        told = [it.expect("dialog-0", Event) for _ in range(2)]
        assert {type(event) for event in told} == {PlayFinished, RecordFailed}
        assert all("No such file" in event.error for event in told)
        it.wait_for(lambda: it.actor.cells.get(b"a").record is None, "the facts without it")
        assert it.actor.cells.get(b"a").play is None
        place.phone.heard()
        place.hear(1)


def test_a_closed_session_answers_when_its_recording_is_whole(place: Place) -> None:
    path = place.path / "a.wav"
    with place.actor() as it:
        port = prepared(it)
        it.send("dialog-0", place.phone.start("a"), Record("a", str(path)))
        for _ in range(20):
            place.phone.say(b"\x11" * 160, port)
            place.hear(1)
        it.send("dialog-0", CloseSession("a"))
        assert it.expect("dialog-0", SessionClosed).packets_received >= 15
        assert path.stat().st_size >= 44 + 320 * 15
        assert path.read_bytes()[40:44] == (path.stat().st_size - 44).to_bytes(4, "little")


def test_a_successor_goes_on_with_the_call(place: Place) -> None:
    with place.actor() as it:
        port = prepared(it)
        it.send("dialog-0", place.phone.start("a"), Echo("a"))
        for _ in range(10):
            place.phone.say(b"\x11" * 160, port)
            before = place.hear(1)
    before += place.phone.heard()
    with place.actor() as it:
        heard = []
        for _ in range(15):
            place.phone.say(b"\x11" * 160, port)
            heard += place.hear(1)
        assert {packet.ssrc for packet in heard} == {before[-1].ssrc}
        assert (heard[0].sequence_number - before[-1].sequence_number) & 0xFFFF in (1, 2)
        assert b"\x11" * 160 in [packet.payload for packet in heard]
        assert prepared(it) == port
        it.send("dialog-0", CloseSession("a"))
        assert it.expect("dialog-0", SessionClosed).packets_sent >= 20


def test_a_spoiled_record_is_told_as_a_lost_session(place: Place) -> None:  # FAULTS 78
    with place.actor() as it:
        for session, peer in (("a", "dialog-0"), ("b", "dialog-1")):
            prepared(it, session, peer)
            it.send(peer, place.phone.start(session))
        it.settle()
        slot = it.actor._engine.sessions["a"].pair.slot
    path = place.path / "run" / "media" / "media-0" / "sessions"
    data = bytearray(path.read_bytes())
    for at in (0, COPY):
        data[64 + slot * 2 * COPY + at + 9] ^= 0xFF
    path.write_bytes(data)
    with place.actor() as it:
        assert it.expect("dialog-0", SessionLost) == SessionLost("a", "the record is spoiled")
        it.settle()
        assert list(it.actor._engine.sessions) == ["b"]
        assert not it.peers["dialog-1"].inbox


def test_a_step_that_fails_loses_its_session_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with place.actor() as it:
        prepared(it, "a")
        prepared(it, "b")

        def broken(*_: object) -> None:
            raise ZeroDivisionError("a bug")

        it.settle()
        monkeypatch.setattr(it.actor._engine, "echo", broken)
        it.send("dialog-0", Echo("a"))
        assert it.expect("dialog-0", SessionLost) == SessionLost("a", "ZeroDivisionError: a bug")
        it.settle()
        assert list(it.actor._engine.sessions) == ["b"]


def test_a_shard_that_lost_all_it_held_leaves_no_session_behind(place: Place) -> None:
    with place.actor() as it:
        prepared(it, "a")
        prepared(it, "b", "dialog-1")
    (place.path / "run" / "peers" / "dialog-0.mdb").rename(place.path / "gone")
    with place.actor() as it:
        it.wait_for(lambda: list(it.actor._engine.sessions) == ["b"], "only b")
        assert prepared(it, "c") > 0


def test_nothing_is_done_while_there_are_no_sessions(place: Place) -> None:
    with place.actor() as it:
        prepared(it)
        it.send("dialog-0", CloseSession("a"))
        it.expect("dialog-0", SessionClosed)
        it.settle()
        assert it.actor.next_wake() is None


def test_random_words_are_of_32_bits_and_do_not_repeat() -> None:
    word = random_words(batch=8)
    words = [word() for _ in range(100)]
    assert len(set(words)) == 100
    assert all(0 <= each < 1 << 32 for each in words)


def test_the_sockets_of_the_store_are_left_open(place: Place) -> None:
    with place.actor() as it:
        prepared(it)
    for sock in place.sockets:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_DGRAM


def test_keys_are_pressed_once_and_forgotten_when_they_are_over(place: Place) -> None:
    with place.actor() as it:
        prepared(it)
        it.send("dialog-0", replace(place.phone.start("a"), event=EVENTS))
        it.send("dialog-0", SendDigits("a", "7", 60))
        heard = place.hear(1)
        while sum(packet.payload_type == 101 and packet.payload[1] >= 0x80 for packet in heard) < 3:
            heard += place.hear(1)
        assert {packet.payload[0] for packet in heard if packet.payload_type == 101} == {7}
        while it.actor.cells.get(b"a").keys:
            place.hear(1)
        assert it.actor.cells.get(b"a").keys == ()


def test_more_key_commands_than_are_kept_are_dropped_with_a_word(place: Place) -> None:
    with place.actor() as it:
        prepared(it)
        for _ in range(33):
            it.send("dialog-0", SendDigits("a", "1", 60))
        assert it.expect("dialog-0", Noticed).kind == "keys_dropped"


def test_what_the_kernel_and_programs_cost_is_counted_where_operators_look(place: Place) -> None:
    with place.actor() as it, zmq.Context() as context, context.socket(zmq.DEALER) as program:
        program.linger = 0
        program.connect(f"ipc://{it.context.run_dir}/audio-0")
        program.send(b"noise")

        def counted() -> dict[str, float]:
            return {name: value for name, _, _, value in it.actor.figures()}

        it.wait_for(lambda: counted()["audio_malformed_total"] == 1, "the noise")
        assert counted()["rtp_receive_errors_total"] == counted()["audio_frames_lost_total"] == 0
        assert counted()["device_frames_unsent_total"] == 0


class Program:
    """A client of the audio channel."""

    def __init__(self, it: Harness, sock: zmq.Socket[bytes]) -> None:
        self.it = it
        self.socket = sock
        sock.linger = 0
        sock.connect(f"ipc://{it.context.run_dir}/audio-0")
        self.told: list[Told] = []

    def tell(self, ask: Open | Measure) -> None:
        self.socket.send(encode([ask]))

    def hear(self, kind: type[Told], count: int = 1) -> None:
        """Wait until so many of a kind were told."""

        def came() -> bool:
            while self.socket.poll(0):
                self.told += decode_tick(self.socket.recv())[0]
            return sum(isinstance(each, kind) for each in self.told) >= count

        self.it.wait_for(came, kind.__name__)
        assert sum(isinstance(each, kind) for each in self.told) == count
        self.told.clear()


def test_the_doors_of_audio_are_read_at_ticks_while_somebody_has_a_tap_and_watched_else(place: Place) -> None:
    with place.actor() as it, zmq.Context() as context, context.socket(zmq.DEALER) as sock:
        actor = it.actor
        assert isinstance(actor, MediaActor)
        fd = actor._audio.doors.filenos()[0]

        def watched() -> bool:
            return actor.mailbox.watches(fd, actor._audio._streams.receive)

        it.send("dialog-0", PrepareSession("a", HOST, "call-a"))
        it.expect("dialog-0", SessionPrepared)
        assert watched()
        program = Program(it, sock)
        program.tell(Open("tap", "call-a", 8000, hear=True, speak=True))
        program.hear(Opened)
        it.wait_for(lambda: not watched(), "that the doors are read at ticks")
        for _ in range(20):  # each is answered, though none of them wakes the actor
            program.tell(Measure("tap"))
            program.hear(Measured)
            assert not watched()
        it.send("dialog-0", CloseSession("a"))
        it.expect("dialog-0", SessionClosed)
        it.wait_for(watched, "that the doors are watched: nothing ticks any more")
        program.tell(Open("other", "call-a", 8000, hear=True, speak=True))
        program.hear(Refused)


def test_more_than_is_taken_at_a_tick_is_taken_behind_it(place: Place) -> None:
    with place.actor() as it, zmq.Context() as context, context.socket(zmq.DEALER) as sock:
        it.send("dialog-0", PrepareSession("a", HOST, "call-a"))
        it.expect("dialog-0", SessionPrepared)
        program = Program(it, sock)
        program.tell(Open("tap", "call-a", 8000, hear=True, speak=True))
        program.hear(Opened)
        for _ in range(5):
            for _ in range(900):
                program.tell(Measure("tap"))
            program.hear(Measured, 900)


def test_a_port_for_audio_that_somebody_took_meanwhile_keeps_no_call_waiting_and_is_had_when_it_is_free(
    place: Place,
) -> None:
    with socket.create_server((HOST, 0)) as other:
        taken = other.getsockname()[1]
        listen = f"tcp://{HOST}:{taken - 1}"
        with pytest.raises(OSError, match="in use"):  # at the first start that is a mistake, and said
            AudioDoors(place.path / "audio-0", f"tcp://{HOST}:{taken}", place.path / "keys", clock)
        (place.path / "run").mkdir(exist_ok=True)
        (place.path / "run" / "port-of-audio-0").write_text(str(taken), "ascii")
        with place.actor(listen) as it:
            prepared(it)
            it.send("dialog-0", place.phone.start("a"))
            place.hear(3)
            other.close()
            it.wait_for(lambda: it.actor._audio.doors.remote is not None, "the door")  # type: ignore[attr-defined]
            with socket.create_connection((HOST, taken), timeout=5) as caller:
                assert caller.recv(1) == b"\xff"  # as ZeroMQ greets
            place.hear(3)
            assert it.actor.next_wake() is not None
            assert it.stop() == 0
