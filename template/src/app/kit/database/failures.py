"""The kinds of database failure that a service tells apart, and the errors that the database layer raises itself."""

from enum import Enum
from typing import Final

from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError


class Failure(Enum):
    """The kinds of failure that have a response of their own; anything else is a bug."""

    UNIQUE = "unique-violation"
    FOREIGN_KEY = "foreign-key-violation"
    CONSTRAINT = "constraint-violation"
    DATA = "invalid-data"
    STALE = "stale-version"
    CONFLICT = "concurrent-change"
    LOCKED = "lock-timeout"
    TIMEOUT = "statement-timeout"
    POOL_EXHAUSTED = "pool-exhausted"
    UNAVAILABLE = "database-unavailable"


class DatabaseError(Exception):
    """The base of the errors that the database layer raises itself."""


class DatabaseUnavailableError(DatabaseError):
    """No connection could be opened."""


class PoolExhaustedError(DatabaseError):
    """No connection became free in time."""


class InvalidDataError(DatabaseError):
    """A value is not one that the database can store; the message is for the log, not for the client."""


class NotFoundError(DatabaseError):
    """There is no such row; the message says so to the client, who is answered with 404."""


class VersionMismatchError(DatabaseError):
    """The row has none of the versions that were asked for; the client is answered with 412."""

    def __init__(self, version: int) -> None:
        super().__init__(f"The current version is {version}.")
        self.version = version


class ReadOnlySessionError(Exception):
    """A reading session was asked to write, which is a bug."""


class SessionBlockError(Exception):
    """A session was asked to end before its block does, which is a bug."""


class SessionScopeError(Exception):
    """A statement would have outlasted its session, or would have had no effect in it, which is a bug."""


class SecondConnectionWarning(RuntimeWarning):
    """A request asked for a connection while it held one. Enough such requests at once wait for each other.

    By Python's default a process shows it once for each two places in the code, however many requests pass there.
    """


_BY_CLASS: Final = (
    (StaleDataError, Failure.STALE),
    (InvalidDataError, Failure.DATA),
    ((PoolExhaustedError, PoolTimeoutError), Failure.POOL_EXHAUSTED),
    (DatabaseUnavailableError, Failure.UNAVAILABLE),
)


def origin(error: BaseException) -> BaseException:
    """Return the error that the others were raised from: that of the driver or of the operating system."""
    cause = error.__cause__
    # A timeout is raised from the cancellation by which it ends the wait.
    return origin(cause) if isinstance(cause, Exception) else error


def classify_by_class(error: BaseException) -> Failure | None:
    """Return the kind of a failure that did not come from the server, or None if it did or is a bug."""
    return next((kind for classes, kind in _BY_CLASS if isinstance(error, classes)), None)
