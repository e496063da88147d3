"""Offer and answer for one audio stream (RFC 3264), pure: descriptions in, descriptions and what was agreed out.

Three functions make and read descriptions; :class:`Exchange` keeps whose turn it is.
"""

from __future__ import annotations

import ipaddress
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from actors.sip.errors import LocalProtocolError, NotAcceptable, RemoteProtocolError
from actors.sip.sdp import DIRECTIONS, Connection, Line, Media, RtpMap, SessionDescription

EVENT = "telephone-event"
# Static payload types that need no rtpmap (RFC 3551 s6).
_STATIC = {
    0: RtpMap(0, "PCMU", 8000, 1),
    3: RtpMap(3, "GSM", 8000, 1),
    4: RtpMap(4, "G723", 8000, 1),
    8: RtpMap(8, "PCMA", 8000, 1),
    9: RtpMap(9, "G722", 8000, 1),
    13: RtpMap(13, "CN", 8000, 1),
    15: RtpMap(15, "G728", 8000, 1),
    18: RtpMap(18, "G729", 8000, 1),
}
_PTIMES = frozenset((10, 20, 30, 40, 50, 60))  # milliseconds that we send; another wish is passed over
_NOWHERE = ("0.0.0.0", "::")  # noqa: S104 - addresses a peer writes to say that nothing is to be sent to it (s8.4)


class Codec(NamedTuple):
    """A payload format: RFC 3551 encoding name, clock rate in Hz. Encodings are compared without case."""

    payload_type: int
    encoding: str
    clock_rate: int
    fmtp: str = ""
    channels: int = 1


class Capabilities(NamedTuple):
    """What we have for a stream.

    Attributes:
        host: the literal address that we receive on, without brackets.
        port: the RTP port; RTCP is on the next.
        codecs: the most liked first, telephone-event among them.
        session_id: of the o= line, the same for the life of the dialog.
        ptime: milliseconds of audio in a packet that we like to receive.
    """

    host: str
    port: int
    codecs: tuple[Codec, ...]
    session_id: int
    ptime: int = 20


class Negotiated(NamedTuple):
    """What was agreed.

    Attributes:
        host: where RTP goes, a literal address; empty where the peer takes none (c=0.0.0.0).
        port: where RTP goes; RTCP goes to the next.
        send: the format to send, with the peer's payload type and fmtp.
        receive: every format the peer may send, telephone-event among them, with the payload types it uses.
        direction: ours: sendrecv, sendonly, recvonly or inactive.
        ptime: milliseconds of audio in a packet that we send.
        event: the telephone-event format to send, None where there is none.
    """

    host: str
    port: int
    send: Codec
    receive: tuple[Codec, ...]
    direction: str
    ptime: int
    event: Codec | None = None


class _Stream(NamedTuple):
    """One audio line of a peer as far as it matters here."""

    host: str
    port: int
    codecs: tuple[Codec, ...]
    direction: str
    ptime: int


def make_offer(
    capabilities: Capabilities,
    direction: str = "sendrecv",
    version: int = 0,
    previous: SessionDescription | None = None,
) -> SessionDescription:
    """An offer of one audio stream (s5).

    Args:
        capabilities: ours.
        direction: what we want to do.
        version: of the o= line; one more for each changed description of a dialog (s8).
        previous: our last description in the dialog: its number and order of m= lines is kept (s8).

    Raises:
        LocalProtocolError: an unknown direction.
    """
    codecs = capabilities.codecs
    audio = _media(capabilities, codecs, _checked(direction))
    if previous is None:
        return _describe(capabilities, version, (audio,), ("0 0",))
    place = next((at for at, line in enumerate(previous.media) if line.kind == "audio" and line.port), None)
    media = [_refused(line) for line in previous.media]
    if place is None:
        media.append(audio)
    else:
        media[place] = audio
    return _describe(capabilities, version, tuple(media), ("0 0",))


