"""Clients made from a service's description: without a warning, with names that people choose, and they work."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from tests.harness.rendering.template import Template
from tests.harness.running.clients import PythonClient, check_typescript, description_of
from tests.harness.running.live_service import installed_with_database, migrate, serve
from tests.harness.running.services import Environments, Service
from tests.harness.running.tools import MissingToolError

pytestmark = pytest.mark.slow

LARGEST = 35_000  # bytes that a description of thirteen operations may have

TYPESCRIPT = """
import type { components, operations, paths } from "./api";

type Hero = components["schemas"]["HeroRead"];
type Problem = components["schemas"]["Problem"];
type Page = components["schemas"]["PageHeroRead"];

const conflict: operations["create_hero"]["responses"][409]["content"]["application/problem+json"] = {
  type: "about:blank", title: "Conflict", status: 409, detail: "It is there.", request_id: "1",
};
const problem: Problem = conflict;
const refused: Problem = { ...problem, errors: [{ loc: ["body", 0, "name"], msg: "It is short.", type: "short" }] };
const stale: operations["change_hero"]["responses"][412]["content"]["application/problem+json"] = refused;
const page: Page = {} as paths["/heroes"]["get"]["responses"][200]["content"]["application/json"];
const heroes: Hero[] = page.items;
const created: operations["create_hero"]["requestBody"]["content"]["application/json"] = {
  name: "Deadpond", secret_name: "Dive Wilson",
};
// @ts-expect-error: what is only read is refused by no precondition.
type None = operations["read_hero"]["responses"][412];
export { created, heroes, stale };
export type { None };
"""


@dataclass(frozen=True)
class Described:
    """An installed service, a database for it, and what it describes itself as."""

    service: Service
    env: dict[str, str]
    text: str


@pytest.fixture(scope="module", params=["asyncpg", "aiosqlite"])
def described(
    request: pytest.FixtureRequest,
    template: Template,
    environments: Environments,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Described]:
    driver = str(request.param)
    folder = tmp_path_factory.mktemp("clients") / driver
    with installed_with_database(template, environments, folder, driver) as (service, url):
        env = {"DATABASE_URL": url}
        yield Described(service, env, description_of(service, env))


@pytest.fixture(scope="module")
def make_client(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], PythonClient]:
    """Makes a client of a description: one for all services that describe themselves in the same words."""

    @cache
    def make(description: str) -> PythonClient:
        folder = tmp_path_factory.mktemp("clients")
        return PythonClient(description, folder / "python", f"client_in_{folder.name}")

    return make


@pytest.fixture
def client(described: Described, make_client: Callable[[str], PythonClient]) -> PythonClient:
    return make_client(described.text)


@pytest.fixture(scope="module")
def typescript_of(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Callable[[str], str]:
    """Makes types of a description and checks the program above with them, once as well."""

    @cache
    def make(description: str) -> str:
        assert pytestconfig.cache is not None
        folder, tools = tmp_path_factory.mktemp("clients"), pytestconfig.cache.mkdir("typescript")
        return check_typescript(description, TYPESCRIPT, folder / "typescript", tools)

    return make


def test_description_is_small_and_the_same_in_each_process(described: Described) -> None:
    assert len(described.text) < LARGEST
    for seed in ("1", "2"):
        assert description_of(described.service, {**described.env, "PYTHONHASHSEED": seed}) == described.text


def test_python_client_has_names_that_people_choose(client: PythonClient) -> None:
    assert "WARNING" not in client.output.upper()
    assert client.operations() == {
        "heroes": {
            *("create_hero", "create_heroes", "read_hero", "change_hero", "delete_hero"),
            *("list_heroes", "list_events", "export_heroes"),
        },
        "teams": {"create_team", "read_team"},
        "operations": {"live", "ready", "read_metrics"},
    }
    assert client.models() == {
        *("HeroCreate", "HeroPatch", "HeroRead", "HeroEventRead", "PageHeroRead", "PageHeroEventRead", "BulkResult"),
        "ListHeroesSort",
        *("TeamCreate", "TeamRead", "TeamWithHeroes"),
        *("Health", "HealthStatus", "Problem", "InvalidValue"),
    }


def test_typescript_client_has_names_that_people_choose(
    described: Described, typescript_of: Callable[[str], str]
) -> None:
    try:
        types = typescript_of(described.text)
    except MissingToolError as reason:
        pytest.skip(str(reason))
    assert types.count("Problem: {") == 1


def test_python_client_drives_the_service(described: Described, client: PythonClient) -> None:
    migrate(described.service, described.env)
    with serve(described.service, described.env) as live, client.connect(live.url) as connection:
        _drive(client, connection)


def _drive(client: PythonClient, connection: Any) -> None:
    def call(operation: str, *arguments: Any, **options: Any) -> Any:
        return client.call(operation, *arguments, client=connection, **options)

    def hero(name: str, **fields: Any) -> Any:
        return client.model("HeroCreate")(**{"name": name, "secret_name": "Dive Wilson", **fields})

    problem = client.model("Problem")

    def assert_problem(answer: Any, status: int, kind: str = "about:blank") -> Any:
        assert answer.status_code == status
        assert isinstance(answer.parsed, problem)
        assert (answer.parsed.status, answer.parsed.type_) == (status, kind)
        assert answer.parsed.request_id == answer.headers["X-Request-ID"]
        return answer.parsed

    created = call("heroes.create_hero", body=hero("Deadpond"))
    assert created.status_code == 201
    assert isinstance(created.parsed, client.model("HeroRead"))
    assert (created.parsed.name, created.parsed.age, created.parsed.version) == ("Deadpond", None, 1)
    first = created.parsed.id

    orphan = hero("Orphan", team_id=999_999)
    assert_problem(call("heroes.create_hero", body=orphan), 409, "urn:problem:foreign-key-violation")
    refused = assert_problem(call("heroes.create_hero", body=hero("")), 422, "urn:problem:validation")
    assert [(error.loc, bool(error.msg)) for error in refused.errors] == [(["body", "name"], True)]

    many = call("heroes.create_heroes", body=[hero(f"Hero {n}") for n in range(3)])
    assert many.parsed.inserted == 3
    page = call("heroes.list_heroes", limit=3).parsed
    assert [each.name for each in page.items] == ["Deadpond", "Hero 0", "Hero 1"]
    rest = call("heroes.list_heroes", limit=3, cursor=page.next_cursor).parsed
    assert ([each.name for each in rest.items], rest.next_cursor) == (["Hero 2"], None)
    assert len(call("heroes.export_heroes").content.splitlines()) == 4

    read = call("heroes.read_hero", first)
    assert call("heroes.read_hero", first, if_none_match=read.headers["ETag"]).status_code == 304
    older = client.model("HeroPatch")(age=30)
    changed = call("heroes.change_hero", first, body=older, if_match=read.headers["ETag"])
    assert (changed.parsed.age, changed.parsed.version, changed.parsed.name) == (30, 2, "Deadpond")
    assert_problem(call("heroes.change_hero", first, body=older, if_match=read.headers["ETag"]), 412)
    assert_problem(call("heroes.delete_hero", first, if_match=read.headers["ETag"]), 412)

    assert call("heroes.delete_hero", first, if_match=changed.headers["ETag"]).status_code == 204
    assert_problem(call("heroes.read_hero", first), 404)

    assert call("operations.ready").parsed.to_dict() == {"status": "ready"}
    assert "http_requests_total" in call("operations.read_metrics").parsed
    assert json.loads(call("operations.live").content) == {"status": "alive"}
