"""Messages made from the bytes of others."""

from __future__ import annotations

import pytest

from actors.sip import LocalProtocolError, RemoteProtocolError, Request, parse
from actors.sip.build import build_ack_failure, build_cancel, build_refusal

# The example of RFC 3261 s17.1.1.3, with Routes.
INVITE = (
    b"INVITE sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKkjshdyff\r\n"
    b"To: Bob <sip:bob@biloxi.com>\r\nFrom: Alice <sip:alice@atlanta.com>;tag=88sja8x\r\nMax-Forwards: 70\r\n"
    b"Route: <sip:p1.com;lr>\r\nRoute: <sip:p2.com;lr>\r\nRequire: 100rel\r\nProxy-Require: x\r\n"
    b"Call-ID: 987asjd97y7atg\r\nCSeq: 986759 INVITE\r\nContent-Length: 0\r\n\r\n"
)


def test_a_cancel_is_made_of_its_invite() -> None:
    assert build_cancel(INVITE, [("Reason", "SIP;cause=200")]) == (
        b"CANCEL sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKkjshdyff\r\n"
        b"To: Bob <sip:bob@biloxi.com>\r\nFrom: Alice <sip:alice@atlanta.com>;tag=88sja8x\r\nMax-Forwards: 70\r\n"
        b"Route: <sip:p1.com;lr>\r\nRoute: <sip:p2.com;lr>\r\n"
        b"Call-ID: 987asjd97y7atg\r\nCSeq: 986759 CANCEL\r\nReason: SIP;cause=200\r\nContent-Length: 0\r\n\r\n"
    )


def test_the_ack_to_a_refusal_has_the_to_of_the_response_and_only_the_top_via() -> None:
    request = parse(INVITE)
    assert isinstance(request, Request)
    response = bytes(request.response(486, to_tag="99sa0xk"))
    ack = build_ack_failure(INVITE.replace(b"To: Bob", b"Via: SIP/2.0/UDP below;branch=z9hG4bK0\r\nTo: Bob"), response)
    assert ack == (
        b"ACK sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKkjshdyff\r\n"
        b"To: Bob <sip:bob@biloxi.com>;tag=99sa0xk\r\nFrom: Alice <sip:alice@atlanta.com>;tag=88sja8x\r\n"
        b"Max-Forwards: 70\r\nRoute: <sip:p1.com;lr>\r\nRoute: <sip:p2.com;lr>\r\n"
        b"Call-ID: 987asjd97y7atg\r\nCSeq: 986759 ACK\r\nContent-Length: 0\r\n\r\n"
    )


def test_the_credentials_of_an_invite_are_in_the_ack_to_its_refusal_and_not_in_its_cancel() -> None:
    proofs = b"Authorization: Digest a=b\r\nProxy-Authorization: Digest c=d\r\nProxy-Authorization: Digest e=f\r\n"
    invite = INVITE.replace(b"Call-ID", proofs + b"Call-ID")
    request = parse(invite)
    assert isinstance(request, Request)
    assert proofs in build_ack_failure(invite, bytes(request.response(486, to_tag="99sa0xk")))
    assert b"uthorization" not in build_cancel(invite)


def test_only_an_invite_is_cancelled() -> None:
    for data in (b"", b"x", INVITE.replace(b"INVITE", b"BYE"), INVITE.replace(b"CSeq", b"X-CSeq"), INVITE[:-2]):
        with pytest.raises(LocalProtocolError):
            build_cancel(data)


def test_a_response_without_a_to_makes_no_ack() -> None:
    with pytest.raises(RemoteProtocolError):
        build_ack_failure(INVITE, b"SIP/2.0 486 Busy\r\nX: y\r\n\r\n")


@pytest.mark.parametrize("header", [("Reason", "a\r\nb"), ("a b", "c")])
def test_a_header_that_may_not_be_sent_is_refused(header: tuple[str, str]) -> None:
    with pytest.raises(LocalProtocolError):
        build_cancel(INVITE, [header])
    with pytest.raises(LocalProtocolError):
        build_refusal(INVITE, 503, headers=[header])


def test_a_refusal_answers_a_malformed_request_with_what_it_has() -> None:
    data = INVITE.replace(b"To: Bob", b'To: "Bob').replace(b"986759", b"x").replace(b"Max-Forwards: 70", b"Bad\nLine")
    assert build_refusal(data, 400, "Malformed CSeq", to_tag="h", headers=[("Retry-After", 5)]) == (
        b"SIP/2.0 400 Malformed CSeq\r\nVia: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKkjshdyff\r\n"
        b'To: "Bob <sip:bob@biloxi.com>;tag=h\r\nFrom: Alice <sip:alice@atlanta.com>;tag=88sja8x\r\n'
        b"Call-ID: 987asjd97y7atg\r\nCSeq: x INVITE\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"
    )


def test_a_refusal_keeps_a_tag_that_is_there_and_all_vias_but_one_of_each_other() -> None:
    data = INVITE.replace(b"biloxi.com>\r\n", b"biloxi.com>\r\n ;Tag = t\r\nv: SIP/2.0/UDP x\r\nt: <sip:e@h>\r\n")
    lines = (build_refusal(data, 503, to_tag="h") or b"").split(b"\r\n")
    assert lines[2:5] == [b"To: Bob <sip:bob@biloxi.com>", b" ;Tag = t", b"v: SIP/2.0/UDP x"]
    assert sum(line.startswith((b"To", b"t:")) for line in lines) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\1\2",
        INVITE.replace(b"INVITE sip:bob@biloxi.com SIP/2.0", b"SIP/2.0 200 OK"),
        INVITE.replace(b"INVITE", b"ACK"),
        INVITE.replace(b"Via: ", b"X-Via: "),
        INVITE.replace(b"Via: SIP/2.0/UDP ", b"Via: "),
        INVITE.replace(b"pc33.atlanta.com;", b"\0;"),
    ],
)
def test_what_cannot_be_answered_is_not(data: bytes) -> None:
    assert build_refusal(data, 400) is None


def test_a_request_that_was_cut_off_is_answered() -> None:
    assert (build_refusal(INVITE[:-4], 513) or b"").startswith(b"SIP/2.0 513 Message Too Large\r\nVia")


def test_a_tag_that_is_none_is_not_written() -> None:
    with pytest.raises(LocalProtocolError):
        build_refusal(INVITE, 400, to_tag="a b")
