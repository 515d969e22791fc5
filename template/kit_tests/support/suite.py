"""What a suite tests: the settings, the application and the migrations that the fixtures make things of."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fastapi import FastAPI
from sqlalchemy import MetaData

from app.kit.settings import KitSettings


class MakeSettings(Protocol):
    """Makes settings for the test's own database, with the given ones changed."""

    def __call__(self, **overrides: object) -> KitSettings:
        """Make settings."""


@dataclass(frozen=True)
class Suite:
    """A suite of tests."""

    settings: Callable[..., KitSettings]
    """Makes settings of values by field name, read from nowhere else."""

    create_app: Callable[..., FastAPI]
    """Builds the application for settings."""

    versions: Path
    """The folder of the migrations that the test's databases are made with."""

    metadata: MetaData | None = None
    """The tables that these migrations lead to; by default those of the service's models."""
