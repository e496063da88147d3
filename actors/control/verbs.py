"""The commands as functions of what a caller says, each giving a Wish. Pure: `api` makes both clients' methods of them.

To add a command: its record (records.py), its function here or in message_verbs.py, its line in api.py, its route
(commands.py), what is checked of it (checking.py). `key` is the idempotency key everywhere: the command takes effect
once however often it is repeated under it; empty: a new one.
"""

from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path
from typing import Protocol

from actors.control import playing, records
from actors.control.asking import Wish, none
from actors.control.records import AccountInfo, CallInfo, Child, Figure, Nothing, Placed, Treatment

first = itemgetter(0)


class HasId(Protocol):
    """A call of a client."""

    id: str


def _id_of(call: str | HasId) -> str:
    return call if isinstance(call, str) else call.id


def treatment(echo: bool, play: str, loop: bool, record: str, hang_up_after_play: bool, device: str = "") -> Treatment:
    """The treatment of a call's audio."""
    play, record = located(play), located(record)
    return Treatment(echo, play, loop, record, hang_up_after_play, device)


def located(path: str) -> str:
    """A path made absolute, for the service has a working directory of its own; a tone stays what it is."""
    return path if not path or path.startswith(playing.TONE) else str(Path(path).absolute())


def sdp_lines(sdp: str) -> tuple[str, ...]:
    """The lines of a session description, however they end."""
    return tuple(sdp.replace("\r\n", "\n").removesuffix("\n").split("\n")) if sdp else ()


def hello() -> Wish[records.Welcome]:
    """Ask who answers."""
    return Wish(records.Hello(), records.Welcome, first)


def place(
    uri: str,
    *,
    caller: str = "",
    echo: bool = False,
    play: str = "",
    loop: bool = False,
    record: str = "",
    hang_up_after_play: bool = False,
    device: str = "",
    ring_timeout: float = 0.0,
    duration: float = 0.0,
    headers: Iterable[tuple[str, str]] = (),
    account: str = "",
    follow: bool = True,
    late_offer: bool = False,
    session_expires: int = 0,
    sdp: str = "",
    media: str = "",
    with_call: str | HasId = "",
    codecs: Iterable[str] = (),
    offer_in_prack: bool = False,
    on_owner_lost: str | float = "keep",
    key: str = "",
) -> Wish[str]:
    """Place a call and return its id once it is begun; what becomes of it, events tell.

    Args:
        uri: the SIP URI to call.
        caller: the From URI; empty: the service's own.
        echo: send the peer its own audio back.
        play: a WAV file to play to the peer; a relative path is taken from here, as for `record`.
        loop: play it again and again.
        record: a file to record the peer's audio into: Opus in Ogg where it is named .ogg or .opus, else WAV.
        hang_up_after_play: end the call when the file has been played.
        device: sound devices to use, ``IN:OUT`` by name or number; ``:`` for the configured ones.
        ring_timeout: seconds until an unanswered call is cancelled; 0: the service's own.
        duration: seconds after the answer until the service hangs up; 0: no limit.
        headers: more header lines for the INVITE, (name, value).
        account: the address-of-record of the account to call by; empty: none.
        follow: go where a 3xx says; else it ends the call, and CallEnded names the contacts.
        late_offer: let the peer make the offer, in its 2xx.
        session_expires: seconds of the session timer to ask for (RFC 4028); 0: the service's own.
        sdp: the offer of a signalling-only call: CallAnswered has the peer's answer, and the service no media in it.
        media: ``application`` for such a call with `late_offer`; with an `sdp` it is one anyhow.
        with_call: another call, beside which its audio is to be, as they will be bridged; empty: none.
        codecs: those of the call, as the configuration names them, the most liked first; none: the service's own.
        offer_in_prack: with an `sdp`: CallOffered asks for another offer, for the PRACK to an early answer.
        on_owner_lost: what becomes of the call when this client is gone: ``hangup``, ``keep`` or seconds (see `claim`).
        key: the idempotency key.
    """
    audio = treatment(echo, play, loop, record, hang_up_after_play, device)
    more = tuple(headers)
    command = records.Place(
        uri,
        caller,
        audio,
        ring_timeout,
        duration,
        more,
        account,
        str(on_owner_lost),
        follow,
        late_offer,
        session_expires,
        media or ("application" if sdp else "service"),
        sdp_lines(sdp),
        _id_of(with_call),
        tuple(codecs),
        offer_in_prack,
    )
    return Wish(command, Placed, lambda parts: parts[0].call, key)


def answer(
    call: str,
    *,
    echo: bool = False,
    play: str = "",
    loop: bool = False,
    record: str = "",
    hang_up_after_play: bool = False,
    device: str = "",
    duration: float = 0.0,
    headers: Iterable[tuple[str, str]] = (),
    sdp: str = "",
    with_call: str | HasId = "",
    key: str = "",
) -> Wish[None]:
    """Answer a ringing call in. The arguments are those of `place`; `sdp` is the answer of a signalling-only call."""
    audio = treatment(echo, play, loop, record, hang_up_after_play, device)
    command = records.Answer(call, audio, duration, tuple(headers), sdp_lines(sdp), _id_of(with_call))
    return Wish(command, Nothing, none, key)


