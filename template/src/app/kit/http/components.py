"""What the endpoints of one application share besides its settings and its database."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Request
from starlette.types import Scope

from app.kit.http.metrics import HttpMetrics


@dataclass(frozen=True)
class Components:
    """The parts that an application was built with; it has them as `app.state.components`."""

    metrics: HttpMetrics
    client_of: Callable[[Request], Awaitable[str]]
    revisions: Callable[[], frozenset[str]]


def components_of(scope: Scope) -> Components:
    """Return the parts of the application that serves this request."""
    components: Components = scope["app"].state.components
    return components
