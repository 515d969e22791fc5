"""Translates errors into problem responses, without SQL, parameters or credentials."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError, ValidationException, WebSocketRequestValidationError
from fastapi.utils import is_body_allowed_for_status_code
from pydantic_core import to_jsonable_python
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.kit.database.errors import classify, code_of
from app.kit.database.failures import DatabaseError, Failure, NotFoundError, VersionMismatchError, origin
from app.kit.database.pagination import InvalidCursorError
from app.kit.http.etags import why_refused
from app.kit.http.problems import MEMBERS, RETRY_AFTER_SECONDS, ProblemError, problem, problem_with
from app.kit.http.retries import repeat_if_allowed
from app.kit.http.routing import route_for
from app.kit.http.validation import MAX_ERRORS, bound_errors

# relies on: FastAPI's text, with status 400, where it cannot read a body. Its cause is what the parser raised.
_UNREADABLE: Final = "There was an error parsing the body"

_METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

log = structlog.get_logger()

# What a client is told about each failure of the database, and whether trying again later can help.
FAILURES: Final[Mapping[Failure, tuple[int, str]]] = {
    Failure.UNIQUE: (409, "A row with the same unique value exists already."),
    Failure.FOREIGN_KEY: (409, "The request refers to a row that does not exist, or removes one that is still in use."),
    Failure.STALE: (409, "The row was changed by someone else in the meantime. Read it again and repeat the change."),
    Failure.CONSTRAINT: (422, "A value is not allowed by the rules of the database."),
    Failure.DATA: (422, "A value is not one that the database can store."),
    Failure.CONFLICT: (503, "The change was in conflict with others that ran at the same time. Try again."),
    Failure.LOCKED: (503, "The row is locked by someone else. Try again."),
    Failure.TIMEOUT: (503, "The database took too long. Try again."),
    Failure.POOL_EXHAUSTED: (503, "All database connections are in use. Try again."),
    Failure.UNAVAILABLE: (503, "The database cannot be reached. Try again."),
}


def response_to(error: Exception, scope: Scope) -> Response | None:
    """Return the response to an error, or None if the error is a bug."""
    match error:
        case HTTPException():
            return _http_exception(error, scope)
        case RequestValidationError() | WebSocketRequestValidationError():
            return _validation_error(error)
        case InvalidCursorError():
            return problem(422, str(error), kind="invalid-cursor")
        case NotFoundError() | VersionMismatchError():
            return _no_such_row(error, scope)
        case SQLAlchemyError() | DatabaseError():
            return _database_error(error)
        case _:
            return None


def _http_exception(error: HTTPException, scope: Scope) -> Response:
    status = error.status_code
    if not is_body_allowed_for_status_code(status):
        return Response(status_code=status, headers=error.headers)
    if isinstance(error, ProblemError):
        return problem_with(error.extra, status, error.detail, kind=error.kind, headers=error.headers)
    if error.detail == _UNREADABLE and (reason := _reason_why_no_json(error.__cause__)):
        message = f"Invalid JSON: {reason}"
        invalid = {"loc": ["body"], "msg": message, "type": "json_invalid"}
        return problem(422, f"body: {message}", kind="validation", errors=[invalid])
    headers = error.headers
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(_allowed_methods(scope))}
    detail, members = _detail_and_members(error.detail, status)
    return problem_with(members, status, detail, headers=headers)


def _reason_why_no_json(cause: BaseException | None) -> str | None:
    """Say what Python's parser could not read, where its error is none of JSON; None if something else failed."""
    match cause:
        case UnicodeDecodeError():
            return f"Bytes that are not UTF-8 at byte {cause.start + 1}"
        case RecursionError():
            return "Nested too deeply"
        case ValueError():
            return "A number of too many digits"
        case _:
            return None


def _detail_and_members(detail: Any, status: int) -> tuple[str, Mapping[str, Any]]:
    """Split what FastAPI lets a detail be: a mapping holds members of the problem, and all else becomes one text."""
    if isinstance(detail, str):
        return detail, {}
    if isinstance(detail, Mapping) and MEMBERS.isdisjoint(detail.keys() - {"detail"}):
        members = dict(detail)
        text = members.pop("detail", HTTPStatus(status).phrase)
        if isinstance(text, str):
            return text, members
    return json.dumps(to_jsonable_python(detail), ensure_ascii=False), {}


def _allowed_methods(scope: Scope) -> list[str]:
    """Return every method that the path has; the error names those of one of its endpoints."""
    served = {method for method in _METHODS if route_for(scope, method) is not None}
    return sorted(served | ({"HEAD"} if "GET" in served else set()))


def _validation_error(error: ValidationException) -> Response:
    # The refused input is left out: it may be a secret, or text that cannot be encoded.
    errors = [_invalid_value(item) for item in error.errors()[:MAX_ERRORS]]
    first = errors[0]
    detail = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return problem(422, detail, kind="validation", errors=errors)


def _invalid_value(item: Mapping[str, Any]) -> dict[str, Any]:
    location, message = list(item["loc"]), item["msg"]
    if item["type"] == "json_invalid":
        # FastAPI gives the position as if it were that of a value in a list.
        message = f"Invalid JSON: {item['ctx']['error']} at character {location.pop() + 1}"
    return {"loc": location, "msg": message, "type": item["type"]}


def _no_such_row(error: NotFoundError | VersionMismatchError, scope: Scope) -> Response:
    if isinstance(error, NotFoundError):
        return problem(404, str(error))
    lines = Headers(scope=scope).getlist("If-Match")
    return problem(412, why_refused(", ".join(lines) if lines else None, error.version))


def _database_error(error: Exception) -> Response | None:
    failure = classify(error)
    if failure is None:
        return None
    status, detail = FAILURES[failure]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        # Names and codes: what a message says may be a secret.
        cause, code = type(origin(error)).__name__, code_of(error)
        log.warning("database_failure", failure=failure.value, error=type(error).__name__, cause=cause, code=code)
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    else:
        headers = None
    return problem(status, detail, kind=failure.value, headers=headers)


async def _handle(connection: HTTPConnection, error: Exception) -> Response:
    # Only the middleware around a WebSocket knows whether it was accepted, and so what can still be sent.
    if connection.scope["type"] == "websocket":
        raise error
    repeat_if_allowed(connection.scope, error)
    response = response_to(error, connection.scope)
    if response is None:
        raise error
    return response


async def _not_found(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise HTTPException(HTTPStatus.NOT_FOUND)


def install_error_handlers(app: FastAPI) -> None:
    """Turn the errors that are no bugs into problem responses; `RequestMiddleware` handles the others."""
    bound_errors()
    # Starlette raises this for a request only; a WebSocket that no endpoint serves it refuses with 403.
    app.router.default = _not_found
    for kind in (
        HTTPException,
        RequestValidationError,
        WebSocketRequestValidationError,
        InvalidCursorError,
        SQLAlchemyError,
        DatabaseError,
    ):
        app.exception_handler(kind)(_handle)
