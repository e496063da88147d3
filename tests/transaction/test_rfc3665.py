"""The call flows of RFC 3665, message by message: each of its parties is a layer, over IPv4 and IPv6.

What a layer makes by itself has to be what the RFC prints: the ACK to a failure, a CANCEL, the 200 to a CANCEL, a
repeated INVITE. Everything else its user makes, here by reading it out of the RFC, proxies too.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import NamedTuple

import pytest

from actors.runtime.machine import Effect
from actors.sip import parse
from actors.sip.vocabulary import Flow, Head, Target, TransactionKey
from actors.transaction.effects import Reply, Tell, Transmit
from actors.transaction.events import (
    AckReceived,
    CancelReceived,
    CancelRequest,
    RequestReceived,
    Respond,
    ResponseReceived,
    SendDirect,
    SendRequest,
    TransactionFailed,
)
from actors.transaction.layer import Layer
from tests.transaction.messages import client_key, head_of

FLOWS_FILE = Path(__file__).parent / "rfc3665.txt"
ANSWERED = ("", "From", "Call-ID", "CSeq")
FIXED = ("", "Via", "From", "To", "Call-ID", "CSeq")
HOSTS = {"IPv4": "192.0.2.{}", "IPv6": "2001:db8::{}"}


class Message(NamedTuple):
    """One arrow of a ladder diagram."""

    name: str
    sender: str
    receiver: str
    raw: bytes

    @property
    def head(self) -> Head:
        return head_of(self.raw)

    @property
    def transport(self) -> str:
        return self.raw.partition(b"Via: SIP/2.0/")[2].split()[0].decode().lower()


def flows() -> dict[str, list[Message]]:
    """Every flow of the RFC by its title."""
    found: dict[str, list[Message]] = {}
    for section in FLOWS_FILE.read_text(encoding="ascii").split("\n== ")[1:]:
        title, *blocks = section.rstrip("\n").split("\n\n-- ")
        found[title] = messages = []
        for block in blocks:
            what, *lines = block.split("\n")
            name, _, parties = what.partition(" ")
            sender, _, receiver = parties.partition(" -> ")
            messages.append(Message(name, sender, receiver, "\r\n".join([*lines, "", ""]).encode()))
    return found


FLOWS = flows()


class Ladder:
    """The parties of one flow, each a layer; what a layer sends unasked waits in `unasked` for its arrow."""

    def __init__(self, family: str, of_failures: frozenset[str]) -> None:
        self.now = 0.0
        self._of_failures = of_failures
        self._layers: dict[str, Layer] = {}
        self._unasked: dict[str, deque[bytes]] = {}
        self._host = HOSTS[family]

    def _layer(self, party: str) -> Layer:
        self._unasked.setdefault(party, deque())
        return self._layers.setdefault(party, Layer(b"sixteen bytes ok"))

    def _address(self, party: str) -> str:
        self._layer(party)
        return self._host.format(list(self._layers).index(party) + 1)

    def follow(self, message: Message, *, arrives: bool) -> None:
        """Have its sender send what the arrow says, and its receiver take it if it is there."""
        sent = self._sent(self._layer(message.sender), message)
        assert differences(sent, message.raw) == set(), f"{message.name} is not what the RFC prints"
        if arrives:
            self._arrive(message)

    def _sent(self, layer: Layer, message: Message) -> bytes:
        head, transport = message.head, message.transport
        unasked = self._unasked[message.sender]
        target = Target(transport, self._address(message.receiver), 5060, "" if transport == "udp" else "flow")
        if unasked and first_word(unasked[0]) == first_word(message.raw):
            return unasked.popleft()
        if head.status:
            key = TransactionKey(head.branch, head.sent_by, head.method)
            effects = layer.send(Respond(key, head.status, message.raw), self.now)
        elif head.method == "ACK":
            effects = layer.send(SendDirect(target, message.raw), self.now)
        elif head.method == "CANCEL":
            effects = layer.send(CancelRequest(TransactionKey(head.branch, "", "INVITE")), self.now)
        else:
            effects = layer.send(SendRequest(client_key(message.raw), target, message.raw), self.now)
            if not effects:  # it was sent before: its timer sends it again
                self.now = layer.next_deadline() or self.now
                effects = layer.expire(self.now)
        (sent,) = effects
        assert isinstance(sent, Transmit | Reply)
        if isinstance(sent, Transmit):
            assert sent.target == target
        return sent.raw

    def _arrive(self, message: Message) -> None:
        here, there = self._address(message.receiver), self._address(message.sender)
        token = "udp" if message.transport == "udp" else "flow"
        flow = Flow(token, message.transport, here, 5060, there, 5060)
        layer = self._layer(message.receiver)
        told: list[type] = []
        for effect in layer.receive(flow, message.head, message.raw, self.now):
            if isinstance(effect, Tell):
                told.append(type(effect.event))
            else:
                assert isinstance(effect, Transmit | Reply)
                self._unasked[message.receiver].append(effect.raw)
        assert told == self._expected(message), message.name

    def _expected(self, message: Message) -> list[type]:
        """What its user is told of a message that came."""
        head = message.head
        if head.status:
            return [] if head.method == "CANCEL" else [ResponseReceived]
        if head.method == "CANCEL":
            return [CancelReceived]
        if head.method == "ACK":
            return [AckReceived] if message.name not in self._of_failures else []
        return [RequestReceived]

    def finish(self) -> list[Effect]:
        """Let time pass until every layer is empty; what happens meanwhile."""
        seen: list[Effect] = []
        for layer in self._layers.values():
            while (deadline := layer.next_deadline()) is not None:
                seen += layer.expire(deadline)
        assert not any(self._unasked.values()), "a layer sent what is in no arrow"
        assert [len(layer.cells) for layer in self._layers.values()] == [0] * len(self._layers)
        return seen


def first_word(raw: bytes) -> bytes:
    """A request's method, a response's status."""
    words = raw.split(b" ", 2)
    return words[1] if raw.startswith(b"SIP/2.0 ") else words[0]


def differences(ours: bytes, printed: bytes) -> set[tuple[str, str]]:
    """The header fields in which two messages differ.

    Of an ACK and a CANCEL only those that RFC 3261 sections 9.1 and 17.1.1.3 speak of: the examples leave out Routes
    that they ask for, and have credentials and hop counts that they do not. Of the 200 to a CANCEL not the Via, which
    the transport stamps, nor the To, which the examples leave without a tag.
    """
    mine, theirs = fields_of(ours), fields_of(printed)
    head = head_of(printed)
    if head.method in ("ACK", "CANCEL"):
        names = ANSWERED if head.status else FIXED
        mine, theirs = ({name: each.get(name, "") for name in names} for each in (mine, theirs))
    return set(mine.items()) ^ set(theirs.items())


def fields_of(raw: bytes) -> dict[str, str]:
    """The start line, and each header field with all its values."""
    message = parse(raw)
    lines = raw.replace(b"\r\n ", b" ").decode().split("\r\n")
    names = {line.partition(":")[0] for line in lines[1:] if line}
    return {"": lines[0]} | {name: " ".join(" ".join(message.get_all(name)).split()) for name in names}


def acks_of_failures(messages: list[Message]) -> frozenset[str]:
    """The ACKs that belong to their INVITE's transaction: those that follow a failure."""
    final: dict[tuple[str, str], int] = {}
    found = set()
    for message in messages:
        if message.head.status >= 200 and message.head.method == "INVITE":
            final[message.receiver, message.sender] = message.head.status
        elif message.head.method == "ACK" and final.get((message.sender, message.receiver), 0) >= 300:
            found.add(message.name)
    return frozenset(found)


@pytest.mark.parametrize("family", HOSTS)
@pytest.mark.parametrize("title", FLOWS)
def test_a_flow_goes_as_the_rfc_prints_it(title: str, family: str) -> None:
    messages = FLOWS[title]
    ladder = Ladder(family, acks_of_failures(messages))
    silent = {"3.4": "Proxy 1", "3.10": "Bob"}.get(title.partition(" ")[0])
    for message in messages:
        ladder.follow(message, arrives=message.receiver != silent)
    failures = [effect.event for effect in ladder.finish() if isinstance(effect, Tell)]
    assert all(isinstance(event, TransactionFailed) for event in failures)
    assert len(failures) == (1 if silent else 0)


def test_every_flow_of_the_rfc_is_here() -> None:
    counts = {title.split()[0]: len(messages) for title, messages in FLOWS.items()}
    assert list(counts) == [*(f"2.{n}" for n in range(1, 6)), *(f"3.{n}" for n in range(1, 12))]
    assert sum(counts.values()) == 193
