"""A call's sessions of media and its offers and answers (RFC 3264, RFC 3261 sections 13.2.1 and 14)."""

from __future__ import annotations

import re

from actors.dialog.call import Agent, Call, Media, replace
from actors.dialog.effects import Close, Prepare, Start, Treat
from actors.dialog.names import session_id
from actors.runtime.machine import Effects
from actors.sip import sdp
from actors.sip.offer_answer import Capabilities, Negotiated, apply_answer, make_answer, make_offer

MAX_SHAPES = 256  # offers whose answers are remembered
# An offer with an origin as RFC 8866 s5.2 has it, cut at that origin and at the port of its first m= line.
_usual = re.compile(
    rb"(v=0\r\n)o=[!-~]+ [0-9]{1,19} [0-9]{1,19} IN IP[46] [0-9A-Fa-f.:]+(\r\n(?:[a-ln-z]=[^\r\n]+\r\n)*m=audio )"
    rb"([1-9][0-9]{0,4})( .*)",
    re.DOTALL,
).fullmatch

PLACEHOLDER = 65535  # the port in an answer that is made before there is one
_PLACEHOLDER_AUDIO = f"audio {PLACEHOLDER} ".encode()
_PLACEHOLDER_LINE = b"\r\nm=" + _PLACEHOLDER_AUDIO


def prepared(call: Call, agent: Agent, host: str) -> tuple[Call, Effects]:
    """Ask for a new session that the peer reaches at `host`. The process is chosen by hash and stays the call's."""
    number = call.media.number + 1
    process = int(call.tag[:8], 16) % agent.settings.media
    session = session_id(call.tag, number)
    media = replace(call.media, process=process, session=session, number=number, asked=host, port=0, open=True)
    return replace(call, media=media), (Prepare(process, session, host),)


def closed(call: Call) -> Effects:
    """End the call's session if there is one."""
    media = call.media
    return (Close(media.process, media.session),) if media.open else ()


def _capabilities(tag: str, agent: Agent, host: str, port: int) -> Capabilities:
    return Capabilities(host, port, agent.codecs, int(tag[:15], 16), agent.settings.ptime)


def offered(call: Call, agent: Agent) -> Call:
    """`call` with an offer of ours in ``media.local``; the session must be prepared."""
    media = call.media
    version = media.version + 1 if media.local else 0
    previous = sdp.parse(media.local) if media.local else None
    capabilities = _capabilities(call.tag, agent, media.host, media.port)
    offer = make_offer(capabilities, version=version, previous=previous)
    return replace(call, media=replace(media, local=bytes(offer), version=version))


def answered(call: Call, agent: Agent, offer: bytes) -> Call:
    """`call` with the answer to `offer` in ``media.local``. Without a port yet it holds a placeholder.

    An offer that repeats the last one gets the last answer again (RFC 3264 s8: the version stays).

    Raises:
        RemoteProtocolError: 488 or 413, nothing of it can be taken.
    """
    media = call.media
    if media.agreed is not None and offer == media.remote:
        return call
    version = media.version + 1 if media.local else 0
    capabilities = _capabilities(call.tag, agent, media.host, media.port or PLACEHOLDER)
    answer, agreed = _answer(agent, offer, capabilities, version)
    media = replace(media, local=answer, remote=offer, version=version, agreed=agreed)
    return replace(call, media=media)


def _answer(agent: Agent, offer: bytes, capabilities: Capabilities, version: int) -> tuple[bytes, Negotiated]:
    """The answer to an offer. Offers that differ only in origin and in the port of their first line are read once."""
    found = _usual(offer)
    port = int(found[3]) if found is not None else 0
    if found is None or not 0 < port < PLACEHOLDER or capabilities.port != PLACEHOLDER or version:
        return _read(offer, capabilities, version)
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
        return _read(offer, capabilities, version)
    return text.replace(b"\r\no=- 0 ", b"\r\no=- %d " % capabilities.session_id, 1), agreed._replace(port=port)


def _read(offer: bytes, capabilities: Capabilities, version: int) -> tuple[bytes, Negotiated]:
    answer, agreed = make_answer(sdp.parse(offer), capabilities, version=version)
    return bytes(answer), agreed


def received_at(call: Call, agent: Agent, host: str, port: int) -> Call:
    """`call` with the address that media receives on, put into the answer that waited for it."""
    media = call.media
    local = media.local
    if local and media.port == 0 and media.agreed is not None:
        if host == media.host:
            local = local.replace(_PLACEHOLDER_LINE, f"\r\nm=audio {port} ".encode(), 1)
        else:
            capabilities = _capabilities(call.tag, agent, host, port)
            local = bytes(make_answer(sdp.parse(media.remote), capabilities, version=media.version)[0])
    return replace(call, media=replace(media, host=host, port=port, local=local))


def agreed(call: Call, answer: bytes) -> Call:
    """`call` with the peer's answer to our last offer applied.

    Raises:
        RemoteProtocolError: it is no answer to what we offered.
    """
    media = call.media
    result = apply_answer(sdp.parse(media.local), sdp.parse(answer))
    return replace(call, media=replace(media, remote=answer, agreed=result))


def started(call: Call) -> Effects:
    """Have media apply what was agreed."""
    media = call.media
    assert media.agreed is not None
    return (Start(media.process, media.session, media.agreed),) if media.open else ()


def treated(call: Call) -> Effects:
    """Have media treat the audio as the call's treatment says."""
    media, treatment = call.media, call.treatment
    if not media.open or not (treatment.echo or treatment.play or treatment.record):
        return ()
    loop = treatment.loop
    return (Treat(media.process, media.session, treatment.echo, treatment.play, loop, treatment.record),)


def unopened(media: Media) -> Media:
    """`media` whose session is over."""
    return replace(media, open=False)
