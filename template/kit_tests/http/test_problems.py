"""Error responses: what an endpoint may make of them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from fastapi import APIRouter, HTTPException

from app.kit.http.problems import ProblemError, problem
from kit_tests.support.application import Running, application, running
from kit_tests.support.problems import assert_problem
from kit_tests.support.settings import settings_for

errors: dict[str, Exception] = {}

router = APIRouter()


@router.get("/raised/{name}")
async def fail(name: str) -> None:
    raise errors[name]


@pytest.fixture
async def service(shared_database_url: str) -> AsyncIterator[Running]:
    async with running(application(settings_for(shared_database_url), router)) as service:
        yield service


DETAILS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "text": ("Nobody is on duty.", "Nobody is on duty.", {}),
    "default": (None, "Conflict", {}),
    "members": ({"code": 7, "hint": ["a"]}, "Conflict", {"code": 7, "hint": ["a"]}),
    "members and a text": ({"detail": "It is paid.", "code": 7}, "It is paid.", {"code": 7}),
    "members that arguments are called": (
        {"kind": "a", "headers": "b", "members": "c"},
        "Conflict",
        {"kind": "a", "headers": "b", "members": "c"},
    ),
    "nothing": ({}, "Conflict", {}),
    "members that a problem has": ({"status": 200, "code": 7}, '{"status": 200, "code": 7}', {}),
    "detail that is no text": ({"detail": [1], "code": 7}, '{"detail": [1], "code": 7}', {}),
    "list": (["é", None, True], '["é", null, true]', {}),
    "number": (7, "7", {}),
}


@pytest.mark.parametrize("name", DETAILS)
async def test_detail_of_any_kind_becomes_a_problem(service: Running, name: str) -> None:
    raised, detail, members = DETAILS[name]
    errors[name] = HTTPException(409, raised)
    body = assert_problem(await service.client.get(f"/raised/{name}"), 409)
    assert body["type"] == "about:blank"
    assert body["detail"] == detail
    assert {key: value for key, value in body.items() if key not in HAS} == members


HAS = {"type", "title", "status", "detail", "request_id"}


async def test_problem_has_a_type_and_members_of_its_own(service: Running) -> None:
    number = UUID(int=7)
    errors["own"] = ProblemError(
        409,
        "The invoice is paid.",
        kind="invoice-paid",
        headers={"X-Paid": "yes"},
        invoice_id=number,
        amount=Decimal("1.50"),
        paid_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    response = await service.client.get("/raised/own")
    body = assert_problem(response, 409, kind="invoice-paid")
    assert body["detail"] == "The invoice is paid."
    assert response.headers["X-Paid"] == "yes"
    assert {key: value for key, value in body.items() if key not in HAS} == {
        "invoice_id": str(number),
        "amount": "1.50",
        "paid_at": "2026-01-02T00:00:00Z",
    }


@pytest.mark.parametrize("kind", ["invoice-paid", "invoices:paid", "invoices/paid", "2", "caf%C3%A9", "a.b_c~d"])
def test_kind_may_be_whatever_a_uri_can_hold(kind: str) -> None:
    assert ProblemError(409, "Paid.", kind=kind).kind == kind


@pytest.mark.parametrize("kind", ["invoice paid", "/paid", "paid?", "a#b", "é", "a\n", "100%", "%zz", '"', "<a>"])
def test_kind_that_no_uri_can_hold_is_refused_at_once(kind: str) -> None:
    with pytest.raises(ValueError, match="cannot be part of a URI"):
        ProblemError(409, "Paid.", kind=kind)
    with pytest.raises(ValueError, match="cannot be part of a URI"):
        problem(409, "Paid.", kind=kind)


def test_members_that_every_problem_has_cannot_be_replaced() -> None:
    with pytest.raises(ValueError, match="request_id, type"):
        ProblemError(409, "Paid.", type="a", request_id="b", code="c")
