"""What a request has committed, for those who would do it once more: what is stored already would be stored twice."""

from collections import Counter
from contextvars import ContextVar
from typing import Final

from sqlalchemy import SelectBase, TextClause, UpdateBase
from sqlalchemy.sql.visitors import iterate

from app.database.errors import Failure, classify

KEPT: Final = 100
"""How many different SELECTs are kept at most, however long a request goes on."""


class Commits:
    """What was committed since this was made, or is about to be.

    Copies of a context share it, so tasks and threads that a request has started note what they commit here, too.
    """

    def __init__(self) -> None:
        # How often each SELECT was run, and under None all else.
        self._noted: Counter[SelectBase | None] = Counter()

    def begin(self, select: SelectBase | None) -> None:
        """Note it when it begins: another task may ask before it ends."""
        self._noted[select] += 1
        if len(self._noted) > KEPT:
            for noted in [noted for noted in self._noted if not _writes(noted)]:
                del self._noted[noted]

    def undo(self, select: SelectBase | None) -> None:
        """Forget it, because it was rolled back."""
        self._noted[select] -= 1

    def any(self) -> bool:
        """Return whether anything was written. Only here are SELECTs looked into, because hardly any request asks."""
        return any(number > 0 and _writes(noted) for noted, number in self._noted.items())


def _writes(select: SelectBase | None) -> bool:
    """Return whether this may write. A SELECT does if it is text, or has a statement that writes in it, as a CTE."""
    return select is None or any(isinstance(part, TextClause | UpdateBase) for part in iterate(select))


current_commits: ContextVar[Commits | None] = ContextVar("current_commits", default=None)
"""Where commits are noted. It is set by whoever wants to know."""


class Committing:
    """Notes that its block ends with a commit: of this statement, or of a transaction.

    It stays noted unless it is known to be undone. After a lost connection, or when the block was cancelled, the commit
    may have been made.
    """

    # Each statement has one: a generator as context manager would take twice as long.
    __slots__ = ("_commits", "_select")

    def __init__(self, statement: object = None) -> None:
        self._commits = current_commits.get()
        self._select = statement if isinstance(statement, SelectBase) else None

    def __enter__(self) -> None:
        if self._commits is not None:
            self._commits.begin(self._select)

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if self._commits is None or not isinstance(error, Exception):
            return
        if classify(error) is not Failure.UNAVAILABLE:
            self._commits.undo(self._select)