def progress(
    call: str,
    status: int = 183,
    *,
    early_media: bool = True,
    echo: bool = False,
    play: str = "",
    loop: bool = False,
    sdp: str = "",
    key: str = "",
) -> Wish[None]:
    """Send a provisional response of 180 to 189 to a ringing call in; with `early_media` audio flows from then on.

    That of a signalling-only call holds the answer `sdp`, if one is given.
    """
    audio = treatment(echo, play, loop, "", False)
    return Wish(records.Progress(call, status, early_media, audio, sdp_lines(sdp)), Nothing, none, key)


def reject(
    call: str,
    status: int = 486,
    reason: str = "",
    *,
    headers: Iterable[tuple[str, str]] = (),
    contacts: Iterable[str] = (),
    key: str = "",
) -> Wish[None]:
    """Refuse a call in with a final status of 300 to 699; `contacts` are the URIs that a 3xx sends the caller to."""
    return Wish(records.Reject(call, status, reason, tuple(headers), tuple(contacts)), Nothing, none, key)


def hangup(call: str, *, headers: Iterable[tuple[str, str]] = (), key: str = "") -> Wish[None]:
    """End a call in whatever state it is, with more header lines for a BYE, such as a Reason."""
    return Wish(records.HangUp(call, tuple(headers)), Nothing, none, key)


def hold(call: str, *, key: str = "") -> Wish[None]:
    """Hold the peer of a call that is up; CallHoldChanged tells when it is held."""
    return Wish(records.Hold(call), Nothing, none, key)


def resume(call: str, *, key: str = "") -> Wish[None]:
    """Take the peer off hold."""
    return Wish(records.Resume(call), Nothing, none, key)


def offer(call: str, sdp: str = "", *, update: bool = False, fork: str = "", key: str = "") -> Wish[None]:
    """Offer the peer of a signalling-only call another session; CallOfferAnswered tells what it says.

    Before the call is answered that goes by UPDATE, once the first offer has its answer in a reliable response.

    Args:
        call: the call's id.
        sdp: the offer; without one the peer is asked for its own, which CallOffered tells.
        update: by UPDATE, which the peer answers at once or refuses; else by re-INVITE.
        fork: of a call out that is not answered, the early dialog, as CallProgressed names it; else the last one.
        key: the idempotency key.
    """
    return Wish(records.Offer(call, sdp_lines(sdp), update, fork), Nothing, none, key)


def answer_offer(call: str, offer: str, sdp: str = "", *, status: int = 200, key: str = "") -> Wish[None]:
    """Answer an offer that CallOffered told of, or make the one that it asked for, within 10 seconds.

    Args:
        call: the call's id.
        offer: its id.
        sdp: the description; none where the PRACK is to hold none.
        status: 200, or 300 to 699 to refuse it; then there is no `sdp`.
        key: the idempotency key.
    """
    return Wish(records.AnswerOffer(call, offer, sdp_lines(sdp), status), Nothing, none, key)


def mute(call: str, what: str = "sound", *, key: str = "") -> Wish[None]:
    """Send the peer silence (`sound`) or nothing (`rtp`), or unmute the call (`none`). It is not told of it."""
    return Wish(records.Mute(call, what), Nothing, none, key)


def bridge(call: str, other: str | HasId, *, keys: bool = False, key: str = "") -> Wish[None]:
    """Let the peers of two calls hear each other; CallBridged tells when they do.

    The call joins the bridge that the other is in, so one of three and more is a conference, and leaves its own.

    Args:
        call: the call's id.
        other: another call with audio; an object or its id, as everywhere.
        keys: keys that one peer presses are pressed in the other calls, too; of a new bridge.
        key: the idempotency key.
    """
    return Wish(records.Bridge(call, _id_of(other), keys), Nothing, none, key)


def unbridge(call: str, *, key: str = "") -> Wish[None]:
    """Take a call out of its bridge; CallUnbridged tells it, also of the last one that is left there."""
    return Wish(records.Unbridge(call), Nothing, none, key)


def transfer(call: str, target: str = "", *, replaces: str = "", follow: bool = True, key: str = "") -> Wish[None]:
    """Send the peer of a call elsewhere; CallTransferProgressed tells how it goes. Then the call ends.

    Args:
        call: the call's id.
        target: the URI that the peer is to call; empty where `replaces` says it.
        replaces: a call of ours that is up, whose place the peer is to take.
        follow: have the peer tell how it goes.
        key: the idempotency key.
    """
    return Wish(records.Transfer(call, target, replaces, follow), Nothing, none, key)


