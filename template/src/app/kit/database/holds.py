"""Which connection the current request holds.

A request that asks for a second connection while it holds one is told so at once: of twenty such requests a pool of
four served five, and the others waited for each other until they timed out.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from inspect import currentframe
from typing import Final, Self

from app.kit.database.failures import SecondConnectionWarning

_KIT: Final = f"{__name__.rpartition('.database.')[0]}."
_BETWEEN: Final = frozenset({"asyncio", "contextlib", "fastapi", "greenlet", "sqlalchemy", "starlette"})
"""Libraries whose frames lie between the code that asks for a connection and the one that opens it."""


class Hold:
    """A block in which a request holds a connection of a pool: `with Hold(pool):`.

    Tasks that are started in the block inherit it, and count as parts of it; tasks side by side do not see each other.
    """

    __slots__ = ("_outer", "_place", "_pool")

    def __init__(self, pool: object) -> None:
        self._pool = pool
        self._place = ""
        self._outer: Hold | None = None

    def __enter__(self) -> Self:
        """Warn with SecondConnectionWarning if the request holds a connection of this pool already."""
        outer = _innermost.get()
        if outer is not None:
            warn_of_second_connection(self._pool)
            self._place = _place()
            self._outer = outer
            _innermost.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        """End the block."""
        self._place = ""
        if _innermost.get() is self:
            _innermost.set(self._outer)

    def holder_of(self, pool: object) -> str:
        """Return where a connection of the pool was taken that is still held, or an empty string."""
        if self._pool is pool and self._place:
            return self._place
        return self._outer.holder_of(pool) if self._outer is not None else ""


_innermost: Final[ContextVar[Hold | None]] = ContextVar("innermost_hold", default=None)
"""The innermost block of the request being served; None outside of requests."""


@contextmanager
def holds_watched() -> Iterator[None]:
    """Watch what the block holds: a request, as a rule. Outside of such blocks nobody is warned."""
    token = _innermost.set(Hold(None))
    try:
        yield
    finally:
        _innermost.reset(token)


def warn_of_second_connection(pool: object) -> None:
    """Warn with SecondConnectionWarning if the current request holds a connection of this pool."""
    innermost = _innermost.get()
    if innermost is not None and (held := innermost.holder_of(pool)):
        warnings.warn(
            f"A request asks for a second connection in {_place()} while it holds the one that it took in {held}. "
            "Enough such requests at once wait for each other: use the open session, or end it first.",
            SecondConnectionWarning,
            stacklevel=2,
        )


def _place() -> str:
    """Return where a connection is asked for: the innermost line outside of the kit and of libraries."""
    frame = currentframe()
    opened_by = ""
    while frame is not None:
        module: str = frame.f_globals.get("__name__", "")
        if module.startswith(_KIT):
            opened_by = f"{module}.{frame.f_code.co_name}"
        elif module.partition(".")[0] not in _BETWEEN:
            return f"{module}:{frame.f_lineno}"
        elif opened_by and module.startswith("fastapi."):
            # A dependency, which FastAPI has called and no code of the service.
            return opened_by
        frame = frame.f_back
    return opened_by
