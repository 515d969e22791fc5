"""Structured logs on standard output: one JSON object a line, or coloured text for a terminal."""

import logging
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO, cast

import structlog
from pydantic_settings import BaseSettings
from structlog.typing import Processor

from app.kit.output import OUTPUT


class LogSettings(BaseSettings):
    """How much is logged, and in which form."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    log_format: Literal["json", "console"] = "json"


def _is_no_false_alarm(record: logging.LogRecord) -> bool:
    """Drop what uvicorn says of each WebSocket that is refused with a response: that none was sent."""
    # relies on: its text. `RequestMiddleware` leaves no handshake without a response, so it never tells the truth.
    return record.msg != "ASGI callable returned without completing handshake."


def _unfailing(*processors: Processor) -> Processor:
    """Make one processor of these that renders every event: one of them may fail at a value, such as a circle."""

    def render(event: MutableMapping[str, Any], method: str) -> Any:
        result: Any = event
        for processor in processors:
            result = processor(None, method, result)
        return result

    def process(_logger: object, method: str, event: MutableMapping[str, Any]) -> Any:
        try:
            return render(dict(event), method)
        except Exception as error:
            plain = {
                name: value if name == "exc_info" or isinstance(value, str | int | float | None) else repr(type(value))
                for name, value in event.items()
            }
            return render(plain | {"not_rendered": type(error).__name__}, method)

    return process


class _Handler(logging.StreamHandler[TextIO]):
    """Writes records. One that cannot be written is named in the log, and not with a traceback on standard error."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is that of logging
        """Log that a record is unusable, such as one whose arguments do not fit its text."""
        structlog.get_logger().error(
            "log_record_unusable", logger=record.name, place=f"{record.pathname}:{record.lineno}"
        )


def configure_logging(settings: LogSettings) -> None:
    """Send structlog's events and the standard library's records to standard output, in one format.

    Both carry what `structlog.contextvars` holds, so a line that SQLAlchemy or uvicorn writes during a request
    has its request id too.
    """
    output = cast("TextIO", OUTPUT)
    level = logging.getLevelNamesMapping()[settings.log_level]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if settings.log_format == "json":
        rendering = _unfailing(structlog.processors.format_exc_info, structlog.processors.JSONRenderer())
    else:
        # Where rich happens to be installed, the default shows every local variable, passwords included.
        rendering = _unfailing(structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback))

    def note_of_loss(lines: int) -> str:
        event: Any = {"event": "log_lines_lost", "lines": lines}
        for processor in (*shared, rendering):
            event = processor(None, "warning", event)
        return f"{event}\n"

    OUTPUT.note_of_loss = note_of_loss
    structlog.configure(
        processors=[*shared, rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(output),
        cache_logger_on_first_use=False,
    )

    handler = _Handler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, rendering],
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
