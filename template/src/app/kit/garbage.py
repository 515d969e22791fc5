"""Garbage collection of a process that serves."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_frozen() -> Iterator[None]:
    """Exclude the objects created before the block, at start-up, from garbage collection.

    The collector's thresholds are left alone: raising them would delay closing sockets kept alive by traceback cycles.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
