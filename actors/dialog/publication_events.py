"""What the user agent says about publications and takes for them, as :mod:`actors.dialog.events` does (RFC 3903)."""

from __future__ import annotations

from actors.runtime.machine import Event


class Publish(Event, frozen=True):
    """Publish a state, or a new one under the id of one that is published. What becomes of it, events tell.

    Attributes:
        publication: its id.
        uri: of whom the state is, the Request-URI; without meaning for one that is published already.
        event: the package, such as ``presence``; likewise.
        account: the address-of-record of the account that publishes, empty for none; likewise.
        expires: seconds to ask for; it is refreshed until Unpublish.
        content_type, body: the state.
    """

    ref: str
    publication: str
    uri: str
    event: str
    account: str
    expires: int
    content_type: str
    body: bytes


class Unpublish(Event, frozen=True):
    """Remove a publication; PublicationChanged with the state ``removed`` is its last event."""

    ref: str
    publication: str


class PublicationChanged(Event, frozen=True):
    """A publication is ``published`` until `until`, ``failing`` because of `status` and `reason`, or ``removed``."""

    publication: str
    state: str
    until: float
    status: int
    reason: str
    time: float


PublicationCommand = Publish | Unpublish
PublicationEvent = PublicationChanged
