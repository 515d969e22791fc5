"""Orders: placed and read."""

import httpx2

from tests.kit.application import Running
from tests.kit.problems import assert_problem


async def test_placed_order_can_be_read(service: Running) -> None:
    answer = await service.client.post("/orders", json={"customer": "nora", "pieces": 3})
    assert answer.status_code == 201
    assert (await service.client.get(answer.headers["Location"])).json() == answer.json()
    assert answer.json()["customer"] == "Nora"


async def test_order_without_pieces_is_refused(client: httpx2.AsyncClient) -> None:
    assert_problem(await client.post("/orders", json={"customer": "nora", "pieces": 0}), 422)
    assert_problem(await client.get("/orders/1"), 404)
