"""What the application writes to standard output."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any

from app.kit.logs import LogSettings, configure_logging


@contextmanager
def captured_output() -> Iterator[StringIO]:
    """Collect what applications that are created in this block log; afterwards the tests' own logging is back."""
    try:
        with redirect_stdout(StringIO()) as output:
            yield output
    finally:
        configure_logging(LogSettings(log_level="WARNING"))


def log_lines(output: StringIO) -> list[dict[str, Any]]:
    """Return the log's lines, of which each must be one JSON object."""
    return [json.loads(line) for line in output.getvalue().splitlines()]
