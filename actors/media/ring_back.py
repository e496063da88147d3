"""The ring-back tone of a call out: from 180 until the peer's media is heard or the call is up (RFC 3960 s3.2). Pure.

A session description says nothing of media: only packets end the tone, and without a 180 there is none.
"""

from __future__ import annotations

from msgspec.structs import replace

from actors.media.events import EARLY, OVER, UseDevice


def following(had: UseDevice | None, asked: UseDevice) -> UseDevice | None:
    """What a session has of devices when `asked` comes and it had `had`; None for nothing.

    Nothing goes back: what is heard stays heard when it rings (again), and it rings on when more is told of the call.
    """
    if asked.stage == OVER:
        return None
    if had is None or not asked.stage:
        return asked
    return had if asked.stage == EARLY or not had.stage else asked


def heard(had: UseDevice) -> UseDevice:
    """What it has once packets of the peer came: the peer is heard, and hears."""
    return replace(had, stage="")