def make_answer(
    offer: SessionDescription, capabilities: Capabilities, direction: str = "sendrecv", version: int = 0
) -> tuple[SessionDescription, Negotiated]:
    """The answer to `offer` (s6): the first acceptable audio line is taken, all others are refused with port 0.

    Args:
        offer: the peer's.
        capabilities: ours.
        direction: what we want to do, of which the answer has what the offer allows.
        version: of the o= line.

    Raises:
        NotAcceptable: 488, no line can be taken.
        LocalProtocolError: an unknown direction.
    """
    wanted = _checked(direction)
    for place, line in enumerate(offer.media):
        stream = _acceptable(offer, line, capabilities)
        if stream is None:
            continue
        pairs = _common(stream.codecs, capabilities.codecs)
        if not pairs:
            continue
        # The offer's payload types and order (s6.1), our own fmtp: what we take.
        receive = tuple([ours._replace(payload_type=theirs.payload_type) for theirs, ours in pairs])
        theirs = tuple([codec for codec, _ in pairs])
        answered = _join(wanted, _mirror(stream.direction))
        media = [_refused(other) for other in offer.media]
        media[place] = _media(capabilities, receive, answered)
        answer = _describe(capabilities, version, tuple(media), tuple(offer.values("t")) or ("0 0",))
        return answer, _negotiated(stream, theirs, receive, answered, capabilities.ptime)
    raise NotAcceptable(488, "No acceptable audio")


def apply_answer(offer: SessionDescription, answer: SessionDescription) -> Negotiated:
    """What `answer` makes of our `offer` (s7).

    Raises:
        NotAcceptable: 488, the answer does not fit the offer or refuses its audio.
    """
    if [line.kind for line in answer.media] != [line.kind for line in offer.media]:
        raise NotAcceptable(488, "The answer's media lines are not those of the offer")
    place = next((at for at, line in enumerate(offer.media) if line.kind == "audio" and line.port), None)
    if place is None or answer.media[place].port == 0:
        raise NotAcceptable(488, "Audio refused")
    ours = offer.media[place]
    mine = _Stream("", ours.port, _codecs(ours), _direction(offer, ours), _ptime(ours) or 20)
    own = _address(offer, ours)
    stream = _usable(answer, answer.media[place], "" if own is None else own.address)
    pairs = _common(stream.codecs, mine.codecs) if stream is not None else []
    if stream is None or not pairs:
        raise NotAcceptable(488, "No acceptable audio")
    theirs = tuple([codec for codec, _ in pairs])
    receive = tuple([codec for _, codec in pairs])  # the peer sends with the payload types of our offer
    return _negotiated(stream, theirs, receive, _join(mine.direction, _mirror(stream.direction)), mine.ptime)


# Reading a peer's line.


def _acceptable(offer: SessionDescription, line: Media, capabilities: Capabilities) -> _Stream | None:
    if line.kind != "audio" or line.port == 0 or line.protocol != "RTP/AVP":
        return None
    return _usable(offer, line, capabilities.host)


def _usable(description: SessionDescription, line: Media, own: str) -> _Stream | None:
    """The line, None where it cannot be sent to: no unicast literal address, another family than `own`, a bad port."""
    connection = _address(description, line)
    if connection is None or connection.net_type != "IN" or line.count != 1 or line.port > 65534:
        return None
    host = connection.address
    if host in _NOWHERE:
        host = ""
    elif not _unicast(host, connection.address_type, own):
        return None
    return _Stream(host, line.port, _codecs(line), _direction(description, line), _ptime(line))


def _address(description: SessionDescription, line: Media) -> Connection | None:
    return line.connection or description.connection


