"""Structured logs on standard output: one JSON object a line, or coloured text for a terminal."""

import logging
import sys
from typing import Literal, TextIO, cast

import structlog
from pydantic_settings import BaseSettings
from structlog.typing import Processor


class LogSettings(BaseSettings):
    """How much is logged, and in which form."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    log_format: Literal["json", "console"] = "json"


def _is_no_false_alarm(record: logging.LogRecord) -> bool:
    """Drop what uvicorn says of each WebSocket that is refused with a response: that none was sent."""
    # relies on: its text. `RequestMiddleware` leaves no handshake without a response, so it never tells the truth.
    return record.msg != "ASGI callable returned without completing handshake."


class _StandardOutput:
    """Whatever `sys.stdout` is when something is written: a test may have replaced it since logging was configured."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


def configure_logging(settings: LogSettings) -> None:
    """Send structlog's events and the standard library's records to standard output, in one format.

    Both carry what `structlog.contextvars` holds, so a line that SQLAlchemy or uvicorn writes during a request
    has its request id too.
    """
    output = cast("TextIO", _StandardOutput())
    level = logging.getLevelNamesMapping()[settings.log_level]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering: list[Processor]
    if settings.log_format == "json":
        rendering = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Where rich happens to be installed, the default shows every local variable, passwords included.
        rendering = [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]

    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(output),
        cache_logger_on_first_use=False,
    )

    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    # At DEBUG some libraries write every value that they send to the database, and values are personal data.
    root.setLevel(max(level, logging.INFO))
    logging.getLogger("app").setLevel(level)
    # A warning, such as that of a second connection in one request, is logged once for each place. Capturing begins
    # anew, because a test may have put something else in its place.
    logging.captureWarnings(capture=False)
    logging.captureWarnings(capture=True)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.error").addFilter(_is_no_false_alarm)
    # The service logs its requests itself, with more to tell.
    logging.getLogger("uvicorn.access").handlers = []
    logging.getLogger("uvicorn.access").propagate = False
    # For its echo, SQLAlchemy adds a handler of its own where it finds none, and each line would appear twice.
    logging.getLogger("sqlalchemy.engine.Engine").handlers = [logging.NullHandler()]
    # HTTP clients log every URL, and a query may hold a secret.
    for name in ("httpx", "httpx2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Alembic announces itself whenever readiness asks it for the revision; while it migrates, it is heard.
    logging.getLogger("alembic").setLevel(logging.WARNING)
