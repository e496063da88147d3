"""A user agent on a table: virtual time, cells that forget everything but their bytes, peers made of strings."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from actors.dialog.actor import DialogActor
from actors.dialog.call import Call
from actors.dialog.call_commands import PlaceCall, Treatment
from actors.dialog.call_events import CallEnded
from actors.dialog.call_parts import Totals
from actors.dialog.effects import Close, Find, Prepare, Reply, Report, Send, SendAck, Start
from actors.dialog.events import CommandDone, CommandFailed
from actors.dialog.names import Names
from actors.dialog.settings import Answer, DialogSettings
from actors.dialog.user_agent import UserAgent
from actors.sip import Request, Response, parse
from actors.sip.vocabulary import Candidate, Flow, Head, Target, TransactionKey

WALL = 1_700_000_000.0
FLOW = Flow("udp:0", "udp", "192.0.2.1", 5060, "192.0.2.9", 5070)
STREAM = FLOW._replace(token="tcp:17", transport="tcp")
NEAR = Candidate(Target("udp", "192.0.2.9", 5070), "192.0.2.1:5060")
FAR = Candidate(Target("udp", "192.0.2.10", 5070), "192.0.2.1:5060")

OFFER = (
    b"v=0\r\no=peer 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
    b"m=audio 7000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
)
# Of a codec that we do not have.
BAD_OFFER = (
    b"v=0\r\no=peer 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
    b"m=audio 7000 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n"
)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(DialogActor.cell_type).decode


class Cells(dict[bytes, bytes]):
    """Cells as a journal has them: each read decodes, so that whatever works here works after a restart."""

    def __init__(self) -> None:
        super().__init__()
        self.deadlines: dict[bytes, float] = {}

    def get(self, key: bytes, default: Any = None) -> Any:
        raw = super().get(key)
        return default if raw is None else _decode(raw)

    def put(self, key: bytes, value: Call, deadline: float | None) -> None:
        self[key] = _encode(value)
        self.deadlines.pop(key, None)
        if deadline is not None:
            self.deadlines[key] = deadline

    def delete(self, key: bytes) -> None:
        del self[key]
        self.deadlines.pop(key, None)

    def number(self, mark: bytes) -> int:
        return sum(key.startswith(mark) for key in self)

    def copy(self) -> Cells:
        other = Cells()
        other.update(self)
        other.deadlines = dict(self.deadlines)
        return other


class Phone:
    """One user agent and everything it asked for, in order; in the mode `application` calls in are signalling-only."""

    def __init__(self, mode: str = "ring", **settings: Any) -> None:
        answer = Answer(mode=mode, path="/tmp/a.wav")
        if mode == "application":
            answer = Answer(mode="ring", media=mode)
        self.settings = DialogSettings(answer=answer, **settings)
        self.cells = Cells()
        self.now = 1000.0
        self.effects: list[Any] = []
        self.start()

    def start(self) -> None:
        """Start it, or start it again: nothing but the cells is left."""
        self.agent = UserAgent(self.settings, Names(b"s" * 32), self.cells)

    def copy(self) -> Phone:
        other = Phone.__new__(Phone)
        other.settings, other.now, other.effects = self.settings, self.now, list(self.effects)
        other.cells = self.cells.copy()
        other.start()
        return other

    # What happens to it.

    def _did(self, effects: tuple[Any, ...]) -> list[Any]:
        self.effects += effects
        return list(effects)

    @property
    def clock(self) -> tuple[float, float]:
        return self.now, WALL + self.now

    def request(self, raw: bytes, flow: Flow = FLOW) -> list[Any]:
        head = parse(raw).head
        if head.method == "ACK":
            return self._did(self.agent.acknowledged(head, raw, *self.clock))
        return self._did(self.agent.request(key_of(head), flow, head, raw, *self.clock))

    def cancel(self, invite: bytes) -> list[Any]:
        return self._did(self.agent.cancelled(key_of(parse(invite).head), *self.clock))

    def response(self, raw: bytes, key: TransactionKey) -> list[Any]:
        return self._did(self.agent.response(key, parse(raw).head, raw, *self.clock))

    def failed(self, key: TransactionKey, status: int = 408, *, client: bool = True) -> list[Any]:
        return self._did(self.agent.failed(key, status, "no response", *self.clock, client=client))

    def located(self, ref: str, *candidates: Candidate) -> list[Any]:
        return self._did(self.agent.located(ref, candidates, "" if candidates else "no such host", *self.clock))

    def prepared(self, session: str, host: str = "192.0.2.1", port: int = 16384) -> list[Any]:
        return self._did(self.agent.calls.prepared(session, host, port, *self.clock))

    def lost(self, session: str) -> list[Any]:
        return self._did(self.agent.calls.session_lost(session, "gone", *self.clock))

    def refused(self, session: str) -> list[Any]:
        return self._did(self.agent.calls.session_refused(session, "no ports", *self.clock))

    def closed(self, session: str) -> list[Any]:
        return self._did(self.agent.calls.session_closed(session, Totals(10, 20, 1, 2.5, 0.04, 1.0, 4.2), *self.clock))

    def played(self, session: str) -> list[Any]:
        return self._did(self.agent.calls.played(session, "/tmp/a.wav", "", *self.clock))

    def command(self, command: Any) -> list[Any]:
        return self._did(self.agent.command(command, *self.clock))

    def wait(self, seconds: float) -> list[Any]:
        """Let time pass: each deadline fires when it is due."""
        end, seen = self.now + seconds, len(self.effects)
        while self.cells.deadlines and min(self.cells.deadlines.values()) <= end:
            key = min(self.cells.deadlines, key=self.cells.deadlines.__getitem__)
            self.now = max(self.now, self.cells.deadlines[key])
            self._did(self.agent.expire(key, *self.clock))
        self.now = end
        return self.effects[seen:]

    # What it did.

    def all(self, kind: type) -> list[Any]:
        return [effect for effect in self.effects if type(effect) is kind]

    def last(self, kind: type) -> Any:
        return self.all(kind)[-1]

    def reports(self, kind: type) -> list[Any]:
        return [effect.event for effect in self.all(Report) if type(effect.event) is kind]

    @property
    def session(self) -> str:
        return str(self.last(Prepare).session)

    @property
    def statuses(self) -> list[int]:
        return [reply.status for reply in self.all(Reply)]

    @property
    def ended(self) -> CallEnded:
        events = self.reports(CallEnded)
        assert len(events) == 1
        event: CallEnded = events[0]
        return event

    @property
    def calls(self) -> list[Call]:
        return [self.cells.get(key) for key in self.cells]

    @property
    def call(self) -> Call:
        (call,) = self.calls
        return call

    @property
    def state(self) -> str:
        return self.call.state.name

    def sent(self, method: str) -> list[Request]:
        found = [parse(e.raw) for e in self.effects if type(e) in (Send, SendAck)]
        return [message for message in found if isinstance(message, Request) and message.method == method]

    # Whole stretches of calls.

    def receive_call(self, raw: bytes | None = None, *, flow: Flow = FLOW) -> bytes:
        """An INVITE comes and media is ready for it."""
        raw = invite() if raw is None else raw
        self.request(raw, flow)
        self.prepared(self.session)
        return raw

    def our_tag(self) -> str:
        return self.last_response().head.to_tag

    def last_response(self) -> Response:
        message = parse(self.last(Reply).raw)
        assert isinstance(message, Response)
        return message

    def place_call(self, *candidates: Candidate, **order: Any) -> TransactionKey:
        """A call out, up to its INVITE; gives the INVITE's transaction."""
        done = self.command(place(**order))
        assert isinstance(done[0].event, CommandDone), done
        self.located(self.last(Find).ref, *(candidates or (NEAR,)))
        self.prepared(self.session)
        return self.invite_key()

    def invite_key(self) -> TransactionKey:
        key: TransactionKey = [e.key for e in self.all(Send) if e.key.method == "INVITE"][-1]
        return key

    def bye_key(self) -> TransactionKey:
        key: TransactionKey = [e.key for e in self.all(Send) if e.key.method == "BYE"][-1]
        return key

    def finish(self) -> None:
        """Media and the peer answer what is still open."""
        for close in self.all(Close):
            self.closed(close.session)
        for sent in self.all(Send):
            if sent.key.method == "BYE":
                self.response(answer_to(sent.raw, 200), sent.key)

    def failure(self) -> CommandFailed:
        failed: CommandFailed = self.reports(CommandFailed)[-1]
        return failed

    def started(self) -> Any:
        return self.last(Start).agreed


