<%
    n = r.names
    path = f"/{n.path}"
    referring = [field for field in r.references if r.sample_of(field)]
    own = [field for field in r.references if field not in referring]
    filters = [field for field in r.filters if field not in own]
    presences = [field for field in r.presences if field not in own]
    optional = [field for field in [*r.others, *referring] if field.nullable]
    service = ", shared_service: Running" if r.samples else ""

    def fields(number=None):
        arguments = ", ".join([*(["shared_service.database"] if r.samples else []), *([number] if number else [])])
        return f"{'await ' if r.samples else ''}fields_of({arguments})"
%>\
"""${n.many.capitalize()}: create, read, list, change, delete."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, Final
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import func, select

from app.${n.plural}.models import ${n.model}
from app.kit.database.sessions import Database
from kit_tests.support.application import Running
from kit_tests.support.problems import assert_problem
% for sample in r.samples:
% for line in sample.imports:
${line}
% endfor
% endfor

% if r.samples:
NUMBERS: Final = count(1)
"""What tells the rows apart that ${n.many} refer to."""
% endif


% for sample in r.samples:
async def create_${sample.variable}(database: Database) -> int:
    """Store ${sample.a}, and return its id."""
% if any("number" in value for value in sample.values.values()):
    number = next(NUMBERS)
% endif
% for attribute, needed in sample.needs.items():
    ${attribute} = await create_${needed}(database)
% endfor
    async with database.transaction() as session:
        ${sample.variable} = ${sample.model}(${", ".join([*(f"{name}={value}" for name, value in sample.values.items()), *(f"{name}={name}" for name in sample.needs)])})
        session.add(${sample.variable})
        await session.flush()
        return ${sample.variable}.id


% endfor
${"async " if r.samples else ""}def fields_of(${"database: Database, " if r.samples else ""}number: int = 1) -> dict[str, Any]:
    """Return what a client sends for ${n.a}: something else for each number."""
    return {
% for field in r.others:
        "${field.name}": ${field.sample},
% endfor
% for field in referring:
        "${field.name}": await create_${r.sample_of(field).variable}(database),
% endfor
    }


async def create(client: httpx2.AsyncClient, fields: dict[str, Any]) -> str:
    """Create ${n.a} and return its path."""
    response = await client.post("${path}", json=fields)
    assert response.status_code == 201, response.text
    return response.headers["Location"]


async def test_created_${n.singular}_is_returned_with_location_and_etag(
    client: httpx2.AsyncClient${service}
) -> None:
    fields = ${fields()}
    response = await client.post("${path}", json=fields)
    ${n.singular} = response.json()
    assert response.status_code == 201
    assert response.headers["Location"] == f"${path}/{${n.singular}['id']}"
    assert response.headers["ETag"] == '"1"'
    assert ${n.singular}.keys() == fields.keys() | {"id", "version", "created_at", "updated_at"${"".join(f', "{field.name}"' for field in own)}}
    assert {name: ${n.singular}[name] for name in fields} == fields
    assert datetime.fromisoformat(${n.singular}["created_at"]).tzinfo is not None

    again = await client.get(response.headers["Location"])
    assert (again.status_code, again.json(), again.headers["ETag"]) == (200, ${n.singular}, '"1"')


async def test_repeated_request_creates_one_${n.singular}(client: httpx2.AsyncClient${service}) -> None:
    fields = ${fields()}
    first, again = [await client.post("${path}", json=fields, headers={"Idempotency-Key": "a"}) for _ in range(2)]
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (await client.get("${path}")).json()["items"] == [first.json()]


% if optional:
@pytest.mark.parametrize("name", [${", ".join(f'"{field.name}"' for field in optional)}])
async def test_optional_field_may_be_left_out_and_taken_back(
    client: httpx2.AsyncClient${service}, name: str
) -> None:
    fields = ${fields()}
    value = fields.pop(name)
    path = await create(client, fields)
    assert (await client.get(path)).json()[name] is None
    assert (await client.patch(path, json={name: value})).json()[name] == value
    assert (await client.patch(path, json={name: None})).json()[name] is None


% endif
@pytest.mark.parametrize(
    "invalid",
    [
% for field in r.fields:
% for value in field.refused:
        {"${field.name}": ${value}},
% endfor
% if not field.nullable:
        {"${field.name}": None},
% endif
% endfor
        {"unknown": 1},
        {"id": 1},
        {"version": 7},
    ],
    ids=repr,
)
async def test_invalid_fields_are_refused(
    client: httpx2.AsyncClient${service}, invalid: dict[str, Any]
) -> None:
    fields = ${fields()}
    assert_problem(await client.post("${path}", json=fields | invalid), 422, kind="validation")
    path = await create(client, fields)
    assert_problem(await client.patch(path, json=invalid), 422, kind="validation")
    assert (await client.get(path)).json()["version"] == 1


% if r.references:
@pytest.mark.parametrize("name", [${", ".join(f'"{field.name}"' for field in r.references)}])
async def test_reference_to_nothing_is_refused(client: httpx2.AsyncClient${service}, name: str) -> None:
    fields = ${fields()}
    assert_problem(await client.post("${path}", json=fields | {name: 404_404}), 409, kind="foreign-key-violation")
    path = await create(client, fields)
    assert_problem(await client.patch(path, json={name: 404_404}), 409, kind="foreign-key-violation")
    assert (await client.get(path)).json()["version"] == 1


% endif
% if r.unique:
@pytest.mark.parametrize("name", [${", ".join(f'"{field.name}"' for field in r.unique)}])
async def test_value_that_is_taken_is_refused(client: httpx2.AsyncClient${service}, name: str) -> None:
    taken = ${fields()}
    await create(client, taken)
    fields = ${fields("2")}
    same = {name: taken[name]}
    assert_problem(await client.post("${path}", json=fields | same), 409, kind="unique-violation")
    path = await create(client, fields)
    assert_problem(await client.patch(path, json=same), 409, kind="unique-violation")


% endif
async def test_unknown_${n.singular}_is_not_found(client: httpx2.AsyncClient) -> None:
    assert_problem(await client.get("${path}/404"), 404)
    assert_problem(await client.patch("${path}/404", json={}), 404)
    assert_problem(await client.delete("${path}/404"), 404)


@pytest.mark.parametrize("number", ["0", "-1", str(2**63), "one", "01"])
async def test_invalid_id_is_refused(client: httpx2.AsyncClient, number: str) -> None:
    path = f"${path}/{number}"
    assert_problem(await client.get(path), 422)
    assert_problem(await client.patch(path, json={}), 422)
    assert_problem(await client.delete(path), 422)


async def test_patch_changes_only_the_fields_sent(client: httpx2.AsyncClient${service}) -> None:
    path = await create(client, ${fields()})
    changed = {
% for field in r.others:
        "${field.name}": ${field.other},
% endfor
% for field in referring:
        "${field.name}": await create_${r.sample_of(field).variable}(shared_service.database),
% endfor
    }
    for version, (name, value) in enumerate(changed.items(), 2):
        before = (await client.get(path)).json()
        response = await client.patch(path, json={name: value})
        assert (response.status_code, response.headers["ETag"]) == (200, f'"{version}"'), response.text
        after = response.json()
        assert after == before | {name: value, "version": version, "updated_at": after["updated_at"]}
        assert (await client.get(path)).json()[name] == value


async def test_patch_without_a_change_changes_nothing(client: httpx2.AsyncClient${service}) -> None:
    fields = ${fields()}
    path = await create(client, fields)
    before = (await client.get(path)).json()
    for nothing in ({}, fields):
        response = await client.patch(path, json=nothing)
        assert (response.status_code, response.json(), response.headers["ETag"]) == (200, before, '"1"')


async def test_if_match_refuses_a_change_of_a_newer_version(
    client: httpx2.AsyncClient${service}
) -> None:
    path = await create(client, ${fields()})
    seen = {"If-Match": (await client.get(path)).headers["ETag"]}
% if r.others:
    change = {"${r.others[0].name}": ${r.others[0].other}}
% else:
    change = {"${referring[0].name}": await create_${r.sample_of(referring[0]).variable}(shared_service.database)}
% endif
    assert (await client.patch(path, json=change, headers=seen)).status_code == 200
    assert_problem(await client.patch(path, json={}, headers=seen), 412)
    assert_problem(await client.delete(path, headers=seen), 412)
    assert (await client.delete(path, headers={"If-Match": '"2"'})).status_code == 204


async def test_if_none_match_of_the_current_version_is_304(client: httpx2.AsyncClient${service}) -> None:
    path = await create(client, ${fields()})
    tag = (await client.get(path)).headers["ETag"]
    response = await client.get(path, headers={"If-None-Match": tag})
    assert (response.status_code, response.content, response.headers["ETag"]) == (304, b"", tag)


async def test_deleted_${n.singular}_is_gone${"_and_keeps_its_row" if r.soft_delete else ""}(client: httpx2.AsyncClient, shared_service: Running) -> None:
    path = await create(client, ${fields()})
    response = await client.delete(path)
    assert (response.status_code, response.content) == (204, b"")
    assert_problem(await client.get(path), 404)
    assert_problem(await client.delete(path), 404)
    assert (await client.get("${path}")).json()["items"] == []
    async with shared_service.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(${n.model})) == ${1 if r.soft_delete else 0}


@pytest.mark.parametrize("name", [${", ".join(f'"{name}"' for name in ["id", *(field.name for field in r.orders)])}])
async def test_list_is_sorted_as_asked(client: httpx2.AsyncClient${service}, name: str) -> None:
    for number in (2, 1, 3):
        await create(client, ${fields("number")})
    ascending = (await client.get("${path}", params={"sort": name})).json()["items"]
    values = [${n.singular}[name] for ${n.singular} in ascending]
    assert (len(values), values) == (3, sorted(values))
    descending = (await client.get("${path}", params={"sort": f"-{name}"})).json()["items"]
    assert descending == ascending[::-1]


% if filters:
@pytest.mark.parametrize("name", [${", ".join(f'"{field.name}"' for field in filters)}])
async def test_list_is_filtered_as_asked(client: httpx2.AsyncClient${service}, name: str) -> None:
    fields = ${fields()}
    path = await create(client, fields)
    await create(client, ${fields("2")})
    ${n.singular} = (await client.get(path)).json()
    listed = (await client.get("${path}", params={name: ${n.singular}[name]})).json()["items"]
    assert ${n.singular} in listed
    assert {each[name] for each in listed} == {${n.singular}[name]}


% endif
% for field in own:
async def test_list_is_filtered_by_${field.name}(client: httpx2.AsyncClient${service}) -> None:
    first = (await client.get(await create(client, ${fields()}))).json()
    second = await create(client, ${fields("2")} | {"${field.name}": first["id"]})
    listed = (await client.get("${path}", params={"${field.name}": first["id"]})).json()["items"]
    assert listed == [(await client.get(second)).json()]


% endfor
% for field in presences:
async def test_list_is_filtered_by_whether_there_is_${field.presence.removeprefix("has_")}(client: httpx2.AsyncClient${service}) -> None:
    path = await create(client, ${fields()})
    bare = await create(client, ${fields("2")} | {"${field.name}": None})
    for has, found in ("true", path), ("false", bare):
        listed = (await client.get("${path}", params={"${field.presence}": has})).json()["items"]
        assert listed == [(await client.get(found)).json()]


% endfor
% if r.searched:
@pytest.mark.parametrize("name", [${", ".join(f'"{field.name}"' for field in r.searched)}])
async def test_list_is_searched_by_words(client: httpx2.AsyncClient${service}, name: str) -> None:
    path = await create(client, ${fields()} | {name: "The quick brown fox"})
    await create(client, ${fields("2")} | {name: "A quick cat"})
    found = (await client.get("${path}", params={"search": 'QUICK "brown fox" -cat'})).json()["items"]
    assert found == [(await client.get(path)).json()]
    await client.patch(path, json={name: "A lazy dog"})
    assert (await client.get("${path}", params={"search": "fox"})).json()["items"] == []


% endif
async def test_pages_lead_to_each_other(client: httpx2.AsyncClient${service}) -> None:
    paths = [await create(client, ${fields("number")}) for number in (1, 2, 3)]
    first = await client.get("${path}?limit=2&total=true")
    assert first.headers["X-Total-Count"] == "3"
    second = await client.get(first.links["next"]["url"])
    listed = [f"${path}/{${n.singular}['id']}" for page in (first, second) for ${n.singular} in page.json()["items"]]
    assert listed == paths
    assert second.json()["next_cursor"] is None
    assert (await client.get(second.links["prev"]["url"])).json()["items"] == first.json()["items"]


@pytest.mark.parametrize("asked", ["sort=unknown", "limit=0", "limit=101", "cursor=forged", "unknown=1"])
async def test_what_the_list_does_not_know_is_refused(client: httpx2.AsyncClient, asked: str) -> None:
    assert_problem(await client.get(f"${path}?{asked}"), 422)
