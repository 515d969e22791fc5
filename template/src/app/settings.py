"""The service's settings, read from the environment and from `.env`: add yours."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.kit.settings import KitSettings, load


class Settings(KitSettings):
    """Every setting of the service. A field `some_name` is read from the variable `SOME_NAME`."""


def load_settings() -> Settings:
    """Read the settings, or end the process with one message that names every variable that is wrong."""
    return load(Settings)


async def current_settings(connection: HTTPConnection) -> Settings:
    """Return the settings that the application was built with."""
    settings: Settings = connection.state.settings
    return settings


CurrentSettings = Annotated[Settings, Depends(current_settings)]
