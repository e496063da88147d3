"""A bridge of signalling (`[answer] media = "application"`): each call in is placed anew, media passes it by."""

import argparse
from typing import Any

from actors.control.client import Client, CommandRefused


class Bridge:
    """All calls in pairs: `other` is the other of each, `said` what its peer described last."""

    def __init__(self, client: Client, target: str) -> None:
        self.client, self.target = client, target
        self.other: dict[str, str] = {}
        self.said: dict[str, str] = {}
        self.ringing: set[str] = set()  # calls in
        self.open: dict[str, str] = {}  # by call, the offer of its peer that waits for the other peer's answer

    def take(self, event: Any) -> None:  # noqa: ANN401
        """What happened to one call is done to the other."""
        if (kind := type(event).__name__) == "CallReceived":
            offer: dict[str, Any] = {"sdp": event.sdp} if event.sdp else {"late_offer": True, "media": "application"}
            placed = self.client.place(self.target, **offer, key=event.call)
            self.other |= {event.call: placed, placed: event.call}
            self.ringing.add(event.call)
        elif event.call in self.other:
            getattr(self, f"on_{kind}", lambda *_: None)(event, self.other[event.call])
        self.said[event.call] = getattr(event, "sdp", "") or self.said.get(event.call, "")

    def on_CallProgressed(self, event: Any, other: str) -> None:  # noqa: N802, D102, ANN401
        if event.sdp and not self.said.get(event.call):  # of other branches of a fork the last word comes with the 2xx
            self.client.progress(other, event.status, sdp=event.sdp)

    def on_CallAnswered(self, event: Any, other: str) -> None:  # noqa: N802, D102, ANN401
        early = self.said.get(event.call, "")
        self.ringing.discard(event.call)
        if other in self.open:  # the ACK of a caller whose INVITE had no offer
            self.client.answer_offer(other, self.open.pop(other), event.sdp)
        elif other in self.ringing:
            self.client.answer(other, sdp="" if early else event.sdp)
            if early not in ("", event.sdp):
                self.client.offer(other, event.sdp)

    def on_CallOffered(self, event: Any, other: str) -> None:  # noqa: N802, D102, ANN401
        self.open[event.call] = event.offer
        if not event.sdp:  # the peer wants an offer: what the other one said, and its answer is news for that one
            self.client.answer_offer(event.call, event.offer, self.said[other])
        elif event.method:
            self.client.offer(other, event.sdp, update=event.method == "UPDATE")
        else:  # the callee's, for the caller's INVITE had none
            self.client.answer(other, sdp=event.sdp)

    def on_CallOfferAnswered(self, event: Any, other: str) -> None:  # noqa: N802, D102, ANN401
        if other in self.open:
            self.client.answer_offer(other, self.open.pop(other), event.sdp, status=200 if event.sdp else event.status)
        elif self.open.pop(event.call, ""):
            self.client.offer(other, event.sdp)

    def on_CallEnded(self, event: Any, other: str) -> None:  # noqa: N802, D102, ANN401
        del self.other[event.call], self.other[other]
        if other in self.ringing and event.status >= 300:
            self.client.reject(other, event.status)
        else:
            self.client.hangup(other)


parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("target", help="the SIP URI that calls in are placed to")
parser.add_argument("--run-dir")
words = parser.parse_args()
with Client(words.run_dir) as service, service.events(topics=["Call*"]) as events:
    print("ready", flush=True)
    bridge = Bridge(service, words.target)
    for each in events:
        try:
            bridge.take(each)
        except CommandRefused as refused:  # the call has ended meanwhile: its CallEnded is on the way
            print(refused, flush=True)
