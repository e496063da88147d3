"""Bridges: sessions that hear each other. What their peers say in a tick is what each of the others says in it. Pure.

A tick mixes all bridges at once: samples decoded by codec, one matrix a rate, of each bridge the sum, of which every
member says all but its own part, encoded by codec. So a bridge of two passes on and one of more is a conference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from actors.media.g711 import DECODED, Law, decode, encode
from actors.media.pieces import FRAME
from actors.media.resample import Resampler, Samples

FRAMES_A_SECOND = 50
_LAWS = tuple(map(int, Law))


class Bridging(Protocol):
    """The session of a member, as its bridge sees it.

    Attributes:
        key, call: its id, and that of its call.
        rate: samples a second of what it hears and says.
        member: its place in a bridge, None while it is in none.
    """

    key: str
    call: str
    rate: int
    member: Member | None

    @property
    def form(self) -> int:
        """The law or the kHz of a frame that it sends."""


class Member:
    """A session in a bridge.

    Args:
        session: which.
        bridge: the name of the bridge.
        keys: keys that the others' peers press are pressed here, too.

    Attributes:
        heard, form: what its peer says in the tick under way: codes of a law, or samples at its rate; 0 for nothing.
        said: what the others say in it, 20 ms at its rate; None while all of them are silent.
        payload: the same as the session sends it.
    """

    __slots__ = ("_ways", "bridge", "form", "heard", "keys", "payload", "said", "session")

    def __init__(self, session: Bridging, bridge: str, *, keys: bool) -> None:
        self.session = session
        self.bridge = bridge
        self.keys = keys
        self.heard = b""
        self.form = 0
        self.said: Samples | None = None
        self.payload: bytes | None = None
        self._ways: dict[int, Resampler] = {}

    def hear(self, frame: bytes, form: int) -> None:
        """Take what the peer says in this tick; what was mixed for the last one is over."""
        self.heard, self.form = frame, form
        self.said = self.payload = None

    def at(self, rate: int) -> Samples | None:
        """What its peer says, at any rate; None while it says nothing."""
        if not self.form:
            self._ways.clear()  # what a resampler holds back of the sound before a pause is not heard after it
            return None
        law = self.form in _LAWS
        samples = decode(np.frombuffer(self.heard, np.uint8), self.form) if law else np.frombuffer(self.heard, np.int16)
        own = 8000 if law else self.session.rate
        if own == rate:
            return samples
        way = self._ways.get(rate)
        if way is None:
            way = self._ways[rate] = Resampler(own, rate)
        return way.process(samples)

    def mixed(self, payload: bytes) -> bytes:
        """A frame that the session would send by itself, with what the others say."""
        if self.said is None:
            return payload
        form = self.session.form
        own = DECODED[form][np.frombuffer(payload, np.uint8)] if form in _LAWS else np.frombuffer(payload, np.int16)
        both = np.clip(self.said.astype(np.int32) + own, -32768, 32767).astype(np.int16)
        return encode(both, form).tobytes() if form in _LAWS else both.tobytes()


class _Rate(NamedTuple):
    """What is mixed at one rate.

    Attributes:
        sources: members of the bridges in which somebody says it at this rate, bridge by bridge.
        starts: where each bridge begins among them.
        bridge: the number of each one's bridge.
        listeners: those of the sources that say it at this rate.
    """

    sources: list[Member]
    starts: npt.NDArray[np.intp]
    bridge: npt.NDArray[np.intp]
    listeners: npt.NDArray[np.intp]


class Bridges:
    """All bridges of a process."""

    def __init__(self) -> None:
        self._bridges: dict[str, list[Member]] = {}
        self._rates: dict[int, _Rate] | None = None

    def __bool__(self) -> bool:
        return bool(self._bridges)

    def __getitem__(self, name: str) -> tuple[Member, ...]:
        return tuple(self._bridges.get(name, ()))

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._bridges))

    def join(self, session: Bridging, name: str, *, keys: bool = False) -> None:
        """Put a session into a bridge; it is in no other then."""
        self.leave(session)
        session.member = Member(session, name, keys=keys)
        self._bridges.setdefault(name, []).append(session.member)
        self.changed()

    def leave(self, session: Bridging) -> str:
        """Take a session out of its bridge, whose name that is; empty where it was in none."""
        member, session.member = session.member, None
        if member is None:
            return ""
        members = self._bridges[member.bridge]
        members.remove(member)
        if not members:
            del self._bridges[member.bridge]
        self.changed()
        return member.bridge

    def changed(self) -> None:
        """Members came or went, or speak at another rate."""
        self._rates = None

    def mix(self) -> None:
        """Give each member what the others said in this tick."""
        if self._rates is None:
            self._rates = self._planned()
        for rate, plan in self._rates.items():
            _mix(plan, rate)

    def _planned(self) -> dict[int, _Rate]:
        rates = {member.session.rate for members in self._bridges.values() for member in members}
        return {rate: self._plan(rate) for rate in rates}

    def _plan(self, rate: int) -> _Rate:
        bridges = [each for each in self._bridges.values() if any(member.session.rate == rate for member in each)]
        sources = [member for members in bridges for member in members]
        sizes = [len(members) for members in bridges]
        listeners = [at for at, member in enumerate(sources) if member.session.rate == rate]
        return _Rate(
            sources,
            np.cumsum([0, *sizes[:-1]], dtype=np.intp),
            np.repeat(np.arange(len(sizes)), sizes),
            np.array(listeners, np.intp),
        )


def _mix(plan: _Rate, rate: int) -> None:
    sources = plan.sources
    samples = _samples(sources, rate)
    loud = np.array([bool(member.form) for member in sources])
    others = np.add.reduceat(samples, plan.starts)[plan.bridge[plan.listeners]] - samples[plan.listeners]
    heard = np.add.reduceat(loud.astype(np.intp), plan.starts)[plan.bridge] - loud
    said = np.clip(others, -32768, 32767).astype(np.int16)
    told = [(sources[at], row) for row, at in enumerate(plan.listeners.tolist()) if heard[at]]
    for member, row in told:
        member.said = said[row]
    for form in {member.session.form for member, _ in told}:
        which = [(member, row) for member, row in told if member.session.form == form]
        frames = said[[row for _, row in which]]
        coded = encode(frames, form) if form in _LAWS else frames
        for (member, _), frame in zip(which, coded, strict=True):
            member.payload = frame.tobytes()


def _samples(sources: list[Member], rate: int) -> npt.NDArray[np.int32]:
    """Sources x samples of 20 ms, zeros of who is silent."""
    samples = np.zeros((len(sources), rate // FRAMES_A_SECOND), np.int32)
    plain = _LAWS if rate == 8000 else ()
    for law in plain:
        rows = [at for at, member in enumerate(sources) if member.form == law]
        if rows:
            codes = b"".join([sources[at].heard for at in rows])
            samples[rows] = DECODED[law][np.frombuffer(codes, np.uint8).reshape(len(rows), FRAME)]
    for at, member in enumerate(sources):
        if member.form not in plain and (made := member.at(rate)) is not None:
            size = min(len(made), samples.shape[1])
            samples[at, :size] = made[:size]
    return samples
