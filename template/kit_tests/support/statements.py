"""Which statements reach the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event


@contextmanager
def statements_seen(*, about: str) -> Iterator[list[str]]:
    """Collect the statements that name a table or keyword while the block runs; a batch is one statement."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: Any) -> None:
        if about in statement:
            seen.append(statement)

    # relies on: `_has_events`, which stays set when the listener is gone.
    had_events = Engine._has_events
    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)
        Engine._has_events = had_events
