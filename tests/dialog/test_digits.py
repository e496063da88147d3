"""Keys pressed in a call, by us and by the peer, and what media wants people to know."""

from __future__ import annotations

from actors.dialog.call_commands import AlterPlayback, PlayAudio, RecordAudio, SendDigits
from actors.dialog.call_events import CallDigitReceived, CallNoticed
from actors.dialog.effects import Press, Steer
from actors.dialog.events import CommandDone, CommandFailed
from tests.dialog.phone import WALL, Phone, message


def up() -> Phone:
    phone = Phone("echo")
    phone.receive_call()
    phone.request(message("ACK", to_tag=phone.our_tag()))
    return phone


def test_keys_are_pressed_in_the_session_of_a_call() -> None:
    phone = up()
    effects = phone.command(SendDigits("d", phone.call.call, "12#", 100))
    assert Press(0, phone.session, "12#", 100) in effects
    assert phone.reports(CommandDone)[-1].ref == "d"


def test_files_are_played_and_recorded_in_the_session_of_a_call() -> None:
    phone = up()
    call = phone.call.call
    for command in (
        PlayAudio("p", call, "/a.wav", queue=True),
        AlterPlayback("s", call, "seek", 2.0),
        RecordAudio("r", call, "/b.wav", "stereo"),
    ):
        assert Steer(0, phone.session, command) in phone.command(command)
        assert phone.reports(CommandDone)[-1].ref == command.ref
    phone.command(RecordAudio("r", "nobody", "/b.wav"))
    assert phone.reports(CommandFailed)[-1].code == "no_such_call"


def test_keys_in_a_call_that_is_not_there_or_has_no_audio_are_refused() -> None:
    phone = Phone("ring")
    phone.command(SendDigits("d", "nobody", "1", 100))
    assert phone.reports(CommandFailed)[-1].code == "no_such_call"


def test_the_peers_keys_and_medias_notices_are_told() -> None:
    phone = up()
    calls = phone.agent.calls
    phone._did(calls.pressed(phone.session, "5", 160, "rfc4733", WALL))
    phone._did(calls.noticed(phone.session, "stranger", "who?", WALL))
    phone._did(calls.noticed("another", "stranger", "who?", WALL))
    call = phone.call.call
    assert phone.reports(CallDigitReceived) == [CallDigitReceived(call, "5", 160, "rfc4733", WALL)]
    assert phone.reports(CallNoticed) == [CallNoticed(call, "stranger", "who?", WALL)]
