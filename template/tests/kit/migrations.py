"""Alembic, run by tests as its command line would run it."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec
from unittest.mock import patch

from alembic.config import Config

ROOT: Final = Path(__file__).parents[2]

P = ParamSpec("P")


async def run_alembic(
    url: str, command: Callable[Concatenate[Config, P], Any], /, *args: P.args, **kwargs: P.kwargs
) -> None:
    """Run a function of `alembic.command` on the database with this URL, with the service's `env.py`.

    It runs in a thread, because `env.py` has an event loop of its own.
    """
    with patch.dict(os.environ, DATABASE_URL=url):
        await asyncio.to_thread(command, Config(toml_file=ROOT / "pyproject.toml"), *args, **kwargs)
