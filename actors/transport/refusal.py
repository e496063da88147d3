"""Stateless responses to requests that may be malformed: stamped as they leave, tagged so that their ACK is known."""

from __future__ import annotations

import re
from collections.abc import Callable

from actors.sip.build import build_refusal
from actors.sip.vocabulary import Flow, Head
from actors.transport.route import top_via_span
from actors.transport.stamp import stamp

MakeTag = Callable[[str, str, int, str], str]

# What the ACK to a refusal will have again, where the request is well-formed enough to have it (RFC 3261 s17.1.1.3).
_CALL_ID = re.compile(rb"\r\n(?:call-id|i)[ \t]*+:[ \t]*+([!-~]++)", re.IGNORECASE)
_FROM_TAG = re.compile(rb"\r\n(?:from|f)[ \t]*+:[^\r\n]*?>[ \t]*+;[ \t]*+tag=([!-:<-~]++)", re.IGNORECASE)
_CSEQ = re.compile(rb"\r\ncseq[ \t]*+:[ \t]*+([0-9]{1,10})[ \t]", re.IGNORECASE)
_BRANCH = re.compile(rb"\r\n(?:via|v)[ \t]*+:[^\r\n]*?;branch=([!-+\--:<-~]++)", re.IGNORECASE)
_HEAD = 65_536


def refuse(
    raw: bytes,
    flow: Flow,
    status: int,
    make_tag: MakeTag,
    *,
    reason: str | None = None,
    head: Head | None = None,
    retry_after: int | None = None,
    warning: str = "",
) -> bytes | None:
    """Build a stateless response (RFC 3261 section 8.2.7), ready to be sent.

    Args:
        raw: the request as it came.
        flow: the way it came; `received` and `rport` on the response say so.
        status: of the response.
        make_tag: gives the To tag for Call-ID, From tag, CSeq number and branch.
        reason: its phrase, None for the standard one.
        head: the request's head, where it could be read.
        retry_after: seconds for a Retry-After header.
        warning: the value of a Warning header, empty for none.

    Returns:
        The response, or None where none may be sent: to an ACK, a response, or without a Via to answer to.
    """
    if head is None:
        tag = make_tag(
            _first(_CALL_ID, raw), _first(_FROM_TAG, raw), int(_first(_CSEQ, raw) or 0), _first(_BRANCH, raw)
        )
    else:
        tag = make_tag(head.call_id, head.from_tag, head.cseq, head.branch)
    headers = [] if retry_after is None else [("Retry-After", str(retry_after))]
    if warning:
        headers.append(("Warning", warning))
    response = build_refusal(raw, status, reason, to_tag=tag, headers=headers)
    if response is None:
        return None
    return stamp(response, *top_via_span(response), flow.host, flow.port)


def _first(pattern: re.Pattern[bytes], raw: bytes) -> str:
    match = pattern.search(raw, 0, _HEAD)
    return "" if match is None else match[1].decode("ascii")
