"""Error responses as `application/problem+json` (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from app.kit.http.request_id import current_request_id

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 1


class InvalidValue(BaseModel):
    """A value of the request that was refused."""

    loc: list[str | int]
    msg: str
    type: str


class Problem(BaseModel):
    """The body of every error response."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    # Optional but not nullable: it is left out of a problem that is not about values.
    errors: list[InvalidValue] = Field(default_factory=list)


class ProblemError(HTTPException):
    """Ends a request with a problem response of its own type, and rolls its transaction back.

    `raise ProblemError(409, "The invoice is paid.", kind="invoice-paid", invoice_id=7)` is answered with the type
    `urn:problem:invoice-paid` and the further member `invoice_id`.
    """

    def __init__(
        self, status: int, detail: str, *, kind: str = "", headers: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(status, detail, headers)
        self.kind = kind
        self.extra = extra


def problem(
    status: int, detail: str, *, kind: str = "", headers: Mapping[str, str] | None = None, **extra: Any
) -> Response:
    """Build a problem response; `kind` names the failure for programs, and is left out where the status says it all.

    To return a response does not roll back: raise `ProblemError` for that.
    """
    body = Problem(
        type=f"urn:problem:{kind}" if kind else "about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        request_id=current_request_id(),
    )
    return JSONResponse(body.model_dump(exclude_unset=True) | extra, status, headers=headers, media_type=MEDIA_TYPE)


def internal_server_error() -> Response:
    """Build the response to a bug, which does not say what went wrong."""
    return problem(500, "The service failed to answer. The request id finds the reason in the logs.")
