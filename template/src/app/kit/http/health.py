"""Health endpoints for orchestrators: alive says that the process answers, ready that it can serve."""

from typing import Literal

import structlog
from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from app.kit.database.dependencies import CurrentDatabase
from app.kit.database.schema import NotReadyError, check_readiness
from app.kit.http.components import components_of
from app.kit.http.problems import RETRY_AFTER_SECONDS, problem
from app.kit.http.routing import PrefixRouter

log = structlog.get_logger()

router = PrefixRouter(prefix="/health", tags=["operations"])


class Health(BaseModel):
    """The response of a healthy service."""

    status: Literal["alive", "ready"]


@router.get("/live", summary="Does the process answer?")
async def live() -> Health:
    """Answer without asking the database: an orchestrator should not restart the service because of it."""
    return Health(status="alive")


@router.get("/ready", summary="Can the service do its work?", response_model=Health)
async def ready(request: Request, database: CurrentDatabase) -> Health | Response:
    """Answer 503 with the reason unless the database answers in time and its schema is at the migration head."""
    components = components_of(request.scope)
    if components.draining.begun:
        return _not_ready("The service is about to end.")
    revisions = components.revisions()
    if components.readiness.is_known(database, revisions):
        return Health(status="ready")
    try:
        await check_readiness(database, revisions)
    except NotReadyError as reason:
        if components.readiness.turns(str(reason)):
            log.warning("not_ready", reason=str(reason))
        return _not_ready(str(reason))
    components.readiness.succeed(database, revisions)
    if components.readiness.turns(None):
        log.info("ready_again")
    return Health(status="ready")


def _not_ready(reason: str) -> Response:
    return problem(503, reason, kind="not-ready", headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
