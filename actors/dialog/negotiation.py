"""A call's sessions of media and its offers and answers (RFC 3264, RFC 3261 sections 13.2.1 and 14).

Whose turn it is keeps ``media.exchange``; what is here makes the descriptions and reads them.
"""

from __future__ import annotations

import re

from actors.dialog.call import Agent, Call, replace
from actors.dialog.call_parts import Media
from actors.dialog.effects import Close, Prepare, Start, Treat
from actors.dialog.names import session_id
from actors.runtime.machine import Effects
from actors.sip import RemoteProtocolError, sdp
from actors.sip.errors import NotAcceptable
from actors.sip.offer_answer import (
    Capabilities,
    Carrier,
    Exchange,
    Input,
    Negotiated,
    State,
    apply_answer,
    make_answer,
    make_offer,
)
from actors.sip.sdp_crypto import Crypto, InlineKey
from actors.sip.sdp_protection import OFF, OPTIONAL, PLAIN, REQUIRED, SECURE, lines
from actors.sip.vocabulary import Candidate

SECRET = ("tls", "wss")  # transports on which nobody reads along
MAX_SHAPES = 256  # offers whose answers are remembered
# An offer with an origin as RFC 8866 s5.2 has it, cut at that origin and at the port of its first m= line.
_usual = re.compile(
    rb"(v=0\r\n)o=[!-~]+ [0-9]{1,19} [0-9]{1,19} IN IP[46] [0-9A-Fa-f.:]+(\r\n(?:[a-ln-z]=[^\r\n]+\r\n)*m=audio )"
    rb"([1-9][0-9]{0,4})( .*)",
    re.DOTALL,
).fullmatch

PLACEHOLDER = 65535  # the port in an answer that is made before there is one
_PLACEHOLDER_AUDIO = f"audio {PLACEHOLDER} ".encode()
_KEYS = b"\r\na=crypto:"
_PLACEHOLDER_LINE = b"\r\nm=" + _PLACEHOLDER_AUDIO
_SILENT = {"sendrecv": "recvonly", "sendonly": "inactive"}  # a direction without what we would send


def process_of(tag: str, agent: Agent) -> int:
    """The number of the media process of the call with this tag."""
    return int(tag[:8], 16) % agent.settings.media


def process_for(call: Call, agent: Agent) -> int:
    """The number of the media process where the audio of a call is, or will be."""
    return call.media.process if call.media.chosen else process_of(call.tag, agent)


def prepared(call: Call, agent: Agent, host: str) -> tuple[Call, Effects]:
    """Ask for a new session that the peer reaches at `host`. The process is chosen by hash, or beside another call."""
    number = call.media.number + 1
    process = process_for(call, agent)
    session = session_id(call.tag, number)
    media = replace(call.media, process=process, session=session, number=number, asked=host, port=0, open=True)
    return replace(call, media=media), (Prepare(process, session, host, call.call),)


def closed(call: Call) -> Effects:
    """End the call's session if there is one."""
    media = call.media
    return (Close(media.process, media.session),) if media.open else ()


def _capabilities(call: Call, agent: Agent, host: str, port: int) -> Capabilities:
    return Capabilities(
        host, port, agent.formats(call).taken, int(call.tag[:15], 16), agent.settings.ptime, rtcp_mux=True
    )


def in_clear(call: Call) -> str:
    """The transport over which others could read what we tell the peer of `call`; empty where none can."""
    if call.dialog is not None:
        used = [call.dialog.path.transport]
    else:
        used = [] if call.attempt is None else [each.target.transport for each in call.attempt.candidates]
    return next((transport for transport in used if transport not in SECRET), "")


def trusted(call: Call, candidates: tuple[Candidate, ...], agent: Agent) -> tuple[Candidate, ...]:
    """The candidates that `call` may take: where keys must go and nobody may read them, the secret ones alone."""
    if agent.settings.srtp != REQUIRED or agent.settings.srtp_in_clear == "warn" or call.media.outside:
        return candidates
    return tuple([each for each in candidates if each.target.transport in SECRET])


def _policy(call: Call, agent: Agent) -> str:
    """Off, optional or required, as the settings say. Where keys may not go in clear, what is optional is off there."""
    wanted = agent.settings.srtp
    keyed = call.media.agreed is not None and call.media.agreed.keys is not None
    if wanted != OPTIONAL or agent.settings.srtp_in_clear == "warn" or keyed:
        return wanted
    return OFF if in_clear(call) else wanted


