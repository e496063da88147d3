"""Answers whoever calls, calls somebody else, and lets both speak with each other until one of them hangs up.

    sipactors run --answer ring &
    python examples/bridge.py sip:bob@192.0.2.4 --announcement tone:440

The second call is placed beside the first (`with_call`), so that nothing has to move when they are bridged. Whoever
waits hears the ring-back tone. `--keys` passes on what is pressed: for a menu behind the second call.
"""

from __future__ import annotations

import argparse
import sys

from actors.control.client import Client, CommandRefused
from actors.control.records import CallAnswered, CallBridged, CallEnded, CallReceived


def main() -> int:
    """Connect calls until the service stops."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("uri", help="who is called")
    parser.add_argument("--announcement", default="tone:ringback", help="what the caller hears meanwhile")
    parser.add_argument("--keys", action="store_true")
    parser.add_argument("--run-dir")
    options = parser.parse_args()
    with Client(options.run_dir) as client, client.events(topics=["Call*"]) as events:
        callers: dict[str, str] = {}  # by the call that was placed for each
        others: dict[str, str] = {}
        print("ready", flush=True)
        for event in events:
            try:
                if isinstance(event, CallReceived):
                    caller = client.calls[event.call]
                    caller.claim(worker="bridge")
                    caller.answer(play=options.announcement, loop=True)
                    callee = client.calls.place(options.uri, with_call=event.call)
                    callers[callee.id] = caller.id
                    others |= {caller.id: callee.id, callee.id: caller.id}
                elif isinstance(event, CallAnswered) and event.call in callers:
                    client.playback(callers[event.call], "stop")
                    client.bridge(event.call, callers[event.call], keys=options.keys)
                elif isinstance(event, CallBridged):
                    print(f"{event.call} speaks with {', '.join(event.others)}", flush=True)
                elif isinstance(event, CallEnded) and (other := others.pop(event.call, None)) is not None:
                    others.pop(other, None)
                    callers.pop(event.call, None)
                    callers.pop(other, None)
                    client.hangup(other)
            except CommandRefused as error:
                print(f"{event}: {error}", file=sys.stderr)  # one has hung up meanwhile
    return 0


if __name__ == "__main__":
    sys.exit(main())
