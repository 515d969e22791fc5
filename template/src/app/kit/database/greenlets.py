"""Greenlets that are kept: as many as there are statements at the same time, and not one for each statement.

Python maps memory for the frames of each new greenlet, and unmaps it at the end. In `greenlet_spawn` of SQLAlchemy that
takes half of the time that the driver takes for a statement.
"""

import sys
from collections.abc import Callable
from threading import local
from typing import Any, Final, NoReturn, ParamSpec, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

P = ParamSpec("P")
T = TypeVar("T")


class _Worker(greenlet):
    """Does one piece of work after another, and switches to its parent with whatever is to be awaited meanwhile."""

    # relies on: the attribute by which SQLAlchemy's `await_only` knows a greenlet whose parent awaits.
    __sqlalchemy_greenlet_provider__ = True

    def run(self, exchange: list[Any]) -> NoReturn:
        """Work for ever: take the work out of the list, and hand the list back with what came of it.

        It is the list that this frame holds on to until there is more work, and the caller empties it.
        """
        while True:
            exchange.extend(_outcome_of(exchange.pop()))
            exchange = self.parent.switch(exchange)  # type: ignore[union-attr]  # whoever has switched here


class _Idle(local):
    """The workers of a thread that have nothing to do: no other thread can switch to them."""

    def __init__(self) -> None:
        self.workers: list[_Worker] = []


_idle: Final = _Idle()


def _outcome_of(work: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return work(), None
    except GreenletExit:
        # Nobody is left who would go on with the work.
        raise
    except BaseException as error:
        return None, error


async def in_greenlet(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Call what uses SQLAlchemy's synchronous side, and await what it has to wait for; as its `greenlet_spawn` does."""
    current = getcurrent()
    worker = _idle.workers.pop() if _idle.workers else _Worker()
    worker.parent = current
    worker.gr_context = current.gr_context
    exchange: list[Any] = [lambda: function(*arguments, **options)]
    switched = worker.switch(exchange)
    while switched is not exchange:
        try:
            value = await switched
        except BaseException:
            switched = worker.throw(*sys.exc_info())
        else:
            switched = worker.switch(value)
    result: T = exchange[0]
    error: BaseException | None = exchange[1]
    exchange.clear()
    worker.gr_context = None
    _idle.workers.append(worker)
    if error is None:
        return result
    try:
        raise error
    finally:
        # Else the traceback would hold what holds it.
        del error
