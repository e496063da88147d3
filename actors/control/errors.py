"""What a client of the control API raises."""


class ControlError(Exception):
    """A command had no effect, or it is not known whether it had. The text is one line for people."""


class NoService(ControlError):  # noqa: N818 - says what is, as OSError's kin do
    """No service answers."""


class TimedOut(ControlError):  # noqa: N818
    """The service did not answer this command in time; it may still take effect."""


class CommandRefused(ControlError):  # noqa: N818
    """The service refused a command.

    Attributes:
        code: for programs: no_such_call, bad_state, bad_uri, bad_value, busy, draining, stopping, ...
        field: the path of the field that is wrong, empty where none is.
    """

    def __init__(self, code: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.field = field
