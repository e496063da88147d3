"""The vocabulary of SIP: messages, URIs, headers, SDP. Pure, standard library only."""

from actors.sip.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from actors.sip.headers import CSeq, MediaType, NameAddr, Reason, RetryAfter, Via
from actors.sip.message import Message, Request, Response, parse
from actors.sip.reasons import REASONS
from actors.sip.uri import Uri

__all__ = [
    "REASONS",
    "CSeq",
    "LocalProtocolError",
    "MediaType",
    "Message",
    "NameAddr",
    "ProtocolError",
    "Reason",
    "RemoteProtocolError",
    "Request",
    "Response",
    "RetryAfter",
    "Uri",
    "Via",
    "parse",
]
