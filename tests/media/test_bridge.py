"""Sessions in a bridge hear each other: whatever their formats, in the tick in which it was said, over kills."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.media.bridge import Bridges, Member
from actors.media.events import Bridged, Format, Play, Record, StartSession
from actors.media.g711 import DECODED, Law, decode, encode
from actors.media.pieces import FRAME
from actors.media.session import QUIET
from tests.media.rig import PCMA, PCMU, WALL, Rig

L16 = Format(96, "L16", 16_000)
LEVEL = 8000


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        yield rig


def tone(hertz: int, tick: int, rate: int = 8000, level: int = LEVEL) -> npt.NDArray[np.int16]:
    size = rate // 50
    at = np.arange(tick * size, (tick + 1) * size)
    sound: npt.NDArray[np.int16] = np.rint(level * np.sin(2 * np.pi * hertz * at / rate)).astype(np.int16)
    return sound


def codes(hertz: int, tick: int, law: Law = Law.PCMU, level: int = LEVEL) -> bytes:
    return encode(tone(hertz, tick, level=level), law).tobytes()


def level_of(sound: npt.NDArray[Any], hertz: int, rate: int = 8000) -> float:
    """The amplitude of a frequency in a sound."""
    at = np.arange(len(sound))
    return float(2 * abs(np.mean(sound * np.exp(-2j * np.pi * hertz * at / rate))))


class Call:
    """A session and its phone, which says a tone of its own all the time."""

    def __init__(self, rig: Rig, key: str, hertz: int, form: Format = PCMU, *, ptime: int = 20, **more: Any) -> None:
        self.rig, self.key, self.hertz, self.form = rig, key, hertz, form
        self.phone = rig.phone(ssrc=hertz)
        if form is L16:
            start = StartSession(key, self.phone.host, self.phone.port, form, (form,), "sendrecv", ptime)
            session = rig.engine.prepare(key, rig.now, f"call-{key}")
            assert session is not None
            rig.engine.start(key, start, rig.now)
        else:
            rig.call(key, self.phone, form, ptime=ptime, **more)
            session = rig.engine.sessions[key]
            session.call = f"call-{key}"
        self.port = session.pair.port
        self.sound: list[npt.NDArray[np.int16]] = []
        self.tick = 0

    @property
    def rate(self) -> int:
        return self.form.clock_rate

    def say(self) -> None:
        sound = tone(self.hertz, self.tick, self.rate)
        self.tick += 1
        if self.form is L16:
            self.phone.say(sound.astype(">i2").tobytes(), self.port, payload_type=96)
            self.phone.timestamp -= FRAME * 2  # two octets a sample
        else:
            law = Law.PCMU if self.form is PCMU else Law.PCMA
            self.phone.say(encode(sound, law).tobytes(), self.port, payload_type=self.form.payload_type)

    def listen(self) -> list[bytes]:
        payloads = [packet.payload for packet in self.phone.heard()]
        for payload in payloads:
            if self.form is L16:
                self.sound.append(np.frombuffer(payload, ">i2").astype(np.int16))
            else:
                law = Law.PCMU if self.form is PCMU else Law.PCMA
                self.sound.append(decode(np.frombuffer(payload, np.uint8), law))
        return payloads

    def level(self, hertz: int, ticks: int = 25) -> float:
        """Of a frequency in what was heard last."""
        return level_of(np.concatenate(self.sound)[-ticks * self.rate // 50 :], hertz, self.rate)


def talk(rig: Rig, *calls: Call, ticks: int = 50) -> None:
    for _ in range(ticks):
        for call in calls:
            call.say()
        rig.step()
        for call in calls:
            call.listen()


def bridged(rig: Rig) -> dict[str, tuple[str, ...]]:
    """Who was told last to hear whom."""
    return {key: event.others for key, event in rig.events() if isinstance(event, Bridged)}


@pytest.mark.parametrize(
    ("one", "other"), [(PCMU, PCMU), (PCMU, PCMA), (PCMA, PCMA), (PCMU, L16), (L16, PCMA), (L16, L16)]
)
@pytest.mark.parametrize("ptimes", [(20, 20), (30, 10)])
def test_two_hear_each_other_whatever_they_speak(rig: Rig, one: Format, other: Format, ptimes: tuple[int, int]) -> None:
    a, b = Call(rig, "a", 500, one, ptime=ptimes[0]), Call(rig, "b", 900, other, ptime=ptimes[1])
    talk(rig, a, b, ticks=10)
    rig.engine.bridge("a", "b")
    assert bridged(rig) == {"a": ("call-b",), "b": ("call-a",)}
    talk(rig, a, b)
    assert a.level(900) == pytest.approx(LEVEL, rel=0.03)
    assert b.level(500) == pytest.approx(LEVEL, rel=0.03)
    assert max(a.level(500), b.level(900)) < LEVEL / 100  # and nobody hears himself


def test_codes_of_one_law_pass_bit_for_bit_in_the_tick_in_which_an_echo_would(rig: Rig) -> None:
    phones = {key: rig.phone() for key in ("a", "b", "echo")}
    ports = {key: rig.call(key, phone) for key, phone in phones.items()}
    rig.engine.echo("echo")
    rig.engine.bridge("b", "a")
    heard: dict[str, list[bytes]] = {"b": [], "echo": []}
    for tick in range(60):
        for key, phone in phones.items():
            phone.say(bytes([tick]) * FRAME, ports[key])
        rig.step()
        for key, found in heard.items():
            found += [packet.payload for packet in phones[key].heard()]
    assert heard["b"] == heard["echo"]
    assert heard["b"][20:] == [bytes([tick]) * FRAME for tick in range(heard["b"][20][0], heard["b"][20][0] + 40)]


def test_each_of_three_hears_both_others(rig: Rig) -> None:
    calls = [Call(rig, "a", 500), Call(rig, "b", 900, PCMA), Call(rig, "c", 1300, L16)]
    talk(rig, *calls, ticks=10)
    rig.engine.bridge("a", "b")
    rig.events()
    rig.engine.bridge("c", "a")
    assert bridged(rig) == {
        "a": ("call-b", "call-c"),
        "b": ("call-a", "call-c"),
        "c": ("call-b", "call-a"),
    }
    talk(rig, *calls)
    for call in calls:
        for other in calls:
            wanted = 0 if other is call else LEVEL
            assert call.level(other.hertz) == pytest.approx(wanted, abs=LEVEL / 30)


def test_who_leaves_hears_nobody_and_the_last_one_left_is_in_no_bridge(rig: Rig) -> None:
    calls = [Call(rig, key, hertz) for key, hertz in (("a", 500), ("b", 900), ("c", 1300))]
    rig.engine.bridge("a", "b")
    rig.engine.bridge("c", "b")
    talk(rig, *calls, ticks=20)
    rig.events()
    rig.engine.part("b")
    assert bridged(rig) == {"b": (), "a": ("call-c",), "c": ("call-a",)}
    rig.engine.close("c", rig.now, WALL)
    assert bridged(rig) == {"a": ()}
    assert not rig.engine.floor.bridges
    a, b, _ = calls
    talk(rig, a, b)
    assert a.level(900) == b.level(500) == 0.0


def test_who_joins_another_bridge_leaves_its_own(rig: Rig) -> None:
    for key, hertz in (("a", 500), ("b", 900), ("c", 1300)):
        Call(rig, key, hertz)
    rig.engine.bridge("a", "b")
    rig.events()
    rig.engine.bridge("a", "b")
    assert bridged(rig) == {"a": ("call-b",), "b": ("call-a",)}
    rig.engine.bridge("a", "c")
    assert bridged(rig) == {"a": ("call-c",), "b": (), "c": ("call-a",)}
    assert rig.engine.beside("a") == ("c",)
    assert rig.engine.beside("b") == ()


def test_a_session_that_nobody_speaks_to_does_not_rest_in_a_bridge(rig: Rig) -> None:
    a, b = Call(rig, "a", 500), Call(rig, "b", 900)
    rig.engine.bridge("a", "b")
    talk(rig, a, ticks=QUIET // FRAME + 20)
    talk(rig, a, b, ticks=1)
    assert b.level(500) == pytest.approx(LEVEL, rel=0.03)


def test_who_is_held_or_muted_hears_no_other_but_what_is_played_to_it(rig: Rig) -> None:
    a, b = Call(rig, "a", 500), Call(rig, "b", 900)
    rig.engine.bridge("a", "b")
    talk(rig, a, b, ticks=20)
    b_session = rig.engine.sessions["b"]
    b_session.muted = True
    talk(rig, a, b)
    assert b.level(500) == 0.0
    assert a.level(900) == pytest.approx(LEVEL, rel=0.03)
    b_session.muted, b_session.held = False, True
    rig.engine.play("b", Play("b", "tone:700"))
    talk(rig, a, b)
    assert b.level(500) < LEVEL / 100
    assert b.level(700) > LEVEL / 10


def test_a_tone_that_is_played_is_heard_with_the_others(rig: Rig) -> None:
    a, b = Call(rig, "a", 500), Call(rig, "b", 900, L16)
    rig.engine.bridge("a", "b")
    talk(rig, a, b, ticks=10)
    for key in "ab":
        rig.engine.play(key, Play(key, "tone:700"))
    talk(rig, a, b)
    for call, hertz in ((a, 900), (b, 500)):
        assert call.level(hertz) == pytest.approx(LEVEL, rel=0.03)
        assert call.level(700) > LEVEL / 10


class Speaker:
    """A session of no engine."""

    member: Member | None = None

    def __init__(self, key: str, rate: int, form: int) -> None:
        self.key = self.call = key
        self.rate, self.form = rate, form


@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from([1, 2, 8]), st.one_of(st.none(), st.integers(0, 255))), min_size=1, max_size=5
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=60, deadline=None)
def test_each_says_the_sum_of_the_others_of_its_own_bridge(bridges: list[list[tuple[int, int | None]]]) -> None:
    """A constant each, so that the sum can be known: by law, or linear; None is silent."""
    them = Bridges()
    values: dict[str, list[tuple[Speaker, int | None]]] = {}
    for number, members in enumerate(bridges):
        for at, (form, code) in enumerate(members):
            speaker = Speaker(f"{number}.{at}", 8000, form)
            them.join(speaker, str(number))
            value = None if code is None else int(DECODED[form][code]) if form < 8 else code * 64
            assert speaker.member is not None
            if code is None:
                speaker.member.hear(b"", 0)
            elif form == 8:
                speaker.member.hear(np.full(FRAME, code * 64, np.int16).tobytes(), 8)
            else:
                speaker.member.hear(bytes([code]) * FRAME, form)
            values.setdefault(str(number), []).append((speaker, value))
    them.mix()
    for members_ in values.values():
        for speaker, _ in members_:
            others = [value for other, value in members_ if other is not speaker and value is not None]
            assert speaker.member is not None
            said = speaker.member.said
            if others:
                assert said is not None
                assert set(said.tolist()) == {max(-32768, min(32767, sum(others)))}
                assert len(speaker.member.payload or b"") == (FRAME if speaker.form < 8 else 2 * FRAME)
            else:
                assert said is None
                assert speaker.member.payload is None


def test_a_bridge_goes_on_after_a_kill(rig: Rig) -> None:
    a, b, c = Call(rig, "a", 500), Call(rig, "b", 900), Call(rig, "c", 1300)
    rig.engine.bridge("a", "b")
    rig.engine.bridge("c", "b")
    talk(rig, a, b, c, ticks=20)
    facts = {
        call.key: rig.facts(call.key, call.phone, bridge=rig.engine.bridge_of(call.key), call=f"call-{call.key}")
        for call in (a, b, c)
    }
    rig.kill()
    rig.now += 0.03
    rig.begin()
    assert rig.engine.restore(facts, rig.now) == {}
    assert bridged(rig) == {}
    assert rig.engine.bridge_of("a") == rig.engine.bridge_of("b") == rig.engine.bridge_of("c")
    talk(rig, a, b, c)
    for call in (a, b, c):
        for other in (a, b, c):
            wanted = 0 if other is call else LEVEL
            assert call.level(other.hertz) == pytest.approx(wanted, abs=LEVEL / 30)


def test_who_is_alone_in_a_bridge_after_a_kill_is_in_none(rig: Rig) -> None:
    a, b = Call(rig, "a", 500), Call(rig, "b", 900)
    rig.engine.bridge("a", "b")
    talk(rig, a, b, ticks=5)
    facts = {"a": rig.facts("a", a.phone, bridge=rig.engine.bridge_of("a"))}
    rig.kill()
    rig.begin()
    assert rig.engine.restore(facts, rig.now) == {}
    assert bridged(rig) == {"a": ()}
    assert rig.engine.bridge_of("a") is None


def test_a_member_whose_step_breaks_is_lost_alone(rig: Rig) -> None:
    a, b, c = Call(rig, "a", 500), Call(rig, "b", 900), Call(rig, "c", 1300)
    rig.engine.bridge("a", "b")
    rig.engine.bridge("c", "b")
    talk(rig, a, b, c, ticks=20)
    broken = rig.engine.sessions["b"]
    broken.peer.buffer = object()  # type: ignore[assignment]
    talk(rig, a, c)
    assert "b" not in rig.engine.sessions
    assert a.level(1300) == pytest.approx(LEVEL, rel=0.03)
    assert c.level(500) == pytest.approx(LEVEL, rel=0.03)


def test_both_sides_of_a_bridged_call_are_recorded(rig: Rig, tmp_path: Path) -> None:
    a, b = Call(rig, "a", 500), Call(rig, "b", 900)
    rig.engine.bridge("a", "b")
    talk(rig, a, b, ticks=10)
    path = tmp_path / "both.wav"
    rig.engine.record("a", Record("a", str(path), "stereo"), rig.now)
    talk(rig, a, b)
    rig.engine.record("a", Record("a", ""), rig.now)
    rig.step(2)
    rig.disk.stop()
    rig.disk.run()
    with wave.open(str(path)) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    tail = sound[-4000:]
    assert level_of(tail[:, 0], 500) == pytest.approx(LEVEL, rel=0.05)
    assert level_of(tail[:, 1], 900) == pytest.approx(LEVEL, rel=0.05)
