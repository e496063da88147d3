"""What becomes of a call in: which treatment answers it at once, which refusal meets it."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from actors.dialog.call_commands import Treatment
from actors.dialog.settings import Answer, Route
from actors.sip import RemoteProtocolError
from actors.sip.message import Message

AT_ONCE = frozenset({"echo", "play", "record"})

OUTCOMES = {  # of a call, by the final status that decided it
    408: "no_answer",
    480: "no_answer",
    486: "busy",
    487: "cancelled",
    503: "unreachable",
    600: "busy",
}


def route(routes: Iterable[Route], user: str, account: str, host: str) -> str:
    """The name of the first route that a call in takes, empty where none is for it.

    Args:
        routes: of the configuration.
        user: of the Request-URI, a number as the account wants it.
        account: that it came for or from, empty for none of ours.
        host: the address that it came from.
    """
    for each in routes:
        for_user = not each.users or user in each.users
        for_number = not each.numbers or user.startswith(each.numbers)
        for_account = not each.accounts or account in each.accounts
        if for_user and for_number and for_account and (not each.sources or _within(host, each.sources)):
            return each.name
    return ""


def _within(host: str, networks: Iterable[str]) -> bool:
    address = ip_address(host.partition("%")[0])
    return any(address in ip_network(network) for network in networks)


def treatment(answer: Answer, call: str) -> Treatment | None:
    """The treatment that the call in `call` is answered with at once, None where it is not."""
    if answer.mode == "echo":
        return Treatment(echo=True)
    if answer.mode == "play":
        return Treatment(play=answer.path)
    if answer.mode == "record":
        return Treatment(record=answer.path.replace("{call}", call))
    return None


def answer_after(answer: Answer, host: str, headers: Iterable[tuple[str, str]]) -> float:
    """The seconds after which the caller at `host` has us answer by ourselves; -1 where it does not, or may not.

    It says so with ``Call-Info: <uri>;answer-after=0``, ``Alert-Info: <uri>;info=alert-autoanswer;delay=0`` or
    ``Answer-Mode: Auto`` (RFC 5373 s3.1), and is one of the networks that may.
    """
    if not answer.obey:
        return -1.0
    delays = [_delay(name.lower(), value) for name, value in headers]
    asked = [delay for delay in delays if delay >= 0]
    if not asked:
        return -1.0
    return min(asked) if _within(host, answer.obey) else -1.0


def _delay(name: str, value: str) -> float:
    """The seconds that a header line asks for, -1 where it asks for nothing."""
    params = {
        key.strip().lower(): text.strip(' "') for key, _, text in (each.partition("=") for each in value.split(";"))
    }
    if name == "answer-mode":
        return 0.0 if value.split(";", maxsplit=1)[0].strip().lower() == "auto" else -1.0
    if name == "call-info" and "answer-after" in params:
        return _seconds(params["answer-after"])
    if name == "alert-info" and params.get("info", "").lower() in ("alert-autoanswer", "auto-answer", "auto answer"):
        return _seconds(params.get("delay") or params.get("answer-after") or "0")
    return -1.0


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 5 else -1.0


def outcome_of(status: int) -> str:
    """The outcome that a final status stands for: 3xx, 4xx and 6xx refuse, what else is a fault of 5xx fails."""
    if status in OUTCOMES:
        return OUTCOMES[status]
    return "failed" if 500 <= status < 600 else "rejected"


# Q.850 causes of final statuses (RFC 3398 s8.2.6.1).
CAUSES = {
    400: 41, 401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: 102, 410: 22, 413: 127, 414: 127,
    415: 79, 416: 127, 420: 127, 421: 127, 423: 127, 480: 18, 481: 41, 482: 25, 483: 25, 484: 28, 485: 1, 486: 17,
    487: 16, 488: 65, 500: 41, 501: 79, 502: 38, 503: 41, 504: 102, 505: 127, 513: 127, 600: 17, 603: 21,
    604: 1, 606: 65,
}  # fmt: skip
NORMAL_CLEARING = 16
INTERWORKING = 127


def cause_of(outcome: str, status: int) -> int:
    """The Q.850 cause of a call's end where nobody told one; 0 where nothing stands for it."""
    if outcome == "answered" or status == 0:
        return NORMAL_CLEARING if outcome in ("answered", "cancelled") else 0
    return CAUSES.get(status, INTERWORKING)


def told_cause(message: Message) -> int:
    """The Q.850 cause that a message's Reason tells (RFC 3326), 0 where it tells none."""
    if message.look or message.get("Reason") is None:
        return 0
    try:
        causes = [reason.cause for reason in message.reasons if reason.protocol.upper() == "Q.850"]
    except RemoteProtocolError:
        return 0
    return next((cause for cause in causes if cause is not None and 0 < cause < 128), 0)
