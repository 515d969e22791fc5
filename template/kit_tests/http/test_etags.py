"""Optimistic locking over HTTP: `ETag` out, `If-Match` in."""

import asyncio
from contextlib import nullcontext
from typing import NamedTuple

import httpx2
import pytest
from fastapi import HTTPException
from sqlalchemy import bindparam, select

from app.kit.database.change import Change
from app.kit.database.dependencies import CurrentDatabase
from app.kit.database.failures import VersionMismatchError
from app.kit.database.query import Query
from app.kit.http.etags import IfMatch, IfNoneMatch, require_modified, versions_in
from kit_tests.support.application import Running
from kit_tests.support.items import Item
from kit_tests.support.problems import assert_problem


class ItemState(NamedTuple):
    """What a change needs to know of an item."""

    id: int
    total: int
    version: int


CHANGE = Change(
    Item,
    Query(ItemState, select(Item.id, Item.count.label("total"), Item.version).where(Item.id == bindparam("id"))),
)


async def make_item(client: httpx2.AsyncClient) -> str:
    return f"/items/{(await client.post('/items', json={'name': 'tagged'})).json()['id']}"


@pytest.mark.parametrize(
    "if_match", ['"1"', ' "1" ', "*", '"0", "1"', '"0","1","2"', 'W/"1", "1"', '"a,b", "1"', ', "1",']
)
async def test_change_goes_through_while_the_tag_matches(client: httpx2.AsyncClient, if_match: str) -> None:
    item = await make_item(client)
    assert (await client.get(item)).headers["ETag"] == '"1"'
    assert (await client.patch(item, json={"count": 5}, headers={"If-Match": if_match})).status_code == 200
    assert (await client.get(item)).headers["ETag"] == '"2"'


@pytest.mark.parametrize(
    "if_match",
    ['"2"', '"0", "2"', "1", 'W/"1"', 'w/"1"', "", '"', '""', '"1', "1 OR 1=1", '"1" "', '"01"', '"1 "', '"*"', "\xe9"],
)
async def test_change_is_refused_when_no_tag_matches(client: httpx2.AsyncClient, if_match: str) -> None:
    item = await make_item(client)
    headers = {b"If-Match": if_match.encode("latin-1")}
    assert_problem(await client.patch(item, json={"count": 5}, headers=headers), 412)
    assert (await client.get(item)).json()["count"] == 0


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        *[(['"0"', '"1"'], 200), (['"1"', '"0"'], 200), (['"0", "2"', "", '"1"'], 200), (['W/"1"', '"1"'], 200)],
        *[(['"0"', '"2"'], 412), (['"0', '1"'], 412), (['W/"1"', '"0"'], 412), (["*", '"0"'], 412)],
    ],
)
async def test_lines_of_the_header_are_one_list(client: httpx2.AsyncClient, lines: list[str], status: int) -> None:
    item = await make_item(client)
    headers = [("If-Match", line) for line in lines]
    assert (await client.patch(item, json={"count": 5}, headers=headers)).status_code == status


MANY_DIGITS = "9" * 5_000

REFUSED = [
    *[['"2"'], ['"0", "2"'], ["1"], ['W/"1"'], ['w/"1"'], [""], ['"'], ['""'], ['"1'], ['"01"'], ['"1 "'], ['"*"']],
    *[["\xe9"], ["*, 1"], ['*, "2"'], ["*", "*"], ['W/"1", "2"'], ['W/"2"'], [f'"{2**63}"'], [f'"{MANY_DIGITS}"']],
    *[['"0"', '"2"'], ['"0', '1"'], ["*", '"0"'], ['"\u0661"'.encode().decode("latin-1")], ['"-1"', '"+1"', '"1.0"']],
]
MATCHED = [
    *[[], ["*"], [" * "], ['"1"'], [' "1" '], ['"0","1"'], ['"0"', '"1"'], ['W/"1"', '"1"'], [', "1",']],
    ['"a,b", "1"'],
]