def place(**order: Any) -> PlaceCall:
    wanted: dict[str, Any] = {
        "ref": "r1",
        "call": "call-1@host",
        "uri": "sip:bob@192.0.2.9:5070",
        "caller": "",
        "treatment": Treatment(echo=True),
        "ring_timeout": 60.0,
        "duration": 0.0,
        "headers": (),
    }
    return PlaceCall(**{**wanted, **order})


def key_of(head: Head) -> TransactionKey:
    return TransactionKey(head.branch, head.sent_by, head.method)


def message(
    method: str, *, to_tag: str = "", cseq: int = 1, branch: str = "", body: bytes = b"", **headers: str
) -> bytes:
    """A request of the peer. A header given by its name with _ for - replaces ours, an empty one is left out."""
    lines = {
        "Via": f"SIP/2.0/UDP 192.0.2.9:5070;rport=5070;branch=z9hG4bK{branch or f'{method}{cseq}'}",
        "Max-Forwards": "70",
        "From": "<sip:alice@192.0.2.9>;tag=peer",
        "To": "<sip:us@192.0.2.1>" + (f";tag={to_tag}" if to_tag else ""),
        "Call-ID": "one@192.0.2.9",
        "CSeq": f"{cseq} {method}",
        "Contact": "<sip:alice@192.0.2.9:5070>",
    }
    if body:
        lines["Content-Type"] = "application/sdp"
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines["Content-Length"] = str(len(body))
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"{method} sip:us@192.0.2.1:5060 SIP/2.0\r\n{text}\r\n".encode() + body


def invite(body: bytes = OFFER, **more: Any) -> bytes:
    return message("INVITE", body=body, **more)


def answer_to(
    raw: bytes, status: int, *, tag: str = "callee", body: bytes = b"", contact: str = "", **headers: str
) -> bytes:
    """The peer's response to a request of ours."""
    request = parse(raw)
    assert isinstance(request, Request)
    lines = [(name.replace("_", "-"), value) for name, value in headers.items()]
    if request.method == "INVITE" and 100 < status < 300:
        lines.append(("Contact", contact or "<sip:bob@192.0.2.9:5070>"))
    kind = "application/sdp" if body else None
    to_tag = None if status == 100 else tag
    return bytes(request.response(status, to_tag=to_tag, headers=lines, body=body, content_type=kind))


def line(raw: bytes, name: str) -> str:
    found = re.search(rf"^{name}: (.*?)\r$".encode(), raw, re.MULTILINE)
    assert found is not None
    return found[1].decode()
