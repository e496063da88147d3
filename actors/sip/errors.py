"""The two ways in which SIP text is wrong: a peer sent it (remote), or we were asked to send it (local)."""

from __future__ import annotations


class ProtocolError(Exception):
    """What both errors have in common."""


class RemoteProtocolError(ProtocolError):
    """A peer sent what RFC 3261 does not allow.

    Attributes:
        status: the status of the answer that the rules ask for; None where no answer may be sent (a response, an ACK,
            or what is not SIP at all).
        reason: what is wrong, in words of ours: nothing that the peer sent is repeated in it, so it is safe as a
            reason phrase and in a log.
    """

    def __init__(self, status: int | None, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason

    def __str__(self) -> str:
        return self.reason if self.status is None else f"{self.status} {self.reason}"


class LocalProtocolError(ProtocolError):
    """The application asked for a message that may not be sent, such as a header value with a line break in it."""


class SdpError(RemoteProtocolError):
    """A session description that cannot be taken; `status` is 413 where it is too large, else 488 (RFC 3261 s21.4)."""


class NotAcceptable(SdpError):  # noqa: N818 - the words of RFC 3261 s21.4.26
    """A well-formed session description with nothing in it that we can take; `status` is 488."""
