"""Errors as `application/problem+json` (RFC 9457), without SQL, parameters or credentials."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.utils import is_body_allowed_for_status_code
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from app.database.errors import DatabaseError, Failure, classify
from app.database.pagination import InvalidCursorError
from app.http.request_id import current_request_id
from app.http.retries import repeat_if_allowed

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 1
MAX_ERRORS: Final = 20
"""How many of the fields that are refused a response names: a large body can be wrong in many thousand places."""

_METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

log = structlog.get_logger()


class Problem(BaseModel):
    """The body of every error response."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str


PROBLEM_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
    }
    for status in (400, 404, 409, 412, 413, 422, 500, 503)
}

# What a client is told about each failure of the database, and whether trying again later can help.
FAILURES: Final[Mapping[Failure, tuple[int, str]]] = {
    Failure.UNIQUE: (409, "A row with the same unique value exists already."),
    Failure.FOREIGN_KEY: (409, "The request refers to a row that does not exist, or removes one that is still in use."),
    Failure.STALE: (409, "The row was changed by someone else in the meantime. Read it again and repeat the change."),
    Failure.CONSTRAINT: (422, "A value is not allowed by the rules of the database."),
    Failure.DATA: (422, "A value is not one that the database can store."),
    Failure.CONFLICT: (503, "The change collided with others that ran at the same time. Try again."),
    Failure.LOCKED: (503, "The row is locked by someone else. Try again."),
    Failure.TIMEOUT: (503, "The database took too long. Try again."),
    Failure.POOL_EXHAUSTED: (503, "All database connections are in use. Try again."),
    Failure.UNAVAILABLE: (503, "The database cannot be reached. Try again."),
}


def problem(
    status: int, detail: str, *, kind: str = "", headers: Mapping[str, str] | None = None, **extra: Any
) -> Response:
    """Build a problem response; `kind` names the failure for programs, and is left out where the status says it all."""
    body = Problem(
        type=f"urn:problem:{kind}" if kind else "about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        request_id=current_request_id(),
    )
    return JSONResponse(body.model_dump() | extra, status, headers=headers, media_type=MEDIA_TYPE)


async def _http_exception(request: Request, error: HTTPException) -> Response:
    if not is_body_allowed_for_status_code(error.status_code):
        return Response(status_code=error.status_code, headers=error.headers)
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(_allowed_methods(request))}
    return problem(error.status_code, str(error.detail), headers=headers)


def _allowed_methods(request: Request) -> list[str]:
    """Return every method that the path has; the error names those of one of its endpoints."""
    return [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]


async def _validation_error(_request: Request, error: RequestValidationError) -> Response:
    # The refused input is left out: it may be a secret, or text that cannot be encoded.
    errors = [
        {"loc": list(item["loc"]), "msg": item["msg"], "type": item["type"]} for item in error.errors()[:MAX_ERRORS]
    ]
    first = errors[0]
    detail = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return problem(422, detail, kind="validation", errors=errors)


async def _invalid_cursor(_request: Request, error: InvalidCursorError) -> Response:
    return problem(422, str(error), kind="invalid-cursor")


async def _database_error(request: Request, error: Exception) -> Response:
    failure = classify(error)
    if failure is None:
        raise error
    repeat_if_allowed(request.scope, error)
    status, detail = FAILURES[failure]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        log.warning("database_failure", failure=failure.value, error=type(error).__name__)
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    else:
        headers = None
    return problem(status, detail, kind=failure.value, headers=headers)


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error of the application with a problem response."""
    app.exception_handler(HTTPException)(_http_exception)
    app.exception_handler(RequestValidationError)(_validation_error)
    app.exception_handler(InvalidCursorError)(_invalid_cursor)
    app.exception_handler(SQLAlchemyError)(_database_error)
    app.exception_handler(DatabaseError)(_database_error)
