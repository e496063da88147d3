"""A dialog as RFC 3261 section 12 has it: ids, route set, remote target, CSeq numbers, the requests made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import msgspec

from actors.dialog.attempt import Attempt, AttemptState
from actors.sip import RemoteProtocolError, Request, Response, uri
from actors.sip.grammar import header_line
from actors.sip.vocabulary import Candidate, DialogId, Flow, Head, Target, host_port

MAX_FORWARDS = 70  # RFC 3261 section 8.1.1.6
LARGE = 1000  # bytes but for Via and Contact, above which a request may be too large for UDP
Ends = tuple[str, str]
"""The values of the From and, without a tag, of the To of an INVITE of ours."""
NO_SEQUENCE = -1  # an empty remote sequence number (section 12.1.2)


class Path(msgspec.Struct, frozen=True, array_like=True):
    """The way the dialog began by.

    Attributes:
        transport: udp or tcp.
        sent_by: host:port of ours, for Via and Contact; empty when that address is gone.
        host, port: the peer's end.
        flow: the token of the flow, empty where we know none.
        direct: whether the peer itself is at the other end, with no proxy between.
        name: the domain that the other end has proved to be over TLS, empty where we do not know it.
    """

    transport: str
    sent_by: str
    host: str
    port: int
    flow: str
    direct: bool
    name: str = ""

    @property
    def local_host(self) -> str:
        """Our address on it, without brackets."""
        return self.sent_by.rpartition(":")[0].strip("[]")

    def lost(self) -> Path:
        """The path when our address on it is gone: nothing of it can be used again."""
        return Path(self.transport, "", self.host, self.port, "", direct=False)

    @classmethod
    def of_flow(cls, flow: Flow, *, direct: bool) -> Path:
        """The path of a request that came by `flow`."""
        sent_by = host_port(flow.local_host, flow.local_port)
        return cls(flow.transport, sent_by, flow.host, flow.port, flow.token, direct)

    @classmethod
    def of_candidate(cls, candidate: Candidate) -> Path:
        """The path of a request that was sent to `candidate`."""
        target = candidate.target
        return cls(target.transport, candidate.sent_by, target.host, target.port, target.flow, False, target.name)


class Dialog(msgspec.Struct, frozen=True, array_like=True):
    """One dialog.

    Attributes:
        id: Call-ID, our tag, the peer's tag.
        local, remote: the From and To values of the requests we send, tags and all.
        route_set: the URIs of the Route headers of the requests we send, in order.
        remote_target: the URI of the peer's Contact.
        local_seq: the CSeq number of our last request; the next is one more.
        remote_seq: of the peer's last request, -1 while empty.
        path: the way it began by.
    """

    id: DialogId
    local: str
    remote: str
    route_set: tuple[str, ...]
    remote_target: str
    local_seq: int
    remote_seq: int
    path: Path

    @property
    def ends(self) -> Ends:
        """Of a dialog that our INVITE began."""
        return self.local, self.remote.rpartition(";tag=")[0] or self.remote


def of_request(invite: Request, head: Head, flow: Flow, tag: str) -> Dialog:
    """The dialog that answering `invite` with our `tag` begins (RFC 3261 s12.1.1).

    Raises:
        RemoteProtocolError: a header it needs is missing or malformed.
    """
    routes = tuple(str(route.uri) for route in invite.record_route)
    direct = not routes and len(invite.get_all("Via")) == 1
    return Dialog(
        DialogId(head.call_id, tag, head.from_tag),
        f"{invite.get('To')};tag={tag}",
        invite.get("From") or "",
        routes,
        target_of(invite),
        0,
        head.cseq,
        Path.of_flow(flow, direct=direct),
    )


def of_response(response: Response, head: Head, path: Path, ends: Ends, called: str) -> Dialog:
    """The dialog that a 2xx to our INVITE began (RFC 3261 s12.1.2, 13.2.2.4).

    Its From and To are those of the INVITE, `ends`: whatever the peer made of them in its response, our BYE gets
    through. A 2xx without a Contact that can be read still gets its ACK, or the callee would be off the hook for
    nobody: it goes to `called`, the Request-URI of the INVITE; with a Record-Route that cannot be read, straight.
    """
    try:
        target = target_of(response)
    except RemoteProtocolError:
        target = ""
    try:
        routes = tuple(str(route.uri) for route in reversed(response.record_route))
    except RemoteProtocolError:
        routes = ()
    return Dialog(
        DialogId(head.call_id, head.from_tag, head.to_tag),
        ends[0],
        f"{ends[1]};tag={head.to_tag}" if head.to_tag else ends[1],
        routes,
        target or called,
        head.cseq,
        NO_SEQUENCE,
        path,
    )


def ends_of(invite: bytes) -> Ends:
    """The From and the To of an INVITE of ours."""
    return _line(invite, b"From"), _line(invite, b"To")


def _line(request: bytes, name: bytes) -> str:
    begin = request.index(b"\r\n%s: " % name) + len(name) + 4
    return request[begin : request.index(b"\r\n", begin)].decode("utf-8", "surrogateescape")


def target_of(message: Request | Response) -> str:
    """The URI of the Contact as it may stand in a Request-URI, empty where there is none.

    Raises:
        RemoteProtocolError: it is malformed.
    """
    contact = message.contact
    if contact is None or contact.is_star:
        return ""
    where = contact.uri
    return str(dataclasses.replace(where, headers=()) if where.headers else where)  # s19.1.1, table 1


def routed(target: str, routes: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The Request-URI and the Route URIs of a request to `target` that visits `routes` first (RFC 3261 s12.2.1.1)."""
    if routes and not _is_loose(routes[0]):  # a strict router: it takes the Request-URI for the next Route
        return routes[0], (*routes[1:], target)
    return target, routes


