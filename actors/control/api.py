"""The names of the API that both clients have, made of the verbs: they block in `Client`, are awaited in `AsyncClient`.

A verb gets its type from where it stands: `Verbs[Blocking]` calls, `Verbs[Awaiting]` gives something to await.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from actors.control import message_verbs, verbs
from actors.control.asking import Wish
from actors.control.records import AccountInfo, CallInfo

if TYPE_CHECKING:  # read when audio is first asked for
    from actors.control.async_audio import AsyncAudio
    from actors.control.audio import Audio

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound="Mode")


class Mode:
    """How a client waits."""


class Blocking(Mode):
    """A method returns its result."""


class Awaiting(Mode):
    """A method returns something to await."""


class Verbs(ABC, Generic[M]):
    """Something with verbs: a client, or a part of one."""

    @abstractmethod
    def _grant(self, wish: Wish[Any]) -> Any:  # noqa: ANN401 - the verbs say what comes
        """See a wish through, as the mode has it."""


class Connected(Verbs[M]):
    """A client: what its calls and its list of them ask by."""

    @abstractmethod
    def _tap(self, call: str, rate: int, *, hear: bool, speak: bool) -> Any:  # noqa: ANN401 - Audio or AsyncAudio
        """The audio of a call, as the mode has it."""


class Verb(Generic[P, R]):
    """A method made of a verb.

    Args:
        verb: what is asked for.
    """

    def __init__(self, verb: Callable[P, Wish[R]]) -> None:
        self._verb = verb
        self.__doc__ = verb.__doc__

    @overload
    def __get__(self, owner: None, kind: type[object]) -> "Verb[P, R]": ...
    @overload
    def __get__(self, owner: Verbs[Blocking], kind: type[object]) -> Callable[P, R]: ...
    @overload
    def __get__(self, owner: Verbs[Awaiting], kind: type[object]) -> Callable[P, Awaitable[R]]: ...
    def __get__(self, owner: Verbs[Any] | None, kind: type[object]) -> Any:
        """The verb itself of a class, bound of an object."""
        if owner is None:
            return self

        def ask(*args: P.args, **keywords: P.kwargs) -> Any:  # noqa: ANN401
            return owner._grant(self._verb(*args, **keywords))  # noqa: SLF001 - one unit

        return update_wrapper(ask, self._verb)


class CallVerb(Generic[P, R]):
    """A method of a call, made of a verb whose first argument is the call's id.

    Args:
        verb: what is asked for.
    """

    def __init__(self, verb: Callable[Concatenate[str, P], Wish[R]]) -> None:
        self._verb = verb
        self.__doc__ = verb.__doc__

    @overload
    def __get__(self, owner: None, kind: type[object]) -> "CallVerb[P, R]": ...
    @overload
    def __get__(self, owner: "Call[Blocking]", kind: type[object]) -> Callable[P, R]: ...
    @overload
    def __get__(self, owner: "Call[Awaiting]", kind: type[object]) -> Callable[P, Awaitable[R]]: ...
    def __get__(self, owner: "Call[Any] | None", kind: type[object]) -> Any:
        """The verb itself of the class, bound of a call."""
        if owner is None:
            return self

        def ask(*args: P.args, **keywords: P.kwargs) -> Any:  # noqa: ANN401
            return owner._grant(self._verb(owner.id, *args, **keywords))  # noqa: SLF001 - one unit

        return update_wrapper(ask, self._verb)


class Call(Verbs[M]):
    """One call, by its id.

    Args:
        client: whose it is.
        call: the id.

    Attributes:
        id: as in events.
    """

    def __init__(self, client: Connected[M], call: str) -> None:
        self.id = call
        self._client = client

    def __repr__(self) -> str:
        return f"<call {self.id}>"

    def _grant(self, wish: Wish[Any]) -> Any:  # noqa: ANN401
        return self._client._grant(wish)  # noqa: SLF001 - one unit

    answer = CallVerb(verbs.answer)
    reject = CallVerb(verbs.reject)
    progress = CallVerb(verbs.progress)
    hangup = CallVerb(verbs.hangup)
    hold = CallVerb(verbs.hold)
    resume = CallVerb(verbs.resume)
    offer = CallVerb(verbs.offer)
    answer_offer = CallVerb(verbs.answer_offer)
    mute = CallVerb(verbs.mute)
    bridge = CallVerb(verbs.bridge)
    unbridge = CallVerb(verbs.unbridge)
    transfer = CallVerb(verbs.transfer)
    claim = CallVerb(verbs.claim)
    release = CallVerb(verbs.release)
    dtmf = CallVerb(verbs.dtmf)
    request = CallVerb(message_verbs.request)
    respond = CallVerb(message_verbs.respond)
    play = CallVerb(verbs.play)
    playback = CallVerb(verbs.playback)
    record = CallVerb(verbs.record)

    @overload
    def audio(self: "Call[Blocking]", rate: int = 16_000, *, hear: bool = True, speak: bool = True) -> "Audio": ...
    @overload
    def audio(self: "Call[Awaiting]", rate: int = 16_000, *, hear: bool = True, speak: bool = True) -> "AsyncAudio": ...
    def audio(self, rate: int = 16_000, *, hear: bool = True, speak: bool = True) -> Any:
        """The call's audio, 20 ms s16le mono at a time: iterate over it to hear the peer, write to it to be heard.

        Args:
            rate: samples a second: 8000, 16000, 24000 or 48000.
            hear: frames are wanted.
            speak: something will be written; one tap of a call may.
        """
        return self._client._tap(self.id, rate, hear=hear, speak=speak)  # noqa: SLF001 - one unit


class _Placing(Generic[P]):
    """`calls.place`: the verb, whose result is a Call of the same client."""

    def __init__(self, verb: Callable[P, Wish[str]]) -> None:
        self._verb = verb
        self.__doc__ = verb.__doc__

    @overload
    def __get__(self, owner: None, kind: type[object]) -> "_Placing[P]": ...
    @overload
    def __get__(self, owner: "Calls[Blocking]", kind: type[object]) -> Callable[P, Call[Blocking]]: ...
    @overload
    def __get__(self, owner: "Calls[Awaiting]", kind: type[object]) -> Callable[P, Awaitable[Call[Awaiting]]]: ...
    def __get__(self, owner: "Calls[Any] | None", kind: type[object]) -> Any:
        if owner is None:
            return self

        def ask(*args: P.args, **keywords: P.kwargs) -> Any:  # noqa: ANN401
            wish = self._verb(*args, **keywords)
            placed = Wish(wish.command, wish.part, lambda parts: owner[wish.made(parts)], wish.key)
            return owner._grant(placed)  # noqa: SLF001 - one unit

        return update_wrapper(ask, self._verb)


class Calls(Verbs[M]):
    """The calls of a service: ``calls()`` lists them, ``calls[id]`` is one, ``calls.place(uri)`` begins one.

    Args:
        client: whose they are.
    """

    def __init__(self, client: Connected[M]) -> None:
        self._client = client

    def _grant(self, wish: Wish[Any]) -> Any:  # noqa: ANN401
        return self._client._grant(wish)  # noqa: SLF001 - one unit

    def __getitem__(self, call: str) -> Call[M]:
        return Call(self._client, call)

    @overload
    def __call__(self: "Calls[Blocking]") -> list[CallInfo]: ...
    @overload
    def __call__(self: "Calls[Awaiting]") -> Awaitable[list[CallInfo]]: ...
    def __call__(self) -> Any:
        """Every call of the service, oldest first."""
        return self._grant(verbs.calls())

    place = _Placing(verbs.place)


class Registrations(Verbs[M]):
    """What is true of the accounts' registrations: ``registrations()`` lists them, by account.

    Args:
        client: whose they are.
    """

    def __init__(self, client: Verbs[M]) -> None:
        self._client = client

    def _grant(self, wish: Wish[Any]) -> Any:  # noqa: ANN401
        return self._client._grant(wish)  # noqa: SLF001 - one unit

    @overload
    def __call__(self: "Registrations[Blocking]") -> list[AccountInfo]: ...
    @overload
    def __call__(self: "Registrations[Awaiting]") -> Awaitable[list[AccountInfo]]: ...
    def __call__(self) -> Any:
        """Every account of the service, by name."""
        return self._grant(verbs.accounts())

    register = Verb(verbs.register)
    unregister = Verb(verbs.unregister)


class Commands(Connected[M]):
    """What a client can ask for, calls by their id."""

    place = Verb(verbs.place)
    answer = Verb(verbs.answer)
    reject = Verb(verbs.reject)
    progress = Verb(verbs.progress)
    hangup = Verb(verbs.hangup)
    hold = Verb(verbs.hold)
    resume = Verb(verbs.resume)
    offer = Verb(verbs.offer)
    answer_offer = Verb(verbs.answer_offer)
    mute = Verb(verbs.mute)
    bridge = Verb(verbs.bridge)
    unbridge = Verb(verbs.unbridge)
    transfer = Verb(verbs.transfer)
    claim = Verb(verbs.claim)
    release = Verb(verbs.release)
    dtmf = Verb(verbs.dtmf)
    request = Verb(message_verbs.request)
    respond = Verb(message_verbs.respond)
    play = Verb(verbs.play)
    playback = Verb(verbs.playback)
    record = Verb(verbs.record)
    accounts = Verb(verbs.accounts)
    register = Verb(verbs.register)
    unregister = Verb(verbs.unregister)
    send = Verb(message_verbs.send)
    watch = Verb(message_verbs.watch)
    unwatch = Verb(message_verbs.unwatch)
    publish = Verb(message_verbs.publish)
    unpublish = Verb(message_verbs.unpublish)
    notify = Verb(message_verbs.notify)
    tell_waiting = Verb(message_verbs.tell_waiting)
    tree = Verb(verbs.tree)
    do_not_disturb = Verb(verbs.do_not_disturb)
    drain = Verb(verbs.drain)
    stats = Verb(verbs.stats)
    reload = Verb(verbs.reload)
    shut_down = Verb(verbs.shut_down)

    @property
    def registrations(self) -> Registrations[M]:
        """The registrations of the service's accounts."""
        return Registrations(self)

    @property
    def calls(self) -> Calls[M]:
        """The calls of the service."""
        return Calls(self)
