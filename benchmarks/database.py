"""The databases that all contenders work on: what is in them, and how they come back to that."""

from __future__ import annotations

import time

import psycopg

TEAMS = 100
HEROES = 100_000
EXPORTED_HEROES = 200_000

_CALM = 0.2  # seconds without a statement after which nothing is under way any more
_CALM_WITHIN = 60.0  # seconds

_FILL_TEAMS = """
INSERT INTO team (name, headquarters)
SELECT 'Team ' || number, 'City ' || number FROM generate_series(1, %s) AS number
"""

_FILL_HEROES = """
INSERT INTO hero (name, secret_name, age, team_id, version, created_at, updated_at)
SELECT 'Hero ' || number, 'Secret ' || number, number %% 90, number %% {teams} + 1, 1, moment, moment
FROM generate_series(1, %s) AS number,
LATERAL (SELECT timestamptz '2025-01-01Z' + number * interval '1.000001s') AS at (moment)
"""

_BUSY = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
AND (state <> 'idle' OR state_change > clock_timestamp() - %s * interval '1s')
"""


def fill(url: str, heroes: int) -> None:
    """Put teams and heroes into the empty tables."""
    with psycopg.connect(url, autocommit=True) as connection:
        # Otherwise it would run at any time, to the disadvantage of whoever is measured then.
        for table in ("hero", "hero_event"):
            connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        connection.execute(_FILL_TEAMS, [TEAMS])
        _fill_heroes(connection, heroes)


def reset(url: str, heroes: int = HEROES) -> None:
    """Make the tables what they were at first: the same rows in fresh pages, with the same ids and versions."""
    with psycopg.connect(url, autocommit=True) as connection:
        _settle(connection)
        connection.execute("TRUNCATE hero, hero_event RESTART IDENTITY")
        _fill_heroes(connection, heroes)


def _fill_heroes(connection: psycopg.Connection, heroes: int) -> None:
    connection.execute(_FILL_HEROES.format(teams=TEAMS), [heroes])
    connection.execute("VACUUM ANALYZE hero, hero_event, team")


def _settle(connection: psycopg.Connection) -> None:
    """Wait until the requests that a load generator left behind are done: they would write into the fresh rows."""
    deadline = time.monotonic() + _CALM_WITHIN
    while connection.execute(_BUSY, [_CALM]).fetchone() != (0,):
        if time.monotonic() > deadline:
            raise TimeoutError(f"a contender still asks the database {_CALM_WITHIN:g} s after its load has ended")
        time.sleep(_CALM / 4)
