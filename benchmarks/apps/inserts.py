"""Ways to insert many rows, in turns and without HTTP around them: ``python -m benchmarks.apps.inserts ROWS ROUNDS``.

It runs in the environment of a generated service, and prints one line of JSON: the seconds of each way, round by round.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from app.heroes.models import Hero
from app.kit.database.bulk import insert_many
from app.kit.database.sessions import WritingSession, open_database
from app.kit.settings import MigrationSettings, load
from sqlalchemy import insert

from benchmarks.database import TEAMS

Rows = list[dict[str, Any]]

_COLUMNS = ("name", "secret_name", "age", "team_id", "version")


async def _add_all(session: WritingSession, rows: Rows) -> None:
    session.add_all([Hero(**row) for row in rows])
    await session.flush()


async def _by_orm(session: WritingSession, rows: Rows) -> None:
    await session.execute(insert(Hero), rows)


async def _by_core(session: WritingSession, rows: Rows) -> None:
    await (await session.connection()).execute(insert(Hero), rows)


async def _by_arrays(session: WritingSession, rows: Rows) -> None:
    await insert_many(session, Hero, rows)


async def _copy(session: WritingSession, rows: Rows) -> None:
    driver: Any = (await (await session.connection()).get_raw_connection()).driver_connection
    # What the model gives each row, COPY has to be told.
    records = [(*row.values(), 1) for row in rows]
    if hasattr(driver, "copy_records_to_table"):
        await driver.copy_records_to_table("hero", columns=_COLUMNS, records=records)
        return
    async with driver.cursor() as cursor, cursor.copy(f"COPY hero ({', '.join(_COLUMNS)}) FROM STDIN") as copy:
        for record in records:
            await copy.write_row(record)


# What the others are compared with comes first.
WAYS: dict[str, Callable[[WritingSession, Rows], Awaitable[None]]] = {
    "Core `insert()` with a list": _by_core,
    "ORM `insert()` with a list": _by_orm,
    "`add_all`": _add_all,
    "`insert_many` of the service": _by_arrays,
    "COPY, past SQLAlchemy": _copy,
}


async def main(number: int, rounds: int) -> None:
    """Insert so many rows in each way, in each round; a first round does not count."""
    rows = [
        {"name": f"Hero {index}", "secret_name": f"Secret {index}", "age": index % 90, "team_id": index % TEAMS + 1}
        for index in range(number)
    ]
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    async with open_database(load(MigrationSettings)) as database:
        for turn in range(rounds + 1):
            for way, write in WAYS.items():
                started = time.perf_counter()
                async with database.transaction() as session:
                    await write(session, rows)
                if turn:
                    seconds[way].append(time.perf_counter() - started)
    print(json.dumps(seconds))


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