def _secured(capabilities: Capabilities, call: Call, agent: Agent, *, anew: bool = False) -> Capabilities:
    """`capabilities` with our crypto lines: a key that is in use stays (RFC 4568 s7.1.4), unless all are to be `anew`.

    Where SRTP was agreed it is required from then on, whatever the settings say.
    """
    agreed, wanted = call.media.agreed, _policy(call, agent)
    before = None if agreed is None else agreed.keys
    if before is None and wanted == OFF:
        return capabilities
    known = () if before is None or anew else (Crypto(0, before.suite, (InlineKey(before.send),)),)
    suites = agent.settings.srtp_suites
    if before is not None and before.suite not in suites:
        suites = (before.suite, *suites)
    security = wanted if before is None else REQUIRED
    return capabilities._replace(security=security, cryptos=lines(suites, known, agent.random))


def offered(call: Call, agent: Agent, carrier: Carrier, direction: str = "", *, unchanged: bool = False) -> Call:
    """`call` with an offer of ours open, ``exchange.offer``; the session must be prepared.

    One that changes nothing is the description in force, byte for byte (RFC 3264 s8, RFC 4028 s7.4).

    Args:
        call: the call.
        agent: what all calls share.
        carrier: the message that will hold it.
        direction: what we want from now on; empty for what we wanted before.
        unchanged: it is the description in force.

    Raises:
        LocalProtocolError: it is not our turn.
    """
    media = call.media
    exchange = media.exchange
    wanted = direction or media.direction
    if media.outside:
        exchange = exchange.sending(carrier, media.draft or exchange.local)[0]
        return replace(call, media=replace(media, exchange=exchange, draft=b""))
    if unchanged:
        return replace(call, media=replace(media, exchange=exchange.sending(carrier, exchange.local)[0]))
    previous = sdp.parse(exchange.sent) if exchange.sent else None
    capabilities = _secured(_capabilities(call, agent, media.host, media.port), call, agent)
    if media.agreed is None or media.agreed.noise is None:
        capabilities = capabilities._replace(
            codecs=agent.formats(call).offered
        )  # comfort noise that is in use is not taken away
    if capabilities.security != OFF:
        capabilities = _in_offer(capabilities, media, previous)
    offer = make_offer(capabilities, wanted, previous=previous)
    exchange, _ = exchange.sending(carrier, exchange.numbered(offer))
    return replace(call, media=replace(media, exchange=exchange))


def _in_offer(capabilities: Capabilities, media: Media, previous: sdp.SessionDescription | None) -> Capabilities:
    """How we offer SRTP: the suite in use alone, by the profile in use; else by RTP/SAVP where it is required."""
    agreed = media.agreed
    if agreed is not None and agreed.keys is not None:
        suite = agreed.keys.suite
        capabilities = capabilities._replace(cryptos=tuple([one for one in capabilities.cryptos if one.suite == suite]))
        used = () if previous is None else tuple([line.protocol for line in previous.media if line.port])
        return capabilities._replace(protocol=SECURE if SECURE in used else PLAIN)
    return capabilities._replace(protocol=SECURE if capabilities.security == REQUIRED else PLAIN)


def answered(call: Call, agent: Agent, offer: bytes, carrier: Carrier, *, offerless: bool = False) -> Call:
    """Draft our answer to `offer` and what it agrees on, in the ``media.draft`` and ``media.drafted`` of the call.

    Before media has taken a port, the placeholder stands in the draft in its place. An offer that repeats the last one
    gets the last answer again (RFC 3264 s8: the version stays). Of a signalling-only call the draft is empty until the
    application has given its answer.

    Args:
        call: the call.
        agent: what all calls share.
        offer: the peer's.
        carrier: the message that holds it.
        offerless: it is in a response to an INVITE of ours that held none.

    Raises:
        RemoteProtocolError: 488 or 413, nothing of it can be taken; 491 or 500, it is out of turn.
    """
    media = call.media
    exchange, _ = media.exchange.received(carrier, offer, offerless=offerless)
    if media.outside:
        again = _whole(offer) == exchange.remote
        return replace(call, media=replace(media, exchange=exchange, draft=exchange.local if again else b""))
    if media.agreed is not None and offer == exchange.remote:
        return replace(call, media=replace(media, exchange=exchange, draft=exchange.local, drafted=media.agreed))
    capabilities = _capabilities(call, agent, media.host, media.port or PLACEHOLDER)
    if exchange.sent or media.direction != "sendrecv":
        made, agreed = _later(agent, call, sdp.parse(offer), capabilities)
        draft = exchange.numbered(made)
    elif agent.settings.srtp != OFF and (_KEYS in offer or agent.settings.srtp == REQUIRED):
        _allowed(call, agent)
        draft, agreed = _read(offer, _secured(capabilities, call, agent))
    else:
        draft, agreed = _read(offer, capabilities) if media.codecs else _answer(agent, offer, capabilities)
    return replace(call, media=replace(media, exchange=exchange, draft=draft, drafted=_reachable(agreed, media.agreed)))


