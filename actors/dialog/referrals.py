"""REFERs outside of calls, as cells while they are not decided: who may ask, what follows (RFC 3515, 4538)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from actors.dialog import dialog_state
from actors.dialog.call import Agent, Asked
from actors.dialog.call_requests import unfit_answer
from actors.dialog.call_transfer import accepting, judged, order_of
from actors.dialog.calls import Calls
from actors.dialog.effects import Place, Reply, Report, TellShard
from actors.dialog.events import CommandDone
from actors.dialog.feeds import Feeds
from actors.dialog.referral import REFERRAL, WITHIN, Input, Referral, State
from actors.dialog.reply import answer, lines_of, out_of_scope
from actors.dialog.request_events import AnswerRequest, ReferReceived
from actors.dialog.shard_events import AskDialog, DialogTold
from actors.dialog.usage import Cells, MachineUsage, failure
from actors.runtime.machine import Effects
from actors.sip import RemoteProtocolError, Uri
from actors.sip.headers import TargetDialog

MOST = 1_000  # of a shard that wait to be decided
TEXT = 1_000  # characters of a URI that are handed on


class Referrals(MachineUsage[Referral]):
    """Those of one shard.

    Args:
        agent: what all usages share.
        cells: where they are kept, among others.
        calls: where those that are followed go on.
        feeds: the subscriptions to us, of which a REFER begins one.
    """

    mark: ClassVar = "h"
    methods: ClassVar = frozenset({"REFER"})
    table: ClassVar = REFERRAL
    over: ClassVar = State.OVER

    def __init__(self, agent: Agent, cells: Cells, calls: Calls, feeds: Feeds) -> None:
        super().__init__(agent, cells)
        self._calls, self._feeds = calls, feeds

    def outside(self, asked: Asked, now: float, wall: float) -> Effects:
        """A REFER: refused at once where it may not be, else looked into.

        It is of anybody's business only where its sender proved who it is, is a trunk, or names a call of ours
        (RFC 4538): anybody else would make calls that nobody here asked for.
        """
        agent, request = self.agent, asked.request
        refusal = out_of_scope(agent, asked)
        if refusal is not None:
            return (refusal,)
        target, status = judged(asked, agent.settings)
        wanted = request.header(TargetDialog)
        if wanted is not None and not (wanted.local_tag and wanted.remote_tag):
            wanted = None  # to be ignored (RFC 4538 s4)
        trusted = bool(agent.settings.realm) or agent.accounts.of_peer(asked.flow.host) is not None
        status = status or (self._calls.unwilling() if trusted or wanted is not None else 603)
        status = status or (503 if self.number >= MOST else 0)
        if status:
            return (answer(agent, asked, status, (("Retry-After", "5"),) if status == 503 else ()),)
        new = self._new(asked, target, now, wall, trusted=trusted)
        if self.cell(new.tag) is not None:
            return ()  # sent again, and not decided yet
        if self._calls.has(new.order.call):
            return (Reply(asked.key, 202, new.accepted),)
        self.put(new)
        if wanted is None:
            return self.step(new, "NAMED", "", now, wall)
        ask = AskDialog(agent.shard, new.tag, wanted.call_id, wanted.local_tag, wanted.remote_tag)
        owner = agent.shard_of(wanted.call_id)
        return self._tell_dialog(ask, now, wall) if owner == agent.shard else (TellShard(owner, ask),)

    def _new(self, asked: Asked, target: Uri, now: float, wall: float, *, trusted: bool) -> Referral:
        """The cell of a REFER.

        Raises:
            RemoteProtocolError: 400, it has no Contact and wants NOTIFYs, or its Refer-Sub is malformed.
        """
        agent, names, key = self.agent, self.agent.names, asked.key
        silent, lines = accepting(agent, asked)
        feed = "" if silent else self._feeds.tag("referral", key.branch, key.sent_by)
        dialog = None if silent else dialog_state.of_request(asked.request, asked.head, asked.flow, feed)
        if dialog is not None and not dialog.remote_target:
            raise RemoteProtocolError(400, "Missing Contact")
        name = names.token("placed", key.branch, key.sent_by)
        order = order_of(asked, target, names.id_of_call_in(name), agent.settings.ring_timeout)
        remote = str(asked.request.from_.uri)[:TEXT]
        by = (lines_of(asked.request, "Referred-By") or [remote])[0][:TEXT]
        return Referral(
            State.LOOKING,
            ((Input.LATE, now + WITHIN),),
            self.mark + name,
            key,
            order,
            dialog,
            answer(agent, asked, 202, lines, tag=feed).raw,
            answer(agent, asked, 603).raw,
            trusted,
            ReferReceived("", remote, str(target)[:TEXT], by, "", order.call, wall),
        )

    @property
    def between(self) -> Mapping[type, Callable[[Any, float, float], Effects]]:
        """What other dialog shards tell us of calls that a REFER names."""
        return {AskDialog: self._tell_dialog, DialogTold: self._told_dialog}

    def _tell_dialog(self, ask: AskDialog, now: float, wall: float) -> Effects:
        told = DialogTold(ask.by, self._calls.named(ask.call_id, ask.local_tag, ask.remote_tag))
        if ask.shard == self.agent.shard:
            return self._told_dialog(told, now, wall)
        return (TellShard(ask.shard, told),)

    def _told_dialog(self, told: DialogTold, now: float, wall: float) -> Effects:
        return self.give(told.by, "NAMED", told.call, now, wall)

    def reply(self, command: AnswerRequest, now: float, wall: float) -> Effects:
        """The application decides."""
        referral = self.cell(self.mark + command.request.partition("-")[0])
        if referral is None or referral.order.call != command.request or referral.state is not State.ASKED:
            return failure(command.ref, "bad_value", f"no request {command.request} waits for an answer")
        fault = unfit_answer(command, refers=True)
        if fault:
            return failure(command.ref, "bad_value", fault)
        return (Report(CommandDone(command.ref)), *self.step(referral, "ANSWER", command, now, wall))

    def step(self, machine: Referral, event: str, what: Any, now: float, wall: float) -> Effects:  # noqa: ANN401
        """As any machine; one that is followed has its call placed and its sender told."""
        return self._follow(machine, super().step(machine, event, what, now, wall), now, wall)

    def fire(self, machine: Referral, now: float, wall: float) -> Effects:
        """As `step`."""
        return self._follow(machine, super().fire(machine, now, wall), now, wall)

    def _follow(self, referral: Referral, effects: Effects, now: float, wall: float) -> Effects:
        if not effects or type(effects[-1]) is not Place:
            return effects
        begun = () if referral.dialog is None else self._feeds.follow(referral.dialog, now, wall)
        return (*effects[:-1], *begun, *self._calls.refer(effects[-1], now, wall))

    def transactions_lost(self, key: bytes, now: float, wall: float) -> Effects:
        """Nobody can be answered any more; a sender that asks again begins anew."""
        return self.give(key.decode(), "LOST", None, now, wall)
