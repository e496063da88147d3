"""The engine killed in the middle of calls: the next one goes on from the records, and never guesses."""

from __future__ import annotations

import threading
import wave
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.media import rtp
from actors.media.events import Play, Record
from actors.media.g711 import Law, encode
from actors.media.pieces import FRAME
from actors.media.record import COPY
from actors.media.session import OPENING
from tests.media.rig import Phone, Rig

VOICE = b"\x11" * FRAME


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def talk(rig: Rig, phone: Phone, port: int, ticks: int = 20) -> list[rtp.Packet]:
    heard = []
    for _ in range(ticks):
        phone.say(VOICE, port)
        rig.step()
        heard += phone.heard()
    return heard


def restart(rig: Rig, facts: dict[str, object], *, after: float) -> dict[str, str]:
    rig.kill()
    rig.now += after
    rig.begin()
    lost = rig.engine.restore(facts, rig.now)  # type: ignore[arg-type]
    rig.read()
    rig.engine.tick(rig.now, 0.0)  # the tick that is due at once
    return lost


@pytest.mark.parametrize("after", [0.0, 0.005, 0.02, 0.061, 1.5, 30.0])
def test_ssrc_sequence_and_clock_go_on_after_a_kill(rig: Rig, after: float) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    rig.engine.echo("a")
    before = talk(rig, phone, port)
    facts = rig.facts("a", phone, echo=True)
    began = rig.now
    assert restart(rig, {"a": facts}, after=after) == {}
    wake = rig.engine.next_wake()
    assert wake is not None
    assert wake <= rig.now + 0.020001
    heard = talk(rig, phone, port)
    assert heard[0].ssrc == before[-1].ssrc
    assert (heard[0].sequence_number - before[-1].sequence_number) & 0xFFFF == 1
    ticks = (heard[0].timestamp - before[-1].timestamp) & 0xFFFFFFFF
    assert ticks % FRAME == 0
    # The first packet is of the tick that was due when the engine began, or of the next one.
    assert -0.0201 <= ticks / 8000 - after <= 0.0201
    assert len(heard) <= (rig.now - began) / 0.02 + 1
    assert heard[0].marker == (ticks > FRAME)
    assert [packet.payload for packet in heard][-10:] == [VOICE] * 10


def test_a_gap_is_no_burst(rig: Rig) -> None:
    phone = rig.phone()
    rig.call("a", phone)
    rig.engine.echo("a")
    talk(rig, phone, rig.engine.sessions["a"].pair.port)
    facts = rig.facts("a", phone, echo=True)
    restart(rig, {"a": facts}, after=0.5)
    assert len(phone.heard()) == 1


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 12), st.floats(0, 0.3)), min_size=1, max_size=5), st.sampled_from([10, 20, 30])
)
def test_no_sequence_number_is_used_twice_over_any_kills(kills: list[tuple[int, float]], ptime: int) -> None:
    with TemporaryDirectory() as folder, Rig(Path(folder)) as rig:
        phone = rig.phone()
        port = rig.call("a", phone, ptime=ptime)
        rig.engine.echo("a")
        heard = []
        for ticks, after in kills:
            heard += talk(rig, phone, port, ticks)
            facts = rig.facts("a", phone, echo=True)
            restart(rig, {"a": facts}, after=after)
        heard += talk(rig, phone, port, 5)
        numbers = [packet.sequence_number for packet in heard]
        assert len(set(numbers)) == len(numbers)
        stamps = [(packet.timestamp - heard[0].timestamp) & 0xFFFFFFFF for packet in heard]
        assert stamps == sorted(set(stamps))
        assert len({packet.ssrc for packet in heard}) == 1


def test_a_copy_torn_in_its_writing_costs_a_number_and_repeats_none(rig: Rig) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    rig.engine.echo("a")
    before = talk(rig, phone, port)
    session = rig.engine.sessions["a"]
    at = 64 + session.pair.slot * 2 * COPY + (session.generation & 1) * COPY
    rig.records._map[at + 20 : at + 24] = b"torn"
    facts = rig.facts("a", phone, echo=True)
    assert restart(rig, {"a": facts}, after=0.02) == {}
    heard = talk(rig, phone, port)
    assert {packet.sequence_number for packet in heard}.isdisjoint({packet.sequence_number for packet in before})
    assert (heard[0].sequence_number - before[-1].sequence_number) & 0xFFFF == 2
    assert [packet.payload for packet in heard][-10:] == [VOICE] * 10


