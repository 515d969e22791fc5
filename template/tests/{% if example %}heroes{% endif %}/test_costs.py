"""How many statements a request takes. More than these is no mistake, but should not happen unnoticed."""

from typing import Any

import pytest

from tests.kit.application import Running
from tests.kit.statements import statements_seen

HERO = {"name": "Deadpond", "secret_name": "Dive Wilson"}


@pytest.mark.parametrize(
    ("method", "path", "body", "statements"),
    [
        ("GET", "/heroes/1", None, 1),
        ("GET", "/heroes", None, 1),
        ("GET", "/heroes/export", None, 1),
        ("GET", "/heroes/1/events", None, 1),
        ("GET", "/teams/1", None, 2),
        ("POST", "/heroes/bulk", [HERO] * 100, 1),
        # With the event that is recorded after the answer.
        ("POST", "/heroes", HERO, 2),
        ("PATCH", "/heroes/1", {"age": 48}, 3),
        ("DELETE", "/heroes/1", None, 3),
    ],
)
async def test_request_takes_as_many_statements_as_it_must(
    service: Running, method: str, path: str, body: Any, statements: int
) -> None:
    team = await service.client.post("/teams", json={"name": "Preventers", "headquarters": "Sharp Tower"})
    await service.client.post("/heroes", json=HERO | {"team_id": team.json()["id"]})
    with statements_seen(about=" ") as seen:
        answer = await service.client.request(method, path, json=body)
    assert answer.is_success
    asked = [statement for statement in seen if "set_config" not in statement and not statement.startswith("BEGIN")]
    assert len(asked) == statements, asked
