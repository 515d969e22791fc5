"""What can happen to a service, its database and the network between. Each ends with everything mended."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.faults.clients import PAIRS, PATIENCE, Clients
from tests.faults.ledger import Insert, Outcome
from tests.faults.pair import PairedStack
from tests.faults.servers import frozen
from tests.faults.stack import BOUND, TIMEOUTS, WORKERS, Stack

AWAY = 1.5
"""Seconds for which something refuses connections: longer than any one timeout of the service."""

SILENT = BOUND + 1.0
"""Seconds for which something does not answer: longer than any request may wait for it."""


@dataclass(frozen=True)
class Fault:
    """Something that happens while clients are at work.

    Attributes:
        happen: Makes it happen, and mends it.
        pools: Where it can happen.
        pooled: Whether the pool has a part in it. If not, the short form lets it happen with a queue only.
        sqlite: Whether it can happen without a server, too.
        silent: Whether nobody is told that the database is away, so that only a bound ends the wait for it.
        away: Whether the database cannot be reached meanwhile, so that the service must not be ready.
        serves: Whether the service must answer all the time.
        pair: Whether it needs a standby that takes the primary's place.
    """

    happen: Callable[[Stack, Clients], Awaitable[None]]
    pools: frozenset[str] = frozenset({"queue", "null", "pgbouncer"})
    pooled: bool = True
    sqlite: bool = False
    silent: bool = False
    away: bool = False
    serves: bool = True
    pair: bool = False


_KILL = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

FAULTS: dict[str, Fault] = {}


def fault(name: str, **properties: Any) -> Callable[[Callable[[Stack, Clients], Awaitable[None]]], None]:
    """Add what happens to the faults."""

    def add(happen: Callable[[Stack, Clients], Awaitable[None]]) -> None:
        FAULTS[name] = Fault(happen, **properties)

    return add


@fault("nothing", sqlite=True)
async def _nothing(_stack: Stack, _clients: Clients) -> None:
    await asyncio.sleep(0.5)


# --- The server ---------------------------------------------------------------------------------------------------


@fault("backends killed")
async def _backends_killed(stack: Stack, _clients: Clients) -> None:
    """In the midst of statements and of commits."""
    for _ in range(10):
        await asyncio.to_thread(_administer, stack, _KILL)
        await asyncio.sleep(0.1)


@fault("restart, fast", away=True)
async def _restarted(stack: Stack, _clients: Clients) -> None:
    await asyncio.to_thread(stack.postgres.stop, signal.SIGINT)
    await asyncio.sleep(AWAY)
    await asyncio.to_thread(stack.postgres.start)


@fault("restart, immediate", away=True)
async def _crashed(stack: Stack, _clients: Clients) -> None:
    await asyncio.to_thread(stack.postgres.stop, signal.SIGQUIT)
    await asyncio.sleep(AWAY)
    await asyncio.to_thread(stack.postgres.start)


@fault("server frozen", silent=True, away=True)
async def _frozen(stack: Stack, _clients: Clients) -> None:
    async with _in_a_thread(frozen(stack.postgres.processes)):
        await asyncio.sleep(SILENT)


@fault("read-only")
async def _read_only(stack: Stack, _clients: Clients) -> None:
    database = "ALTER DATABASE service"
    await asyncio.to_thread(_administer, stack, f"{database} SET default_transaction_read_only = on", _KILL)
    await asyncio.sleep(1)
    back = ("SET default_transaction_read_only = off", f"{database} RESET default_transaction_read_only")
    await asyncio.to_thread(_administer, stack, *back, _KILL)


@fault("too many clients")
async def _full(stack: Stack, _clients: Clients) -> None:
    """Others take all connections there are, those of the service too."""
    others: list[psycopg.Connection[Any]] = []
    try:
        await asyncio.to_thread(_take_all, stack, others)
        await asyncio.sleep(1)
    finally:
        for each in others:
            each.close()


def _take_all(stack: Stack, others: list[psycopg.Connection[Any]]) -> None:
    for _ in range(20):
        try:
            while True:
                others.append(psycopg.connect(stack.postgres.url, connect_timeout=10))
        except psycopg.OperationalError:
            mine = [each.info.backend_pid for each in others]
            others[0].execute(f"{_KILL} AND pid <> ALL(%s)", [mine])
            others[0].commit()


# --- A standby takes the primary's place --------------------------------------------------------------------------


UNTIL_PROMOTED = 0.8  # seconds


@fault("failover, crash", pair=True)
async def _failover_after_a_crash(stack: Stack, _clients: Clients) -> None:
    pair = await _followed(stack)
    await asyncio.to_thread(pair.postgres.stop, signal.SIGQUIT)
    await asyncio.sleep(UNTIL_PROMOTED)
    await asyncio.to_thread(pair.promote)


@fault("failover, switchover", pair=True)
async def _switchover(stack: Stack, _clients: Clients) -> None:
    """In good order, and the old primary becomes the standby."""
    pair = await _followed(stack)
    await asyncio.to_thread(pair.postgres.stop, signal.SIGINT)
    old = await asyncio.to_thread(pair.promote)
    await asyncio.to_thread(old.start_as_standby_of, pair.postgres)


@fault("failover, hangs", pair=True, silent=True)
async def _failover_of_one_that_hangs(stack: Stack, clients: Clients) -> None:
    """The old primary says nothing, also when the new one has taken its place. It never comes back as a primary.

    Whoever promotes a standby sees to that: two primaries would each store a part, whatever a service does.
    """
    pair = await _followed(stack)
    processes = pair.postgres.processes
    async with _in_a_thread(frozen(processes)):
        await asyncio.sleep(UNTIL_PROMOTED)
        await asyncio.to_thread(pair.promote)
        await _writes_again(clients)
        for each in processes:
            with suppress(psutil.NoSuchProcess):
                each.kill()


@fault("failover, demoted", pair=True)
async def _failover_of_one_that_lives(stack: Stack, clients: Clients) -> None:
    """The old primary is read-only, and keeps its sessions."""
    pair = await _followed(stack)
    read_only = "ALTER SYSTEM SET default_transaction_read_only = on"
    await asyncio.to_thread(_administer, stack, read_only, "SELECT pg_reload_conf()")
    await asyncio.sleep(UNTIL_PROMOTED)
    await asyncio.to_thread(pair.promote)
    await _writes_again(clients)


@fault("replica, paused", pair=True)
async def _replay_paused(stack: Stack, clients: Clients) -> None:
    """It receives everything, and shows nothing of it, until it is too far behind, and then all at once."""
    pair = await _followed(stack)
    await asyncio.sleep(1)
    await asyncio.to_thread(_administer_standby, pair, "SELECT pg_wal_replay_pause()")
    await _pairs_of(clients, 2 * PAIRS)
    await asyncio.to_thread(_administer_standby, pair, "SELECT pg_wal_replay_resume()")
    await _pairs_of(clients, 2 * PAIRS)


@fault("replica, restarted", pair=True)
async def _replica_restarted(stack: Stack, clients: Clients) -> None:
    pair = await _followed(stack)
    # The primary would wait for it.
    await asyncio.to_thread(
        _administer, stack, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"
    )
    await asyncio.sleep(1)
    await asyncio.to_thread(pair.standby.stop, signal.SIGQUIT)
    await _pairs_of(clients, 2 * PAIRS)
    await asyncio.to_thread(pair.standby.start)
    await _pairs_of(clients, 2 * PAIRS)


async def _pairs_of(clients: Clients, number: int) -> None:
    """Wait until so many more things were read right after they were written."""
    wanted, deadline = clients.ledger.pairs + number, time.monotonic() + PATIENCE
    while clients.ledger.pairs < wanted:
        if time.monotonic() > deadline:
            clients.ledger.problems.append(f"nothing was written and read for {PATIENCE} s")
            return
        await asyncio.sleep(0.02)


def _administer_standby(pair: PairedStack, statement: str) -> None:
    # What it goes on to replay may end the very statement that has let it.
    with pair.standby.connect() as connection, suppress(psycopg.errors.SerializationFailure):
        connection.execute(statement)


async def _followed(stack: Stack) -> PairedStack:
    assert isinstance(stack, PairedStack)
    await asyncio.to_thread(stack.follow)
    return stack


async def _writes_again(clients: Clients) -> None:
    """Wait for a write while the old primary is what it has become. No request that waits for it takes longer."""
    promoted = time.monotonic()
    while clients.last_acknowledged < promoted:
        if time.monotonic() > promoted + BOUND:
            clients.ledger.problems.append(f"no write was acknowledged within {BOUND} s of the promotion")
            return
        await asyncio.sleep(0.02)


# --- Statements ---------------------------------------------------------------------------------------------------


@fault("lock held by another", sqlite=True)
async def _locked(stack: Stack, _clients: Clients) -> None:
    def hold() -> Any:
        if isinstance(stack.database, Path):
            writer = sqlite3.connect(stack.database, isolation_level=None, check_same_thread=False)
            writer.execute("BEGIN IMMEDIATE")
            return writer
        connection = psycopg.connect(stack.postgres.url)
        connection.execute("LOCK TABLE hero, account IN EXCLUSIVE MODE")
        return connection

    holder = await asyncio.to_thread(hold)
    await asyncio.sleep(2 * TIMEOUTS["DATABASE_LOCK_TIMEOUT"])
    await asyncio.to_thread(holder.close)


@fault("deadlocks", pooled=False)
async def _deadlocks(_stack: Stack, clients: Clients) -> None:
    """Transfers back and forth between two accounts, which each lock one and want the other."""

    async def back_and_forth(source: int, target: int) -> None:
        for _ in range(10):
            await clients.transfer(source, target, pause=0.02)

    await asyncio.gather(back_and_forth(1, 2), back_and_forth(2, 1))


@fault("serialization failures", sqlite=True)
async def _serialization(_stack: Stack, clients: Clients) -> None:
    async def increment() -> None:
        for _ in range(10):
            await clients.increment()

    await asyncio.gather(*(increment() for _ in range(8)))


@fault("commits refused", pools=frozenset({"queue", "pgbouncer"}), pooled=False)
async def _commits_refused(stack: Stack, clients: Clients) -> None:
    """Three of ten, as distributed servers do by habit; then also at one that would run everything at SERIALIZABLE."""
    database = "ALTER DATABASE service"
    heroes = [await clients.new_counted() for _ in range(2)]
    repeated = stack.live.output.count(_REPEATED)
    try:
        await asyncio.to_thread(_administer, stack, *_REFUSE)
        outcomes = await clients.write(heroes[0], clients.pace.refused)
        serializable = f"{database} SET default_transaction_isolation = serializable"
        await asyncio.to_thread(_administer, stack, serializable, _KILL)
        await clients.wait_until_acknowledged(time.monotonic())
        outcomes += await clients.write(heroes[1], clients.pace.refused)
    finally:
        back = f"{database} RESET default_transaction_isolation"
        await asyncio.to_thread(_administer, stack, back, *_REFUSE_NOTHING, _KILL)
    # Three attempts leave one of forty.
    if outcomes[Outcome.ACKNOWLEDGED] < 0.85 * outcomes.total():
        clients.ledger.problems.append(f"of the writes of which commits were refused came {outcomes}")
    repeated = stack.live.output.count(_REPEATED) - repeated
    if repeated < 0.2 * outcomes.total():
        clients.ledger.problems.append(f"{repeated} requests were repeated: hardly a commit was refused")


_REPEATED = "request_repeated"

_REFUSED = ("hero", "account", "transfer")

# All rows of a transaction agree, and one that is run again has another number.
_REFUSE = (
    """
    CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF abs(hashint8(txid_current()) % 10) < 3 THEN
            RAISE 'restart transaction' USING ERRCODE = 'serialization_failure';
        END IF;
        RETURN NULL;
    END $$
    """,
    *(
        f"CREATE CONSTRAINT TRIGGER refuse AFTER INSERT OR UPDATE ON {table} DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION refuse()"
        for table in _REFUSED
    ),
)
# Each by itself: together they could wait for each other with a transaction that is under way.
_REFUSE_NOTHING = tuple(f"DROP TRIGGER IF EXISTS refuse ON {table}" for table in _REFUSED)


@fault("slow statements")
async def _slow(_stack: Stack, clients: Clients) -> None:
    """They run into the statement timeout, unless they get no connection in time."""
    slow = (clients.send("GET", "/accounts/slow", params={"seconds": 30}) for _ in range(3))
    for response in (responses := await asyncio.gather(*slow)):
        if response is None or not any(kind in response.text for kind in ("statement-timeout", "pool-exhausted")):
            clients.ledger.problems.append(f"a slow statement ended with {response and response.text}")
    if not any(response is not None and "statement-timeout" in response.text for response in responses):
        clients.ledger.problems.append("no statement was ended by its timeout")


@fault("pool exhausted")
async def _exhausted(_stack: Stack, clients: Clients) -> None:
    """Many more slow requests at once than there are connections."""
    slow = (clients.send("GET", "/accounts/slow", params={"seconds": 0.4}) for _ in range(40))
    responses = await asyncio.gather(*slow)
    if not any(response is not None and "pool-exhausted" in response.text for response in responses):
        clients.ledger.problems.append("no request was told that the pool is exhausted")


# --- The network --------------------------------------------------------------------------------------------------


@fault("network resets")
async def _resets(stack: Stack, _clients: Clients) -> None:
    assert stack.network is not None
    for _ in range(10):
        stack.network.reset()
        await asyncio.sleep(0.1)


@fault("network swallows", silent=True, away=True)
async def _swallows(stack: Stack, _clients: Clients) -> None:
    assert stack.network is not None
    stack.network.swallow()
    await asyncio.sleep(SILENT)
    await stack.network.mend()


@fault("network refuses", away=True)
async def _refuses(stack: Stack, _clients: Clients) -> None:
    assert stack.network is not None
    stack.network.refuse()
    await asyncio.sleep(AWAY)
    await stack.network.mend()


@fault("network is slow")
async def _latency(stack: Stack, clients: Clients) -> None:
    """Connections are opened over it, too. All takes longer, and works."""
    assert stack.network is not None
    stack.network.latency = 0.05
    stack.network.reset()
    # The first ones may have been under way.
    began = time.monotonic() + 0.7
    while clients.last_acknowledged < began and time.monotonic() < began + 30:
        await asyncio.sleep(0.05)
    if clients.last_acknowledged < began:
        clients.ledger.problems.append("no write was acknowledged over a slow network")
    await stack.network.mend()


@fault("connections half-open")
async def _half_open(stack: Stack, clients: Clients) -> None:
    assert stack.network is not None
    deadline = time.monotonic() + 30
    # Where none is kept, there is one only at moments.
    while not await stack.network.forget():
        if time.monotonic() > deadline:
            clients.ledger.problems.append("there was no connection to lose")
            return
        await asyncio.sleep(0.005)


# --- The service and PgBouncer ------------------------------------------------------------------------------------


@fault("clients leave", sqlite=True)
async def _clients_leave(stack: Stack, clients: Clients) -> None:
    """In the middle of requests, and of a stream."""

    async def leave(request: bytes, after: float) -> None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", stack.live.port)
        except OSError:
            return
        writer.write(request)
        await asyncio.sleep(after)
        writer.transport.abort()

    requests = [
        b"GET /heroes/export HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /heroes?limit=100 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /accounts/slow?seconds=0.2 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /heroes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
    ]
    for number in range(clients.pace.leavings):
        await asyncio.gather(*(leave(request, number % 25 / 2000) for request in requests))


@fault("worker killed", pooled=False, sqlite=True, serves=False)
async def _worker_killed(stack: Stack, _clients: Clients) -> None:
    stack.workers[0].kill()
    await asyncio.sleep(0.5)


@fault("PgBouncer restarted", pools=frozenset({"pgbouncer"}), away=True)
async def _bouncer_restarted(stack: Stack, _clients: Clients) -> None:
    await asyncio.to_thread(stack.stop_bouncer)
    await asyncio.sleep(AWAY)
    await asyncio.to_thread(stack.start_bouncer)


@fault("stopped under load", pooled=False, sqlite=True, serves=False)
async def _stopped(stack: Stack, clients: Clients) -> None:
    """What is under way is answered, and the service ends; then it is started again."""
    output = stack.live.process.output
    async with asyncio.timeout(PATIENCE):
        under_way = [await _UnderWay.begin(stack, clients) for _ in range(8)]
    stopping = asyncio.create_task(asyncio.to_thread(stack.stop_serving))
    try:
        while not stopping.done() and stack.live.output.count(_ENDING) < output.count(_ENDING) + WORKERS:
            await asyncio.sleep(0.02)
        # By then a service that does not wait for them has cut them off.
        await asyncio.sleep(1)
        for each in under_way:
            await each.finish(clients)
    finally:
        await stopping
        await asyncio.to_thread(stack.start_serving)


_ENDING = "Shutting down"
"""What each worker logs when it has been asked to end."""


@dataclass(frozen=True)
class _UnderWay:
    """A request that the service has begun to work on, and of which the body is still to come."""

    insert: Insert
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def begin(cls, stack: Stack, clients: Clients) -> _UnderWay:
        """Send the headers, over a connection of its own, and wait until the service asks for the body."""
        insert = Insert((clients.new_name("under way"),))
        clients.ledger.inserts.append(insert)
        reader, writer = await asyncio.open_connection("127.0.0.1", stack.live.port)
        headers = (
            "POST /heroes HTTP/1.1",
            *("Host: x", "Content-Type: application/json", f"Content-Length: {len(cls._body(insert))}"),
            *("Expect: 100-continue", "Connection: close"),
        )
        writer.write("".join(f"{line}\r\n" for line in [*headers, ""]).encode())
        await reader.readuntil(b"100 Continue\r\n\r\n")
        return cls(insert, reader, writer)

    async def finish(self, clients: Clients) -> None:
        """Send the body, and write down the answer."""
        self.writer.write(self._body(self.insert))
        answer = await self.reader.read()
        self.writer.close()
        if answer[9:12] == b"201":
            self.insert.outcome = Outcome.ACKNOWLEDGED
        # Whether there was a free connection for it is another matter.
        elif answer[9:12] != b"503":
            clients.ledger.problems.append(f"a request under way was answered with {answer[:100]!r}")
        clients.ledger.outcomes[self.insert.outcome] += 1

    @staticmethod
    def _body(insert: Insert) -> bytes:
        return json.dumps({"name": insert.names[0], "secret_name": "secret"}).encode()


def _administer(stack: Stack, *statements: str) -> None:
    with stack.postgres.connect() as connection:
        for statement in statements:
            connection.execute(statement)


@asynccontextmanager
async def _in_a_thread(manager: Any) -> AsyncIterator[None]:
    await asyncio.to_thread(manager.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)
