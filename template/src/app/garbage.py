"""The garbage collector of a process that serves."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting_objects_exempt() -> Iterator[None]:
    """Keep the collector from looking through what exists before the block, which is there to stay.

    Its thresholds stay as they are: raised, they would leave the sockets of broken connections open for long, where
    the traceback of an error still refers to one.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
