"""Voicemail: answers calls with a greeting, records the caller, and keeps what is longer than a second.

    sipactors run --answer ring &
    python examples/voicemail.py greeting.wav messages/

`#` ends a message, and so does hanging up. It is a client of the service: when it is restarted it goes on with the
calls that ring then, and a call it had answered is hung up.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from actors.control.client import Client, CommandRefused
from actors.control.records import CallDigitReceived, CallEnded, CallReceived

LONGEST = 120.0  # seconds of one message
SHORTEST = 1.0  # seconds: less is somebody who did not want to speak


def main() -> int:
    """Take messages until the service stops."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("greeting", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run-dir")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    messages: dict[str, tuple[str, Path]] = {}  # by call: who speaks, and where it is recorded
    with Client(options.run_dir) as client, client.events(topics=["Call*"]) as events:
        print("ready", flush=True)
        for event in events:
            try:
                if isinstance(event, CallReceived):
                    path = options.folder / f"{event.time:.0f}-{len(messages)}.wav"
                    call = client.calls[event.call]
                    call.claim(worker="voicemail")
                    call.answer(play=str(options.greeting), record=str(path), duration=LONGEST)
                    messages[event.call] = (event.remote, path)
                elif isinstance(event, CallDigitReceived) and event.digit == "#" and event.call in messages:
                    client.hangup(event.call)
            except CommandRefused as error:
                print(f"{event.call}: {error}", file=sys.stderr)  # it has hung up, or another worker was faster
            if isinstance(event, CallEnded) and event.call in messages:
                remote, path = messages.pop(event.call)
                if event.talking < SHORTEST:
                    path.unlink(missing_ok=True)
                else:
                    print(f"{path.name}: {event.talking:.0f} s from {remote}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
