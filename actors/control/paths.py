"""Where a service keeps its files, and where a client finds its socket. Cheap to import: a client starts with it."""

import os
from pathlib import Path

from actors.control.errors import NoService

SOCKET = "control"  # the name of the API's socket in the run directory
FEED = "feed"  # that of the events published to whoever listens
SOCKET_PATH_LIMIT = 107  # bytes of a Unix socket's path (sun_path without its final zero)


def default_run_dir() -> Path:
    """`$SIPACTORS_RUN_DIR`, else `sipactors` in `$XDG_RUNTIME_DIR`, else `/tmp/sipactors-<uid>`."""
    if named := os.environ.get("SIPACTORS_RUN_DIR"):
        return Path(named)
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "sipactors"
    # The supervisor makes it 0700 and checks its owner; socket_path looks whose it is.
    return Path(f"/tmp/sipactors-{os.getuid()}")  # noqa: S108


def default_state_dir() -> Path:
    """`$SIPACTORS_STATE_DIR`, else `sipactors` in `$XDG_STATE_HOME` or `~/.local/state`."""
    if named := os.environ.get("SIPACTORS_STATE_DIR"):
        return Path(named)
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "sipactors"


def socket_path(run_dir: Path) -> Path:
    """The path of the service's socket; refuses one that another user could have put there.

    Raises:
        NoService: it cannot be our own service's.
    """
    path = run_dir.absolute() / SOCKET
    if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
        raise NoService(f"the path of the run directory is too long for a socket: {run_dir}")
    try:
        owner = run_dir.stat().st_uid
    except OSError:
        return path  # it may yet come
    if os.geteuid() not in (owner, 0):
        raise NoService(f"{run_dir} belongs to another user; give the run directory of your own service")
    return path
