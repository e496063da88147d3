"""The answers that need no call: refusals of RFC 3261 section 8.2 and OPTIONS."""

from __future__ import annotations

import re
from collections.abc import Iterable

from actors.dialog.attempt import contact_value
from actors.dialog.call import METHODS, Agent, Asked
from actors.dialog.effects import Reply
from actors.sip import REASONS, RemoteProtocolError, Request, Response
from actors.sip.bodies import SDP, unpack
from actors.sip.grammar import header_line
from actors.sip.scan import METHODS as KNOWN
from actors.sip.usual import Look
from actors.sip.vocabulary import Flow, host_port

UNDERSTOOD = frozenset({SDP})
ACCEPT = ("Accept", SDP)
ACCEPT_ENCODING = ("Accept-Encoding", "identity")
EXTENSIONS = ("100rel", "timer", "replaces", "norefersub", "tdialog")  # the option tags that we understand
SUPPORTED = ("Supported", ", ".join(EXTENSIONS))
# What an application is told of a message: what no layer of ours works on.
_shown = re.compile(
    r"\r\n(X-[!-9;-~]+|P-[A-Za-z-]+|Privacy|Diversion|History-Info|Reason|Subject|Referred-By|User-to-User|Call-Info"
    r"|Alert-Info|Identity|Organization|Priority|Session-ID|Answer-Mode|Priv-Answer-Mode|Retry-After|Warning):",
    re.IGNORECASE,
).findall
MAX_SHOWN = 32  # header lines of a message that are told, of at most
SHOWN_LENGTH = 1_000  # characters each

Headers = Iterable[tuple[str, str]]
_NO_BODY = b"Content-Length: 0\r\n\r\n"


def answer(
    agent: Agent,
    asked: Asked,
    status: int,
    headers: Headers = (),
    *,
    reason: str | None = None,
    body: bytes = b"",
    tag: str = "",
) -> Reply:
    """Answer a request; a To without a tag gets the one that a call by this transaction has (RFC 3261 s8.2.6.2).

    That is `tag` where the caller knows it already.
    """
    to_tag = None if asked.head.to_tag else tag or agent.names.tag_of_invite(asked.key)
    lines = (*headers, ("Server", agent.settings.user_agent))
    kind = SDP if body else None
    response = asked.request.response(status, reason, to_tag=to_tag, headers=lines, body=body, content_type=kind)
    return Reply(asked.key, status, bytes(response))


def restated(
    raw: bytes, status: int, reason: str, headers: Headers = (), body: bytes = b"", content_type: str = SDP
) -> bytes:
    """A response made of another one without a body to the same request: another status line, more headers, a body."""
    head = raw[raw.index(b"\r\n") : -len(_NO_BODY)]
    if headers:
        head += "".join([header_line(name, value) + "\r\n" for name, value in headers]).encode()
    kind = b"Content-Type: %s\r\n" % content_type.encode() if body else b""
    return b"SIP/2.0 %d %s%s%sContent-Length: %d\r\n\r\n%s" % (status, reason.encode(), head, kind, len(body), body)


def refusing(ringing: bytes, status: int, reason: str = "", headers: Headers = ()) -> bytes:
    """A refusal made of the 180 to the same INVITE: another status line, no Contact (RFC 3261 table 2), no Allow."""
    more = "".join([header_line(name, value) + "\r\n" for name, value in headers]).encode()
    head = ringing.partition(b"\r\n")[2]
    ours = head.index(b"\r\nContact: ") + 2  # what we added stands together, after what was copied
    server = head.index(b"\r\nServer: ", ours) + 2
    words = (reason or REASONS.get(status, "Refused")).encode()
    return b"SIP/2.0 %d %s\r\n%s%s%s" % (status, words, head[:ours], more, head[server:])


def our_contact(agent: Agent, asked: Asked) -> tuple[str, str]:
    """Our Contact header towards the peer whose request is answered."""
    flow = asked.flow
    sent_by = host_port(flow.local_host, flow.local_port)
    secure = flow.transport == "tls" and _is_secure(asked.request)
    return ("Contact", contact_value(agent.settings.user, sent_by, flow.transport, secure=secure))


