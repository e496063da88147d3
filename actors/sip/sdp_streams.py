"""Offers and answers of any number of RTP streams (RFC 3264, RFC 6337): which line each has, what was agreed for it.

Pure: descriptions in, descriptions and results out. Results stand in the order of the m= lines, None for a stream
that is refused or removed. Whose turn it is, and the version of the o= line, are for :mod:`actors.sip.sdp_exchange`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from actors.sip.errors import LocalProtocolError, NotAcceptable
from actors.sip.sdp_attributes import DIRECTIONS
from actors.sip.sdp_codecs import Codec, common, is_audio, is_event, is_noise, settled
from actors.sip.sdp_crypto import Crypto
from actors.sip.sdp_model import Line, Media, SessionDescription
from actors.sip.sdp_protection import OFF, Keys, Protected, protected, protection
from actors.sip.sdp_reading import NOWHERES, PTIMES, StreamLine, read_line, usable

_UNPROTECTED = Protected()


class Stream(NamedTuple):
    """A stream as we want it.

    Attributes:
        port: where we receive RTP; RTCP is on the next.
        codecs: the most liked first, telephone-event among them.
        direction: what we want to do.
        ptime: milliseconds of audio in a packet that we like to receive.
        kind: audio, video, ...
        protocol: such as ``RTP/AVP``; a line of another is not taken.
        host: the literal address we receive on where it is not that of :class:`Own`; ``0.0.0.0`` is the old hold.
        line: the m= line that is its own from its first description on; None before that.
        attributes: more a= lines, such as those of ICE, without ``a=``.
        security: off, optional or required: see :mod:`actors.sip.sdp_protection`.
        cryptos: our crypto lines, one a suite; an offer holds them all, an answer the one that is chosen.
        rtcp_mux: RTCP may come to the port of RTP (RFC 5761): offered, and answered where it is offered.
    """

    port: int
    codecs: tuple[Codec, ...]
    direction: str = "sendrecv"
    ptime: int = 20
    kind: str = "audio"
    protocol: str = "RTP/AVP"
    host: str = ""
    line: int | None = None
    attributes: tuple[str, ...] = ()
    security: str = OFF
    cryptos: tuple[Crypto, ...] = ()
    rtcp_mux: bool = False


class Own(NamedTuple):
    """What we have for a dialog.

    Attributes:
        host: the literal address that we receive on, without brackets.
        session_id: of the o= line, the same for the life of the dialog.
        streams: the most liked first. A stream that is taken out of these is removed from the call (s8.2).
    """

    host: str
    session_id: int
    streams: tuple[Stream, ...]


class Negotiated(NamedTuple):
    """What was agreed for a stream.

    Attributes:
        host: where RTP goes, a literal address; empty where the peer takes none (c=0.0.0.0).
        port: where RTP goes; RTCP goes to the next, unless one of the last two says otherwise.
        send: the format to send, with the peer's payload type and fmtp.
        receive: every format the peer may send, telephone-event among them, with the payload types it uses.
        direction: ours: sendrecv, sendonly, recvonly or inactive.
        ptime: milliseconds of audio in a packet that we send.
        event: the telephone-event format to send, None where there is none.
        keys: of SRTP; None for plain RTP.
        rtcp_mux: RTCP goes to `port`, too (RFC 5761 s5.1.1).
        rtcp_port: where else RTCP goes (RFC 3605); 0 where the peer does not say.
        noise: the comfort noise to send in pauses (RFC 3389), None where there is none.
    """

    host: str
    port: int
    send: Codec
    receive: tuple[Codec, ...]
    direction: str
    ptime: int
    event: Codec | None = None
    keys: Keys | None = None
    rtcp_mux: bool = False
    rtcp_port: int = 0
    noise: Codec | None = None

    @property
    def sends(self) -> bool:
        """Whether we may send; False for as long as the peer holds us."""
        return self.direction in ("sendrecv", "sendonly")

    @property
    def receives(self) -> bool:
        """Whether we may be sent something."""
        return self.direction in ("sendrecv", "recvonly")


Results = tuple[Negotiated | None, ...]


class Offered(NamedTuple):
    """An offer, and our streams with the lines they have in it."""

    description: SessionDescription
    streams: tuple[Stream, ...]


class Answered(NamedTuple):
    """An answer, our streams with the lines they have in it, and what was agreed line by line."""

    description: SessionDescription
    streams: tuple[Stream, ...]
    results: Results


def offer(own: Own, version: int = 0, previous: SessionDescription | None = None) -> Offered:
    """An offer (s5, 8): every line of `previous` keeps its place, what is no longer wanted gets port 0.

    A new stream takes the place of one that was refused or removed, of its own kind first, else a new line below.

    Args:
        own: what we want.
        version: of the o= line.
        previous: our last description in the dialog.

    Raises:
        LocalProtocolError: an unknown direction, or two streams of one line.
    """
    media = [] if previous is None else [refused(line) for line in previous.media]
    free = [] if previous is None else _free(previous, own.streams)
    streams = []
    for stream in own.streams:
        place = stream.line
        if place is None:
            place = free.pop(0) if free else len(media)
        formats = stream.codecs
        if previous is None or place == len(media):
            media.append(_media(own, stream, formats, stream.direction, stream.protocol))
        else:
            formats = settled(formats, _before(previous.media[place]))
            media[place] = _media(own, stream, formats, stream.direction, stream.protocol)
        streams.append(stream._replace(line=place))
    return Offered(describe(own.host, own.session_id, version, tuple(media)), tuple(streams))


def _free(previous: SessionDescription, streams: tuple[Stream, ...]) -> list[int]:
    """The lines that new streams may take, those of one of their kinds first (s8.1)."""
    taken = [stream.line for stream in streams if stream.line is not None]
    if len(set(taken)) != len(taken) or any(not 0 <= line < len(previous.media) for line in taken):
        raise LocalProtocolError("streams whose lines are not those of the last description")
    kinds = {stream.kind for stream in streams}
    free = [place for place, line in enumerate(previous.media) if not line.port and place not in taken]
    return sorted(free, key=lambda place: previous.media[place].kind not in kinds)


def answer(offered: SessionDescription, own: Own, version: int = 0) -> Answered:
    """The answer to an offer (s6): each line is taken by its own stream, else by the first that suits and is left.

    All other lines are refused with port 0. Nothing is raised where all are: what to do then is the caller's to
    decide (RFC 6337 s5.2.3, 5.2.4).

    Raises:
        LocalProtocolError: an unknown direction.
    """
    left = list(enumerate(own.streams))
    streams = list(own.streams)
    media: list[Media] = []
    results: list[Negotiated | None] = []
    for place, line in enumerate(offered.media):
        reply = None
        for choice in left:
            number, stream = choice
            if stream.line in (None, place):
                reply = _reply(offered, line, own, stream)
                if reply is not None:
                    streams[number] = stream._replace(line=place)
                    left.remove(choice)
                    break
        media.append(refused(line) if reply is None else reply[0])
        results.append(None if reply is None else reply[1])
    timings = tuple(offered.values("t")) or ("0 0",)
    made = describe(own.host, own.session_id, version, tuple(media), timings)
    return Answered(made, tuple(streams), tuple(results))


def apply(offered: SessionDescription, answered: SessionDescription, security: str = OFF) -> Results:
    """What the peer's answer makes of our offer (s7).

    Args:
        offered: ours.
        answered: the peer's.
        security: of our streams.

    Raises:
        NotAcceptable: 488, the lines of the answer are not those of the offer.
    """
    if [line.kind for line in answered.media] != [line.kind for line in offered.media]:
        raise NotAcceptable(488, "The answer's media lines are not those of the offer")
    return tuple(
        [
            _applied(offered, ours, answered, line, security)
            for ours, line in zip(offered.media, answered.media, strict=True)
        ]
    )


def _reply(offered: SessionDescription, line: Media, own: Own, stream: Stream) -> tuple[Media, Negotiated] | None:
    """Our line that answers `line`, and what is agreed; None where `stream` cannot take it."""
    wanted = checked(stream.direction)
    if line.port == 0 or line.kind != stream.kind:
        return None
    found: Protected | None = _UNPROTECTED
    if stream.security != OFF:
        found = protected(line, stream.security, stream.cryptos)
    elif line.protocol != stream.protocol:
        return None
    theirs = read_line(offered, line)
    if found is None or not usable(line, theirs.connection, own.host):
        return None
    pairs = common(theirs.codecs, stream.codecs)
    if not pairs:
        return None
    # The offer's payload types and order (s6.1), our own fmtp: what we take.
    receive = tuple([ours._replace(payload_type=codec.payload_type) for codec, ours in pairs])
    direction = _join(wanted, _mirror(theirs.direction))
    agreed = _agreed(line, theirs, tuple([codec for codec, _ in pairs]), receive, direction, stream.ptime)
    mux = stream.rtcp_mux and _may_mux(theirs, receive)
    if mux or found.keys is not None:
        agreed = agreed._replace(keys=found.keys, rtcp_mux=mux)
    chosen = stream._replace(cryptos=found.cryptos, rtcp_mux=mux)
    return _media(own, chosen, receive, direction, line.protocol), agreed


def _applied(
    offered: SessionDescription, ours: Media, answered: SessionDescription, line: Media, security: str
) -> Negotiated | None:
    """What is agreed by the line of an answer, None where it refuses or does not fit ours."""
    if ours.port == 0 or line.port == 0 or line.protocol != ours.protocol:
        return None
    keys: Keys | None = None
    if security != OFF:
        found = protection(ours, line, security)
        if found is None:
            return None
        keys = found.keys
    mine, theirs = read_line(offered, ours), read_line(answered, line)
    if not usable(line, theirs.connection, "" if mine.connection is None else mine.connection.address):
        return None
    pairs = common(theirs.codecs, mine.codecs)
    if not pairs:
        return None
    receive = tuple([codec for _, codec in pairs])  # the peer sends with the payload types of our offer
    direction = _join(mine.direction, _mirror(theirs.direction))
    agreed = _agreed(line, theirs, tuple([codec for codec, _ in pairs]), receive, direction, mine.ptime or 20)
    mux = mine.rtcp_mux and _may_mux(theirs, receive)
    return agreed._replace(keys=keys, rtcp_mux=mux) if mux or keys is not None else agreed


# What is agreed.


def _may_mux(theirs: StreamLine, receive: tuple[Codec, ...]) -> bool:
    """Whether the peer wants RTCP on the port of RTP, and nothing in use looks like RTCP there (RFC 5761 s4)."""
    numbers = (codec.payload_type for codec in (*theirs.codecs, *receive))
    return theirs.rtcp_mux and not any(64 <= number <= 95 for number in numbers)


def _before(line: Media) -> tuple[Codec, ...]:
    """The formats of our own earlier line where its stream goes on."""
    return read_line(SessionDescription(), line).codecs if line.port else ()


def _agreed(
    line: Media, peer: StreamLine, theirs: tuple[Codec, ...], receive: tuple[Codec, ...], direction: str, ptime: int
) -> Negotiated:
    send = next(codec for codec in theirs if is_audio(codec))
    beside = [codec for codec in theirs if codec.clock_rate == send.clock_rate]
    event = next((codec for codec in beside if is_event(codec)), None)
    noise = next((codec for codec in beside if is_noise(codec)), None)
    host = peer.connection.address if peer.connection is not None else ""
    if host in NOWHERES:
        host = ""
        direction = _join(direction, "recvonly")  # RFC 6337 s5.4: the answer's attribute stays as it is
    length = peer.ptime or ptime
    if peer.limit and length > peer.limit:  # RFC 8866 s6.5
        length = max((time for time in PTIMES if time <= peer.limit), default=PTIMES[0])
    # A port that is RTP's own is not followed: they share one only by rtcp-mux (RFC 5761 s5.1.1).
    rtcp_port = peer.rtcp_port if peer.rtcp_port != line.port else 0
    return Negotiated(host, line.port, send, receive, direction, length, event, None, False, rtcp_port, noise)


def _mirror(direction: str) -> str:
    return {"sendonly": "recvonly", "recvonly": "sendonly"}.get(direction, direction)


def _join(one: str, other: str) -> str:
    """What both directions allow."""
    send = one in ("sendrecv", "sendonly") and other in ("sendrecv", "sendonly")
    receive = one in ("sendrecv", "recvonly") and other in ("sendrecv", "recvonly")
    return DIRECTIONS[(0 if receive else 1) if send else (2 if receive else 3)]


# Writing ours.


def checked(direction: str) -> str:
    """`direction`.

    Raises:
        LocalProtocolError: it is none.
    """
    if direction not in DIRECTIONS:
        raise LocalProtocolError(f"not a direction: {direction!r}")
    return direction


def describe(
    host: str, session_id: int, version: int, media: tuple[Media, ...], timings: tuple[str, ...] = ("0 0",)
) -> SessionDescription:
    """A description of ours with these media."""
    address = _address(host)
    lines: list[Line] = [("v", "0"), ("o", f"- {session_id} {version} {address}"), ("s", "-"), ("c", address)]
    lines += [("t", timing) for timing in timings]
    return SessionDescription(tuple(lines), media)


def _address(host: str) -> str:
    return f"IN IP{6 if ':' in host else 4} {host}"


def _media(
    own: Own,
    stream: Stream,
    formats: tuple[Codec, ...],
    direction: str,
    protocol: str,
) -> Media:
    lines, numbers = _format_lines(formats)
    if stream.host and stream.host != own.host:
        lines = (("c", _address(stream.host)), *lines)
    more = [("a", text) for text in stream.attributes]
    if stream.rtcp_mux:
        more.append(("a", "rtcp-mux"))
    more += [("a", f"crypto:{crypto}") for crypto in stream.cryptos]
    lines = (*lines, ("a", f"ptime:{stream.ptime}"), ("a", checked(direction)), *more)
    return Media(lines, stream.kind, stream.port, 1, protocol, numbers)


@lru_cache(maxsize=256)
def _format_lines(formats: tuple[Codec, ...]) -> tuple[tuple[Line, ...], tuple[str, ...]]:
    """The rtpmap and fmtp lines of these formats, and what the m= line says of them."""
    lines: list[Line] = []
    for codec in formats:
        channels = f"/{codec.channels}" if codec.channels > 1 else ""
        lines.append(("a", f"rtpmap:{codec.payload_type} {codec.encoding}/{codec.clock_rate}{channels}"))
        if codec.fmtp:
            lines.append(("a", f"fmtp:{codec.payload_type} {codec.fmtp}"))
    return tuple(lines), tuple([str(codec.payload_type) for codec in formats])


def refused(line: Media) -> Media:
    """A line with port 0; its formats are repeated because one must be there (s6)."""
    return Media((), line.kind, 0, 1, line.protocol, line.formats)