def claim(call: str, *, worker: str = "", on_owner_lost: str | float = "hangup", key: str = "") -> Wish[None]:
    """Have a ringing call for this client alone; refused with already_claimed where another has it.

    Args:
        call: the call's id.
        worker: what this client calls itself, for people.
        on_owner_lost: what becomes of the call when this client is gone: ``hangup``, ``keep`` (another may claim it) or
            seconds in which another may claim it before it is hung up.
        key: the idempotency key.
    """
    return Wish(records.Claim(call, worker, str(on_owner_lost)), Nothing, none, key)


def release(call: str, *, key: str = "") -> Wish[None]:
    """Give a claimed call back: another may claim it."""
    return Wish(records.Release(call), Nothing, none, key)


def dtmf(call: str, digits: str, duration: int = 160, *, by: str = "rtp", key: str = "") -> Wish[None]:
    """Press keys in a call.

    Args:
        call: the call's id.
        digits: 0-9, A-D, * and #; a comma waits half a second.
        duration: of each, in milliseconds.
        by: ``rtp``: as telephone events; ``relay`` or ``dtmf``: as an INFO each, with a body of application/dtmf-relay
            or application/dtmf.
        key: the idempotency key.
    """
    return Wish(records.Dtmf(call, digits, duration, by), Nothing, none, key)


def play(call: str, path: str, *, loop: bool = False, queue: bool = False, key: str = "") -> Wish[None]:
    """Play a file or a tone in a call with audio; CallPlayFinished tells its end.

    Args:
        call: the call's id.
        path: a file; a relative path is taken from here. Or ``tone:`` and dial, ringback, busy, congestion, waiting, or
            frequencies and seconds on and off, such as ``tone:440+480/2,4``.
        loop: play it again and again.
        queue: after what is being played and waits; else in place of all that.
        key: the idempotency key.
    """
    return Wish(playing.Play(call, located(path), loop, queue), Nothing, none, key)


def playback(call: str, action: str, position: float = 0.0, *, key: str = "") -> Wish[None]:
    """Pause what is played in a call, resume it, seek to `position` (seconds from its start) or stop it."""
    return Wish(playing.Playback(call, action, position), Nothing, none, key)


def record(call: str, path: str = "", *, sides: str = "peer", key: str = "") -> Wish[None]:
    """Record a call into a file, in place of an earlier recording; without a path that one ends.

    Args:
        call: the call's id.
        path: the file; a relative path is taken from here.
        sides: ``peer``, ``mixed`` (both in one channel) or ``stereo`` (the peer left, we right).
        key: the idempotency key.
    """
    return Wish(playing.Record(call, located(path), sides), Nothing, none, key)


def calls() -> Wish[list[CallInfo]]:
    """Every call of the service, oldest first."""
    return Wish(records.Calls(), records.CallList, _sorted)


def _sorted(parts: list[records.CallList]) -> list[CallInfo]:
    return sorted((call for part in parts for call in part.calls), key=lambda call: call.since)


def accounts() -> Wish[list[AccountInfo]]:
    """Every account of the service, by name."""
    return Wish(records.Accounts(), records.AccountList, _by_name)


def _by_name(parts: list[records.AccountList]) -> list[AccountInfo]:
    return sorted((account for part in parts for account in part.accounts), key=lambda account: account.account)


def register(account: str, *, key: str = "") -> Wish[None]:
    """Register an account, or refresh its registration now; what becomes of it, AccountChanged tells."""
    return Wish(records.Register(account), Nothing, none, key)


def unregister(account: str, *, everything: bool = False, key: str = "") -> Wish[None]:
    """Remove an account's binding, or `everything` that is bound to it."""
    return Wish(records.Unregister(account, everything), Nothing, none, key)


def tree() -> Wish[list[Child]]:
    """The supervisor's children."""
    return Wish(records.Tree(), records.TreeList, lambda parts: list(parts[0].children))


def do_not_disturb(status: int = 486, *, key: str = "") -> Wish[None]:
    """Refuse every call in with `status` from now on, 0 to let them in again. It lasts over restarts of any actor."""
    return Wish(records.DoNotDisturb(status), Nothing, none, key)


def drain(*, on: bool = True, key: str = "") -> Wish[None]:
    """Have the service refuse new calls from now on, or take them again; calls in progress go on."""
    return Wish(records.Drain(on), Nothing, none, key)


def stats() -> Wish[list[Figure]]:
    """What the service has counted since its control actor was started."""
    return Wish(records.Stats(), records.FigureList, lambda parts: [each for part in parts for each in part.figures])


def reload() -> Wish[list[str]]:
    """Have the service read its configuration file again; calls go on. Returns the processes that are started anew."""
    return Wish(records.Reload(), records.Reloaded, lambda parts: list(parts[0].children))


def shut_down() -> Wish[None]:
    """Have the service end its calls and stop. Returns when it has understood, not when it is done."""
    return Wish(records.Stop(), Nothing, none)