def test_a_spoiled_record_is_a_lost_session_and_its_neighbour_lives(rig: Rig) -> None:  # FAULTS 78
    phones = [rig.phone(), rig.phone()]
    for key, phone in zip("ab", phones, strict=True):
        rig.call(key, phone)
    rig.step(3)
    for phone in phones:
        phone.heard()
    at = 64 + rig.engine.sessions["a"].pair.slot * 2 * COPY
    rig.records._map[at + 10] ^= 1
    rig.records._map[at + COPY + 10] ^= 1
    facts = {key: rig.facts(key, phone) for key, phone in zip("ab", phones, strict=True)}
    assert restart(rig, facts, after=0.02) == {"a": "the record is spoiled"}
    rig.step(2)
    assert phones[0].heard() == []
    assert len(phones[1].heard()) == OPENING
    assert len([rig.engine.prepare(f"n{n}", rig.now) for n in range(3)]) == 3


def test_records_that_are_gone_or_anothers_lose_the_session(rig: Rig) -> None:  # FAULTS 78
    phone = rig.phone()
    rig.call("a", phone)
    rig.step(3)
    facts = rig.facts("a", phone)
    other = type(facts)(facts.owner, facts.port, facts.host, facts.identity ^ 1, facts.start)
    missing = type(facts)(facts.owner, 2, facts.host, facts.identity, facts.start)
    rig.kill()
    rig.begin()
    lost = rig.engine.restore({"other": other, "missing": missing}, rig.now)
    assert "another session" in lost["other"]
    assert "port 2" in lost["missing"]
    rig.path.unlink()
    assert restart(rig, {"a": facts}, after=0.0) == {"a": "the record is spoiled"}
    assert rig.engine.next_wake() is None


def test_a_session_prepared_but_not_started_is_kept(rig: Rig) -> None:
    phone = rig.phone()
    session = rig.engine.prepare("a", rig.now)
    assert session is not None
    facts = rig.facts("a", phone)
    facts = type(facts)(facts.owner, facts.port, facts.host, facts.identity)
    ssrc = session.peer.ssrc
    assert restart(rig, {"a": facts}, after=0.1) == {}
    rig.engine.start("a", phone.start("a"), rig.now)
    rig.step(2)
    assert [packet.ssrc for packet in phone.heard()] == [ssrc, ssrc]


def test_a_session_at_rest_goes_on_with_the_clock(rig: Rig) -> None:
    phone = rig.phone()
    rig.call("a", phone)
    rig.step(120)
    before = phone.heard()[-1]
    facts = rig.facts("a", phone)
    restart(rig, {"a": facts}, after=2.0)
    rig.step()
    after = phone.heard()[0]
    assert (after.sequence_number - before.sequence_number) & 0xFFFF == 1
    assert ((after.timestamp - before.timestamp) & 0xFFFFFFFF) >= 2 * 8000


def test_what_was_learnt_and_counted_is_known_after_a_kill(rig: Rig) -> None:
    named, real, stranger = rig.phone(), rig.phone(ssrc=7), rig.phone(ssrc=8)
    port = rig.call("a", named)
    rig.engine.echo("a")
    talk(rig, real, port, 30)
    before = rig.engine.sessions["a"]
    restart(rig, {"a": rig.facts("a", named, echo=True)}, after=0.04)
    after = rig.engine.sessions["a"]
    assert after.peer.learnt
    assert after.peer.destination == ("127.0.0.1", real.port)
    assert (after.packets, after.octets, after.reports) == (before.packets + 1, before.octets + FRAME, before.reports)
    one, other = before.peer.source, after.peer.source
    assert one is not None
    assert other is not None
    for name in ("ssrc", "base_seq", "max_seq", "cycles", "received", "jitter", "transit"):
        assert getattr(one, name) == getattr(other, name), name
    named.heard()
    assert talk(rig, stranger, port, 10) == []
    assert VOICE in [packet.payload for packet in talk(rig, real, port)]
    assert other.lost == 0


def test_the_playout_delay_stays_and_the_backlog_is_heard_or_late(rig: Rig) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    rig.engine.echo("a")
    talk(rig, phone, port)
    facts = rig.facts("a", phone, echo=True)
    before = rig.engine.sessions["a"].peer.buffer
    assert before is not None
    level = (phone.timestamp - (before.cursor or 0)) & 0xFFFFFFFF
    rig.kill()
    for _ in range(5):  # what comes while nobody is there waits in the kernel
        phone.say(VOICE, port)
    rig.now += 0.1
    rig.begin()
    rig.engine.restore({"a": facts}, rig.now)
    rig.engine.tick(rig.now, 0.0)
    talk(rig, phone, port)
    after = rig.engine.sessions["a"].peer.buffer
    assert after is not None
    assert (phone.timestamp - (after.cursor or 0)) & 0xFFFFFFFF == level
    assert after.late == 2


