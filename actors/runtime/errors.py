"""What keeps a service from starting."""

from __future__ import annotations


class StartupError(Exception):
    """The service cannot start; the text is one line for its user that names the cause and says what to do."""


class LaunchError(Exception):
    """A child's process could not be started."""