def fits(description: bytes) -> bool:
    """Whether an event can hand a session description on: what is no UTF-8 in it takes three bytes for one there."""
    return (
        len(description) * 3 <= sdp.MAX_BYTES or len(description.decode("utf-8", "replace").encode()) <= sdp.MAX_BYTES
    )


def _whole(description: bytes) -> bytes:
    """What the peer of a signalling-only call sent; the application judges it, we see that it is there and not large.

    Raises:
        RemoteProtocolError: 488, there is none; 413, it is too large.
    """
    if not description:
        raise NotAcceptable(488, "No session description")
    if not fits(description):
        raise RemoteProtocolError(413, "The session description is too large")
    return description


def _allowed(call: Call, agent: Agent) -> None:
    """Check that keys may be exchanged on the way of `call` where they have to be (RFC 4568 s8.3).

    Raises:
        NotAcceptable: 488, others could read them.
    """
    if agent.settings.srtp == REQUIRED and agent.settings.srtp_in_clear == "refuse" and (transport := in_clear(call)):
        raise NotAcceptable(488, f"No keys of SRTP over {transport}")


def _later(
    agent: Agent, call: Call, offer: sdp.SessionDescription, capabilities: Capabilities
) -> tuple[sdp.SessionDescription, Negotiated]:
    """The answer to an offer that is not the first. A peer that gives another key gets another of ours.

    Its media may be elsewhere now, where our rollover counter is not known (RFC 4568 s7.1.4).
    """
    media = call.media
    made, agreed = make_answer(offer, _secured(capabilities, call, agent), media.direction)
    before = None if media.agreed is None else media.agreed.keys
    if before is None or agreed.keys is None or agreed.keys.receive == before.receive:
        return made, agreed
    return make_answer(offer, _secured(capabilities, call, agent, anew=True), media.direction)


def _reachable(agreed: Negotiated, before: Negotiated | None) -> Negotiated:
    """What was agreed, with an address where the peer's is 0.0.0.0: nothing is sent there (RFC 3264 s8.4)."""
    return agreed if agreed.host else agreed._replace(host=before.host if before is not None else "127.0.0.1")


def _answer(agent: Agent, offer: bytes, capabilities: Capabilities) -> tuple[bytes, Negotiated]:
    """The first answer. Offers that differ only in origin and in the port of their first line are read once."""
    found = _usual(offer)
    port = int(found[3]) if found is not None else 0
    if found is None or not 0 < port < PLACEHOLDER or capabilities.port != PLACEHOLDER:
        return _read(offer, capabilities)
    shape = (capabilities.host, found[1], found[2], found[4])
    known = agent.answers.get(shape)
    if known is None:
        answer, agreed = make_answer(sdp.parse(offer), capabilities._replace(session_id=0))
        known = (bytes(answer), agreed)
        if len(agent.answers) >= MAX_SHAPES:
            agent.answers.clear()
        agent.answers[shape] = known
    text, agreed = known
    if not text.partition(b"\r\nm=")[2].startswith(
        _PLACEHOLDER_AUDIO
    ):  # its first line is refused: the port is another line's
        return _read(offer, capabilities)
    return text.replace(b"\r\no=- 0 ", b"\r\no=- %d " % capabilities.session_id, 1), agreed._replace(port=port)


def _read(offer: bytes, capabilities: Capabilities) -> tuple[bytes, Negotiated]:
    answer, agreed = make_answer(sdp.parse(offer), capabilities)
    return bytes(answer), agreed


def received_at(call: Call, agent: Agent, host: str, port: int) -> Call:
    """`call` with the address that media receives on, put into the answer that waited for it."""
    media = call.media
    draft = media.draft
    if draft and media.port == 0:
        if host == media.host:
            draft = draft.replace(_PLACEHOLDER_LINE, f"\r\nm=audio {port} ".encode(), 1)
        else:
            draft = _moved(media, _capabilities(call, agent, host, port))
    return replace(call, media=replace(media, host=host, port=port, draft=draft))