def test_a_player_goes_on_where_it_was(rig: Rig, tmp_path: Path) -> None:
    phone = rig.phone()
    rig.call("a", phone)
    samples = (np.arange(16000) % 30000).astype(np.int16)
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())
    play = Play("a", str(tmp_path / "a.wav"))
    rig.engine.play("a", play)
    rig.step(30)
    facts = rig.facts("a", phone, play=play, plays=1)
    restart(rig, {"a": facts}, after=0.03)
    rig.step(30)
    sent = b"".join(packet.payload for packet in phone.heard())
    assert sent == encode(samples, Law.PCMU).tobytes()[: len(sent)]
    assert len(sent) == 61 * FRAME


def test_a_recording_goes_on_in_its_file_with_silence_for_the_gap(rig: Rig, tmp_path: Path) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    record = Record("a", str(tmp_path / "a.wav"))
    for round_number in range(2):
        thread = threading.Thread(target=rig.disk.run)
        thread.start()
        if round_number == 0:
            rig.engine.record("a", record, rig.now)
            recorder = rig.engine.sessions["a"].recorder
            assert recorder is not None
            while not recorder.made:
                thread.join(0.001)
        talk(rig, phone, port, 100)
        if round_number == 0:
            facts = rig.facts("a", phone, record=record)
            rig.disk.stop()  # what is queued is written, what the loop holds is lost
            thread.join()
            phone.timestamp += 10 * FRAME
            restart(rig, {"a": facts}, after=0.2)
        else:
            rig.engine.close("a", rig.now, 0.0)
            rig.disk.stop()
            thread.join()
    with wave.open(str(tmp_path / "a.wav")) as found:
        spoken = np.frombuffer(found.readframes(1 << 20), "<i2").reshape(-1, FRAME).any(axis=1)
    assert len(spoken) == 212
    assert spoken[2:100].all()
    assert 10 <= (~spoken[100:]).sum() <= 12
    assert spoken[114:].all()


@pytest.mark.parametrize("after", [0.0, 0.02, 0.06, 0.5])
@pytest.mark.parametrize("spoken", [60, 71, 83])
def test_a_recording_holds_what_was_said_before_during_and_after_a_kill(
    rig: Rig, tmp_path: Path, after: float, spoken: int
) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    record = Record("a", str(tmp_path / "a.wav"))
    said = []

    def say() -> None:
        said.append(bytes((len(said) % 100 + 1,)) * FRAME)
        phone.say(said[-1], port)

    writer = threading.Thread(target=rig.disk.run)
    writer.start()
    rig.engine.record("a", record, rig.now)
    recorder = rig.engine.sessions["a"].recorder
    assert recorder is not None
    while not recorder.made:
        writer.join(0.001)
    for number in range(spoken):
        say()
        rig.step()
        if number == 40:  # some of it is on disk, the rest is lost with the process, the queue to the disk included
            rig.disk.stop()
            writer.join()
    for _ in range(round(after * 50)):
        say()  # nobody reads it: it waits in the kernel
    restart(rig, {"a": rig.facts("a", phone, record=record)}, after=after)
    writer = threading.Thread(target=rig.disk.run)
    writer.start()
    for _ in range(30):
        say()
        rig.step()
    rig.engine.close("a", rig.now, 0.0)
    rig.disk.stop()
    writer.join()
    with wave.open(str(tmp_path / "a.wav")) as found:
        heard = encode(np.frombuffer(found.readframes(1 << 20), "<i2"), Law.PCMU).tobytes()
    assert heard.lstrip(b"\xff")[: len(said) * FRAME].startswith(b"".join(said))
    assert list((rig.path.parent / "kept").iterdir()) == []


def test_a_kill_before_the_file_was_made_costs_none_of_the_recording(rig: Rig, tmp_path: Path) -> None:
    phone = rig.phone()
    port = rig.call("a", phone)
    record = Record("a", str(tmp_path / "a.wav"))
    rig.engine.record("a", record, rig.now)
    talk(rig, phone, port, 30)
    restart(rig, {"a": rig.facts("a", phone, record=record)}, after=0.02)
    writer = threading.Thread(target=rig.disk.run)
    writer.start()
    talk(rig, phone, port, 20)
    rig.engine.close("a", rig.now, 0.0)
    rig.disk.stop()
    writer.join()
    with wave.open(str(tmp_path / "a.wav")) as found:
        spoken = np.frombuffer(found.readframes(1 << 20), "<i2").reshape(-1, FRAME).any(axis=1)
    assert (~spoken).sum() <= 4  # the playout delay at its start, and the tick without a packet
