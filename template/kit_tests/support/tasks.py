"""What code starts besides itself."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final
from unittest.mock import patch

import anyio.to_thread

# Tasks inherit it, so that what an earlier test left to do in the background is not among what is seen.
_WATCHED: Final = ContextVar("watched", default=False)


@contextmanager
def tasks_seen() -> Iterator[list[str]]:
    """Collect the tasks that the block starts, and the work that it gives to threads."""
    seen: list[str] = []
    run_in_thread = anyio.to_thread.run_sync

    def note(started: str) -> None:
        if _WATCHED.get():
            seen.append(started)

    def make_task(loop: asyncio.AbstractEventLoop, work: Any, /, **options: Any) -> asyncio.Task[Any]:
        note(f"task: {work.__qualname__}")
        return asyncio.Task(work, loop=loop, **options)

    def hand_over(work: Any, *arguments: Any, **options: Any) -> Any:
        note(f"thread: {work}")
        return run_in_thread(work, *arguments, **options)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(make_task)
    watching = _WATCHED.set(True)
    try:
        with patch.object(anyio.to_thread, "run_sync", hand_over):
            yield seen
    finally:
        _WATCHED.reset(watching)
        loop.set_task_factory(None)
