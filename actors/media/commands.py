"""What dialog shards ask of sessions, carried out: into the engine, and into the cells for a successor."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from actors.media import ring_back
from actors.media.events import (
    RING,
    CloseSession,
    Echo,
    Noticed,
    PausePlaying,
    Play,
    PlayFinished,
    PrepareSession,
    Record,
    SeekPlaying,
    SendDigits,
    SessionPrepared,
    SessionRefused,
    StartSession,
    StopPlaying,
    UseDevice,
)
from actors.media.facts import Facts
from actors.media.held import Held, key_of
from actors.runtime.machine import Event

# Commands that wait for their keys to be pressed.
_MOST_KEYS = 32
# Files and tones that wait to be played.
_MOST_PLAYS = 100

# Carries a command out: who asks, the session's key, its facts, the command, the time.
Order = Callable[[str, bytes, Any, Any, float], None]


class Commands:
    """Carries out commands for one session each.

    Args:
        held: the sessions.
    """

    def __init__(self, held: Held) -> None:
        self._held = held

    @property
    def orders(self) -> Mapping[type[Event], Order]:
        """What carries out each."""
        return {
            PrepareSession: self._on_prepare,
            StartSession: self._on_start,
            Play: self._on_play,
            StopPlaying: self._on_stop_playing,
            PausePlaying: self._on_pause,
            SeekPlaying: self._on_seek,
            Record: self._on_record,
            Echo: self._on_echo,
            UseDevice: self._on_device,
            SendDigits: self.press,
            CloseSession: self._on_close,
        }

    def _on_prepare(self, peer: str, key: bytes, facts: Facts | None, message: PrepareSession, now: float) -> None:
        held = self._held
        if facts is None:
            if ":" in message.host and not held.ports.v6:
                held.tell(peer, SessionRefused(message.session, "the RTP ports are of IPv4"))
                return
            session = held.engine.prepare(message.session, now, message.call)
            if session is None:
                held.tell(peer, SessionRefused(message.session, "no RTP ports are left"))
                return
            facts = Facts(peer, session.pair.port, message.host, session.identity, call=message.call)
            held.cells.put(key, facts)
        held.tell(peer, SessionPrepared(message.session, facts.host, facts.port))

    def _on_start(self, peer: str, key: bytes, facts: Facts, message: StartSession, now: float) -> None:
        held = self._held
        try:
            held.engine.start(message.session, message, now)
        except ValueError as error:
            held.tell(peer, SessionRefused(message.session, str(error)))
            return
        if facts.device is not None and facts.device.device == RING:
            facts = replace(facts, device=None)
            held.devices.disconnect(message.session)
        held.cells.put(key, replace(facts, start=message))

    def _on_play(self, peer: str, key: bytes, facts: Facts, message: Play, _now: float) -> None:
        held = self._held
        held.helpers.need(None, message)
        waits = message.queue and facts.play is not None
        if waits and len(facts.queued) >= _MOST_PLAYS:
            held.tell(peer, PlayFinished(message.session, message.path, "too many files wait to be played"))
            return
        held.engine.play(message.session, message)
        if waits:
            held.cells.put(key, replace(facts, queued=(*facts.queued, message)))
        else:
            plays = held.engine.sessions[message.session].plays
            held.cells.put(key, replace(facts, play=message, queued=(), plays=plays, paused=False))

    def _on_stop_playing(self, _peer: str, key: bytes, facts: Facts, message: StopPlaying, _now: float) -> None:
        self._held.cells.put(key, replace(facts, play=None, queued=(), paused=False))
        self._held.engine.stop(message.session)

    def _on_pause(self, _peer: str, key: bytes, facts: Facts, message: PausePlaying, _now: float) -> None:
        self._held.cells.put(key, replace(facts, paused=message.paused))
        self._held.engine.pause(message.session, message.paused)

    def _on_seek(self, _peer: str, _key: bytes, _facts: Facts, message: SeekPlaying, _now: float) -> None:
        self._held.engine.seek(message.session, message.position)

    def _on_record(self, _peer: str, key: bytes, facts: Facts, message: Record, now: float) -> None:
        held = self._held
        held.cells.put(key, replace(facts, record=message if message.path else None))
        held.helpers.need(message, None)
        held.engine.record(message.session, message, now)

    def _on_echo(self, _peer: str, key: bytes, facts: Facts, message: Echo, _now: float) -> None:
        self._held.cells.put(key, replace(facts, echo=True))
        self._held.engine.echo(message.session)

    def _on_device(self, peer: str, key: bytes, facts: Facts, message: UseDevice, _now: float) -> None:
        held = self._held
        device = ring_back.following(facts.device, message)
        if message.stage and device == facts.device:
            return
        held.cells.put(key, replace(facts, device=device))
        if device is None:
            held.devices.disconnect(message.session)
        else:
            held.devices.connect(peer, device)

    def listen(self) -> None:
        """Whoever of the peers of calls out said something is heard from now on, and hears."""
        held = self._held
        for session in held.devices.heard():
            facts = held.facts(session)
            assert facts is not None
            assert facts.device is not None
            device = ring_back.heard(facts.device)
            held.cells.put(key_of(session), replace(facts, device=device))
            held.devices.connect(facts.owner, device)

    def press(self, peer: str, key: bytes, facts: Facts, message: SendDigits, _now: float) -> None:
        """Press keys after those that are to be pressed."""
        held = self._held
        if len(facts.keys) >= _MOST_KEYS:
            held.tell(peer, Noticed(message.session, "keys_dropped", "too many keys wait to be pressed"))
            return
        held.cells.put(key, replace(facts, keys=(*facts.keys, message)))
        held.engine.press(message.session, message.digits.upper(), message.duration)

    def _on_close(self, peer: str, key: bytes, facts: Facts, message: CloseSession, now: float) -> None:
        held = self._held
        closed = held.engine.close(message.session, now, time.time())
        if closed is None:
            # The recording is being ended; the tick tells when it is.
            held.cells.put(key, replace(facts, closing=True))
        else:
            held.end(key, peer, closed)
