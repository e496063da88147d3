"""SIPS: what RFC 5630 asks of a request, as far as the way it came decides. FAULTS 27."""

from __future__ import annotations

import pytest

from actors.sip.scan import scan
from actors.sip.vocabulary import Flow
from actors.transport.sips import Objection, Sips

UDP = Flow("udp:0", "udp", "192.0.2.1", 5060, "198.51.100.1", 5060)
TLS = UDP._replace(token="tls:1.1", transport="tls", local_host="2001:db8::1")
ALLOWED = Sips(offered=True)


def _request(scheme: str = "sips", contact: str = "<sips:b@c>", method: str = "INVITE", to_tag: str = "") -> bytes:
    lines = [
        f"{method} {scheme}:a@b SIP/2.0",
        "Via: SIP/2.0/TLS b;branch=z9hG4bK1",
        "From: <sip:b@c>;tag=1",
        f"To: <sip:a@b>{to_tag}",
        "Call-ID: 1",
        f"CSeq: 1 {method}",
        *([f"Contact: {contact}"] if contact else []),
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _objection(raw: bytes, flow: Flow, rules: Sips = ALLOWED) -> Objection | None:
    return rules.objection(raw, scan(raw)[0], flow)


@pytest.mark.parametrize("contact", ["<sips:b@c>", '"sip:x" <SIPS:b@c>', "", "sips:b@c", "<tel:+1>"])
def test_a_request_that_is_sips_all_through_passes_over_tls(contact: str) -> None:
    assert _objection(_request("SIPS", contact), TLS) is None


@pytest.mark.parametrize(
    "contact", ["<sip:b@c>", "sip:b@c", '"x" <SIP:b@c>', "<sips:b@c>, <sip:b@c>", "\r\n <sip:b@c>"]
)
def test_fault_27_a_sip_contact_under_a_sips_request_uri_is_400(contact: str) -> None:
    found = _objection(_request(contact=contact), TLS)
    assert found is not None
    assert found.status == 400
    assert _objection(_request(contact=contact, method="REGISTER"), TLS) is None  # RFC 5630 section 5.1.1.1
    assert _objection(_request("sip", contact=contact), TLS) is None


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_fault_27_sips_without_tls_is_refused(transport: str) -> None:
    flow = UDP._replace(transport=transport)
    assert _objection(_request(), flow) == Objection(400, "SIPS Needs TLS")
    assert _objection(_request(), flow, Sips(offered=False)) == Objection(416, "Unsupported URI Scheme")


def test_fault_27_a_policy_without_sips_says_so() -> None:
    refused = Sips(offered=True, policy="refused")
    assert _objection(_request(), TLS, refused) == Objection(
        480, "SIPS Not Allowed", '380 [2001:db8::1] "SIPS Not Allowed"'
    )
    assert _objection(_request("sip"), UDP, refused) is None


def test_fault_27_a_policy_that_demands_sips_says_so_and_leaves_dialogs_alone() -> None:
    required = Sips(offered=True, policy="required")
    assert _objection(_request("sip"), UDP, required) == Objection(
        480, "SIPS Required", '381 192.0.2.1 "SIPS Required"'
    )
    assert _objection(_request(), TLS, required) is None
    assert _objection(_request("sip", to_tag=";tag=2"), UDP, required) is None
    for method in ("ACK", "CANCEL"):
        assert _objection(_request("sip", method=method), UDP, required) is None
