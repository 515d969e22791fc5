"""What the endpoints of one application share besides its settings and its database."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fastapi import Request
from starlette.types import Scope

from app.kit.http.metrics import HttpMetrics


@dataclass
class Readiness:
    """What the last probe was told: the log tells of a change, and not of every probe."""

    _reason: str | None = None

    def turns(self, reason: str | None) -> bool:
        """Take over why the service is not ready, None if it is, and say whether the last probe was told otherwise."""
        before, self._reason = self._reason, reason
        return before != reason


@dataclass(frozen=True)
class Components:
    """The parts that an application was built with; it has them as `app.state.components`."""

    metrics: HttpMetrics
    client_of: Callable[[Request], Awaitable[str]]
    revisions: Callable[[], frozenset[str]]
    readiness: Readiness = field(default_factory=Readiness)


def components_of(scope: Scope) -> Components:
    """Return the parts of the application that serves this request."""
    components: Components = scope["app"].state.components
    return components
