"""Log lines: readable on a terminal, JSON elsewhere; never the content of a record, nor an aggregate's id."""

import logging
import sys
import traceback
from pathlib import Path
from typing import Any

import structlog

from headrace.settings import Settings


def configure_logs(settings: Settings, service: str) -> None:
    """Send structlog's lines to standard error, from LOG_LEVEL on, as LOG_FORMAT says; each names the service."""

    def named(_logger: Any, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
        line["service"] = service  # of all threads: a context variable is of one
        return line

    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        named,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    as_text = sys.stderr.isatty() if settings.log_format == "auto" else settings.log_format == "text"
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        if as_text
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def frames_of(error: BaseException) -> list[str]:
    """The lines of code that an exception came through, the innermost last; nothing of what it says."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