def _moved(media: Media, capabilities: Capabilities) -> bytes:
    """The drafted answer from another address of ours; its keys stay."""
    if _KEYS in media.draft:
        cryptos = tuple([crypto for line in sdp.parse(media.draft).media for crypto in line.cryptos])
        capabilities = capabilities._replace(security=REQUIRED, cryptos=cryptos)
    return _read(media.exchange.offer, capabilities)[0]


def unoffered(call: Call) -> bool:
    """Whether neither side has made an offer yet."""
    exchange = call.media.exchange
    return exchange.state is State.STABLE and not exchange.remote


def answering(call: Call, carrier: Carrier) -> tuple[Call, bytes]:
    """`call` after the drafted answer went out in a message, and that answer; empty where it went out before.

    In a provisional response that may be lost it is a preview, and stays drafted.
    """
    media = call.media
    if media.exchange.state is not State.REMOTE_OFFER:
        return call, b""
    exchange, what = media.exchange.sending(carrier, media.draft)
    after = replace(media, exchange=exchange, agreed=media.drafted)
    if what is Input.ANSWER_SENT:
        after = replace(after, draft=b"", drafted=None)
    return replace(call, media=after), media.draft


def abandoned(call: Call) -> Call:
    """`call` without the open offer, whosoever it was: what was agreed before stands (RFC 3261 s14.1)."""
    exchange = call.media.exchange.step(Input.OFFER_ABANDONED)
    return replace(call, media=replace(call.media, exchange=exchange, draft=b"", drafted=None))


def agreed(call: Call, answer: bytes, carrier: Carrier) -> tuple[Call, Input | None]:
    """`call` with the peer's answer to our open offer applied, and what it was: None where it says nothing new.

    Raises:
        RemoteProtocolError: it is no answer to what we offered.
    """
    media = call.media
    exchange, what = understood(media.exchange, answer, carrier)
    if what is None or exchange is media.exchange:
        return call, None
    if media.outside:
        _whole(answer)
        return replace(call, media=replace(media, exchange=exchange)), what
    local = exchange.local if what is Input.ANSWER_RECEIVED else exchange.offer
    result = _reachable(apply_answer(sdp.parse(local), sdp.parse(answer), _security(local, media)), media.agreed)
    return replace(call, media=replace(media, exchange=exchange, agreed=result)), what


def _security(offer: bytes, media: Media) -> str:
    """What an answer to `offer`, ours, must bring."""
    if _KEYS not in offer:
        return OFF
    return OPTIONAL if media.agreed is None or media.agreed.keys is None else REQUIRED


def understood(exchange: Exchange, answer: bytes, carrier: Carrier) -> tuple[Exchange, Input | None]:
    """What a description in a response, or in an ACK, is to an exchange whose offer is ours."""
    after, what = exchange.received(carrier, answer)
    return (exchange, None) if what is Input.PREVIEW_RECEIVED and after == exchange else (after, what)


def started(call: Call) -> Effects:
    """Have media apply what was agreed."""
    media = call.media
    if not media.open:
        return ()
    assert media.agreed is not None
    return (start(media, media.agreed),)


def start(media: Media, agreed: Negotiated) -> Start:
    """Have media apply `agreed`, muted as it is to be."""
    if media.muted == "rtp":
        agreed = agreed._replace(direction=_SILENT.get(agreed.direction, agreed.direction))
    return Start(media.process, media.session, agreed, media.muted == "sound", media.held_by_us)


def treated(call: Call) -> Effects:
    """Have media treat the audio as the call's treatment says."""
    media, how = call.media, call.treatment
    if not media.open or not (how.echo or how.play or how.record or how.device):
        return ()
    return (Treat(media.process, media.session, how.echo, how.play, how.loop, how.record, how.device),)


def rung(call: Call) -> Effects:
    """Have a sound device ring until media is started or closed."""
    if not call.media.open:
        return ()
    return (Treat(call.media.process, call.media.session, echo=False, play="", loop=False, record="", device="ring"),)


def awaited(call: Call, stage: str) -> Effects:
    """Have the devices of a call out know its stage before it is up: where it rings they do (RFC 3960 s3.2)."""
    media, device = call.media, call.treatment.device
    if not device or not media.open:
        return ()
    return (
        Treat(media.process, media.session, echo=False, play="", loop=False, record="", device=device, stage=stage),
    )


def unopened(media: Media) -> Media:
    """`media` whose session is over."""
    return replace(media, open=False)