def _is_secure(request: Request) -> bool:
    """Whether our Contact in the answer has to be a SIPS URI (RFC 3261 s12.1.1, RFC 5630 s5.1.2)."""
    if request.uri[:5].lower() == "sips:":
        return True
    first = request.record_route[0] if request.record_route else request.contact
    return first is not None and first.uri.secure


def warning(flow: Flow, code: int, text: str) -> tuple[str, str]:
    """A Warning header (RFC 3261 s20.43); `text` is ours, with no quote in it."""
    return ("Warning", f'{code} {host_port(flow.local_host, flow.local_port)} "{text}"')


def retry_after(agent: Agent, asked: Asked) -> tuple[str, str]:
    """Retry-After with 0 to 10 seconds by chance (RFC 3261 s14.2)."""
    return ("Retry-After", str(int(agent.names.token("retry", asked.key.branch)[:4], 16) % 11))


def out_of_scope(agent: Agent, asked: Asked) -> Reply | None:
    """The refusal that any request gets for its method, URI scheme or extensions, None if it gets none.

    In the order of RFC 3261 s8.2: 501 or 405, 416, 420.
    """
    method = asked.head.method
    if method not in METHODS and not (asked.head.to_tag and method in agent.settings.methods):
        return answer(agent, asked, 405, (agent.allow,)) if method in KNOWN else answer(agent, asked, 501)
    if not asked.request.uri[:5].lower().startswith(("sip:", "sips:")):
        return answer(agent, asked, 416)
    if asked.request.look:
        return None
    unknown = [tag for tag in asked.request.require if tag not in EXTENSIONS]
    if unknown:  # s8.2.2.3
        return answer(agent, asked, 420, (("Unsupported", ", ".join(unknown)),))
    return None


def shown(message: Request | Response) -> tuple[tuple[str, str], ...]:
    """The header lines of a message that an application is told: those for it, and who says to be calling."""
    if message.look is Look.BARE:
        return ()
    raw = bytes(message)
    names = _shown(raw[: raw.find(b"\r\n\r\n") + 2].decode("latin-1"))
    if not names:
        return ()
    found = [(name, value[:SHOWN_LENGTH]) for name in dict.fromkeys(names) for value in lines_of(message, name)]
    return tuple(found[:MAX_SHOWN])


def lines_of(message: Request | Response, name: str) -> list[str]:
    """The values of a header, cut at their commas where they can be."""
    try:
        return message.get_all(name)
    except RemoteProtocolError:
        return []


def description_in(message: Request | Response) -> bytes:
    """The session description in a message, alone or among other parts; empty where there is none.

    One in a plain head costs a look-up. All else is read as RFC 3261 s8.2.3 and RFC 5621 ask.

    Raises:
        RemoteProtocolError: 415, a body that must be understood is not, is coded, or is for something else than a
            session; 400, it is malformed.
    """
    body = message.body
    if not body:
        return b""
    if message.look and message.get("Content-Type") is not None:
        return body
    found = b""
    for part in unpack(message, UNDERSTOOD):
        if part.disposition.kind == "session":
            found = found or part.data
        elif part.disposition.required:
            raise RemoteProtocolError(415, "Unsupported content disposition")
    return found


def refusal(agent: Agent, asked: Asked, error: RemoteProtocolError) -> Reply:
    """The answer to a request in which something is malformed or not understood."""
    status = error.status or 400
    if status == 415:  # s8.2.3, 21.4.13
        return answer(agent, asked, 415, (ACCEPT, ACCEPT_ENCODING))
    headers: Headers = (warning(asked.flow, 304, error.reason),) if status == 488 else ()
    if status == 500:  # s14.2, RFC 3311 s5.2
        headers = (retry_after(agent, asked),)
    return answer(agent, asked, status, headers, reason=error.reason if status == 400 else None)


def options(agent: Agent, asked: Asked, status: int) -> Reply:
    """Answer OPTIONS with the status an INVITE would get now, and what we can (RFC 3261 s11.2, RFC 6665 s7.2)."""
    headers = (our_contact(agent, asked), agent.allow, ACCEPT, ACCEPT_ENCODING, SUPPORTED, *allow_events(agent))
    return answer(agent, asked, status, headers)


def allow_events(agent: Agent) -> tuple[tuple[str, str], ...]:
    """The packages that may be subscribed to (RFC 6665 s8.2.2), where there are any."""
    packages = agent.settings.packages
    return (("Allow-Events", ", ".join(packages)),) if packages else ()
