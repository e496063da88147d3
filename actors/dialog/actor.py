"""The shell of the user agent: pipes to transaction, transport, media and control; the journal's cells."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar, get_args

import actors.media.events as media
import actors.transaction.events as transaction
import actors.transport.events as transport
from actors.dialog import call_commands, events
from actors.dialog.call import Call, replace
from actors.dialog.call_parts import Totals
from actors.dialog.effects import (
    Cancel,
    Carry,
    Close,
    Expect,
    Find,
    Join,
    KeepFlow,
    LetFlowGo,
    Move,
    Part,
    Prepare,
    Press,
    PutBehind,
    Reply,
    ReplyDirect,
    Report,
    Send,
    SendAck,
    Start,
    Steer,
    TellShard,
    Treat,
)
from actors.dialog.feed import Feed
from actors.dialog.guard import Used
from actors.dialog.limits import Limits
from actors.dialog.mailbox import Mailbox
from actors.dialog.names import Names
from actors.dialog.outgoing import Outgoing
from actors.dialog.publication import Publication
from actors.dialog.qualify import Qualify
from actors.dialog.referral import Referral
from actors.dialog.registration import Registration
from actors.dialog.shard_events import BetweenShards
from actors.dialog.shared_pages import SharedPages
from actors.dialog.subscription import Subscription
from actors.dialog.user_agent import UserAgent
from actors.runtime.actor import LayerActor, run
from actors.runtime.context import Context
from actors.runtime.machine import Effects
from actors.runtime.mailbox import clock
from actors.runtime.plugins import load
from actors.runtime.slots import Slots
from actors.sip.build import build_refusal
from actors.sip.hooks import Hook
from actors.sip.offer_answer import Codec

_SECRET = b"secret"
_DRAINING = b"draining"
_REFUSAL = b"refusal"


class DialogActor(LayerActor):
    """One shard of the user agent."""

    accepts: ClassVar[Mapping[str, Any]] = {
        "transaction": transaction.ToUser,
        "transport": transport.ToDialog,
        "media": media.ToDialog,
        "control": events.FromControl,
        "dialog": BetweenShards,
    }
    cell_type: ClassVar[Any] = (
        Call | Registration | Outgoing | Subscription | Publication | Qualify | Feed | Mailbox | Used | Referral
    )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._number = int(context.name.partition("-")[2])
        self._transaction = f"transaction-{self._number}"
        self._asked: transaction.RequestReceived | None = None
        self._leaving = False
        self._user_agent: UserAgent
        self._receivers: dict[Any, Callable[[Any, float, float], Effects]]
        self._doing = self._deeds()
        self._pages = SharedPages(context.run_dir / "limits")

    def started(self) -> None:
        """Take up the secret of our tags; the calls stay in their cells until they are asked for."""
        secret = self.kept(_SECRET)
        if secret is None:
            secret = os.urandom(32)
            self.keep(_SECRET, secret)
        slots = Slots(self.context.settings.shards)
        names = Names(secret, lambda call: slots.shard(call) == self._number)
        draining = self.kept(_DRAINING) == b"1"
        agent = self._user_agent = UserAgent(self.context.settings, names, self.cells, draining=draining)
        agent.agent.refusal = int(self.kept(_REFUSAL) or b"0")
        agent.agent.random = secrets.token_bytes
        agent.agent.shard, agent.agent.shard_of = self._number, slots.shard
        agent.agent.limits = Limits(self._pages, self._number, self.context.settings.shards)
        if self.context.settings.hook:
            self._change_what_is_sent(self.context.settings.hook)
        self._receivers = self._led_to(agent)
        self.defer(agent.calls.count_used)
        self._carry_out(agent.begin(clock(), time.time()))
        if self.context.settings.former:
            self._each(agent.renewed)

    def _led_to(self, agent: UserAgent) -> dict[Any, Callable[[Any, float, float], Effects]]:
        """What each message comes to, but for the commands that the user agent leads itself."""
        calls = agent.calls
        return {
            transaction.RequestReceived: self._take_request,
            transaction.CancelReceived: lambda m, now, wall: agent.cancelled(m.key, now, wall, m.head.to_tag),
            transaction.AckReceived: lambda m, now, wall: agent.acknowledged(m.head, m.raw, now, wall),
            transaction.ResponseReceived: lambda m, now, wall: agent.response(m.key, m.head, m.raw, now, wall),
            transaction.TransactionFailed: lambda m, now, wall: agent.failed(
                m.key, m.status, m.reason, now, wall, client=m.client
            ),
            transport.Located: lambda m, now, wall: agent.located(m.ref, m.candidates, m.reason, now, wall),
            transport.FlowDead: lambda m, now, wall: agent.flow_dead(m.owner, m.token, now, wall),
            transport.NetworkChanged: lambda m, _, __: self._each(agent.network_changed, frozenset(m.gone)),
            media.SessionPrepared: lambda m, now, wall: calls.prepared(m.session, m.host, m.port, now, wall),
            media.SessionRefused: lambda m, now, wall: calls.session_refused(m.session, m.reason, now, wall),
            media.SessionLost: lambda m, now, wall: calls.session_lost(m.session, m.reason, now, wall),
            media.SessionClosed: lambda m, now, wall: calls.session_closed(m.session, _totals(m), now, wall),
            media.PlayFinished: lambda m, now, wall: calls.played(m.session, m.path, m.error, now, wall),
            media.RecordFailed: lambda m, now, wall: calls.unrecorded(m.session, m.path, m.error, now, wall),
            media.Bridged: lambda m, _, wall: calls.bridged(m.session, m.others, m.reason, wall),
            media.SessionExported: lambda m, _, __: (Carry(m.to, m.session, m.state),),
            media.DigitReceived: lambda m, _, wall: calls.pressed(m.session, m.digit, m.duration, m.method, wall),
            media.Noticed: lambda m, _, wall: calls.noticed(m.session, m.kind, m.text, wall),
            events.Drain: self._begin_or_end_drain,
            events.DoNotDisturb: self._refuse_or_let_in,
            **dict.fromkeys(get_args(BetweenShards), agent.word),
        }

    def handle(self, peer: str, message: Any, now: float) -> None:  # noqa: ANN401
        """Lead one message to its call and carry out what follows."""
        if peer == "control":  # a command, for whose answer a client waits
            self.mailbox.moderation.awaited(now)
        receiver = self._receivers.get(type(message)) or self._user_agent.command
        self._carry_out(receiver(message, now, time.time()))

    def expire(self, key: bytes, now: float) -> None:
        """The deadline of a call is past."""
        self._carry_out(self._user_agent.expire(key, now, time.time()))

    def peer_reset(self, peer: str, now: float) -> None:  # noqa: ARG002
        """A peer lost all it held: what of our calls stood on it has failed."""
        layer, _, number = peer.partition("-")
        if layer == "media":
            self._each(self._user_agent.calls.media_lost, int(number))
        elif layer == "transaction":
            self._each(self._user_agent.transactions_lost)
        elif layer == "dialog":
            self._each(self._user_agent.shard_lost, int(number))

    def spoiled(self, key: bytes, cell: Any, error: BaseException, now: float) -> None:  # noqa: ANN401, ARG002
        """A step broke on a cell: answer what asked for it, and say goodbye for the cell.

        One of which nothing is left that can be believed is as if it had never been: 481 to a request in it.
        """
        self._user_agent.calls.recount()
        self.defer(self._user_agent.calls.count_used)
        asked, self._asked = self._asked, None
        if asked is not None:
            status = 481 if cell is None and asked.head.to_tag else 500
            raw = build_refusal(asked.raw, status, to_tag=os.urandom(10).hex())
            if raw is not None:
                self._carry_out(_by_its_way(asked, (Reply(asked.key, status, raw),)))
        goodbye = self._user_agent.forget if cell is None else partial(self._user_agent.abandon, cell=cell)
        self._carry_out(goodbye(key, now=now, wall=time.time()))

    def stopping(self, drain: bool, now: float) -> None:  # noqa: ARG002
        """Hang up every call, and go once they are over. The next start of the service takes calls again."""
        if drain:
            self.keep(_DRAINING, b"0")
            self._each(self._user_agent.leave)
            self.defer(self._leave)
        else:
            self.finish()

    def on_stop(self) -> None:
        """Commit, then close the pages: in a thread, the process goes on."""
        super().on_stop()
        self._pages.close()

    def on_failure(self, kind: Any, value: BaseException | None, trace: Any) -> None:  # noqa: ANN401
        """Close the pages, too."""
        super().on_failure(kind, value, trace)
        self._pages.close()

    def _leave(self) -> None:
        """Everybody was told: whoever is left says when it is over."""
        self._leaving = True
        self._carry_out(())

    # Messages that need more than a call of the user agent.

    def _each(self, deed: Callable[..., Effects], *what: object) -> Effects:
        """Have `deed` done to every cell, in a step of its own: one that breaks keeps no other from it."""
        for key in list(self.cells.keys()):
            self.defer(self._one, deed, what, key)
        return ()

    def _one(self, deed: Callable[..., Effects], what: tuple[object, ...], key: bytes) -> None:
        self._carry_out(deed(*what, clock(), time.time(), (key,)))

    def _take_request(self, message: transaction.RequestReceived, now: float, wall: float) -> Effects:
        self._asked = message
        effects = self._user_agent.request(message.key, message.flow, message.head, message.raw, now, wall)
        self._asked = None
        return _by_its_way(message, effects)

    def _begin_or_end_drain(self, message: events.Drain, now: float, wall: float) -> Effects:
        self.keep(_DRAINING, b"1" if message.on else b"0")
        return self._user_agent.command(message, now, wall)

    def _refuse_or_let_in(self, message: events.DoNotDisturb, now: float, wall: float) -> Effects:
        self.keep(_REFUSAL, b"%d" % message.status)
        return self._user_agent.command(message, now, wall)

    def _carry_out(self, effects: Effects) -> None:
        doing = self._doing
        for effect in effects:
            doing[type(effect)](effect)
        if self._leaving and self._user_agent.idle:
            self._leaving = False
            self.defer(self.finish)

    def _deeds(self) -> dict[Any, Callable[[Any], None]]:
        """What each effect of the user agent comes to."""
        tell, below = self.tell, self._transaction
        return {
            Send: lambda e: tell(below, transaction.SendRequest(e.key, e.target, e.raw)),
            Cancel: lambda e: tell(below, transaction.CancelRequest(e.key)),
            Reply: lambda e: tell(below, transaction.Respond(e.key, e.status, e.raw)),
            ReplyDirect: lambda e: tell(below, transaction.RespondDirect(e.flow, e.raw)),
            SendAck: lambda e: tell(below, transaction.SendDirect(e.target, e.raw)),
            Find: lambda e: tell("transport", transport.Locate(e.ref, e.uri)),
            KeepFlow: lambda e: tell("transport", _alive(e)),
            LetFlowGo: lambda e: tell("transport", transport.LetGo(e.target, e.owner)),
            PutBehind: lambda e: tell("transport", transport.TargetFailed(e.target, e.seconds)),
            Prepare: lambda e: tell(f"media-{e.process}", media.PrepareSession(e.session, e.host, e.call)),
            Start: lambda e: tell(f"media-{e.process}", _start(e)),
            Treat: self._treat,
            Press: lambda e: tell(f"media-{e.process}", media.SendDigits(e.session, e.digits, e.duration)),
            Steer: lambda e: tell(f"media-{e.process}", _steering(e.session, e.command)),
            Join: lambda e: tell(f"media-{e.process}", media.JoinBridge(e.session, e.other, e.keys)),
            Part: lambda e: tell(f"media-{e.process}", media.LeaveBridge(e.session)),
            Expect: lambda e: tell(f"media-{e.process}", media.ExpectSession(e.session)),
            Move: lambda e: tell(f"media-{e.process}", media.MoveSession(e.session, e.to)),
            Carry: lambda e: tell(f"media-{e.process}", media.TakeSession(e.session, e.state)),
            Close: lambda e: tell(f"media-{e.process}", media.CloseSession(e.session)),
            TellShard: lambda e: tell(f"dialog-{e.shard}", e.word),
            Report: lambda e: tell("control", e.event),
        }

    def _change_what_is_sent(self, name: str) -> None:
        """Have the application's function see each message before it goes down; the layers below remember what it made.

        What a machine keeps is the message as it was: one that is sent again comes by again.
        """
        hook = Hook(name, load(name), self.log.warning)
        for kind in (Send, SendAck, Reply, ReplyDirect):
            self._doing[kind] = _changing(hook, self._doing[kind])

    def _treat(self, effect: Treat) -> None:
        peer = f"media-{effect.process}"
        if effect.echo:
            self.tell(peer, media.Echo(effect.session))
        if effect.play:
            self.tell(peer, media.Play(effect.session, effect.play, effect.loop))
        if effect.record:
            self.tell(peer, media.Record(effect.session, effect.record))
        if effect.device:
            self.tell(peer, media.UseDevice(effect.session, effect.device, effect.stage))


def _changing(hook: Hook, deed: Callable[[Any], None]) -> Callable[[Any], None]:
    return lambda effect: deed(replace(effect, raw=hook.change(effect.raw)))


def _by_its_way(asked: transaction.RequestReceived, effects: Effects) -> Effects:
    """The effects of a request; where it got no server transaction, its answer is sent without one."""
    if asked.head.method not in transaction.STATELESS or asked.head.to_tag:
        return effects
    return tuple([ReplyDirect(asked.flow, e.raw) if isinstance(e, Reply) else e for e in effects])


def _totals(m: media.SessionClosed) -> Totals:
    return Totals(m.packets_sent, m.packets_received, m.packets_lost, m.jitter, m.round_trip, m.burst, m.mos)


def _alive(effect: KeepFlow) -> transport.KeepAlive:
    agreed = effect.agreed or effect.interval > 0
    by = "stun" if effect.agreed else "crlf"
    return transport.KeepAlive(effect.target, effect.owner, effect.interval, agreed=agreed, by=by)


def _steering(
    session: str, command: call_commands.PlayAudio | call_commands.AlterPlayback | call_commands.RecordAudio
) -> media.Play | media.Record | media.SeekPlaying | media.StopPlaying | media.PausePlaying:
    """What a command for a call's files is to media."""
    if isinstance(command, call_commands.PlayAudio):
        return media.Play(session, command.path, command.loop, command.queue)
    if isinstance(command, call_commands.RecordAudio):
        return media.Record(session, command.path, command.sides)
    if command.action == "seek":
        return media.SeekPlaying(session, command.position)
    if command.action == "stop":
        return media.StopPlaying(session)
    return media.PausePlaying(session, command.action == "pause")


def _format(codec: Codec) -> media.Format:
    return media.Format(codec.payload_type, codec.encoding, codec.clock_rate, codec.fmtp, codec.channels)


def _start(effect: Start) -> media.StartSession:
    agreed = effect.agreed
    return media.StartSession(
        effect.session,
        agreed.host,
        agreed.port,
        _format(agreed.send),
        tuple([_format(codec) for codec in agreed.receive]),
        agreed.direction,
        agreed.ptime,
        None if agreed.event is None else _format(agreed.event),
        None if agreed.keys is None else media.Protection(*agreed.keys),
        effect.muted,
        agreed.port if agreed.rtcp_mux else agreed.rtcp_port,
        effect.held,
        None if agreed.noise is None else _format(agreed.noise),
    )


def main(context: Context) -> None:
    """The entry of a dialog process."""
    run(DialogActor, context)
