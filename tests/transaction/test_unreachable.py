"""FAULTS 74: an ICMP error fails the one client transaction that it really speaks of, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from actors.sip.vocabulary import TransactionKey
from actors.transaction.events import SendRequest, TransactionFailed
from actors.transaction.layer import Layer
from tests.transaction.messages import TO_TCP, TO_UDP, UDP, client_key, head_of, request, response, server_key

INVITE = request()
OPTIONS = request("OPTIONS", branch="z9hG4bKother")


def _news(raw: bytes, **lies: Any) -> tuple[TransactionKey, str, int, bytes, str]:
    told: dict[str, Any] = {"key": client_key(raw), "host": TO_UDP.host, "port": TO_UDP.port, "quoted": raw[:120]}
    told |= lies
    return told["key"], told["host"], told["port"], told["quoted"], "Connection refused"


def _layer(raw: bytes, target: Any = TO_UDP) -> Layer:
    layer = Layer(b"sixteen bytes ok")
    layer.send(SendRequest(client_key(raw), target, raw), 0.0)
    return layer


@pytest.mark.parametrize("raw", [INVITE, OPTIONS], ids=["INVITE", "OPTIONS"])
def test_a_request_that_did_not_arrive_fails_as_503_at_once(raw: bytes) -> None:
    layer = _layer(raw)
    (tell,) = layer.unreachable(_news(raw), 0.1)
    assert tell.event == TransactionFailed(client_key(raw), True, 503, "Connection refused")  # type: ignore[attr-defined]
    assert layer.unreachable(_news(raw), 0.2) == ()


@pytest.mark.parametrize(
    "lie",
    [
        {"host": "192.0.2.10"},
        {"port": 5061},
        {"quoted": INVITE[:100] + b"x"},
        {"quoted": INVITE + b"x"},
        {"key": TransactionKey("z9hG4bKguessed", "", "INVITE")},
        {"key": TransactionKey("z9hG4bKabc", "", "OPTIONS")},
    ],
    ids=lambda lie: next(iter(lie)),
)
def test_an_error_that_does_not_fit_in_every_part_is_ignored(lie: dict[str, Any]) -> None:
    layer = _layer(INVITE)
    assert layer.unreachable(_news(INVITE, **lie), 0.1) == ()
    assert len(layer.cells) == 1


def test_it_says_nothing_about_a_request_on_a_stream() -> None:
    assert _layer(INVITE, TO_TCP).unreachable(_news(INVITE), 0.1) == ()


def test_it_says_nothing_about_a_peer_that_has_answered() -> None:
    layer = _layer(INVITE)
    ringing = response(INVITE, 180)
    layer.receive(UDP, head_of(ringing), ringing, 0.1)
    assert layer.unreachable(_news(INVITE), 0.2) == ()
    final = response(INVITE, 486)
    layer.receive(UDP, head_of(final), final, 0.3)
    assert layer.unreachable(_news(INVITE), 0.4) == ()


def test_it_ends_no_server_transaction() -> None:
    layer = Layer(b"sixteen bytes ok")
    layer.receive(UDP, head_of(INVITE), INVITE, 0.0)
    assert layer.unreachable(_news(INVITE, key=server_key(INVITE)), 0.1) == ()
    assert len(layer.cells) == 2