async def test_change_of_what_a_query_finds_says_the_same(service: Running) -> None:
    @service.app.patch("/found/{item_id}")
    async def change_found(
        item_id: int, count: int, database: CurrentDatabase, if_match: IfMatch = None
    ) -> dict[str, int]:
        item, is_changed = await CHANGE.row(database, {"count": count}, versions=versions_in(if_match), id=item_id)
        return {"id": item.id, "version": item.version, "changed": is_changed}

    async def change(path: str, lines: list[str]) -> httpx2.Response:
        headers = [(b"If-Match", line.encode("latin-1")) for line in lines]
        return await service.client.patch(path, json={"count": 5}, params={"count": 5}, headers=headers)

    item = await make_item(service.client)
    found = item.replace("items", "found")
    for lines in REFUSED:
        one, other = await change(item, lines), await change(found, lines)
        assert assert_problem(other, 412)["detail"] == assert_problem(one, 412)["detail"], lines
        assert other.json().keys() == one.json().keys()
    missing = await change("/found/404", REFUSED[0])
    assert assert_problem(missing, 404)["detail"] == "There is no item 404."

    for number, lines in enumerate(MATCHED):
        made = (await service.client.post("/items", json={"name": f"item {number}"})).json()["id"]
        assert (await change(f"/found/{made}", lines)).json() == {"id": made, "version": 2, "changed": True}
        assert (await change(f"/found/{made}", [])).json() == {"id": made, "version": 2, "changed": False}


async def test_version_that_no_header_named_is_refused_by_its_number(service: Running) -> None:
    @service.app.patch("/probe")
    async def probe() -> None:
        raise VersionMismatchError(7)

    for headers in ({}, {"If-Match": "*"}):
        detail = assert_problem(await service.client.patch("/probe", headers=headers), 412)["detail"]
        assert detail.startswith("The current version is 7. Read the row again")


async def test_unchanged_row_is_found_in_any_line(service: Running) -> None:
    @service.app.get("/probe")
    async def probe(if_none_match: IfNoneMatch = None) -> str:
        require_modified(if_none_match, 1)
        return "sent"

    for lines, status in ((['"0"', '"1"'], 304), (['"0"', "*"], 200), (['"0"', '"2"'], 200), ([], 200)):
        response = await service.client.get("/probe", headers=[("If-None-Match", line) for line in lines])
        assert response.status_code == status
    parameter = (await service.client.get("/openapi.json")).json()["paths"]["/probe"]["get"]["parameters"][0]
    assert parameter["schema"]["anyOf"] == [{"type": "string"}, {"type": "null"}]


async def test_refusal_of_a_weakened_tag_says_what_to_send(client: httpx2.AsyncClient) -> None:
    item = await make_item(client)
    response = await client.patch(item, json={"count": 5}, headers={"If-Match": 'W/"1"'})
    assert assert_problem(response, 412)["detail"].endswith(' has made this one weak: send "1".')
    other = await client.patch(item, json={"count": 5}, headers={"If-Match": 'W/"2"'})
    assert "weak: send" not in assert_problem(other, 412)["detail"]


@pytest.mark.parametrize(("if_match", "is_tag"), [('"2"', True), ('W/"1", "3"', True), ("1", False), ('W/"1"', False)])
async def test_refusal_says_what_the_header_has_to_be(client: httpx2.AsyncClient, if_match: str, is_tag: bool) -> None:
    item = await make_item(client)
    response = await client.patch(item, json={"count": 5}, headers={"If-Match": if_match})
    detail = assert_problem(response, 412)["detail"]
    assert ("The current version is 1." in detail) == is_tag
    assert ('in double quotes and without `W/`, such as "7"' in detail) != is_tag


@pytest.mark.parametrize(
    ("if_none_match", "modified"),
    [
        *[('"1"', False), ('W/"1"', False), ("*", False), ('"0", "1"', False)],
        *[('"2"', True), ("1", True), ("W/1", True), ("", True), ('"1', True), ("\xe9", True), ('"a,*,b"', True)],
    ],
)
def test_row_is_sent_unless_the_client_has_it(if_none_match: str, modified: bool) -> None:
    with nullcontext() if modified else pytest.raises(HTTPException, match="304"):
        require_modified(if_none_match, 1)


async def test_change_without_a_tag_goes_through(client: httpx2.AsyncClient) -> None:
    item = await make_item(client)
    assert (await client.patch(item, json={"count": 5})).status_code == 200


async def test_every_successful_change_is_counted(service: Running) -> None:
    item = await make_item(service.client)

    responses = await asyncio.gather(*(service.client.patch(item, json={"count": n}) for n in range(1, 9)))

    refused = [response for response in responses if response.status_code != 200]
    for response in refused:
        assert_problem(response, 409, kind="stale-version")
    assert (await service.client.get(item)).headers["ETag"] == f'"{1 + len(responses) - len(refused)}"'


async def test_only_one_of_many_with_the_same_tag_may_change(service: Running) -> None:
    item = await make_item(service.client)

    responses = await asyncio.gather(
        *(service.client.patch(item, json={"count": n}, headers={"If-Match": '"1"'}) for n in range(1, 9))
    )

    assert sorted(response.status_code for response in responses)[:2] in ([200, 409], [200, 412])
    assert (await service.client.get(item)).headers["ETag"] == '"2"'
