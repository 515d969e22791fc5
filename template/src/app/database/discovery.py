"""Finds the models, so that none is forgotten when tables are compared or created."""

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

import app


def import_models() -> None:
    """Import the `models` module of every package directly below `app`: then `Base.metadata` knows all tables."""
    for module in iter_modules(app.__path__, prefix="app."):
        models = f"{module.name}.models"
        if module.ispkg and find_spec(models):
            import_module(models)
