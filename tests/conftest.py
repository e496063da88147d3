"""What holds for every test: what is slow on a shared machine is no failure, and signals stay as they were found."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("shared")

_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
# A shell, or nohup, lets what it starts in the background ignore these, and so would each program that a test starts.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def signals_stay_as_they_are() -> Iterator[None]:
    """Every program that later tests start would inherit what is ignored here, and be deaf to it."""
    kept = [signal.getsignal(number) for number in _SIGNALS]
    yield
    assert [signal.getsignal(number) for number in _SIGNALS] == kept
