"""Calls whose peers hear each other: which media process a call's session is in, and how two come into one.

Media holds the bridges; what is here leads a call's session to where the other one is. The calls may be of two shards,
so the other's shard is asked where its session is. A session that is elsewhere is moved: from that moment on all that
concerns it is told to the new process, which keeps it until the session has come there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from actors.dialog.call import Agent, Call, replace
from actors.dialog.call_commands import AnswerCall, BridgeCall, PlaceCall, UnbridgeCall
from actors.dialog.call_parts import Media
from actors.dialog.call_replaces import CallReplaces
from actors.dialog.effects import Expect, Join, Move, Part, Report, TellShard
from actors.dialog.events import CommandDone
from actors.dialog.negotiation import process_for
from actors.dialog.shard_events import AskAudio, AudioTold
from actors.dialog.usage import Cells, Command, failure
from actors.runtime.machine import Effects


class CallBridges(CallReplaces):
    """Carries out the commands that concern the media processes of two calls."""

    def __init__(self, agent: Agent, cells: Cells) -> None:
        super().__init__(agent, cells)
        # Calls that are to be bridged, with those of other shards that are asked for; and which of these pairs are so
        # to both shards at once. A restart forgets them: then each call may come to where the other was, and is told.
        self._asking: set[tuple[str, str]] = set()
        self._crossed: set[tuple[str, str]] = set()

    @property
    def commands(self) -> Mapping[type, Command]:
        """Those of all calls, and those for bridges."""
        return {
            **super().commands,
            BridgeCall: self._bridge,
            UnbridgeCall: self._unbridge,
            PlaceCall: lambda command, now, wall: self._near(command, command.with_call, now, wall),
            AnswerCall: lambda command, now, wall: self._near(command, command.with_call, now, wall),
        }

    @property
    def between(self) -> Mapping[type, Callable[[Any, float, float], Effects]]:
        """What other dialog shards tell us of calls that concern each other."""
        return {**super().between, AskAudio: self._tell_audio, AudioTold: self._told_audio}

    def _bridge(self, command: BridgeCall, now: float, wall: float) -> Effects:
        media = self._audio_of(command)
        if not isinstance(media, Media):
            return media
        if command.other == command.call:
            return failure(command.ref, "bad_value", "a call is not bridged with itself")
        return self._near(command, command.other, now, wall)

    def _unbridge(self, command: UnbridgeCall, _now: float, _wall: float) -> Effects:
        media = self._audio_of(command)
        if not isinstance(media, Media):
            return media
        return (Report(CommandDone(command.ref)), Part(media.process, media.session))

    # Where the other call is.

    def _near(self, command: BridgeCall | PlaceCall | AnswerCall, other: str, now: float, wall: float) -> Effects:
        """Carry a command out that brings a call to where another is; the other's shard says where that is."""
        if not other:
            return self._go_there(command, None, now, wall)
        owner = self.agent.shard_of(other)
        if owner != self.agent.shard:
            if isinstance(command, BridgeCall):
                self._asking.add((command.call, other))
            return (TellShard(owner, AskAudio(self.agent.shard, command, other)),)
        return self._told_audio(self._audio_beside(command, other), now, wall)

    def _audio_beside(self, command: BridgeCall | PlaceCall | AnswerCall, other: str) -> AudioTold:
        call = self._of_id(other)
        if call is None:
            return AudioTold(command, code="no_such_call", text=f"there is no call {other}")
        if isinstance(command, BridgeCall) and (not call.media.open or call.media.agreed is None):
            return AudioTold(command, code="bad_state", text=f"the call {other} has no audio yet")
        return AudioTold(command, process_for(call, self.agent), call.media.session)

    def _tell_audio(self, ask: AskAudio, _now: float, _wall: float) -> Effects:
        if isinstance(ask.command, BridgeCall) and (ask.other, ask.command.call) in self._asking:
            self._crossed.add((ask.other, ask.command.call))
        return (TellShard(ask.shard, self._audio_beside(ask.command, ask.other)),)

    def _told_audio(self, told: AudioTold, now: float, wall: float) -> Effects:
        crossed = isinstance(told.command, BridgeCall) and self._has_crossed(told.command)
        if told.code:
            return failure(told.command.ref, told.code, told.text)
        if crossed:
            return (Report(CommandDone(told.command.ref)),)
        return self._go_there(told.command, told, now, wall)

    def _has_crossed(self, command: BridgeCall) -> bool:
        """Whether the other call is on its way to ours, by a command that crossed this one.

        Both shards know of both then, as each had asked before it answered: the call of the lower id stays, or they
        would change places.
        """
        pair = (command.call, command.other)
        crossed = pair in self._crossed and command.call < command.other
        self._asking.discard(pair)
        self._crossed.discard(pair)
        return crossed

    def _go_there(
        self, command: BridgeCall | PlaceCall | AnswerCall, there: AudioTold | None, now: float, wall: float
    ) -> Effects:
        """The other's place is known, or none is wanted; our call may have come on meanwhile, and looked at again."""
        process = None if there is None else there.process
        if isinstance(command, PlaceCall):
            return self._place(command, now, wall, process)
        if isinstance(command, AnswerCall):
            effects = self._decide(command, now, wall)
            done = bool(effects) and effects[0] == Report(CommandDone(command.ref))
            call = self._of_id(command.call) if done and process is not None else None
            return effects if call is None or process is None else effects + self._led(call, process)
        media = self._audio_of(command)
        call = self._of_id(command.call)
        if not isinstance(media, Media) or call is None or there is None:
            return media if not isinstance(media, Media) else ()
        join = Join(there.process, media.session, there.session, command.keys)
        return (Report(CommandDone(command.ref)), *self._led(call, there.process), join)

    def _led(self, call: Call, process: int) -> Effects:
        """Have the session of a call move to another media process, if it is not there."""
        media = call.media
        if media.process == process or not media.open:
            return ()
        after = replace(call, media=replace(media, process=process, chosen=True))
        self._cells.put(after.key, after, after.next_deadline)
        return Expect(process, media.session), Move(media.process, media.session, process)
