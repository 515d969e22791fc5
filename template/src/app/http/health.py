"""Health endpoints for orchestrators: alive says that the process answers, ready that it can serve."""

from typing import Literal

from pydantic import BaseModel
from starlette.responses import Response

from app.database.dependencies import CurrentDatabase
from app.database.readiness import NotReadyError, check_readiness
from app.http.problems import RETRY_AFTER_SECONDS, problem
from app.http.routing import PrefixRouter

router = PrefixRouter(prefix="/health", tags=["operations"])


class Health(BaseModel):
    """The answer of a healthy service."""

    status: Literal["alive", "ready"]


@router.get("/live", summary="Does the process answer?")
async def live() -> Health:
    """Answer without asking the database: an orchestrator should not restart the service because of it."""
    return Health(status="alive")


@router.get("/ready", summary="Can the service do its work?", response_model=Health)
async def ready(database: CurrentDatabase) -> Health | Response:
    """Answer 503 with the reason unless the database answers in time and its schema is at the migration head."""
    try:
        await check_readiness(database)
    except NotReadyError as reason:
        return problem(503, str(reason), kind="not-ready", headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    return Health(status="ready")
