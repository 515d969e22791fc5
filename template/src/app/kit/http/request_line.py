"""The line that is logged of each request."""

import json
import logging
from typing import Final

import structlog

from app.kit.logs import STAMP, level_of_plain_lines
from app.kit.output import OUTPUT

_FIELDS: Final = frozenset({"method", "path", "status", "duration_ms", "event", "level", "timestamp", "exc_info"})
_LEVELS: Final = {number: name.lower() for name, number in logging.getLevelNamesMapping().items()}

_MAX_BITS: Final = 64
"""How long an integer may be: Python refuses to write very long ones."""

_encode: Final = json.JSONEncoder().encode

log = structlog.get_logger()


def log_request(level: int, *, method: str, path: str, status: int, duration_ms: float) -> None:
    """Log what came of a request.

    structlog's processors would take three times as long for the same line, so they are asked only where somebody has
    changed them, or has bound what they have to look at.
    """
    lowest = level_of_plain_lines()
    bound = None if lowest is None else _bound()
    if lowest is None or bound is None:
        log.log(level, "request", method=method, path=path, status=status, duration_ms=duration_ms)
    elif level >= lowest:
        OUTPUT.write(
            f'{{"method": {_encode(method)}, "path": {_encode(path)}, "status": {status}, '
            f'"duration_ms": {duration_ms}, "event": "request", '
            f'{bound}"level": "{_LEVELS[level]}", "timestamp": "{STAMP.now()}"}}\n'
        )


def _bound() -> str | None:
    """Return what is bound to the request as a part of its line, or None if not all of it is plain."""
    bound = ""
    for name, value in structlog.contextvars.get_contextvars().items():
        if name in _FIELDS or not (type(value) is str or (type(value) is int and value.bit_length() <= _MAX_BITS)):
            return None
        bound += f"{_encode(name)}: {_encode(value)}, "
    return bound
