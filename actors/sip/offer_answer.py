"""Offer and answer for one audio stream (RFC 3264), pure: descriptions in, descriptions and what was agreed out.

Three functions make and read descriptions. :mod:`actors.sip.sdp_streams` does the same for any number of streams,
:class:`Exchange` keeps whose turn it is.
"""

from __future__ import annotations

from typing import NamedTuple

from actors.sip.errors import NotAcceptable
from actors.sip.sdp_codecs import EVENT, Codec
from actors.sip.sdp_crypto import Crypto
from actors.sip.sdp_exchange import Carrier, Exchange, Input, State
from actors.sip.sdp_model import SessionDescription
from actors.sip.sdp_protection import OFF, PLAIN
from actors.sip.sdp_streams import Negotiated, Own, Results, Stream, answer, apply, offer

__all__ = [
    "EVENT",
    "Capabilities",
    "Carrier",
    "Codec",
    "Exchange",
    "Input",
    "Negotiated",
    "Own",
    "State",
    "Stream",
    "apply_answer",
    "make_answer",
    "make_offer",
]


class Capabilities(NamedTuple):
    """What we have for a stream.

    Attributes:
        host: the literal address that we receive on, without brackets.
        port: the RTP port; RTCP is on the next.
        codecs: the most liked first, telephone-event among them.
        session_id: of the o= line, the same for the life of the dialog.
        ptime: milliseconds of audio in a packet that we like to receive.
        security: off, optional or required (:mod:`actors.sip.sdp_protection`).
        cryptos: our crypto lines, one a suite.
        protocol: of the line in an offer.
        rtcp_mux: RTCP may come to the port of RTP (RFC 5761).
    """

    host: str
    port: int
    codecs: tuple[Codec, ...]
    session_id: int
    ptime: int = 20
    security: str = OFF
    cryptos: tuple[Crypto, ...] = ()
    protocol: str = PLAIN
    rtcp_mux: bool = False


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
    lines = () if previous is None else previous.media
    place = next((at for at, line in enumerate(lines) if line.kind == "audio" and line.port), None)
    return offer(_own(capabilities, direction, place), version, previous).description


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
    made = answer(offer, _own(capabilities, direction), version)
    return made.description, _only(made.results)


def apply_answer(offer: SessionDescription, answer: SessionDescription, security: str = OFF) -> Negotiated:
    """What `answer` makes of our `offer` (s7).

    Args:
        offer: ours.
        answer: the peer's.
        security: ours: off, optional or required.

    Raises:
        NotAcceptable: 488, the answer does not fit the offer or refuses its audio.
    """
    return _only(apply(offer, answer, security))


def _own(capabilities: Capabilities, direction: str, line: int | None = None) -> Own:
    host, port, codecs, session_id, ptime, security, cryptos, protocol, mux = capabilities
    stream = Stream(port, codecs, direction, ptime, "audio", protocol, "", line, (), security, cryptos, mux)
    return Own(host, session_id, (stream,))


def _only(results: Results) -> Negotiated:
    for result in results:
        if result is not None:
            return result
    raise NotAcceptable(488, "No acceptable audio")
