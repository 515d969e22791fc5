"""What a request has committed: repeated after that, it would store the same twice."""

from contextvars import ContextVar
from typing import Final

from sqlalchemy import SelectBase, TextClause, UpdateBase
from sqlalchemy.sql.visitors import iterate

from app.kit.database.errors import classify, conflict
from app.kit.database.failures import Failure

KEPT_SELECTS: Final = 100
"""How many different SELECTs are kept at most, however long a request goes on."""


class Commits:
    """What was committed since this was made, or is about to be.

    Copies of a context share it, so tasks and threads that a request has started note what they commit here too.
    """

    __slots__ = ("_noted",)

    def __init__(self) -> None:
        # How often each SELECT was run, and under None all else.
        self._noted: dict[SelectBase | None, int] = {}

    def begin(self, select: SelectBase | None) -> None:
        """Note it when it begins: another task may ask before it ends."""
        self._noted[select] = self._noted.get(select, 0) + 1
        if len(self._noted) > KEPT_SELECTS:
            for noted in [noted for noted in self._noted if not _writes(noted)]:
                del self._noted[noted]

    def undo(self, select: SelectBase | None) -> None:
        """Forget it, because it was rolled back."""
        self._noted[select] = self._noted.get(select, 0) - 1

    def any(self) -> bool:
        """Return whether anything was written. Only here are SELECTs looked into, because hardly any request asks."""
        return any(number > 0 and _writes(noted) for noted, number in self._noted.items())


def _writes(select: SelectBase | None) -> bool:
    """Return whether this may write. A SELECT does if it is text, or has a statement that writes in it, as a CTE."""
    return select is None or any(isinstance(part, TextClause | UpdateBase) for part in iterate(select))


current_commits: Final[ContextVar[Commits | None]] = ContextVar("current_commits", default=None)
"""The record of the request being served; None where nobody would repeat it."""


class Committing:
    """A block that ends with a commit, of this statement or of a transaction: `with Committing(statement):`.

    It stays noted unless it is known to be undone. After a lost connection, or when the block was cancelled, the commit
    may have been made.
    """

    # Each statement has one: a generator as context manager would take twice as long.
    __slots__ = ("_commits", "_select")

    def __init__(self, statement: object = None) -> None:
        self._commits = current_commits.get()
        self._select = statement if isinstance(statement, SelectBase) else None

    def __enter__(self) -> None:
        """Note the commit."""
        if self._commits is not None:
            self._commits.begin(self._select)

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        """Forget the commit if it was not made."""
        if self._commits is None or not isinstance(error, Exception):
            return
        if classify(error) is not Failure.UNAVAILABLE or conflict(error):
            self._commits.undo(self._select)
