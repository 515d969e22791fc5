"""What code calls."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import FrameType
from typing import Any, Final

_RESUMED: Final = CO_ASYNC_GENERATOR | CO_COROUTINE | CO_GENERATOR
"""What is called once more whenever it goes on: how often depends on what it waits for."""


@contextmanager
def calls_seen() -> Iterator[Counter[str]]:
    """Count the calls of Python functions that the block makes in this thread, by module and name."""
    seen: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call" and not frame.f_code.co_flags & _RESUMED:
            # Of generated code, such as the `__init__` of a dataclass, no module is known.
            seen[f"{frame.f_globals.get('__name__', '')}.{frame.f_code.co_qualname}"] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield seen
    finally:
        sys.setprofile(before)
