"""Where a service keeps its files, and where a client finds its socket. Cheap to import: a client starts with it."""

import os
from pathlib import Path
from typing import NamedTuple

from actors.control.errors import NoService

CONNECT_PATIENCE = 2.0  # seconds for the first answer: many times what a restart of control takes
ABSENT_PATIENCE = 0.2  # seconds, where there is not even a socket
REMOTE_PATIENCE = 5.0  # seconds, over a network
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


class Key(NamedTuple):
    """A client's CURVE key, and the public key of the service it is for; each in Z85."""

    server: bytes
    public: bytes
    secret: bytes


class Where(NamedTuple):
    """A service to connect to.

    Attributes:
        name: for people.
        address: for ZeroMQ.
        key: for a service on another machine.
        patience: seconds that its first answer may take.
        nobody: what to say when none comes.
    """

    name: str
    address: str
    key: Key | None
    patience: float
    nobody: str

    def __str__(self) -> str:
        return self.name


def locate(run_dir: "str | os.PathLike[str] | None", address: str, key: "str | os.PathLike[str] | None") -> Where:
    """Where a service is, by its run directory, or by its address and the file of a key.

    Where neither is given, ``$SIPACTORS_ADDRESS`` and ``$SIPACTORS_KEY`` say it, if they are there.

    Raises:
        NoService: it cannot be our own service's, or there is no such key.
    """
    if run_dir is None and not address:
        address, key = os.environ.get("SIPACTORS_ADDRESS", ""), os.environ.get("SIPACTORS_KEY")
    if address:
        if key is None:
            raise NoService(f"{address} wants a key; make one with: sipactors keys new NAME")
        wrong = f"no service answers at {address}, or it does not know the key {os.fspath(key)}"
        return Where(address, address, read_key(Path(key)), REMOTE_PATIENCE, wrong)
    folder = default_run_dir() if run_dir is None else Path(run_dir)
    path = socket_path(folder)
    patience = CONNECT_PATIENCE if path.exists() else ABSENT_PATIENCE
    nobody = f"no service answers in {folder}; start one with: sipactors run"
    return Where(str(folder), f"ipc://{path}", None, patience, nobody)


def read_key(path: Path) -> Key:
    """The key in a file that ``sipactors keys new`` made.

    Raises:
        NoService: there is none.
    """
    import tomllib  # noqa: PLC0415 - only who is remote needs it

    try:
        data = tomllib.loads(path.read_text("utf-8"))
        return Key(*(str(data[name]).encode("ascii") for name in Key._fields))
    except (OSError, KeyError, ValueError) as error:
        raise NoService(f"{path} is no key of a service: {error}") from None
