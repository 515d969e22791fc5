"""Endpoints that ask who calls, and an issuer that a test has for itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from sqlalchemy import select

from app.kit.auth.dependencies import CurrentUser, requires
from app.kit.database.dependencies import WriteSession
from app.kit.idempotency.routes import IdempotentSession
from app.kit.routing import Router
from devtools.issuer.server import AUDIENCE
from kit_tests.support.application import Running, application, running
from kit_tests.support.suite import MakeSettings

router = Router(prefix="/probe")


@router.get("/open")
async def read_open() -> str:
    return "everybody"


@router.get("/me")
async def read_me(user: CurrentUser) -> dict[str, Any]:
    return {"id": user.id, "subject": user.subject, "scopes": sorted(user.scopes)}


@router.post("/write", dependencies=[requires("probe:write")])
async def write() -> str:
    return "written"


@router.post("/both", dependencies=[requires("probe:write", "probe:more")])
async def write_more() -> str:
    return "written"


@router.post("/session-first")
async def write_in_session(session: WriteSession, user: CurrentUser) -> str:
    await session.execute(select(1))
    return user.id


@router.post("/once")
async def write_once(session: IdempotentSession, user: CurrentUser) -> str:
    await session.execute(select(1))
    return user.id


def bearer(token: str) -> dict[str, str]:
    """Return the headers of a request with a token."""
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def probing(make_settings: MakeSettings, **overrides: object) -> AsyncIterator[Running]:
    """Run an application with these endpoints."""
    async with running(application(make_settings(**overrides), router)) as service:
        yield service


async def answer(service: Running, token: str) -> tuple[int, str]:
    """Return the status and the reason of a request with a token."""
    response = await service.client.get("/probe/me", headers=bearer(token))
    return response.status_code, reason(response)


def reason(response: httpx2.Response) -> str:
    """Return the detail of a problem, and of anything else nothing."""
    return str(response.json().get("detail", ""))


def of_issuer(url: str) -> dict[str, object]:
    """Return the settings that take the tokens of an issuer, and its word again after a moment."""
    return {"oidc_issuer": url, "oidc_audience": AUDIENCE}
