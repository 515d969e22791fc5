"""What lives as long as the service, such as an HTTP client or a second database: open yours here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from app.settings import Settings


class Resources(TypedDict):
    """Each entry is an attribute of `request.state`."""


@asynccontextmanager
async def open_resources(_settings: Settings) -> AsyncIterator[Resources]:
    """Open the resources before the first request, and close them after the last."""
    yield {}
