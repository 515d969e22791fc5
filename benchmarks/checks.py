"""Before anything is measured: does a contender do the same work as a generated service?"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, LiteralString, NamedTuple

import psycopg

from benchmarks.arena import Arena
from benchmarks.contenders import Contender, Start
from benchmarks.database import HEROES, reset
from benchmarks.progress import Progress
from benchmarks.serving import Served, serve
from tests.harness.running.live_service import Answer

_STORED_WITHIN = 5.0  # seconds
_NOBODY = 9 * 10**17
_NEW = {"name": "A new hero", "secret_name": "Secret", "age": 30, "team_id": 7}
_OF_NO_TEAM = {**_NEW, "team_id": _NOBODY}


class DifferentError(RuntimeError):
    """A contender answers otherwise than a generated service."""


class Outcome(NamedTuple):
    """One request, and what came of it."""

    request: str
    result: Any


class Example(NamedTuple):
    """A generated service that shows what is expected."""

    contender: Contender
    start: Start


def check_all(arena: Arena, example: Example, contenders: Sequence[Contender], progress: Progress) -> None:
    """Raise DifferentError for the first contender that does not answer as the example does."""
    expected = dict(_observe(arena, example.contender, example.start))
    for contender in contenders:
        progress.say(f"checking {contender.name}")
        for request, result in _observe(arena, contender, arena.starts[contender.name]):
            if result != expected[request]:
                raise DifferentError(
                    f"{contender.name} does not do what a generated service does: {request}\n"
                    f"  expected {json.dumps(expected[request])}\n  but found {json.dumps(result)}"
                )


def _observe(arena: Arena, contender: Contender, start: Start) -> list[Outcome]:
    """Send a few requests of each workload that the contender takes part in, to tables as they were filled."""
    reset(arena.database_url)
    with serve(contender, start, arena.place(contender)) as served:
        probe = _Probe(served, arena.database_url)
        return [outcome for workload in contender.workloads for outcome in getattr(probe, f"send_{workload}")()]


class _Probe:
    """The requests of each workload, in a method named after it."""

    def __init__(self, served: Served, database_url: str) -> None:
        self._served = served
        self._database_url = database_url

    def send_get(self) -> Iterator[Outcome]:
        yield Outcome("GET a hero", self._hero(self._call("GET", "/heroes/17")))
        yield Outcome("GET an unknown hero", self._call("GET", f"/heroes/{_NOBODY}").status)

    def send_list(self) -> Iterator[Outcome]:
        first = self._call("GET", "/heroes?limit=50").json()
        yield Outcome("GET a page", [_masked(hero) for hero in first["items"]])
        second = self._call("GET", f"/heroes?limit=50&cursor={first['next_cursor']}").json()
        yield Outcome("GET the page behind a cursor", [_masked(hero) for hero in second["items"]])

    def send_post(self) -> Iterator[Outcome]:
        answer = self._call("POST", "/heroes", _NEW)
        yield Outcome("POST a hero", self._hero(answer))
        yield Outcome("POST a hero, and look for the event", self._events(answer.json()["id"]))
        yield Outcome("POST a hero of an unknown team", self._call("POST", "/heroes", _OF_NO_TEAM).status)

    def send_patch(self) -> Iterator[Outcome]:
        for request in ("PATCH a hero", "PATCH a hero whose version has gone"):
            answer = self._call("PATCH", "/heroes/5", {"age": 100}, {"If-Match": '"1"'})
            yield Outcome(request, self._hero(answer) if answer.status == HTTPStatus.OK else answer.status)
            # Some commit after the answer.
            self._soon("SELECT FROM hero WHERE id = %s AND version > 1", 5)
        changed = "SELECT version, age, updated_at > created_at FROM hero WHERE id = %s"
        yield Outcome("PATCH a hero, and look at the row", self._query(changed, 5))
        yield Outcome("PATCH a hero, and look for the event", self._events(5))

    def send_bulk(self) -> Iterator[Outcome]:
        for request, heroes in (
            ("POST two heroes at once", [_NEW, _NEW]),
            ("POST two at once, one of an unknown team", [_NEW, _OF_NO_TEAM]),
        ):
            before = self._count()
            answer = self._call("POST", "/heroes/bulk", heroes)
            body = answer.json() if answer.status == HTTPStatus.CREATED else None
            yield Outcome(request, [answer.status, body, self._count() - before])

    def send_export(self) -> Iterator[Outcome]:
        answer = self._call("GET", "/heroes/export")
        lines = answer.body.splitlines()
        yield Outcome("GET all heroes", [answer.status, len(lines) >= HEROES, _masked(json.loads(lines[17]))])

    def _call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        return self._served.live.call(method, self._served.contender.prefix + path, body, headers)

    def _hero(self, answer: Answer) -> dict[str, Any]:
        hero = answer.json()
        location = answer.headers["Location"] or ""
        return {
            "status": answer.status,
            "body": _masked(hero),
            "ETag": answer.headers["ETag"],
            "Location": location.replace(self._served.contender.prefix, "").replace(str(hero.get("id")), "ID"),
        }

    def _events(self, hero_id: int) -> Any:
        """What was recorded about a hero, which happens after the answer."""
        return self._soon("SELECT kind FROM hero_event WHERE hero_id = %s", hero_id)

    def _soon(self, statement: LiteralString, *parameters: object) -> list[list[Any]]:
        """Ask until there are rows, or enough time has passed."""
        deadline = time.monotonic() + _STORED_WITHIN
        while True:
            rows = self._query(statement, *parameters)
            if rows or time.monotonic() > deadline:
                return rows
            time.sleep(0.01)

    def _count(self) -> int:
        return int(self._query("SELECT count(*) FROM hero")[0][0])

    def _query(self, statement: LiteralString, *parameters: object) -> list[list[Any]]:
        with psycopg.connect(self._database_url) as connection:
            return [list(row) for row in connection.execute(statement, parameters)]


def _masked(hero: dict[str, Any]) -> dict[str, Any]:
    """The hero, without what differs from run to run: the ids of new ones and the times."""
    known = hero.get("id", 0) <= HEROES
    return {name: _mask(name, value, known=known) for name, value in hero.items()}


def _mask(name: str, value: Any, *, known: bool) -> Any:
    if name == "id" and not known:
        return "a new id"
    if name in {"created_at", "updated_at"}:
        return "a time" if datetime.fromisoformat(value).tzinfo else f"{value}, without a time zone"
    return value
