"""Whatever is made of a peer's message on its way: nothing raises, and what comes of it can be written and read."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.dialog.call_commands import HoldCall, TransferCall
from actors.dialog.effects import Find, Send
from actors.dialog.subscription_events import Watch
from actors.sip import RemoteProtocolError, Request, parse
from actors.sip.vocabulary import Flow, TransactionKey
from tests.dialog.phone import FLOW, NEAR, OFFER, Phone, answer_to, invite, line, message

BITS = (b"\xff", b"\xc3\xa9", b'"', b"<", b">", b";", b",", b"@", b"\\", b" ", b"%00", b"-1", b"9" * 20, b"?" * 9_000)
MORE = tuple(
    f"{name}: {value}".encode("latin-1")
    for value in ("\xff", "", "<sip:\xff@h>", "99999999999", "0;x=\xff")
    for name in ("Contact", "Record-Route", "Session-Expires", "Min-SE", "Retry-After", "RSeq", "Require", "Reason")
)
encode = msgspec.msgpack.Encoder().encode


def mangled(raw: bytes, random: Random) -> bytes:
    """The message with a byte or a line more or less."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    number = random.randrange(1, len(lines))
    at = random.randrange(len(lines[number]))
    how = random.randrange(4)
    if how == 0:
        lines[number] = lines[number][:at] + random.choice(BITS) + lines[number][at:]
    elif how == 1:
        lines[number] = lines[number][:at] + lines[number][at + 1 :]
    elif how == 2:
        lines.insert(number, random.choice(MORE))
    else:
        del lines[number]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Attacked(Phone):
    """A phone that gets each message of its peers as it should be; a copy of it, what was made of that."""

    def __init__(self, random: Random, **more: object) -> None:
        super().__init__("echo", **more)  # type: ignore[arg-type]
        self.random = random

    def request(self, raw: bytes, flow: Flow = FLOW) -> list[object]:
        self._attack(raw, lambda other, bad: other.request(bad, flow))
        return super().request(raw, flow)

    def response(self, raw: bytes, key: TransactionKey) -> list[object]:
        self._attack(raw, lambda other, bad: other.response(bad, key))
        return super().response(raw, key)

    def _attack(self, raw: bytes, does: Callable[[Phone, bytes], object]) -> None:
        bad = mangled(raw, self.random)
        try:
            parse(bad)
        except RemoteProtocolError:
            return  # the layers below refuse it
        other = self.copy()
        other.effects = []
        does(other, bad)
        other.wait(70.0)
        for effect in other.effects:
            encode(effect)
            if isinstance(effect, Send):
                asked = parse(effect.raw)
                assert isinstance(asked, Request)
                asked.validate()


def answer(phone: Phone, status: int, **more: object) -> None:
    sent = phone.last(Send)
    phone.response(answer_to(sent.raw, status, **more), sent.key)  # type: ignore[arg-type]


def called(random: Random) -> None:
    phone = Attacked(random, packages=("presence",))
    phone.receive_call(invite(Supported="timer, 100rel", Session_Expires="90"))
    tag = phone.our_tag()
    phone.request(message("ACK", to_tag=tag))
    phone.request(message("INVITE", to_tag=tag, cseq=2, body=OFFER + b"a=sendonly\r\n"))
    phone.request(message("ACK", to_tag=tag, cseq=2))
    for cseq, method in enumerate(("UPDATE", "INFO", "OPTIONS", "MESSAGE", "REFER", "BYE"), 3):
        phone.request(message(method, to_tag=tag, cseq=cseq, Refer_To="<sip:carol@192.0.2.7>"))
    phone.request(message("SUBSCRIBE", Event="presence", Call_ID="sub@h", Expires="600"))
    assert phone.statuses == [180, 200, 200, 200, 200, 200, 200, 603, 200, 200]


def calling(random: Random) -> None:
    phone = Attacked(random)
    phone.place_call()
    answer(phone, 183, body=OFFER, Require="100rel", RSeq="1")
    invited = next(each for each in phone.all(Send) if each.key.method == "INVITE")
    answer(phone, 200)
    more = {"Session_Expires": "90;refresher=uac", "Record_Route": "<sip:192.0.2.9;lr>"}
    phone.response(answer_to(invited.raw, 200, body=OFFER, **more), invited.key)
    phone.command(HoldCall("h", "call-1@host"))
    answer(phone, 200, body=OFFER + b"a=recvonly\r\n")
    phone.command(TransferCall("t", "call-1@host", "sip:carol@192.0.2.7"))
    answer(phone, 202)
    ends = {"From": line(phone.last(Send).raw, "To"), "To": line(phone.last(Send).raw, "From")}
    more = {"Event": "refer", "Subscription_State": "active;expires=60", "Content_Type": "message/sipfrag"}
    phone.request(message("NOTIFY", Call_ID="call-1@host", body=b"SIP/2.0 200 OK\r\n", **ends, **more))
    assert phone.statuses == [200]
    assert phone.sent("BYE")


def watching(random: Random) -> None:
    phone = Attacked(random)
    phone.command(Watch("r", "one", "sip:bob@192.0.2.9:5070", "presence"))
    phone.located(phone.last(Find).ref, NEAR)
    subscribe = phone.last(Send)
    answer(phone, 200, Expires="600")
    ends = {"To": line(subscribe.raw, "From"), "Call_ID": line(subscribe.raw, "Call-ID")}
    more = {"Event": "presence", "Subscription_State": "active;expires=600", "Content_Type": "text/plain"}
    phone.request(message("NOTIFY", body=b"here", **ends, **more))
    assert phone.statuses == [200]


@pytest.mark.parametrize("flow", [called, calling, watching])
@settings(max_examples=60)
@given(random=st.randoms(use_true_random=False))
def test_no_message_of_a_peer_raises_out_of_the_layer(flow: Callable[[Random], None], random: Random) -> None:
    flow(random)
