"""The configuration as the service takes it: file and command line, and whether all that it asks for is there now."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from actors import config as configuration
from actors.config import Config, ConfigError
from actors.config.hooks import check_hooks
from actors.control.cli import RunOptions
from actors.control.paths import default_run_dir, default_state_dir
from actors.media import echo, srtp
from actors.media.codecs import CodecMissingError, find
from actors.media.filters import FilterError, load
from actors.media.wav import Reader, WavError
from actors.sip.sdp_codecs import offered


def configured(options: RunOptions) -> Config:
    """The configuration file with the command line's options over it.

    Raises:
        ConfigError: one of them is wrong.
    """
    config = configuration.load(options.config, os.environ)
    service, sip, answer = config.service, config.sip, config.answer
    run_dir = options.run_dir or Path(service.run_dir or default_run_dir())
    state_dir = options.state_dir or Path(service.state_dir or default_state_dir())
    service = msgspec.structs.replace(service, run_dir=str(run_dir.absolute()), state_dir=str(state_dir.absolute()))
    if options.listen:
        sip = msgspec.structs.replace(sip, listen=options.listen)
    if options.answer:
        mode, _, path = options.answer.partition(":")
        read = msgspec.convert({"mode": mode, "file": path}, configuration.AnswerSection)
        answer = msgspec.structs.replace(config.answer, mode=read.mode, file=read.file)
    config = configuration.checked(msgspec.structs.replace(config, service=service, sip=sip, answer=answer))
    check_answer_file(config.answer)
    for route in config.answer.routes:
        check_answer_file(route)
    check_codecs(config.media.codecs)
    check_hooks(config.hooks)
    check_extras(config)
    return config


def check_extras(config: Config) -> None:
    """See now that what the settings ask for can be had.

    Raises:
        ConfigError: something is missing.
    """
    if config.media.srtp != "off" and not srtp.installed():
        raise ConfigError(f"media.srtp: {srtp.MISSING}")
    try:
        if config.sound.echo_cancellation:
            echo.check()
        if config.media.filter:
            load(config.media.filter)
    except echo.EchoError as error:
        raise ConfigError(f"sound.echo_cancellation: {error}") from error
    except FilterError as error:
        raise ConfigError(f"media.filter: {error}") from error


def check_codecs(names: tuple[str, ...]) -> None:
    """See now that what each codec needs is installed.

    Raises:
        ConfigError: something is missing.
    """
    for codec in offered(names):
        try:
            find(codec.encoding, codec.clock_rate, codec.channels)
        except CodecMissingError as error:
            raise ConfigError(f"media.codecs: {error}") from error


def check_answer_file(answer: configuration.AnswerSection | configuration.RouteSection) -> None:
    """Look now at the file that every call would need.

    Raises:
        ConfigError: it cannot be played, or nothing can be recorded there.
    """
    path = Path(answer.file).absolute()
    if answer.mode == "play":
        try:
            Reader(path).close()
        except OSError as error:
            raise ConfigError(
                f"answer.file: {path}: {error.strerror}; it may be a WAV file that can be read"
            ) from error
        except WavError as error:
            raise ConfigError(f"answer.file: {path}: {error}") from error
    elif answer.mode == "record" and not (path.parent.is_dir() and os.access(path.parent, os.W_OK | os.X_OK)):
        raise ConfigError(f"answer.file: {path.parent} is no folder that can be written to; make it first")
