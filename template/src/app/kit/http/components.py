"""What the endpoints of one application share besides its settings and its database."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from fastapi import Request
from starlette.types import Scope

from app.kit.database.sessions import Database
from app.kit.http.draining import Draining
from app.kit.http.metrics import HttpMetrics

KEPT_SECONDS: Final = 1.0
"""For how long a success counts."""


@dataclass
class Readiness:
    """What the last probe was told: the log tells of a change, and not of every probe.

    Success is kept for a second, so that the database is not asked more often, however many balancers ask.
    """

    _reason: str | None = None
    _ready: tuple[Database, frozenset[str]] | None = None
    _ready_at: float = 0.0

    @property
    def has_succeeded(self) -> bool:
        """Whether the database has ever answered."""
        return self._ready is not None

    def succeed(self, database: Database, revisions: frozenset[str]) -> None:
        """Take note that the database has answered, and is at these revisions."""
        self._ready, self._ready_at = (database, revisions), monotonic()

    def is_known(self, database: Database, revisions: frozenset[str]) -> bool:
        """Whether that was so a moment ago."""
        return self._ready == (database, revisions) and monotonic() - self._ready_at < KEPT_SECONDS

    def turns(self, reason: str | None) -> bool:
        """Take over why the service is not ready, None if it is, and say whether the last probe was told otherwise."""
        before, self._reason = self._reason, reason
        return before != reason


@dataclass(frozen=True)
class Components:
    """The parts that an application was built with; it has them as `app.state.components`."""

    metrics: HttpMetrics
    draining: Draining
    client_of: Callable[[Request], Awaitable[str]]
    revisions: Callable[[], frozenset[str]]
    readiness: Readiness = field(default_factory=Readiness)


def components_of(scope: Scope) -> Components:
    """Return the parts of the application that serves this request."""
    components: Components = scope["app"].state.components
    return components
