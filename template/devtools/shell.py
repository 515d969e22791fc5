"""A Python prompt that awaits, with the database open: `poe shell`."""

import ast
import asyncio
import code
import inspect
from argparse import ArgumentParser
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from types import CodeType, FunctionType
from typing import Any

import sqlalchemy

from app.kit.database.models import Base
from app.kit.database.sessions import Database, open_database
from app.settings import load_settings

with suppress(ImportError):
    import readline  # noqa: F401 - gives the prompt its history and its keys

_BANNER = """\
`db` is the database, and every model is there by its name, as are `select`, `insert`, `update` and `delete`.
  await db.execute(select(func.count()).select_from(...))
  async with db.transaction() as session: ...
What a statement by itself writes is stored at once. Ctrl-D ends."""


class _Console(code.InteractiveConsole):
    """A console whose code runs in the loop that the database belongs to."""

    def __init__(self, names: dict[str, Any], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(names)
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._names = names
        self._loop = loop

    def runcode(self, code: CodeType) -> None:
        """Run what was typed to its end; Ctrl-C cancels it."""
        future: Future[Any] = asyncio.run_coroutine_threadsafe(_run(FunctionType(code, self._names)), self._loop)
        try:
            future.result()
        except KeyboardInterrupt:
            future.cancel()
            self.write("\nKeyboardInterrupt\n")
        except SystemExit:
            raise
        except BaseException:
            self.showtraceback()


async def _run(typed: Callable[[], Any]) -> None:
    made = typed()
    if inspect.iscoroutine(made):
        await made


async def _interact(database: Database) -> None:
    models = {mapper.class_.__name__: mapper.class_ for mapper in Base.registry.mappers}
    names = {"db": database, **_statements(), **models}
    console = _Console(names, asyncio.get_running_loop())
    await asyncio.to_thread(console.interact, _BANNER, "")


def _statements() -> dict[str, Any]:
    return {name: getattr(sqlalchemy, name) for name in ("select", "insert", "update", "delete", "func", "text")}


async def main() -> None:
    """Open the database of the settings, and read what is typed until the end of the input."""
    ArgumentParser(prog="poe shell", description=__doc__).parse_args()
    async with open_database(load_settings()) as database:
        await _interact(database)


if __name__ == "__main__":
    asyncio.run(main())
