"""The cases of FAULTS.md that one datagram or one dialog shows, each named after its number, against the service."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from actors.control.client import Client
from tests.chaos.killing import next_event
from tests.hostile.conftest import Connect
from tests.hostile.wire import Dialog, Wire, branch_of, new_branch, reply, sdp
from tests.live.service import Service

pytestmark = pytest.mark.live

HUGE = 60_000  # bytes that still fit into a datagram


@pytest.fixture
def wire(connect: Connect) -> Wire:
    return connect()


@pytest.mark.parametrize("method", ["INVITE", "BYE", "INFO", "UPDATE", "OPTIONS", "CANCEL"])
def test_fault_5_a_request_with_an_unknown_to_tag_gets_481(wire: Wire, method: str) -> None:
    dialog = Dialog(wire, to_tag="nobody-has-this")
    dialog.cseq = 1
    request = dialog.write(method, body=sdp(9) if method == "INVITE" else b"")
    assert wire.ask(request).status == 481
    if method == "INVITE":
        wire.send(dialog.write("ACK", branch=branch_of(request)))


def test_fault_5_an_ack_with_an_unknown_to_tag_is_dropped(wire: Wire) -> None:
    dialog = Dialog(wire, to_tag="nobody-has-this")
    wire.unanswered(dialog, dialog.write("ACK", branch=(branch := new_branch()), cseq=1), branch.encode())


def test_fault_6_a_merged_request_gets_482(wire: Wire) -> None:
    dialog = Dialog(wire)
    dialog.call()
    other = wire.ask(dialog.write("INVITE", cseq=1, to_tag="", body=sdp(9)))
    assert other.status == 482
    dialog.hang_up()


def test_fault_6_a_merged_request_that_creates_no_call_gets_482(wire: Wire) -> None:
    dialog = Dialog(wire)
    assert wire.ask(dialog.write("REGISTER", cseq=7)).status == 405
    assert wire.ask(dialog.write("REGISTER", cseq=7)).status == 482


@pytest.mark.parametrize("method", ["BYE", "INVITE", "OPTIONS"])
def test_fault_7_a_lower_cseq_in_a_dialog_gets_500_and_the_call_lives(wire: Wire, method: str) -> None:
    dialog = Dialog(wire)
    dialog.cseq = 9
    dialog.call()
    request = dialog.write(method, cseq=9, body=sdp(9) if method == "INVITE" else b"")
    assert wire.ask(request).status == 500
    if method == "INVITE":
        wire.send(dialog.write("ACK", cseq=9, branch=branch_of(request)))
    dialog.hang_up()


def test_fault_9_a_cancel_that_matches_nothing_gets_481(wire: Wire) -> None:
    assert wire.ask(Dialog(wire).write("CANCEL", cseq=1)).status == 481


def test_fault_9_a_cancel_after_the_200_gets_200_and_has_no_effect(wire: Wire) -> None:
    dialog = Dialog(wire)
    branch = new_branch()
    accepted = wire.ask(dialog.write("INVITE", body=sdp(9), branch=branch))
    wire.send(dialog.write("CANCEL", branch=branch))
    assert wire.final(branch, "CANCEL").status == 200
    dialog.accepted(accepted)
    assert wire.ask(dialog.write("OPTIONS")).status == 200, "the call is gone"
    dialog.hang_up()


@pytest.mark.parametrize("lie", ["to_tag", "from_tag", "call_id"])
def test_fault_10_a_spoofed_bye_gets_481_and_the_call_lives(connect: Connect, lie: str) -> None:
    dialog = Dialog(connect())
    dialog.call()
    attacker = connect()
    spoofed = dialog.write("BYE", **{lie: getattr(dialog, lie)[:-1] + "~"})  # type: ignore[arg-type]
    assert attacker.ask(spoofed.replace(dialog.wire.sent_by.encode(), attacker.sent_by.encode())).status == 481
    assert dialog.wire.ask(dialog.write("OPTIONS")).status == 200, "the call is gone"
    dialog.hang_up()


@pytest.mark.parametrize("lie", ["branch", "from_tag", "call_id", "cseq"])
def test_fault_10_a_spoofed_cancel_gets_481_and_the_call_rings_on(ringing: Service, lie: str) -> None:
    with Wire(ringing.addresses["udp"]) as wire, Client(ringing.run_dir) as client, client.events() as stream:
        dialog = Dialog(wire)
        invite = dialog.write("INVITE", body=sdp(9))
        wire.send(invite)
        call = next_event(stream, "CallReceived", []).call
        truth = {"branch": branch_of(invite), "cseq": 1}
        value: object = 2 if lie == "cseq" else f"{truth.get(lie) or getattr(dialog, lie)}x"
        spoofed = dialog.write("CANCEL", **{**truth, lie: value})  # type: ignore[arg-type]
        wire.send(spoofed)
        assert wire.final(branch_of(spoofed), "CANCEL").status == 481
        assert [info.state for info in client.calls()] == ["ringing"]
        client.reject(call)
        assert wire.final(branch_of(invite)).status == 486
        wire.send(dialog.write("ACK", branch=branch_of(invite)))
        next_event(stream, "CallEnded", [])


def test_fault_10_our_to_tags_carry_at_least_64_random_bits(wire: Wire) -> None:
    tags = set()
    for _ in range(20):
        dialog = Dialog(wire)
        dialog.call()
        tags.add(dialog.to_tag)
        dialog.hang_up()
    assert len(tags) == 20
    assert all(re.fullmatch("[0-9a-f]{16,}", tag) for tag in tags)
    assert changing(tags) >= 16, "digits that never change are not random"


def changing(words: Iterable[str]) -> int:
    """How many places of words of one length are not the same in all."""
    return sum(len(set(column)) > 1 for column in zip(*words, strict=True))


def test_fault_10_our_from_tags_and_branches_carry_at_least_64_random_bits(wire: Wire, service: Service) -> None:
    tags, branches = [], []
    with Client(service.run_dir) as client, client.events() as stream:
        for _ in range(8):
            client.place(f"sip:peer@{wire.sent_by}")
            while (invite := wire.request("INVITE")).head.from_tag in tags:
                pass  # one of before that was sent again
            tags.append(invite.head.from_tag)
            branches.append(branch_of(bytes(invite)))
            wire.send(reply(invite, 486, to_tag="x"))
            next_event(stream, "CallEnded", [])
    assert all(branch.startswith("z9hG4bK") for branch in branches)
    assert all(re.fullmatch("[0-9a-f]{16,}", tag) for tag in tags)
    for words in (
        tags,
        [re.sub("[^0-9a-f]", "", branch[7:].removeprefix(tag)) for branch, tag in zip(branches, tags, strict=True)],
    ):
        assert changing(words) >= 16


def test_fault_11_spoofed_responses_are_dropped(wire: Wire, service: Service) -> None:
    with Client(service.run_dir) as client, client.events() as stream:
        call = client.place(f"sip:peer@{wire.sent_by}", ring_timeout=60.0)
        invite = wire.request("INVITE")
        branch = branch_of(bytes(invite)).encode()
        busy = reply(invite, 486, to_tag="spoofed")
        via = re.search(rb"Via: ([^\r]*)\r\n", busy)
        assert via is not None
        ours = "{}:{}".format(*service.addresses["udp"]).encode()
        spoofs = {
            "a guessed branch": busy.replace(branch, branch[:-4] + b"0000"),
            "another method": busy.replace(b" INVITE\r\n", b" OPTIONS\r\n"),
            "a sent-by that is not ours": busy.replace(via[0], via[0].replace(ours, b"192.0.2.66:5060")),
            "two Vias": busy.replace(via[0], via[0] + via[0].replace(branch, b"z9hG4bKother")),
            "two Vias in a line": busy.replace(via[0], b"Via: " + via[1] + b", " + via[1] + b"\r\n"),
            "a 200 of a guessed branch": reply(invite, 200, to_tag="x").replace(branch, b"z9hG4bKstray"),
        }
        assert all(spoof != busy for spoof in spoofs.values())
        for name, spoof in spoofs.items():
            wire.unanswered(Dialog(wire), spoof, b"ACK ", b"BYE ")
            assert [info.call for info in client.calls()] == [call], name
        wire.send(busy)
        assert wire.request("ACK").to.tag == "spoofed"
        ended = next_event(stream, "CallEnded", [])
        assert (ended.call, ended.outcome, ended.status) == (call, "busy", 486)


def test_fault_12_a_peer_of_rfc_2543_can_call_and_hang_up(wire: Wire) -> None:
    dialog = Dialog(wire)
    invite = dialog.write("INVITE", body=sdp(9)).replace(b";branch=z9hG4bK", b";branch=")
    plain = re.sub(rb";branch=[^\r]*", b"", invite)
    wire.send(plain)
    while b"\r\nCSeq: 1 INVITE" not in (data := wire.receive()) or not data.startswith(b"SIP/2.0 200"):
        assert data.startswith(b"SIP/2.0 1"), data
    tag = re.search(rb"\r\nTo: [^\r]*;tag=([^\r;]*)", data)
    assert tag is not None
    dialog.to_tag = tag[1].decode()
    wire.send(re.sub(rb";branch=[^\r]*", b"", dialog.write("ACK")))
    assert wire.ask(dialog.write("BYE", branch="1")).status == 200


def test_fault_12_a_cseq_of_a_thousand_digits_gets_400(wire: Wire) -> None:
    request = Dialog(wire).write("OPTIONS").replace(b"CSeq: 1 ", b"CSeq: " + b"1" * 1000 + b" ")
    assert wire.ask(request).status == 400


TWO_TOS = (b"\r\nTo: ", b"\r\nt: <sip:other@127.0.0.1>\r\nTo: ")


@pytest.mark.parametrize("change", [TWO_TOS, (b";tag=from", b";tag=;x=from")], ids=["two To headers", "an empty tag"])
def test_fault_13_what_is_ambiguous_gets_400_in_a_request_and_nothing_in_an_ack(
    wire: Wire, change: tuple[bytes, bytes]
) -> None:
    dialog = Dialog(wire)
    assert wire.ask(dialog.write("INVITE", body=sdp(9)).replace(*change, 1)).status == 400
    ack = dialog.write("ACK", branch=new_branch()).replace(*change, 1)
    wire.unanswered(dialog, ack, branch_of(ack).encode())
    response = dialog.write("OPTIONS").replace(*change, 1)
    wire.unanswered(dialog, b"SIP/2.0 200 OK\r\n" + response.partition(b"\r\n")[2], branch_of(response).encode())


BOMBS = {
    "a line of 60 KB": (b"Subject: " + b"x" * HUGE + b"\r\n", 400),
    "a name of 60 KB": (b"x" * HUGE + b": x\r\n", 400),
    "9,000 headers": (b"X: y\r\n" * 9000, 400),
    "2,000 Vias": (b"v:SIP/2.0/UDP a;branch=z9\r\n" * 2000, 400),
    "2,000 Vias in a line": (b"v:" + b"SIP/2.0/UDP a;branch=z9," * 2000 + b"SIP/2.0/UDP a\r\n", 400),
    "19,000 folds": (b"Subject: x\r\n" + b" \r\n" * 19_000, 400),
    "60 KB of escaped quotes": (b'Subject: x\r\nContact: "' + b'\\"' * (HUGE // 2) + b"\r\n", 400),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_fault_14_a_header_bomb_gets_400(wire: Wire, bomb: str) -> None:
    lines, status = BOMBS[bomb]
    request = Dialog(wire).write("OPTIONS").replace(b"Max-Forwards: 70\r\n", lines)
    assert wire.ask(request).status == status


@pytest.mark.parametrize(
    ("length", "status"),
    [(100, 400), (4, 200), (-1, 400), (1 << 64, 400), ("4\r\nContent-Length: 5", 400), ("4\r\nl: 5", 400), ("x", 400)],
)
def test_fault_16_a_content_length_that_lies_over_udp_is_trimmed_or_refused(
    wire: Wire, length: int | str, status: int
) -> None:
    assert wire.ask(Dialog(wire).write("OPTIONS", body=b"twelve bytes", length=length)).status == status


SMUGGLED = {
    "two Call-IDs": (b"\r\nCSeq", b"\r\ni: other@127.0.0.1\r\nCSeq"),
    "two CSeqs, one with a space": (b"\r\nContact", b"\r\nCSeq : 2 OPTIONS\r\nContact"),
    "a From of its compact form": (b"\r\nCSeq", b"\r\nf: <sip:other@127.0.0.1>;tag=x\r\nCSeq"),
    "a NUL": (b"Max-Forwards: 70", b"Max-Forwards: 70\r\nSubject: a\0b"),
    "a bare CR": (b"Max-Forwards: 70", b"Max-Forwards: 70\r\nSubject: a\rP-Asserted-Identity: <sip:boss@x>"),
    "a bare LF": (b"Max-Forwards: 70", b"Max-Forwards: 70\r\nSubject: a\nP-Asserted-Identity: <sip:boss@x>"),
    "a bare LF before a header of ours": (b"\r\nCSeq", b"\nCall-ID: other@127.0.0.1\r\nCSeq"),
    "a name that is no token": (b"Max-Forwards: 70", b"Max-Forwards: 70\r\nP Asserted Identity: <sip:boss@x>"),
}


@pytest.mark.parametrize("trick", SMUGGLED)
def test_fault_19_what_could_be_read_in_two_ways_is_refused(wire: Wire, trick: str) -> None:
    assert wire.ask(Dialog(wire).write("OPTIONS").replace(*SMUGGLED[trick], 1)).status == 400


def test_fault_19_a_space_before_the_colon_and_compact_forms_are_read_the_same_everywhere(wire: Wire) -> None:
    dialog = Dialog(wire)
    spaced = re.sub(rb"\r\n(From|To|Call-ID|CSeq|Via|Content-Length): ", rb"\r\n\1 \t: ", dialog.write("REGISTER"))
    assert wire.ask(spaced).status == 405
    merged = dialog.write("REGISTER", cseq=1).replace(b"\r\nCall-ID: ", b"\r\ni:").replace(b"\r\nFrom: ", b"\r\nf:")
    assert wire.ask(merged).status == 482, "the transaction layer saw another Call-ID or From tag"


def nested(depth: int) -> bytes:
    """A multipart body whose parts have parts, to such a depth."""
    body = b"deep"
    for level in range(depth, 0, -1):
        inner = b"Content-Type: multipart/mixed;boundary=x%d\r\n" % (level + 1) if level < depth else b""
        body = b"--x%d\r\n%s\r\n%s\r\n--x%d--" % (level, inner, body, level)
    return body


BODIES = {
    "no boundary": ("multipart/mixed", b"--x\r\n\r\na\r\n--x--", 400),
    "no parts": ("multipart/mixed;boundary=x", b"--x--", 400),
    "no end": ("multipart/mixed;boundary=x", b"--x\r\nContent-Type: application/sdp\r\n\r\n" + sdp(9), 400),
    "a depth of 500": ("multipart/mixed;boundary=x1", nested(500), 415),
    "nothing that we know": ("multipart/mixed;boundary=x", b"--x\r\nContent-Type: a/b\r\n\r\na\r\n--x--", 415),
}


@pytest.mark.parametrize("body", BODIES)
def test_fault_31_a_multipart_body_that_cannot_be_read_is_refused(wire: Wire, body: str) -> None:
    kind, data, status = BODIES[body]
    dialog = Dialog(wire)
    invite = dialog.write("INVITE", body=data).replace(
        b"application/sdp\r\nContent-L", kind.encode() + b"\r\nContent-L"
    )
    answer = wire.ask(invite)
    wire.send(dialog.write("ACK", branch=branch_of(invite), to_tag=answer.message.to.tag))
    assert answer.status == status


def test_fault_85_an_unknown_require_gets_420_with_unsupported(wire: Wire) -> None:
    dialog = Dialog(wire)
    invite = dialog.write("INVITE", "Require: 100rel, x-nobody", "Proxy-Require: y", body=sdp(9))
    response = wire.ask(invite)
    assert response.status == 420
    assert {"x-nobody"} <= set(response.message.get_all("Unsupported"))
    wire.send(dialog.write("ACK", branch=branch_of(invite)))
    dialog.call()
    assert wire.ask(dialog.write("BYE", "Require: x-nobody")).status == 420
    dialog.hang_up()
