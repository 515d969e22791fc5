"""Clients that use a service and write down what it answers."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.faults.ledger import COUNTER, Counted, Insert, Ledger, Move, Outcome
from tests.faults.stack import SECRET, UNENCRYPTED


@dataclass(frozen=True)
class Pace:
    """How much clients do.

    Attributes:
        pause: Seconds between the requests of one client.
        leavings: How often four clients at once leave in the middle, where that is the fault.
        refused: How many writes of each kind there are twice, where commits are refused.
    """

    pause: float
    leavings: int
    refused: int


PACES = {"short": Pace(pause=0.4, leavings=100, refused=15), "long": Pace(pause=0.1, leavings=250, refused=75)}
"""That of each form."""

PATIENCE = 60.0
"""Seconds after which a request counts as one that hangs."""

BULK = 20
"""Rows of a bulk insert."""

PAIRS = 20
"""Writes that are read at once, until the next pause."""


class Clients:
    """Clients of all kinds, until they are told to stop.

    Attributes:
        ledger: What they write down.
        pace: How much they do.
        last_acknowledged: When a write was acknowledged last, by ``time.monotonic``.
    """

    def __init__(self, url: str, seed: int, pace: Pace, *, read_at_replicas: bool = False) -> None:
        """Work with a service, which reads at replicas where that is said."""
        self.ledger = Ledger()
        self._read_at_replicas = read_at_replicas
        self._read_after = "0"
        self.last_acknowledged = 0.0
        self._random = random.Random(seed)  # noqa: S311 - to be repeatable is the point
        self._url = url
        self.pace = pace
        self._numbers = itertools.count()
        self._stopped = asyncio.Event()
        self._prefix = f"{seed:x}"

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Let them work during the block; the block ends when each has its last answer."""
        kinds: list[Callable[[], Awaitable[object]]] = [
            *(
                self._create,
                self._create_once,
                self._create_and_delete,
                self._create_many,
                self._ask_for_what_is_refused,
            ),
            *(self._patch, self._patch, self._transfer, self._transfer, self.increment, self._read_total),
            *([self._write_and_read] if self._read_at_replicas else []),
        ]
        limits = httpx2.Limits(max_connections=None)
        async with (
            httpx2.AsyncClient(base_url=self._url, timeout=PATIENCE, limits=limits, verify=UNENCRYPTED) as self._http,
            asyncio.TaskGroup() as tasks,
        ):
            for kind in kinds:
                tasks.create_task(self._repeat(kind))
            try:
                yield
            finally:
                self._stopped.set()

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    async def send(self, method: str, path: str, *, accept: tuple[int, ...] = (), **options: Any) -> Any:
        """Send a request; return the response, or ``None`` if the connection broke.

        An answer that this API does not promise here is a problem: any 500, a 503 that does not say when to try
        again, a 4xx other than those to accept, and no answer at all.
        """
        started = time.monotonic()
        if self._read_at_replicas and method == "GET":
            options["headers"] = {"Read-After": self._read_after, **options.get("headers", {})}
        try:
            response = await self._http.request(method, path, **options)
        except httpx2.TimeoutException:
            self.ledger.statuses["hangs"] += 1
            self.ledger.problems.append(f"{method} {path}: no answer within {PATIENCE:g} s")
            return None
        except (httpx2.TransportError, httpx2.HTTPError):
            self.ledger.statuses["cut"] += 1
            return None
        finally:
            self.ledger.slowest = max(self.ledger.slowest, time.monotonic() - started)
        status = response.status_code
        self.ledger.statuses[str(status)] += 1
        self._read_after = max(self._read_after, response.headers.get("Read-After", "0"), key=float)
        if SECRET in response.text:
            self.ledger.problems.append(f"{method} {path}: the answer has the password of the database")
        if status >= 300 and status not in (*accept, 503):
            self.ledger.problems.append(f"{method} {path}: {status} {response.text[:200]}")
        if status == 503 and "Retry-After" not in response.headers:
            self.ledger.problems.append(f"{method} {path}: 503 without Retry-After")
        return response

    def outcome(self, response: Any) -> Outcome:
        """What a client knows after this answer."""
        status = 599 if response is None else response.status_code
        if status == 503 and "concurrent-change" in response.text:
            # The server has rolled back every attempt.
            status = 409
        outcome = Outcome.ACKNOWLEDGED if status < 300 else Outcome.REFUSED if status < 500 else Outcome.UNKNOWN
        self.ledger.outcomes[outcome] += 1
        if outcome is Outcome.ACKNOWLEDGED:
            self.last_acknowledged = time.monotonic()
        return outcome

    def new_name(self, kind: str) -> str:
        return f"{kind} {self._prefix}-{next(self._numbers)}"

    async def _repeat(self, kind: Callable[[], Awaitable[object]]) -> None:
        while not self._stopped.is_set():
            await kind()
            await asyncio.sleep(self.pace.pause * self._random.uniform(0.5, 1.5))

    async def _create(self) -> Insert:
        insert = Insert((self.new_name("hero"),))
        self.ledger.inserts.append(insert)
        response = await self.send("POST", "/heroes", json=_hero(insert.names[0]))
        insert.outcome = self.outcome(response)
        if insert.outcome is Outcome.ACKNOWLEDGED:
            insert.id = response.json()["id"]
        return insert

    async def _write_and_read(self) -> None:
        """Read what was just written, again and again, without a pause in between."""
        for _ in range(PAIRS):
            insert = await self._create()
            if insert.id is None or self.stopped:
                return
            found = await self.send("GET", f"/heroes/{insert.id}", accept=(404,))
            if found is not None and found.status_code != 503:
                self.ledger.pairs += 1
                if found.status_code != 200:
                    self.ledger.problems.append(f"hero {insert.id} was not found by who had just written it")

    async def _create_once(self) -> None:
        """Repeat a request under one key, always two at the same time, until both have an answer: it is the same."""
        insert = Insert((self.new_name("once"),))
        self.ledger.inserts.append(insert)
        options: dict[str, Any] = {"json": _hero(insert.names[0]), "headers": {"Idempotency-Key": insert.names[0]}}
        found: list[int] = []
        while len(found) < 2 and not self.stopped:
            responses = await asyncio.gather(*(self.send("POST", "/heroes", **options) for _ in range(2)))
            found = [response.json()["id"] for response in responses if self.outcome(response) is Outcome.ACKNOWLEDGED]
            if found:
                insert.outcome = Outcome.ACKNOWLEDGED
            if len({*found, insert.id or found[0]} if found else ()) > 1:
                self.ledger.problems.append(f"{insert.names[0]} was answered with the ids {found} and {insert.id}")
            insert.id = found[0] if found else insert.id
            await asyncio.sleep(self.pace.pause)

    async def _create_and_delete(self) -> None:
        insert = await self._create()
        if insert.id is not None:
            insert.deletion = Outcome.UNKNOWN
            insert.deletion = self.outcome(await self.send("DELETE", f"/heroes/{insert.id}"))
            if insert.deletion is Outcome.ACKNOWLEDGED:
                found = await self.send("GET", f"/heroes/{insert.id}", accept=(404,))
                if found is not None and found.status_code < 300:
                    self.ledger.problems.append(f"hero {insert.id} is found after it was deleted")

    async def _create_many(self) -> Outcome:
        insert = Insert(tuple(self.new_name("bulk") for _ in range(BULK)))
        self.ledger.inserts.append(insert)
        insert.outcome = self.outcome(await self.send("POST", "/heroes/bulk", json=[_hero(n) for n in insert.names]))
        return insert.outcome

    async def _ask_for_what_is_refused(self) -> None:
        """A row that a constraint of the database refuses, on its own and as the last of many."""
        wrong = _hero(self.new_name("refused")) | {"team_id": 10**9}
        for path, body in (
            ("/heroes", wrong),
            ("/heroes/bulk", [*(_hero(self.new_name("refused")) for _ in range(3)), wrong]),
        ):
            rows = body if isinstance(body, list) else [body]
            insert = Insert(tuple(row["name"] for row in rows))
            self.ledger.inserts.append(insert)
            insert.outcome = self.outcome(await self.send("POST", path, json=body, accept=(409,)))
            if insert.outcome is Outcome.ACKNOWLEDGED:
                self.ledger.problems.append(f"{path}: took a team that does not exist")

    async def _patch(self) -> None:
        """Change a hero of one's own until this client stops, always in two ways at once: one at most is taken."""
        insert = await self._create()
        if insert.id is None:
            return
        counted = Counted(insert.id, 1, None)
        self.ledger.counted.append(counted)
        for age in range(1, 10_000, 2):
            if self.stopped:
                return
            ages = (age, age + 1)
            counted.doubtful = set(ages)
            outcomes = dict(
                zip(ages, await asyncio.gather(*(self._change(counted, each) for each in ages)), strict=True)
            )
            taken = [each for each in ages if outcomes[each] is Outcome.ACKNOWLEDGED]
            if len(taken) > 1:
                self.ledger.problems.append(f"two changes of version {counted.version} of hero {counted.id} were taken")
            if taken:
                counted.version, counted.age, counted.doubtful = counted.version + 1, taken[0], set()
            else:
                counted.doubtful = {each for each in ages if outcomes[each] is Outcome.UNKNOWN}
            if not await self._read(counted):
                return
            await asyncio.sleep(self.pace.pause)

    async def _change(self, counted: Counted, age: int) -> Outcome:
        response = await self.send(
            "PATCH",
            f"/heroes/{counted.id}",
            accept=(409, 412),
            json={"age": age},
            headers={"If-Match": f'"{counted.version}"'},
        )
        return self.outcome(response)

    async def _read(self, counted: Counted) -> bool:
        """Read until there is an answer, and compare; or return False when this client is to stop."""
        while not self.stopped:
            found = await self.send("GET", f"/heroes/{counted.id}")
            if found is not None and found.status_code == 200:
                counted.see(found.json()["version"], found.json()["age"])
                return True
            await asyncio.sleep(self.pace.pause)
        return False

    async def new_counted(self) -> Counted:
        """Create a hero whom no other client changes, however often it takes."""
        while (insert := await self._create()).id is None:
            await asyncio.sleep(self.pace.pause)
        counted = Counted(insert.id, 1, None)
        self.ledger.counted.append(counted)
        return counted

    async def write(self, counted: Counted, times: int) -> Counter[Outcome]:
        """Create, create under a key, create many and change, side by side and so often; return what came of all."""

        async def repeat(kind: Callable[[], Awaitable[Outcome]]) -> list[Outcome]:
            return [await kind() for _ in range(times)]

        async def create() -> Outcome:
            return (await self._create()).outcome

        async def change() -> Outcome:
            age = (counted.age or 0) + 1
            counted.doubtful = {age}
            outcome = await self._change(counted, age)
            if outcome is Outcome.ACKNOWLEDGED:
                counted.version, counted.age = counted.version + 1, age
            elif outcome is Outcome.UNKNOWN:
                await self._read(counted)
            counted.doubtful = set()
            return outcome

        kinds = (create, self._create_under_key, self._create_many, change)
        return Counter(itertools.chain(*await asyncio.gather(*map(repeat, kinds))))

    async def wait_until_acknowledged(self, since: float) -> None:
        """Wait until a write was acknowledged that began and ended after this time, by ``time.monotonic``."""
        while self.last_acknowledged < since or (await self._create()).outcome is not Outcome.ACKNOWLEDGED:
            await asyncio.sleep(0.02)

    async def _create_under_key(self) -> Outcome:
        insert = Insert((self.new_name("key"),))
        self.ledger.inserts.append(insert)
        headers = {"Idempotency-Key": insert.names[0]}
        insert.outcome = self.outcome(await self.send("POST", "/heroes", json=_hero(insert.names[0]), headers=headers))
        return insert.outcome

    async def _transfer(self) -> None:
        # One direction, so that they wait for each other and never in a circle.
        await self.transfer(*sorted(self._random.sample(range(1, COUNTER), 2)))

    async def transfer(self, source: int, target: int, pause: float = 0) -> None:
        move = Move(self.new_name("transfer"))
        self.ledger.moves.append(move)
        body = {"name": move.name, "source": source, "target": target, "amount": self._random.randint(1, 100)}
        move.outcome = self.outcome(await self.send("POST", "/accounts/transfers", json=body | {"pause": pause}))

    async def increment(self) -> None:
        outcome = Outcome.UNKNOWN
        try:
            outcome = self.outcome(await self.send("POST", f"/accounts/{COUNTER}/increment"))
        finally:
            self.ledger.increments[outcome] += 1

    async def _read_total(self) -> None:
        response = await self.send("GET", "/accounts/total", params={"below": COUNTER})
        if response is not None and response.status_code == 200 and response.json() != 0:
            self.ledger.problems.append(f"the accounts add up to {response.json()}: a transfer was seen by halves")


def _hero(name: str) -> dict[str, Any]:
    return {"name": name, "secret_name": "secret"}
