"""What code starts besides itself."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import anyio.to_thread


@contextmanager
def tasks_seen() -> Iterator[list[str]]:
    """Collect the tasks that are started while the block runs, and the work that is given to threads."""
    seen: list[str] = []
    run_in_thread = anyio.to_thread.run_sync

    def make_task(loop: asyncio.AbstractEventLoop, work: Any, /, **options: Any) -> asyncio.Task[Any]:
        seen.append(f"task: {work.__qualname__}")
        return asyncio.Task(work, loop=loop, **options)

    def hand_over(work: Any, *arguments: Any, **options: Any) -> Any:
        seen.append(f"thread: {work}")
        return run_in_thread(work, *arguments, **options)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(make_task)
    try:
        with patch.object(anyio.to_thread, "run_sync", hand_over):
            yield seen
    finally:
        loop.set_task_factory(None)
