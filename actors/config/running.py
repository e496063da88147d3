"""The sections of the service as a program: its processes, its API, its log, functions of the application."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from actors.config.kinds import Count, Seconds, Section


class ServiceSection(Section, frozen=True, kw_only=True):
    """[service]: where it runs and in how many processes.

    Attributes:
        run_dir: the folder of its sockets and journals, on a tmpfs; empty: ``$SIPACTORS_RUN_DIR``, else
            ``sipactors`` in ``$XDG_RUNTIME_DIR``, else ``/tmp/sipactors-UID``.
        state_dir: the folder of what outlives a reboot; empty: ``$SIPACTORS_STATE_DIR``, else ``sipactors`` in
            ``$XDG_STATE_HOME`` or ``~/.local/state``.
        placement: actors as processes, or as threads of one (no isolation; for tests and small devices).
        shards: transaction shards, and as many dialog shards.
        media: media processes.
    """

    run_dir: str = ""
    state_dir: str = ""
    placement: Literal["process", "thread"] = "process"
    shards: Count = 1
    media: Count = 1


class LogSection(Section, frozen=True, kw_only=True):
    """[log]: what is written to stderr.

    Attributes:
        level: the least important lines that are written; with debug each event of a call or an account is one, too.
        format: text for people; json, an object a line, for programs.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class ControlSection(Section, frozen=True, kw_only=True):
    """[control]: the API.

    Attributes:
        max_events: events kept for those who resume.
        ring_timeout: seconds an unanswered call out rings where its command says nothing.
        listen: ``tcp:ADDRESS:PORT`` for clients on other machines, each with a key that ``sipactors keys new`` made;
            the audio of calls is had on the ports behind it, one a media process. Empty: none but those of this user on
            this machine.
        folders: where the files that commands name, to play or to record, may lie; empty: anywhere for clients of this
            user on this machine, nowhere for others.
    """

    max_events: Annotated[int, Meta(ge=100, description="a number of events from 100")] = 10_000
    ring_timeout: Seconds = 60.0
    listen: str = ""
    folders: tuple[str, ...] = ()


class HooksSection(Section, frozen=True, kw_only=True):
    """[hooks]: functions of yours that see SIP messages, each as ``module:function``, importable by the service.

    Attributes:
        outgoing: is given each message that the user agent sends, and may change it; empty for none.
        incoming: is given each message that comes, with the way it came by, and drops it by returning True; empty for
            none.
    """

    outgoing: str = ""
    incoming: str = ""
