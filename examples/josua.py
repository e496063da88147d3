"""A telephone for the terminal, as eXosip's josua: register, call, hold, transfer, hang up.

    python examples/josua.py sip:alice@example.com

The service has the account in its configuration and runs with `--answer ring`. Type a line: `register`, `unregister`,
`call URI`, `answer`, `hold`, `resume`, `transfer URI`, `hangup`, `quit`. What happens is printed as it happens.
"""

import argparse
import asyncio
import sys

from actors.control.async_client import AsyncClient, AsyncEventStream
from actors.control.errors import ControlError
from actors.control.records import CallEnded, CallReceived
from actors.control.render import event_line

in_hand = ""  # the call that words without a name are about


async def listen(events: AsyncEventStream, account: str) -> None:
    """Print what happens; a call that comes for the account is the one in hand."""
    global in_hand  # noqa: PLW0603 - one telephone, one call in hand
    async for event in events:
        print(event_line(event), flush=True)
        if isinstance(event, CallReceived) and event.account == account:
            in_hand = event.call
        elif isinstance(event, CallEnded) and event.call == in_hand:
            in_hand = ""


async def main(account: str, run_dir: str | None) -> None:
    """Do what is typed, until the end."""
    global in_hand  # noqa: PLW0603 - as above
    async with AsyncClient(run_dir) as client, client.events() as events, asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(listen(events, account))
        while (line := await asyncio.to_thread(sys.stdin.readline)) and (words := line.split()) != ["quit"]:
            try:
                match words:
                    case ["register" | "unregister" as verb]:
                        await getattr(client, verb)(account)
                    case ["call", uri]:
                        in_hand = (await client.calls.place(uri, account=account)).id
                    case ["transfer", uri]:
                        await client.transfer(in_hand, uri)
                    case ["answer" | "hold" | "resume" | "hangup" as verb]:
                        await getattr(client, verb)(in_hand)
            except ControlError as error:
                print(error, flush=True)
        listening.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A telephone for the terminal.")
    parser.add_argument("account")
    parser.add_argument("--run-dir")
    asyncio.run(main(**vars(parser.parse_args())))
