"""A router that skips its routes for paths that cannot be its own."""

from fastapi import APIRouter
from starlette.routing import Match
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
