"""Which connections are open, counted where they are opened and closed."""

from dataclasses import dataclass

from sqlalchemy import event

from app.kit.database.sessions import Database


@dataclass
class Connections:
    """A count of connections."""

    now: int = 0
    most: int = 0
    opened: int = 0


def count_connections(database: Database) -> Connections:
    """Count the database's connections from now on."""
    counted = Connections()

    def opened(*_: object) -> None:
        counted.now += 1
        counted.opened += 1
        counted.most = max(counted.most, counted.now)

    def closed(*_: object) -> None:
        counted.now -= 1

    pool = database.engines.write.sync_engine.pool
    event.listen(pool, "connect", opened)
    event.listen(pool, "close", closed)
    event.listen(pool, "close_detached", closed)
    return counted