@lru_cache(maxsize=1024)
def _unicast(host: str, family: str, own: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False  # a name would have to be looked up where nothing may wait
    if family != f"IP{address.version}" or (":" in own) != (address.version == 6):
        return False
    return not address.is_multicast and host != "255.255.255.255"


def _codecs(line: Media) -> tuple[Codec, ...]:
    """The formats of a line in its order; those without a known meaning are passed over."""
    rtpmaps, fmtps = line.rtpmaps, line.fmtps
    codecs = []
    for text in line.formats:
        if len(text) > 3 or not (text.isascii() and text.isdigit()):
            continue
        payload_type = int(text)
        rtpmap = rtpmaps.get(payload_type) or _STATIC.get(payload_type)
        if rtpmap is not None and payload_type <= 127:
            fmtp = fmtps.get(payload_type, "")
            codecs.append(Codec(payload_type, rtpmap.encoding, rtpmap.clock_rate, fmtp, rtpmap.channels))
    return tuple(codecs)


def _common(theirs: tuple[Codec, ...], ours: tuple[Codec, ...]) -> list[tuple[Codec, Codec]]:
    """Pairs of their format and ours that mean the same, in their order, each of ours once.

    Telephone events are taken only at a clock rate of an audio format (RFC 4733 s2.1); alone they are nothing.
    """
    pairs: list[tuple[Codec, Codec]] = []
    left = {_meaning(own): own for own in reversed(ours)}
    for codec in theirs:
        found = left.pop(_meaning(codec), None)
        if found is not None:
            pairs.append((codec, found))
    rates = {codec.clock_rate for codec, _ in pairs if not _is_event(codec)}
    return [pair for pair in pairs if pair[0].clock_rate in rates]


def _meaning(codec: Codec) -> tuple[str, int, int]:
    return codec.encoding.upper(), codec.clock_rate, codec.channels


def _is_event(codec: Codec) -> bool:
    return codec.encoding.lower() == EVENT


def _negotiated(
    stream: _Stream, theirs: tuple[Codec, ...], receive: tuple[Codec, ...], direction: str, ptime: int
) -> Negotiated:
    send = next(codec for codec in theirs if not _is_event(codec))
    event = next((codec for codec in theirs if _is_event(codec) and codec.clock_rate == send.clock_rate), None)
    if not stream.host:
        direction = _join(direction, "recvonly")  # RFC 6337 s5.4: the answer's attribute stays as it is
    return Negotiated(stream.host, stream.port, send, receive, direction, stream.ptime or ptime, event)


def _ptime(line: Media) -> int:
    """The ptime attribute (RFC 8866 s6.4) where it is one that we can send, else 0."""
    value = line.attribute("ptime") or ""
    if len(value) <= 3 and value.isascii() and value.isdigit() and int(value) in _PTIMES:
        return int(value)
    return 0


def _direction(description: SessionDescription, line: Media) -> str:
    return line.direction or description.direction or "sendrecv"


def _mirror(direction: str) -> str:
    return {"sendonly": "recvonly", "recvonly": "sendonly"}.get(direction, direction)


def _join(one: str, other: str) -> str:
    """What both directions allow."""
    send = one in ("sendrecv", "sendonly") and other in ("sendrecv", "sendonly")
    receive = one in ("sendrecv", "recvonly") and other in ("sendrecv", "recvonly")
    return DIRECTIONS[(0 if receive else 1) if send else (2 if receive else 3)]


# Writing ours.


def _checked(direction: str) -> str:
    if direction not in DIRECTIONS:
        raise LocalProtocolError(f"not a direction: {direction!r}")
    return direction


def _describe(
    capabilities: Capabilities, version: int, media: tuple[Media, ...], timings: tuple[str, ...]
) -> SessionDescription:
    address = f"IN IP{6 if ':' in capabilities.host else 4} {capabilities.host}"
    lines: list[Line] = [("v", "0"), ("o", f"- {capabilities.session_id} {version} {address}"), ("s", "-")]
    lines.append(("c", address))
    lines += [("t", timing) for timing in timings]
    return SessionDescription(tuple(lines), media)


def _media(capabilities: Capabilities, codecs: tuple[Codec, ...], direction: str) -> Media:
    lines: list[Line] = []
    for codec in codecs:
        channels = f"/{codec.channels}" if codec.channels > 1 else ""
        lines.append(("a", f"rtpmap:{codec.payload_type} {codec.encoding}/{codec.clock_rate}{channels}"))
        if codec.fmtp:
            lines.append(("a", f"fmtp:{codec.payload_type} {codec.fmtp}"))
    lines += [("a", f"ptime:{capabilities.ptime}"), ("a", direction)]
    formats = tuple([str(codec.payload_type) for codec in codecs])
    return Media(tuple(lines), "audio", capabilities.port, 1, "RTP/AVP", formats)


def _refused(line: Media) -> Media:
    """A line with port 0; its formats are repeated because one must be there (s6)."""
    return Media((), line.kind, 0, 1, line.protocol, line.formats)


# Whose turn it is.


class State(Enum):
    """Where an offer/answer exchange stands (s4)."""

    STABLE = 1
    LOCAL_OFFER = 2
    REMOTE_OFFER = 3


class Input(Enum):
    """What can happen to an exchange."""

    OFFER_SENT = 1
    OFFER_RECEIVED = 2
    ANSWER_SENT = 3
    ANSWER_RECEIVED = 4
    OFFER_ABANDONED = 5  # refused, cancelled or failed: what was agreed before stands (RFC 3261 s14.1)


_LOCAL = "ours"  # a pair that only we can bring about
# The state after each pair, or why it may not be: the status to answer, None for what is dropped, or our own mistake.
_NEXT: dict[tuple[State, Input], State | int | str | None] = {
    (State.STABLE, Input.OFFER_SENT): State.LOCAL_OFFER,
    (State.STABLE, Input.OFFER_RECEIVED): State.REMOTE_OFFER,
    (State.STABLE, Input.ANSWER_SENT): _LOCAL,
    (State.STABLE, Input.ANSWER_RECEIVED): None,
    (State.STABLE, Input.OFFER_ABANDONED): State.STABLE,
    (State.LOCAL_OFFER, Input.OFFER_SENT): _LOCAL,
    (State.LOCAL_OFFER, Input.OFFER_RECEIVED): 491,  # glare (RFC 3261 s14.2)
    (State.LOCAL_OFFER, Input.ANSWER_SENT): _LOCAL,
    (State.LOCAL_OFFER, Input.ANSWER_RECEIVED): State.STABLE,
    (State.LOCAL_OFFER, Input.OFFER_ABANDONED): State.STABLE,
    (State.REMOTE_OFFER, Input.OFFER_SENT): _LOCAL,
    (State.REMOTE_OFFER, Input.OFFER_RECEIVED): 500,  # with Retry-After (RFC 3261 s14.2, RFC 3311 s5.2)
    (State.REMOTE_OFFER, Input.ANSWER_SENT): State.STABLE,
    (State.REMOTE_OFFER, Input.ANSWER_RECEIVED): None,
    (State.REMOTE_OFFER, Input.OFFER_ABANDONED): State.STABLE,
}


class Exchange(NamedTuple):
    """An exchange: whose turn it is, the descriptions in force and the open offer, as bytes; a plain value.

    Attributes:
        state: whose turn it is.
        local: our description in force, empty before the first.
        remote: the peer's in force, empty before the first.
        offer: the open offer, empty while stable.
    """

    state: State = State.STABLE
    local: bytes = b""
    remote: bytes = b""
    offer: bytes = b""

    def step(self, what: Input, description: bytes = b"") -> Exchange:
        """The exchange after `what`.

        Args:
            what: what happened.
            description: the offer or answer that was sent or received.

        Raises:
            RemoteProtocolError: the peer may not do that now; the status to answer with, None for an answer to nothing.
            LocalProtocolError: we may not do that now.
        """
        after = _NEXT[self.state, what]
        if after is _LOCAL:
            raise LocalProtocolError(f"{what.name} in {self.state.name}")
        if not isinstance(after, State):
            raise RemoteProtocolError(after if isinstance(after, int) else None, "Offer or answer out of turn")
        if what in (Input.OFFER_SENT, Input.OFFER_RECEIVED):
            return self._replace(state=after, offer=description)
        if what is Input.ANSWER_SENT:
            return Exchange(after, description, self.offer)
        if what is Input.ANSWER_RECEIVED:
            return Exchange(after, self.offer, description)
        return self._replace(state=after, offer=b"")
