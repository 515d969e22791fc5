"""A router that skips its routes for paths that cannot be its own, and which methods a path is served by."""

from fastapi import APIRouter
from starlette.routing import BaseRoute, Match
from starlette.types import Scope


class PrefixRouter(APIRouter):
    """An APIRouter that skips its routes unless the path contains its prefix.

    FastAPI tries every route of a plain one, so each endpoint that is added makes requests for the others slower.
    """

    # relies on: `matches`, which FastAPI calls on an included router and does not document.

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Say whether an endpoint serves this request."""
        # Up to its first parameter, and not only in front: it may be included behind a further prefix.
        if self.prefix.partition("{")[0] not in scope["path"]:
            return Match.NONE, {}
        return super().matches(scope)


def route_for(scope: Scope, method: str) -> BaseRoute | None:
    """Return what would serve the path of this request by another method: a route, or a router with one."""
    asked = {**scope, "method": method}
    return next((route for route in scope["app"].routes if route.matches(asked)[0] is Match.FULL), None)
