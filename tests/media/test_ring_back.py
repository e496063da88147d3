"""The ring-back tone (RFC 3960 s3.2): the rule, and media with its device played by the test, over kills."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.media.device_events import CloseLine, FromMedia, OpenLine
from actors.media.events import EARLY, OVER, RINGING, CloseSession, UseDevice
from actors.media.ring_back import following, heard
from tests.media.test_actor import PEERS, Place, prepared
from tests.runtime.harness import Harness

EVERY = PEERS | {"device": FromMedia}
PACKETS = "packets"


def stage_after(*happened: str) -> str | None:
    """The stage of a line after these; None while it has no device."""
    device: UseDevice | None = None
    for each in happened:
        if each != PACKETS:
            device = following(device, UseDevice("a", ":", each))
        elif device is not None:
            device = heard(device)
    return None if device is None else device.stage


@pytest.mark.parametrize(
    ("happened", "stage"),
    [
        ((RINGING,), RINGING),
        ((RINGING, EARLY), RINGING),  # a description alone does not stop it
        ((EARLY, RINGING), RINGING),
        ((EARLY,), EARLY),  # without 180 there is no tone
        ((RINGING, RINGING), RINGING),
        ((RINGING, PACKETS), ""),
        ((RINGING, PACKETS, RINGING), ""),
        ((EARLY, PACKETS, RINGING), ""),
        ((RINGING, ""), ""),
        ((RINGING, OVER), None),
    ],
)
def test_it_rings_from_180_until_packets_an_answer_or_the_end(happened: tuple[str, ...], stage: str | None) -> None:
    assert stage_after(*happened) == stage


@given(st.lists(st.sampled_from((RINGING, EARLY, PACKETS, ""))))
def test_once_the_peer_is_heard_nothing_brings_the_tone_back(happened: list[str]) -> None:
    assert stage_after(RINGING, PACKETS, *happened) == stage_after("", *happened) == ""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path, peers=EVERY)
    yield place
    place.close()


def ringing(it: Harness) -> None:
    it.send("dialog-0", UseDevice("a", ":spk", RINGING))
    assert it.expect("device", OpenLine) == OpenLine("a", "", "spk", "ringback")


def test_the_tone_outlives_a_kill_and_a_description_and_ends_with_the_first_packets(place: Place) -> None:
    with place.actor() as it:
        port = prepared(it)
        ringing(it)
    with place.actor() as it:
        assert it.expect("device", OpenLine).tone == "ringback"
        it.send("dialog-0", place.phone.start("a"))
        it.send("dialog-0", UseDevice("a", ":spk", EARLY))
        place.hear(5)  # ticks go by
        assert it.actor.cells.get(b"a").device.stage == RINGING
        for _ in range(20):
            place.phone.say(b"\x11" * 160, port)
            place.hear(1)
        assert it.expect("device", OpenLine) == OpenLine("a", "", "spk")
    with place.actor() as it:
        assert it.expect("device", OpenLine) == OpenLine("a", "", "spk")


def test_the_tone_ends_with_an_answer(place: Place) -> None:
    with place.actor() as it:
        prepared(it)
        ringing(it)
        it.send("dialog-0", UseDevice("a", ":spk"))
        assert it.expect("device", OpenLine) == OpenLine("a", "", "spk")


@pytest.mark.parametrize("end", [UseDevice("a", ":spk", OVER), CloseSession("a")])
def test_the_tone_ends_with_the_call(place: Place, end: UseDevice | CloseSession) -> None:
    with place.actor() as it:
        prepared(it)
        ringing(it)
        it.send("dialog-0", end)
        assert it.expect("device", CloseLine) == CloseLine("a")
