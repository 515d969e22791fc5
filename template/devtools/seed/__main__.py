"""Fills the database with realistic rows: `poe seed`, `poe seed invoices 10000`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from time import perf_counter

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.exc import SQLAlchemyError

from app.kit.database.failures import DatabaseError, origin
from app.kit.database.models import Base
from app.kit.database.schema import current_revisions, head_revisions
from app.kit.database.sessions import Database, open_database
from app.kit.settings import MigrationSettings, load
from devtools.seed import SeedError
from devtools.seed.factory import Factory, written_factories
from devtools.seed.filling import fill
from devtools.seed.models import Filled, all_filled, named
from devtools.seed.target import is_for_development, shown

_EPILOG = """\
A number is about the model before it: poe seed customers 20 invoices 10000. What a model refers to is chosen among the
rows that are there. Factories in modules called `factories`, below `tests`, say more about what columns hold."""


def main() -> None:
    """Fill the database, and say with how many rows, also where an error or Ctrl-C ends it."""
    arguments = _parser().parse_args()
    try:
        asked = _asked(arguments.words, arguments.rows)
        settings = load(MigrationSettings)
        url = settings.database_url
        if not arguments.any_database and not is_for_development(url):
            sys.exit(f"{shown(url)} does not look like one for development: --any-database fills it all the same.")
        print(f"Filling {shown(url)}")
        if arguments.random_seed is not None:
            Factory.seed_random(arguments.random_seed)
        asyncio.run(_seed(settings, asked, arguments.rows))
    except SeedError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped: what is counted above is stored.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="poe seed",
        description="Fill a database for development with realistic rows.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", metavar="model [rows]", help="what is filled, by default all")
    parser.add_argument("--rows", type=int, default=100, help="how many rows each gets, by default 100")
    parser.add_argument("--random-seed", type=int, metavar="NUMBER", help="make the same rows for the same number")
    parser.add_argument("--any-database", action="store_true", help="also one that does not look like one of yours")
    return parser


def _asked(words: Sequence[str], rows: int) -> dict[str, int]:
    """Return how many rows of what were asked for."""
    asked: dict[str, int] = {}
    name = None
    for word in words:
        if not word.replace("_", "").isdecimal():
            name = word
            asked[name] = rows
        elif name is None:
            raise SeedError(f"{word} rows of what? Name a model before the number, or write --rows {word}.")
        else:
            asked[name] = int(word)
            name = None
    if any(number < 1 for number in (*asked.values(), rows)):
        raise SeedError("At least one row is needed.")
    return asked


async def _seed(settings: MigrationSettings, asked: dict[str, int], rows: int) -> None:
    async with open_database(settings) as database:
        known = all_filled([mapper.class_ for mapper in Base.registry.mappers], Base.metadata)
        wanted = {named(name, known): number for name, number in asked.items()}
        if not asked:
            wanted = dict.fromkeys(known, rows)
        if not wanted:
            print("There is no model yet: `uv run poe new` makes one.")
            return
        await _check_schema(database)
        await _fill([(each, wanted[each]) for each in known if each in wanted], database)


async def _check_schema(database: Database) -> None:
    """Raise SeedError unless the database is there and has the tables that the models describe."""
    try:
        async with database.read() as session:
            current = await (await session.connection()).run_sync(current_revisions)
    except (SQLAlchemyError, DatabaseError) as error:
        raise SeedError(f"The database cannot be used: {origin(error)}. Does `uv run poe dev` run?") from error
    if current != head_revisions():
        raise SeedError("The database does not have the tables of the models: run `uv run poe migrate` first.")


async def _fill(wanted: Sequence[tuple[Filled, int]], database: Database) -> None:
    factories = written_factories()
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        for filled, number in wanted:
            task = progress.add_task(filled.name, total=number)
            stored, started, is_done = 0, perf_counter(), False
            try:
                async for more in fill(database, filled, number, factories):
                    stored += more
                    progress.advance(task, more)
                is_done = True
            finally:
                progress.remove_task(task)
                line = f"{filled.name}: {stored:,} rows"
                if stored < number:
                    line += f" of {number:,}" + (", as there are no more that are unique" if is_done else "")
                progress.console.print(f"{line}, in {perf_counter() - started:.1f} s", highlight=False)


if __name__ == "__main__":
    main()
