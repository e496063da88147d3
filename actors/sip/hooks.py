"""What a function of the application may do to messages, and that nothing it does breaks what stands on them. Pure.

One hook may change what is sent, another drop what came. A hook that raises, or gives back what is no message or no
longer that message, is complained of and passed over: the message goes on as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors.sip.errors import RemoteProtocolError
from actors.sip.message import Request, Response, parse
from actors.sip.vocabulary import Flow

Message = Request | Response
Complain = Callable[..., None]


class Hook:
    """A function of the application.

    Args:
        name: ``module:function``, for complaints.
        function: as :meth:`change` or :meth:`drops` calls it.
        complain: told what was wrong: once, then at every doubling of the times.
    """

    def __init__(self, name: str, function: Callable[..., Any], complain: Complain) -> None:
        self._name = name
        self._function = function
        self._complain = complain
        self._faults = 0

    def change(self, raw: bytes) -> bytes:
        """A message to be sent, as ``function(message)`` leaves it.

        The function changes the message that it is given and returns None, or returns another in its place. What
        matches messages to transactions and dialogs has to stay: method or status, every Via, From and To tags, Call-ID
        and CSeq.
        """
        message = parse(raw)
        try:
            given = self._function(message)
            changed = message if given is None else given
            if not isinstance(changed, Request | Response):
                return self._fault(raw, f"it gave back {type(given).__name__}, not a message or None")
            data = bytes(changed)
            if data == raw:
                return raw
            after = parse(data)
            after.validate()
        except Exception as error:  # noqa: BLE001 - whatever the application raises
            return self._fault(raw, f"{type(error).__name__}: {error}")
        if _identity(after) != _identity(parse(raw)):
            return self._fault(raw, "it changed what the message is known by")
        return data

    def drops(self, raw: bytes, flow: Flow) -> bool:
        """Whether ``function(message, flow)`` is True: the message that came by `flow` is as if it had not come.

        One that cannot be read is none of its business.
        """
        try:
            message = parse(raw)
        except RemoteProtocolError:
            return False
        try:
            given = self._function(message, flow)
        except Exception as error:  # noqa: BLE001 - as above
            self._fault(raw, f"{type(error).__name__}: {error}")
            return False
        if given is not None and not isinstance(given, bool):
            self._fault(raw, f"it gave back {type(given).__name__}, not True, False or None")
            return False
        return bool(given)

    def _fault(self, raw: bytes, what: str) -> bytes:
        self._faults += 1
        if self._faults & (self._faults - 1) == 0:
            self._complain("a hook is passed over", hook=self._name, reason=what, times=self._faults)
        return raw


def _identity(message: Message) -> tuple[object, ...]:
    """What a message is known by, hop by hop and end to end."""
    return type(message), message.head, message.get_all("Via")
