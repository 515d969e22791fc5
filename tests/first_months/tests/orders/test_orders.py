"""Orders: placed and read."""

import httpx2

from kit_tests.support.application import Running
from kit_tests.support.problems import assert_problem


async def test_placed_order_can_be_read(service: Running) -> None:
    placed = await service.client.post("/orders", json={"customer": "nora", "pieces": 3})
    order = {"id": placed.json()["id"], "customer": "Nora", "pieces": 3}
    assert (placed.status_code, placed.json()) == (201, order | {"greeting": "Good morning"})
    assert (await service.client.get(placed.headers["Location"])).json() == order


async def test_order_without_pieces_is_refused(client: httpx2.AsyncClient) -> None:
    assert_problem(await client.post("/orders", json={"customer": "nora", "pieces": 0}), 422)
    assert_problem(await client.get("/orders/1"), 404)


async def test_long_response_is_compressed(client: httpx2.AsyncClient) -> None:
    response = await client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
