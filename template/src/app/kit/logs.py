"""Structured logs on standard output: one JSON object a line, or coloured text for a terminal."""

import json
import logging
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Literal, TextIO, TypeAlias, cast

import structlog
from pydantic_settings import BaseSettings
from structlog.typing import Processor

from app.kit.output import OUTPUT

LevelName: TypeAlias = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class LogSettings(BaseSettings):
    """How much is logged, and in which form."""

    log_level: LevelName = "INFO"
    log_format: Literal["json", "console"] = "json"


def _is_no_false_alarm(record: logging.LogRecord) -> bool:
    """Drop what uvicorn says of each WebSocket that is refused with a response: that none was sent."""
    # relies on: its text. `RequestMiddleware` leaves no handshake without a response, so it never tells the truth.
    return record.msg != "ASGI callable returned without completing handshake."


class _TimeStamper:
    """Adds the time, as structlog's does, but makes the text of a second once and not for each event."""

    def __init__(self) -> None:
        # One tuple, because threads share it.
        self._second = 0, ""

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["timestamp"] = self.now()
        return event

    def now(self) -> str:
        """Return the time in UTC, as ISO 8601 has it."""
        now = time.time()
        second, text = self._second
        if second != int(now):
            second = int(now)
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second, text
        return f"{text}.{int((now - second) * 1_000_000):06}Z"


STAMP: Final = _TimeStamper()
"""That of all events."""


@cache
def _encoder(default: Callable[[Any], Any]) -> json.JSONEncoder:
    return json.JSONEncoder(default=default)


def _dumps(event: Any, *, default: Callable[[Any], Any]) -> str:
    """Do what `json.dumps` does, which makes an encoder for each event."""
    return _encoder(default).encode(event)


_as_json: Final = structlog.processors.JSONRenderer(serializer=_dumps)


def _render_json(logger: object, method: str, event: MutableMapping[str, Any]) -> str | bytes:
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, method, event)
    return _as_json(logger, method, event)


def _unfailing(render: Processor) -> Processor:
    """Make a processor that renders every event of one that may fail at a value, such as a circle."""

    def process(logger: object, method: str, event: MutableMapping[str, Any]) -> Any:
        try:
            return render(logger, method, dict(event))
        except Exception as error:
            plain = {name: value if name == "exc_info" else _plain(value) for name, value in event.items()}
            return render(logger, method, plain | {"not_rendered": type(error).__name__})

    return process


_MAX_BITS: Final = 4096
"""How long an integer may be: Python refuses to write one of more than 4300 digits."""


def _plain(value: object) -> str | float | None:
    """Return a value that can always be shown: this one, without what a class of its own makes of it, or its type."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, int) and not isinstance(value, bool) and int.bit_length(value) <= _MAX_BITS:
        return int.__int__(value)
    return value if value is None or isinstance(value, bool) else repr(type(value))


class _Handler(logging.StreamHandler[TextIO]):
    """Writes records. One that cannot be written is named in the log, and not with a traceback on standard error."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is that of logging
        """Log that a record is unusable, such as one whose arguments do not fit its text."""
        structlog.get_logger().error(
            "log_record_unusable", logger=record.name, place=f"{record.pathname}:{record.lineno}"
        )


@dataclass
class _Plain:
    """What `configure_logging` has left, where events are JSON."""

    level: int = 0
    configuration: dict[str, Any] = field(default_factory=dict)


_PLAIN: Final = _Plain()


def level_of_plain_lines() -> int | None:
    """Return the level from which on events are logged, if they are JSON and nobody has changed structlog since."""
    return _PLAIN.level if structlog.get_config() == _PLAIN.configuration else None


def current_level() -> LevelName:
    """Return the level that `configure_logging` was last called with."""
    return cast("LevelName", logging.getLevelName(_PLAIN.level))


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
        STAMP,
    ]
    if settings.log_format == "json":
        rendering = _unfailing(_render_json)
    else:
        # Where rich happens to be installed, the default shows every local variable, passwords included.
        rendering = _unfailing(structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback))

    def note_of_loss(lines: int) -> str:
        event: Any = {"event": "log_lines_lost", "lines": lines}
        for processor in (*shared, rendering):
            event = processor(None, "warning", event)
        return f"{event}\n"

    OUTPUT.note_of_loss = note_of_loss
    logger = structlog.WriteLogger(output)
    structlog.configure(
        processors=[*shared, rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: logger,
        cache_logger_on_first_use=False,
    )
    _PLAIN.level = level
    # A copy, because `structlog.testing.capture_logs` changes the list itself.
    is_json = settings.log_format == "json"
    _PLAIN.configuration = {**structlog.get_config(), "processors": [*shared, rendering]} if is_json else {}

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
