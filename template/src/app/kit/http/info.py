"""What runs here, and how much it logs, for whoever operates the service: `/info` and `/log-level`.

Each process answers for itself, and forgets another level when it ends.
"""

import sys
from typing import Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from app.kit.about import DRIVER, NAME, POOL, VERSION
from app.kit.http.components import components_of
from app.kit.http.routing import PrefixRouter
from app.kit.http.settings import HttpSettings
from app.kit.logs import LevelName, LogSettings, configure_logging, current_level

_info = PrefixRouter(prefix="/info", tags=["operations"])
_level = PrefixRouter(prefix="/log-level", tags=["operations"])

ROUTERS: Final[tuple[APIRouter, ...]] = (_info, _level)


class Info(BaseModel):
    """What runs here."""

    name: str
    version: str
    commit: str | None
    """None where the build did not say it."""
    revisions: list[str]
    """Those that the database has to be at."""
    python: str
    driver: str
    pool: str


class Level(BaseModel):
    """From which level on events are logged."""

    model_config = ConfigDict(extra="forbid")

    level: LevelName


@_info.get("", summary="What runs here")
async def read_info(request: Request) -> Info:
    """Return version, commit and what else tells this process from others."""
    settings: HttpSettings = request.state.settings
    return Info(
        name=NAME,
        version=VERSION,
        commit=settings.commit or None,
        revisions=sorted(components_of(request.scope).revisions()),
        python=sys.version.partition(" ")[0],
        driver=DRIVER,
        pool=POOL,
    )


@_level.get("", summary="How much is logged")
async def read_level() -> Level:
    """Return the level from which on this process logs."""
    return Level(level=current_level())


@_level.put("", summary="Log more, or less")
async def change_level(level: Level, request: Request) -> Level:
    """Change the level of this process, until it ends."""
    settings: LogSettings = request.state.settings
    configure_logging(settings.model_copy(update={"log_level": level.level}))
    return level