def request(
    dialog: Dialog,
    method: str,
    seq: int,
    *,
    user_agent: str = "",
    body: bytes = b"",
    headers: Iterable[tuple[str, str]] = (),
    content_type: str = "application/sdp",
) -> bytes:
    """A request in the dialog but for Via and Contact (RFC 3261 s12.2.1.1), with more header lines of ours.

    Raises:
        LocalProtocolError: a header may not be sent.
    """
    target, routes = routed(dialog.remote_target, dialog.route_set)
    lines = [f"{method} {target} SIP/2.0"]
    lines += [f"Route: <{route}>" for route in routes]
    lines += [
        f"Max-Forwards: {MAX_FORWARDS}",
        f"From: {dialog.local}",
        f"To: {dialog.remote}",
        f"Call-ID: {dialog.id.call_id}",
        f"CSeq: {seq} {method}",
    ]
    if user_agent:
        lines.append(f"User-Agent: {user_agent}")
    lines += [header_line(name, value) for name, value in headers]
    if body:
        lines.append(f"Content-Type: {content_type}")
    lines.append(f"Content-Length: {len(body)}\r\n\r\n")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + body


def attempt(
    dialog: Dialog, name: str, method: str, raw: bytes, *, contact: str | None = None
) -> tuple[Attempt, Candidate | None]:
    """An attempt for a request in the dialog, and its next hop where it needs no location."""
    hop = next_hop(dialog)
    if hop is not None and hop.target.transport == "udp" and len(raw) > LARGE:
        hop = None  # the transport knows whether it may go by UDP (s18.1.1)
    where = "" if hop is not None else next_uri(dialog)
    new = Attempt(AttemptState.NEW, (), dialog.id.local_tag, name, method, raw, contact, where)
    return new, hop


def next_uri(dialog: Dialog) -> str:
    """The URI that decides where a request in the dialog is sent (RFC 3261 s8.1.2, 12.2.1.1).

    Nobody elsewhere leads us to this machine itself, by whatever Contact or Record-Route: what would go there goes to
    where the dialog came from.
    """
    found = dialog.route_set[0] if dialog.route_set else dialog.remote_target
    path = dialog.path
    if _may_be_here(found) and not _is_here(path.host):
        parts = uri.parse(found)
        if _is_here(parts.params.get("maddr") or parts.host):
            return f"sip:{host_port(path.host, path.port)};transport={path.transport}"
    return found


def next_hop(dialog: Dialog) -> Candidate | None:
    """The next hop where it is a numeric address on the transport the dialog began by, else None.

    On a stream the peer's own connection comes first: it may listen nowhere, or be behind a NAT.
    """
    path = dialog.path
    if not path.sent_by:
        return None
    parts = uri.parse(next_uri(dialog))
    transport = parts.transport or "udp"
    host = (parts.params.get("maddr") or parts.host).strip("[]")
    port = parts.port or (5061 if path.transport == "tls" else 5060)
    if path.direct and path.transport != "udp":
        known = (host, port) if _is_numeric(host) else (path.host, path.port)
        return Candidate(Target(path.transport, *known, path.flow), path.sent_by)
    numeric = parts.scheme == "sip" and _is_numeric(host) and (":" in host) == path.sent_by.startswith("[")
    if not numeric or transport != path.transport:
        return None
    same = transport == "udp" or (host, port) == (path.host, path.port)
    flow, name = (path.flow, path.name) if same else ("", "")
    return Candidate(Target(transport, host, port, flow, name=name), path.sent_by)


def _may_be_here(text: str) -> bool:
    """Whether a URI could be of loopback; that it is not is said without reading it."""
    return "127." in text or "localhost" in text.lower() or "::1" in text or "::ffff:" in text.lower()


def _is_here(host: str) -> bool:
    """Whether a host is loopback, by number or by its name."""
    host = host.strip("[]").lower().removeprefix("::ffff:").rstrip(".")
    return host.startswith("127.") or host in ("::1", "localhost")


def _is_numeric(host: str) -> bool:
    return ":" in host or (host.count(".") == 3 and host.replace(".", "").isdigit())


def _is_loose(route: str) -> bool:
    """Whether the URI of a Route has the lr parameter (RFC 3261 s19.1.1)."""
    return uri.parse(route).loose
